import type { Sessions } from './agents/session/sessions.js'
import type { ClientLoadOptions, Core, Health, WorkerHealth } from './client.js'
import type { Documents, DocumentsOptions } from './compose-documents.js'
import { composeModels, type Models } from './compose-models.js'
import type { Storage } from './compose-storage.js'
import type { ModelConstraints } from './engines/choice/constraints.js'
import type { MeasuredDevices } from './engines/choice/measured-device.js'
import type { ModelSources } from './engines/choice/model-spec.js'
import type { LadderReport } from './engines/choice/report.js'
import type { HttpEngine } from './engines/http/http.js'
import { readLoadOptions } from './engines/load-options.js'
import { AlcoveError } from './protocol/error.js'
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
  const readConstraints = async (where: string, given: ModelConstraints | undefined): Promise<ModelConstraints> =>
    given === undefined ? {} : (await import('./engines/choice/constraints.js')).readConstraints(where, given)
  const checkTask = async (where: string, task: unknown): Promise<void> => {
    if (task !== 'chat') (await import('./engines/choice/constraints.js')).checkTask(where, task)
  }
  const own = await readConstraints('createAlcove', settings.constraints)
  let engine: Promise<HttpEngine> | undefined
  /** Remote models: the page pays for them when it names one. */
  const remote = () => {
    const scope = { allowRemote: settings.allowRemoteModels, pageUrl: globalThis.location?.href }
    engine ??= import('./engines/http/http.js').then((http) => http.createHttpEngine(settings.http, scope))
    return engine
  }
  const models: Models = composeModels({
    settings,
    constraints: own,
    sources,
    onWarning,
    remote,
    inspectEmbedder: async (id, signal) => (await documents()).embedder.inspect(id, signal),
    reserve: async (id, bytes) => (await storage()).reserve(id, bytes),
  })
  let devices: Promise<MeasuredDevices> | undefined
  /** Only on a graphics card there is something to choose. */
  const measuredDevices: DocumentsOptions['measuredDevices'] = async (inspectEmbedder) => {
    if ((globalThis.navigator as { readonly gpu?: unknown } | undefined)?.gpu === undefined) return undefined
    const profile = await models.device()
    if (profile.webgpu !== 'hardware') return undefined
    devices ??= import('./compose-devices.js').then(({ composeDevices }) =>
      composeDevices({ settings, profile, inspectEmbedder }),
    )
    return devices
  }

  let composed: Promise<Documents> | undefined
  /** What `documents` has given; undefined while nobody has asked for documents. */
  let known: Documents | undefined
  const documents = (): Promise<Documents> => {
    composed ??= import('./compose-documents.js').then(({ composeDocuments }) => {
      const { consent, planEmbedders } = models
      known = composeDocuments({ settings, sources, onWarning, remote, consent, planEmbedders, measuredDevices })
      return known
    })
    return composed
  }

  let chats: Promise<Sessions> | undefined
  const sessions = (): Promise<Sessions> => {
    const name = `${settings.storageName}-sessions`
    chats ??= import('./agents/session/sessions.js').then(({ openSessions }) => openSessions({ name, onWarning }))
    return chats
  }

  let opened: Promise<Storage> | undefined
  /** What only few pages use is fetched with its first use. */
  const storage = (): Promise<Storage> => {
    opened ??= Promise.all([import('./compose-storage.js'), documents()]).then(([{ composeStorage }, own]) =>
      composeStorage({ settings, sources, models, documents: own, sessions }),
    )
    return opened
  }

  const chosen = (): LadderReport['chosen'] => ({
    ...models.registry.report().chosen,
    embedding: known?.embedder.current?.loaded ? known.embedder.current.id : null,
  })

  async function load({ prime, constraints, ...rest }: ClientLoadOptions = {}): Promise<LadderReport> {
    const options = readLoadOptions('load', rest)
    const { signal } = options
    if (prime !== undefined && typeof prime !== 'string')
      throw new AlcoveError('invalid-argument', `load: prime must be a text, got ${typeof prime}`)
    const given = await readConstraints('load', constraints)
    const { registry } = models
    if (constraints) models.constrain({ ...own, ...given })
    const wanted = given.task ?? own.task
    const embedding =
      wanted === undefined || wanted === 'embedding'
        ? documents().then(({ embedder }) => embedder.load(options))
        : undefined
    embedding?.catch(() => {})
    const tasks = (['chat', 'documents', 'tools'] as const).filter((task) => wanted === undefined || wanted === task)
    for (const task of tasks) {
      await (await registry.resolve(task, options)).load(options)
      await registry.measure(task, signal)
    }
    await embedding
    if (prime) await primeModel(await registry.resolve('chat', options), prime, signal)
    const { refused, predictions, nearest: misses = [] } = registry.report()
    const nearest = [...misses, ...(known?.embedder.nearest ? [known.embedder.nearest] : [])]
    const device = await models.device()
    const runsOn = known?.embedder.devices ?? []
    return {
      chosen: chosen(),
      device,
      refused: [...refused, ...(known?.embedder.refused ?? [])],
      predictions,
      nearest,
      runsOn,
    }
  }

  async function use(task: ModelTask, id: string, given?: LoadOptions): Promise<void> {
    const options = readLoadOptions('models.use', given)
    await checkTask('models.use', task)
    if (task === 'embedding') await (await documents()).embedder.use(id, options)
    else await models.registry.use(task, id, options)
  }

  return {
    async resolveModel(model, task, { constraints, ...options }) {
      const read = constraints && (await readConstraints('agent', constraints))
      return models.resolve(model, read?.task ?? task, { ...options, constraints: read })
    },
    openCorpus: async (name, options) => (await documents()).open(name, options),
    embeddingModel: async (options) =>
      (await documents()).embedder.model(options && readLoadOptions('embeddingModel', options)),
    corpora: {
      list: async () => (await documents()).corpora.list(),
      delete: async (name) => (await documents()).corpora.delete(name),
    },
    models: {
      async list() {
        const rows = await models.registry.list((await documents()).embedder.current)
        const stored = await (await storage()).describe(rows.map(({ id }) => id))
        const measured = new Map(known?.embedder.devices.map((choice) => [choice.model, choice]))
        return rows.map((row) => {
          const choice = measured.get(row.id)
          return {
            ...row,
            ...stored.get(row.id),
            ...(choice && { runsOn: choice.device, runsOnReason: choice.reason }),
          }
        })
      },
      pin: async (id) => (await storage()).setPinned(id, true),
      unpin: async (id) => (await storage()).setPinned(id, false),
      use,
      async delete(id) {
        await (await documents()).embedder.drop(id)
        await models.registry.delete(id)
      },
    },
    storage: {
      usage: async () => (await storage()).api.usage(),
      clear: async (kind) => (await storage()).api.clear(kind),
    },
    sessions: async () => (await sessions()).api,
    load,
    async availability(task = 'chat') {
      await checkTask('availability', task)
      return task === 'embedding' ? (await documents()).embedder.availability() : models.registry.availability(task)
    },
    async preload(requests, { signal } = {}) {
      const model = await models.resolve(undefined, 'chat', { signal, cache: true })
      await (await import('./engines/cached-model.js')).preloadAnswers(model, requests, { signal })
    },
    async health(): Promise<Health> {
      const stateOf = ({ state, restarts }: WorkerHealth): WorkerHealth => ({ state, restarts })
      return {
        workers: { llm: stateOf(models.host), retrieval: stateOf(known?.host ?? { state: 'idle', restarts: 0 }) },
        models: chosen(),
        warnings: [...warnings],
      }
    },
    async close() {
      void engine?.then((http) => http.close()).catch(() => {})
      void devices?.then((measured) => measured.close()).catch(() => {})
      await (await chats?.catch(() => undefined))?.close()
      await models.close()
      await (await composed?.catch(() => undefined))?.host.close()
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
