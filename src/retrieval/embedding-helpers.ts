import type { EmbeddingEngine, ModelSpec } from '../engines/engine.js'
import { threadCount } from '../engines/threads.js'
import { openEmbeddingWorker } from './embed-api.js'
import type { EmbeddingHelpers } from './embedding-lanes.js'

/** What a device says of itself. */
export interface DeviceSize {
  readonly cores: number
  /** Gigabytes, where the browser tells. */
  readonly memory: number | undefined
  /** Threads that a session takes by itself. */
  readonly threads: number
}

export interface HelperOptions {
  readonly spec: ModelSpec
  /** Starts an embedding worker. */
  readonly open: () => Worker
  readonly inspect: EmbeddingEngine['inspect']
  /** @default this device */
  readonly device?: DeviceSize | undefined
}

/** A copy takes the model's bytes again, and the working memory of its session. */
const leastMemory = 4
const memoryForMany = 8
const mostHelpers = 3

/**
 * Copies of a model that runs on WebAssembly, as many as the device has cores and memory for: together with the model itself they leave half of
 * the cores free, but the one beside the first. None where the browser does not tell its memory, and none that would have to be fetched.
 */
export function createEmbeddingHelpers({
  spec,
  open,
  inspect,
  device = deviceSize(),
}: HelperOptions): EmbeddingHelpers | undefined {
  const most = countHelpers(device)
  if (most === 0 || (spec.device ?? 'wasm') !== 'wasm') return undefined
  return {
    most,
    async open() {
      const { state, device: runsOn = 'wasm' } = await inspect(spec)
      return state === 'available' && runsOn === 'wasm' ? await openEmbeddingWorker(open, spec) : undefined
    },
  }
}

function countHelpers({ cores, memory = 0, threads }: DeviceSize): number {
  if (cores < 2 || memory < leastMemory) return 0
  const idle = Math.max(1, Math.floor(cores / 2 / threads))
  return memory < memoryForMany ? 1 : Math.min(idle, mostHelpers)
}

function deviceSize(): DeviceSize {
  const { hardwareConcurrency: cores = 1, deviceMemory: memory } = (globalThis.navigator ??
    {}) as Partial<Navigator> & {
    readonly deviceMemory?: number
  }
  return { cores, memory, threads: threadCount(cores) }
}
