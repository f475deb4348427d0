// The WebLLM engine as one self-contained file, for chat and for embeddings.
export { webLlmChat } from '../src/engines/web-llm/chat.js'
export { webLlmEmbedding } from '../src/engines/web-llm/embedding.js'
