// One more copy of the embedding model, for a long piece of work on a device with cores to spare.
import { createEmbedApi } from '../src/retrieval/embed-api.js'
import { serveWorker } from '../src/rpc/serve-worker.js'
import { importTransformers } from './import-engine.js'

serveWorker(createEmbedApi({ transformers: async () => (await importTransformers()).transformersEmbedding }))
