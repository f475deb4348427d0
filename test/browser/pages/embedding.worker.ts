// The retrieval worker of the embedding harness. Its name is the folder of ONNX Runtime's files, and after a space the number of cores to
// believe in: what a machine of four cores would do can be tested on one of two. A copy of the model that it opens is told of on the channel
// `embedding-copies`.

const [runtimeFolder = '', cores] = (globalThis as unknown as { name: string }).name.split(' ')
if (cores) Object.defineProperty(navigator, 'hardwareConcurrency', { value: Number(cores) })
Object.defineProperty(navigator, 'deviceMemory', { value: 4 })

import { transformersEmbedding } from '../../../src/engines/transformers/embedding.js'
import { runtimeFilesIn, setRuntimeFiles } from '../../../src/engines/transformers/runtime.js'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { createRetrievalApi } from '../../../src/retrieval/serve-corpus.js'
import { openWorker } from '../../../src/rpc/open-worker.js'
import { serveWorker } from '../../../src/rpc/serve-worker.js'
import { openStore } from '../../../src/store/idb-store.js'

const copies = new BroadcastChannel('embedding-copies')
setRuntimeFiles(runtimeFilesIn(runtimeFolder))
serveWorker(
  createRetrievalApi({
    openStore: (databaseName, onFallback) => openStore(databaseName, { onFallback }),
    parse: parseDocument,
    engines: { transformers: async () => transformersEmbedding },
    openEmbeddingWorker() {
      copies.postMessage('opened')
      return openWorker(new URL('embed.worker.js', runtimeFolder), 'embed')
    },
  }),
)
