import { AlcoveError, type AlcoveErrorCode, isAlcoveError, toAlcoveError } from '../protocol/error.js'
import { abortError, onAbort, throwIfAborted } from './abort.js'
import { type Clock, systemClock } from './clock.js'

export interface BatcherOptions<Item, Result> {
  /**
   * Does the work of one batch: a result or an error for each item, in order. The signal aborts when no caller waits for
   * the batch any more. When it rejects with an error that one item may have caused, the batch is halved until the item at
   * fault stands alone.
   */
  run(items: readonly Item[], signal: AbortSignal): Promise<readonly (Result | AlcoveError)[]>
  /** Read at each batch, so that it may be found at run time. */
  readonly maxBatchSize: number | (() => number)
  /** Longest time that an item waits for company, in milliseconds. @default 5 */
  readonly maxWaitMs?: number | undefined
  /** Size of an item: a batch is made of items of like size, to waste no padding. @default all alike */
  readonly sizeOf?: ((item: Item) => number) | undefined
  readonly clock?: Clock | undefined
}

export interface SubmitOptions {
  /** Takes this item out; the others of its batch go on. */
  readonly signal?: AbortSignal | undefined
  /** Higher goes first, and never shares a batch with lower. @default 0 */
  readonly priority?: number | undefined
}

/** Gathers single requests into batches, and runs one batch at a time. */
export interface Batcher<Item, Result> {
  submit(item: Item, options?: SubmitOptions): Promise<Result>
  /** Starts now what waits for company. Resolves when nothing waits or runs. */
  flush(): Promise<void>
  /** Number of items that wait. */
  readonly pending: number
}

interface Entry<Item, Result> {
  readonly item: Item
  readonly size: number
  readonly priority: number
  readonly submittedAt: number
  /** Set when its caller has aborted. */
  gone: boolean
  onGone: () => void
  resolve(result: Result): void
  reject(error: AlcoveError): void
}

/** Errors that one item can bring upon its batch. */
const ITEM_ERRORS: readonly AlcoveErrorCode[] = [
  'internal',
  'invalid-argument',
  'context-overflow',
  'too-large',
  'output-invalid',
  'out-of-memory',
]

/** A batcher over `options.run`. */
export function createBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  return new GatheringBatcher(options)
}

class GatheringBatcher<Item, Result> implements Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>
  readonly #clock: Clock
  /** In order of arrival. */
  #waiting: Entry<Item, Result>[] = []
  #isRunning = false
  #isFlushing = false
  #cancelTimer = () => {}
  #idleWaiters: (() => void)[] = []

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  get pending(): number {
    return this.#waiting.length
  }

  async submit(item: Item, { signal, priority = 0 }: SubmitOptions = {}): Promise<Result> {
    throwIfAborted(signal)
    return await new Promise<Result>((resolve, reject) => {
      const entry: Entry<Item, Result> = {
        item,
        priority,
        size: this.#options.sizeOf?.(item) ?? 0,
        submittedAt: this.#clock.now(),
        gone: false,
        onGone: () => {},
        resolve(result) {
          forget()
          resolve(result)
        },
        reject(error) {
          forget()
          reject(error)
        },
      }
      const forget = onAbort(signal, (aborted) => {
        entry.gone = true
        this.#waiting = this.#waiting.filter((other) => other !== entry)
        entry.onGone()
        entry.reject(abortError(aborted))
        this.#schedule()
      })
      this.#waiting.push(entry)
      this.#schedule()
    })
  }

  async flush(): Promise<void> {
    if (this.#waiting.length === 0 && !this.#isRunning) return
    this.#isFlushing = true
    await new Promise<void>((resolve) => {
      this.#idleWaiters.push(resolve)
      this.#schedule()
    })
  }

  /** Starts a batch now, at the time when the oldest item has waited long enough, or not while one runs. */
  #schedule(): void {
    this.#cancelTimer()
    if (this.#isRunning) return
    const oldest = this.#waiting[0]
    if (oldest === undefined) {
      this.#isFlushing = false
      for (const resolve of this.#idleWaiters.splice(0)) resolve()
      return
    }
    const waitMs = oldest.submittedAt + (this.#options.maxWaitMs ?? 5) - this.#clock.now()
    if (this.#isFlushing || waitMs <= 0 || this.#hasFullBatch()) void this.#runBatch()
    else this.#cancelTimer = this.#clock.setTimer(waitMs, () => void this.#runBatch())
  }

  #maxSize(): number {
    const { maxBatchSize } = this.#options
    return Math.max(1, typeof maxBatchSize === 'function' ? maxBatchSize() : maxBatchSize)
  }

  #candidates(): Entry<Item, Result>[] {
    const highest = Math.max(...this.#waiting.map((entry) => entry.priority))
    return this.#waiting.filter((entry) => entry.priority === highest)
  }

  #hasFullBatch(): boolean {
    return this.#candidates().length >= this.#maxSize()
  }

  async #runBatch(): Promise<void> {
    if (this.#isRunning || this.#waiting.length === 0) return
    this.#isRunning = true
    const batch = chooseBatch(this.#candidates(), this.#maxSize())
    this.#waiting = this.#waiting.filter((entry) => !batch.includes(entry))
    const controller = new AbortController()
    for (const entry of batch) {
      entry.onGone = () => {
        if (batch.every((other) => other.gone)) controller.abort()
      }
    }
    await this.#process(batch, controller.signal)
    this.#isRunning = false
    this.#schedule()
  }

  /** Settles every entry; never rejects. */
  async #process(batch: readonly Entry<Item, Result>[], signal: AbortSignal): Promise<void> {
    try {
      const results = await this.#options.run(
        batch.map((entry) => entry.item),
        signal,
      )
      if (results.length !== batch.length) {
        const message = `Expected one result for each of ${batch.length} items, got ${results.length}`
        throw new AlcoveError('output-invalid', message)
      }
      batch.forEach((entry, index) => {
        const result = results[index] as Result | AlcoveError
        if (isAlcoveError(result)) entry.reject(result)
        else entry.resolve(result)
      })
    } catch (thrown) {
      const error = toAlcoveError(thrown, 'internal')
      if (batch.length === 1 || signal.aborted || !ITEM_ERRORS.includes(error.code)) {
        for (const entry of batch) entry.reject(error)
        return
      }
      const left = batch.filter((entry) => !entry.gone)
      const middle = Math.ceil(left.length / 2)
      for (const half of [left.slice(0, middle), left.slice(middle)]) {
        if (half.length > 0) await this.#process(half, signal)
      }
    }
  }
}

/** The oldest entry, and those that are nearest to it in size. `entries` are in order of arrival. */
function chooseBatch<Entry extends { readonly size: number }>(entries: readonly Entry[], maxSize: number): Entry[] {
  const oldest = entries[0]
  if (oldest === undefined || entries.length <= maxSize) return [...entries]
  const bySize = entries.toSorted((a, b) => a.size - b.size)
  const place = bySize.indexOf(oldest)
  let best = bySize.slice(0, maxSize)
  let bestSpread = Number.POSITIVE_INFINITY
  for (let start = Math.max(0, place - maxSize + 1); start <= Math.min(place, bySize.length - maxSize); start += 1) {
    const spread = (bySize[start + maxSize - 1]?.size ?? 0) - (bySize[start]?.size ?? 0)
    if (spread >= bestSpread) continue
    bestSpread = spread
    best = bySize.slice(start, start + maxSize)
  }
  return best
}
