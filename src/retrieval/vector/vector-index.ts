import { AlcoveError } from '../../protocol/error.js'
import { CodedVectorIndex } from './coded-index.js'
import { type EncodedVectors, encodeRows } from './encode.js'
import type { VectorKernels } from './kernels.js'
import type { ScoredId } from './top-heap.js'

/** What a scan found. */
export interface VectorMatches {
  /** The best rows by cosine, best first; equal ones by id. */
  readonly rows: readonly ScoredId[]
  /**
   * Mean cosine of the query with all vectors: what a row scores by chance. From int8 codes; where not all were compared, from a sample of
   * 4,096.
   */
  readonly mean: number
  /** Standard deviation of those cosines, known alike. */
  readonly deviation: number
  /** Number of vectors that the rows are the best of. */
  readonly scanned: number
}

/** Vectors as a store keeps them: opened by copying, not by computing. */
export interface VectorSegment {
  readonly ids: Uint32Array
  /** The vectors end to end, of any length but 0; without them rows are scored by their codes alone. */
  readonly vectors: Float32Array | undefined
  /** From `encodeVectors`, a row for each id. */
  readonly codes: Int8Array
  /** From `encodeVectors`, one for each id. */
  readonly scales: Float32Array
}

/**
 * Vectors by id, searched by cosine. Ids are whole numbers from 0 to 2^32 - 2. Vectors are normalised when they come in, and copied.
 * There is no similarity below which rows are dropped.
 */
export interface VectorIndex {
  readonly dimensions: number
  /** Number of vectors. */
  readonly size: number
  /** Bytes of memory that the index takes. */
  readonly bytes: number
  /** Lists of which a search without a filter looks into the nearest ones only; 0 while it compares with every vector. */
  readonly lists: number
  /** How many of the lists a search looks into; 0 while there are none. */
  readonly probes: number
  has(id: number): boolean
  /**
   * Adds vectors, one for each id, or one array of all of them end to end. An id that is there gets the new vector. All or nothing.
   * @throws AlcoveError `dimension-mismatch` for a vector of another length; `invalid-argument` for one with a number that is not finite
   *   or with nothing but zeros, and for an id that is none; `out-of-memory`
   */
  add(ids: readonly number[] | Uint32Array, vectors: readonly Float32Array[] | Float32Array): void
  /**
   * Adds stored vectors, as `add` does.
   * @throws AlcoveError `dimension-mismatch` for arrays whose lengths do not fit each other; `invalid-argument` for a scale that is not
   *   finite and above 0, and for an id that is none; `out-of-memory`
   */
  addSegment(segment: VectorSegment): void
  /**
   * Takes the vectors of ids that are there by their codes alone, so that they are scored exactly; others are passed over. The codes must be
   * those of these vectors.
   * @throws AlcoveError as `add`
   */
  refine(ids: readonly number[] | Uint32Array, vectors: Float32Array): void
  /**
   * Codes and scales of ids, in order, as `addSegment` takes them.
   * @throws AlcoveError `not-found` for an id that is not there
   */
  extract(ids: readonly number[] | Uint32Array): EncodedVectors
  /** Removes ids; those that are not there are passed over. Returns how many were. */
  remove(ids: readonly number[] | Uint32Array): number
  /**
   * The `topK` nearest among the ids that `allow` lets through.
   * @throws AlcoveError as `add`; `invalid-argument` for a `topK` below 1
   */
  search(vector: Float32Array, topK: number, allow?: (id: number) => boolean): VectorMatches
  /** Does at once what is left to do in the background: lists for an index that is large enough. Seconds for a million vectors. */
  settle(): void
  clear(): void
}

export interface VectorIndexOptions {
  /** Numbers in a vector, from 1 to 65,536. */
  readonly dimensions: number
  /** The loops that scan. @default WebAssembly SIMD, plain JavaScript where there is none */
  readonly kernels?: VectorKernels | undefined
  /** From this size on, lists are made in the background (IVF). @default 500,000 */
  readonly partitionFrom?: number | undefined
  /**
   * While the index takes no more bytes than this, it keeps the vectors themselves beside their codes, and scores are exact. Beyond, the
   * oldest give way to 10 bits a number, and their cosines have an error of about 0.0001.
   * @default 224 MiB, enough for 120,000 vectors of 384 numbers
   */
  readonly exactBytes?: number | undefined
  /** Runs a slice of background work a little later. @default setTimeout */
  readonly defer?: ((work: () => void) => void) | undefined
  /** Numbers from 0 up to, not including, 1. @default Math.random */
  readonly random?: (() => number) | undefined
}

/** The highest number of dimensions. */
const mostDimensions = 65_536

/**
 * An index that compares the query with every vector, by int8 codes first and the best of these exactly; above a size, with those in the
 * lists that are near the query.
 * @throws AlcoveError `invalid-argument`
 */
export function createVectorIndex(options: VectorIndexOptions): VectorIndex {
  const { dimensions } = options
  if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > mostDimensions) {
    throw new AlcoveError(
      'invalid-argument',
      `dimensions: expected a whole number from 1 to ${mostDimensions}, got ${dimensions}`,
    )
  }
  return new CodedVectorIndex(options)
}

/**
 * The codes of vectors end to end, to be kept beside them for `addSegment`: int8, and for each vector what a step is worth.
 * @throws AlcoveError `dimension-mismatch` for a part of a vector; `invalid-argument` for one with a number that is not finite or with
 *   nothing but zeros
 */
export function encodeVectors(vectors: Float32Array, dimensions: number): EncodedVectors {
  return encodeRows(vectors, dimensions)
}
