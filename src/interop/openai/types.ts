// The OpenAI API as far as it is served: requests no narrower, answers no wider than the types of the official client.

/** A part of a message's content. */
export interface ContentPartParam {
  readonly type: string
  readonly text?: string
  readonly refusal?: string
  readonly image_url?: { readonly url: string }
  readonly input_audio?: { readonly data: string; readonly format: string }
}

export interface MessageParam {
  readonly role: 'developer' | 'system' | 'user' | 'assistant' | 'tool' | 'function'
  readonly content?: string | readonly ContentPartParam[] | null
  readonly name?: string
  readonly tool_call_id?: string
  readonly tool_calls?: readonly {
    readonly id: string
    readonly type: string
    readonly function?: { readonly name: string; readonly arguments: string }
  }[]
}

export interface ToolParam {
  readonly type: string
  readonly function?: {
    readonly name: string
    readonly description?: string
    readonly parameters?: Readonly<Record<string, unknown>>
  }
}

export interface ResponseFormatParam {
  readonly type: 'text' | 'json_object' | 'json_schema'
  readonly json_schema?: { readonly name: string; readonly schema?: Readonly<Record<string, unknown>> }
}

/** Body of `chat.completions.create`. What has no meaning on a device, such as `user` or `store`, is left aside. */
export interface ChatCompletionParams {
  readonly messages: readonly MessageParam[]
  /** A model id of the client; `auto` or '' for the client's own choice. */
  readonly model: string
  readonly stream?: boolean | null
  readonly stream_options?: { readonly include_usage?: boolean } | null
  readonly tools?: readonly ToolParam[]
  readonly tool_choice?: string | { readonly type: string; readonly function?: { readonly name: string } }
  readonly parallel_tool_calls?: boolean
  readonly response_format?: ResponseFormatParam
  readonly stop?: string | readonly string[] | null
  readonly seed?: number | null
  readonly max_tokens?: number | null
  readonly max_completion_tokens?: number | null
  readonly temperature?: number | null
  readonly top_p?: number | null
  readonly frequency_penalty?: number | null
  readonly presence_penalty?: number | null
  readonly logit_bias?: Readonly<Record<string, number>> | null
  /** `none` lets a model that can think answer at once. */
  readonly reasoning_effort?: string | null
  /** 1 only. */
  readonly n?: number | null
}

/** Second argument of each call. */
export interface CallOptions {
  readonly signal?: AbortSignal | null | undefined
}

export interface CompletionUsage {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
  prompt_tokens_details: { cached_tokens: number }
}

export type ChatFinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter'

export interface FunctionToolCall {
  id: string
  type: 'function'
  function: { name: string; arguments: string }
}

export interface ChatCompletion {
  id: string
  object: 'chat.completion'
  /** Seconds since the epoch. */
  created: number
  /** Id of the model that answered. */
  model: string
  choices: {
    index: number
    message: {
      role: 'assistant'
      content: string | null
      refusal: string | null
      /** What a reasoning model wrote before its answer; absent without. */
      reasoning_content?: string
      tool_calls?: FunctionToolCall[]
    }
    finish_reason: ChatFinishReason
    logprobs: null
  }[]
  usage: CompletionUsage
}

export interface ChatCompletionDelta {
  role?: 'assistant'
  content?: string
  reasoning_content?: string
  /** Each call comes whole, in one chunk. */
  tool_calls?: (FunctionToolCall & { index: number })[]
}

export interface ChatCompletionChunk {
  id: string
  object: 'chat.completion.chunk'
  created: number
  model: string
  choices: { index: number; delta: ChatCompletionDelta; finish_reason: ChatFinishReason | null; logprobs: null }[]
  /** With `include_usage`: null but in the last chunk. */
  usage?: CompletionUsage | null
}

/** Chunks, once. */
export interface ChunkStream extends AsyncIterable<ChatCompletionChunk> {
  /** Aborting it ends the answer. */
  readonly controller: AbortController
  /** The chunks as lines of JSON, as the official client's `Stream.fromReadableStream` reads them. */
  toReadableStream(): ReadableStream<Uint8Array>
}

export interface EmbeddingParams {
  /** Texts. Tokens are refused: they mean something else to each model. */
  readonly input: string | readonly string[] | readonly number[] | readonly (readonly number[])[]
  /** The id of the client's embedding model; `auto` or '' for whichever it is. */
  readonly model: string
  /** Refused unless it is the model's own number. */
  readonly dimensions?: number
  readonly encoding_format?: 'float' | 'base64'
}

export interface EmbeddingList<Vector = number[]> {
  object: 'list'
  model: string
  data: { object: 'embedding'; index: number; embedding: Vector }[]
  /** 0 where the model does not count. */
  usage: { prompt_tokens: number; total_tokens: number }
}

export interface ListedModel {
  id: string
  object: 'model'
  created: number
  owned_by: string
}

/** All models, in one page. */
export interface ModelPage extends AsyncIterable<ListedModel> {
  object: 'list'
  data: ListedModel[]
}
