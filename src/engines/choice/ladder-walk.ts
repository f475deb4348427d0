import { AlcoveError, isAlcoveError, toAlcoveError } from '../../protocol/error.js'
import type { ChatModel, LoadOptions } from '../../protocol/model.js'
import { iterate } from '../../runtime/stream.js'
import { sizeText } from '../../text/size-text.js'
import { checkKind, findEntry } from './catalogue.js'
import type { ModelConstraints } from './constraints.js'
import type { DeviceNotes } from './device-memory.js'
import { autoRungs, type Rung, rungId, walkLadder } from './ladder.js'
import { memoryBudget, predictMemory } from './memory.js'
import type { ChatTask, ModelRegistryOptions, RegistryState } from './model-registry.js'
import { nearestMiss } from './nearest-miss.js'
import { observeModel } from './observed-model.js'
import { type PlannedRung, planLadder } from './plan.js'

/** The rungs that are configured for a task, in order. */
export function rungsOf(model: ModelRegistryOptions['model'], task: ChatTask): readonly Rung[] {
  const list = [model].flat() as readonly Rung[]
  return list.flatMap((rung) => (rung === 'auto' ? autoRungs(task) : [rung]))
}

/** Whether the author named the browser's model; else it is taken only where it needs no download. */
export const isPromptApiNamed = (model: ModelRegistryOptions['model']): boolean => [model].flat().includes('prompt-api')

/** Whether the order of the rungs is ours to choose. */
export const isFreeLadder = (model: ModelRegistryOptions['model']): boolean =>
  model === 'auto' || (Array.isArray(model) && model.length === 1 && model[0] === 'auto')

/**
 * Walks down the ladder for a task: what the device, the constraints and earlier failures here speak against is not tried; a model that
 * runs out of memory is tried once more with half the context, and so on, before the next one is.
 */
export async function walkFor(
  state: RegistryState,
  task: ChatTask,
  constraints: ModelConstraints,
  load: LoadOptions,
): Promise<{ readonly model: ChatModel }> {
  const { options } = state
  // Asked for anew with each load, which begins with the chat.
  if (task === 'chat') state.declinedBytes = Number.POSITIVE_INFINITY
  const rungs = rungsOf(options.model, task)
  const ids = rungs.filter((rung) => typeof rung === 'string')
  const [device, notes, stored, consent] = await Promise.all([
    options.device(),
    options.notes?.(),
    options.stored?.(ids),
    options.consentLimits?.(),
  ])
  const memory = await notes?.read()
  const isFree = isFreeLadder(options.model)
  const input = { device, constraints, memory, stored, consent, isFree }
  const plan = planLadder(ids, input)
  const planned = new Map(plan.rungs.map((rung) => [rung.id, rung]))
  const worth = isFree
    ? plan.rungs.map(({ id }) => id)
    : rungs.filter((rung) => typeof rung !== 'string' || planned.has(rung))
  const { maxDownloadBytes } = constraints
  const attempt = { state, notes, stored, load, canAsk: consent?.canAsk ?? false, maxDownloadBytes }
  // What is always there is no answer to what was asked for.
  const nearest = worth.some((rung) => rungId(rung) !== 'extractive' && rungId(rung) !== 'prompt-api')
    ? undefined
    : nearestMiss(ids, input, plan.refused)
  if (nearest) state.nearest.set(task, nearest)
  else state.nearest.delete(task)
  const ready = (rung: Rung) => makeReady(rung, planned.get(rungId(rung)), attempt)
  const result = await walkLadder(worth, ready, plan.refused, nearest)
  for (const row of result.refused) state.refusals.set(row.model, row)
  const { model, contextTokens } = result.ready
  const prediction = planned.get(model.id)?.prediction
  if (prediction && findEntry(model.id)) {
    const memoryBytes = predictMemory(findEntry(model.id) as never, contextTokens ?? 0)
    state.predictions.set(
      model.id,
      contextTokens === undefined ? prediction : { ...prediction, contextTokens, memoryBytes },
    )
  }
  return { model }
}

interface Attempt {
  readonly state: RegistryState
  readonly notes: DeviceNotes | undefined
  readonly stored: ReadonlySet<string> | undefined
  readonly load: LoadOptions
  readonly canAsk: boolean
  readonly maxDownloadBytes: number | undefined
}

interface ReadyModel {
  readonly model: ChatModel
  readonly contextTokens: number | undefined
}

/** Makes one rung ready, or throws why it cannot be had. */
async function makeReady(rung: Rung, planned: PlannedRung | undefined, attempt: Attempt): Promise<ReadyModel> {
  const { state, load, notes } = attempt
  if (typeof rung !== 'string') {
    await state.load(rung, load)
    return { model: rung, contextTokens: undefined }
  }
  if (rung === 'prompt-api' && !isPromptApiNamed(state.options.model))
    await (await import('../prompt-api/chat.js')).requireAvailable()
  refuseDeclined(rung, attempt)
  await checkDownload(rung, attempt)
  const usual = findEntry(rung)?.contextTokens
  const contexts = planned?.contexts.length ? planned.contexts : [undefined]
  for (const [at, contextTokens] of contexts.entries()) {
    const model = await state.open(rung, contextTokens === usual ? undefined : contextTokens)
    try {
      await loadNoted(state, model, contextTokens, load, notes)
      return {
        model: notes && findEntry(rung) ? observeModel(model, notes, () => forget(state, rung)) : model,
        contextTokens,
      }
    } catch (error) {
      if (isAlcoveError(error, 'download-refused')) noteDeclined(rung, attempt)
      if (!isAlcoveError(error, 'out-of-memory') || at === contexts.length - 1) throw error
    }
  }
  throw new AlcoveError('internal', `'${rung}' has no context to be tried with`)
}

/** The next answer has the ladder walked anew, where what was noted of the model now speaks against it. */
function forget(state: RegistryState, id: string): void {
  for (const [key, model] of state.chosen) if (model.id === id) state.chosen.delete(key)
}

/** Loads a model and keeps book: what it fails with, and whether the page outlives its start. */
async function loadNoted(
  state: RegistryState,
  model: ChatModel,
  contextTokens: number | undefined,
  load: LoadOptions,
  notes: DeviceNotes | undefined,
): Promise<void> {
  let isStarting = false
  const begin = (): void => {
    if (isStarting || !notes || !findEntry(model.id)) return
    isStarting = true
    void notes.starting(model.id)
  }
  if (state.isLoaded(model.id)) return state.load(model, load)
  try {
    await state.load(model, {
      ...load,
      onProgress(status) {
        // A page that is closed in the middle of a download says nothing of the model.
        const { loadedBytes = 0, totalBytes = 0 } = status
        if (totalBytes > 0 && loadedBytes >= totalBytes) begin()
        load.onProgress?.(status)
      },
    })
    if (isStarting) await notes?.worked(model.id)
  } catch (error) {
    const failure = toAlcoveError(error, 'model-load-failed')
    if (failure.code === 'aborted' || failure.code === 'closed') {
      if (isStarting) await notes?.worked(model.id)
    } else if (findEntry(model.id)) {
      await notes?.failed(model.id, failure, contextTokens)
    }
    throw failure
  }
}

/** Where the catalogue does not know the length of a download, its servers do. */
async function checkDownload(id: string, { state, maxDownloadBytes, load }: Attempt): Promise<void> {
  const entry = findEntry(id)
  const isKnown = entry?.downloadBytes !== undefined && entry.leastDownloadBytes === undefined
  if (maxDownloadBytes === undefined || id === 'extractive' || isKnown) return
  const { bytes = 0 } = await state.options.inspect(id, load.signal)
  if (bytes <= maxDownloadBytes) return
  throw new AlcoveError(
    'constraint-unmet',
    `'${id}' is a download of ${sizeText(bytes)}; at most ${sizeText(maxDownloadBytes)} are wanted.`,
    { details: { constraint: 'maxDownloadBytes' } },
  )
}

/** Who declined a download is not asked about others of nearly its size in a row. */
function refuseDeclined(id: string, { state, stored }: Attempt): void {
  const entry = findEntry(id)
  const bytes = entry?.downloadBytes ?? entry?.memoryBytes
  if (bytes === undefined || stored?.has(id) || bytes * 2 <= state.declinedBytes) return
  if (state.declinedBytes === Number.POSITIVE_INFINITY) return
  throw new AlcoveError(
    'download-refused',
    `${entry?.title} needs a download of about ${sizeText(bytes)}; one of ${sizeText(state.declinedBytes)} was just declined.`,
  )
}

function noteDeclined(id: string, { state, canAsk }: Attempt): void {
  const entry = findEntry(id)
  const bytes = entry?.downloadBytes ?? entry?.memoryBytes
  if (canAsk && bytes !== undefined) state.declinedBytes = Math.min(state.declinedBytes, bytes)
}

/** Loads a model by its name and takes it for a task. */
export async function takeModel(
  state: RegistryState,
  task: ChatTask,
  id: string,
  load: LoadOptions,
): Promise<ChatModel> {
  const { options, taken, chosen } = state
  checkKind('chat', id)
  const model = await state.get(id)
  const notes = findEntry(id) ? await options.notes?.() : undefined
  await notes?.forget(id)
  const before = taken.get(task) ?? chosen.get(state.keyOf(task))
  const isLeft = before !== undefined && before.id !== id && isOnlyFor(state, before, task)
  const isTight = isLeft && !(await fitTogether(state, before.id, id))
  if (isTight) await before.dispose().catch(() => {})
  await loadNoted(state, model, undefined, load, notes)
  taken.set(task, notes ? observeModel(model, notes) : model)
  // Not waited for: it finishes the answer under way, whose reader may be waiting for this.
  if (isLeft && !isTight) void before.dispose().catch(() => {})
  return model
}

/** Whether a model serves this task alone, and is ours to unload: one that the page's author made may serve others. */
function isOnlyFor(state: RegistryState, { id }: ChatModel, task: ChatTask): boolean {
  if (id === 'extractive') return false
  if (([state.options.model].flat() as readonly Rung[]).some((rung) => typeof rung !== 'string' && rung.id === id))
    return false
  const others = (['chat', 'documents', 'tools'] as const).filter((other) => other !== task)
  return others.every((other) => (state.taken.get(other) ?? state.chosen.get(state.keyOf(other)))?.id !== id)
}

async function fitTogether({ options }: RegistryState, first: string, second: string): Promise<boolean> {
  const entries = [findEntry(first), findEntry(second)]
  const needs = entries.map((entry) => entry && predictMemory(entry, entry.contextTokens))
  if (needs.some((bytes) => bytes === undefined)) return true
  const runsOnGpu = entries.some((entry) => entry?.needs.includes('webgpu'))
  return (needs[0] as number) + (needs[1] as number) <= memoryBudget(await options.device(), runsOnGpu)
}

/** Some 60 tokens of plain text: enough to measure by, and little to wait for. */
const MEASURED_TEXT =
  'The library opens at nine in the morning and closes at six. On Fridays it stays open until eight. Visitors may borrow up to ten ' +
  'books for four weeks, and bring them back to any branch of the town. What is late costs a little each day.'

/** Reads a short prompt once, where the speed of a catalogue's model on this device is not known yet. */
export async function measurePrefill(state: RegistryState, model: ChatModel, signal?: AbortSignal): Promise<void> {
  const notes = findEntry(model.id) && (await state.options.notes?.())
  if (!notes || (await notes.read()).rates[model.id] !== undefined) return
  const request = {
    messages: [{ role: 'user' as const, content: MEASURED_TEXT }],
    sampling: { temperature: 0, maxTokens: 1 },
  }
  for await (const part of iterate(model.stream(request, { signal }))) {
    if (part.type === 'model-usage') await notes.measured(model.id, part.usage)
  }
}
