import { AlcoveError } from '../../protocol/error.js'
import { type Clock, systemClock } from '../../runtime/clock.js'
import { openStore } from '../../store/idb-store.js'
import { createSteadyStore } from '../../store/steady-store.js'
import type { Store } from '../../store/store.js'
import { openSession, type Session } from './session.js'
import { createSessionChanges, type SessionChange } from './session-changes.js'
import { createSessionLocks, type SessionLocks } from './session-locks.js'
import { createTimedId, emptyHead, type HeadRow, isSessionRow, shorten } from './session-rows.js'
import { SessionStore } from './session-store.js'

/** A session as `list` gives it. */
export interface SessionSummary {
  readonly id: string
  readonly title: string
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** Time of the last message, or of its making. */
  readonly updatedAt: number
  /** Messages of all branches. */
  readonly messageCount: number
  /** About how many bytes they take. */
  readonly bytes: number
}

export interface SessionSearchOptions {
  /** Most sessions. @default 20 */
  readonly limit?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** A session that a search found. */
export interface SessionHit extends SessionSummary {
  /** Where in its messages the words stand, oldest first, at most three; none when it is the title alone. */
  readonly matches: readonly { readonly messageId: string; readonly excerpt: string }[]
}

/** The conversations that are kept on this device. */
export interface SessionsApi {
  create(options?: { readonly title?: string | undefined }): Promise<Session>
  /** Those that were used last come first. */
  list(): Promise<SessionSummary[]>
  /** @throws AlcoveError `not-found`; `version-unsupported` for one that a newer Alcove wrote */
  open(id: string): Promise<Session>
  /** Deletes a session; true when it was there. */
  delete(id: string): Promise<boolean>
  /** Sessions whose title or messages have all the words, best first; capitals and accents do not count. */
  search(query: string, options?: SessionSearchOptions): Promise<SessionHit[]>
  /**
   * Takes in a file that `session.export` wrote, as a new session.
   * @throws AlcoveError `parse-failed` for a file that is damaged or of another kind, `version-unsupported` for one of a newer Alcove,
   * `too-large`; nothing is stored then
   */
  import(file: Blob, options?: { readonly maxBytes?: number | undefined }): Promise<Session>
  /** Tells of changes of all sessions, by this tab or another. The returned function ends it. */
  subscribe(listener: (change: SessionChange) => void): Promise<() => void>
}

/** Sessions as the client uses them. */
export interface Sessions {
  readonly api: SessionsApi
  /** About how many bytes all of them take. */
  usage(): Promise<number>
  clear(): Promise<void>
  /** Resolves when what was begun is written. */
  close(): Promise<void>
}

export interface SessionsOptions {
  /** Name of the database. */
  readonly name: string
  /** Told of problems that were worked around, such as storage that cannot be used. */
  readonly onWarning: (error: AlcoveError) => void
  /** @default the database `name`, or memory where there can be none */
  readonly store?: Store | undefined
  readonly locks?: SessionLocks | undefined
  readonly clock?: Clock | undefined
  /** Ids, which have to ascend in time. @default from the time and random */
  readonly createId?: ((at: number) => string) | undefined
}

/** Opens the sessions of a database. */
export async function openSessions(options: SessionsOptions): Promise<Sessions> {
  const { name, onWarning, clock = systemClock, locks = createSessionLocks(), createId = createTimedId } = options
  const below = options.store ?? (await openStore(name, { onFallback: onWarning }))
  const store = createSteadyStore(below, { onWarning })
  const changes = createSessionChanges(name)
  const rows = new SessionStore({ store, locks, changes, name, wallTime: () => clock.wallTime(), createId })
  const environment = { rows, clock, onWarning }
  const open = (id: string) => openSession(id, environment)

  async function list(): Promise<SessionSummary[]> {
    await rows.settled()
    const [sessions, heads] = await Promise.all([store.entries<unknown>('s/'), store.entries<HeadRow>('h/')])
    const byId = new Map(heads.map(([key, head]) => [key.slice(2), head]))
    const summaries = sessions.flatMap(([, row]) => {
      if (!isSessionRow(row)) return []
      const { id, createdAt, title } = row
      const { firstLine, updatedAt, messageCount, bytes } = { ...emptyHead, ...byId.get(id) }
      return [{ id, createdAt, title: title ?? firstLine, updatedAt: updatedAt || createdAt, messageCount, bytes }]
    })
    return summaries.sort((first, second) => second.updatedAt - first.updatedAt || (first.id < second.id ? 1 : -1))
  }

  return {
    api: {
      async create({ title } = {}) {
        if (title !== undefined && (typeof title !== 'string' || title.trim() === '')) {
          throw new AlcoveError(
            'invalid-argument',
            `sessions.create: expected a title or none, got ${JSON.stringify(title)}`,
          )
        }
        return await open(await rows.create(title === undefined ? {} : { title: shorten(title) }, [], null))
      },
      list,
      open,
      delete: (id) => rows.delete(id),
      async search(query, searchOptions) {
        const { searchSessions } = await import('./search-sessions.js')
        return await searchSessions({ store, sessions: await list() }, query, searchOptions)
      },
      async import(file, { maxBytes } = {}) {
        const { readSessionFile } = await import('./session-file.js')
        const read = await readSessionFile(file, maxBytes)
        const ids = new Map<string, string>()
        const messages = read.rows.map((row) => {
          const id = rows.createId()
          ids.set(row.id, id)
          return { ...row, id, parent: row.parent === null ? null : (ids.get(row.parent) ?? null) }
        })
        const head = read.head === null ? null : (ids.get(read.head) ?? null)
        return await open(await rows.create(read.title ? { title: shorten(read.title) } : {}, messages, head))
      },
      subscribe: async (listener) => changes.subscribe(listener),
    },
    async usage() {
      const heads = await store.entries<HeadRow>('h/')
      return heads.reduce((sum, [, { bytes }]) => sum + (Number.isFinite(bytes) ? bytes : 0), 0)
    },
    async clear() {
      await rows.settled()
      await store.clear()
      changes.tell({ id: null, type: 'deleted' })
    },
    async close() {
      await rows.settled()
      changes.close()
      await store.close()
    },
  }
}
