import { AlcoveError } from '../../protocol/error.js'
import type { ChatModel, LoadOptions, ModelTask } from '../../protocol/model.js'
import type { StatusPart } from '../../protocol/stream-part.js'
import { createSharedTask, type SharedTask } from '../../runtime/shared-task.js'
import type { ModelInspection } from '../engine.js'
import type { Consent } from './consent.js'
import type { ModelConstraints } from './constraints.js'
import type { DeviceProfile } from './device.js'
import type { DeviceNotes } from './device-memory.js'
import type { Rung } from './ladder.js'
import type { Availability, ModelListing } from './listing.js'
import type { LadderReport, ModelPrediction, Refusal } from './report.js'

export type { Availability, ModelListing } from './listing.js'

/** What a chat model can be wanted for. */
export type ChatTask = Exclude<ModelTask, 'embedding'>

export interface ResolveModelOptions extends LoadOptions {
  /** Instead of the client's own, field by field. */
  readonly constraints?: ModelConstraints | undefined
}

export interface ModelRegistryOptions {
  /** What the page's author configured: `'auto'`, an id, a model, or the ladder to walk. */
  readonly model: 'auto' | Rung | readonly Rung[]
  readonly consent: Consent
  readonly device: () => Promise<DeviceProfile>
  /** A model for an id that is no object, not loaded. Throws `invalid-argument` for an id that names no engine. */
  readonly create: (id: string, contextTokens?: number) => Promise<ChatModel>
  /** What using an id would take. */
  readonly inspect: (id: string, signal?: AbortSignal) => Promise<ModelInspection>
  /** Whether files of an id are being fetched now, by whomever. */
  readonly isFetching?: ((id: string) => Promise<boolean>) | undefined
  /** Deletes the files of an id from this device. */
  readonly remove: (id: string) => Promise<void>
  /** What a chosen model has to be. @default nothing */
  readonly constraints?: ModelConstraints | undefined
  /** Which of these have files on this device. @default not known */
  readonly stored?: ((ids: readonly string[]) => Promise<ReadonlySet<string>>) | undefined
  /** What is remembered of models on this device. @default nothing */
  readonly notes?: (() => Promise<DeviceNotes>) | undefined
  /** Whether the hub may be asked for models. @default true */
  readonly allowsHub?: boolean | undefined
  /** What may be fetched without asking, and whether somebody can be asked. @default each download is asked about */
  readonly consentLimits?: (() => Promise<{ readonly unaskedBytes: number; readonly canAsk: boolean }>) | undefined
}

/** The chat models of one client: which there are, which serve a task, and what is loaded. */
export interface ModelRegistry {
  /**
   * The model for a task. A ladder is walked the first time, and its model is loaded; a single configured model loads with its first
   * use, so that a cached answer needs no model. Aborting one caller leaves the others alone.
   */
  resolve(task: ChatTask, options?: ResolveModelOptions): Promise<ChatModel>
  /** The model of an id, not loaded. One object for an id. */
  get(id: string): Promise<ChatModel>
  /**
   * Loads a model and takes it for a task from now on; its download counts as agreed to. The model that served the task before is unloaded
   * when no other task has it, beforehand where both would not fit in memory.
   */
  use(task: ChatTask, id: string, options?: LoadOptions): Promise<ChatModel>
  /** Replaces the client's constraints; what was taken with `use` stays. */
  constrain(constraints: ModelConstraints): void
  list(embedder?: { readonly id: string; readonly loaded: boolean }): Promise<ModelListing[]>
  /** Whether the model for a task could be used, found out without loading anything. */
  availability(task: ChatTask): Promise<Availability>
  /** Reads a short prompt with the chosen model where its speed on this device is not known yet. */
  measure(task: ChatTask, signal?: AbortSignal): Promise<void>
  /** Ids chosen so far and refusals on the way. */
  report(): Pick<LadderReport, 'refused' | 'predictions' | 'nearest'> & {
    readonly chosen: Readonly<Record<ChatTask, string | null>>
  }
  /** Unloads a model and deletes its files. */
  delete(id: string): Promise<void>
  dispose(): Promise<void>
}

/** What the parts of the registry that are loaded late work on. */
export interface RegistryState {
  readonly options: ModelRegistryOptions
  readonly models: Map<string, Promise<ChatModel>>
  readonly objects: Map<string, ChatModel>
  readonly loading: ReadonlyMap<string, number>
  /** Models taken with `use`, and those that a ladder gave, by task and constraints. */
  readonly taken: Map<ChatTask, ChatModel>
  readonly chosen: Map<string, ChatModel>
  readonly walks: ReadonlyMap<string, unknown>
  readonly refusals: Map<string, Refusal>
  readonly predictions: Map<string, ModelPrediction>
  /** What would fit best if less were asked, for tasks that no model of the catalogue can be had for. */
  readonly nearest: Map<ChatTask, Refusal>
  constraints: ModelConstraints
  /** The smallest download that the person declined, in bytes. */
  declinedBytes: number
  get(id: string): Promise<ChatModel>
  /** The model of an id with so long a context; another than before replaces it. */
  open(id: string, contextTokens: number | undefined): Promise<ChatModel>
  load(model: ChatModel, options: LoadOptions): Promise<void>
  isLoaded(id: string): boolean
  keyOf(task: ChatTask, constraints?: ModelConstraints): string
}

/** What comes with more than one model to choose from, or with a question about models. */
const importWalk = () => import('./ladder-walk.js')
const importListing = () => import('./listing.js')

export function createModelRegistry(options: ModelRegistryOptions): ModelRegistry {
  const state = createState(options)
  const { taken, chosen, objects } = state
  const walks = state.walks as Map<string, SharedTask<ChatModel, StatusPart>>
  const isSingle = options.model !== 'auto' && !(Array.isArray(options.model) && options.model.length !== 1)

  /** The first use of a single configured model, or the walk down the ladder. */
  async function choose(task: ChatTask, constraints: ModelConstraints, load: LoadOptions): Promise<ChatModel> {
    const [only] = [options.model].flat() as readonly Rung[]
    const isKnown = isSingle && only !== 'auto' && only !== undefined
    const { model } = isKnown
      ? { model: typeof only === 'string' ? await state.get(only) : only }
      : await (await importWalk()).walkFor(state, task, constraints, load)
    chosen.set(state.keyOf(task, constraints), model)
    return model
  }

  const current = (task: ChatTask): ChatModel | undefined => taken.get(task) ?? chosen.get(state.keyOf(task))

  return {
    get: state.get,
    async resolve(task, { constraints, ...load } = {}) {
      const merged = { ...state.constraints, ...constraints }
      const key = state.keyOf(task, merged)
      const model = (constraints ? undefined : taken.get(task)) ?? chosen.get(key)
      if (model) return model
      let shared = walks.get(key)
      if (!shared) {
        const forget = () => void walks.delete(key)
        shared = createSharedTask(
          ({ signal, report }) => choose(task, merged, { signal, onProgress: report }).finally(forget),
          forget,
        )
        walks.set(key, shared)
      }
      return shared.join(load)
    },
    async use(task, id, load = {}) {
      options.consent.grant(id)
      return (await importWalk()).takeModel(state, task, id, load)
    },
    constrain(constraints) {
      state.constraints = constraints
    },
    list: async (embedder) => (await importListing()).listModels(state, embedder),
    availability: async (task) => (await importListing()).findAvailability(state, task, current(task)),
    async measure(task, signal) {
      const model = current(task)
      const isChoice = model !== undefined && state.predictions.has(model.id)
      if (isChoice && options.notes) await (await importWalk()).measurePrefill(state, model, signal)
    },
    report: () => ({
      chosen: {
        chat: current('chat')?.id ?? null,
        documents: current('documents')?.id ?? null,
        tools: current('tools')?.id ?? null,
      },
      refused: [...state.refusals.values()],
      predictions: [...state.predictions.values()],
      nearest: [...new Map([...state.nearest.values()].map((row) => [row.model, row])).values()],
    }),
    async delete(id) {
      if (id === 'extractive')
        throw new AlcoveError('invalid-argument', "models.delete: 'extractive' has no files to delete")
      await objects.get(id)?.dispose()
      for (const map of [taken, chosen] as Map<string, ChatModel>[]) {
        for (const [key, model] of map) if (model.id === id) map.delete(key)
      }
      await options.remove(id)
    },
    async dispose() {
      taken.clear()
      chosen.clear()
      // A model that the caller handed in is the caller's to dispose of.
      const given = new Set(([options.model].flat() as readonly Rung[]).filter((rung) => typeof rung !== 'string'))
      const own = [...objects.values()].filter((model) => !given.has(model))
      await Promise.all(own.map((model) => model.dispose().catch(() => {})))
    },
  }
}

function createState(options: ModelRegistryOptions): RegistryState {
  const models = new Map<string, Promise<ChatModel>>()
  const objects = new Map<string, ChatModel>()
  const contexts = new Map<string, number | undefined>()
  const loaded = new Set<string>()
  const loading = new Map<string, number>()
  const refusals = new Map<string, Refusal>()
  for (const rung of [options.model].flat() as readonly Rung[]) if (typeof rung !== 'string') objects.set(rung.id, rung)

  /** A failed creation is not kept: the next caller tries again. */
  function make(id: string, contextTokens?: number): Promise<ChatModel> {
    const object = objects.get(id)
    const model = object ? Promise.resolve(object) : options.create(id, contextTokens)
    models.set(id, model)
    contexts.set(id, contextTokens)
    model.then(
      (created) => objects.set(id, created),
      () => models.delete(id),
    )
    return model
  }

  const get = (id: string): Promise<ChatModel> => models.get(id) ?? make(id)

  const state: RegistryState = {
    options,
    models,
    objects,
    loading,
    taken: new Map(),
    chosen: new Map(),
    walks: new Map(),
    refusals,
    predictions: new Map(),
    nearest: new Map(),
    constraints: options.constraints ?? {},
    declinedBytes: Number.POSITIVE_INFINITY,
    get,
    async open(id, contextTokens) {
      const old = models.get(id)
      if (old && contexts.get(id) === contextTokens) return old
      await (await old?.catch(() => undefined))?.dispose().catch(() => {})
      if (old) objects.delete(id)
      return make(id, contextTokens)
    },
    async load(model, load) {
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
    },
    isLoaded: (id) => objects.get(id)?.isLoaded ?? (loaded.has(id) || id === 'extractive'),
    keyOf(task, constraints = state.constraints) {
      // In order of the names, so that equal constraints meet; what the model is for is the task itself.
      const { task: _task, ...fields } = constraints
      const known = Object.entries(fields).filter(([, value]) => value !== undefined)
      return known.length === 0 ? task : `${task} ${JSON.stringify(known.sort(([a], [b]) => (a < b ? -1 : 1)))}`
    },
  }
  return state
}
