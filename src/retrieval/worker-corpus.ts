import { proxy, type Remote, transfer } from 'comlink'
import type { ModelInspection, ModelSpec } from '../engines/engine.js'
import type { AddOptions, AddProgress, AddResult, Corpus, FolderInput } from '../protocol/corpus.js'
import { AlcoveError, toAlcoveError } from '../protocol/error.js'
import type { EmbeddingModel, LoadOptions } from '../protocol/model.js'
import type { ErrorInfo, StatusPart } from '../protocol/stream-part.js'
import { fromErrorInfo } from '../rpc/error-wire.js'
import type { WorkerHost } from '../rpc/worker-host.js'
import { iterate } from '../runtime/stream.js'
import { createAddRun } from './add-run.js'
import type { CorpusOpening } from './corpus.js'
import type { Pace } from './pace.js'
import { describeEmbedder, exposeEmbedder } from './page-embedder.js'
import type { AddPart, CorpusCalls, CorpusRef, EmbedderChoice, RetrievalApi, RetrievalUsage } from './serve-corpus.js'

export interface WorkerCorporaOptions {
  readonly host: WorkerHost<RetrievalApi>
  /** Prefix of the databases. */
  readonly storageName: string
  /**
   * A model that the worker runs once `loadEmbedder` was called, or one of this thread, whose texts and vectors are copied between the
   * threads. Without one everything is found by keyword.
   */
  readonly embedder?: ModelSpec | EmbeddingModel | undefined
  /**
   * What a search's `rerank` stands for, once it is settled that it may be used (and fetched). What it throws becomes a warning.
   * @default none: such a search goes on without
   */
  readonly settleReranker?: ((rerank: true | string, signal?: AbortSignal) => Promise<ModelSpec>) | undefined
  /** Told what went wrong without stopping anything, such as storage that cannot be used. */
  readonly onWarning?: ((error: AlcoveError) => void) | undefined
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/** The corpora of the retrieval worker, from the page. The worker starts with the first call; one that has died is replaced by the next. */
export interface WorkerCorpora {
  open(name: string, options?: CorpusOpening): Promise<Corpus>
  list(): Promise<string[]>
  /** True when there was one. */
  delete(name: string): Promise<boolean>
  usage(): Promise<RetrievalUsage>
  clear(kind: 'corpora' | 'embeddings'): Promise<void>
  /** What loading a model would take; loads nothing. */
  inspectEmbedder(spec: ModelSpec, options?: CallOptions): Promise<ModelInspection>
  /** Loads the model in the worker; from then on it is used. Ask the person first where that means a download. */
  loadEmbedder(options?: LoadOptions): Promise<void>
  /** The model that the worker runs, once `loadEmbedder` was called. */
  loadedEmbedder(): Promise<EmbeddingModel>
  /** Takes another model, or none. One that the worker runs is used after `loadEmbedder`. */
  setEmbedder(embedder: ModelSpec | EmbeddingModel | undefined): Promise<void>
}

export function createWorkerCorpora(options: WorkerCorporaOptions): WorkerCorpora {
  return new RetrievalClient(options)
}

class RetrievalClient implements WorkerCorpora {
  readonly #options: WorkerCorporaOptions
  #embedder: ModelSpec | EmbeddingModel | undefined
  /** A model that the worker runs was loaded: a new worker may load it unasked. */
  #isLoadAllowed = false
  #adds = 0
  /** Which worker was configured, by its remote: a new worker has another one. */
  #configured = new WeakMap<object, Promise<void>>()

  constructor(options: WorkerCorporaOptions) {
    this.#options = options
    this.#embedder = options.embedder
  }

  async open(name: string, options: CorpusOpening = {}): Promise<Corpus> {
    await this.#call('open', [name, options])
    const { url, usesVectors = true } = options
    return this.#present(name, url === undefined ? name : { name, url, usesVectors })
  }

  list(): Promise<string[]> {
    return this.#call('corpora', [])
  }

  delete(name: string): Promise<boolean> {
    return this.#call('delete', [name])
  }

  usage(): Promise<RetrievalUsage> {
    return this.#call('usage', [])
  }

  clear(kind: 'corpora' | 'embeddings'): Promise<void> {
    return this.#call('clearKind', [kind])
  }

  inspectEmbedder(spec: ModelSpec, { signal }: CallOptions = {}): Promise<ModelInspection> {
    const { host } = this.#options
    return host.request((api, port) => api.inspectEmbedder(spec, transfer(port, [port])), { signal })
  }

  async loadEmbedder({ signal, onProgress }: LoadOptions = {}): Promise<void> {
    const parts = this.#stream<StatusPart>((api, port) => api.loadEmbedder(transfer(port, [port])), signal)
    for await (const status of parts) onProgress?.(status)
    this.#isLoadAllowed = true
  }

  async loadedEmbedder(): Promise<EmbeddingModel> {
    const { connectWorkerEmbedder } = await import('./worker-embedder.js')
    return connectWorkerEmbedder((name, input, options) => this.#call(name, input, options))
  }

  async setEmbedder(embedder: ModelSpec | EmbeddingModel | undefined): Promise<void> {
    if (embedder === this.#embedder) return
    this.#embedder = embedder
    this.#isLoadAllowed = false
    this.#configured = new WeakMap()
    const { host } = this.#options
    if (host.state === 'ready') await host.call(async (api) => this.#configure(api))
  }

  /** A corpus of the worker. Its calls cross with their signals. */
  #present(name: string, ref: CorpusRef): Corpus {
    return {
      name,
      add: (input, options = {}) =>
        createAddRun((report, signal, pace) => {
          return this.#add(ref, input, report, { signal, pace, vectors: options.vectors })
        }, options),
      update: (id, changes) => this.#call('update', [ref, id, changes]),
      search: async (query, { signal, ...search } = {}) => {
        const reranker = search.rerank ? await this.#settle(search.rerank, signal) : undefined
        const given = reranker ? ([ref, query, search, reranker] as const) : ([ref, query, search] as const)
        return this.#call('search', [...given], { signal })
      },
      sync: (folder, { signal, vectors } = {}) => this.#call('sync', [ref, withPaths(folder), vectors], { signal }),
      get: (id) => this.#call('get', [ref, id]),
      list: () => this.#call('list', [ref]),
      remove: (id) => this.#call('remove', [ref, id]),
      stats: () => this.#call('stats', [ref]),
      clear: () => this.#call('clear', [ref]),
      export: () => this.#call('export', [ref]),
      import: (file) => this.#call('import', [ref, file]),
    }
  }

  async #settle(rerank: true | string, signal: AbortSignal | undefined): Promise<ModelSpec | undefined> {
    const { settleReranker, onWarning } = this.#options
    try {
      return await settleReranker?.(rerank, signal)
    } catch (error) {
      const cause = toAlcoveError(error, 'model-not-found')
      if (cause.code === 'aborted') throw cause
      onWarning?.(cause)
      return undefined
    }
  }

  async #add(
    name: CorpusRef,
    input: Parameters<Corpus['add']>[0],
    report: (progress: AddProgress) => void,
    { signal, pace, vectors }: { signal: AbortSignal; pace: Pace; vectors: AddOptions['vectors'] },
  ): Promise<AddResult> {
    let result: AddResult | undefined
    let worker: Remote<RetrievalApi> | undefined
    const runId = `add-${++this.#adds}`
    const now = () => ({ isPaused: pace.isPaused, isGentle: pace.isGentle })
    const forget = pace.onChange(() => void worker?.setPace(runId, now()).catch(() => {}))
    const start = (api: Remote<RetrievalApi>, port: MessagePort): Promise<void> => {
      worker = api
      return api.add(name, input, transfer(port, [port]), { runId, vectors, ...now() })
    }
    try {
      for await (const part of this.#stream<AddPart>(start, signal)) {
        if (part.type === 'result') result = part.result
        else report(part)
      }
    } finally {
      forget()
    }
    if (result === undefined) throw new AlcoveError('worker-crashed', 'the worker ended an add without a result')
    return result
  }

  #stream<Part>(
    start: (api: Remote<RetrievalApi>, port: MessagePort) => Promise<void>,
    signal: AbortSignal | undefined,
  ): AsyncIterableIterator<Part> {
    const begin = async (api: Remote<RetrievalApi>, port: MessagePort): Promise<void> => {
      await this.#configure(api)
      await start(api, port)
    }
    return iterate(this.#options.host.stream<Part>(begin, { signal }))
  }

  async #call<Name extends keyof CorpusCalls>(
    name: Name,
    input: Parameters<CorpusCalls[Name]>,
    { signal }: CallOptions = {},
  ): Promise<Awaited<ReturnType<CorpusCalls[Name]>>> {
    const start = async (api: Remote<RetrievalApi>, port: MessagePort): Promise<void> => {
      await this.#configure(api)
      await api.call(name, input, transfer(port, [port]))
    }
    return await this.#options.host.request<Awaited<ReturnType<CorpusCalls[Name]>>>(start, { signal })
  }

  /** Tells a worker what it needs to know, once. */
  #configure(api: Remote<RetrievalApi>): Promise<void> {
    const known = this.#configured.get(api)
    if (known !== undefined) return known
    const { storageName, onWarning } = this.#options
    const embedder = chooseEmbedder(this.#embedder)
    const settings = { storageName, embedder, isLoadAllowed: this.#isLoadAllowed }
    const ports = embedder?.type === 'page' ? [embedder.port] : []
    const warn = proxy((error: ErrorInfo) => onWarning?.(fromErrorInfo(error)))
    const configuring = api.configure(transfer(settings, ports), warn)
    const configured = this.#configured.set(api, configuring)
    configuring.catch(() => configured.delete(api))
    return configuring
  }
}

/** A file that crosses to a worker loses its path. */
const withPaths = (folder: FolderInput): FolderInput =>
  'length' in folder
    ? Array.from(folder, (one) => ('file' in one ? one : { path: one.webkitRelativePath, file: one }))
    : folder

function chooseEmbedder(embedder: ModelSpec | EmbeddingModel | undefined): EmbedderChoice | undefined {
  if (embedder === undefined) return undefined
  if (!('embed' in embedder)) return { type: 'worker', spec: embedder }
  return { type: 'page', facts: describeEmbedder(embedder), port: exposeEmbedder(embedder) }
}
