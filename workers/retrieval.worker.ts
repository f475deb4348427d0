// Documents: parsing (in workers of its own), embedding, indexing and search.
import { parseNear } from '../src/retrieval/parse-near.js'
import { createParsePool } from '../src/retrieval/parse-pool.js'
import { createRetrievalApi } from '../src/retrieval/serve-corpus.js'
import { startWorker } from '../src/rpc/open-worker.js'
import { serveWorker } from '../src/rpc/serve-worker.js'
import { openStore } from '../src/store/idb-store.js'
import { importTransformers, importWebLlm } from './import-engine.js'

const parsers = createParsePool({
  open: () =>
    startWorker(
      () => new Worker(new URL('./parse.worker.js', import.meta.url), { type: 'module', name: 'alcove-parse' }),
      (Worker) => new Worker(new URL('./parse.worker.js', import.meta.url), { type: 'module', name: 'alcove-parse' }),
    ),
  size: Math.max(1, Math.min(4, (navigator.hardwareConcurrency ?? 2) - 1)),
})

serveWorker(
  createRetrievalApi({
    openStore: (databaseName, onFallback) => openStore(databaseName, { onFallback }),
    parse: parseNear((input, options) => parsers.parse(input, options)),
    engines: {
      transformers: async () => (await importTransformers()).transformersEmbedding,
      webllm: async () => (await importWebLlm()).webLlmEmbedding,
    },
    openEmbeddingWorker: () =>
      startWorker(
        () => new Worker(new URL('./embed.worker.js', import.meta.url), { type: 'module', name: 'alcove-embed' }),
        (Worker) => new Worker(new URL('./embed.worker.js', import.meta.url), { type: 'module', name: 'alcove-embed' }),
      ),
    rerankers: { transformers: async () => (await importTransformers()).transformersRerank },
  }),
)
