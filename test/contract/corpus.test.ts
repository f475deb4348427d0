import 'fake-indexeddb/auto'
import { describe, expect, test } from 'vitest'
import { createCorpusHost } from '../../src/retrieval/corpus.js'
import { parseDocument } from '../../src/retrieval/parse/parse.js'
import { createWorkerCorpora } from '../../src/retrieval/worker-corpus.js'
import { openIdbStore } from '../../src/store/idb-store.js'
import { createMemoryStore, type Store } from '../../src/store/store.js'
import { type CorpusContext, corpusContract } from '../../src/testing-contracts.js'
import { fakeEmbedder } from '../unit/retrieval/fake-embedder.js'
import { createFakeRetrieval } from '../unit/retrieval/fake-worker.js'

let databases = 0

function createInThread(store: Store): CorpusContext {
  const host = createCorpusHost({ store, parse: parseDocument, embedder: fakeEmbedder() })
  return {
    open: (name, options) => host.open(name, options),
    list: () => host.list(),
    delete: (name) => host.delete(name),
    async reopen() {
      return createInThread(store)
    },
    close: () => host.close(),
  }
}

function createBehindWorker(stores: Map<string, Store>): CorpusContext {
  const host = createFakeRetrieval(stores)
  const corpora = createWorkerCorpora({ host, storageName: 'test', embedder: fakeEmbedder() })
  return {
    open: (name, options) => corpora.open(name, options),
    list: () => corpora.list(),
    delete: (name) => corpora.delete(name),
    async reopen() {
      return createBehindWorker(stores)
    },
    close: () => host.close(),
  }
}

describe('in this thread, in memory', () => {
  corpusContract({ test, expect }, async () => createInThread(createMemoryStore()))
})

describe('in this thread, in IndexedDB', () => {
  corpusContract({ test, expect }, async () => {
    databases += 1
    return createInThread(await openIdbStore(`contract-corpus-${databases}`))
  })
})

describe('behind a worker', () => {
  corpusContract({ test, expect }, async () => createBehindWorker(new Map()))
})
