import { AlcoveError } from '../../protocol/error.js'
import { sizeText } from '../../text/size-text.js'
import { type CatalogueEntry, chatCatalogue, embeddingCatalogue, speaks } from './catalogue.js'
import type { ModelConstraints } from './constraints.js'
import type { DeviceProfile } from './device.js'
import { contextSteps, LEAST_CONTEXT, memoryBudget, predictMemory, reachableContext } from './memory.js'
import type { ModelPrediction, Refusal } from './report.js'
import { type PrefillRates, predictPrefill, USUAL_PROMPT_TOKENS } from './speed.js'

/** A rung that is worth a try. */
export interface PlannedRung {
  readonly id: string
  /** Contexts to try, longest first; empty where the catalogue knows nothing of the model. */
  readonly contexts: readonly number[]
  readonly prediction: ModelPrediction
}

/** What is remembered of models on this device. */
export interface DeviceMemory {
  readonly rates: PrefillRates
  /** Why a model is not tried again for now; with the context that it failed with, a shorter one may do. */
  readonly failures: Readonly<Record<string, { code: string; reason: string; contextTokens?: number | undefined }>>
}

/** A choice to be made. */
export interface PlanInput {
  readonly device: DeviceProfile
  readonly constraints?: ModelConstraints | undefined
  readonly memory?: DeviceMemory | undefined
  /** Ids whose files are on this device. */
  readonly stored?: ReadonlySet<string> | undefined
  /** What may be fetched without asking, in bytes, and whether somebody can be asked. @default all may be fetched */
  readonly consent?: { readonly unaskedBytes: number; readonly canAsk: boolean } | undefined
  /** Whether models may be reordered: those of the page's language first, one build of each by each engine. @default false: the author's order holds */
  readonly isFree?: boolean | undefined
}

export interface LadderPlan {
  readonly rungs: readonly PlannedRung[]
  readonly refused: readonly Refusal[]
}

const NO_MEMORY: DeviceMemory = { rates: {}, failures: {} }
const catalogue = [...chatCatalogue, ...embeddingCatalogue]
const byId = new Map(catalogue.map((entry) => [entry.id, entry]))
/**
 * Without these limits WebLLM's runtime does not start, and with these it holds large models (tvmjs, `detectGPUDevice`). ONNX Runtime binds
 * the embeddings of a whole vocabulary at once, which are more than the least of these but for small models.
 */
const LEAST_LIMITS = { buffer: 2 ** 28, binding: 2 ** 27 }
const FULL_LIMITS = { buffer: 2 ** 30, binding: 2 ** 30 }
/** With less, a conversation is cut after a turn or two, and a model that thinks first does not come to its answer. */
const USEFUL_CONTEXT = 2_048
/** A smaller download that finds no room goes on in memory. */
const STORED_FROM_BYTES = 16_777_216
const DEFAULT_FIRST_TOKEN_MS = 60_000

/**
 * Which rungs are worth a try on a device, best first, and why the others are not. A pure function: nothing is asked or loaded. An id that
 * the catalogue does not know is tried, for nothing speaks against it.
 */
export function planLadder(ids: readonly string[], input: PlanInput): LadderPlan {
  const refused: Refusal[] = []
  const rungs: PlannedRung[] = []
  /** One build of a model by each engine: another engine's is for when this one fails. */
  const done = new Set<string>()
  for (const id of input.isFree ? byLanguage(ids, input.device.language) : ids) {
    const entry = byId.get(id)
    const build = entry && `${id.slice(0, id.indexOf(':'))} ${entry.family}`
    if (input.isFree && build && done.has(build)) continue
    const verdict = judge(id, entry, input)
    if (verdict instanceof AlcoveError) {
      refused.push({ model: id, code: verdict.code, reason: verdict.message })
      // A later build of an engine is for cards that lack something, and larger in every respect.
      if (build && verdict.code !== 'webgpu-unavailable') done.add(build)
      continue
    }
    rungs.push(verdict)
    if (build) done.add(build)
  }
  return { rungs: input.isFree ? byContext(rungs) : rungs, refused }
}

/** Models that fit only with a context that is too short to be of use come after all others; the extractive answerer keeps its place. */
function byContext(rungs: readonly PlannedRung[]): readonly PlannedRung[] {
  const lag = ({ id, contexts: [longest = USEFUL_CONTEXT] }: PlannedRung): number => {
    if (id === 'extractive') return 2
    return longest < Math.min(USEFUL_CONTEXT, byId.get(id)?.contextTokens ?? USEFUL_CONTEXT) ? 1 : 0
  }
  return rungs.toSorted((first, second) => lag(first) - lag(second))
}

/** Models that speak the page's language first, otherwise in order. The extractive answerer keeps its place at the end. */
function byLanguage(ids: readonly string[], language: string | undefined): readonly string[] {
  if (language === undefined) return ids
  const lag = (id: string): number => {
    const entry = byId.get(id)
    if (id === 'extractive') return 2
    return entry && !speaks(entry, language) ? 1 : 0
  }
  return ids
    .map((id) => ({ id, lag: lag(id) }))
    .sort((first, second) => first.lag - second.lag)
    .map(({ id }) => id)
}

function judge(id: string, entry: CatalogueEntry | undefined, input: PlanInput): PlannedRung | AlcoveError {
  const { device, constraints = {}, memory = NO_MEMORY } = input
  if (id.startsWith('http:') && constraints.allowRemote === false)
    return unmet(`'${id}' is on a server, and remote models are not allowed here`, 'allowRemote')
  const failure = memory.failures[id]
  const plain: PlannedRung = {
    id,
    contexts: [],
    prediction: { model: id, contextTokens: undefined, memoryBytes: undefined, firstTokenMs: undefined },
  }
  if (!entry) return failure ? remembered(id, failure) : plain
  const refused =
    refuseByDevice(entry, device, constraints.maxMemoryBytes) ??
    refuseByConstraints(entry, constraints) ??
    refuseByDownload(entry, input)
  if (refused) return refused
  const contexts = fittingContexts(entry, input)
  if (contexts instanceof AlcoveError) return contexts
  const [contextTokens] = contexts
  if (failure && contextTokens === undefined) return remembered(entry.title, failure)
  const rate = predictPrefill(entry, device, memory.rates, catalogue)
  const firstTokenMs = rate && Math.round((USUAL_PROMPT_TOKENS / rate) * 1_000)
  const longest = constraints.maxFirstTokenMs ?? DEFAULT_FIRST_TOKEN_MS
  if (firstTokenMs !== undefined && firstTokenMs > longest) {
    return unmet(
      `${entry.title} would take about ${Math.round(firstTokenMs / 1_000)} s here to read a usual prompt; at most ${Math.round(longest / 1_000)} s are wanted`,
      'maxFirstTokenMs',
    )
  }
  const memoryBytes = contextTokens === undefined ? undefined : predictMemory(entry, contextTokens)
  return { id, contexts, prediction: { model: id, contextTokens, memoryBytes, firstTokenMs } }
}

const remembered = (title: string, { code, reason }: { readonly code: string; readonly reason: string }) =>
  new AlcoveError(code as AlcoveError['code'], `${title} failed on this device before: ${reason}`)

const unmet = (message: string, constraint: string) =>
  new AlcoveError('constraint-unmet', `${message}.`, { details: { constraint } })

/** Contexts that fit in memory and with which it has not failed, longest first. */
function fittingContexts(entry: CatalogueEntry, input: PlanInput): number[] | AlcoveError {
  const { device, constraints = {}, memory = NO_MEMORY } = input
  const { minContextTokens = Math.min(LEAST_CONTEXT, entry.contextTokens), maxContextTokens } = constraints
  const budget = constraints.maxMemoryBytes ?? memoryBudget(device, entry.needs.includes('webgpu'))
  const failure = memory.failures[entry.id]
  // Running out of memory speaks against contexts of this length and more; any other failure against all.
  const below = failure && (failure.code === 'out-of-memory' ? (failure.contextTokens ?? 0) : 0)
  const fits = (tokens: number) => (predictMemory(entry, tokens) ?? 0) <= budget
  const contexts = contextSteps(entry, minContextTokens, maxContextTokens).filter(fits)
  if (contexts.length === 0) {
    const need = predictMemory(entry, minContextTokens) ?? 0
    return new AlcoveError(
      'out-of-memory',
      `${entry.title} needs about ${sizeText(need)} of memory with ${minContextTokens} tokens of context; it may take ${sizeText(budget)} here.`,
      { details: { memoryBytes: need, budgetBytes: Math.round(budget) } },
    )
  }
  return below === undefined ? contexts : contexts.filter((tokens) => tokens < below)
}

/**
 * Why this device cannot run a catalogue entry, whatever its context, or undefined when it can as far as is known beforehand.
 * A model that the catalogue does not know is tried.
 */
export function refuseByDevice(
  entry: CatalogueEntry | undefined,
  device: DeviceProfile,
  maxMemoryBytes?: number,
): AlcoveError | undefined {
  if (!entry) return undefined
  const refuse = (code: 'webgpu-unavailable' | 'out-of-memory', message: string) => new AlcoveError(code, message)
  const needsGpu = entry.needs.includes('webgpu')
  if (needsGpu && device.webgpu !== 'hardware') {
    const got =
      device.webgpu === 'none'
        ? 'this browser offers no WebGPU adapter'
        : 'this device has only a software WebGPU adapter'
    return refuse('webgpu-unavailable', `${entry.title} needs WebGPU on a graphics card; ${got}.`)
  }
  if (entry.needs.includes('shader-f16') && !device.shaderF16) {
    return refuse(
      'webgpu-unavailable',
      `${entry.title} needs 16-bit shader numbers (shader-f16); this graphics card has none.`,
    )
  }
  if (needsGpu) {
    const limits = entry.lowResource || entry.id.includes('embed') ? LEAST_LIMITS : FULL_LIMITS
    const { maxBufferBytes, maxBindingBytes = maxBufferBytes } = device
    if (maxBufferBytes < limits.buffer || maxBindingBytes < limits.binding) {
      return refuse(
        'webgpu-unavailable',
        `${entry.title} needs GPU buffers of ${sizeText(limits.buffer)}, ${sizeText(limits.binding)} of them seen at once; this graphics card gives ${sizeText(maxBufferBytes)} and ${sizeText(maxBindingBytes)}.`,
      )
    }
  }
  const least = predictMemory(entry, Math.min(LEAST_CONTEXT, entry.contextTokens))
  const budget = maxMemoryBytes ?? memoryBudget(device, needsGpu)
  if (least !== undefined && least > budget) {
    const told =
      device.memoryBytes === undefined
        ? `a page can count on about ${sizeText(budget)} here`
        : `a model may take ${sizeText(budget)} of the ${sizeText(device.memoryBytes)} that this device reports`
    return refuse('out-of-memory', `${entry.title} needs about ${sizeText(least)} of memory; ${told}.`)
  }
  return undefined
}

function refuseByConstraints(entry: CatalogueEntry, constraints: ModelConstraints): AlcoveError | undefined {
  const { languages = [], minContextTokens, maxDownloadBytes } = constraints
  const missing = languages.filter((language) => !speaks(entry, language))
  if (missing.length > 0) return unmet(`${entry.title} is not made for ${missing.join(', ')}`, 'languages')
  const reach = reachableContext(entry, minContextTokens ?? 0)
  if (minContextTokens !== undefined && minContextTokens > reach) {
    return unmet(
      `${entry.title} has a context of ${reach} tokens; ${minContextTokens} are asked for`,
      'minContextTokens',
    )
  }
  const bytes = leastDownload(entry)
  if (maxDownloadBytes !== undefined && bytes > maxDownloadBytes) {
    return unmet(
      `${entry.title} is a download of ${atLeast(entry)}${sizeText(bytes)}; at most ${sizeText(maxDownloadBytes)} are wanted`,
      'maxDownloadBytes',
    )
  }
  return undefined
}

/** Of the catalogue's models whose length is known too, weights are 36 % and more of the memory that is not cache. */
const LEAST_WEIGHT_SHARE = 1 / 3

/** Whether `leastDownload` is all that is known. */
const atLeast = ({ downloadBytes, leastDownloadBytes }: CatalogueEntry): string =>
  downloadBytes === undefined || leastDownloadBytes !== undefined ? 'at least ' : ''

/**
 * Length of a download, or the least that it can be: a 32-bit build of a model has all that its 16-bit one has, in longer numbers.
 */
export function leastDownload(entry: CatalogueEntry): number {
  const sister = entry.id.includes('q4f32') ? byId.get(entry.id.replace('q4f32', 'q4f16')) : undefined
  const least = sister?.downloadBytes ?? Math.round((predictMemory(entry, 0) ?? 0) * LEAST_WEIGHT_SHARE)
  return entry.leastDownloadBytes ?? entry.downloadBytes ?? least
}

function refuseByDownload(entry: CatalogueEntry, input: PlanInput): AlcoveError | undefined {
  const { id, title } = entry
  const { device, consent, stored } = input
  if (stored?.has(id)) return undefined
  const bytes = leastDownload(entry)
  const about = `${atLeast(entry)}${sizeText(bytes)}`
  if (consent && !consent.canAsk && bytes > consent.unaskedBytes) {
    const why = device.saveData
      ? 'nothing is fetched unasked, as the browser asks to save data'
      : `at most ${sizeText(consent.unaskedBytes)} are fetched unasked`
    return new AlcoveError('download-refused', `${title} needs a download of ${about}; ${why}.`)
  }
  const { storageBytes } = device
  if (storageBytes !== undefined && bytes > storageBytes && bytes >= STORED_FROM_BYTES) {
    return new AlcoveError(
      'quota-exceeded',
      `${title} needs ${about} of storage; this page may use ${sizeText(storageBytes)} more.`,
    )
  }
  return undefined
}
