import { AlcoveError } from '../../protocol/error.js'
import type { FinishReason } from '../../protocol/stream-part.js'
import { abortable, throwIfAborted } from '../../runtime/abort.js'
import type { Clock } from '../../runtime/clock.js'
import { readInput } from '../read-input.js'
import type { RunControl, RunRecord } from '../run.js'
import { RunRecorder } from './run-recorder.js'
import type { AttachedRun, RunStart } from './run-session.js'
import { type MessageRow, type RunRow, readBranch } from './session-rows.js'
import type { SessionStore, SessionWrite } from './session-store.js'
import { findUnfinished, leftMessages, lifeLock, takeUp } from './unfinished-runs.js'

/** What a run does to its session: goes on with it, takes up a run that was cut off, or answers an earlier question anew. */
export type RunIntent =
  | { readonly type: 'ask' }
  | { readonly type: 'resume' }
  | { readonly type: 'rerun'; readonly from: string | undefined }

export interface AttachOptions {
  readonly rows: SessionStore
  readonly sessionId: string
  readonly intent: RunIntent
  readonly clock: Clock
  readonly onWarning: (error: AlcoveError) => void
}

/** Executes a run within a session: one at a time, over all tabs. */
export async function attachRun(options: AttachOptions, run: AttachedRun): Promise<FinishReason> {
  const { rows, sessionId } = options
  const { record, control, execute } = run
  let recorder: RunRecorder | undefined
  record.onSettled = (messages) => {
    if (recorder) void rows.track(sessionId, recorder.close(messages))
  }
  const endTurn = await takeTurn(options, control)
  try {
    const { start, row, isAgain } = await prepare(options, run)
    const endLife = await rows.locks.hold(rows.lockName(sessionId, lifeLock(row.id)))
    recorder = new RunRecorder({ ...options, record, row, endTurn, endLife })
    try {
      await rows.write(sessionId, start.write)
      throwIfAborted(control.signal)
    } catch (error) {
      await recorder.close([])
      throw error
    }
    if (isAgain) control.emit({ type: 'status', status: 'recovered', message: 'The answer is written anew.' })
    const { input, resumed } = start
    const reason = await execute({ input, resumed }, recorder.watch(control))
    await rows.track(sessionId, recorder.close([...record.messages]))
    return reason
  } catch (error) {
    // With a recorder it ends when that has written everything.
    if (!recorder) endTurn()
    throw error
  }
}

async function takeTurn({ rows, sessionId }: AttachOptions, { emit, signal }: RunControl): Promise<() => void> {
  const name = rows.lockName(sessionId, 'turn')
  if (await rows.locks.isHeld(name)) {
    emit({ type: 'status', status: 'queued', message: 'Another run of this session is not over yet.' })
  }
  const held = rows.locks.hold(name)
  try {
    return await abortable(held, signal)
  } catch (error) {
    held.then(
      (end) => end(),
      () => {},
    )
    throw error
  }
}

interface Prepared {
  readonly start: RunStart & { readonly write: SessionWrite }
  /** The run's row as `write` stores it. */
  readonly row: RunRow
  /** Whether text that was shown is written once more. */
  readonly isAgain: boolean
}

async function prepare({ rows, sessionId, intent }: AttachOptions, { given, record }: AttachedRun): Promise<Prepared> {
  const { head: headRow } = await rows.readSession(sessionId)
  const messages = await rows.readMessages(sessionId)
  const left = await findUnfinished(rows, sessionId, messages)
  const taken = intent.type === 'resume' || given.resumed ? left.pop() : undefined
  if (intent.type === 'resume' && !taken) throw nothingToResume(sessionId)
  // What others left is closed: nobody goes on with it any more.
  const closing = left.map((run) => ({ run, added: leftMessages(rows, run) }))
  const closed = closing.flatMap(({ added }) => added)
  const endedRuns = left.map(({ id }) => id)
  if (taken) {
    const { start, row } = takeUp(taken, messages)
    const own = given.resumed ? { ...start, resumed: given.resumed } : start
    const write = { messages: closed, run: row, endedRuns, move: { to: row.tail } }
    const isAgain = own.resumed === undefined && (taken.partial !== '' || taken.draft !== '')
    return { start: { ...own, write }, row, isAgain }
  }
  const shown = closing.find(({ run }) => run.tail === headRow.head)?.added.at(-1)?.id ?? headRow.head
  const base = intent.type === 'rerun' ? questionOf([...messages, ...closed], intent.from ?? shown) : shown
  const asked = intent.type === 'ask' && !given.resumed ? readInput(given.input) : []
  const added = rows.rowsOf(asked, base)
  const tail = added.at(-1)?.id ?? base
  const input = [...readBranch([...messages, ...closed], base), ...added].map(({ message }) => message)
  const row = newRun(rows, record, tail)
  const write = { messages: [...closed, ...added], run: row, endedRuns, move: { to: tail } }
  return { start: { input, resumed: given.resumed, write }, row, isAgain: false }
}

function newRun(rows: SessionStore, record: RunRecord, base: string | null): RunRow {
  const counts = { stored: 0, steps: 0, toolCalls: 0 }
  const texts = { partial: '', text: '', draft: '' }
  return {
    id: rows.createId(),
    at: rows.wallTime(),
    base,
    tail: base,
    ...counts,
    ...texts,
    calls: [],
    usage: record.usage(),
  }
}

/** The question that is answered in this message, or that this message is. */
function questionOf(messages: readonly MessageRow[], id: string | null): string {
  const branch = readBranch(messages, id)
  const question = branch.findLast(({ message }) => message.role === 'user')
  if (question && branch.at(-1)?.id === id) return question.id
  throw new AlcoveError('not-found', `rerun: there is no question before message '${id}'`, {
    hint: 'Give the id of a message of this session, as session.messages() gives them.',
  })
}

function nothingToResume(id: string): AlcoveError {
  return new AlcoveError('not-found', `resume: session '${id}' has no unfinished run`, {
    hint: 'It may be over, or go on in another tab. session.unfinished() says what there is.',
  })
}
