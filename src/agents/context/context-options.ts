import type { Message } from '../../protocol/message.js'
import type { Sampling } from '../../protocol/model.js'

/** How old turns are summarised when they no longer fit. */
export interface SummaryOptions {
  /** Most tokens of a summary. @default 256, and never more than a fifth of the budget */
  readonly maxTokens?: number | undefined
  /** After so long old turns are dropped without a summary. @default 30_000 */
  readonly timeoutMs?: number | undefined
  /** What the model is asked for. @default a prompt in the language of the turns, English or Chinese */
  readonly instructions?: string | undefined
}

/** What of a conversation a model is given. */
export interface ContextOptions {
  /** Tokens of the context that are kept for the answer; at most three quarters of it. @default `sampling.maxTokens`, else a quarter of the context, at most 1024 */
  readonly reserveTokens?: number | undefined
  /**
   * Time in which the model should have read what is new to it, in milliseconds; passages and old turns that take longer are left out.
   * `Infinity`: no matter how long. Holds from the third answer on: before that nobody knows how fast the model reads.
   * @default 5_000 for a model that reads less than 200 tokens a second here, else `Infinity`
   */
  readonly targetFirstTokenMs?: number | undefined
  /** Whether a message must stay, besides system messages and the last user message. A call stays with its results. @default none */
  readonly pin?: ((message: Message) => boolean) | undefined
  /** Whether the model sums up the old turns that are left out. @default false: they are dropped */
  readonly summarise?: boolean | SummaryOptions | undefined
  /** Tokens of an image, for a model that does not count them itself. @default 0: the model counts them */
  readonly imageTokens?: number | undefined
}

/** What the context's options are read from. */
export interface ContextSettings {
  readonly context?: ContextOptions | undefined
  readonly sampling?: Sampling | undefined
}

/** Answers that no setting says the length of may have so many tokens. */
const USUAL_ANSWER_TOKENS = 1024

/** Most tokens that a request may have: the context less what is kept for the answer. */
export function budgetOf({ context, sampling }: ContextSettings, contextTokens: number): number {
  const usual = sampling?.maxTokens ?? Math.min(USUAL_ANSWER_TOKENS, Math.floor(contextTokens / 4))
  return contextTokens - Math.min(context?.reserveTokens ?? usual, Math.floor(contextTokens * 0.75))
}
