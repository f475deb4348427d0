import type { Core, Health, StorageApi } from './client.js'
import { composeDocuments, type Documents } from './compose-documents.js'
import { composeModels, type Models } from './compose-models.js'
import type { LadderReport } from './engines/choice/ladder.js'
import type { ModelSources } from './engines/choice/model-spec.js'
import type { HttpEngine } from './engines/http/http.js'
import type { AlcoveError } from './protocol/error.js'
import type { LoadOptions, ModelTask } from './protocol/model.js'
import type { Settings } from './settings.js'
import { requestPersistence, storageEstimate } from './store/quota.js'

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
  let engine: Promise<HttpEngine> | undefined
  /** Remote models: the page pays for them when it names one. */
  const remote = () => {
    const scope = { allowRemote: settings.allowRemoteModels, pageUrl: globalThis.location?.href }
    engine ??= import('./engines/http/http.js').then((http) => http.createHttpEngine(settings.http, scope))
    return engine
  }
  const models: Models = composeModels({
    settings,
    sources,
    onWarning,
    remote,
    inspectEmbedder: (id, signal) => documents.inspect(id, signal),
  })
  const documents: Documents = composeDocuments({ settings, sources, onWarning, remote, consent: models.consent })

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
    else await models.registry.use(task, id, options)
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
    async health(): Promise<Health> {
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
      void engine?.then((http) => http.close()).catch(() => {})
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
