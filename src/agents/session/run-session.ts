import type { FinishReason } from '../../protocol/stream-part.js'
import type { AgentInput } from '../options.js'
import type { RunControl, RunRecord } from '../run.js'

/** What a run is asked to do: to answer an input, or to go on from a state. */
export interface RunStart {
  readonly input: AgentInput
  /** What is to be gone on from, as it was given, instead of `input`. */
  readonly resumed: { readonly state: unknown } | undefined
}

/** A run that is about to begin, for a session to take part in. */
export interface AttachedRun {
  readonly given: RunStart
  readonly record: RunRecord
  readonly control: RunControl
  /** Does the work of the run: with the history of the session before its input. */
  execute(start: RunStart, control: RunControl): Promise<FinishReason>
}

/** A conversation that a run reads its history from and writes to: a `Session`. */
export interface RunSession {
  readonly id: string
  /** Executes a run within the session. For those who write agents of their own kind. */
  attach(run: AttachedRun): Promise<FinishReason>
}
