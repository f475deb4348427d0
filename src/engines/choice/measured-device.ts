import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import { throwIfAborted } from '../../runtime/abort.js'
import { type Clock, systemClock } from '../../runtime/clock.js'
import type { Store } from '../../store/store.js'
import type { ModelSpec } from '../engine.js'
import type { DeviceProfile } from './device.js'

/** Where models of transformers.js can run. */
export type MeasuredDevice = 'webgpu' | 'wasm'

/** What a short piece of work took with a model that is warm. */
export interface DeviceTiming {
  readonly ms: number
  /** What an embedding model made of it. */
  readonly vectors?: readonly Float32Array[] | undefined
}

/** Where a model runs on this device, and why. */
export interface DeviceChoice {
  readonly model: string
  readonly device: MeasuredDevice
  /** A sentence with the figures. */
  readonly reason: string
  /** The same short piece of work on each, in milliseconds. */
  readonly wasmMs?: number | undefined
  readonly webgpuMs?: number | undefined
  /** The least cosine between the vectors of the two, for an embedding model. */
  readonly cosine?: number | undefined
}

/** Vectors of two builds that are nearer than this may stand in one index. */
const LEAST_COSINE = 0.999
/** What wins by less may have won by chance, and the graphics card has other work too. */
const WIN_SHARE = 0.8
/** The page's own beginning goes first. */
const DELAY_MS = 2_000
/** Longest time for one device, loading included. What takes longer has lost. */
const LIMIT_MS = 30_000

/** Decides by measurement. WebGPU has to be clearly faster, and an embedding model's vectors have to be the same there. */
export function decideDevice(
  model: string,
  wasm: DeviceTiming | AlcoveError,
  webgpu: DeviceTiming | AlcoveError,
): DeviceChoice {
  const onWasm = (reason: string, figures: Partial<DeviceChoice> = {}): DeviceChoice => ({
    model,
    device: 'wasm',
    reason,
    ...figures,
  })
  if (webgpu instanceof AlcoveError) return onWasm(`WebGPU failed: ${webgpu.message}`, timesOf(wasm))
  if (wasm instanceof AlcoveError) return onWasm(`the processor could not be measured: ${wasm.message}`)
  const cosine = leastCosine(wasm.vectors, webgpu.vectors)
  const times = { ...timesOf(wasm), webgpuMs: webgpu.ms, ...(cosine !== undefined && { cosine }) }
  const figures = `${rounded(webgpu.ms)} ms on WebGPU, ${rounded(wasm.ms)} ms on the processor`
  if (cosine !== undefined && !(cosine >= LEAST_COSINE))
    return onWasm(`WebGPU gives other vectors (cosine ${cosine.toFixed(4)}): ${figures}`, times)
  if (webgpu.ms > wasm.ms * WIN_SHARE) return onWasm(`WebGPU is not clearly faster: ${figures}`, times)
  return { model, device: 'webgpu', reason: `WebGPU is faster: ${figures}`, ...times }
}

const timesOf = (wasm: DeviceTiming | AlcoveError) => (wasm instanceof AlcoveError ? {} : { wasmMs: wasm.ms })

const rounded = (ms: number): number => (ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms))

/** The least cosine between vectors of length 1, pair by pair; undefined where one side has none. */
function leastCosine(
  first: readonly Float32Array[] | undefined,
  second: readonly Float32Array[] | undefined,
): number | undefined {
  if (!first || !second) return undefined
  const cosines = first.map((vector, at) => {
    const other = second[at]
    if (other?.length !== vector.length) return Number.NaN
    return vector.reduce((sum, value, place) => sum + value * (other[place] as number), 0)
  })
  return cosines.some(Number.isNaN) ? Number.NaN : Math.min(...cosines)
}

/** All that a measurement holds for: the model and its build. */
const keyOf = ({ id, revision = '', dtype = '' }: ModelSpec): string => `${id}@${revision}|${dtype}`

/** Choices that are remembered, for one graphics card and browser. A store that cannot be used forgets them and stops nothing. */
export interface DeviceChoices {
  get(spec: ModelSpec): Promise<DeviceChoice | undefined>
  set(spec: ModelSpec, choice: DeviceChoice): Promise<void>
}

/** @param fingerprint names the graphics card, its driver and the browser: an update of any begins anew */
export function createDeviceChoices(store: () => Promise<Store>, fingerprint: string): DeviceChoices {
  const prefix = `runs ${fingerprint} `
  return {
    async get(spec) {
      try {
        const kept = await (await store()).get<unknown>(prefix + keyOf(spec))
        return isChoice(kept) ? kept : undefined
      } catch {
        return undefined
      }
    },
    async set(spec, choice) {
      try {
        await (await store()).write({ set: [[prefix + keyOf(spec), choice]] })
      } catch {
        // It is measured again the next time.
      }
    },
  }
}

function isChoice(value: unknown): value is DeviceChoice {
  const { model, device, reason } = (value ?? {}) as Partial<DeviceChoice>
  return typeof model === 'string' && typeof reason === 'string' && (device === 'webgpu' || device === 'wasm')
}

/** Whether both could run a model, with the same weights: a build that depends on the device would not give the same. */
export function isMeasurable({ id, dtype, device }: ModelSpec, profile: DeviceProfile): boolean {
  const isPinned = dtype !== undefined && !dtype.endsWith('f16')
  return (
    id.startsWith('transformers:') &&
    isPinned &&
    device === undefined &&
    // A software adapter computes on the processor: seconds for what takes the processor itself milliseconds.
    profile.webgpu === 'hardware' &&
    !profile.saveData
  )
}

/** Finds out once for each model where it is faster, beside the page's own work, and remembers it. */
export interface MeasuredDevices {
  /** What was found before: undefined where nothing was, or there is nothing to choose. */
  choiceOf(spec: ModelSpec): Promise<DeviceChoice | undefined>
  /**
   * Measures in the background, where it is not known yet, a model whose files are on this device. For the next start: what runs is not
   * disturbed. Never rejects.
   */
  measure(spec: ModelSpec): Promise<void>
  /** The model failed on WebGPU: it runs on the processor from now on. */
  failed(spec: ModelSpec, error: AlcoveError): Promise<void>
  /** All that this page knows. */
  readonly known: readonly DeviceChoice[]
  /** Ends a measurement. */
  close(): void
}

export interface MeasuredDevicesOptions {
  readonly profile: DeviceProfile
  readonly choices: DeviceChoices
  /** Loads the model for this alone, in a worker of its own, and runs a short piece of work twice. Ends the worker when the signal aborts. */
  readonly time: (spec: ModelSpec, device: MeasuredDevice, signal: AbortSignal) => Promise<DeviceTiming>
  /** Whether all files are on this device: a measurement downloads nothing. */
  readonly isStored: (spec: ModelSpec) => Promise<boolean>
  readonly clock?: Clock | undefined
}

export function createMeasuredDevices(options: MeasuredDevicesOptions): MeasuredDevices {
  const { profile, choices, time, isStored, clock = systemClock } = options
  const known = new Map<string, DeviceChoice>()
  const measured = new Set<string>()
  const closing = new AbortController()
  /** One at a time. */
  let queue: Promise<unknown> = Promise.resolve()

  async function timed(spec: ModelSpec, device: MeasuredDevice): Promise<DeviceTiming | AlcoveError> {
    const limit = new AbortController()
    const late = new AlcoveError('timeout', `it took longer than ${LIMIT_MS / 1_000} s`)
    const cancelTimer = clock.setTimer(LIMIT_MS, () => limit.abort(late))
    try {
      return await time(spec, device, AbortSignal.any([limit.signal, closing.signal]))
    } catch (error) {
      return limit.signal.aborted ? late : toAlcoveError(error, 'model-load-failed')
    } finally {
      cancelTimer()
    }
  }

  async function run(spec: ModelSpec): Promise<void> {
    await clock.sleep(DELAY_MS, closing.signal)
    if ((await choices.get(spec)) || !(await isStored(spec))) return
    const wasm = await timed(spec, 'wasm')
    throwIfAborted(closing.signal)
    const webgpu = await timed(spec, 'webgpu')
    throwIfAborted(closing.signal)
    await note(spec, decideDevice(spec.id, wasm, webgpu))
  }

  async function note(spec: ModelSpec, choice: DeviceChoice): Promise<void> {
    known.set(keyOf(spec), choice)
    await choices.set(spec, choice)
  }

  return {
    async choiceOf(spec) {
      if (!isMeasurable(spec, profile)) return undefined
      const choice = known.get(keyOf(spec)) ?? (await choices.get(spec))
      if (choice) known.set(keyOf(spec), choice)
      return choice
    },
    measure(spec) {
      if (!isMeasurable(spec, profile) || known.has(keyOf(spec)) || measured.has(keyOf(spec))) return Promise.resolve()
      measured.add(keyOf(spec))
      const work = queue.then(() => run(spec)).catch(() => {})
      queue = work
      return work
    },
    failed: (spec, error) => note(spec, { model: spec.id, device: 'wasm', reason: `WebGPU failed: ${error.message}` }),
    get known() {
      return [...known.values()]
    },
    close: () => closing.abort(new AlcoveError('closed', 'The client was closed')),
  }
}
