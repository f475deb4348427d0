// Models and a chat transport for the AI SDK, as the package entry `alcove/ai-sdk`. No logic here.

export { createEmbeddingModel, type EmbeddingModelOptions } from './interop/ai-sdk/embedding-model.js'
export { createLanguageModel, type LanguageModelOptions } from './interop/ai-sdk/language-model.js'
export type * from './interop/ai-sdk/types.js'
export type { InteropClient } from './interop/client.js'
