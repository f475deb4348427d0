import type { EmbeddingModel, EmbeddingPurpose } from '../protocol/model.js'
import type { Clock } from '../runtime/clock.js'

/** Copies of an embedding model, each in a worker of its own: a session on WebAssembly keeps one core busy, and a device has more. */
export interface EmbeddingHelpers {
  /** Opens one more copy. Undefined where it cannot be had without a download. */
  open(): Promise<EmbeddingModel | undefined>
  /** Most copies besides the model itself. */
  readonly most: number
}

export interface LaneOptions {
  readonly model: EmbeddingModel
  /** @default none: the model works alone */
  readonly helpers?: EmbeddingHelpers | undefined
  readonly clock: Clock
  /** Told when more batches may run at one time than before. */
  readonly onRoom: () => void
}

/** A batch that was embedded. */
export interface EmbeddedBatch {
  readonly vectors: readonly Float32Array[]
  /** Whether the model itself did it, and not a copy. */
  readonly isOwn: boolean
}

/** What is known when a batch of documents was embedded. */
export interface BatchFacts {
  readonly texts: number
  /** Its cost: estimated tokens. */
  readonly cost: number
  /** Texts that wait, and at least so many that will follow. */
  readonly left: number
}

/**
 * The model, and in a long piece of work copies of it beside it. Whether a copy is worth it is measured: it is opened where enough work is
 * left, and closed when the device embeds little more with it than without (its cores are wanted elsewhere), or when there is nothing to do.
 */
export interface EmbeddingLanes {
  /** Batches that may run at one time. */
  readonly room: number
  /** Embeds a batch: queries with the model itself, documents with a copy that is free before the model. */
  embed(texts: readonly string[], purpose: EmbeddingPurpose): Promise<EmbeddedBatch>
  /** Tells of a batch of documents that is over; one that failed has no texts. */
  record(facts: BatchFacts): void
  /** Closes the copies. */
  close(): void
}

/**
 * Batches that a copy has at one time: it works on one while the other waits with it, as this thread is away for as long as its own model
 * is at a batch.
 */
const batchesEach = 2
/** Work that is worth a copy: loading it takes a second or two of a core. */
const worthMs = 3_000
/** Time over which the rate is measured before the first copy, and between two. */
const windowMs = 400
const judgeMs = 1_500
/** How much faster the whole must be with one copy more. */
const leastGain = 1.2
/** No copy is opened for so long after one that was no gain, or failed. */
const closedForMs = 60_000
/** A pause of this length belongs to no measurement. */
const gapMs = 250
/** Copies are closed after so long without documents. */
const idleMs = 10_000

interface Helper {
  readonly model: EmbeddingModel
  running: number
}

export function createEmbeddingLanes(options: LaneOptions): EmbeddingLanes {
  return new MeasuredLanes(options)
}

class MeasuredLanes implements EmbeddingLanes {
  readonly #options: LaneOptions
  readonly #helpers: Helper[] = []
  #isOpening = false
  #isClosed = false
  /** Whether the last copy has yet to show what it is worth. */
  #isOnTrial = false
  #closedUntil = Number.NEGATIVE_INFINITY
  /** What was done since when. */
  #window = { since: 0, cost: 0, texts: 0 }
  /** Batches of documents under way, and when the last one was done. */
  #running = 0
  #lastAt = Number.NEGATIVE_INFINITY
  /** Cost in a millisecond before the last copy came. */
  #rate = 0
  #cancelIdle = () => {}

  constructor(options: LaneOptions) {
    this.#options = options
  }

  get room(): number {
    return 1 + this.#helpers.length * batchesEach
  }

  async embed(texts: readonly string[], purpose: EmbeddingPurpose): Promise<EmbeddedBatch> {
    const { model } = this.#options
    if (purpose === 'document') this.#noteStart()
    const helper = purpose === 'document' ? this.#freeHelper() : undefined
    if (helper === undefined) return { vectors: await model.embed(texts, { purpose }), isOwn: true }
    helper.running += 1
    try {
      return { vectors: await helper.model.embed(texts, { purpose }), isOwn: false }
    } catch {
      // Whether its worker has died or a text is bad: the model itself shows.
      this.#retire(helper)
      return { vectors: await model.embed(texts, { purpose }), isOwn: true }
    } finally {
      helper.running -= 1
    }
  }

  record({ texts, cost, left }: BatchFacts): void {
    const { clock, helpers } = this.#options
    const now = clock.now()
    this.#running -= 1
    this.#lastAt = now
    if (helpers === undefined || this.#isClosed) return
    this.#window.cost += cost
    this.#window.texts += texts
    this.#closeWhenIdle()
    const elapsedMs = now - this.#window.since
    if (this.#isOpening || elapsedMs < (this.#isOnTrial ? judgeMs : windowMs) || this.#window.texts === 0) return
    const rate = this.#window.cost / elapsedMs
    if (this.#isOnTrial && rate < this.#rate * leastGain) this.#retire(this.#helpers.at(-1))
    this.#isOnTrial = false
    this.#rate = rate
    const leftMs = (left * elapsedMs) / this.#window.texts
    this.#measureFrom(now)
    if (this.#helpers.length < helpers.most && now >= this.#closedUntil && leftMs >= worthMs) void this.#open(helpers)
  }

  close(): void {
    this.#isClosed = true
    this.#closeAll()
  }

  #noteStart(): void {
    const now = this.#options.clock.now()
    if (this.#running === 0 && now - this.#lastAt > gapMs) this.#measureFrom(now)
    this.#running += 1
  }

  #measureFrom(since: number): void {
    this.#window = { since, cost: 0, texts: 0 }
  }

  /** The copy with the least to do, where one has room. */
  #freeHelper(): Helper | undefined {
    const [first] = this.#helpers.toSorted((a, b) => a.running - b.running)
    return first !== undefined && first.running < batchesEach ? first : undefined
  }

  async #open({ open }: EmbeddingHelpers): Promise<void> {
    this.#isOpening = true
    const model = await open().catch(() => undefined)
    this.#isOpening = false
    if (model === undefined) this.#closedUntil = this.#options.clock.now() + closedForMs
    else if (this.#isClosed) void model.dispose().catch(() => {})
    else {
      this.#helpers.push({ model, running: 0 })
      this.#isOnTrial = true
      this.#measureFrom(this.#options.clock.now())
      this.#closeWhenIdle()
      this.#options.onRoom()
    }
  }

  /** Ends a copy that is no gain; a batch that it has is embedded by the model itself. */
  #retire(helper: Helper | undefined): void {
    const at = helper === undefined ? -1 : this.#helpers.indexOf(helper)
    if (helper === undefined || at < 0) return
    this.#helpers.splice(at, 1)
    this.#isOnTrial = false
    this.#closedUntil = this.#options.clock.now() + closedForMs
    void helper.model.dispose().catch(() => {})
  }

  #closeWhenIdle(): void {
    this.#cancelIdle()
    this.#cancelIdle = () => {}
    if (this.#helpers.length === 0) return
    this.#cancelIdle = this.#options.clock.setTimer(idleMs, () => this.#closeAll())
  }

  #closeAll(): void {
    this.#cancelIdle()
    this.#isOnTrial = false
    for (const { model } of this.#helpers.splice(0)) void model.dispose().catch(() => {})
  }
}
