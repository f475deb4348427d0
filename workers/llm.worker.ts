// The chat models: one engine a scheme, imported with its first use.
import { createLlmApi } from '../src/engines/serve-model.js'
import { serveWorker } from '../src/rpc/serve-worker.js'
import { importTransformers, importWebLlm, importWllama } from './import-engine.js'

serveWorker(
  createLlmApi({
    webllm: async () => (await importWebLlm()).webLlmChat,
    transformers: async () => (await importTransformers()).transformersChat,
    wllama: importWllama,
  }),
)
