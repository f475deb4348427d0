import type { Sessions } from './agents/session/sessions.js'
import type { ClientLoadOptions, Core, Health } from './client.js'
import { composeDocuments, type Documents } from './compose-documents.js'
import { composeModels, type Models } from './compose-models.js'
import type { Storage } from './compose-storage.js'
import type { LadderReport } from './engines/choice/ladder.js'
import type { ModelSources } from './engines/choice/model-spec.js'
import type { HttpEngine } from './engines/http/http.js'
import type { AlcoveError } from './protocol/error.js'
import type { Message } from './protocol/message.js'
import type { ChatModel, LoadOptions, ModelTask } from './protocol/model.js'
import { iterate } from './runtime/stream.js'
import type { Settings } from './settings.js'
import { requestPersistence } from './store/quota.js'

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
    mirrors: settings.modelMirrors,
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
    reserve: async (id, bytes) => (await storage()).reserve(id, bytes),
  })
  const documents: Documents = composeDocuments({ settings, sources, onWarning, remote, consent: models.consent })

  let chats: Promise<Sessions> | undefined
  const sessions = (): Promise<Sessions> => {
    const name = `${settings.storageName}-sessions`
    chats ??= import('./agents/session/sessions.js').then(({ openSessions }) => openSessions({ name, onWarning }))
    return chats
  }

  let opened: Promise<Storage> | undefined
  /** What only few pages use is fetched with its first use. */
  const storage = (): Promise<Storage> => {
    opened ??= import('./compose-storage.js').then(({ composeStorage }) =>
      composeStorage({ settings, sources, models, documents, sessions }),
    )
    return opened
  }

  const chosen = (): LadderReport['chosen'] => ({
    ...models.registry.report().chosen,
    embedding: documents.embedder?.loaded ? documents.embedder.id : null,
  })

  async function load({ signal, onProgress, prime }: ClientLoadOptions = {}): Promise<LadderReport> {
    const options = { signal, onProgress }
    const embedding = documents.loadEmbedder(options)
    embedding.catch(() => {})
    for (const task of ['chat', 'documents', 'tools'] as const)
      await (await models.registry.resolve(task, options)).load(options)
    await embedding
    if (prime) await primeModel(await models.registry.resolve('chat', options), prime, signal)
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
    embeddingModel: documents.embeddingModel,
    corpora: { list: () => documents.corpora.list(), delete: (name) => documents.corpora.delete(name) },
    models: {
      async list() {
        const rows = await models.registry.list(documents.embedder)
        const stored = await (await storage()).describe(rows.map(({ id }) => id))
        return rows.map((row) => ({ ...row, ...stored.get(row.id) }))
      },
      pin: async (id) => (await storage()).setPinned(id, true),
      unpin: async (id) => (await storage()).setPinned(id, false),
      use,
      async delete(id) {
        await documents.dropEmbedder(id)
        await models.registry.delete(id)
      },
    },
    storage: {
      usage: async () => (await storage()).api.usage(),
      clear: async (kind) => (await storage()).api.clear(kind),
    },
    sessions: async () => (await sessions()).api,
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
      await (await chats?.catch(() => undefined))?.close()
      await models.close()
      await documents.host.close()
    },
  }
}

/** Lets a model read instructions, by an answer of one token. */
async function primeModel(model: ChatModel, prime: string, signal: AbortSignal | undefined): Promise<void> {
  if (!model.capabilities.prefixReuse) return
  const messages: readonly Message[] = [
    { role: 'system', content: prime },
    { role: 'user', content: '' },
  ]
  const parts = iterate(model.stream({ messages, sampling: { temperature: 0, maxTokens: 1 } }, { signal }))
  while (!(await parts.next()).done);
}
