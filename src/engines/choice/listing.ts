import { toAlcoveError } from '../../protocol/error.js'
import type { ChatModel, ModelTask } from '../../protocol/model.js'
import type { ModelInspection } from '../engine.js'
import { type CatalogueEntry, chatCatalogue, embeddingCatalogue, findEntry } from './catalogue.js'
import type { DeviceProfile } from './device.js'
import { rungId } from './ladder.js'
import { isFreeLadder, isPromptApiNamed, rungsOf } from './ladder-walk.js'
import { predictMemory } from './memory.js'
import type { ChatTask, RegistryState } from './model-registry.js'
import { planLadder, refuseByDevice } from './plan.js'

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
  /** Memory it takes when loaded with its usual context, in bytes: known, or predicted for a chat model. */
  readonly memoryBytes: number | undefined
  /** `remote`: on a server that the page's author configured. `browser`: it is the browser's own. */
  readonly runsOn: 'webgpu' | 'wasm' | 'page' | 'browser' | 'remote'
  /** Why it runs there, where that was measured on this device. */
  readonly runsOnReason?: string | undefined
  readonly licence: string | undefined
  readonly trust: 'answer' | 'draft'
  /** Its longest context here, in tokens, where the catalogue knows. */
  readonly contextTokens?: number | undefined
  /** ISO 639-1 codes of the languages it serves; `mul` stands for many more. */
  readonly languages?: readonly string[] | undefined
  /** Length of its vectors, for an embedding model of the catalogue. */
  readonly dimensions?: number | undefined
  /** Whether it is in memory now. */
  readonly loaded: boolean
  /** Tasks that it was chosen for. */
  readonly chosenFor: readonly ModelTask[]
  /** Why it cannot be used here. */
  readonly refused?: { readonly code: string; readonly reason: string }
}

/** How many models are asked about at once when they are listed. */
const MAX_INSPECTIONS = 4
/** Models that are in no catalogue. */
const TITLES: Readonly<Record<string, string>> = { extractive: 'Quotes only', 'prompt-api': 'The browser’s own model' }
const QUOTES = 'Quotes the best sentences of your documents; needs no download'

function runsOnOf(id: string): ModelListing['runsOn'] {
  if (id.startsWith('http:')) return 'remote'
  if (id === 'prompt-api') return 'browser'
  return id.startsWith('webllm:') || findEntry(id)?.needs.includes('webgpu') ? 'webgpu' : 'wasm'
}

/** Of the builds of one model by one engine, the first that this device can run, else the first: one row for each. */
function buildsFor(device: DeviceProfile): readonly CatalogueEntry[] {
  const kinds = new Map<string, CatalogueEntry>()
  for (const entry of chatCatalogue) {
    const kind = `${entry.id.slice(0, entry.id.indexOf(':'))} ${entry.family}`
    const present = kinds.get(kind)
    if (!present || (refuseByDevice(present, device) && !refuseByDevice(entry, device))) kinds.set(kind, entry)
  }
  return [...kinds.values()]
}

/** All recommended and configured models, asked about a few at a time. */
export async function listModels(
  state: RegistryState,
  embedder?: { readonly id: string; readonly loaded: boolean },
): Promise<ModelListing[]> {
  const device = await state.options.device()
  const { model } = state.options
  const named = model === 'auto' ? [] : rungsOf(model, 'chat').map(rungId)
  const builds = buildsFor(device).map(({ id }) => id)
  const own = model === 'auto' && 'LanguageModel' in globalThis ? ['prompt-api'] : []
  const chat = new Set([...builds, ...own, ...named, ...state.objects.keys(), 'extractive'])
  const embedding = new Set([...embeddingCatalogue.map(({ id }) => id), ...(embedder ? [embedder.id] : [])])
  const rows = [
    ...[...chat].map((id) => [id, 'chat'] as const),
    ...[...embedding].map((id) => [id, 'embedding'] as const),
  ]
  const stored = await state.options.stored?.(rows.map(([id]) => id))
  const listings: ModelListing[] = []
  for (let start = 0; start < rows.length; start += MAX_INSPECTIONS) {
    const some = rows.slice(start, start + MAX_INSPECTIONS)
    listings.push(...(await Promise.all(some.map(([id, kind]) => listModel(state, id, kind, stored)))))
  }
  return listings.map((row) =>
    row.id === embedder?.id
      ? { ...row, loaded: embedder.loaded, chosenFor: embedder.loaded ? ['embedding'] : [] }
      : row,
  )
}

async function listModel(
  state: RegistryState,
  id: string,
  kind: 'chat' | 'embedding',
  stored: ReadonlySet<string> | undefined,
): Promise<ModelListing> {
  const entry = findEntry(id)
  const refusal = state.refusals.get(id)
  return {
    id,
    kind,
    title: entry?.title ?? TITLES[id] ?? id,
    goodFor: entry?.goodFor ?? (id === 'extractive' ? QUOTES : ''),
    memoryBytes:
      entry?.memoryBytes ?? (entry && kind === 'chat' ? predictMemory(entry, entry.contextTokens) : undefined),
    licence: entry?.licence,
    trust: entry?.trust ?? (id === 'extractive' ? 'answer' : (state.objects.get(id)?.capabilities.trust ?? 'answer')),
    ...(entry && { contextTokens: entry.contextTokens }),
    ...(entry?.languages && { languages: entry.languages }),
    ...(entry?.dimensions && { dimensions: entry.dimensions }),
    loaded: state.isLoaded(id),
    chosenFor: tasksOf(state, id),
    ...(refusal && { refused: { code: refusal.code, reason: refusal.reason } }),
    ...(await inspect(state, id, stored)),
  }
}

function tasksOf(state: RegistryState, id: string): ChatTask[] {
  const tasks = ['chat', 'documents', 'tools'] as const
  return tasks.filter((task) => (state.taken.get(task) ?? state.chosen.get(state.keyOf(task)))?.id === id)
}

/** State and refusal of one id: what the device says first, so that no server is asked in vain. */
async function inspect(
  state: RegistryState,
  id: string,
  stored?: ReadonlySet<string>,
): Promise<Pick<ModelListing, 'state' | 'bytes' | 'refused' | 'runsOn'>> {
  if (id === 'extractive') return { state: 'available', bytes: 0, runsOn: 'page' }
  const { options, loading } = state
  const entry = findEntry(id)
  const runsOn = runsOnOf(id)
  const refused = refuseByDevice(entry, await options.device())
  if (refused) {
    const reason = { code: refused.code, reason: refused.message }
    return { state: 'unavailable', bytes: entry?.downloadBytes, runsOn, refused: reason }
  }
  const found = knownInspection(state, entry, stored) ?? (await askInspection(state, id))
  const isFetching = found.state === 'downloadable' && (loading.has(id) || (await options.isFetching?.(id)))
  return {
    state: isFetching || loading.has(id) ? 'downloading' : found.state,
    bytes: found.bytes ?? entry?.downloadBytes,
    runsOn: found.device ?? runsOn,
    ...(found.error && { refused: { code: found.error.code, reason: found.error.message } }),
  }
}

/**
 * What needs no question. The catalogue's models on the hub are there, at a commit that stays: a list of models asks no other origin for them,
 * and does not fetch WebLLM's 2 MB of code.
 */
function knownInspection(
  { options }: RegistryState,
  entry: CatalogueEntry | undefined,
  stored: ReadonlySet<string> | undefined,
): ModelInspection | undefined {
  if (!entry || !stored || stored.has(entry.id) || options.allowsHub === false) return undefined
  const isOnHub = entry.id.startsWith('webllm:') || entry.revision !== undefined
  if (!isOnHub || entry.downloadBytes === undefined) return undefined
  return { state: 'downloadable', bytes: entry.downloadBytes }
}

async function askInspection({ options }: RegistryState, id: string): Promise<ModelInspection> {
  return options.inspect(id).catch((error: unknown): ModelInspection => {
    const { code, message, hint, retryable } = toAlcoveError(error, 'model-not-found')
    return { state: 'unavailable', error: { code, message, hint, retryable } }
  })
}

/** Whether the model for a task could be used: the state of the first rung that is worth a try here. */
export async function findAvailability(
  state: RegistryState,
  task: ChatTask,
  ready: ChatModel | undefined,
): Promise<Availability> {
  if (ready && state.isLoaded(ready.id)) return 'available'
  if (state.walks.has(state.keyOf(task))) return 'downloading'
  const { options, constraints } = state
  const rungs = ready ? [ready.id] : rungsOf(options.model, task)
  const ids = rungs.map(rungId)
  const isFree = !ready && isFreeLadder(options.model)
  // Consent is not asked for here: what would need it counts as downloadable.
  const plan = planLadder(ids, { device: await options.device(), constraints, isFree })
  const objects = new Set(rungs.filter((rung) => typeof rung !== 'string').map(rungId))
  const worth = rungs.length === 1 ? ids : plan.rungs.map(({ id }) => id)
  for (const id of worth) {
    if (objects.has(id)) return 'available'
    const { state: found } = await inspect(state, id)
    const isPassedOver = id === 'prompt-api' && !isPromptApiNamed(options.model) && found !== 'available'
    if (found !== 'unavailable' && !isPassedOver) return found
  }
  return 'unavailable'
}
