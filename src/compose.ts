import { type CorpusOpenOptions, composeDocuments, type Documents } from './compose-documents.js'
import { composeModels, type Models } from './compose-models.js'
import type { LadderReport } from './engines/ladder.js'
import type { Availability, ChatTask, ModelListing } from './engines/model-registry.js'
import type { ModelSources } from './engines/model-spec.js'
import type { Corpus } from './protocol/corpus.js'
import type { AlcoveError } from './protocol/error.js'
import type { ChatModel, LoadOptions, ModelTask } from './protocol/model.js'
import type { WorkerState } from './rpc/worker-host.js'
import type { Settings } from './settings.js'
import { requestPersistence, storageEstimate } from './store/quota.js'

export type { CorpusOpenOptions } from './compose-documents.js'

/** The models that can be used here. */
export interface ModelsApi {
  /** All recommended and configured models: state, bytes, where they run, and why one is refused. */
  list(): Promise<ModelListing[]>
  /** Loads a model and takes it for a task from now on. The call counts as consent to its download. */
  use(task: ModelTask, id: string, options?: LoadOptions): Promise<void>
  /** Unloads a model and deletes its files from this device. */
  delete(id: string): Promise<void>
}

export type StorageKind = 'answers' | 'embeddings' | 'corpora' | 'sessions' | 'models'

/** What is kept on this device, in bytes. */
export interface StorageUsage extends Readonly<Record<StorageKind, number>> {
  readonly total: number
  /** What this origin may use; undefined where the browser does not say. */
  readonly quotaBytes: number | undefined
  /** Whether documents outlast the page. */
  readonly persistent: boolean
}

export interface StorageApi {
  usage(): Promise<StorageUsage>
  /** Deletes all of one kind, for good. */
  clear(kind: StorageKind): Promise<void>
}

export interface WorkerHealth {
  readonly state: WorkerState
  /** How often it was started anew after a death. */
  readonly restarts: number
}

/** What lives, and what went wrong without stopping anything. */
export interface Health {
  readonly workers: { readonly llm: WorkerHealth; readonly retrieval: WorkerHealth }
  readonly models: LadderReport['chosen']
  /** Problems that were worked around, oldest first, such as storage that cannot be used. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[]
}

/** What a client is made of. */
export interface Core {
  resolveModel(
    model: string | ChatModel | undefined,
    task: ModelTask,
    options: LoadOptions & { readonly cache?: boolean | undefined },
  ): Promise<ChatModel>
  openCorpus(name: string, options?: CorpusOpenOptions): Promise<Corpus>
  readonly corpora: { list(): Promise<string[]>; delete(name: string): Promise<boolean> }
  readonly models: ModelsApi
  readonly storage: StorageApi
  load(options?: LoadOptions): Promise<LadderReport>
  availability(): Promise<Availability>
  health(): Promise<Health>
  close(): Promise<void>
}

/** Names of the caches that engines keep files in besides ours. */
const ENGINE_CACHES = ['webllm/model', 'webllm/config', 'webllm/wasm']
const MAX_WARNINGS = 20

/** Wires the pieces of a client together. Nothing is started yet. */
export async function compose(settings: Settings): Promise<Core> {
  const warnings: { code: string; message: string }[] = []
  const onWarning = ({ code, message }: AlcoveError) => {
    warnings.push({ code, message })
    if (warnings.length > MAX_WARNINGS) warnings.shift()
  }
  const sources: ModelSources = {
    baseUrl: settings.modelBaseUrl,
    allowRemote: settings.allowRemoteModels,
    hubUrl: 'https://huggingface.co/',
    cacheName: `${settings.storageName}-models`,
  }
  if (settings.persist) void requestPersistence()
  const models: Models = composeModels({
    settings,
    sources,
    onWarning,
    inspectEmbedder: (id, signal) => documents.inspect(id, signal),
  })
  const documents: Documents = composeDocuments({ settings, sources, onWarning, consent: models.consent })

  const chosen = (): LadderReport['chosen'] => ({
    ...models.registry.report().chosen,
    embedding: documents.embedder?.loaded ? documents.embedder.id : null,
  })

  async function load({ signal, onProgress }: LoadOptions = {}): Promise<LadderReport> {
    const options = { signal, onProgress }
    const embedding = documents.loadEmbedder(options)
    embedding.catch(() => {})
    for (const task of ['chat', 'documents', 'tools'] as const)
      await (await models.registry.resolve(task, options)).load(options)
    await embedding
    const refused = [...models.registry.report().refused, ...documents.refused]
    return { chosen: chosen(), device: await models.device(), refused }
  }

  async function use(task: ModelTask, id: string, options?: LoadOptions): Promise<void> {
    if (task === 'embedding') await documents.useEmbedder(id, options)
    else await models.registry.use(task satisfies ChatTask, id, options)
  }

  return {
    resolveModel: models.resolve,
    openCorpus: documents.open,
    corpora: { list: () => documents.corpora.list(), delete: (name) => documents.corpora.delete(name) },
    models: {
      list: () => models.registry.list(documents.embedder),
      use,
      async delete(id) {
        await documents.dropEmbedder(id)
        await models.registry.delete(id)
      },
    },
    storage: composeStorage(models, documents, sources.cacheName),
    load,
    availability: () => models.registry.availability('chat'),
    async health() {
      const { host } = documents
      return {
        workers: {
          llm: { state: models.host.state, restarts: models.host.restarts },
          retrieval: { state: host.state, restarts: host.restarts },
        },
        models: chosen(),
        warnings: [...warnings],
      }
    },
    async close() {
      await models.close()
      await documents.host.close()
    },
  }
}

function composeStorage(models: Models, documents: Documents, cacheName: string): StorageApi {
  return {
    async usage() {
      const [answers, retrieval, modelBytes, estimate] = await Promise.all([
        models.answerUsage(),
        documents.corpora.usage(),
        cachedBytes([cacheName, ...ENGINE_CACHES]),
        storageEstimate(),
      ])
      const kinds = {
        answers,
        embeddings: retrieval.embeddings.bytes,
        corpora: retrieval.corpora.bytes,
        sessions: 0,
        models: modelBytes,
      }
      const total = Object.values(kinds).reduce((sum, bytes) => sum + bytes, 0)
      return { ...kinds, total, quotaBytes: estimate.quotaBytes, persistent: retrieval.isPersistent }
    },
    async clear(kind) {
      if (kind === 'answers') await models.clearAnswers()
      else if (kind === 'corpora' || kind === 'embeddings') await documents.corpora.clear(kind)
      else if (kind === 'models') {
        if (documents.embedder?.loaded) await documents.dropEmbedder(documents.embedder.id)
        await models.registry.dispose()
        await Promise.all([cacheName, ...ENGINE_CACHES].map((name) => globalThis.caches?.delete(name)))
      }
    },
  }
}

/** Bytes of what Cache API caches hold, by the lengths that their answers name. */
async function cachedBytes(names: readonly string[]): Promise<number> {
  let total = 0
  try {
    for (const name of names) {
      if (!(await caches.has(name))) continue
      const cache = await caches.open(name)
      for (const request of await cache.keys()) {
        total += Number((await cache.match(request))?.headers.get('content-length') ?? 0)
      }
    }
  } catch {
    // No Cache API here, or it is blocked: then nothing is kept in it.
  }
  return total
}
