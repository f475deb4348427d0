// The engines alone with the caches that they bring, as their manuals show, with nothing of ours around them.
import { AutoModelForCausalLM, AutoTokenizer, env } from '@huggingface/transformers'
import { Wllama } from '@wllama/wllama/esm/index.js'
import { expose } from 'comlink'

export interface OwnModel {
  readonly engine: 'transformers' | 'wllama'
  /** Address of the folder of models, with a trailing slash. */
  readonly modelsUrl: string
  /** Address of the folder with the engines' WebAssembly, with a trailing slash. */
  readonly runtimeUrl: string
  readonly folder: string
  readonly dtype?: 'q4' | 'fp32'
  readonly file?: string
}

async function loadTransformers({ modelsUrl, runtimeUrl, folder, dtype = 'q4' }: OwnModel): Promise<void> {
  // Only what it takes for remote is kept by it.
  env.allowLocalModels = false
  env.remoteHost = modelsUrl
  env.remotePathTemplate = '{model}/'
  env.useBrowserCache = true
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
  const session = { extra: { session: { disable_quant_qdq: '1' } } }
  await AutoTokenizer.from_pretrained(folder)
  await AutoModelForCausalLM.from_pretrained(folder, { dtype, device: 'wasm', session_options: session })
  const kept = await (await caches.open(env.cacheKey)).keys()
  if (!kept.some(({ url }) => url.endsWith('.onnx'))) throw new Error('expected the library to keep the weights')
}

async function loadWllama({ modelsUrl, runtimeUrl, folder, file = '' }: OwnModel): Promise<void> {
  const silent = () => {}
  const logger = { debug: silent, log: silent, warn: silent, error: silent }
  const wllama = new Wllama({ default: `${runtimeUrl}wllama.wasm` }, { logger })
  wllama.setCompat(null)
  const options = { n_gpu_layers: 0, n_ctx: 512, n_threads: 1, n_parallel: 1, n_batch: 64, useCache: true }
  await wllama.loadModelFromUrl(new URL(`${folder}/${file}`, modelsUrl).href, options)
}

const api = {
  load: (model: OwnModel): Promise<void> => (model.engine === 'wllama' ? loadWllama(model) : loadTransformers(model)),
}

export type OwnCacheApi = typeof api

expose(api)
