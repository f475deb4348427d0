/** One row of a ranking. */
export interface ScoredId {
  readonly id: number
  readonly score: number
}

/**
 * The `limit` best of `scores` (index is the id) that are above 0 and allowed, best first; equal ones in order of id. A bounded min-heap,
 * so `allow` is asked for few ids only.
 */
export function selectTop(scores: Float32Array, limit: number, allow?: (id: number) => boolean): ScoredId[] {
  const heap = createTopHeap(limit)
  const count = scores.length
  for (let id = 0; id < count; id++) {
    const score = scores[id] as number
    if (score > 0 && score > heap.floor && (allow === undefined || allow(id))) heap.push(id, score)
  }
  return heap.drain()
}

/** A bounded heap of the best rows seen. Of rows with equal scores the lower ids are the better ones. */
export interface TopHeap {
  /** Score of the worst row kept once it is full; -Infinity before. A lower one does not get in. */
  readonly floor: number
  push(id: number, score: number): void
  /** The rows, best first, equal ones by id. Empties it. */
  drain(): ScoredId[]
}

/** @param limit how many rows are kept, at least 1 */
export function createTopHeap(limit: number): TopHeap {
  const ids: number[] = []
  const scores: number[] = []
  let floor = Number.NEGATIVE_INFINITY

  /** Whether row a is worse than row b. */
  const isWorse = (a: number, b: number): boolean => {
    const difference = (scores[a] as number) - (scores[b] as number)
    return difference < 0 || (difference === 0 && (ids[a] as number) > (ids[b] as number))
  }
  const swap = (a: number, b: number): void => {
    ;[ids[a], ids[b]] = [ids[b] as number, ids[a] as number]
    ;[scores[a], scores[b]] = [scores[b] as number, scores[a] as number]
  }
  const siftUp = (start: number): void => {
    let at = start
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isWorse(at, parent)) return
      swap(at, parent)
      at = parent
    }
  }
  const siftDown = (): void => {
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      if (left >= ids.length) return
      const worst = left + 1 < ids.length && isWorse(left + 1, left) ? left + 1 : left
      if (!isWorse(worst, at)) return
      swap(worst, at)
      at = worst
    }
  }
  return {
    get floor() {
      return floor
    },
    push(id, score) {
      if (ids.length < limit) {
        ids.push(id)
        scores.push(score)
        siftUp(ids.length - 1)
      } else if (score > floor || (score === floor && id < (ids[0] as number))) {
        ids[0] = id
        scores[0] = score
        siftDown()
      }
      if (ids.length === limit) floor = scores[0] as number
    },
    drain() {
      const rows = ids.map((id, index) => ({ id, score: scores[index] as number }))
      ids.length = 0
      scores.length = 0
      floor = Number.NEGATIVE_INFINITY
      return rows.sort((a, b) => b.score - a.score || a.id - b.id)
    },
  }
}
