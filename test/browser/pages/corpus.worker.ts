// The worker of the corpus harness: the retrieval worker as the product has it, with its parts bundled in.

import { transformersEmbedding } from '../../../src/engines/transformers/embedding.js'
import { runtimeFilesIn, setRuntimeFiles } from '../../../src/engines/transformers/runtime.js'
import { createParsePool } from '../../../src/retrieval/parse-pool.js'
import { createRetrievalApi } from '../../../src/retrieval/serve-corpus.js'
import { openWorker } from '../../../src/rpc/open-worker.js'
import { serveWorker } from '../../../src/rpc/serve-worker.js'
import { openStore } from '../../../src/store/idb-store.js'
import parseUrl from '../../../workers/parse.worker.ts?worker&url'

const parsers = createParsePool({ open: () => openWorker(parseUrl, 'parse'), size: 1 })

// The page names the worker after the folder of ONNX Runtime's files.
setRuntimeFiles(runtimeFilesIn((globalThis as unknown as { name: string }).name))
serveWorker(
  createRetrievalApi({
    openStore: (databaseName, onFallback) => openStore(databaseName, { onFallback }),
    parse: (input, options) => parsers.parse(input, options),
    engines: { transformers: async () => transformersEmbedding },
  }),
)
