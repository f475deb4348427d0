import type { Answers } from './compose-answers.js'
import type { Choice, EmbedderPlan } from './compose-choice.js'
import { type Consent, createConsent } from './engines/choice/consent.js'
import type { ModelConstraints } from './engines/choice/constraints.js'
import type { DeviceProfile } from './engines/choice/device.js'
import { createModelRegistry, type ModelRegistry } from './engines/choice/model-registry.js'
import { createModelSpec, type ModelSources } from './engines/choice/model-spec.js'
import type { ModelInspection, ModelSpec } from './engines/engine.js'
import type { HttpEngine } from './engines/http/http.js'
import { cacheWhenAsked } from './engines/model-front.js'
import type { LlmApi } from './engines/serve-model.js'
import { createWorkerModel, inspectModel, removeModel } from './engines/worker-model.js'
import { openLlmWorker } from './package-workers.js'
import type { AlcoveError } from './protocol/error.js'
import type { ChatModel, LoadOptions, ModelTask } from './protocol/model.js'
import { openWorker, startWorker } from './rpc/open-worker.js'
import { createWorkerHost, type WorkerHost } from './rpc/worker-host.js'
import type { Settings } from './settings.js'

const isRemote = (id: string) => id.startsWith('http:')
/** Models without files of ours. */
const isOnPage = (id: string) => id === 'prompt-api' || isRemote(id)
const importPromptApi = () => import('./engines/prompt-api/chat.js')
const importCatalogue = () => import('./engines/choice/catalogue.js')

/** The chat models of a client and the cache of their answers. */
export interface Models {
  readonly registry: ModelRegistry
  readonly host: WorkerHost<LlmApi>
  device(): Promise<DeviceProfile>
  consent(): Promise<Consent>
  /** Replaces what a chosen model has to be. */
  constrain(constraints: ModelConstraints): void
  /** Embedding models of `'auto'`, best first for this device. @param asks whether what needs consent counts as refused */
  planEmbedders(asks: boolean): Promise<EmbedderPlan>
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
  /** What the model has to be, where one may be chosen. */
  readonly constraints?: ModelConstraints | undefined
}

export interface ModelsOptions {
  readonly settings: Settings
  /** What a chosen model has to be, checked. */
  readonly constraints: ModelConstraints
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
  let consent: Consent | undefined
  let answers: Promise<Answers> | undefined

  const device = () => {
    profile ??= import('./engines/choice/device.js').then(({ probeDevice }) => probeDevice())
    return profile
  }
  const getConsent = (): Consent => {
    const { maxDownloadBytes, confirmDownload } = settings
    if (consent) return consent
    const asked = createConsent({ maxDownloadBytes, confirmDownload, saveData: savesData() })
    consent = {
      ...asked,
      async check(request) {
        await asked.check(request)
        if (request.bytes !== undefined && request.bytes >= RESERVED_FROM_BYTES)
          await reserve(request.id, request.bytes)
      },
    }
    return consent
  }
  const answerCache = (limits: NonNullable<Settings['cache']>): Promise<Answers> => {
    answers ??= import('./compose-answers.js').then(({ composeAnswers }) =>
      composeAnswers(settings.storageName, limits, onWarning),
    )
    return answers
  }

  const unaskedBytes = () => (savesData() ? 0 : settings.maxDownloadBytes)

  async function beforeLoad(id: string, signal: AbortSignal | undefined): Promise<void> {
    const inspection = await inspectModel(host, createModelSpec(id, sources), { signal })
    if (inspection.error?.code === 'model-not-found') (await choice()).suggestNames(id, inspection.error)
    if (inspection.state !== 'downloadable') return
    const isUnasked = inspection.bytes !== undefined && inspection.bytes <= unaskedBytes()
    // The question names the model; without a question its name is not needed.
    const entry = isUnasked ? undefined : (await importCatalogue()).findEntry(id)
    // Where nobody tells the size, the memory that it takes is an upper bound.
    const bytes = inspection.bytes ?? entry?.downloadBytes ?? entry?.memoryBytes
    await getConsent().check({ id, title: entry?.title ?? id, bytes, licence: entry?.licence })
  }

  /** The browser's own model, whose sessions no worker's end frees. */
  let own: ChatModel | undefined

  /** With the nearest names in its error. */
  async function readSpec(id: string): Promise<ModelSpec> {
    try {
      return createModelSpec(id, sources)
    } catch (error) {
      throw (await choice()).withNearest(id, error)
    }
  }

  async function create(id: string, contextTokens?: number): Promise<ChatModel> {
    if (id === 'extractive') return (await import('./engines/extractive/extractive.js')).extractiveModel()
    if (id === 'prompt-api') {
      own = await (await importPromptApi()).createPromptApiChat()
      return own
    }
    if (isRemote(id)) return (await remote()).chat(id)
    const known = await readSpec(id)
    const spec = contextTokens === undefined ? known : { ...known, contextTokens }
    return createWorkerModel({
      spec,
      host,
      // The ladder has its own list of contexts to try.
      shrinksInLoad: contextTokens === undefined && typeof settings.model === 'string' && settings.model !== 'auto',
      beforeLoad: ({ signal }) => beforeLoad(id, signal),
      onFailure({ error, contextTokens: had, reaction }) {
        if (reaction === 'smaller') void noteFailure(id, error, had)
      },
    })
  }

  /** What was mended by a shorter context is remembered too: the next choice on this device begins with that. */
  async function noteFailure(id: string, error: AlcoveError, contextTokens: number): Promise<void> {
    try {
      await (await (await choice()).notes()).failed(id, error, contextTokens)
    } catch {
      // Nothing is remembered then.
    }
  }

  const isEmbedder = async (id: string) =>
    id === settings.embedder || (await importCatalogue()).embeddingCatalogue.some((entry) => entry.id === id)

  async function inspect(id: string, signal?: AbortSignal): Promise<ModelInspection> {
    if (id === 'prompt-api') return (await importPromptApi()).inspectPromptApi()
    if (isRemote(id)) return (await remote()).inspect(id)
    return (await isEmbedder(id))
      ? inspectEmbedder(id, signal)
      : inspectModel(host, createModelSpec(id, sources), { signal })
  }

  let constraints = options.constraints
  const consentLimits = async () => ({
    unaskedBytes: unaskedBytes(),
    canAsk: settings.confirmDownload !== undefined,
  })

  let opened: Promise<Choice> | undefined
  /** What only a choice among models needs. */
  const choice = (): Promise<Choice> => {
    opened ??= import('./compose-choice.js').then(({ composeChoice }) =>
      composeChoice({ settings, sources, device, consentLimits }),
    )
    return opened
  }

  const registry = createModelRegistry({
    model: settings.model,
    consent: {
      check: (request) => getConsent().check(request),
      grant: (id) => getConsent().grant(id),
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
    constraints,
    allowsHub: sources.allowRemote,
    stored: async (ids) => (await choice()).stored(ids),
    notes: async () => (await choice()).notes(),
    consentLimits,
  })

  /** A remote model of one name is another one at another address. */
  const revisionOf = ({ id }: ChatModel) => (isRemote(id) ? [settings.http?.baseUrl].flat().join(' ') : undefined)

  /** One decorated model for each model and mode, so that equal requests in flight meet. */
  const decorated = new WeakMap<ChatModel, Map<string, ChatModel>>()
  function withCache(model: ChatModel, mode: 'auto' | 'always'): ChatModel {
    const limits = settings.cache
    if (!limits) return model
    const modes = decorated.get(model) ?? new Map<string, ChatModel>()
    decorated.set(model, modes)
    let opened: Promise<ChatModel> | undefined
    const open = () => {
      opened ??= answerCache(limits).then((own) => own.cached(model, mode, revisionOf(model)))
      return opened
    }
    const cached = modes.get(mode) ?? cacheWhenAsked(model, mode, open)
    modes.set(mode, cached)
    return cached
  }

  return {
    registry,
    host,
    device,
    planEmbedders: async (asks) => (await choice()).planEmbedders(constraints, asks),
    constrain(given) {
      constraints = given
      registry.constrain(given)
    },
    consent: async () => getConsent(),
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
    answerUsage: async () => (settings.cache ? (await answerCache(settings.cache)).usage() : 0),
    async clearAnswers() {
      if (settings.cache) await (await answerCache(settings.cache)).clear()
    },
    async close() {
      // Ending the worker frees its models, also one that is busy and would let a dispose wait.
      await own?.dispose()
      await (await answers?.catch(() => undefined))?.close()
      await (await opened)?.close()
      await host.close()
    },
  }

  async function named(id: string, options: LoadOptions): Promise<ChatModel> {
    return id === 'auto' ? registry.resolve('chat', options) : registry.get(id)
  }
}

/** Whether the person asked the browser to save data. */
function savesData(): boolean {
  const { connection } = (globalThis.navigator ?? {}) as { connection?: { readonly saveData?: boolean } }
  return connection?.saveData === true
}
