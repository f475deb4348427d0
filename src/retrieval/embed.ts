import { AlcoveError, isAlcoveError, toAlcoveError } from '../protocol/error.js'
import type { EmbeddingModel, EmbeddingPurpose } from '../protocol/model.js'
import { abortable, throwIfAborted } from '../runtime/abort.js'
import { type Batcher, createBatcher } from '../runtime/batcher.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import { hashText } from '../text/hash-text.js'
import { type BatchTuner, createBatchTuner } from './batch-tuner.js'
import { estimateTokens } from './chunk/estimate-tokens.js'
import { createEmbeddingLanes, type EmbeddingHelpers, type EmbeddingLanes } from './embedding-lanes.js'
import type { Pace } from './pace.js'
import { nextTask } from './parse/yielding.js'
import { normalizeVector } from './vector/encode.js'

/** What the embedder needs of a cache: `TieredCache<Float32Array>` has it. */
export interface VectorCache {
  get(key: string): Promise<Float32Array | undefined>
  /** One value for each key, in order. @default `get` for each */
  getMany?(keys: readonly string[]): Promise<(Float32Array | undefined)[]>
  setMany(entries: readonly (readonly [key: string, value: Float32Array])[]): Promise<void>
}

export interface TextEmbedderOptions {
  readonly model: EmbeddingModel
  /** Names what the vectors depend on: model, revision, pooling, build. @default the model's id */
  readonly key?: string | undefined
  /** Where vectors are kept. @default none */
  readonly cache?: VectorCache | undefined
  /** Most texts in one call of the model. @default 64 */
  readonly maxBatchSize?: number | undefined
  /** How long a document waits for company, in milliseconds; a query waits for nobody. @default 5 */
  readonly maxWaitMs?: number | undefined
  /** How long one call of the model should take at most: a query may have to wait for it. @default 200 */
  readonly targetBatchMs?: number | undefined
  /** Copies of the model for long pieces of work. @default none */
  readonly helpers?: EmbeddingHelpers | undefined
  readonly clock?: Clock | undefined
}

export interface EmbedDocumentsOptions {
  readonly signal?: AbortSignal | undefined
  /** Told how many are done. */
  readonly onProgress?: ((done: number) => void) | undefined
  /** How fast it may go. What several callers want goes at the pace of the fastest. @default full speed */
  readonly pace?: Pace | undefined
  /** Whether to look for the vectors in the cache, and to keep them there. @default true */
  readonly isCached?: boolean | undefined
  /** At least how many texts the caller will want after these: tells whether a long piece of work is ahead. @default none */
  readonly following?: (() => number) | undefined
  /** Tokens of each text by the model's own tokenizer, where they are known: texts of one length go together. @default estimated */
  readonly tokens?: readonly number[] | undefined
}

/** Turns texts into vectors: queries first, documents in batches, nothing twice. */
export interface TextEmbedder {
  readonly model: EmbeddingModel
  readonly key: string
  /** The vector of a search query, ahead of all documents that wait. */
  query(text: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<Float32Array>
  /** A vector for each text, in order, of length 1. */
  documents(texts: readonly string[], options?: EmbedDocumentsOptions): Promise<Float32Array[]>
  /** Loads the model. One that failed is not tried again for half a minute. */
  load(): Promise<void>
  /** Tokens of each text by the model's tokenizer; undefined where it has none. */
  readonly countTokens: ((texts: readonly string[]) => Promise<number[]>) | undefined
  /** Fails what waits, with `closed`. The model is the caller's to dispose of. */
  close(): void
}

/** Somebody who waits for texts. */
interface Caller {
  readonly pace: Pace | undefined
  readonly following?: (() => number) | undefined
}

/** A text on its way, for everyone who asked for it. */
interface Job {
  readonly key: string
  readonly text: string
  readonly purpose: EmbeddingPurpose
  readonly promise: Promise<Float32Array>
  /** Tokens, counted or estimated: what it costs in a batch. */
  readonly tokens: number
  resolve(vector: Float32Array): void
  reject(error: unknown): void
  /** Those who still want it; without any it is dropped. */
  readonly callers: Set<Caller>
  /** Takes it out of the batcher. */
  readonly leave: AbortController
  isCached: boolean
  isStarted: boolean
  /** The model is at it. */
  isRunning: boolean
}

/** How long a model that failed to load is not tried again, so that not every document and query waits for it to fail. */
const retryLoadAfterMs = 30_000
/** How many texts are looked up at once, and may wait in the batcher for each caller. */
const feedSize = 256
/** A gentle batch is smaller by this factor, and rests so many times as long as it has worked. */
const gentleFactor = 4
const restFactor = 3
/** Special tokens that a model puts around a text. */
const specialTokens = 2

export function createTextEmbedder(options: TextEmbedderOptions): TextEmbedder {
  return new BatchingEmbedder(options)
}

class BatchingEmbedder implements TextEmbedder {
  readonly model: EmbeddingModel
  readonly key: string
  readonly #cache: VectorCache | undefined
  readonly #clock: Clock
  readonly #tuner: BatchTuner
  readonly #lanes: EmbeddingLanes
  readonly #batcher: Batcher<Job, Float32Array>
  /** Looks up what several callers want in one transaction: what comes while one is read goes into the next. */
  readonly #lookups: Batcher<readonly string[], readonly (Float32Array | undefined)[]>
  /** All texts on their way, by key. */
  readonly #jobs = new Map<string, Job>()
  /** Callers with documents. */
  readonly #callers = new Set<Caller>()
  readonly #waitingQueries = new Set<Job>()
  /** Batches of queries under way. */
  #runningQueries = 0
  /** Until when gentle work rests. */
  #restsUntil = 0
  #isClosed = false
  #failedLoad: { readonly error: unknown; readonly at: number } | undefined

  constructor(options: TextEmbedderOptions) {
    const {
      model,
      key,
      cache,
      maxBatchSize = 64,
      maxWaitMs,
      targetBatchMs = 200,
      helpers,
      clock = systemClock,
    } = options
    this.model = model
    this.key = key ?? model.id
    this.#cache = cache
    this.#clock = clock
    this.#tuner = createBatchTuner({ targetMs: targetBatchMs })
    this.#lanes = createEmbeddingLanes({ model, helpers, clock, onRoom: () => this.#batcher.wake() })
    this.#batcher = createBatcher<Job, Float32Array>({
      run: (jobs) => this.#runBatch(jobs),
      maxBatchSize,
      maxBatchCost: () => this.#tuner.cost / (this.#isGentle() ? gentleFactor : 1),
      maxWaitMs,
      sizeOf: ({ tokens }) => tokens,
      isHeld: (job) => this.#isHeld(job),
      // A query need not wait for the whole batch of documents: the model takes it in between two parts of that.
      maxRunning: () => (this.#isGentle() ? 1 : this.#lanes.room) + this.#roomForQueries(),
      clock,
    })
    this.#lookups = createBatcher({ run: (lists) => this.#lookUp(lists), maxBatchSize: feedSize, maxWaitMs: 0, clock })
  }

  get countTokens(): ((texts: readonly string[]) => Promise<number[]>) | undefined {
    const { model } = this
    if (model.countTokens === undefined) return undefined
    return async (texts) => {
      await this.load()
      return (await model.countTokens?.(texts)) ?? []
    }
  }

  async query(text: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Float32Array> {
    const [vector] = await this.#embedAll([text], 'query', { signal })
    return vector as Float32Array
  }

  async documents(texts: readonly string[], options: EmbedDocumentsOptions = {}): Promise<Float32Array[]> {
    return await this.#embedAll(texts, 'document', options)
  }

  close(): void {
    this.#isClosed = true
    this.#lanes.close()
    for (const job of [...this.#jobs.values()]) this.#finish(job, this.#closedError())
  }

  async load(): Promise<void> {
    const failed = this.#failedLoad
    if (failed !== undefined && this.#clock.now() - failed.at < retryLoadAfterMs) throw failed.error
    try {
      await this.model.load()
      this.#failedLoad = undefined
    } catch (error) {
      const failure = toAlcoveError(error, 'model-load-failed', `'${this.model.id}' cannot be loaded`)
      this.#failedLoad = { error: failure, at: this.#clock.now() }
      throw failure
    }
  }

  #closedError(): AlcoveError {
    return new AlcoveError('closed', `The embedder of '${this.model.id}' was closed`)
  }

  async #embedAll(
    texts: readonly string[],
    purpose: EmbeddingPurpose,
    { signal, onProgress, pace, isCached = true, following, tokens }: EmbedDocumentsOptions,
  ): Promise<Float32Array[]> {
    throwIfAborted(signal)
    const keys = await Promise.all(texts.map(async (text) => `${this.key}|${purpose}|${await hashText(text)}`))
    throwIfAborted(signal)
    const caller: Caller = { pace, following }
    const forget = pace?.onChange(() => this.#batcher.wake())
    if (purpose === 'document') this.#callers.add(caller)
    const jobs = texts.map((text, index) =>
      this.#join(keys[index] as string, { text, purpose, caller, isCached, tokens: tokens?.[index] }),
    )
    void this.#feed([...new Set(jobs)])
    // What waits already for somebody who pauses is wanted now.
    this.#batcher.wake()
    let done = 0
    const vectors = jobs.map(async ({ promise }) => {
      const vector = await promise
      onProgress?.(++done)
      return vector
    })
    try {
      return await abortable(Promise.all(vectors), signal)
    } finally {
      forget?.()
      this.#callers.delete(caller)
      for (const job of new Set(jobs)) this.#leave(job, caller)
      // Nobody paused or gentle may be left among those who want what waits.
      this.#batcher.wake()
    }
  }

  /** The job of a text, for one more caller. */
  #join(
    key: string,
    wanted: Pick<Job, 'text' | 'purpose' | 'isCached'> & {
      readonly caller: Caller
      readonly tokens: number | undefined
    },
  ): Job {
    const job = this.#jobs.get(key) ?? createJob(key, wanted)
    this.#jobs.set(key, job)
    job.callers.add(wanted.caller)
    job.isCached ||= wanted.isCached
    return job
  }

  /**
   * Starts jobs, longest first, so that what is together in the batcher is of like length; not all at once, so that it stays short.
   * Never rejects.
   */
  async #feed(jobs: readonly Job[]): Promise<void> {
    const ordered = jobs.length > 1 ? jobs.toSorted((a, b) => b.tokens - a.tokens) : jobs
    const waiting = new Set<Promise<unknown>>()
    for (let from = 0; from < ordered.length; from += feedSize) {
      while (waiting.size >= feedSize) await Promise.race(waiting)
      const fresh = ordered.slice(from, from + feedSize).filter((job) => !job.isStarted && job.callers.size > 0)
      for (const job of fresh) job.isStarted = true
      const cached = await this.#readCache(fresh)
      for (const [index, job] of fresh.entries()) {
        const started: Promise<unknown> = this.#start(job, cached[index]).then(() => waiting.delete(started))
        waiting.add(started)
      }
    }
  }

  async #readCache(jobs: readonly Job[]): Promise<readonly (Float32Array | undefined)[]> {
    const keys = jobs.filter(({ isCached }) => isCached).map(({ key }) => key)
    if (this.#cache === undefined || keys.length === 0) return []
    const found = await this.#lookups.submit(keys)
    const byKey = new Map(keys.map((key, index) => [key, found[index]]))
    return jobs.map(({ key }) => byKey.get(key))
  }

  async #lookUp(lists: readonly (readonly string[])[]): Promise<(Float32Array | undefined)[][]> {
    const cache = this.#cache
    const keys = lists.flat()
    let found: (Float32Array | undefined)[] = []
    try {
      found = cache?.getMany
        ? await cache.getMany(keys)
        : await Promise.all(keys.map((key) => cache?.get(key).catch(() => undefined)))
    } catch {
      // A cache that fails must not stop the work.
    }
    let at = 0
    return lists.map(({ length }) => {
      at += length
      return found.slice(at - length, at)
    })
  }

  /** Settles the job, sooner or later; never rejects. */
  async #start(job: Job, cached: Float32Array | undefined): Promise<void> {
    if (cached !== undefined && (this.model.dimensions === 0 || cached.length === this.model.dimensions)) {
      return this.#finish(job, cached)
    }
    if (this.#isClosed) return this.#finish(job, this.#closedError())
    if (job.callers.size === 0) return this.#finish(job, unwanted())
    const isQuery = job.purpose === 'query'
    if (isQuery) this.#waitingQueries.add(job)
    try {
      const { signal } = job.leave
      this.#finish(job, await this.#batcher.submit(job, { signal, ...(isQuery && { priority: 1, maxWaitMs: 0 }) }))
    } catch (error) {
      this.#finish(job, toAlcoveError(error, 'output-invalid'))
    } finally {
      this.#waitingQueries.delete(job)
    }
  }

  /** One caller less; a job that nobody wants and that has not begun is dropped. */
  #leave(job: Job, caller: Caller): void {
    job.callers.delete(caller)
    // What the model is at comes to its end, and whoever asks for it meanwhile gets it.
    if (job.callers.size > 0 || job.isRunning || this.#jobs.get(job.key) !== job) return
    this.#finish(job, unwanted())
  }

  #finish(job: Job, result: Float32Array | AlcoveError): void {
    if (this.#jobs.get(job.key) === job) this.#jobs.delete(job.key)
    if (isAlcoveError(result)) {
      job.reject(result)
      job.leave.abort(result)
    } else job.resolve(result)
  }

  /** Whether all who have documents here want power saved. */
  #isGentle(): boolean {
    return this.#callers.size > 0 && [...this.#callers].every(({ pace }) => pace?.isGentle === true)
  }

  #isHeld({ purpose, callers }: Job): boolean {
    if (purpose === 'query') return false
    const isResting = this.#clock.now() < this.#restsUntil
    for (const { pace } of callers) {
      if (pace === undefined || !(pace.isPaused || (isResting && pace.isGentle))) return false
    }
    return callers.size > 0
  }

  #roomForQueries(): number {
    return this.#runningQueries + (this.#waitingQueries.size > 0 ? 1 : 0)
  }

  async #embedQueries(batch: readonly Job[]): Promise<(Float32Array | AlcoveError)[]> {
    this.#runningQueries += 1
    for (const job of batch) this.#waitingQueries.delete(job)
    try {
      await this.load()
      for (const job of batch) job.isRunning = true
      return await this.#embed(batch)
    } finally {
      this.#runningQueries -= 1
    }
  }

  async #runBatch(batch: readonly Job[]): Promise<(Float32Array | AlcoveError)[]> {
    const isQuery = batch[0]?.purpose === 'query'
    const vectors = isQuery ? await this.#embedQueries(batch) : await this.#embedDocuments(batch)
    const kept = batch.flatMap(({ key, isCached }, index) => {
      const vector = vectors[index]
      return isCached && vector !== undefined && !isAlcoveError(vector) ? [[key, vector] as const] : []
    })
    // What is not kept is computed again, so a failing write is no failure of the work.
    if (kept.length > 0) this.#cache?.setMany(kept).catch(() => {})
    return vectors
  }

  /** Embeds documents, and measures it: for the size of batches, for the worth of copies of the model, for the rest after it. */
  async #embedDocuments(batch: readonly Job[]): Promise<(Float32Array | AlcoveError)[]> {
    // One task: messages with queries and aborts get in between two batches.
    await nextTask()
    await this.load()
    for (const job of batch) job.isRunning = true
    const cost = batch.length * batch.reduce((most, { tokens }) => Math.max(most, tokens), 0)
    const began = this.#clock.now()
    let done = 0
    try {
      // What a copy does waits for its turn there, so that its time tells nothing of the size.
      return await this.#embed(batch, () => {
        done = batch.length
        this.#tuner.record(cost, this.#clock.now() - began)
      })
    } finally {
      this.#lanes.record({ texts: done, cost: done === 0 ? 0 : cost, left: this.#left() })
      if (this.#isGentle()) this.#rest(this.#clock.now() - began)
    }
  }

  #rest(elapsedMs: number): void {
    const restMs = elapsedMs * restFactor
    this.#restsUntil = this.#clock.now() + restMs
    this.#clock.setTimer(restMs + 1, () => this.#batcher.wake())
  }

  /** Texts that are on their way, and those that are known to follow. */
  #left(): number {
    return [...this.#callers].reduce((most, { following }) => Math.max(most, following?.() ?? 0), this.#jobs.size)
  }

  async #embed(batch: readonly Job[], onOwn?: () => void): Promise<(Float32Array | AlcoveError)[]> {
    const { model } = this
    const purpose = batch[0]?.purpose ?? 'document'
    const texts = batch.map(({ text }) => text)
    let vectors: readonly Float32Array[]
    try {
      const embedded = await this.#lanes.embed(texts, purpose)
      vectors = embedded.vectors
      if (embedded.isOwn) onOwn?.()
    } catch (error) {
      throw toAlcoveError(error, 'output-invalid', `embedding with '${model.id}' failed`)
    }
    return checkVectors(vectors, batch.length, model)
  }
}

/** The vectors, each of length 1 or an error. @throws AlcoveError `output-invalid` where there are not as many as texts */
function checkVectors(vectors: readonly Float32Array[], count: number, model: EmbeddingModel) {
  if (vectors.length !== count) {
    throw new AlcoveError('output-invalid', `expected ${count} vectors, '${model.id}' gave ${vectors.length}`)
  }
  const dimensions = model.dimensions || (vectors[0]?.length ?? 0)
  return vectors.map((vector) => {
    try {
      return normalizeVector(vector, dimensions)
    } catch (error) {
      return toAlcoveError(error, 'output-invalid', `'${model.id}' gave a vector that is none`)
    }
  })
}

const unwanted = (): AlcoveError => new AlcoveError('aborted', 'nobody waits for this text any more')

function createJob(
  key: string,
  { text, purpose, tokens: known }: Pick<Job, 'text' | 'purpose'> & { readonly tokens: number | undefined },
): Job {
  const { promise, resolve, reject } = withResolvers<Float32Array>()
  // Each caller waits on its own; a job that nobody waits for any more may fail unseen.
  promise.catch(() => {})
  const tokens = (known ?? estimateTokens(text)) + specialTokens
  const leave = new AbortController()
  const callers = new Set<Caller>()
  const state = { isCached: false, isStarted: false, isRunning: false }
  return { key, text, purpose, promise, tokens, resolve, reject, callers, leave, ...state }
}

/** `Promise.withResolvers` for browsers of before 2024. */
function withResolvers<T>(): { promise: Promise<T>; resolve(value: T): void; reject(error: unknown): void } {
  let resolve: (value: T) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
