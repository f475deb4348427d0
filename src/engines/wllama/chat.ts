import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import type { ChatModel } from '../../protocol/model.js'
import { toErrorInfo } from '../../rpc/error-wire.js'
import { throwIfAborted } from '../../runtime/abort.js'
import { type ChatEngine, type InspectOptions, type ModelInspection, type ModelSpec, parseModelId } from '../engine.js'
import { createSessionModel, type ModelSession, type OpenContext } from '../session-model.js'
import { threadCount } from '../threads.js'
import { createLoadMeter } from '../weights/load-meter.js'
import { createWeightLoader, type WeightLoader } from '../weights/weights.js'
import { isFileBroken, loadError } from './errors.js'
import { type GgufFacts, readGgufFacts } from './gguf.js'
import { checkRequest } from './request.js'
import { createWllamaSession, type WllamaHandle } from './session.js'
import { checkWasm, watchWorker } from './watch.js'

/** A constant of its own, so that a bundler does not take the wasm for an asset of this module. */
const moduleUrl: string = import.meta.url

export interface WllamaOptions {
  /** Address of `wllama.wasm`, a file of our own. @default 'wllama/wllama.wasm' beside the script that this engine is bundled into */
  readonly wasmUrl?: string | undefined
  /** For tests. @default the weight loader of the spec */
  readonly createLoader?: ((spec: ModelSpec) => WeightLoader) | undefined
}

/** The context where nothing else is known, with little and with enough memory. */
const SMALL_CONTEXT = 2_048
const LARGE_CONTEXT = 4_096
/** More tokens at a time read no faster on WebAssembly, and an abort waits for the batch. */
const BATCH_TOKENS = 64
/** Key-value cache of the large context over which the small one is taken. */
const MAX_CACHE_BYTES = 256 * 2 ** 20
/** llama.cpp's cache of a model whose header does not tell, in bytes a token. */
const USUAL_CACHE_BYTES = 64 * 2 ** 10

/**
 * GGUF models on WebAssembly (llama.cpp through wllama), on the CPU only. `countTokens` of a loaded model is exact, or 1 too many where
 * the tokenizer sets a space after a control token; before that it is an estimate that is too high.
 */
export function createWllamaChat(options: WllamaOptions = {}): ChatEngine {
  const loaderOf = options.createLoader ?? createWeightLoader
  return {
    inspect: (spec, inspectOptions) => inspect(spec, loaderOf(spec), inspectOptions),
    create: (spec) => createModel(spec, loaderOf(spec), options.wasmUrl ?? ownWasmUrl()),
  }
}

/** The engine with its wasm beside the worker. */
export const wllamaChat: ChatEngine = createWllamaChat()

function createModel(spec: ModelSpec, loader: WeightLoader, wasmUrl: string): ChatModel {
  return createSessionModel({
    id: spec.id,
    contextTokens: spec.contextTokens ?? SMALL_CONTEXT,
    capabilities: {
      tools: 'none',
      grammar: 'gbnf',
      inputs: ['text'],
      prefixReuse: true,
      trust: spec.trust ?? 'answer',
      dialect: spec.dialect,
    },
    device: 'wasm',
    check: checkRequest,
    open: (context) => open(spec, loader, wasmUrl, context),
  })
}

/** Beside the script that this engine is bundled into. */
const ownWasmUrl = () => new URL(/* @vite-ignore */ 'wllama/wllama.wasm', moduleUrl).href

async function inspect(
  spec: ModelSpec,
  loader: WeightLoader,
  { signal }: InspectOptions = {},
): Promise<ModelInspection> {
  try {
    checkBrowser(spec.id)
    const files = await Promise.all(filesOf(spec).map((file) => loader.head(file, { signal })))
    const missing = files.findIndex((file) => !file)
    if (missing >= 0) throw notFound(spec, filesOf(spec)[missing] as string)
    const wanted = files.filter((file) => !file?.stored)
    if (wanted.length === 0) return { state: 'available', bytes: 0, device: 'wasm' }
    const sizes = wanted.map((file) => file?.bytes && file.bytes - (file.keptBytes ?? 0))
    const bytes = sizes.every((size) => size !== undefined) ? sizes.reduce((sum, size) => sum + size, 0) : undefined
    return { state: 'downloadable', bytes, device: 'wasm' }
  } catch (error) {
    throwIfAborted(signal)
    return { state: 'unavailable', error: toErrorInfo(error, 'model-load-failed'), device: 'wasm' }
  }
}

function notFound(spec: ModelSpec, file: string): AlcoveError {
  const where = [spec.baseUrl, spec.allowRemote ? spec.hubUrl : undefined].filter(Boolean).join(' and ') || 'nowhere'
  return new AlcoveError('model-not-found', `${spec.id}: expected '${file}' to be served, looked at ${where}`, {
    details: { file },
  })
}

/** Shards of a split model are named `…-00001-of-00003.gguf`; an id names the first. */
function filesOf(spec: ModelSpec): string[] {
  const { file } = parseModelId(spec.id)
  if (file === undefined) {
    throw new AlcoveError('invalid-argument', `expected 'wllama:<repo>/<file.gguf>', got '${spec.id}'`)
  }
  const match = /^(.*-)(\d{5})-of-(\d{5})(\.gguf)$/i.exec(file)
  if (!match) return [file]
  const [, start, , count = '1', end] = match
  return Array.from(
    { length: Number(count) },
    (_, index) => `${start}${String(index + 1).padStart(5, '0')}-of-${count}${end}`,
  )
}

/** wllama's build needs 64-bit memory; without it wllama would fetch another build from a third party. */
function checkBrowser(modelId: string): void {
  try {
    new WebAssembly.Memory({ address: 'i64', initial: 1n } as unknown as WebAssembly.MemoryDescriptor)
  } catch (cause) {
    throw new AlcoveError(
      'model-load-failed',
      `${modelId} needs WebAssembly with 64-bit memory, which this browser has not`,
      {
        hint: 'Use a `transformers:` model, or a newer browser.',
        cause,
      },
    )
  }
}

async function open(
  spec: ModelSpec,
  loader: WeightLoader,
  wasmUrl: string,
  { signal, report }: OpenContext,
): Promise<ModelSession> {
  checkBrowser(spec.id)
  const files = filesOf(spec)
  const meter = createLoadMeter(spec.id, report, {
    expectedBytes: files.reduce((sum, file) => sum + (spec.files?.[file]?.bytes ?? 0), 0),
  })
  const blobs: Blob[] = []
  for (const file of files) {
    let told = 0
    const response = await loader.open(file, {
      signal,
      // A kept file reports once, whole.
      onProgress: (loaded, total) => meter.update(file, loaded, total, ++told > 1 || loaded !== total),
      onNotice: (message) => meter.say(message),
    })
    blobs.push(new File([await response.blob()], file.split('/').at(-1) ?? file))
  }
  const facts = await readGgufFacts(blobs[0] as Blob)
  throwIfAborted(signal)
  report(meter.part('Starting the model'))
  try {
    const { session, threads } = await start(spec, wasmUrl, blobs, facts, signal)
    report(meter.part(`The model is ready on wasm, with ${threads === 1 ? 'one thread' : `${threads} threads`}`))
    return session
  } catch (error) {
    if (isFileBroken(error)) await loader.repair()
    throw error
  }
}

/** Tokens of context: what was asked for or what memory permits, and not more than the model was made for. */
export function chooseContext(spec: ModelSpec, facts: GgufFacts | undefined): number {
  const cacheBytes = LARGE_CONTEXT * (facts?.cacheBytesPerToken ?? USUAL_CACHE_BYTES)
  const memory = (globalThis.navigator as { deviceMemory?: number } | undefined)?.deviceMemory ?? 4
  const usual = cacheBytes <= MAX_CACHE_BYTES && memory >= 4 ? LARGE_CONTEXT : SMALL_CONTEXT
  return Math.min(spec.contextTokens ?? usual, facts?.contextTokens ?? Number.POSITIVE_INFINITY)
}

async function start(
  spec: ModelSpec,
  wasmUrl: string,
  blobs: Blob[],
  facts: GgufFacts | undefined,
  signal: AbortSignal,
): Promise<{ readonly session: ModelSession; readonly threads: number }> {
  await checkWasm(wasmUrl, signal)
  const { Wllama, LogLevel } = await import('@wllama/wllama/esm/index.js').catch((cause) => {
    throw toAlcoveError(cause, 'network', 'the code of wllama could not be loaded')
  })
  const watch = watchWorker(spec.id)
  const { lines } = watch
  const wllama = new Wllama({ default: wasmUrl }, { logger: watch.logger })
  wllama.setCompat(null)
  const end = (reason: AlcoveError) => {
    watch.die(reason)
    watch.close()
    void wllama.exit()
  }
  const onAbort = () => end(new AlcoveError('aborted', 'The load was aborted'))
  signal.addEventListener('abort', onAbort)
  try {
    const contextTokens = chooseContext(spec, facts)
    const loaded = wllama.loadModel(blobs, {
      n_gpu_layers: 0,
      n_ctx: contextTokens,
      n_threads: threadCount(),
      n_parallel: 1,
      n_batch: BATCH_TOKENS,
      reasoning_format: 'none',
      log_level: LogLevel.ERROR,
    })
    await Promise.race([loaded, watch.died])
    const info = wllama.getLoadedContextInfo()
    if (!info.n_vocab) throw new Error('llama.cpp refused the file')
    const handle: WllamaHandle = {
      modelId: spec.id,
      wllama,
      contextTokens: info.n_ctx || contextTokens,
      controlToken: facts?.controlToken,
      cacheBytesPerToken: facts?.cacheBytesPerToken ?? USUAL_CACHE_BYTES,
      lines,
      died: watch.died,
      end,
    }
    return { session: createWllamaSession(handle), threads: wllama.getNumThreads() }
  } catch (error) {
    const failure = loadError(spec.id, lines, error)
    end(failure)
    throw failure
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
