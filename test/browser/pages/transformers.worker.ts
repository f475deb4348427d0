// The worker of the transformers harness: the engine as the product serves it, and the bare library beside it to compare with.

import type { ModelSpec } from '../../../src/engines/engine.js'
import { createLlmApi } from '../../../src/engines/serve-model.js'
import { transformersChat } from '../../../src/engines/transformers/chat.js'
import { transformersEmbedding } from '../../../src/engines/transformers/embedding.js'
import {
  loadLibrary,
  loadThroughLibrary,
  runtimeFilesIn,
  setRuntimeFiles,
} from '../../../src/engines/transformers/runtime.js'
import { createWeightLoader } from '../../../src/engines/weights/weights.js'
import type { EmbeddingModel } from '../../../src/protocol/model.js'
import { serveWorker } from '../../../src/rpc/serve-worker.js'

const embedders = new Map<string, EmbeddingModel>()

const embedderOf = (spec: ModelSpec): EmbeddingModel => {
  const model = embedders.get(spec.id) ?? transformersEmbedding.create(spec)
  embedders.set(spec.id, model)
  return model
}

/** Tokens a second of the library alone, with greedy decoding and no streaming. */
async function measureBare(spec: ModelSpec, prompt: string, tokens: number) {
  const library = await loadLibrary('wasm')
  const loader = createWeightLoader(spec)
  const [tokenizer, model] = await loadThroughLibrary(
    async (folder) =>
      Promise.all([
        library.AutoTokenizer.from_pretrained(folder),
        library.AutoModelForCausalLM.from_pretrained(folder, {
          device: 'wasm',
          dtype: 'q4',
          session_options: { extra: { session: { disable_quant_qdq: '1' } } },
        }),
      ]),
    { loader },
  )
  const inputs = tokenizer.apply_chat_template([{ role: 'user', content: prompt }], {
    add_generation_prompt: true,
  }) as Record<string, unknown>
  const run = async (count: number) => {
    const began = performance.now()
    const output = await model.generate({ ...inputs, max_new_tokens: count, min_new_tokens: count, do_sample: false })
    return { ms: performance.now() - began, output }
  }
  await run(2)
  const prefill = await run(1)
  const whole = await run(tokens + 1)
  await model.dispose()
  return { prefillMs: prefill.ms, tokensPerSecond: (tokens * 1000) / (whole.ms - prefill.ms) }
}

const api = {
  ...createLlmApi({ transformers: async () => transformersChat }),
  async embed(spec: ModelSpec, texts: readonly string[], purpose?: 'query' | 'document') {
    const model = embedderOf(spec)
    const began = performance.now()
    await model.load()
    const loadMs = performance.now() - began
    const vectors = await model.embed(texts, { purpose })
    const counts = (await model.countTokens?.(texts)) ?? []
    const ms = performance.now() - began - loadMs
    return { vectors, counts, dimensions: model.dimensions, maxTokens: model.maxTokens, loadMs, ms }
  },
  inspectEmbedding: (spec: ModelSpec) => transformersEmbedding.inspect(spec),
  async storage(spec: ModelSpec) {
    return createWeightLoader(spec).storedBytes()
  },
  measureBare,
}

export type HarnessApi = typeof api

// The page names the worker after the folder of ONNX Runtime's files.
setRuntimeFiles(runtimeFilesIn((globalThis as unknown as { name: string }).name))
serveWorker(api)
