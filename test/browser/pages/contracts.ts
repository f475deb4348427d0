// The contract suites on what a browser really has: engines in the library's own workers, IndexedDB, and corpora through the retrieval
// worker. Each function returns the outcome of each case.

import {
  type CorpusContext,
  chatModelContract,
  corpusContract,
  storeContract,
  vectorIndexContract,
} from 'alcove/testing/contracts'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { extractiveModel } from '../../../src/engines/extractive/extractive.js'
import type { LlmApi } from '../../../src/engines/serve-model.js'
import { createWorkerModel } from '../../../src/engines/worker-model.js'
import type { RetrievalApi } from '../../../src/retrieval/serve-corpus.js'
import { createKernels, createPlainKernels, type VectorKernels } from '../../../src/retrieval/vector/kernels.js'
import { createVectorIndex } from '../../../src/retrieval/vector/vector-index.js'
import { createWorkerCorpora } from '../../../src/retrieval/worker-corpus.js'
import { openWorker } from '../../../src/rpc/open-worker.js'
import { createWorkerHost } from '../../../src/rpc/worker-host.js'
import { openIdbStore } from '../../../src/store/idb-store.js'
import { expect } from '../../contract/browser-expect.js'
import { type CaseOutcome, collectCases } from '../../contract/collect-cases.js'
import { fakeEmbedder } from '../../unit/retrieval/fake-embedder.js'
import type { ModelContractApi } from './contracts.worker.js'
import workerUrl from './contracts.worker.ts?worker&url'

/** The library's workers, as they are published. */
const WORKERS = new URL('/dist/workers/', location.href)

const specOf = (id: string): ModelSpec => ({
  id,
  baseUrl: new URL('/models/', location.href).href,
  allowRemote: false,
  hubUrl: 'https://hub.invalid/',
  cacheName: 'contract-models',
})

let made = 0
/** A name that no other case has used. */
const nextName = (): string => `contract-${++made}`

/** A chat model in the library's own worker. */
export async function runChatModel(id: string, maxTokens: number): Promise<CaseOutcome[]> {
  const url = new URL('llm.worker.js', WORKERS)
  const host = createWorkerHost<LlmApi>({ name: 'llm', open: () => openWorker(url, 'llm') })
  const model = createWorkerModel({ spec: specOf(id), host })
  try {
    return await collectCases(expect, (runner) => chatModelContract(runner, async () => model, { maxTokens }))
  } finally {
    await host.close()
  }
}

/** A chat model in one thread with the suite, without anything of ours between the two. */
export async function runBareChatModel(id: string, maxTokens: number): Promise<CaseOutcome[]> {
  const host = createWorkerHost<ModelContractApi>({ name: 'chat', open: () => openWorker(workerUrl, WORKERS.href) })
  try {
    return await host.call((api) => api.runChat(specOf(id), maxTokens))
  } finally {
    await host.close()
  }
}

/** The extractive answerer, which runs on the page. */
export function runExtractive(): Promise<CaseOutcome[]> {
  return collectCases(expect, (runner) => chatModelContract(runner, async () => extractiveModel()))
}

/** An embedding model, in a worker together with the suite. */
export async function runEmbeddingModel(id: string): Promise<CaseOutcome[]> {
  const host = createWorkerHost<ModelContractApi>({
    name: 'embedding',
    open: () => openWorker(workerUrl, WORKERS.href),
  })
  try {
    return await host.call((api) => api.run(specOf(id)))
  } finally {
    await host.close()
  }
}

/** The store over the browser's IndexedDB. */
export function runStore(): Promise<CaseOutcome[]> {
  return collectCases(expect, (runner) => storeContract(runner, () => openIdbStore(nextName())))
}

/** The vector index with its WebAssembly, or with the plain loops in its place. */
export async function runVectorIndex(kind: VectorKernels['kind']): Promise<CaseOutcome[]> {
  const create = { simd: createKernels, plain: createPlainKernels }[kind]
  const created = create().kind
  if (created !== kind) return [{ name: kind, error: `there are only ${created} kernels here` }]
  return collectCases(expect, (runner) =>
    vectorIndexContract(runner, (options) => createVectorIndex({ ...options, kernels: create() })),
  )
}

function openCorpora(storageName: string): CorpusContext {
  const url = new URL('retrieval.worker.js', WORKERS)
  const host = createWorkerHost<RetrievalApi>({ name: 'retrieval', open: () => openWorker(url, 'retrieval') })
  const corpora = createWorkerCorpora({ host, storageName, embedder: fakeEmbedder() })
  return {
    open: (name, options) => corpora.open(name, options),
    list: () => corpora.list(),
    delete: (name) => corpora.delete(name),
    reopen: async () => openCorpora(storageName),
    close: () => host.close(),
  }
}

/** Corpora in the library's retrieval worker, over IndexedDB. */
export function runCorpus(): Promise<CaseOutcome[]> {
  return collectCases(expect, (runner) => corpusContract(runner, async () => openCorpora(nextName())))
}
