// Models and a chat transport for the AI SDK, as the package entry `alcove/ai-sdk`. No logic here.

export {
  type AgentChatTransport,
  type ChatTransportOptions,
  createChatTransport,
  type SendMessagesOptions,
} from './interop/ai-sdk/chat-transport.js'
export { createEmbeddingModel, type EmbeddingModelOptions } from './interop/ai-sdk/embedding-model.js'
export { createLanguageModel, type LanguageModelOptions } from './interop/ai-sdk/language-model.js'
export type * from './interop/ai-sdk/types.js'
export type * from './interop/ai-sdk/ui-types.js'
export type { InteropClient } from './interop/client.js'
