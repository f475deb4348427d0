import type { CatalogueEntry } from './catalogue.js'
import type { DeviceProfile } from './device.js'
import { predictMemory } from './memory.js'

/** A prompt with instructions, a question and a few passages. */
export const USUAL_PROMPT_TOKENS = 512

/** Speed of reading, in tokens a second, by model id: as it was measured on this device. */
export type PrefillRates = Readonly<Record<string, number>>

const schemeOf = (id: string): string => id.slice(0, id.indexOf(':'))
/** Work a token, in bytes: every weight is used once. By one measure for all models of an engine. */
const workOf = (entry: CatalogueEntry): number | undefined =>
  entry.id.startsWith('webllm:') ? predictMemory(entry, 0) : entry.downloadBytes

/** Threads beside the first add about half a thread each: they share the memory's bandwidth. Only llama.cpp here uses more than one. */
function threadFactor(id: string, device: DeviceProfile): number {
  if (schemeOf(id) !== 'wllama' || !device.crossOriginIsolated) return 1
  const threads = Math.max(1, Math.min(4, Math.floor(device.cores / 2)))
  return 1 + (threads - 1) / 2
}

/**
 * Speed of reading, in tokens a second: as measured here; else from another model of the same engine here, by size; else from what was
 * measured of a model of the engine on one core. Undefined where nothing of the kind is known.
 */
export function predictPrefill(
  entry: CatalogueEntry,
  device: DeviceProfile,
  rates: PrefillRates,
  catalogue: readonly CatalogueEntry[],
): number | undefined {
  const own = rates[entry.id]
  if (own !== undefined) return own
  const work = workOf(entry)
  if (work === undefined) return undefined
  const runsOnGpu = entry.needs.includes('webgpu')
  const alike = catalogue.filter(
    ({ id, needs }) => schemeOf(id) === schemeOf(entry.id) && needs.includes('webgpu') === runsOnGpu,
  )
  const measuredHere = alike.find((other) => rates[other.id] !== undefined && workOf(other) !== undefined)
  if (measuredHere) return ((rates[measuredHere.id] as number) * (workOf(measuredHere) as number)) / work
  // A graphics card says nothing of itself by which its speed could be guessed.
  if (runsOnGpu) return undefined
  const base = alike.find(({ prefillTokensPerSecond }) => prefillTokensPerSecond !== undefined)
  const rate = base && (base.prefillTokensPerSecond as number) * threadFactor(entry.id, device)
  return rate && (rate * (workOf(base) as number)) / work
}
