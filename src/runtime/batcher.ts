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
  /**
   * Most that a batch may cost: its number of items times its largest size, as shorter ones are padded to that. An item that is larger
   * goes alone. Read at each batch. @default no limit
   */
  readonly maxBatchCost?: (() => number) | undefined
  /** Whether an item has to wait for now, such as one whose caller pauses. Call `wake` when that has changed. @default none has to */
  readonly isHeld?: ((item: Item) => boolean) | undefined
  /** Most batches that run at one time. Read before each, so that it may change; call `wake` when it has grown. @default 1 */
  readonly maxRunning?: (() => number) | undefined
  readonly clock?: Clock | undefined
}

export interface SubmitOptions {
  /** Takes this item out; the others of its batch go on. */
  readonly signal?: AbortSignal | undefined
  /** Higher goes first, and never shares a batch with lower. @default 0 */
  readonly priority?: number | undefined
  /** Longest time that this item waits for company, in milliseconds. @default that of the batcher */
  readonly maxWaitMs?: number | undefined
}

/** Gathers single requests into batches, and runs one batch at a time unless told otherwise. */
export interface Batcher<Item, Result> {
  submit(item: Item, options?: SubmitOptions): Promise<Result>
  /** Starts now what waits for company. Resolves when nothing waits or runs; what is held is waited for. */
  flush(): Promise<void>
  /** Looks anew for what may start: items are no longer held. */
  wake(): void
  /** Number of items that wait. */
  readonly pending: number
}

interface Entry<Item, Result> {
  readonly item: Item
  readonly size: number
  readonly priority: number
  /** Until when it waits for company. */
  readonly dueAt: number
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

const defaultMaxWaitMs = 5

interface BatchLimits {
  readonly size: number
  readonly cost: number
}

/** A batcher over `options.run`. */
export function createBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  return new GatheringBatcher(options)
}

class GatheringBatcher<Item, Result> implements Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>
  readonly #clock: Clock
  /** In order of arrival. */
  #waiting: Entry<Item, Result>[] = []
  #running = 0
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

  async submit(item: Item, { signal, priority = 0, maxWaitMs }: SubmitOptions = {}): Promise<Result> {
    throwIfAborted(signal)
    const waitMs = maxWaitMs ?? this.#options.maxWaitMs ?? defaultMaxWaitMs
    return await new Promise<Result>((resolve, reject) => {
      const entry: Entry<Item, Result> = {
        item,
        priority,
        size: this.#options.sizeOf?.(item) ?? 0,
        dueAt: this.#clock.now() + waitMs,
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
    if (this.#waiting.length === 0 && this.#running === 0) return
    this.#isFlushing = true
    await new Promise<void>((resolve) => {
      this.#idleWaiters.push(resolve)
      this.#schedule()
    })
  }

  wake(): void {
    this.#schedule()
  }

  /** Starts a batch now, at the time when an item has waited long enough, or not while as many run as may. */
  #schedule(): void {
    this.#cancelTimer()
    this.#cancelTimer = () => {}
    if (this.#waiting.length === 0) {
      if (this.#running > 0) return
      this.#isFlushing = false
      for (const resolve of this.#idleWaiters.splice(0)) resolve()
      return
    }
    if (this.#running >= (this.#options.maxRunning?.() ?? 1)) return
    const candidates = this.#candidates()
    if (candidates.length === 0) return
    const dueAt = candidates.reduce((first, entry) => Math.min(first, entry.dueAt), Number.POSITIVE_INFINITY)
    const waitMs = dueAt - this.#clock.now()
    if (this.#isFlushing || waitMs <= 0 || this.#isFull(candidates)) void this.#runBatch(candidates)
    else this.#cancelTimer = this.#clock.setTimer(waitMs, () => this.#schedule())
  }

  #limits(): BatchLimits {
    const { maxBatchSize, maxBatchCost } = this.#options
    const size = typeof maxBatchSize === 'function' ? maxBatchSize() : maxBatchSize
    return { size: Math.max(1, Math.floor(size)), cost: maxBatchCost?.() ?? Number.POSITIVE_INFINITY }
  }

  /** What may go into the next batch, in order of arrival: of the highest priority that has something. */
  #candidates(): Entry<Item, Result>[] {
    const { isHeld } = this.#options
    const free = isHeld === undefined ? this.#waiting : this.#waiting.filter(({ item }) => !isHeld(item))
    const highest = free.reduce((most, entry) => Math.max(most, entry.priority), Number.NEGATIVE_INFINITY)
    return free.filter((entry) => entry.priority === highest)
  }

  /** Whether more company could not join the next batch. */
  #isFull(candidates: readonly Entry<Item, Result>[]): boolean {
    const limits = this.#limits()
    if (candidates.length >= limits.size) return true
    const largest = candidates.reduce((most, { size }) => Math.max(most, size), 0)
    return candidates.length * largest >= limits.cost
  }

  async #runBatch(candidates: readonly Entry<Item, Result>[]): Promise<void> {
    this.#running += 1
    const batch = chooseBatch(candidates, this.#limits())
    const chosen = new Set(batch)
    this.#waiting = this.#waiting.filter((entry) => !chosen.has(entry))
    const controller = new AbortController()
    for (const entry of batch) {
      entry.onGone = () => {
        if (batch.every((other) => other.gone)) controller.abort()
      }
    }
    const work = this.#process(batch, controller.signal)
    // What is left may start beside it.
    this.#schedule()
    await work
    this.#running -= 1
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

/** The oldest entry, and those that are nearest to it in size, within the limits. `entries` are in order of arrival. */
function chooseBatch<Entry extends { readonly size: number }>(entries: readonly Entry[], limits: BatchLimits): Entry[] {
  const oldest = entries[0]
  if (oldest === undefined) return []
  const bySize = entries.toSorted((a, b) => a.size - b.size)
  const sizeAt = (place: number): number => bySize[place]?.size ?? Number.POSITIVE_INFINITY
  const start = bySize.indexOf(oldest)
  let [from, to] = [start, start + 1]
  // Grows by the neighbour that is nearer in size; a larger one makes all the others cost as much as it does.
  while (to - from < limits.size) {
    const below = from > 0 ? sizeAt(to - 1) - sizeAt(from - 1) : Number.POSITIVE_INFINITY
    const fitsAbove = (to - from + 1) * sizeAt(to) <= limits.cost
    const above = to < bySize.length && fitsAbove ? sizeAt(to) - sizeAt(from) : Number.POSITIVE_INFINITY
    const fitsBelow = (to - from + 1) * sizeAt(to - 1) <= limits.cost
    if (above <= below && above < Number.POSITIVE_INFINITY) to += 1
    else if (fitsBelow && below < Number.POSITIVE_INFINITY) from -= 1
    else if (above < Number.POSITIVE_INFINITY) to += 1
    else break
  }
  return bySize.slice(from, to)
}
