import type { PreTrainedModel, PreTrainedTokenizer } from '@huggingface/transformers'
import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import { abortable } from '../../runtime/abort.js'
import { type DeviceProfile, probeDevice } from '../choice/device.js'
import type { ModelSpec } from '../engine.js'
import { translateEngineError } from '../engine-errors.js'
import { threadCount } from '../threads.js'
import type { LoadMeter } from '../weights/load-meter.js'
import type { WeightLoader } from '../weights/weights.js'

/** The library, loaded by `loadLibrary` only: it is megabytes, and its import has effects. */
export type TransformersLibrary = typeof import('@huggingface/transformers')
export type Device = 'webgpu' | 'wasm'

/**
 * A folder address that is never asked: all file access of the library is routed to weight loaders by it. Not http, or the
 * library takes it for remote in places.
 */
const FILES_ROOT = 'model-files:/'
const FAILURE = Symbol('failure')

let runtimeFiles: RuntimeFiles | undefined
let library: Promise<TransformersLibrary> | undefined
let builtFor: Device | undefined
let routeCount = 0
const routes = new Map<string, (file: string) => Promise<Response>>()

/** Addresses of one build of ONNX Runtime. */
export interface RuntimeBuild {
  readonly mjs: string
  readonly wasm: string
}

/** Addresses of both builds: the plain one, and the larger one that knows WebGPU. */
export type RuntimeFiles = Readonly<Record<Device, RuntimeBuild>>

/** Says where ONNX Runtime's own files are. Call it before any model loads; nothing is ever fetched from a third party. */
export function setRuntimeFiles(files: RuntimeFiles): void {
  runtimeFiles = files
}

/** The files by their own names in a folder. @param url absolute, with a trailing slash */
export function runtimeFilesIn(url: string): RuntimeFiles {
  const build = (name: string): RuntimeBuild => ({ mjs: `${url}${name}.mjs`, wasm: `${url}${name}.wasm` })
  return { wasm: build('ort-wasm-simd-threaded'), webgpu: build('ort-wasm-simd-threaded.asyncify') }
}

/** Where to run: WebGPU only on real hardware unless asked for by name, and never after this thread began without it. */
export async function chooseDevice(
  spec: ModelSpec,
  fallback: 'auto' | 'wasm',
  profile?: DeviceProfile,
): Promise<{ readonly device: Device; readonly shaderF16: boolean; readonly canFallBack: boolean }> {
  const wanted = spec.device ?? fallback
  if (wanted === 'wasm') return { device: 'wasm', shaderF16: false, canFallBack: false }
  const { webgpu, shaderF16 } = profile ?? (await probeDevice())
  if (wanted === 'webgpu') {
    if (webgpu === 'none')
      throw new AlcoveError('webgpu-unavailable', `'${spec.id}' wants WebGPU, and there is none here`)
    return { device: 'webgpu', shaderF16, canFallBack: false }
  }
  const device = webgpu === 'hardware' && builtFor !== 'wasm' ? 'webgpu' : 'wasm'
  return { device, shaderF16: shaderF16 && device === 'webgpu', canFallBack: device === 'webgpu' }
}

/**
 * Loads the library once and keeps it from the network, the console and other caches. Which of ONNX Runtime's builds is
 * used is decided by the first model of this thread.
 * @throws AlcoveError `webgpu-unavailable` when this thread's runtime was begun without WebGPU
 */
export async function loadLibrary(device: Device): Promise<TransformersLibrary> {
  library ??= importLibrary()
  const loaded = await library
  if (builtFor === undefined) {
    builtFor = device
    const files = runtimeFiles ?? runtimeFilesIn(import.meta.url.slice(0, import.meta.url.lastIndexOf('/') + 1))
    const { wasm } = loaded.env.backends.onnx
    if (wasm) wasm.wasmPaths = files[device]
  }
  if (device === 'webgpu' && builtFor === 'wasm') {
    throw new AlcoveError('webgpu-unavailable', 'the runtime of this worker was started without WebGPU', {
      hint: 'Dispose of the other model first, so that a new worker is started.',
    })
  }
  return loaded
}

async function importLibrary(): Promise<TransformersLibrary> {
  const [loaded, runtime] = await Promise.all([import('@huggingface/transformers'), import('onnxruntime-web/webgpu')])
  guardSessions(runtime.InferenceSession)
  const { env } = loaded
  env.allowLocalModels = true
  env.allowRemoteModels = false
  env.localModelPath = FILES_ROOT
  env.useFS = false
  env.useFSCache = false
  env.useBrowserCache = false
  env.useWasmCache = false
  env.logLevel = loaded.LogLevel.NONE
  env.fetch = async (input) => routeFile(String(input))
  const { wasm } = env.backends.onnx
  if (wasm) wasm.numThreads = threadCount()
  return loaded
}

async function routeFile(url: string): Promise<Response> {
  const [, route = '', file = ''] = /^([^/]+)\/(.+)$/.exec(url.slice(FILES_ROOT.length)) ?? []
  const open = url.startsWith(FILES_ROOT) ? routes.get(route) : undefined
  if (!open) throw new TypeError(`not a file of a model that is being loaded: ${url}`)
  return open(file)
}

/**
 * The library chains all loads, and all runs, on one promise each: one rejection would fail every later one in this thread
 * for ever. So a failure is made a value here, and `failureOf` finds it.
 */
function guardSessions(sessions: typeof import('onnxruntime-web/webgpu').InferenceSession): void {
  const create = sessions.create.bind(sessions) as (
    ...given: unknown[]
  ) => Promise<{ run: (...given: unknown[]) => Promise<unknown> }>
  const guarded = async (...given: unknown[]) => {
    try {
      const session = await create(...given)
      const run = session.run.bind(session)
      session.run = async (...inputs) => run(...inputs).catch((error: unknown) => ({ [FAILURE]: error }))
      return session
    } catch (error) {
      return { [FAILURE]: error, inputNames: [], outputNames: [], inputMetadata: [] }
    }
  }
  Object.assign(sessions, { create: guarded })
}

/** @throws what made a run or a session fail, see `guardSessions` */
export function throwFailure(result: unknown): void {
  const failed = result as { [FAILURE]?: unknown } | null | undefined
  if (failed && FAILURE in failed) throw failed[FAILURE]
}

/** Loads a part of a model from a folder name that stands for its files. */
export type LibraryLoad<T> = (folder: string) => Promise<T>

export interface LibraryLoadOptions {
  readonly loader: WeightLoader
  readonly signal?: AbortSignal | undefined
  readonly meter?: LoadMeter | undefined
}

const isWeights = (file: string) => /\.onnx(?:_data(?:_\d+)?)?$/.test(file)

/**
 * Runs a `from_pretrained` whose files all come from the loader. A file that is nowhere is absent to the library, which
 * knows what it can do without; when it cannot, the loader's own error is thrown.
 * @throws AlcoveError of the loader, else `model-load-failed` or what the failure's words mean
 */
export async function loadThroughLibrary<T>(load: LibraryLoad<T>, options: LibraryLoadOptions): Promise<T> {
  const route = `model-${++routeCount}`
  const errors = new Map<string, unknown>()
  let fail: (error: unknown) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = reject
  })
  const openOnce = createOpener(options)
  routes.set(route, async (file) => {
    try {
      return await openOnce(file)
    } catch (error) {
      errors.set(file, error)
      // The library waits for ever for an external data file that failed.
      if (isWeights(file)) fail(error)
      if (isAlcoveError(error, 'model-not-found')) return new Response(null, { status: 404 })
      throw error
    }
  })
  try {
    return await abortable(Promise.race([load(route), failed]), options.signal)
  } catch (error) {
    const text = error instanceof Error ? error.message : ''
    const known = [...errors].find(([file]) => text.includes(`${route}/${file}`))
    throw translateEngineError(known ? known[1] : error, 'model-load-failed', 'loading the model failed')
  } finally {
    routes.delete(route)
  }
}

/** Opens files with progress; a small one that the library asks for twice is fetched once. */
function createOpener({ loader, signal, meter }: LibraryLoadOptions): (file: string) => Promise<Response> {
  const opened = new Map<string, Promise<Blob>>()
  const open = (file: string) => {
    let told = 0
    return loader.open(file, {
      signal,
      onNotice: (message) => meter?.say(message),
      onProgress(loaded, total) {
        told += 1
        meter?.update(file, loaded, total, told > 1 || loaded !== total)
      },
    })
  }
  return async (file) => {
    if (isWeights(file)) return open(file)
    const blob = opened.get(file) ?? open(file).then((response) => response.blob())
    opened.set(file, blob)
    const content = await blob
    return new Response(content, { headers: { 'content-length': String(content.size) } })
  }
}

/** A JSON file of the model. */
export async function readJson(
  loader: WeightLoader,
  file: string,
  signal?: AbortSignal,
): Promise<Record<string, unknown>> {
  const response = await loader.open(file, { signal })
  try {
    return (await response.json()) as Record<string, unknown>
  } catch (error) {
    throw new AlcoveError('model-load-failed', `expected JSON in '${file}', got something else: ${String(error)}`, {
      cause: error,
    })
  }
}

/** A loaded tokenizer, with the parts of the library's class that are used here. */
export type Tokenizer = PreTrainedTokenizer
/** A loaded model. */
export type LoadedModel = PreTrainedModel

/** Loads the tokenizer, with its chat template also where that is a file of its own. */
export async function loadTokenizer(loaded: TransformersLibrary, options: LibraryLoadOptions): Promise<Tokenizer> {
  const tokenizer = await loadThroughLibrary((folder) => loaded.AutoTokenizer.from_pretrained(folder), options)
  if (!tokenizer.chat_template) {
    const file = await options.loader.open('chat_template.jinja', { signal: options.signal }).catch(() => undefined)
    options.signal?.throwIfAborted()
    if (file) tokenizer.chat_template = await file.text()
  }
  return tokenizer
}
