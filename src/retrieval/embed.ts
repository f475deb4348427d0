import { AlcoveError, isAlcoveError, toAlcoveError } from '../protocol/error.js'
import type { EmbeddingModel, EmbeddingPurpose } from '../protocol/model.js'
import { abortable, throwIfAborted } from '../runtime/abort.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import { sha256Hex } from '../text/hash.js'
import { nextTask } from './parse/yielding.js'
import { normalizeVector } from './vector/encode.js'

/** What the embedder needs of a cache: `TieredCache<Float32Array>` has it. */
export interface VectorCache {
  get(key: string): Promise<Float32Array | undefined>
  setMany(entries: readonly (readonly [key: string, value: Float32Array])[]): Promise<void>
}

export interface TextEmbedderOptions {
  readonly model: EmbeddingModel
  /** Names what the vectors depend on: model, revision, pooling, build. @default the model's id */
  readonly key?: string | undefined
  /** Where vectors are kept. @default none */
  readonly cache?: VectorCache | undefined
  /** Most texts in one call of the model. @default 8 */
  readonly maxBatchSize?: number | undefined
  /** How long one call of the model should take at most: a query may have to wait for it. @default 200 */
  readonly targetBatchMs?: number | undefined
  readonly clock?: Clock | undefined
}

/** Turns texts into vectors: queries first, documents in batches, nothing twice. */
export interface TextEmbedder {
  readonly model: EmbeddingModel
  readonly key: string
  /** The vector of a search query, ahead of all documents that wait. */
  query(text: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<Float32Array>
  /**
   * A vector for each text, in order, of length 1.
   * @param options `onProgress` is told how many are done
   */
  documents(
    texts: readonly string[],
    options?: { readonly signal?: AbortSignal | undefined; readonly onProgress?: ((done: number) => void) | undefined },
  ): Promise<Float32Array[]>
  /** Loads the model. One that failed is not tried again for half a minute. */
  load(): Promise<void>
  /** Tokens of each text by the model's tokenizer; undefined where it has none. */
  readonly countTokens: ((texts: readonly string[]) => Promise<number[]>) | undefined
  /** Fails what waits, with `closed`. The model is the caller's to dispose of. */
  close(): void
}

/** A text on its way, for everyone who asked for it. */
interface Job {
  readonly key: string
  readonly text: string
  readonly purpose: EmbeddingPurpose
  readonly promise: Promise<Float32Array>
  resolve(vector: Float32Array): void
  reject(error: unknown): void
  /** Callers that still want it; at 0 it is dropped. */
  waiters: number
  isStarted: boolean
}

/** Errors that another text would meet as well, so that there is no use in trying the texts of a batch one by one. */
const modelErrors = new Set<string>([
  'aborted',
  'timeout',
  'worker-crashed',
  'webgpu-unavailable',
  'device-lost',
  'model-load-failed',
  'model-not-found',
  'integrity-failed',
  'out-of-memory',
  'quota-exceeded',
  'network',
  'http-status',
  'download-refused',
  'permission-denied',
  'closed',
])

/** How long a model that failed to load is not tried again, so that not every document and query waits for it to fail. */
const retryLoadAfterMs = 30_000
/** Characters that a batch may have before the speed of the model is known. */
const firstBatchCharacters = 1000

export function createTextEmbedder(options: TextEmbedderOptions): TextEmbedder {
  return new BatchingEmbedder(options)
}

class BatchingEmbedder implements TextEmbedder {
  readonly model: EmbeddingModel
  readonly key: string
  readonly #cache: VectorCache | undefined
  readonly #maxBatchSize: number
  readonly #targetBatchMs: number
  readonly #clock: Clock
  readonly #jobs = new Map<string, Job>()
  readonly #queries: Job[] = []
  readonly #documents: Job[] = []
  #running = false
  #closed = false
  #failedLoad: { readonly error: unknown; readonly at: number } | undefined
  /** Running mean over the batches of documents so far. */
  #msPerCharacter: number | undefined

  constructor({ model, key, cache, maxBatchSize, targetBatchMs, clock }: TextEmbedderOptions) {
    this.model = model
    this.key = key ?? model.id
    this.#cache = cache
    this.#maxBatchSize = maxBatchSize ?? 8
    this.#targetBatchMs = targetBatchMs ?? 200
    this.#clock = clock ?? systemClock
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
    const [vector] = await this.#embedAll([text], 'query', signal)
    return vector as Float32Array
  }

  async documents(
    texts: readonly string[],
    {
      signal,
      onProgress,
    }: { signal?: AbortSignal | undefined; onProgress?: ((done: number) => void) | undefined } = {},
  ): Promise<Float32Array[]> {
    return await this.#embedAll(texts, 'document', signal, onProgress)
  }

  close(): void {
    this.#closed = true
    const error = this.#closedError()
    for (const job of [...this.#queries.splice(0), ...this.#documents.splice(0)]) this.#finish(job, error)
  }

  #closedError(): AlcoveError {
    return new AlcoveError('closed', `The embedder of '${this.model.id}' was closed`)
  }

  async #embedAll(
    texts: readonly string[],
    purpose: EmbeddingPurpose,
    signal: AbortSignal | undefined,
    onProgress: (done: number) => void = () => {},
  ): Promise<Float32Array[]> {
    throwIfAborted(signal)
    const keys = await Promise.all(texts.map(async (text) => `${this.key}|${purpose}|${await sha256Hex(text)}`))
    throwIfAborted(signal)
    const jobs = texts.map((text, index) => this.#join(keys[index] as string, text, purpose))
    // Texts of like length share a batch, so that little of it is padding.
    const fresh = jobs.filter((job) => !job.isStarted).sort((a, b) => b.text.length - a.text.length)
    for (const job of fresh) void this.#start(job)
    let done = 0
    const vectors = jobs.map(async ({ promise }) => {
      const vector = await promise
      onProgress(++done)
      return vector
    })
    try {
      return await abortable(Promise.all(vectors), signal)
    } finally {
      for (const job of jobs) this.#leave(job)
    }
  }

  /** The job of a text, for one more caller. */
  #join(key: string, text: string, purpose: EmbeddingPurpose): Job {
    const job = this.#jobs.get(key) ?? createJob(key, text, purpose)
    this.#jobs.set(key, job)
    job.waiters++
    return job
  }

  async #start(job: Job): Promise<void> {
    if (job.isStarted) return
    job.isStarted = true
    // A cache that fails must not stop the work.
    const cached = await this.#cache?.get(job.key).catch(() => undefined)
    if (cached !== undefined && (this.model.dimensions === 0 || cached.length === this.model.dimensions)) {
      this.#finish(job, cached)
      return
    }
    if (this.#closed) return this.#finish(job, this.#closedError())
    if (job.waiters === 0) return this.#finish(job, new AlcoveError('aborted', 'nobody waits for this text any more'))
    ;(job.purpose === 'query' ? this.#queries : this.#documents).push(job)
    void this.#pump()
  }

  /** One caller less; a job that waits in a queue for nobody is dropped. */
  #leave(job: Job): void {
    job.waiters--
    if (job.waiters > 0) return
    const queue = job.purpose === 'query' ? this.#queries : this.#documents
    const index = queue.indexOf(job)
    if (index < 0) return
    queue.splice(index, 1)
    this.#finish(job, new AlcoveError('aborted', 'nobody waits for this text any more'))
  }

  #finish(job: Job, result: Float32Array | AlcoveError): void {
    if (this.#jobs.get(job.key) === job) this.#jobs.delete(job.key)
    if (isAlcoveError(result)) job.reject(result)
    else job.resolve(result)
  }

  async #pump(): Promise<void> {
    if (this.#running) return
    this.#running = true
    try {
      while (this.#queries.length + this.#documents.length > 0) {
        // One task: messages with queries get in, and documents that come together are batched together.
        if (this.#queries.length === 0) await nextTask()
        const batch = this.#takeBatch()
        if (batch.length > 0) await this.#runBatch(batch)
      }
    } finally {
      this.#running = false
    }
  }

  #takeBatch(): Job[] {
    if (this.#queries.length > 0) return this.#queries.splice(0, this.#maxBatchSize)
    const most = this.#msPerCharacter === undefined ? firstBatchCharacters : this.#targetBatchMs / this.#msPerCharacter
    let characters = 0
    let count = 0
    for (const { text } of this.#documents) {
      characters += text.length
      if (count === this.#maxBatchSize || (count > 0 && characters > most)) break
      count++
    }
    return this.#documents.splice(0, count)
  }

  async #runBatch(batch: readonly Job[]): Promise<void> {
    try {
      await this.load()
      const started = this.#clock.now()
      const vectors = await this.#embed(batch)
      this.#measure(batch, this.#clock.now() - started)
      for (const [index, job] of batch.entries()) this.#finish(job, vectors[index] as Float32Array)
      // What is not kept is computed again, so a failing write is no failure of the work.
      this.#cache?.setMany(batch.map(({ key }, index) => [key, vectors[index] as Float32Array])).catch(() => {})
    } catch (error) {
      const failure = toAlcoveError(error, 'output-invalid', `embedding with '${this.model.id}' failed`)
      if (batch.length === 1 || modelErrors.has(failure.code)) {
        for (const job of batch) this.#finish(job, failure)
      } else {
        for (const job of batch) await this.#runBatch([job])
      }
    }
  }

  async load(): Promise<void> {
    const failed = this.#failedLoad
    if (failed !== undefined && this.#clock.now() - failed.at < retryLoadAfterMs) throw failed.error
    try {
      await this.model.load()
      this.#failedLoad = undefined
    } catch (error) {
      this.#failedLoad = { error, at: this.#clock.now() }
      throw toAlcoveError(error, 'model-load-failed', `'${this.model.id}' cannot be loaded`)
    }
  }

  #measure(batch: readonly Job[], elapsedMs: number): void {
    if (batch[0]?.purpose !== 'document') return
    const characters = batch.reduce((sum, { text }) => sum + text.length, 0)
    if (characters === 0) return
    const measured = elapsedMs / characters
    this.#msPerCharacter = this.#msPerCharacter === undefined ? measured : this.#msPerCharacter * 0.7 + measured * 0.3
  }

  async #embed(batch: readonly Job[]): Promise<Float32Array[]> {
    const purpose = batch[0]?.purpose ?? 'document'
    const vectors = await this.model.embed(
      batch.map(({ text }) => text),
      { purpose },
    )
    if (vectors.length !== batch.length) {
      throw new AlcoveError(
        'output-invalid',
        `expected ${batch.length} vectors, '${this.model.id}' gave ${vectors.length}`,
      )
    }
    const dimensions = this.model.dimensions || (vectors[0]?.length ?? 0)
    return vectors.map((vector) => normalizeVector(vector, dimensions))
  }
}

function createJob(key: string, text: string, purpose: EmbeddingPurpose): Job {
  const { promise, resolve, reject } = withResolvers<Float32Array>()
  // Each caller waits on its own; a job that nobody waits for any more may fail unseen.
  promise.catch(() => {})
  return { key, text, purpose, promise, resolve, reject, waiters: 0, isStarted: false }
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
