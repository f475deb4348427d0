// The transformers.js engine as one self-contained file, for chat and for embeddings.
export { transformersChat } from '../src/engines/transformers/chat.js'
export { transformersEmbedding } from '../src/engines/transformers/embedding.js'
export { transformersRerank } from '../src/engines/transformers/rerank.js'
export { setRuntimeFiles } from '../src/engines/transformers/runtime.js'
