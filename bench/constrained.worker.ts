// The model's worker: the engine as the library serves it.
import { createLlmApi } from '../src/engines/serve-model.js'
import { transformersChat } from '../src/engines/transformers/chat.js'
import { runtimeFilesIn, setRuntimeFiles } from '../src/engines/transformers/runtime.js'
import { serveWorker } from '../src/rpc/serve-worker.js'

// The page names the worker after the folder of ONNX Runtime's files.
setRuntimeFiles(runtimeFilesIn((globalThis as unknown as { name: string }).name))
serveWorker(createLlmApi({ transformers: async () => transformersChat }))
