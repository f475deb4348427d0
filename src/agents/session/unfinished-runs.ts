import type { Message, MessagePart } from '../../protocol/message.js'
import type { RunState } from '../run-state.js'
import { writeState } from '../run-state.js'
import type { RunStart } from './run-session.js'
import { type MessageRow, type RunRow, readBranch } from './session-rows.js'
import type { SessionStore } from './session-store.js'

/** A run that was cut off, for example when its tab was closed, or that waits for a person's answer. */
export interface UnfinishedRun {
  /** When it began, in milliseconds since the epoch. */
  readonly startedAt: number
  /** What it wrote that is in no message yet. */
  readonly text: string
  /** The same of a model that is not to be trusted alone. */
  readonly draft: string
  /** Calls of its open step: `waiting` for a person, cut off while `running`, or `done`. */
  readonly calls: readonly {
    readonly callId: string
    readonly name: string
    readonly input: unknown
    readonly status: 'waiting' | 'running' | 'done'
  }[]
}

export const lifeLock = (runId: string): string => `run:${runId}`

/** Runs that are not over and that nobody works on, oldest first. */
export async function findUnfinished(
  rows: SessionStore,
  id: string,
  messages: readonly MessageRow[],
): Promise<RunRow[]> {
  const found: RunRow[] = []
  for (const run of await rows.readRuns(id)) {
    if (!isComplete(run, messages) && !(await rows.locks.isHeld(rows.lockName(id, lifeLock(run.id))))) found.push(run)
  }
  return found
}

/** Whether only the note that it is over is missing. */
function isComplete({ base, tail, partial, calls, state }: RunRow, messages: readonly MessageRow[]): boolean {
  if (tail === base || partial !== '' || state || calls.some(({ status }) => status !== 'done')) return false
  const last = messages.findLast(({ id }) => id === tail)?.message
  return last?.role === 'assistant' && !partsOf(last).some(({ type }) => type === 'tool-call')
}

export function describeRun({ at, partial, draft, calls, state }: RunRow): UnfinishedRun {
  const shown = (state?.step.calls ?? calls).map(({ callId, name, input, status }) => ({ callId, name, input, status }))
  return { startedAt: at, text: partial, draft, calls: shown }
}

/** What a run that nobody goes on with leaves behind: its text, as a message. */
export function leftMessages(rows: SessionStore, { partial, tail }: RunRow): MessageRow[] {
  return partial === '' ? [] : rows.rowsOf([{ role: 'assistant', content: partial }], tail)
}

/** What a run is to do to go on with another one, and that one's row as it begins anew. */
export function takeUp(run: RunRow, messages: readonly MessageRow[]): { start: RunStart; row: RunRow } {
  const branch = readBranch(messages, run.tail)
  const conversation = branch.map(({ message }) => message)
  const state = run.state ?? (run.calls.length > 0 ? stateOf(run, conversation) : undefined)
  if (state) {
    return { start: { input: [], resumed: { state } }, row: { ...run, calls: state.step.calls, state } }
  }
  const row = { ...run, base: run.tail, stored: 0, text: '', draft: '', steps: 0, toolCalls: 0 }
  return { start: { input: conversation, resumed: undefined }, row }
}

/** The state of a run that was cut off among its calls: what was running then is not made again. */
function stateOf(run: RunRow, conversation: readonly Message[]): RunState {
  const { partial, calls, stored, text, draft, steps, toolCalls, usage } = run
  const content: MessagePart[] = calls.map(({ callId, name, input }) => ({ type: 'tool-call', callId, name, input }))
  if (partial !== '') content.unshift({ type: 'text', text: partial })
  return writeState({
    conversation,
    messages: stored === 0 ? [] : conversation.slice(-stored),
    step: { message: { role: 'assistant', content }, calls },
    citations: [],
    ...{ text, draft, steps, toolCalls, usage, invalidSteps: 0 },
  })
}

function partsOf({ content }: Message): readonly MessagePart[] {
  return typeof content === 'string' ? [] : content
}
