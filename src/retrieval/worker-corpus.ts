import { proxy, type Remote, transfer } from 'comlink'
import type { ModelInspection, ModelSpec } from '../engines/engine.js'
import type { AddResult, Corpus, CorpusOptions } from '../protocol/corpus.js'
import { AlcoveError } from '../protocol/error.js'
import type { EmbeddingModel, LoadOptions } from '../protocol/model.js'
import type { StatusPart } from '../protocol/stream-part.js'
import { fromErrorInfo } from '../rpc/error-wire.js'
import type { WorkerHost } from '../rpc/worker-host.js'
import { iterate } from '../runtime/stream.js'
import { createAddRun } from './add-run.js'
import { describeEmbedder, exposeEmbedder } from './page-embedder.js'
import type { AddPart, CorpusCalls, EmbedderChoice, RetrievalApi, RetrievalUsage } from './serve-corpus.js'

export interface WorkerCorporaOptions {
  readonly host: WorkerHost<RetrievalApi>
  /** Prefix of the databases. */
  readonly storageName: string
  /**
   * A model that the worker runs once `loadEmbedder` was called, or one of this thread, whose texts and vectors are copied between the
   * threads. Without one everything is found by keyword.
   */
  readonly embedder?: ModelSpec | EmbeddingModel | undefined
  /** Told what went wrong without stopping anything, such as storage that cannot be used. */
  readonly onWarning?: ((error: AlcoveError) => void) | undefined
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/** The corpora of the retrieval worker, from the page. The worker starts with the first call; one that has died is replaced by the next. */
export interface WorkerCorpora {
  open(name: string, options?: CorpusOptions): Promise<Corpus>
  list(): Promise<string[]>
  /** True when there was one. */
  delete(name: string): Promise<boolean>
  usage(): Promise<RetrievalUsage>
  clear(kind: 'corpora' | 'embeddings'): Promise<void>
  /** What loading a model would take; loads nothing. */
  inspectEmbedder(spec: ModelSpec, options?: CallOptions): Promise<ModelInspection>
  /** Loads the model in the worker; from then on it is used. Ask the person first where that means a download. */
  loadEmbedder(options?: LoadOptions): Promise<void>
  /** Takes another model, or none. One that the worker runs is used after `loadEmbedder`. */
  setEmbedder(embedder: ModelSpec | EmbeddingModel | undefined): Promise<void>
}

export function createWorkerCorpora(options: WorkerCorporaOptions): WorkerCorpora {
  const { host, storageName, onWarning } = options
  let { embedder } = options
  /** A model that the worker runs was loaded: a new worker may load it unasked. */
  let isLoadAllowed = false
  /** Which worker was configured, by its remote: a new worker has another one. */
  let configured = new WeakMap<object, Promise<void>>()

  const choose = (): EmbedderChoice | undefined => {
    if (embedder === undefined) return undefined
    if (!('embed' in embedder)) return { type: 'worker', spec: embedder }
    return { type: 'page', facts: describeEmbedder(embedder), port: exposeEmbedder(embedder) }
  }

  const configure = (api: Remote<RetrievalApi>): Promise<void> => {
    const known = configured.get(api)
    if (known !== undefined) return known
    const choice = choose()
    const settings = { storageName, embedder: choice, isLoadAllowed }
    const ports = choice?.type === 'page' ? [choice.port] : []
    const warn = proxy((error: Parameters<typeof fromErrorInfo>[0]) => onWarning?.(fromErrorInfo(error)))
    const configuring = api.configure(transfer(settings, ports), warn)
    configured.set(api, configuring)
    const workers = configured
    configuring.catch(() => workers.delete(api))
    return configuring
  }

  async function call<Name extends keyof CorpusCalls>(
    name: Name,
    input: Parameters<CorpusCalls[Name]>,
    { signal }: CallOptions = {},
  ): Promise<Awaited<ReturnType<CorpusCalls[Name]>>> {
    const start = async (api: Remote<RetrievalApi>, port: MessagePort): Promise<void> => {
      await configure(api)
      await api.call(name, input, transfer(port, [port]))
    }
    return await host.request<Awaited<ReturnType<CorpusCalls[Name]>>>(start, { signal })
  }

  async function readAdd(
    name: string,
    input: Parameters<Corpus['add']>[0],
    report: Parameters<Parameters<typeof createAddRun>[0]>[0],
    signal: AbortSignal,
  ): Promise<AddResult> {
    const start = async (api: Remote<RetrievalApi>, port: MessagePort): Promise<void> => {
      await configure(api)
      await api.add(name, input, transfer(port, [port]))
    }
    let result: AddResult | undefined
    for await (const part of iterate(host.stream<AddPart>(start, { signal }))) {
      if (part.type === 'result') result = part.result
      else report(part)
    }
    if (result === undefined) throw new AlcoveError('worker-crashed', 'the worker ended an add without a result')
    return result
  }

  const present = (name: string): Corpus => ({
    name,
    add: (input, { signal } = {}) => createAddRun((report, own) => readAdd(name, input, report, own), signal),
    async search(query, { signal, ...search } = {}) {
      return await call('search', [name, query, search], { signal })
    },
    get: (id) => call('get', [name, id]),
    list: () => call('list', [name]),
    remove: (id) => call('remove', [name, id]),
    stats: () => call('stats', [name]),
    clear: () => call('clear', [name]),
    export: () => call('export', [name]),
    import: (file) => call('import', [name, file]),
  })

  return {
    async open(name, corpusOptions = {}) {
      await call('open', [name, corpusOptions])
      return present(name)
    },
    list: () => call('corpora', []),
    delete: (name) => call('delete', [name]),
    usage: () => call('usage', []),
    clear: (kind) => call('clearKind', [kind]),
    inspectEmbedder(spec, { signal } = {}) {
      return host.request((api, port) => api.inspectEmbedder(spec, transfer(port, [port])), { signal })
    },
    async loadEmbedder({ signal, onProgress } = {}) {
      const start = async (api: Remote<RetrievalApi>, port: MessagePort): Promise<void> => {
        await configure(api)
        await api.loadEmbedder(transfer(port, [port]))
      }
      for await (const status of iterate(host.stream<StatusPart>(start, { signal }))) onProgress?.(status)
      isLoadAllowed = true
    },
    async setEmbedder(next) {
      if (next === embedder) return
      embedder = next
      isLoadAllowed = false
      configured = new WeakMap()
      if (host.state === 'ready') await host.call(async (api) => configure(api))
    },
  }
}
