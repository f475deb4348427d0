// Contract suites: what every implementation of an interface must do, for any test runner. Each takes `{ test, expect }` of the runner
// (vitest, jest, Playwright) and a function that makes what is tested.

export { type ChatModelContractOptions, chatModelContract } from './testing/contracts/chat-model.js'
export { corpusContract } from './testing/contracts/corpus.js'
export type { CorpusContext, CreateCorpusContext } from './testing/contracts/corpus-context.js'
export { embeddingModelContract } from './testing/contracts/embedding-model.js'
export { storeContract } from './testing/contracts/store.js'
export type { Assertion, TestRunner } from './testing/contracts/test-runner.js'
export { vectorIndexContract } from './testing/contracts/vector-index.js'
