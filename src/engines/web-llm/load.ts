import type { ChatOptions, MLCEngine, ModelRecord } from '@mlc-ai/web-llm'
import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import { toErrorInfo } from '../../rpc/error-wire.js'
import { abortable, throwIfAborted } from '../../runtime/abort.js'
import type { InspectOptions, ModelInspection, ModelSpec } from '../engine.js'
import type { OpenContext } from '../session-model.js'
import { probeWasm } from '../weights/wasm-file.js'
import { isGpuEcho, translateWebLlmError } from './errors.js'
import { keptFile, type ResolvedModel, resolveModel, weightBytes } from './models.js'
import { progressStatus } from './progress.js'
import { isLoaded } from './session.js'

/** What is used of the package. */
export type WebLlmLibrary = Pick<
  typeof import('@mlc-ai/web-llm'),
  | 'MLCEngine'
  | 'prebuiltAppConfig'
  | 'hasModelInCache'
  | 'deleteModelAllInfoInCache'
  | 'deleteModelWasmInCache'
  | 'deleteChatConfigInCache'
>

export interface WebLlmOptions {
  /** @default imports the package with its first use: 2 MB */
  readonly importLibrary?: (() => Promise<WebLlmLibrary>) | undefined
  /** @default the global fetch; WebLLM itself uses that one always */
  readonly fetch?: typeof fetch | undefined
}

/** No built-in model of WebLLM has a longer default. */
export const USUAL_CONTEXT = 4_096
const BYTES_IN_MB = 1_000_000
/** WebLLM's `ModelType.embedding`; its enumeration is in the 2 MB that are loaded late. */
const EMBEDDING_TYPE = 1

export interface Tools {
  library(): Promise<WebLlmLibrary>
  readonly fetch: typeof fetch
  resolve(spec: ModelSpec, signal?: AbortSignal): Promise<ResolvedModel>
}

/** @param kind which of WebLLM's own models are looked for */
export function createTools(kind: 'chat' | 'embedding', options: WebLlmOptions): Tools {
  const library = options.importLibrary ?? importWebLlm
  const fetchFile = options.fetch ?? ((...args: Parameters<typeof fetch>) => fetch(...args))
  const isWanted = (record: ModelRecord) => (record.model_type === EMBEDDING_TYPE) === (kind === 'embedding')
  return {
    library,
    fetch: fetchFile,
    async resolve(spec, signal) {
      const resolved = await resolveModel(spec, {
        signal,
        fetch: fetchFile,
        prebuilt: async () => (await library()).prebuiltAppConfig.model_list.filter(isWanted),
      })
      if (kind === 'chat') return resolved
      // A self-hosted model does not say its type, and WebLLM takes it for a chat model then.
      return { ...resolved, record: { ...resolved.record, model_type: EMBEDDING_TYPE } }
    },
  }
}

async function importWebLlm(): Promise<WebLlmLibrary> {
  try {
    return await import('@mlc-ai/web-llm')
  } catch (cause) {
    throw toAlcoveError(cause, 'network', 'the code of WebLLM could not be loaded')
  }
}

/** `bytes` is the size of the weights where their list can be read, else WebLLM's figure of the memory they take, which is more. */
export async function inspectWebLlm(
  spec: ModelSpec,
  tools: Tools,
  { signal }: InspectOptions = {},
): Promise<ModelInspection> {
  try {
    // First: that another model is not served either helps nobody whose browser has no WebGPU.
    const adapter = await findAdapter(spec.id)
    const { record } = await tools.resolve(spec, signal)
    checkFeatures(spec.id, record, adapter)
    const library = await tools.library()
    if (await library.hasModelInCache(record.model_id, appConfigOf(record)).catch(() => false)) {
      return { state: 'available', bytes: 0, device: 'webgpu' }
    }
    const memory = record.vram_required_MB === undefined ? undefined : Math.round(record.vram_required_MB * BYTES_IN_MB)
    const bytes = (await weightBytes(record, { signal, fetch: tools.fetch })) ?? memory
    return { state: 'downloadable', bytes, device: 'webgpu' }
  } catch (error) {
    throwIfAborted(signal)
    return { state: 'unavailable', error: toErrorInfo(error, 'model-load-failed'), device: 'webgpu' }
  }
}

const appConfigOf = (record: ModelRecord) => ({ model_list: [record] })

/** @throws AlcoveError `webgpu-unavailable` without an adapter */
async function findAdapter(modelId: string): Promise<GPUAdapter> {
  const adapter = await globalThis.navigator?.gpu
    ?.requestAdapter({ powerPreference: 'high-performance' })
    .catch(() => null)
  if (adapter) return adapter
  throw new AlcoveError('webgpu-unavailable', `${modelId} needs WebGPU; this browser offers no adapter`)
}

/** @throws AlcoveError `webgpu-unavailable` with the features that the device lacks in `details.missing` */
function checkFeatures(modelId: string, record: ModelRecord, adapter: GPUAdapter): void {
  const missing = (record.required_features ?? []).filter((feature) => !adapter.features.has(feature as GPUFeatureName))
  if (missing.length === 0) return
  throw new AlcoveError(
    'webgpu-unavailable',
    `${modelId} needs the WebGPU features ${missing.join(', ')}, which this device has not`,
    {
      hint: missing.includes('shader-f16') ? "Choose a build with 'q4f32' or 'q0f32' in its name." : undefined,
      details: { missing },
    },
  )
}

/** The library of a self-hosted model: without this, WebLLM fails with an error that names nothing. */
async function checkLibrary(modelId: string, url: string, { fetch }: Tools, signal: AbortSignal): Promise<void> {
  if (await keptFile(url)) return
  const file = await probeWasm(url, signal, fetch).catch((cause) => {
    throw toAlcoveError(cause, 'network', `${url} could not be fetched`)
  })
  if (file.state === 'wasm') return
  const [code, got] =
    file.state === 'missing'
      ? (['model-not-found', `status ${file.status}`] as const)
      : (['model-load-failed', 'something else, perhaps an HTML page'] as const)
  throw new AlcoveError(code, `expected the compiled library of ${modelId} at ${url}, got ${got}`, {
    hint: "Put the model's WebAssembly library into its folder as lib.wasm.",
  })
}

/**
 * A new engine with the model in it.
 * @throws AlcoveError what went wrong, in our codes
 */
export async function openWebLlm(
  spec: ModelSpec,
  tools: Tools,
  { signal, report }: OpenContext,
): Promise<{ readonly engine: MLCEngine; readonly record: ModelRecord }> {
  const adapter = await findAdapter(spec.id)
  const resolved = await tools.resolve(spec, signal)
  const { record } = resolved
  checkFeatures(spec.id, record, adapter)
  if (resolved.selfHosted) await checkLibrary(spec.id, record.model_lib, tools, signal)
  const totalBytes = await weightBytes(record, { signal, fetch: tools.fetch })
  const library = await tools.library()
  throwIfAborted(signal)
  globalThis.addEventListener?.('unhandledrejection', containGpuEcho)
  const engine = new library.MLCEngine({
    appConfig: appConfigOf(record),
    logLevel: 'SILENT',
    initProgressCallback: (progress) => report(progressStatus(spec.id, progress, totalBytes)),
  })
  const loading = engine.reload(record.model_id, contextOptions(spec, resolved))
  try {
    await abortable(loading, signal)
    if (!isLoaded(engine))
      throw new AlcoveError('model-load-failed', `${spec.id}: WebLLM ended its load without a model`)
    return { engine, record }
  } catch (error) {
    void discard(engine, loading)
    throwIfAborted(signal)
    await forgetBroken(record, library, error)
    throw translateWebLlmError(error, spec.id, 'load')
  }
}

/** A shorter context than the model's own, where one was asked for: the cache for it is made at the load. */
function contextOptions(spec: ModelSpec, { contextTokens }: ResolvedModel): ChatOptions | undefined {
  if (spec.contextTokens === undefined || contextTokens === undefined || contextTokens <= spec.contextTokens)
    return undefined
  return { context_window_size: spec.contextTokens }
}

/** `unload` ends what is being fetched but not the load itself, so the engine is unloaded once more when that is over. */
async function discard(engine: MLCEngine, loading: Promise<void>): Promise<void> {
  await engine.unload().catch(() => {})
  await loading.catch(() => {})
  await engine.unload().catch(() => {})
}

/** Deletes kept files that cannot be right, or every later load would fail on them. */
async function forgetBroken(record: ModelRecord, library: WebLlmLibrary, error: unknown): Promise<void> {
  const name = (error as { name?: unknown } | null)?.name
  const config = appConfigOf(record)
  const id = record.model_id
  if (name === 'CompileError' || name === 'LinkError') {
    await library.deleteModelWasmInCache(id, config).catch(() => {})
  } else if (name === 'SyntaxError') {
    await library.deleteChatConfigInCache(id, config).catch(() => {})
    await deleteWeightList(record)
  }
}

async function deleteWeightList(record: ModelRecord): Promise<void> {
  const folder = /\/resolve\//.test(record.model) ? record.model : `${record.model}/resolve/main/`
  try {
    const cache = await caches.open('webllm/model')
    await cache.delete(new URL('tensor-cache.json', folder))
  } catch {
    // Without the Cache API nothing was kept.
  }
}

/** Deletes what WebLLM keeps of a model. */
export async function removeWebLlm(spec: ModelSpec, tools: Tools): Promise<void> {
  const { record } = await tools.resolve(spec)
  const library = await tools.library()
  await library.deleteModelAllInfoInCache(record.model_id, appConfigOf(record)).catch(() => {})
  await deleteWeightList(record)
}

/** A GPU that goes away also rejects promises inside WebLLM that nobody waits for. The request has its own error. */
function containGpuEcho(event: Event): void {
  if (isGpuEcho((event as PromiseRejectionEvent).reason)) event.preventDefault()
}
