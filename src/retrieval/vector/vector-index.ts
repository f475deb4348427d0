import { AlcoveError } from '../../protocol/error.js'
import { createTopHeap, type ScoredId } from './top-heap.js'

/** What a scan found. */
export interface VectorMatches {
  /** The best rows by cosine, best first; equal ones by id. */
  readonly rows: readonly ScoredId[]
  /** Mean cosine of the query with everything that was scanned: what a row scores by chance. */
  readonly mean: number
  /** Standard deviation of those cosines. */
  readonly deviation: number
  /** Number of vectors scanned. */
  readonly scanned: number
}

/**
 * Vectors by id, searched by cosine. Ids are whole numbers from 0 to 2^32 - 1. Vectors are normalised when they come in, and copied.
 * There is no similarity below which rows are dropped.
 */
export interface VectorIndex {
  readonly dimensions: number
  /** Number of vectors. */
  readonly size: number
  /** Bytes of memory that the vectors take. */
  readonly bytes: number
  has(id: number): boolean
  /**
   * Adds vectors, one for each id, or one array of all of them end to end. An id that is there gets the new vector. All or nothing.
   * @throws AlcoveError `dimension-mismatch` for a vector of another length; `invalid-argument` for one with a number that is not finite
   *   or with nothing but zeros
   */
  add(ids: readonly number[], vectors: readonly Float32Array[] | Float32Array): void
  /** Removes ids; those that are not there are passed over. Returns how many were. */
  remove(ids: readonly number[]): number
  /**
   * The `topK` nearest among the ids that `allow` lets through.
   * @throws AlcoveError as `add`; `invalid-argument` for a `topK` below 1
   */
  search(vector: Float32Array, topK: number, allow?: (id: number) => boolean): VectorMatches
  clear(): void
}

/** Writes the dot product of `query` with each of `count` rows of `data` to `scores`. */
export type DotKernel = (
  data: Float32Array,
  count: number,
  dimensions: number,
  query: Float32Array,
  scores: Float32Array,
) => void

export interface VectorIndexOptions {
  /** Numbers in a vector, at least 1. */
  readonly dimensions: number
  /** @default a typed-array loop */
  readonly kernel?: DotKernel | undefined
}

const initialRows = 64

/** Plain loop with two running sums: in Chromium four were slower than one (bench/vector). */
export const scanDot: DotKernel = (data, count, dimensions, query, scores) => {
  const whole = dimensions - (dimensions % 2)
  for (let row = 0, at = 0; row < count; row++, at += dimensions) {
    let even = 0
    let odd = 0
    for (let k = 0; k < whole; k += 2) {
      const place = at + k
      even += (data[place] as number) * (query[k] as number)
      odd += (data[place + 1] as number) * (query[k + 1] as number)
    }
    if (whole < dimensions) even += (data[at + whole] as number) * (query[whole] as number)
    scores[row] = even + odd
  }
}

/** A copy of length 1. Throws as `VectorIndex.add`. */
export function normalizeVector(vector: Float32Array, dimensions: number): Float32Array {
  if (vector.length !== dimensions) {
    throw new AlcoveError('dimension-mismatch', `expected a vector of ${dimensions} numbers, got ${vector.length}`, {
      details: { expected: dimensions, got: vector.length },
    })
  }
  let sum = 0
  for (let k = 0; k < dimensions; k++) sum += (vector[k] as number) ** 2
  if (!(sum > 0 && sum < Number.POSITIVE_INFINITY)) {
    const got = sum === 0 ? 'zeros only' : 'a number that is not finite'
    throw new AlcoveError('invalid-argument', `expected a vector of finite numbers that are not all zero, got ${got}`, {
      hint: 'The embedding model gave no usable vector for this text.',
    })
  }
  const scale = 1 / Math.sqrt(sum)
  return vector.map((value) => value * scale)
}

/** An index that compares the query with every vector: exact, and without anything to build. */
export function createVectorIndex(options: VectorIndexOptions): VectorIndex {
  if (!Number.isInteger(options.dimensions) || options.dimensions < 1) {
    throw new AlcoveError('invalid-argument', `dimensions: expected a whole number from 1, got ${options.dimensions}`)
  }
  return new ExactVectorIndex(options.dimensions, options.kernel ?? scanDot)
}

class ExactVectorIndex implements VectorIndex {
  readonly dimensions: number
  readonly #kernel: DotKernel
  readonly #rowOf = new Map<number, number>()
  #data: Float32Array
  #ids = new Uint32Array(initialRows)
  #scores = new Float32Array(initialRows)

  constructor(dimensions: number, kernel: DotKernel) {
    this.dimensions = dimensions
    this.#kernel = kernel
    this.#data = new Float32Array(initialRows * dimensions)
  }

  get size(): number {
    return this.#rowOf.size
  }

  get bytes(): number {
    return this.#data.byteLength + this.#ids.byteLength + this.#scores.byteLength
  }

  has(id: number): boolean {
    return this.#rowOf.has(id)
  }

  add(ids: readonly number[], vectors: readonly Float32Array[] | Float32Array): void {
    const rows = splitRows(vectors, this.dimensions)
    if (rows.length !== ids.length) {
      throw new AlcoveError('invalid-argument', `expected a vector for each of ${ids.length} ids, got ${rows.length}`)
    }
    const normalized = rows.map((row) => normalizeVector(row, this.dimensions))
    this.#reserve(this.size + ids.length)
    for (const [index, id] of ids.entries()) {
      const row = this.#rowOf.get(id) ?? this.size
      this.#rowOf.set(id, row)
      this.#ids[row] = id
      this.#data.set(normalized[index] as Float32Array, row * this.dimensions)
    }
  }

  remove(ids: readonly number[]): number {
    const before = this.size
    for (const id of ids) {
      const row = this.#rowOf.get(id)
      if (row === undefined) continue
      const last = this.size - 1
      const lastId = this.#ids[last] as number
      this.#rowOf.set(lastId, row)
      this.#ids[row] = lastId
      this.#data.copyWithin(row * this.dimensions, last * this.dimensions, (last + 1) * this.dimensions)
      this.#rowOf.delete(id)
    }
    return before - this.size
  }

  search(vector: Float32Array, topK: number, allow?: (id: number) => boolean): VectorMatches {
    if (!Number.isInteger(topK) || topK < 1) {
      throw new AlcoveError('invalid-argument', `topK: expected a whole number from 1, got ${topK}`)
    }
    const query = normalizeVector(vector, this.dimensions)
    const count = this.size
    this.#kernel(this.#data, count, this.dimensions, query, this.#scores)
    const heap = createTopHeap(topK)
    let sum = 0
    let squares = 0
    for (let row = 0; row < count; row++) {
      const score = this.#scores[row] as number
      sum += score
      squares += score * score
      if (score < heap.floor) continue
      const id = this.#ids[row] as number
      if (allow === undefined || allow(id)) heap.push(id, score)
    }
    const mean = count === 0 ? 0 : sum / count
    const deviation = count === 0 ? 0 : Math.sqrt(Math.max(squares / count - mean * mean, 0))
    return { rows: heap.drain(), mean, deviation, scanned: count }
  }

  clear(): void {
    this.#rowOf.clear()
    this.#data = new Float32Array(initialRows * this.dimensions)
    this.#ids = new Uint32Array(initialRows)
    this.#scores = new Float32Array(initialRows)
  }

  #reserve(rows: number): void {
    if (rows <= this.#ids.length) return
    const capacity = Math.max(rows, Math.ceil(this.#ids.length * 1.5))
    const data = new Float32Array(capacity * this.dimensions)
    data.set(this.#data.subarray(0, this.size * this.dimensions))
    const ids = new Uint32Array(capacity)
    ids.set(this.#ids.subarray(0, this.size))
    this.#data = data
    this.#ids = ids
    this.#scores = new Float32Array(capacity)
  }
}

function splitRows(vectors: readonly Float32Array[] | Float32Array, dimensions: number): readonly Float32Array[] {
  if (!(vectors instanceof Float32Array)) return vectors
  if (vectors.length % dimensions !== 0) {
    throw new AlcoveError(
      'dimension-mismatch',
      `expected whole vectors of ${dimensions} numbers, got ${vectors.length} numbers`,
      { details: { expected: dimensions, got: vectors.length } },
    )
  }
  return Array.from({ length: vectors.length / dimensions }, (_, row) =>
    vectors.subarray(row * dimensions, (row + 1) * dimensions),
  )
}
