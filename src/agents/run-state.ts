import type { Citation, Hit } from '../protocol/corpus.js'
import { AlcoveError } from '../protocol/error.js'
import type { Message } from '../protocol/message.js'
import type { Usage } from '../protocol/stream-part.js'
import type { StepCall } from '../tools/run-tools.js'
import { checkMessages } from './read-input.js'
import type { RunRecord } from './run.js'
import type { UsageMeter } from './usage.js'

const VERSION = 1

/**
 * A run that waits for approvals, as data: what `agent.resume` goes on from, on this page or after a reload. Structured-cloneable, and plain
 * JSON unless the conversation has pictures, sounds or files as Blobs.
 *
 * It holds the conversation, so keep it as you would keep that. Store it anew after each answer: what was running when a state was taken
 * counts as interrupted when it is resumed, and is not made again.
 */
export interface RunState {
  readonly version: number
  /** What the model was given: the input, and the steps before the one that waits. */
  readonly conversation: readonly Message[]
  /** What the run added to the conversation before the step that waits. */
  readonly messages: readonly Message[]
  /** What the model said in the step that waits, and how far each of its calls is. */
  readonly step: { readonly message: Message; readonly calls: readonly StepCall[] }
  readonly text: string
  readonly draft: string
  readonly citations: readonly Citation[]
  /** What was found for the question; missing where nothing was searched. */
  readonly hits?: readonly Hit[]
  /** Number of model calls. */
  readonly steps: number
  /** Number of tool calls that were started. */
  readonly toolCalls: number
  /** Last steps in a row whose calls all had an unfit input. */
  readonly invalidSteps: number
  readonly usage: Usage
  /** Of a team: how far its members are. */
  readonly team?: TeamProgress
}

/** What a team's run had done when it paused. */
export interface TeamProgress {
  readonly kind: string
  /** What came of each thing that the team did, by the order in which it does them. */
  readonly entries: readonly (readonly [key: string, entry: unknown])[]
}

/** A state of this version. */
export function writeState(state: Omit<RunState, 'version'>): RunState {
  return { version: VERSION, ...state }
}

/** Takes a run up where its state was taken. Throws as `readState` does. */
export function restoreRun(record: RunRecord, meter: UsageMeter, given: unknown): RunState {
  const state = readState(given)
  const { text, draft, messages, citations, steps, usage } = state
  Object.assign(record, { text, draft, steps, messages: [...messages], citations: [...citations] })
  meter.restore(usage)
  return state
}

/**
 * Checks what is said to be a stored state.
 *
 * @throws AlcoveError `version-unsupported` for one of a newer version, `invalid-argument` for what is broken
 */
export function readState(given: unknown): RunState {
  const state = readVersion(given)
  const { step } = state
  for (const key of ['text', 'draft'] as const) if (typeof state[key] !== 'string') throw broken(key, state[key])
  for (const key of ['steps', 'toolCalls', 'invalidSteps'] as const) {
    if (!Number.isSafeInteger(state[key]) || Number(state[key]) < 0) throw broken(key, state[key])
  }
  for (const key of ['citations', 'hits'] as const) {
    const list = state[key] ?? []
    if (!Array.isArray(list) || !list.every(isRecord)) throw broken(key, list)
  }
  if (!isRecord(state.usage)) throw broken('usage', state.usage)
  if (!isRecord(step) || !Array.isArray(step.calls) || step.calls.length === 0) throw broken('step', step)
  for (const call of step.calls) if (!isCall(call)) throw broken('step.calls', call)
  for (const messages of [state.conversation, state.messages, [step.message]]) {
    if (!Array.isArray(messages)) throw broken('messages', messages)
    checkMessages(messages, 'resume')
    for (const message of messages) checkMedia(message)
  }
  return given as unknown as RunState
}

/** The fields of a state whose version is known here. Throws as `readState` does. */
export function readVersion(given: unknown): Partial<Record<keyof RunState, unknown>> {
  if (!isRecord(given)) throw broken('expected the state of a run', given)
  const { version } = given
  if (typeof version !== 'number' || !(version >= 1)) throw broken('expected a version', version)
  if (version > VERSION) {
    throw new AlcoveError('version-unsupported', `resume: expected a state of version ${VERSION}, got ${version}`, {
      details: { expected: VERSION, version },
    })
  }
  return given
}

function isCall(call: unknown): boolean {
  if (!isRecord(call)) return false
  const { callId, name, status } = call
  return typeof callId === 'string' && typeof name === 'string' && /^(waiting|running|done)$/.test(String(status))
}

/** A Blob that went through JSON is an empty object. */
function checkMedia({ content }: Message): void {
  if (typeof content === 'string') return
  for (const part of content) {
    const isMedia = part.type === 'image' || part.type === 'audio' || part.type === 'file'
    if (!isMedia || typeof part.data === 'string' || part.data instanceof Blob) continue
    throw new AlcoveError('invalid-argument', `resume: expected the bytes of a part of type '${part.type}', got none`, {
      hint: 'Keep a state that has Blobs as a structured clone (IndexedDB), not as JSON.',
    })
  }
}

/** What is wrong with a stored state. */
export function broken(what: string, got: unknown): AlcoveError {
  const found = got === undefined ? 'nothing' : Array.isArray(got) ? 'a list' : typeof got
  return new AlcoveError('invalid-argument', `resume: the state of the run is broken: ${what}, got ${found}`, {
    hint: 'Give what run.state was, whole and unchanged.',
  })
}

/** Whether a value is an object and no list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
