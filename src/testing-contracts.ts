export { type ChatModelContractOptions, chatModelContract } from './testing/contracts/chat-model.js'
export { embeddingModelContract } from './testing/contracts/embedding-model.js'
export type { Assertion, TestRunner } from './testing/contracts/test-runner.js'
