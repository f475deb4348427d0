import type { Citation, Span } from './corpus.js'
import type { AlcoveErrorCode } from './error.js'

/** What a run has used, and how long it took. Times in milliseconds. */
export interface Usage {
  readonly promptTokens: number
  readonly completionTokens: number
  /** Prompt tokens that the engine did not have to read again. */
  readonly cachedTokens: number
  readonly totalTokens: number
  /** From the start of the run to its first text, reasoning or call. */
  readonly timeToFirstTokenMs: number | undefined
  /** Completion tokens a second while decoding. */
  readonly tokensPerSecond: number | undefined
  readonly queueMs: number
  readonly loadMs: number
  readonly searchMs: number
  readonly toolMs: number
  readonly durationMs: number
  /** Whether the answer cache was asked and had it. */
  readonly cache: 'hit' | 'miss' | 'off'
  /** Id of the model that answered last. */
  readonly modelId: string | undefined
}

export type FinishReason =
  | 'stop'
  | 'length'
  | 'tool-calls'
  | 'max-steps'
  | 'limit'
  | 'paused'
  | 'aborted'
  | 'content-filter'
  | 'error'

/** An error as data: what a stream part and a worker frame carry. */
export interface ErrorInfo {
  readonly code: AlcoveErrorCode
  readonly message: string
  readonly hint: string
  readonly retryable: boolean
  readonly details?: Readonly<Record<string, unknown>>
}

/** How a run ended. */
export interface Finish {
  readonly reason: FinishReason
  /** Number of model calls. */
  readonly steps: number
  readonly error?: ErrorInfo
}

/** Something to show while there is no text. */
export interface StatusPart {
  readonly type: 'status'
  readonly status:
    | 'loading'
    | 'queued'
    | 'prefill'
    | 'searching'
    | 'embedding'
    | 'retrying'
    | 'recovered'
    | 'cached'
    | 'model-changed'
  /** One plain sentence in English; a page may write its own from the fields. */
  readonly message: string
  readonly modelId?: string
  readonly loadedBytes?: number
  readonly totalBytes?: number
  readonly bytesPerSecond?: number
  readonly secondsLeft?: number
  /** Place in the queue, from 1. */
  readonly position?: number
}

export interface GroundingClaim {
  readonly answerSpan: Span
  readonly kind: 'number' | 'date' | 'quotation' | 'name'
  /** Whether the passages that the model was given have it. */
  readonly supported: boolean
}

/** How well the passages support a sentence of an answer. */
export interface SentenceSupport {
  readonly answerSpan: Span
  /** Share of its content words, weighted by rarity, that the best place in the passages has too: from 0 to 1, which is a quotation. */
  readonly support: number
  /** Id of the document of that place; absent where nothing supports it. */
  readonly sourceId?: string
  /** That place in the stored document. */
  readonly span?: Span
}

/** What a run gives to its reader: deltas, in order; `finish` is always the last. */
export type StreamPart = RunPart & {
  /**
   * Of what came out of an agent within this one: the names of the agents that it went through, the outermost first, its own last. What the
   * run's own agent does has none.
   */
  readonly agentPath?: readonly string[]
}

type RunPart =
  | { readonly type: 'step-start'; readonly step: number }
  | { readonly type: 'step-end'; readonly step: number }
  | { readonly type: 'reasoning-delta'; readonly text: string }
  | {
      readonly type: 'text-delta'
      readonly text: string
      readonly role?: 'draft'
      /** What an agent says to the agents around it: no part of the answer. */
      readonly inner?: true
    }
  | { readonly type: 'tool-input-delta'; readonly callId: string; readonly name: string; readonly text: string }
  | { readonly type: 'tool-call'; readonly callId: string; readonly name: string; readonly input: unknown }
  | { readonly type: 'tool-progress'; readonly callId: string; readonly name: string; readonly progress: unknown }
  | {
      readonly type: 'tool-result'
      readonly callId: string
      readonly name: string
      readonly output: unknown
      readonly isError: boolean
    }
  | {
      readonly type: 'approval-request'
      readonly callId: string
      readonly name: string
      readonly input: unknown
      /**
       * No call waits but a team, for what a person says: as the member `name`, or who of `input.choices` speaks next. The run pauses, and
       * `agent.resume(state, { reply })` goes on.
       */
      readonly ask?: 'turn' | 'speaker'
    }
  | ({ readonly type: 'citation' } & Citation)
  | {
      readonly type: 'grounding'
      readonly claims: readonly GroundingClaim[]
      /** Each sentence of the answer, held against the passages that the model was given. */
      readonly sentences?: readonly SentenceSupport[]
    }
  | StatusPart
  | {
      readonly type: 'context-trimmed'
      readonly droppedMessages: number
      readonly droppedTokens: number
      /** Passages of documents that were left out. */
      readonly droppedPassages?: number
      readonly message: string
    }
  | { readonly type: 'usage'; readonly usage: Usage }
  /** One agent gives the conversation to another; `why` is what it said about that. */
  | { readonly type: 'handoff'; readonly from: string; readonly to: string; readonly why?: string }
  | { readonly type: 'error'; readonly error: ErrorInfo }
  | { readonly type: 'finish'; readonly finish: Finish }
