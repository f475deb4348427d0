import { AlcoveError } from '../../protocol/error.js'
import type { Message } from '../../protocol/message.js'
import type { Clock } from '../../runtime/clock.js'
import type { Agent, RunOptions } from '../agent.js'
import { checkMessages } from '../read-input.js'
import type { AgentRun } from '../run.js'
import { attachRun, type RunIntent } from './attach-run.js'
import type { RunSession } from './run-session.js'
import type { SessionChange } from './session-changes.js'
import { firstLineOf, type MessageRow, readBranch, shorten } from './session-rows.js'
import type { SessionStore } from './session-store.js'
import { describeRun, findUnfinished, leftMessages, type UnfinishedRun } from './unfinished-runs.js'

export type { UnfinishedRun } from './unfinished-runs.js'

/** A message of a session, with the id that it has there. */
export interface SessionMessage extends Message {
  readonly id: string
  /** When it was stored, in milliseconds since the epoch. */
  readonly at: number
}

/** The end of one way that a session's conversation took. */
export interface SessionBranch {
  /** Id of its last message. */
  readonly id: string
  readonly at: number
  /** Whether `messages()` shows it. */
  readonly isShown: boolean
}

/** Options of a run that a session starts. */
export type SessionRunOptions = Omit<RunOptions<undefined>, 'session'>

/** A question to answer anew. */
export interface RerunOptions extends SessionRunOptions {
  /** A question of the session, or a message that came of it. @default the last question */
  readonly from?: string | undefined
}

/**
 * A conversation that is kept on this device. Give it to `agent.stream(question, { session })`: the run's history is read from it, and what
 * the run adds is written to it while it goes on.
 *
 * Messages are never changed or lost: what is edited or answered anew becomes another branch. Methods reject with `not-found` when the
 * session was deleted, on this tab or another.
 */
export interface Session extends RunSession {
  readonly id: string
  /** As it was given, or the first line of the first question; '' before that. As of the last use of this object; `list` reads it anew. */
  readonly title: string
  /** All messages of the branch that is shown, those of other tabs included. */
  messages(): Promise<SessionMessage[]>
  /** Adds messages without a run. Gives their ids. @throws AlcoveError `invalid-argument` for what is no message */
  add(messages: Message | readonly Message[]): Promise<string[]>
  rename(title: string): Promise<void>
  /** A new session with the messages up to this one. @default all that are shown */
  fork(messageId?: string, options?: { readonly title?: string | undefined }): Promise<Session>
  /**
   * Puts another content in the place of a message: that begins a new branch, which is shown from now on, and the old one stays. Gives the
   * id of the new message; `rerun` answers it.
   */
  edit(messageId: string, content: Message['content']): Promise<string>
  /** Answers a question anew, in a branch of its own. Never throws: what is wrong comes as the run's error. */
  rerun(agent: Agent, options?: RerunOptions): AgentRun<undefined>
  /** The ends of all branches, oldest first. */
  branches(): Promise<SessionBranch[]>
  /** Shows the branch that goes through this message, the newest where there are several. */
  show(messageId: string): Promise<void>
  /** The run that was cut off or waits for a person, if any. One that goes on, on this tab or another, is none. */
  unfinished(): Promise<UnfinishedRun | undefined>
  /**
   * Goes on with the unfinished run: asks again for the approvals that it waits for, and makes no call anew that had begun; text that was cut
   * off is written anew. Never throws; the run fails with `not-found` when there is no unfinished one.
   */
  resume(agent: Agent, options?: SessionRunOptions): AgentRun<undefined>
  /** Gives up the unfinished run; its text stays as a message. A new question does the same. */
  discard(): Promise<void>
  /** The session as a JSON file, with all branches and attachments. */
  export(): Promise<Blob>
  delete(): Promise<void>
  /** Tells of changes of this session, by this tab or another. The returned function ends it. */
  subscribe(listener: (change: SessionChange) => void): () => void
}

export interface SessionEnvironment {
  readonly rows: SessionStore
  readonly clock: Clock
  readonly onWarning: (error: AlcoveError) => void
}

/** Opens a stored session. @throws AlcoveError `not-found`, `version-unsupported` */
export async function openSession(id: string, environment: SessionEnvironment): Promise<Session> {
  const { rows } = environment
  let title = ''

  async function read() {
    const { session, head } = await rows.readSession(id)
    title = session.title ?? head.firstLine
    return { session, head }
  }

  async function readShown(): Promise<MessageRow[]> {
    const all = await rows.readMessages(id)
    const { head } = await read()
    return readBranch(all, head.head)
  }

  async function readAll(messageId: string): Promise<{ all: MessageRow[]; found: MessageRow }> {
    await read()
    const all = await rows.readMessages(id)
    const found = all.find((row) => row.id === messageId)
    if (found) return { all, found }
    throw new AlcoveError('not-found', `session '${id}' has no message '${messageId}'`, {
      hint: 'Give an id as session.messages() gives them.',
    })
  }

  function sessionFor(intent: RunIntent): RunSession {
    return {
      id,
      attach: async (run) => {
        // The title may come of the question.
        const reason = await attachRun({ ...environment, sessionId: id, intent }, run)
        await read().catch(() => {})
        return reason
      },
    }
  }

  await read()
  return {
    get title() {
      return title
    },
    ...sessionFor({ type: 'ask' }),
    async messages() {
      return (await readShown()).map((row) => ({ ...row.message, id: row.id, at: row.at }))
    },
    async add(given) {
      const messages = Array.isArray(given) ? (given as readonly Message[]) : [given as Message]
      checkMessages(messages, 'add')
      await rows.settled(id)
      const ids = await rows.append(id, messages)
      title ||= firstLineOf(messages)
      return ids
    },
    async rename(given) {
      if (typeof given !== 'string' || given.trim() === '') {
        throw new AlcoveError('invalid-argument', `rename: expected a title, got ${JSON.stringify(given) ?? 'nothing'}`)
      }
      const line = shorten(given)
      await rows.rename(id, line)
      title = line
    },
    async fork(messageId, options = {}) {
      const from = messageId === undefined ? undefined : await readAll(messageId)
      const kept = from ? readBranch(from.all, from.found.id) : await readShown()
      await read()
      // Another title than the first line is the person's own.
      const own = options.title ?? (title === firstLineOf(kept.map(({ message }) => message)) ? undefined : title)
      const copies = rows.rowsOf(
        kept.map(({ message }) => message),
        null,
      )
      const fork = await rows.create(own ? { title: shorten(own) } : {}, copies, copies.at(-1)?.id ?? null)
      return await openSession(fork, environment)
    },
    async edit(messageId, content) {
      const { found } = await readAll(messageId)
      const message = { ...found.message, content }
      checkMessages([message], 'edit')
      const [row] = rows.rowsOf([message], found.parent)
      await rows.write(id, { messages: row ? [row] : [], move: { to: row?.id ?? found.id } })
      return row?.id ?? found.id
    },
    async branches() {
      const all = await rows.readMessages(id)
      const { head } = await read()
      const parents = new Set(all.map(({ parent }) => parent))
      const isEnd = (row: MessageRow) => row.id === head.head || !parents.has(row.id)
      return all.filter(isEnd).map(({ id: last, at }) => ({ id: last, at, isShown: last === head.head }))
    },
    async show(messageId) {
      const { all, found } = await readAll(messageId)
      await rows.write(id, { move: { to: lastAfter(all, found.id) } })
    },
    async unfinished() {
      await read()
      const run = (await findUnfinished(rows, id, await rows.readMessages(id))).at(-1)
      return run && describeRun(run)
    },
    async discard() {
      const left = await findUnfinished(rows, id, await rows.readMessages(id))
      for (const run of left) {
        const added = leftMessages(rows, run)
        const to = added.at(-1)?.id
        const write = { messages: added, endedRuns: [run.id] }
        await rows.write(id, to === undefined ? write : { ...write, move: { to, from: run.tail } })
      }
    },
    resume: (agent, options) => agent.stream([], { ...options, session: sessionFor({ type: 'resume' }) }),
    rerun: (agent, { from, ...options } = {}) =>
      agent.stream([], { ...options, session: sessionFor({ type: 'rerun', from }) }),
    async export() {
      const all = await rows.readMessages(id)
      const { session, head } = await read()
      const { writeSessionFile } = await import('./session-file.js')
      return await writeSessionFile({ title: session.title, createdAt: session.createdAt, head: head.head, rows: all })
    },
    async delete() {
      await rows.delete(id)
    },
    subscribe: (listener) =>
      rows.subscribe((change) => {
        if (change.id === id || change.id === null) listener(change)
      }),
  }
}

/** The end of the newest branch that goes through this message. */
function lastAfter(rows: readonly MessageRow[], id: string): string {
  const through = new Set([id])
  let last = id
  // Ids ascend, so a message comes after the one that it follows.
  for (const row of rows) {
    if (row.parent === null || !through.has(row.parent)) continue
    through.add(row.id)
    last = row.id
  }
  return last
}
