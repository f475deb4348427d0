import type { Hit } from './corpus.js'
import type { Message } from './message.js'
import type { StatusPart, StreamPart } from './stream-part.js'

/** A JSON Schema (draft 2020-12) as plain data. */
export type JsonSchema = Readonly<Record<string, unknown>> | boolean

/** A tool as a model sees it. */
export interface ToolDescription {
  readonly name: string
  readonly description: string
  readonly inputSchema: JsonSchema
}

export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string }

/** How tokens are chosen. Ranges as in the OpenAI API; undefined is the engine's default. */
export interface Sampling {
  /** 0 to 2; 0 always takes the most likely token. */
  readonly temperature?: number | undefined
  /** Above 0, up to 1. */
  readonly topP?: number | undefined
  readonly topK?: number | undefined
  /** Most tokens of answer. */
  readonly maxTokens?: number | undefined
  readonly seed?: number | undefined
  /** Texts at which the answer ends; they are not part of it. */
  readonly stop?: readonly string[] | undefined
  readonly frequencyPenalty?: number | undefined
  readonly presencePenalty?: number | undefined
  readonly repetitionPenalty?: number | undefined
  /** What is added to the score of a token before one is chosen, by the token's number: -100 (never) to 100. */
  readonly logitBias?: Readonly<Record<string, number>> | undefined
  /** Whether a model that can think before its answer does so. @default as the model does by itself */
  readonly reasoning?: 'on' | 'off' | undefined
}

/** A form that the answer must have. */
export type OutputConstraint =
  | { readonly type: 'json-schema'; readonly schema: JsonSchema }
  | { readonly type: 'grammar'; readonly grammar: string; readonly syntax: 'gbnf' | 'ebnf' }

/** One call of a chat model, structured-cloneable. */
export interface ModelRequest {
  readonly messages: readonly Message[]
  /** What retrieval gave: for the extractive answerer and the grounding check. Engines ignore it. */
  readonly passages?: readonly Hit[] | undefined
  /** Tools for an engine with native calls; a dialect has written them into the messages for the others. */
  readonly tools?: readonly ToolDescription[] | undefined
  readonly toolChoice?: ToolChoice | undefined
  readonly output?: OutputConstraint | undefined
  readonly sampling?: Sampling | undefined
  /**
   * `background`: waits until nobody else wants the engine, but not for ever. An engine answers one request at a time.
   * @default 'interactive'
   */
  readonly priority?: 'interactive' | 'background' | undefined
  /** Requests of one run: runs that wait for an engine take turns. @default a run of its own */
  readonly runId?: string | undefined
}

/** Counts and times of one model call. */
export interface ModelUsage {
  readonly promptTokens: number
  readonly completionTokens: number
  readonly cachedTokens?: number | undefined
  /** Time spent reading the prompt, in milliseconds. */
  readonly prefillMs?: number | undefined
  /** Time spent writing the answer, in milliseconds. */
  readonly decodeMs?: number | undefined
  /** Time spent waiting for the engine to be free, in milliseconds. */
  readonly queueMs?: number | undefined
  /** Whether the answer cache was asked and had it. */
  readonly cache?: 'hit' | 'miss' | undefined
}

/** Why a model stopped. */
export type ModelFinishReason = 'stop' | 'length' | 'tool-calls' | 'content-filter'

/** What a model gives: deltas, at most one `model-usage`, and last of all `model-finish`. */
export type ModelPart =
  | Extract<StreamPart, { type: 'text-delta' | 'reasoning-delta' | 'tool-input-delta' | 'tool-call' | 'citation' }>
  | StatusPart
  | { readonly type: 'model-usage'; readonly usage: ModelUsage }
  | { readonly type: 'model-finish'; readonly reason: ModelFinishReason }

export interface ChatModelCapabilities {
  /** `native`: takes `tools` and answers with `tool-call` parts. `none`: a dialect writes and reads them as text. */
  readonly tools: 'native' | 'none'
  readonly grammar: 'gbnf' | 'ebnf' | 'json-schema' | 'none'
  readonly inputs: readonly ('text' | 'image' | 'audio')[]
  /** Whether a prompt that begins like the last one is read faster. */
  readonly prefixReuse: boolean
  /** `draft`: too weak to be trusted alone over documents; its text is shown beside the quoted passage. */
  readonly trust: 'answer' | 'draft'
  /** Tool-call format that its chat template knows. */
  readonly dialect?: string | undefined
}

export interface LoadOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((status: StatusPart) => void) | undefined
}

/** A model that writes text. Its one verb is `stream`. */
export interface ChatModel {
  /** `<engine>:<model>`, such as `webllm:Llama-3.2-1B-Instruct-q4f32_1-MLC`. */
  readonly id: string
  /** Most tokens of prompt and answer together; of a model that is not loaded yet, what its catalogue entry says. */
  readonly contextTokens: number
  readonly capabilities: ChatModelCapabilities
  /** Whether it is in memory now, where the model knows. */
  readonly isLoaded?: boolean | undefined
  /** What it really runs on, once it is loaded. */
  readonly device?: 'webgpu' | 'wasm' | undefined
  /** Makes it ready. Idempotent; `stream` does it too. Aborting one caller's load disturbs no other caller. */
  load(options?: LoadOptions): Promise<void>
  /**
   * Answers a request. Returns at once; cancelling the stream (or aborting the signal) stops the engine, which is then free for the
   * next request. The stream errors with an `AlcoveError`.
   */
  stream(request: ModelRequest, options?: { readonly signal?: AbortSignal | undefined }): ReadableStream<ModelPart>
  /** Tokens of the whole request as the engine will see it: template, tools and messages. */
  countTokens(request: ModelRequest): Promise<number>
  /** Frees memory. The next call loads it again. */
  dispose(): Promise<void>
}

/** What an embedding is for: some models write a prefix that depends on it. */
export type EmbeddingPurpose = 'query' | 'document'

/** A model that turns texts into vectors of length 1. */
export interface EmbeddingModel {
  /** `<engine>:<model>`. */
  readonly id: string
  /** Numbers in a vector. Known after `load`; 0 before where it is not known. */
  readonly dimensions: number
  /** Longest text, in tokens, special tokens included. */
  readonly maxTokens: number
  /** ISO 639-1 codes of the languages it serves; undefined: not known. */
  readonly languages?: readonly string[] | undefined
  load(options?: LoadOptions): Promise<void>
  /** One vector of `dimensions` numbers for each text, in order. A text over `maxTokens` is cut. */
  embed(
    texts: readonly string[],
    options?: { readonly purpose?: EmbeddingPurpose | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<Float32Array[]>
  /** Tokens of each text without special tokens. @default estimated from its length */
  countTokens?(texts: readonly string[]): Promise<number[]>
  dispose(): Promise<void>
}

/** A model that reads a query and a passage together and says how well the one answers the other (a cross-encoder). */
export interface Reranker {
  /** `<engine>:<model>`. */
  readonly id: string
  /** ISO 639-1 codes of the languages it serves; undefined: not known. */
  readonly languages?: readonly string[] | undefined
  load(options?: LoadOptions): Promise<void>
  /** A finite score for each text, in order: higher is better, comparable within one call. What is too long is cut. */
  score(
    query: string,
    texts: readonly string[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<readonly number[]>
  dispose(): Promise<void>
}

/** What a model is wanted for: the ladder may choose another one for each. */
export type ModelTask = 'chat' | 'documents' | 'tools' | 'embedding'
