// The OpenAI API over a client of Alcove, as the package entry `alcove/openai`. No logic here.

export type { InteropClient, ModelNames } from './interop/client.js'
export { type CreateOpenAIOptions, createOpenAI, type OpenAIOnDevice } from './interop/openai/create-openai.js'
export type { ApiError, ApiErrorBody } from './interop/openai/errors.js'
export type { LocalFetch } from './interop/openai/fetch.js'
export type {
  CallOptions,
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionDelta,
  ChatCompletionParams,
  ChatFinishReason,
  ChunkStream,
  CompletionUsage,
  ContentPartParam,
  EmbeddingList,
  EmbeddingParams,
  FunctionToolCall,
  ListedModel,
  MessageParam,
  ModelPage,
  ResponseFormatParam,
  ToolParam,
} from './interop/openai/types.js'
