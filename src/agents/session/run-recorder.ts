import { AlcoveError, isAlcoveError, toAlcoveError } from '../../protocol/error.js'
import type { Message } from '../../protocol/message.js'
import type { StreamPart } from '../../protocol/stream-part.js'
import type { Clock } from '../../runtime/clock.js'
import type { StepCall } from '../../tools/run-tools.js'
import type { ApprovalAnswer, RunControl, RunRecord } from '../run.js'
import type { RunState } from '../run-state.js'
import { type RunRow, textOf } from './session-rows.js'
import type { SessionStore } from './session-store.js'

/** How long text may be shown before it is stored, in milliseconds. */
const TEXT_DELAY_MS = 300

export interface RunRecorderOptions {
  readonly rows: SessionStore
  readonly sessionId: string
  readonly record: RunRecord
  /** How far the run is when it begins here. It is stored already. */
  readonly row: RunRow
  readonly clock: Clock
  readonly onWarning: (error: AlcoveError) => void
  /** Lets other runs of the session begin. */
  readonly endTurn: () => void
  /** Tells other tabs that this run goes on no longer. */
  readonly endLife: () => void
}

/**
 * Writes a run into its session while it goes on, so that it can be gone on with when the tab is closed at any moment. Messages are written
 * when their step is over, or with the end of the run; what the open step has until then is in the run's own row.
 */
export class RunRecorder {
  readonly #options: RunRecorderOptions
  #row: RunRow
  #calls: readonly StepCall[]
  #toolCalls: number
  /** Whether the calls that are known belong to a step that is yet to be told. */
  #isResumedStep: boolean
  /** Whether the run was taken up and nothing has come of it yet: then it stays as it was. */
  #isUntouched: boolean
  /** How many messages of the record are not to be held back. */
  #complete: number
  readonly #answered = new Set<string>()
  #cancelTimer: (() => void) | undefined
  #isWanted = false
  #saving: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #isGone = false

  constructor(options: RunRecorderOptions) {
    const { row } = options
    this.#options = options
    this.#row = row
    this.#calls = row.calls
    this.#toolCalls = row.toolCalls
    this.#isResumedStep = row.calls.length > 0
    this.#isUntouched = row.calls.length > 0 || row.partial !== ''
    this.#complete = row.stored
  }

  /** The control that the run's own work is given. */
  watch(control: RunControl): RunControl {
    return {
      ...control,
      emit: (part) => {
        if (this.#closing === undefined) this.#note(part)
        control.emit(part)
      },
      askApproval: async (callId) => await this.#noteAnswer(callId, await control.askApproval(callId)),
    }
  }

  /** Writes what is missing. The run's row goes with it, unless calls wait for a person. */
  close(messages: readonly Message[]): Promise<void> {
    this.#closing ??= this.#finish(messages)
    return this.#closing
  }

  #note(part: StreamPart): void {
    if (part.type !== 'status' && part.type !== 'step-start' && part.type !== 'context-trimmed')
      this.#isUntouched = false
    // Parts of a member of a team: its calls are its own.
    if ('agentPath' in part && part.agentPath !== undefined) {
      this.#complete = this.#options.record.messages.length
      this.#saveSoon()
      return
    }
    if (part.type === 'text-delta' || part.type === 'reasoning-delta') {
      this.#saveSoon()
      return
    }
    if (!this.#noteCall(part) && !this.#noteStep(part)) return
    void this.#save()
  }

  /** Whether there is something to write. */
  #noteStep({ type }: StreamPart): boolean {
    const { messages } = this.#options.record
    if (type === 'step-start') {
      this.#complete = messages.length
      if (!this.#isResumedStep) this.#calls = []
      this.#isResumedStep = false
    } else if (type === 'step-end') {
      // The final answer is written together with the end of its run.
      const at = messages.findLastIndex(({ role }) => role === 'tool')
      this.#complete = Math.max(this.#complete, at + 1)
      if (at === messages.length - 1) this.#calls = []
    }
    return this.#complete > this.#row.stored
  }

  /** Whether there is something to write. */
  #noteCall(part: StreamPart): boolean {
    if (part.type === 'tool-call') {
      const { callId, name, input } = part
      this.#calls = [...this.#calls, { callId, name, input, status: 'running' }]
      this.#toolCalls++
    } else if (part.type === 'tool-result') {
      const { callId, output, isError } = part
      this.#calls = this.#calls.map((call) =>
        call.callId === callId ? { ...call, status: 'done', output, isError } : call,
      )
    } else if (part.type === 'approval-request') {
      // A person may take long.
      this.#options.endTurn()
    } else {
      return false
    }
    return true
  }

  /** A call that was agreed to is known as begun before it begins: after a reload it is not made again. */
  async #noteAnswer(callId: string, answer: ApprovalAnswer): Promise<ApprovalAnswer> {
    this.#answered.add(callId)
    await this.#save()
    return answer
  }

  #saveSoon(): void {
    this.#cancelTimer ??= this.#options.clock.setTimer(TEXT_DELAY_MS, () => void this.#save())
  }

  /** Writes how far the run is now; resolves when that is written. One write at a time. */
  #save(): Promise<void> {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#isWanted = true
    this.#saving ??= this.#saveAll()
    return this.#saving
  }

  async #saveAll(): Promise<void> {
    while (this.#isWanted && this.#closing === undefined) {
      this.#isWanted = false
      const { record } = this.#options
      const state = record.state?.()
      const count = Math.min(this.#complete, state?.messages.length ?? Number.POSITIVE_INFINITY)
      await this.#write(record.messages.slice(0, count), this.#snapshot(state, count))
    }
    this.#saving = undefined
  }

  async #finish(messages: readonly Message[]): Promise<void> {
    const { record, endTurn, endLife } = this.#options
    this.#cancelTimer?.()
    const state = record.state?.()
    const snapshot = state && this.#snapshot(state, state.messages.length)
    try {
      await this.#saving
      if (!this.#isUntouched || state)
        await this.#write(state ? messages.slice(0, state.messages.length) : messages, snapshot)
    } finally {
      endLife()
      endTurn()
    }
  }

  /** What can be gone on from, beside so many stored messages. */
  #snapshot(state: RunState | undefined, count: number): RunRow {
    const { record } = this.#options
    const { text, draft, steps } = record
    // What an earlier try had shown counts until there is something new.
    const before = text + draft === '' ? this.#row.partial : ''
    const heldBack = record.messages.slice(count).map(({ content }) => textOf(content))
    const { state: _, ...row } = this.#row
    const own = {
      ...{ text, draft, steps, toolCalls: this.#toolCalls, usage: record.usage() },
      partial: record.partial || heldBack.join('') || before,
      calls: this.#calls,
    }
    return state ? { ...row, ...own, state: this.#withAnswers(state) } : { ...row, ...own }
  }

  #withAnswers(state: RunState): RunState {
    if (this.#answered.size === 0) return state
    const calls = state.step.calls.map((call) =>
      call.status === 'waiting' && this.#answered.has(call.callId) ? { ...call, status: 'running' as const } : call,
    )
    return { ...state, step: { ...state.step, calls } }
  }

  /** Writes messages that are not written yet, and the run's row; without one the run is over. */
  async #write(messages: readonly Message[], snapshot: RunRow | undefined): Promise<void> {
    if (this.#isGone) return
    const { rows, sessionId, onWarning } = this.#options
    const { tail, stored, id } = this.#row
    const added = rows.rowsOf(messages.slice(stored), tail)
    const last = added.at(-1)?.id ?? tail
    const run = snapshot && { ...snapshot, tail: last, stored: stored + added.length }
    try {
      await rows.write(sessionId, {
        messages: added,
        ...(added.length > 0 && { move: { to: last, from: tail } }),
        ...(run ? { run } : { endedRuns: [id] }),
      })
      this.#row = run ?? this.#row
    } catch (error) {
      // The run goes on for its reader.
      this.#isGone = isAlcoveError(error, 'not-found')
      onWarning(this.#isGone ? deletedError(sessionId, error) : toAlcoveError(error, 'internal'))
    }
  }
}

function deletedError(id: string, cause: unknown): AlcoveError {
  return new AlcoveError('not-found', `session '${id}' was deleted while a run answered: the rest is not stored`, {
    cause,
  })
}
