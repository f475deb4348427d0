/** What is used of the Prompt API (webmachinelearning.github.io/prompt-api, draft of 2026), with the names that it had before. */
export interface LanguageModelStatic {
  availability(options?: LanguageModelCoreOptions): Promise<LanguageModelAvailability>
  create(options?: LanguageModelCreateOptions): Promise<LanguageModelSession>
}

export type LanguageModelAvailability = 'unavailable' | 'downloadable' | 'downloading' | 'available'

export interface LanguageModelCoreOptions {
  readonly expectedInputs?: readonly { readonly type: 'text' | 'image' | 'audio' }[]
}

export interface LanguageModelCreateOptions extends LanguageModelCoreOptions {
  readonly signal?: AbortSignal
  readonly initialPrompts?: readonly LanguageModelMessage[]
  readonly monitor?: (monitor: EventTarget) => void
}

export interface LanguageModelMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string | readonly { readonly type: 'text' | 'image' | 'audio'; readonly value: unknown }[]
  /** The answer begins like this: only the last message, of the assistant. */
  readonly prefix?: boolean
}

export interface LanguageModelPromptOptions {
  readonly signal?: AbortSignal
  readonly responseConstraint?: object
}

export interface LanguageModelSession {
  promptStreaming(input: readonly LanguageModelMessage[], options?: LanguageModelPromptOptions): ReadableStream<string>
  clone?(options?: { readonly signal?: AbortSignal }): Promise<LanguageModelSession>
  destroy(): void
  readonly contextUsage?: number
  readonly contextWindow?: number
  measureContextUsage?(input: readonly LanguageModelMessage[], options?: LanguageModelPromptOptions): Promise<number>
  /** Until 2025 the three above had these names. */
  readonly inputUsage?: number
  readonly inputQuota?: number
  measureInputUsage?(input: readonly LanguageModelMessage[], options?: LanguageModelPromptOptions): Promise<number>
}

/** The browser's own model, where it offers one to this thread: not in workers, and in secure contexts only. */
export function findLanguageModel(): LanguageModelStatic | undefined {
  const { LanguageModel } = globalThis as { readonly LanguageModel?: Partial<LanguageModelStatic> }
  return typeof LanguageModel?.create === 'function' && typeof LanguageModel.availability === 'function'
    ? (LanguageModel as LanguageModelStatic)
    : undefined
}

/** Tokens that a session holds. */
export const usageOf = (session: LanguageModelSession): number => session.contextUsage ?? session.inputUsage ?? 0

/** A browser without a limit of its own is held to this. */
const LONGEST_CONTEXT = 131_072
/** What Chrome's model had when it told nothing. */
const USUAL_CONTEXT = 4_096

/** Tokens that a session can hold. */
export function windowOf(session: LanguageModelSession): number {
  const tokens = session.contextWindow ?? session.inputQuota ?? USUAL_CONTEXT
  return Number.isFinite(tokens) && tokens > 0 ? tokens : LONGEST_CONTEXT
}

/** Tokens that an input would add to a session; undefined where the browser does not count. */
export async function measure(
  session: LanguageModelSession,
  input: readonly LanguageModelMessage[],
  options?: LanguageModelPromptOptions,
): Promise<number | undefined> {
  return (await session.measureContextUsage?.(input, options)) ?? (await session.measureInputUsage?.(input, options))
}
