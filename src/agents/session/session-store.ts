import { AlcoveError } from '../../protocol/error.js'
import type { Message } from '../../protocol/message.js'
import { approximateBytes } from '../../store/approximate-bytes.js'
import type { Store } from '../../store/store.js'
import type { SessionChange, SessionChanges } from './session-changes.js'
import type { SessionLocks } from './session-locks.js'
import {
  createTimedId,
  emptyHead,
  firstLineOf,
  type HeadRow,
  headKey,
  isMessageRow,
  isRunRow,
  isSessionRow,
  type MessageRow,
  messagePrefix,
  ROW_VERSION,
  type RunRow,
  runPrefix,
  type SessionRow,
  sessionKey,
} from './session-rows.js'

/** What is written of a session at one go. */
export interface SessionWrite {
  readonly messages?: readonly MessageRow[] | undefined
  /** Makes this the last message that is shown, if the one that is shown now is `from`, or whatever is shown. */
  readonly move?: { readonly to: string | null; readonly from?: string | null | undefined } | undefined
  readonly run?: RunRow | undefined
  /** Ids of runs that are over. */
  readonly endedRuns?: readonly string[] | undefined
}

export interface SessionStoreOptions {
  readonly store: Store
  readonly locks: SessionLocks
  readonly changes: SessionChanges
  /** Name of the database: part of the names of locks. */
  readonly name: string
  /** Milliseconds since the epoch. */
  readonly wallTime: () => number
  readonly createId: (at: number) => string
}

/** The rows of sessions, each change of them whole. */
export class SessionStore {
  readonly #options: SessionStoreOptions
  /** Writes that were begun, by session. */
  readonly #pending = new Map<string, Set<Promise<unknown>>>()

  constructor(options: SessionStoreOptions) {
    this.#options = options
  }

  get locks(): SessionLocks {
    return this.#options.locks
  }

  get store(): Store {
    return this.#options.store
  }

  get wallTime(): () => number {
    return this.#options.wallTime
  }

  createId(): string {
    return this.#options.createId(this.#options.wallTime())
  }

  lockName(id: string, what: string): string {
    return `${this.#options.name}:${id}:${what}`
  }

  tell(change: SessionChange): void {
    this.#options.changes.tell(change)
  }

  subscribe(listener: (change: SessionChange) => void): () => void {
    return this.#options.changes.subscribe(listener)
  }

  /** The session's own rows. @throws AlcoveError `not-found`; `version-unsupported` for one that a newer Alcove wrote */
  async readSession(id: string): Promise<{ session: SessionRow; head: HeadRow }> {
    const [session, head] = await this.store.getMany<unknown>([sessionKey(id), headKey(id)])
    if (!isSessionRow(session)) {
      throw new AlcoveError('not-found', `there is no session '${id}'`, {
        hint: 'It may have been deleted. alcove.sessions.list() says which there are.',
      })
    }
    if (session.version > ROW_VERSION) {
      throw new AlcoveError(
        'version-unsupported',
        `session '${id}': expected version ${ROW_VERSION}, got ${session.version}`,
        { hint: 'A newer Alcove wrote it, perhaps in another tab. Load this page anew.' },
      )
    }
    return { session, head: { ...emptyHead, ...(head as HeadRow | undefined) } }
  }

  /** All messages of all branches, in order of time. What is no message is passed over. */
  async readMessages(id: string): Promise<MessageRow[]> {
    await this.settled(id)
    const entries = await this.store.entries<unknown>(messagePrefix(id))
    return entries.flatMap(([, row]) => (isMessageRow(row) ? [row] : []))
  }

  /** Runs that have not ended, oldest first. */
  async readRuns(id: string): Promise<RunRow[]> {
    const entries = await this.store.entries<unknown>(runPrefix(id))
    return entries.flatMap(([, row]) => (isRunRow(row) ? [row] : []))
  }

  /** New rows for messages that follow each other after `parent`. */
  rowsOf(messages: readonly Message[], parent: string | null): MessageRow[] {
    let last = parent
    return messages.map(({ id: _, ...message }) => {
      const row = { id: this.createId(), parent: last, at: this.#options.wallTime(), message }
      last = row.id
      return row
    })
  }

  /**
   * Writes all of it or nothing. Two tabs do so one after the other.
   * @throws AlcoveError `not-found` when the session was deleted; `invalid-argument` for a message that cannot be stored
   */
  async write(id: string, write: SessionWrite): Promise<void> {
    await this.locks.exclusive(this.lockName(id, 'rows'), async () => {
      await this.#write(id, (await this.readSession(id)).head, write)
    })
  }

  /** Adds messages after the last one that is shown, whoever wrote that. Gives their ids. Throws as `write` does. */
  async append(id: string, messages: readonly Message[]): Promise<string[]> {
    return await this.locks.exclusive(this.lockName(id, 'rows'), async () => {
      const { head } = await this.readSession(id)
      const added = this.rowsOf(messages, head.head)
      await this.#write(id, head, { messages: added, move: { to: added.at(-1)?.id ?? head.head } })
      return added.map((row) => row.id)
    })
  }

  async #write(id: string, old: HeadRow, { messages = [], move, run, endedRuns = [] }: SessionWrite): Promise<void> {
    const follows = move !== undefined && (move.from === undefined || move.from === old.head)
    const head: HeadRow = {
      head: follows ? move.to : old.head,
      updatedAt: messages.length > 0 ? this.#options.wallTime() : old.updatedAt,
      firstLine: old.firstLine || firstLineOf(messages.map(({ message }) => message)),
      messageCount: old.messageCount + messages.length,
      bytes: old.bytes + messages.reduce((sum, row) => sum + approximateBytes(row), 0),
    }
    const isMoved = messages.length > 0 || head.head !== old.head
    await this.store.write({
      set: [
        ...messages.map((row) => [`${messagePrefix(id)}${row.id}`, row] as const),
        ...(isMoved ? [[headKey(id), head] as const] : []),
        ...(run ? [[`${runPrefix(id)}${run.id}`, run] as const] : []),
      ],
      delete: endedRuns.map((runId) => `${runPrefix(id)}${runId}`),
    })
    this.tell({ id, type: isMoved ? 'messages' : 'run' })
  }

  /** Makes a session with its messages. */
  async create(row: Pick<SessionRow, 'title'>, messages: readonly MessageRow[], head: string | null): Promise<string> {
    const now = this.#options.wallTime()
    const id = this.createId()
    const session: SessionRow = { version: ROW_VERSION, id, createdAt: now, ...row }
    const bytes = messages.reduce((sum, each) => sum + approximateBytes(each), 0)
    const firstLine = firstLineOf(messages.map(({ message }) => message))
    const headRow: HeadRow = { head, updatedAt: now, firstLine, messageCount: messages.length, bytes }
    await this.store.write({
      set: [
        [sessionKey(id), session],
        [headKey(id), headRow],
        ...messages.map((each) => [`${messagePrefix(id)}${each.id}`, each] as const),
      ],
    })
    this.tell({ id, type: 'messages' })
    return id
  }

  async rename(id: string, title: string): Promise<void> {
    await this.locks.exclusive(this.lockName(id, 'rows'), async () => {
      const { session } = await this.readSession(id)
      await this.store.write({ set: [[sessionKey(id), { ...session, title }]] })
    })
    this.tell({ id, type: 'title' })
  }

  /** Deletes all that there is of a session; false when there was none. */
  async delete(id: string): Promise<boolean> {
    return await this.locks.exclusive(this.lockName(id, 'rows'), async () => {
      const own = [sessionKey(id), headKey(id)]
      const [messages, runs, [session]] = await Promise.all([
        this.store.keys(messagePrefix(id)),
        this.store.keys(runPrefix(id)),
        this.store.getMany(own),
      ])
      await this.store.write({ delete: [...own, ...messages, ...runs] })
      this.tell({ id, type: 'deleted' })
      return session !== undefined
    })
  }

  /** Work that the next reader of the session waits for. */
  track<T>(id: string, work: Promise<T>): Promise<T> {
    const pending = this.#pending.get(id) ?? new Set()
    this.#pending.set(id, pending)
    const handled = work
      .catch(() => {})
      .finally(() => {
        pending.delete(handled)
        if (pending.size === 0 && this.#pending.get(id) === pending) this.#pending.delete(id)
      })
    pending.add(handled)
    return work
  }

  /** Resolves when what was begun on this page is written: of one session, or of all. */
  async settled(id?: string): Promise<void> {
    const sets = id === undefined ? [...this.#pending.values()] : [this.#pending.get(id) ?? []]
    await Promise.all(sets.flatMap((set) => [...set]))
  }
}

/** The usual ids: they ascend with time. */
export const defaultCreateId = createTimedId
