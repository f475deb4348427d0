// The bare pipeline: transformers.js in a worker of its own, called as its manual shows, with nothing of ours around it.
import { env, type FeatureExtractionPipeline, pipeline } from '@huggingface/transformers'
import { expose } from 'comlink'

let pipe: FeatureExtractionPipeline | undefined

const api = {
  async load(modelsUrl: string, runtimeUrl: string, folder: string): Promise<void> {
    env.allowLocalModels = true
    env.allowRemoteModels = false
    env.localModelPath = new URL(modelsUrl).pathname
    env.useBrowserCache = false
    // It would import its runtime from a Blob, which the page's policy refuses.
    env.useWasmCache = false
    const { wasm } = env.backends.onnx
    if (wasm) {
      wasm.numThreads = 1
      wasm.wasmPaths = {
        mjs: `${runtimeUrl}ort-wasm-simd-threaded.mjs`,
        wasm: `${runtimeUrl}ort-wasm-simd-threaded.wasm`,
      }
    }
    pipe = await pipeline('feature-extraction', folder, { dtype: 'q8', device: 'wasm' })
    await pipe('A first text, so that the model is warm.', { pooling: 'mean', normalize: true })
  },
  /** Embeds all texts, in calls of so many, in the order given; milliseconds. */
  async embed(texts: readonly string[], batchSize: number): Promise<number> {
    if (pipe === undefined) throw new Error('load comes first')
    const began = performance.now()
    for (let from = 0; from < texts.length; from += batchSize) {
      const some = texts.slice(from, from + batchSize)
      const { dims } = await pipe(some, { pooling: 'mean', normalize: true })
      if (dims[0] !== some.length) throw new Error(`expected ${some.length} vectors, got ${dims[0]}`)
    }
    return performance.now() - began
  },
}

export type BarePipeline = typeof api

expose(api)
