import type { ChatOptions, MLCEngine, ModelRecord } from '@mlc-ai/web-llm'
import { AlcoveError, isAlcoveError, toAlcoveError } from '../../protocol/error.js'
import { toErrorInfo } from '../../rpc/error-wire.js'
import { abortable, throwIfAborted } from '../../runtime/abort.js'
import type { InspectOptions, ModelInspection, ModelSpec } from '../engine.js'
import type { OpenContext } from '../session-model.js'
import { createLoadMeter } from '../weights/load-meter.js'
import { createWeightLoader, type WeightLoader } from '../weights/weights.js'
import { isGpuEcho, translateWebLlmError } from './errors.js'
import { createFileFeed, inspectFiles, type MlcConfig, readModelFiles, WEIGHT_LIST } from './files.js'
import { type ResolvedModel, resolveModel } from './models.js'
import { removeOldCaches } from './old-caches.js'
import { startMessage } from './progress.js'
import { serveFiles } from './serve-files.js'
import { isLoaded } from './session.js'

/** What is used of the package. */
export type WebLlmLibrary = Pick<typeof import('@mlc-ai/web-llm'), 'MLCEngine' | 'prebuiltAppConfig'>

export interface WebLlmOptions {
  /** @default imports the package with its first use: 2 MB */
  readonly importLibrary?: (() => Promise<WebLlmLibrary>) | undefined
  /** @default the global fetch */
  readonly fetch?: typeof fetch | undefined
}

/** No built-in model of WebLLM has a longer default. */
export const USUAL_CONTEXT = 4_096
/** WebLLM's `ModelType.embedding`; its enumeration is in the 2 MB that are loaded late. */
const EMBEDDING_TYPE = 1

export interface Tools {
  library(): Promise<WebLlmLibrary>
  /** What was given in place of the global one. */
  readonly fetch: typeof fetch | undefined
  loaderOf(spec: ModelSpec, onNotStored?: (file: string, error: AlcoveError) => void): WeightLoader
  resolve(spec: ModelSpec, signal?: AbortSignal): Promise<ResolvedModel>
}

/** @param kind which of WebLLM's own models are looked for */
export function createTools(kind: 'chat' | 'embedding', options: WebLlmOptions): Tools {
  const library = options.importLibrary ?? importWebLlm
  const loaderOf: Tools['loaderOf'] = (spec, onNotStored) =>
    createWeightLoader(spec, { fetch: options.fetch, onNotStored })
  const isWanted = (record: ModelRecord) => (record.model_type === EMBEDDING_TYPE) === (kind === 'embedding')
  return {
    library,
    fetch: options.fetch,
    loaderOf,
    async resolve(spec, signal) {
      const resolved = await resolveModel(spec, {
        signal,
        loaderOf,
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

/** Reads the small files that tell what a load would fetch, and keeps them. */
export async function inspectWebLlm(
  spec: ModelSpec,
  tools: Tools,
  { signal }: InspectOptions = {},
): Promise<ModelInspection> {
  try {
    // First: that another model is not served either helps nobody whose browser has no WebGPU.
    const adapter = await findAdapter(spec.id)
    const resolved = await tools.resolve(spec, signal)
    checkFeatures(spec.id, resolved.record, adapter)
    const files = await readModelFiles(resolved, tools.loaderOf, signal)
    const { isWhole, missingBytes } = await inspectFiles(files, signal)
    return { state: isWhole ? 'available' : 'downloadable', bytes: missingBytes, device: 'webgpu' }
  } catch (error) {
    throwIfAborted(signal)
    return { state: 'unavailable', error: toErrorInfo(error, 'model-load-failed'), device: 'webgpu' }
  }
}

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

export interface OpenedWebLlm {
  readonly engine: MLCEngine
  readonly record: ModelRecord
}

/**
 * A new engine with the model in it.
 * @throws AlcoveError what went wrong, in our codes
 */
export async function openWebLlm(spec: ModelSpec, tools: Tools, context: OpenContext): Promise<OpenedWebLlm> {
  const { signal } = context
  const adapter = await findAdapter(spec.id)
  const resolved = await abortable(tools.resolve(spec, signal), signal)
  checkFeatures(spec.id, resolved.record, adapter)
  const kept = await keptBefore(resolved, tools, signal)
  try {
    return await openOnce(spec, resolved, tools, context)
  } catch (error) {
    throwIfAborted(signal)
    // What was kept may be of another time than what is served now, or broken.
    if (!(await forgetBroken(error, resolved, tools, kept))) throw error
    return openOnce(spec, resolved, tools, context)
  }
}

async function keptBefore({ spec, library }: ResolvedModel, tools: Tools, signal: AbortSignal): Promise<boolean> {
  const loader = tools.loaderOf(spec)
  const files = await Promise.all([library, WEIGHT_LIST].map((name) => loader.head(name, { signal, keptOnly: true })))
  return files.some((file) => file?.stored)
}

/**
 * Forgets files that cannot be right, or every later load would fail on them.
 * @param kept files were there before this load
 * @returns whether another try may do
 */
async function forgetBroken(
  failure: unknown,
  { spec, library }: ResolvedModel,
  tools: Tools,
  kept: boolean,
): Promise<boolean> {
  if (!isAlcoveError(failure)) return false
  const loader = tools.loaderOf(spec)
  const name = (failure.cause as { name?: unknown } | undefined)?.name
  const isLibrary = name === 'LinkError' || name === 'CompileError'
  if (isLibrary || failure.code === 'integrity-failed') {
    await loader.remove(isLibrary ? library : WEIGHT_LIST)
    return kept
  }
  return kept && failure.code === 'model-load-failed' && loader.dropChanged()
}

async function openOnce(
  spec: ModelSpec,
  resolved: ResolvedModel,
  tools: Tools,
  { signal, report }: OpenContext,
): Promise<OpenedWebLlm> {
  const say = (message: string) => report({ type: 'status', status: 'loading', message, modelId: spec.id })
  const loaderOf = (own: ModelSpec) =>
    tools.loaderOf(own, (file, error) => say(`'${file}' could not be kept on this device: ${error.message}`))
  const files = await readModelFiles(resolved, loaderOf, signal)
  const meter = createLoadMeter(spec.id, report, {
    expectedBytes: files.shards.reduce((sum, { bytes }) => sum + bytes, 0),
  })
  const feed = createFileFeed(files, { library: resolved.library, meter, signal })
  const library = await abortable(tools.library(), signal)
  await abortable(feed.fetchAll(), signal)
  globalThis.addEventListener?.('unhandledrejection', containGpuEcho)
  const { folder, end } = serveFiles(feed)
  const record = { ...resolved.record, model: folder, model_lib: folder + resolved.library }
  const engine = new library.MLCEngine({
    appConfig: { model_list: [record], cacheBackend: 'cache' },
    logLevel: 'SILENT',
    initProgressCallback: (progress) => report(meter.part(startMessage(progress))),
  })
  const loading = engine.reload(record.model_id, contextOptions(spec, record, files.config))
  try {
    await abortable(loading, signal)
    if (!isLoaded(engine))
      throw new AlcoveError('model-load-failed', `${spec.id}: WebLLM ended its load without a model`)
    return { engine, record }
  } catch (error) {
    void discard(engine, loading)
    throwIfAborted(signal)
    throw translateWebLlmError(error, spec.id, 'load')
  } finally {
    void loading.catch(() => {}).finally(end)
  }
}

/** A shorter context than the model's own, where one was asked for: the cache for it is made at the load. */
function contextOptions(spec: ModelSpec, { overrides }: ModelRecord, config: MlcConfig): ChatOptions | undefined {
  const own = overrides?.context_window_size ?? config.context_window_size
  if (spec.contextTokens === undefined || own === undefined || own <= spec.contextTokens) return undefined
  return { context_window_size: spec.contextTokens }
}

/** `unload` ends what is being fetched but not the load itself, so the engine is unloaded once more when that is over. */
async function discard(engine: MLCEngine, loading: Promise<void>): Promise<void> {
  await engine.unload().catch(() => {})
  await loading.catch(() => {})
  await engine.unload().catch(() => {})
}

/** Deletes what is kept of a model, and what an earlier version had WebLLM itself keep of it. */
export async function removeWebLlm(spec: ModelSpec, tools: Tools): Promise<void> {
  await tools.loaderOf(spec).remove()
  await removeOldCaches(spec).catch(() => {})
}

/** A GPU that goes away also rejects promises inside WebLLM that nobody waits for. The request has its own error. */
function containGpuEcho(event: Event): void {
  if (isGpuEcho((event as PromiseRejectionEvent).reason)) event.preventDefault()
}
