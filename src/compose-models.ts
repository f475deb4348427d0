import { type CachedAnswer, cachedAnswerVersion, cacheModel, isCachedAnswer } from './engines/cached-model.js'
import { type Consent, createConsent } from './engines/choice/consent.js'
import { type DeviceProfile, probeDevice } from './engines/choice/device.js'
import { createModelRegistry, type ModelRegistry } from './engines/choice/model-registry.js'
import { createModelSpec, embeddingCatalogue, findEntry, type ModelSources } from './engines/choice/model-spec.js'
import type { ModelInspection } from './engines/engine.js'
import type { HttpEngine } from './engines/http/http.js'
import type { LlmApi } from './engines/serve-model.js'
import { createWorkerModel, inspectModel, removeModel } from './engines/worker-model.js'
import { openLlmWorker } from './package-workers.js'
import type { AlcoveError } from './protocol/error.js'
import type { ChatModel, LoadOptions, ModelTask } from './protocol/model.js'
import { openWorker, startWorker } from './rpc/open-worker.js'
import { createWorkerHost, type WorkerHost } from './rpc/worker-host.js'
import type { Settings } from './settings.js'
import { openStore } from './store/idb-store.js'
import { createTieredCache, type TieredCache } from './store/tiered-cache.js'

const isRemote = (id: string) => id.startsWith('http:')
/** Models without files of ours. */
const isOnPage = (id: string) => id === 'prompt-api' || isRemote(id)
const importPromptApi = () => import('./engines/prompt-api/chat.js')

/** The chat models of a client and the cache of their answers. */
export interface Models {
  readonly registry: ModelRegistry
  readonly host: WorkerHost<LlmApi>
  device(): Promise<DeviceProfile>
  consent(): Promise<Consent>
  /** The model for a task, or the one that was named, behind the answer cache. */
  resolve(model: string | ChatModel | undefined, task: ModelTask, options: ResolveOptions): Promise<ChatModel>
  /** Bytes of kept answers. */
  answerUsage(): Promise<number>
  clearAnswers(): Promise<void>
  close(): Promise<void>
}

export interface ResolveOptions extends LoadOptions {
  /** `true`: also answers that are not deterministic are kept; `false`: none. @default deterministic ones */
  readonly cache?: boolean | undefined
}

export interface ModelsOptions {
  readonly settings: Settings
  readonly sources: ModelSources
  readonly onWarning: (error: AlcoveError) => void
  readonly remote: () => Promise<HttpEngine>
  /** Embedding models are asked about where they run. */
  readonly inspectEmbedder: (id: string, signal?: AbortSignal) => Promise<ModelInspection>
  /** Makes room for a download that was agreed to. */
  readonly reserve: (id: string, bytes: number) => Promise<void>
}

/** A smaller download that finds no room goes on in memory. */
const RESERVED_FROM_BYTES = 16_777_216

export function composeModels(options: ModelsOptions): Models {
  const { settings, sources, onWarning, remote, inspectEmbedder, reserve } = options
  const host = createWorkerHost<LlmApi>({
    name: 'alcove-llm',
    idleMs: settings.modelIdleMs,
    open: () => openLlmWorker(settings.workerBaseUrl, { openWorker, startWorker }),
  })
  let profile: Promise<DeviceProfile> | undefined
  let consent: Promise<Consent> | undefined
  let answers: TieredCache<CachedAnswer> | undefined

  const device = () => {
    profile ??= probeDevice()
    return profile
  }
  const getConsent = () => {
    const { maxDownloadBytes, confirmDownload } = settings
    consent ??= device().then(({ saveData }) => {
      const own = createConsent({ maxDownloadBytes, confirmDownload, saveData })
      return {
        ...own,
        async check(request) {
          await own.check(request)
          if (request.bytes !== undefined && request.bytes >= RESERVED_FROM_BYTES)
            await reserve(request.id, request.bytes)
        },
      }
    })
    return consent
  }
  const answerCache = (limits: NonNullable<Settings['cache']>) => {
    answers ??= createTieredCache<CachedAnswer>({
      ...limits,
      store: openStore(`${settings.storageName}-answers`, { onFallback: onWarning }),
      version: cachedAnswerVersion,
      check: isCachedAnswer,
      onWarning,
    })
    return answers
  }

  async function beforeLoad(id: string, signal: AbortSignal | undefined): Promise<void> {
    const inspection = await inspectModel(host, createModelSpec(id, sources), { signal })
    if (inspection.state !== 'downloadable') return
    const entry = findEntry(id)
    // Where nobody tells the size, the memory that it takes is an upper bound.
    const bytes = inspection.bytes ?? entry?.downloadBytes ?? entry?.memoryBytes
    await (await getConsent()).check({ id, title: entry?.title ?? id, bytes, licence: entry?.licence })
  }

  /** The browser's own model, whose sessions no worker's end frees. */
  let own: ChatModel | undefined

  async function create(id: string): Promise<ChatModel> {
    if (id === 'extractive') return (await import('./engines/extractive/extractive.js')).extractiveModel()
    if (id === 'prompt-api') {
      own = await (await importPromptApi()).createPromptApiChat()
      return own
    }
    if (isRemote(id)) return (await remote()).chat(id)
    const spec = createModelSpec(id, sources)
    return createWorkerModel({ spec, host, beforeLoad: ({ signal }) => beforeLoad(id, signal) })
  }

  const isEmbedder = (id: string) => embeddingCatalogue.some((entry) => entry.id === id) || id === settings.embedder

  async function inspect(id: string, signal?: AbortSignal): Promise<ModelInspection> {
    if (id === 'prompt-api') return (await importPromptApi()).inspectPromptApi()
    if (isRemote(id)) return (await remote()).inspect(id)
    return isEmbedder(id) ? inspectEmbedder(id, signal) : inspectModel(host, createModelSpec(id, sources), { signal })
  }

  const registry = createModelRegistry({
    model: settings.model,
    consent: {
      check: async (request) => (await getConsent()).check(request),
      grant: (id) => void getConsent().then((own) => own.grant(id)),
    },
    device,
    create,
    inspect,
    isFetching: async (id) => {
      if (isOnPage(id)) return false
      const { isFetching, weightFolder } = await import('./engines/weights/kept-weights.js')
      return isFetching(sources.cacheName, weightFolder(createModelSpec(id, sources)))
    },
    async remove(id) {
      if (!isOnPage(id)) await removeModel(host, createModelSpec(id, sources))
    },
  })

  /** A remote model of one name is another one at another address. */
  const revisionOf = ({ id }: ChatModel) => (isRemote(id) ? [settings.http?.baseUrl].flat().join(' ') : undefined)

  /** One decorated model for each model and mode, so that equal requests in flight meet. */
  const decorated = new WeakMap<ChatModel, Map<string, ChatModel>>()
  function withCache(model: ChatModel, mode: 'auto' | 'always'): ChatModel {
    if (!settings.cache) return model
    const modes = decorated.get(model) ?? new Map<string, ChatModel>()
    decorated.set(model, modes)
    const cached =
      modes.get(mode) ?? cacheModel(model, answerCache(settings.cache), { mode, revision: revisionOf(model) })
    modes.set(mode, cached)
    return cached
  }

  return {
    registry,
    host,
    device,
    consent: getConsent,
    async resolve(model, task, { cache, ...options }) {
      const chatTask = task === 'embedding' ? 'chat' : task
      const own =
        model === undefined
          ? await registry.resolve(chatTask, options)
          : typeof model === 'string'
            ? await named(model, options)
            : model
      return cache === false ? own : withCache(own, cache === true ? 'always' : 'auto')
    },
    answerUsage: async () => (settings.cache ? (await answerCache(settings.cache).usage()).bytes : 0),
    async clearAnswers() {
      if (settings.cache) await answerCache(settings.cache).clear()
    },
    async close() {
      // Ending the worker frees its models, also one that is busy and would let a dispose wait.
      await own?.dispose()
      await answers?.close()
      await host.close()
    },
  }

  async function named(id: string, options: LoadOptions): Promise<ChatModel> {
    return id === 'auto' ? registry.resolve('chat', options) : registry.get(id)
  }
}
