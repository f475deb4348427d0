import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import type { ChatModel, LoadOptions, ModelTask } from '../../protocol/model.js'
import type { StatusPart } from '../../protocol/stream-part.js'
import { createSharedTask, type SharedTask } from '../../runtime/shared-task.js'
import type { ModelInspection } from '../engine.js'
import type { Consent } from './consent.js'
import type { DeviceProfile } from './device.js'
import { autoRungs, type LadderReport, type Refusal, type Rung, refuseByDevice, rungId, walkLadder } from './ladder.js'
import { chatCatalogue, embeddingCatalogue, findEntry } from './model-spec.js'

/** What a chat model can be wanted for. */
export type ChatTask = Exclude<ModelTask, 'embedding'>

/** Whether a model can be used without waiting, and if not, what it takes. */
export type Availability = 'unavailable' | 'downloadable' | 'downloading' | 'available'

/** A row of `alcove.models.list()`. */
export interface ModelListing {
  readonly id: string
  readonly kind: 'chat' | 'embedding'
  readonly title: string
  readonly goodFor: string
  readonly state: Availability
  /** Bytes that are still to be downloaded; 0 when all is here, undefined where nobody tells. */
  readonly bytes: number | undefined
  /** Bytes of it that are kept on this device. */
  readonly storedBytes?: number | undefined
  /** Its last use, in milliseconds since the epoch, to the hour. */
  readonly usedAt?: number | undefined
  /** Its files are never evicted. */
  readonly pinned?: boolean | undefined
  /** Memory it takes when loaded, in bytes. */
  readonly memoryBytes: number | undefined
  /** `remote`: on a server that the page's author configured. `browser`: it is the browser's own. */
  readonly runsOn: 'webgpu' | 'wasm' | 'page' | 'browser' | 'remote'
  readonly licence: string | undefined
  readonly trust: 'answer' | 'draft'
  /** Whether it is in memory now. */
  readonly loaded: boolean
  /** Tasks that it was chosen for. */
  readonly chosenFor: readonly ModelTask[]
  /** Why it cannot be used here. */
  readonly refused?: { readonly code: string; readonly reason: string }
}

export interface ModelRegistryOptions {
  /** What the page's author configured: `'auto'`, an id, a model, or the ladder to walk. */
  readonly model: 'auto' | Rung | readonly Rung[]
  readonly consent: Consent
  readonly device: () => Promise<DeviceProfile>
  /** A model for an id that is no object, not loaded. Throws `invalid-argument` for an id that names no engine. */
  readonly create: (id: string) => Promise<ChatModel>
  /** What using an id would take. */
  readonly inspect: (id: string, signal?: AbortSignal) => Promise<ModelInspection>
  /** Whether files of an id are being fetched now, by whomever. */
  readonly isFetching?: ((id: string) => Promise<boolean>) | undefined
  /** Deletes the files of an id from this device. */
  readonly remove: (id: string) => Promise<void>
}

/** The chat models of one client: which there are, which serve a task, and what is loaded. */
export interface ModelRegistry {
  /**
   * The model for a task. A ladder is walked the first time, and its model is loaded; a single configured model loads with its first
   * use, so that a cached answer needs no model. Aborting one caller leaves the others alone.
   */
  resolve(task: ChatTask, options?: LoadOptions): Promise<ChatModel>
  /** The model of an id, not loaded. One object for an id. */
  get(id: string): Promise<ChatModel>
  /** Loads a model and takes it for a task from now on; its download counts as agreed to. */
  use(task: ChatTask, id: string, options?: LoadOptions): Promise<ChatModel>
  list(embedder?: { readonly id: string; readonly loaded: boolean }): Promise<ModelListing[]>
  /** Whether the model for a task could be used, found out without loading anything. */
  availability(task: ChatTask): Promise<Availability>
  /** Ids chosen so far and refusals on the way. */
  report(): { readonly chosen: Readonly<Record<ChatTask, string | null>>; readonly refused: LadderReport['refused'] }
  /** Unloads a model and deletes its files. */
  delete(id: string): Promise<void>
  dispose(): Promise<void>
}

/** How many models are asked about at once when they are listed. */
const MAX_INSPECTIONS = 4
/** Models that are in no catalogue. */
const TITLES: Readonly<Record<string, string>> = { extractive: 'Quotes only', 'prompt-api': 'The browser’s own model' }

function runsOnOf(id: string): ModelListing['runsOn'] {
  if (id.startsWith('http:')) return 'remote'
  if (id === 'prompt-api') return 'browser'
  return id.startsWith('webllm:') ? 'webgpu' : 'wasm'
}

const rungsOf = (model: ModelRegistryOptions['model'], task: ChatTask): readonly Rung[] => {
  if (model === 'auto') return autoRungs(task)
  const list = Array.isArray(model) ? (model as readonly Rung[]) : [model as Rung]
  return list.flatMap((rung) => (rung === 'auto' ? autoRungs(task) : [rung]))
}

export function createModelRegistry(options: ModelRegistryOptions): ModelRegistry {
  const models = new Map<string, Promise<ChatModel>>()
  const objects = new Map<string, ChatModel>()
  const loaded = new Set<string>()
  const loading = new Map<string, number>()
  const chosen = new Map<ChatTask, ChatModel>()
  const walks = new Map<ChatTask, SharedTask<ChatModel, StatusPart>>()
  const refusals = new Map<string, Refusal>()
  for (const rung of rungsOf(options.model, 'chat')) if (typeof rung !== 'string') objects.set(rung.id, rung)

  /** A failed creation is not kept: the next caller tries again. */
  function get(id: string): Promise<ChatModel> {
    const known = models.get(id)
    if (known) return known
    const object = objects.get(id)
    const model = object ? Promise.resolve(object) : options.create(id)
    models.set(id, model)
    model.then(
      (created) => objects.set(id, created),
      () => models.delete(id),
    )
    return model
  }

  async function load(model: ChatModel, load: LoadOptions): Promise<void> {
    loading.set(model.id, (loading.get(model.id) ?? 0) + 1)
    try {
      await model.load(load)
      loaded.add(model.id)
      refusals.delete(model.id)
    } finally {
      const left = (loading.get(model.id) ?? 1) - 1
      if (left > 0) loading.set(model.id, left)
      else loading.delete(model.id)
    }
  }

  const isLoaded = (id: string): boolean => objects.get(id)?.isLoaded ?? (loaded.has(id) || id === 'extractive')

  /** Whether the author named the browser's model; else it is taken only where it needs no download. */
  const isPromptApiNamed = [options.model].flat().includes('prompt-api')

  /** Makes one rung ready, or throws why it cannot be had: first what the device lacks, then what its load says. */
  async function ready(rung: Rung, only: boolean, loadOptions: LoadOptions): Promise<ChatModel> {
    const refused =
      typeof rung === 'string' && !only ? refuseByDevice(findEntry(rung), await options.device()) : undefined
    if (refused) throw refused
    if (rung === 'prompt-api' && !isPromptApiNamed) await (await import('../prompt-api/chat.js')).requireAvailable()
    const model = typeof rung === 'string' ? await get(rung) : rung
    if (!only) await load(model, loadOptions)
    return model
  }

  async function walk(task: ChatTask, loadOptions: LoadOptions): Promise<ChatModel> {
    const rungs = rungsOf(options.model, task)
    try {
      const result = await walkLadder(rungs, (rung) => ready(rung, rungs.length === 1, loadOptions))
      for (const row of result.refused) refusals.set(row.model, row)
      chosen.set(task, result.ready)
      return result.ready
    } finally {
      walks.delete(task)
    }
  }

  async function resolve(task: ChatTask, loadOptions: LoadOptions = {}): Promise<ChatModel> {
    const model = chosen.get(task)
    if (model) return model
    let shared = walks.get(task)
    if (!shared) {
      shared = createSharedTask(
        ({ signal, report }) => walk(task, { signal, onProgress: report }),
        () => walks.delete(task),
      )
      walks.set(task, shared)
    }
    return shared.join(loadOptions)
  }

  async function use(task: ChatTask, id: string, loadOptions: LoadOptions = {}): Promise<ChatModel> {
    const model = await get(id)
    options.consent.grant(id)
    await load(model, loadOptions)
    chosen.set(task, model)
    return model
  }

  /** State and refusal of one id: what the device says first, so that no server is asked in vain. */
  async function inspect(id: string): Promise<Pick<ModelListing, 'state' | 'bytes' | 'refused' | 'runsOn'>> {
    if (id === 'extractive') return { state: 'available', bytes: 0, runsOn: 'page' }
    const entry = findEntry(id)
    const runsOn = runsOnOf(id)
    const refused = refuseByDevice(entry, await options.device())
    if (refused)
      return {
        state: 'unavailable',
        bytes: entry?.downloadBytes,
        runsOn,
        refused: { code: refused.code, reason: refused.message },
      }
    const found = await options.inspect(id).catch((error: unknown): ModelInspection => {
      const { code, message, hint, retryable } = toAlcoveError(error, 'model-not-found')
      return { state: 'unavailable', error: { code, message, hint, retryable } }
    })
    const isFetching = found.state === 'downloadable' && (loading.has(id) || (await options.isFetching?.(id)))
    return {
      state: isFetching || loading.has(id) ? 'downloading' : found.state,
      bytes: found.bytes ?? entry?.downloadBytes,
      runsOn: found.device ?? runsOn,
      ...(found.error && { refused: { code: found.error.code, reason: found.error.message } }),
    }
  }

  async function listModel(id: string, kind: 'chat' | 'embedding'): Promise<ModelListing> {
    const entry = findEntry(id)
    const refusal = refusals.get(id)
    return {
      id,
      kind,
      title: entry?.title ?? TITLES[id] ?? id,
      goodFor:
        entry?.goodFor ?? (id === 'extractive' ? 'Quotes the best sentences of your documents; needs no download' : ''),
      memoryBytes: entry?.memoryBytes,
      licence: entry?.licence,
      trust: entry?.trust ?? (id === 'extractive' ? 'answer' : (objects.get(id)?.capabilities.trust ?? 'answer')),
      loaded: isLoaded(id),
      chosenFor: [...chosen].filter(([, model]) => model.id === id).map(([task]) => task),
      ...(refusal && { refused: { code: refusal.code, reason: refusal.reason } }),
      ...(await inspect(id)),
    }
  }

  return {
    resolve,
    get,
    use,
    async list(embedder) {
      const configured = rungsOf(options.model, 'chat').map(rungId)
      const chat = new Set([...chatCatalogue.map((entry) => entry.id), ...configured, ...objects.keys(), 'extractive'])
      const embedding = new Set([...embeddingCatalogue.map((entry) => entry.id), ...(embedder ? [embedder.id] : [])])
      const rows = [
        ...[...chat].map((id) => [id, 'chat'] as const),
        ...[...embedding].map((id) => [id, 'embedding'] as const),
      ]
      const listings: ModelListing[] = []
      for (let start = 0; start < rows.length; start += MAX_INSPECTIONS) {
        listings.push(
          ...(await Promise.all(rows.slice(start, start + MAX_INSPECTIONS).map(([id, kind]) => listModel(id, kind)))),
        )
      }
      return listings.map((row) =>
        row.id === embedder?.id
          ? { ...row, loaded: embedder.loaded, chosenFor: embedder.loaded ? ['embedding'] : [] }
          : row,
      )
    },
    async availability(task) {
      const ready = chosen.get(task)
      if (ready && isLoaded(ready.id)) return 'available'
      if (walks.has(task)) return 'downloading'
      for (const rung of rungsOf(options.model, task)) {
        if (typeof rung !== 'string') return 'available'
        const { state } = await inspect(rung)
        const isPassedOver = rung === 'prompt-api' && !isPromptApiNamed && state !== 'available'
        if (state !== 'unavailable' && !isPassedOver) return state
      }
      return 'unavailable'
    },
    report: () => ({
      chosen: {
        chat: chosen.get('chat')?.id ?? null,
        documents: chosen.get('documents')?.id ?? null,
        tools: chosen.get('tools')?.id ?? null,
      },
      refused: [...refusals.values()],
    }),
    async delete(id) {
      if (id === 'extractive')
        throw new AlcoveError('invalid-argument', "models.delete: 'extractive' has no files to delete")
      await objects.get(id)?.dispose()
      loaded.delete(id)
      for (const [task, model] of chosen) if (model.id === id) chosen.delete(task)
      await options.remove(id)
    },
    async dispose() {
      chosen.clear()
      loaded.clear()
      // A model that the caller handed in is the caller's to dispose of.
      const given = new Set(rungsOf(options.model, 'chat').filter((rung) => typeof rung !== 'string'))
      const own = [...objects.values()].filter((model) => !given.has(model))
      await Promise.all(own.map((model) => model.dispose().catch(() => {})))
    },
  }
}
