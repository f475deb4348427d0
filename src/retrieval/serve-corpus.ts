import type { DeviceTiming } from '../engines/choice/measured-device.js'
import {
  type EmbeddingEngine,
  type ModelInspection,
  type ModelSpec,
  parseModelId,
  type RerankEngine,
} from '../engines/engine.js'
import type {
  AddOptions,
  AddProgress,
  AddResult,
  Corpus,
  DocumentChanges,
  DocumentInput,
  FolderInput,
  SearchOptions,
} from '../protocol/corpus.js'
import { AlcoveError, toAlcoveError } from '../protocol/error.js'
import type { EmbeddingModel, EmbeddingPurpose, Reranker } from '../protocol/model.js'
import type { ErrorInfo, StatusPart } from '../protocol/stream-part.js'
import { toErrorInfo } from '../rpc/error-wire.js'
import { servePort, serveRequest } from '../rpc/port-stream.js'
import { createPartQueue } from '../runtime/part-queue.js'
import type { Store } from '../store/store.js'
import { createTieredCache, type TieredCache } from '../store/tiered-cache.js'
import { type CorpusHost, type CorpusOpening, createCorpusHost, type PacedCorpus } from './corpus.js'
import { createEmbeddingHelpers } from './embedding-helpers.js'
import type { EmbeddingHelpers } from './embedding-lanes.js'
import type { Parse } from './ingest.js'
import { createPace, type PaceControl } from './pace.js'
import { connectEmbedder, describeEmbedder, type EmbedderFacts } from './page-embedder.js'
import { timeEmbedder } from './time-embedder.js'

/** Which embedding model is used: one that the worker runs, or one of the page behind a port. */
export type EmbedderChoice =
  | { readonly type: 'worker'; readonly spec: ModelSpec }
  | { readonly type: 'page'; readonly facts: EmbedderFacts; readonly port: MessagePort }

/** What the page configures: a worker that was started anew is told again. */
export interface RetrievalSettings {
  /** Prefix of the databases. */
  readonly storageName: string
  readonly embedder?: EmbedderChoice | undefined
  /** Load the model when it is needed, without being asked: it was loaded before. @default false */
  readonly isLoadAllowed?: boolean | undefined
}

/** Which corpus a call is about: that of the name, or the file at an address, which a worker that was started anew opens again. */
export type CorpusRef = string | { readonly name: string; readonly url: string; readonly usesVectors: boolean }

/** What one call does, and what its one part is. */
export interface CorpusCalls {
  open: (name: string, options: CorpusOpening) => Promise<void>
  update: (name: CorpusRef, id: string, changes: DocumentChanges) => ReturnType<Corpus['update']>
  /** @param reranker what `options.rerank` stands for, once the page has settled that it may be used */
  search: (
    name: CorpusRef,
    query: string | readonly string[],
    options: Omit<SearchOptions, 'signal'>,
    reranker?: ModelSpec,
  ) => ReturnType<Corpus['search']>
  sync: (name: CorpusRef, folder: FolderInput, vectors: AddOptions['vectors']) => ReturnType<Corpus['sync']>
  get: (name: CorpusRef, id: string) => ReturnType<Corpus['get']>
  list: (name: CorpusRef) => ReturnType<Corpus['list']>
  remove: (name: CorpusRef, id: string) => ReturnType<Corpus['remove']>
  stats: (name: CorpusRef) => ReturnType<Corpus['stats']>
  clear: (name: CorpusRef) => ReturnType<Corpus['clear']>
  export: (name: CorpusRef) => ReturnType<Corpus['export']>
  import: (name: CorpusRef, file: Blob) => ReturnType<Corpus['import']>
  corpora: () => Promise<string[]>
  delete: (name: string) => Promise<boolean>
  usage: () => Promise<RetrievalUsage>
  clearKind: (kind: 'corpora' | 'embeddings') => Promise<void>
  /** What is known of the model that was loaded. */
  embedder: () => Promise<EmbedderFacts>
  embed: (texts: readonly string[], purpose: EmbeddingPurpose) => Promise<Float32Array[]>
  countTokens: (texts: readonly string[]) => Promise<number[]>
}

/** What is stored, by kind. */
export interface RetrievalUsage {
  readonly corpora: { readonly entries: number; readonly bytes: number }
  readonly embeddings: { readonly entries: number; readonly bytes: number }
  /** Whether it outlasts the page: false where the browser gives no storage. */
  readonly isPersistent: boolean
}

/** A part of an add: its progress, and at the end its result. */
export type AddPart = AddProgress | { readonly type: 'result'; readonly result: AddResult }

/** How an add that comes over a port goes, and what it is called when that changes. */
export interface AddSettings {
  /** Unique among the adds of this worker. */
  readonly runId: string
  readonly isPaused: boolean
  readonly isGentle: boolean
  readonly vectors?: AddOptions['vectors']
}

/** What the retrieval worker offers. `configure` comes first. A call that takes a port serves a stream over it. */
export interface RetrievalApi {
  /** @param onWarning is told what went wrong without stopping anything */
  configure(settings: RetrievalSettings, onWarning: (error: ErrorInfo) => void): Promise<void>
  /** One part: what the call gives. */
  call<Name extends keyof CorpusCalls>(
    name: Name,
    input: Parameters<CorpusCalls[Name]>,
    port: MessagePort,
  ): Promise<void>
  add(
    name: CorpusRef,
    input: DocumentInput | readonly DocumentInput[],
    port: MessagePort,
    settings: AddSettings,
  ): Promise<void>
  /** Pauses an add, lets it go on, or changes its pace; one that is over is let be. */
  setPace(runId: string, change: { readonly isPaused: boolean; readonly isGentle: boolean }): Promise<void>
  /** One `ModelInspection`. */
  inspectEmbedder(spec: ModelSpec, port: MessagePort): Promise<void>
  /** `StatusPart`s until the model is ready; from then on it is used, and what waits for vectors gets them. */
  loadEmbedder(port: MessagePort): Promise<void>
  /** One `DeviceTiming`: how long a model takes for some texts. It is made for this alone, beside the one in use, and freed. */
  timeEmbedder(spec: ModelSpec, texts: readonly string[], port: MessagePort): Promise<void>
}

/** What the worker puts in. */
export interface RetrievalParts {
  openStore(databaseName: string, onFallback: (error: AlcoveError) => void): Promise<Store>
  readonly parse: Parse
  /** How to come to the engine of each scheme: imported with its first use. */
  readonly engines: Readonly<Record<string, () => Promise<EmbeddingEngine>>>
  /** The same for models that searches rerank with. @default none */
  readonly rerankers?: Readonly<Record<string, () => Promise<RerankEngine>>> | undefined
  /** Starts a worker with one more copy of an embedding model of transformers.js. @default the model works alone */
  readonly openEmbeddingWorker?: (() => Worker) | undefined
}

/** The model that is configured, and what its vectors are known by. */
interface ConfiguredModel {
  readonly model: EmbeddingModel
  readonly key: string
  readonly helpers?: EmbeddingHelpers | undefined
}

/** Vectors in the cache: bounds for a cache that serves documents that come again, as corpora keep their own vectors. */
const vectorCache = { maxEntries: 100_000, budgetBytes: 150_000_000, ttlMs: 30 * 86_400_000, version: 1 }

interface Served {
  readonly host: CorpusHost
  readonly cache: TieredCache<Float32Array>
}

export function createRetrievalApi(parts: RetrievalParts): RetrievalApi {
  return new ServedRetrieval(parts)
}

class ServedRetrieval implements RetrievalApi {
  readonly #parts: RetrievalParts
  #settings: RetrievalSettings | undefined
  #served: Promise<Served> | undefined
  #onWarning: (error: ErrorInfo) => void = () => {}
  /** Of the adds that are under way. */
  readonly #paces = new Map<string, PaceControl>()
  /** One at a time: a search that names another one replaces it. */
  #reranker: { readonly id: string; readonly model: Promise<Reranker> } | undefined
  /** The model that is configured, loaded or not. */
  #model: Promise<ConfiguredModel> | undefined

  constructor(parts: RetrievalParts) {
    this.#parts = parts
  }

  async configure(settings: RetrievalSettings, onWarning: (error: ErrorInfo) => void): Promise<void> {
    const before = this.#settings
    this.#settings = settings
    this.#onWarning = onWarning
    if (this.#served !== undefined && before?.storageName !== settings.storageName) {
      throw new AlcoveError(
        'invalid-argument',
        `the storage name is '${before?.storageName}' for the life of this worker`,
      )
    }
    this.#served ??= this.#open(settings.storageName)
    const old = this.#model
    this.#model = undefined
    if (old !== undefined) {
      await (await this.#served).host.setEmbedder(undefined)
      void old.then(({ model }) => model.dispose()).catch(() => {})
    }
    const isAtHand = settings.isLoadAllowed === true || settings.embedder?.type === 'page'
    if (settings.embedder === undefined || !isAtHand) return
    try {
      // Not loaded here: what is embedded first does that, so that an add that comes next already has its vectors.
      this.#model = this.#createModel(settings.embedder)
      const { model, key, helpers } = await this.#model
      await (await this.#served).host.setEmbedder(model, key, helpers)
    } catch (error) {
      this.#warn(toAlcoveError(error, 'model-load-failed'))
    }
  }

  call<Name extends keyof CorpusCalls>(
    name: Name,
    input: Parameters<CorpusCalls[Name]>,
    port: MessagePort,
  ): Promise<void> {
    return serveRequest<unknown>(port, async (signal) => {
      const calls = this.#calls(signal)
      const run = Object.hasOwn(calls, name) ? calls[name] : undefined
      if (run === undefined) throw new AlcoveError('invalid-argument', `expected a call of a corpus, got '${name}'`)
      return await (run as (...values: unknown[]) => Promise<unknown>)(...input)
    })
  }

  add(
    name: CorpusRef,
    input: DocumentInput | readonly DocumentInput[],
    port: MessagePort,
    { runId, isPaused, isGentle, vectors }: AddSettings,
  ): Promise<void> {
    const corpusOf = (): Promise<PacedCorpus> => this.#corpus(name)
    const paces = this.#paces
    const pace = createPace(isGentle, isPaused)
    // At once: a change of pace may be the next message.
    paces.set(runId, pace)
    return servePort<AddPart>(port, async function* (signal) {
      try {
        const run = (await corpusOf()).add(input, { signal, vectors, pace })
        for await (const progress of run) yield progress
        yield { type: 'result', result: await run }
      } finally {
        paces.delete(runId)
      }
    })
  }

  async setPace(runId: string, change: { readonly isPaused: boolean; readonly isGentle: boolean }): Promise<void> {
    this.#paces.get(runId)?.set(change)
  }

  inspectEmbedder(spec: ModelSpec, port: MessagePort): Promise<void> {
    return serveRequest<ModelInspection>(port, async (signal) => (await this.#engineOf(spec)).inspect(spec, { signal }))
  }

  loadEmbedder(port: MessagePort): Promise<void> {
    return servePort<StatusPart>(port, (signal) => {
      const queue = createPartQueue<StatusPart>()
      this.#useEmbedder((status) => queue.push(status), signal).then(queue.end, queue.fail)
      return queue
    })
  }

  timeEmbedder(spec: ModelSpec, texts: readonly string[], port: MessagePort): Promise<void> {
    return serveRequest<DeviceTiming>(port, async (signal) => {
      const model = (await this.#engineOf(spec)).create(spec)
      try {
        return await timeEmbedder(model, texts, { signal })
      } finally {
        void model.dispose().catch(() => {})
      }
    })
  }

  #calls(signal: AbortSignal): CorpusCalls {
    const corpus = (name: CorpusRef) => this.#corpus(name)
    return {
      open: async (name, options) => {
        await (await this.#ready()).host.open(name, options)
      },
      update: async (name, id, changes) => (await corpus(name)).update(id, changes),
      search: async (name, query, options, reranker) => {
        if (reranker !== undefined) this.#useReranker(reranker)
        return (await corpus(name)).search(query, { ...options, ...(reranker && { rerank: reranker.id }), signal })
      },
      sync: async (name, folder, vectors) => (await corpus(name)).sync(folder, { vectors, signal }),
      get: async (name, id) => (await corpus(name)).get(id),
      list: async (name) => (await corpus(name)).list(),
      remove: async (name, id) => (await corpus(name)).remove(id),
      stats: async (name) => (await corpus(name)).stats(),
      clear: async (name) => (await corpus(name)).clear(),
      export: async (name) => (await corpus(name)).export(),
      import: async (name, file) => (await corpus(name)).import(file),
      corpora: async () => (await this.#ready()).host.list(),
      delete: async (name) => (await this.#ready()).host.delete(name),
      usage: () => this.#usage(),
      clearKind: (kind) => this.#clearKind(kind),
      embedder: async () => describeEmbedder(await this.#loadedModel(signal)),
      embed: async (texts, purpose) => (await this.#loadedModel(signal)).embed(texts, { purpose, signal }),
      countTokens: async (texts) => (await (await this.#loadedModel(signal)).countTokens?.(texts)) ?? [],
    }
  }

  async #usage(): Promise<RetrievalUsage> {
    const { host, cache } = await this.#ready()
    const [{ corpora, bytes }, embeddings] = await Promise.all([host.usage(), cache.usage()])
    return { corpora: { entries: corpora, bytes }, embeddings, isPersistent: host.isPersistent }
  }

  async #clearKind(kind: 'corpora' | 'embeddings'): Promise<void> {
    const { host, cache } = await this.#ready()
    if (kind === 'embeddings') await cache.clear()
    else for (const name of await host.list()) await host.delete(name)
  }

  async #corpus(ref: CorpusRef): Promise<PacedCorpus> {
    const { host } = await this.#ready()
    return typeof ref === 'string' ? await host.open(ref) : await host.open(ref.name, ref)
  }

  #ready(): Promise<Served> {
    return (
      this.#served ?? Promise.reject(new AlcoveError('invalid-argument', 'the retrieval worker was not configured'))
    )
  }

  async #open(storageName: string): Promise<Served> {
    const warn = (error: AlcoveError): void => this.#warn(error)
    const cache = createTieredCache<Float32Array>({
      ...vectorCache,
      store: this.#parts.openStore(`${storageName}-embeddings`, () => {}),
      sizeOf: ({ byteLength }) => byteLength + 200,
      check: (value) => (value as unknown) instanceof Float32Array,
    })
    const store = await this.#parts.openStore(`${storageName}-corpora`, warn)
    const openReranker = async (rerank: true | string): Promise<Reranker> => await this.#openReranker(rerank)
    return { host: createCorpusHost({ store, cache, parse: this.#parts.parse, openReranker, onWarning: warn }), cache }
  }

  #useReranker(spec: ModelSpec): void {
    if (this.#reranker?.id === spec.id) return
    void this.#reranker?.model.then((model) => model.dispose()).catch(() => {})
    const { scheme } = parseModelId(spec.id)
    const { rerankers = {} } = this.#parts
    const engine = Object.hasOwn(rerankers, scheme) ? rerankers[scheme] : undefined
    const missing = new AlcoveError('model-not-found', `no engine for rerankers of the kind '${scheme}:'`)
    const model = engine ? engine().then((found) => found.create(spec)) : Promise.reject(missing)
    model.catch(() => {})
    this.#reranker = { id: spec.id, model }
  }

  async #openReranker(rerank: true | string): Promise<Reranker> {
    const known = this.#reranker
    if (known !== undefined && known.id === rerank) return await known.model
    throw new AlcoveError('model-not-found', `the model to rerank with, '${rerank}', was not settled by the page`)
  }

  #warn(error: AlcoveError): void {
    try {
      this.#onWarning(toErrorInfo(error))
    } catch {
      // The page may have gone.
    }
  }

  async #engineOf(spec: ModelSpec): Promise<EmbeddingEngine> {
    const { scheme } = parseModelId(spec.id)
    const engine = Object.hasOwn(this.#parts.engines, scheme) ? this.#parts.engines[scheme] : undefined
    if (engine !== undefined) return await engine()
    throw new AlcoveError(
      'model-not-found',
      `no engine for embedding models of the kind '${scheme}:', as in '${spec.id}'`,
    )
  }

  /** Loads the configured model, and uses it from then on. */
  async #useEmbedder(onProgress: (status: StatusPart) => void, signal?: AbortSignal): Promise<void> {
    const choice = this.#settings?.embedder
    if (choice === undefined) throw new AlcoveError('model-not-found', 'no embedding model is configured')
    this.#model ??= this.#createModel(choice)
    const creating = this.#model
    const { model, key, helpers } = await creating
    await model.load({ signal, onProgress })
    if (this.#model !== creating) return
    await (await this.#ready()).host.setEmbedder(model, key, helpers)
  }

  /** The model that was loaded before, perhaps by an earlier worker. */
  async #loadedModel(signal: AbortSignal): Promise<EmbeddingModel> {
    if (this.#model === undefined) throw new AlcoveError('model-not-found', 'no embedding model was loaded')
    const { model } = await this.#model
    await model.load({ signal })
    return model
  }

  async #createModel(choice: EmbedderChoice): Promise<ConfiguredModel> {
    if (choice.type === 'page') return { model: connectEmbedder(choice.port, choice.facts), key: choice.facts.id }
    const { spec } = choice
    const engine = await this.#engineOf(spec)
    const open = this.#parts.openEmbeddingWorker
    const hasHelpers = open !== undefined && parseModelId(spec.id).scheme === 'transformers'
    const helpers = hasHelpers
      ? createEmbeddingHelpers({ spec, open, inspect: (...given) => engine.inspect(...given) })
      : undefined
    return { model: engine.create(spec), key: embedderKey(spec), helpers }
  }
}

/** All that the vectors of a model depend on. */
export function embedderKey({ id, revision, dtype, pooling, queryPrefix, documentPrefix }: ModelSpec): string {
  const variant = [revision, dtype, pooling, queryPrefix, documentPrefix].map((value) => value ?? '')
  return variant.every((value) => value === '') ? id : `${id}@${variant.join('|')}`
}
