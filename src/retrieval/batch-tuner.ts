/** Finds out at run time how large a batch is best: the throughput of a model by size is not known before. */
export interface BatchTuner {
  /** Most that the next batch should cost, in tokens with padding. */
  readonly cost: number
  /** Tells what a batch cost and how long it took. */
  record(cost: number, elapsedMs: number): void
}

export interface BatchTunerOptions {
  /** How long a batch should take at most. */
  readonly targetMs: number
  /** Cost of the first batches. @default 256 */
  readonly firstCost?: number | undefined
  /** @default 16,384 */
  readonly maxCost?: number | undefined
}

/** Batches of a level that are timed before it is judged. */
const samplesNeeded = 3
/** How much faster another level must be, for each token, to be taken. */
const leastGain = 1.05
/** Batches after which the neighbours of the best level are tried again. */
const retryAfter = 200
const minCost = 32

interface Level {
  /** Milliseconds for a token, of the last batches. */
  readonly samples: number[]
}

/**
 * Climbs to the fastest size, a factor of two at a time: a level is judged by the median of a few batches, its neighbours are tried once
 * and again after a while, and the faster one stays. Whatever is faster, no batch is planned to take longer than the target.
 */
export function createBatchTuner({ targetMs, firstCost = 256, maxCost = 16_384 }: BatchTunerOptions): BatchTuner {
  const levels = new Map<number, Level>()
  let best = 0
  let tried = 0
  let batches = 0
  /** Recent milliseconds for a token, for the limit of time. */
  let msPerToken: number | undefined

  const costOf = (level: number): number => firstCost * 2 ** level
  const levelOf = (level: number): Level => {
    const known = levels.get(level) ?? { samples: [] }
    levels.set(level, known)
    return known
  }
  const speedOf = (level: number): number | undefined => {
    const { samples } = levelOf(level)
    if (samples.length < samplesNeeded) return undefined
    return samples.toSorted((a, b) => a - b)[samples.length >> 1]
  }
  const longest = (): number => (msPerToken === undefined ? firstCost : targetMs / msPerToken)
  const isPossible = (level: number): boolean =>
    costOf(level) >= minCost && costOf(level) <= maxCost && costOf(level) <= longest()

  function choose(): void {
    const speed = speedOf(tried)
    const bestSpeed = speedOf(best)
    if (speed === undefined) return
    if (tried !== best && bestSpeed !== undefined && bestSpeed > speed * leastGain) best = tried
    if (batches % retryAfter === 0) {
      for (const level of [...levels.keys()]) if (level !== best) levels.delete(level)
    }
    tried = [best + 1, best - 1].find((level) => isPossible(level) && speedOf(level) === undefined) ?? best
  }

  return {
    get cost() {
      return Math.max(minCost, Math.min(costOf(tried), longest(), maxCost))
    },
    record(cost, elapsedMs) {
      if (!(cost > 0) || !(elapsedMs >= 0)) return
      const measured = elapsedMs / cost
      msPerToken = msPerToken === undefined ? measured : msPerToken * 0.7 + measured * 0.3
      // The first batch pays for what is set up with it; one that was not full tells nothing of its level.
      if (++batches === 1) return
      const planned = Math.min(costOf(tried), maxCost)
      if (cost < planned * 0.6 && costOf(tried) <= longest()) return
      const { samples } = levelOf(tried)
      samples.push(measured)
      if (samples.length > 5) samples.shift()
      choose()
    },
  }
}
