// The AI SDK's provider interface (version 4) and its chat transport, as far as they are served. What is taken is no narrower and what is
// given no wider than the types of `@ai-sdk/provider` 4 and `ai` 7, so that its functions accept these objects without a cast.

/** Values that JSON can say. */
export type JsonValue =
  | null
  | string
  | number
  | boolean
  | readonly JsonValue[]
  | { [key: string]: JsonValue | undefined }
export type JsonObject = { [key: string]: JsonValue | undefined }
/** Facts of ours, under the key `alcove`. */
export type ProviderMetadata = Record<string, JsonObject>

export interface FileData {
  readonly type: string
  readonly data?: Uint8Array | string
  readonly url?: URL
  readonly text?: string
}

/** A part of a prompt's message. */
export interface PromptPart {
  readonly type: string
  readonly text?: string
  readonly data?: FileData
  readonly mediaType?: string
  readonly toolCallId?: string
  readonly toolName?: string
  readonly input?: unknown
  readonly output?: unknown
}

export interface PromptMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: string | readonly PromptPart[]
}

export interface PromptTool {
  readonly type: 'function' | 'provider'
  readonly name: string
  readonly description?: string
  readonly inputSchema?: unknown
}

export interface LanguageModelCallOptions {
  readonly prompt: readonly PromptMessage[]
  readonly maxOutputTokens?: number | undefined
  readonly temperature?: number | undefined
  readonly stopSequences?: readonly string[] | undefined
  readonly topP?: number | undefined
  readonly topK?: number | undefined
  readonly presencePenalty?: number | undefined
  readonly frequencyPenalty?: number | undefined
  readonly responseFormat?: { readonly type: 'text' } | { readonly type: 'json'; readonly schema?: unknown } | undefined
  readonly seed?: number | undefined
  readonly tools?: readonly PromptTool[] | undefined
  readonly toolChoice?:
    | { readonly type: 'auto' | 'none' | 'required' }
    | { readonly type: 'tool'; readonly toolName: string }
    | undefined
  readonly abortSignal?: AbortSignal | undefined
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
  /** How much a model that can think does so: `none` turns it off, another value but the default on. */
  readonly reasoning?: string | undefined
}

export type Warning =
  | { type: 'unsupported'; feature: string; details?: string }
  | { type: 'compatibility'; feature: string; details?: string }

export interface UsageReport {
  inputTokens: {
    total: number | undefined
    noCache: number | undefined
    cacheRead: number | undefined
    cacheWrite: number | undefined
  }
  outputTokens: { total: number | undefined; text: number | undefined; reasoning: number | undefined }
}

export interface FinishReport {
  unified: 'stop' | 'length' | 'content-filter' | 'tool-calls'
  raw: string
}

/** Where a statement comes from: `providerMetadata.alcove` has the citation's index, quote, span, page and whether it was verified. */
export type SourceContent =
  | { type: 'source'; sourceType: 'url'; id: string; url: string; title: string; providerMetadata: ProviderMetadata }
  | {
      type: 'source'
      sourceType: 'document'
      id: string
      mediaType: string
      title: string
      providerMetadata: ProviderMetadata
    }

export interface ToolCallContent {
  type: 'tool-call'
  toolCallId: string
  toolName: string
  /** JSON. */
  input: string
}

export type Content = { type: 'text' | 'reasoning'; text: string } | ToolCallContent | SourceContent

export interface GenerateResult {
  content: Content[]
  finishReason: FinishReport
  usage: UsageReport
  warnings: Warning[]
  response: { modelId: string }
}

export type ModelStreamPart =
  | { type: 'stream-start'; warnings: Warning[] }
  | { type: 'text-start' | 'text-end' | 'reasoning-start' | 'reasoning-end' | 'tool-input-end'; id: string }
  | { type: 'text-delta' | 'reasoning-delta' | 'tool-input-delta'; id: string; delta: string }
  | { type: 'tool-input-start'; id: string; toolName: string }
  | ToolCallContent
  | SourceContent
  | { type: 'response-metadata'; modelId: string }
  | { type: 'finish'; usage: UsageReport; finishReason: FinishReport }
  | { type: 'error'; error: unknown }

/** A `LanguageModelV4`. */
export interface LanguageModel {
  readonly specificationVersion: 'v4'
  readonly provider: 'alcove'
  readonly modelId: string
  readonly supportedUrls: Record<string, RegExp[]>
  doGenerate(options: LanguageModelCallOptions): Promise<GenerateResult>
  doStream(options: LanguageModelCallOptions): Promise<{ stream: ReadableStream<ModelStreamPart> }>
}

export interface EmbeddingCallOptions {
  readonly values: readonly string[]
  readonly dimensions?: number | undefined
  readonly abortSignal?: AbortSignal | undefined
  /** `alcove.purpose`: `query` or `document`. */
  readonly providerOptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined
}

/** An `EmbeddingModelV4`. */
export interface EmbeddingModelAdapter {
  readonly specificationVersion: 'v4'
  readonly provider: 'alcove'
  readonly modelId: string
  readonly maxEmbeddingsPerCall: number
  readonly supportsParallelCalls: false
  doEmbed(options: EmbeddingCallOptions): Promise<{
    embeddings: number[][]
    usage: { tokens: number }
    warnings: Warning[]
  }>
}
