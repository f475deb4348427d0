// Documents: parsing (in workers of its own), embedding, indexing and search. The engine is a file of its own beside this script.
import type { EmbeddingEngine } from '../src/engines/engine.js'
import { createParsePool } from '../src/retrieval/parse-pool.js'
import { createRetrievalApi } from '../src/retrieval/serve-corpus.js'
import { openWorker } from '../src/rpc/open-worker.js'
import { serveWorker } from '../src/rpc/serve-worker.js'
import { openStore } from '../src/store/idb-store.js'

/** The address of another worker script beside this one, whatever this one is called with. */
const besideThis = (name: string): string => import.meta.url.replace('retrieval.worker', name)

const parsers = createParsePool({
  open: () => openWorker(besideThis('parse.worker'), 'alcove-parse'),
  size: Math.max(1, Math.min(4, (navigator.hardwareConcurrency ?? 2) - 1)),
})

const importEngine = async (file: string, name: string): Promise<EmbeddingEngine> => {
  const address = new URL(/* @vite-ignore */ `./${file}.js`, import.meta.url).href
  const engines: Record<string, EmbeddingEngine> = await import(/* @vite-ignore */ address)
  return engines[name] as EmbeddingEngine
}

serveWorker(
  createRetrievalApi({
    openStore: (databaseName, onFallback) => openStore(databaseName, { onFallback }),
    parse: (input, options) => parsers.parse(input, options),
    engines: { transformers: () => importEngine('engine-transformers', 'transformersEmbedding') },
  }),
)
