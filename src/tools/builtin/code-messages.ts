// What is said between the page and a worker that runs code for a model. What comes from the worker is hostile.

/** Why code did not come to its end. */
export type CodeFailureCode = 'timeout' | 'out-of-memory' | 'tool-failed'

/** What came of one piece of code. */
export type CodeOutcome =
  | {
      readonly type: 'done'
      /** The value as JSON; undefined where there is none. */
      readonly json: string | undefined
      /** What it printed. */
      readonly printed: string
      /** Pictures that it made, as PNG. */
      readonly images: readonly ArrayBuffer[]
    }
  | {
      readonly type: 'failed'
      readonly code: CodeFailureCode
      readonly message: string
      readonly printed: string
      /** Whether the worker must not be used again. */
      readonly isBroken: boolean
    }

/** What the page sends to run code. */
export interface RunCode {
  readonly type: 'run'
  readonly code: string
  readonly timeoutMs: number
}

/** Most characters of output that a worker keeps. */
export const MAX_PRINTED = 20_000
/** Most characters of JSON that a worker sends. */
export const MAX_JSON = 200_000
