import type { AlcoveError } from '../../protocol/error.js'
import type { ModelUsage } from '../../protocol/model.js'
import type { Store } from '../../store/store.js'
import type { DeviceMemory } from './plan.js'

/** What is remembered of models on this device, for one graphics card and browser. */
export interface DeviceNotes {
  /** What still holds. */
  read(): Promise<DeviceMemory>
  /** The model's files are here, and it is about to start: until `worked` or `failed`, a page that ends is laid at its door. */
  starting(id: string): Promise<void>
  worked(id: string): Promise<void>
  /** Notes a failure that would come again; others are forgotten, as is one of a worker that never started. */
  failed(id: string, error: AlcoveError, contextTokens: number | undefined): Promise<void>
  /** Notes how fast a prompt was read. The best figure counts: others were measured while the device had more to do. */
  measured(id: string, usage: ModelUsage): Promise<void>
  /** The person asks for the model by name: what was is no reason any more. */
  forget(id: string): Promise<void>
}

interface Note {
  readonly failure?: {
    readonly code: string
    readonly reason: string
    readonly contextTokens?: number
    readonly at: number
  }
  /** Starts since the last that ended in this page, and the time of the last of them. */
  readonly openStarts?: number
  readonly startedAt?: number
  readonly prefillTokensPerSecond?: number
}

const DAY_MS = 86_400_000
/** How long a failure keeps a model from being tried again: what is wrong with the device stays longer than what is wrong with files. */
const EXPIRY_MS: Readonly<Record<string, number>> = {
  'out-of-memory': 7 * DAY_MS,
  'device-lost': 7 * DAY_MS,
  'worker-crashed': 7 * DAY_MS,
  'webgpu-unavailable': DAY_MS,
  'model-load-failed': DAY_MS,
}
/** One start without an end can be a tab that somebody closed. */
const MAX_OPEN_STARTS = 2
/** A shorter prompt measures the overhead. */
const LEAST_MEASURED_TOKENS = 16

const isNote = (value: unknown): value is Note => typeof value === 'object' && value !== null

/**
 * Notes in a store. A store that cannot be used loses them and stops nothing.
 * @param fingerprint names the graphics card, its driver and the browser: an update of any begins anew
 * @param now the time in milliseconds since the epoch
 */
export function createDeviceNotes(store: () => Promise<Store>, fingerprint: string, now: () => number): DeviceNotes {
  const prefix = `model ${fingerprint} `
  let queue: Promise<unknown> = Promise.resolve()

  async function change(id: string, update: (note: Note) => Note): Promise<void> {
    const work = queue.then(async () => {
      const to = await store()
      const kept = await to.get<unknown>(prefix + id)
      await to.write({ set: [[prefix + id, update(isNote(kept) ? kept : {})]] })
    })
    queue = work.catch(() => {})
    await queue
  }

  return {
    async read() {
      await queue
      const rates: Record<string, number> = {}
      const failures: Record<string, DeviceMemory['failures'][string]> = {}
      try {
        const from = await store()
        const keys = await from.keys(prefix)
        const notes = await from.getMany<unknown>(keys)
        keys.forEach((key, at) => {
          const note = notes[at]
          if (!isNote(note)) return
          const id = key.slice(prefix.length)
          if (typeof note.prefillTokensPerSecond === 'number') rates[id] = note.prefillTokensPerSecond
          const failure = failureOf(note, now())
          if (failure) failures[id] = failure
        })
      } catch {
        // Nothing is remembered then.
      }
      return { rates, failures }
    },
    starting: (id) => change(id, (note) => ({ ...note, openStarts: (note.openStarts ?? 0) + 1, startedAt: now() })),
    worked: (id) =>
      change(id, ({ prefillTokensPerSecond }) => ({ ...(prefillTokensPerSecond && { prefillTokensPerSecond }) })),
    failed: (id, { code, message, details }, contextTokens) =>
      change(id, ({ prefillTokensPerSecond }) => ({
        ...(prefillTokensPerSecond && { prefillTokensPerSecond }),
        // A worker whose script did not come is a matter of the connection: no model was tried.
        ...(code in EXPIRY_MS &&
          details.hasStarted !== false && {
            failure: { code, reason: message, at: now(), ...(contextTokens !== undefined && { contextTokens }) },
          }),
      })),
    async measured(id, { promptTokens, cachedTokens = 0, prefillMs }) {
      const read = promptTokens - cachedTokens
      if (prefillMs === undefined || !(prefillMs > 0) || read < LEAST_MEASURED_TOKENS) return
      const rate = (read * 1_000) / prefillMs
      await change(id, (note) => ({
        ...note,
        prefillTokensPerSecond: Math.max(rate, note.prefillTokensPerSecond ?? 0),
      }))
    },
    forget: (id) =>
      change(id, ({ prefillTokensPerSecond }) => ({ ...(prefillTokensPerSecond && { prefillTokensPerSecond }) })),
  }
}

function failureOf(note: Note, now: number): DeviceMemory['failures'][string] | undefined {
  const { failure, openStarts = 0, startedAt = 0 } = note
  if (openStarts >= MAX_OPEN_STARTS && now - startedAt < (EXPIRY_MS['worker-crashed'] as number)) {
    return { code: 'worker-crashed', reason: `the page ended ${openStarts} times while the model was starting` }
  }
  if (!failure || now - failure.at >= (EXPIRY_MS[failure.code] ?? 0)) return undefined
  const { code, reason, contextTokens } = failure
  return { code, reason, contextTokens }
}
