import type { Clock } from '../runtime/clock.js'

export interface HeartbeatOptions {
  readonly clock: Clock
  /** Time between beats. @default 5_000 */
  readonly beatMs?: number | undefined
  /**
   * Beats in a row without an answer that mean death. Generous: a model's prefill on wasm may block its worker for a
   * minute and more. Counted in beats, not time, so that a machine that slept is no death. @default 36
   */
  readonly maxLostBeats?: number | undefined
  /** Only while this is true are beats sent and counted. */
  isBusy(): boolean
  ping(): void
  onDeath(): void
}

/** Sees a worker's death by its silence, and one that is alive but stuck: it holds its lock. */
export function createHeartbeat(options: HeartbeatOptions): { answer(): void; stop(): void } {
  const { clock, beatMs = 5_000, maxLostBeats = 36 } = options
  let lost = 0
  let waiting = false
  let cancel = clock.setTimer(beatMs, beat)

  function beat(): void {
    cancel = clock.setTimer(beatMs, beat)
    if (!options.isBusy()) {
      lost = 0
      return
    }
    if (!waiting) {
      waiting = true
      options.ping()
      return
    }
    lost += 1
    if (lost < maxLostBeats) return
    cancel()
    options.onDeath()
  }

  return {
    answer() {
      waiting = false
      lost = 0
    },
    stop: () => cancel(),
  }
}
