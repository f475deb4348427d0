import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import type { ChatModel, ModelTask } from '../../protocol/model.js'
import type { DeviceProfile } from './device.js'
import { type CatalogueEntry, chatCatalogue } from './model-spec.js'

/** Why a rung of the ladder was not taken. */
export interface Refusal {
  readonly model: string
  readonly code: string
  readonly reason: string
}

/** What was chosen for each task, on which device, and why the better rungs were refused. */
export interface LadderReport {
  readonly chosen: {
    readonly chat: string | null
    readonly documents: string | null
    readonly tools: string | null
    readonly embedding: string | null
  }
  readonly device: DeviceProfile
  readonly refused: readonly Refusal[]
}

/** One rung: a model to try, by id or as an object. */
export type Rung = string | ChatModel

/** Id of a rung. */
export const rungId = (rung: Rung): string => (typeof rung === 'string' ? rung : rung.id)

/**
 * The rungs of `'auto'` for a task, best first. Over documents, a model that is too weak to be trusted alone is never chosen: the
 * extractive answerer quotes and cannot invent. In a chat without documents that answerer is the last resort. The browser's own model is
 * asked about where there is one: it downloads nothing of ours. A remote model is never among them.
 */
export function autoRungs(task: Exclude<ModelTask, 'embedding'>): string[] {
  const rungs = chatCatalogue.filter((entry) => task !== 'documents' || entry.trust === 'answer')
  const own = 'LanguageModel' in globalThis ? ['prompt-api'] : []
  return [...own, ...rungs.map((entry) => entry.id), 'extractive']
}

/** Largest share of the device's memory that a model may take: the page and the system need the rest. */
const MEMORY_SHARE = 0.75

/**
 * Why this device cannot run a catalogue entry, or undefined when it can as far as is known beforehand.
 * A model that the catalogue does not know is tried.
 */
export function refuseByDevice(entry: CatalogueEntry | undefined, device: DeviceProfile): AlcoveError | undefined {
  if (!entry) return undefined
  if (entry.needs.includes('webgpu') && device.webgpu !== 'hardware') {
    const got =
      device.webgpu === 'none'
        ? 'this browser offers no WebGPU adapter'
        : 'this device has only a software WebGPU adapter'
    return new AlcoveError('webgpu-unavailable', `${entry.title} needs WebGPU on a graphics card; ${got}.`)
  }
  if (entry.needs.includes('shader-f16') && !device.shaderF16) {
    return new AlcoveError(
      'webgpu-unavailable',
      `${entry.title} needs 16-bit shader numbers (shader-f16); this graphics card has none.`,
    )
  }
  const { memoryBytes } = device
  if (memoryBytes !== undefined && entry.memoryBytes !== undefined && entry.memoryBytes > memoryBytes * MEMORY_SHARE) {
    return new AlcoveError(
      'out-of-memory',
      `${entry.title} needs about ${megabytes(entry.memoryBytes)} MB of memory; this device reports ${megabytes(memoryBytes)} MB in all.`,
    )
  }
  return undefined
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e6)

/**
 * Walks down the rungs until one can be made ready, and notes why the others were refused.
 * @param ready makes one rung ready, or throws why it cannot be had
 * @throws AlcoveError `aborted` at once when the caller gives up; the last refusal when no rung is left
 */
export async function walkLadder<Ready>(
  rungs: readonly Rung[],
  ready: (rung: Rung) => Promise<Ready>,
): Promise<{ readonly ready: Ready; readonly refused: readonly Refusal[] }> {
  const refused: Refusal[] = []
  let last: AlcoveError | undefined
  for (const rung of rungs) {
    try {
      return { ready: await ready(rung), refused }
    } catch (error) {
      last = toAlcoveError(error, 'model-load-failed')
      if (last.code === 'aborted' || last.code === 'closed') throw last
      refused.push({ model: rungId(rung), code: last.code, reason: last.message })
    }
  }
  if (last && rungs.length === 1) throw last
  throw new AlcoveError(
    'model-not-found',
    `none of the ${rungs.length} models could be used: ${refused.map((row) => `${row.model} (${row.code})`).join(', ')}`,
    {
      hint: 'See details.refused for each reason. `extractive` needs no download and always runs.',
      cause: last,
      details: { refused },
    },
  )
}
