import { AlcoveError } from '../../protocol/error.js'
import { codeGroup, createKernels, type VectorKernels } from './kernels.js'

/** A step of a code is the largest number of its vector divided by this. */
const largestCode = 127
/** A vector of this length or less is one of zeros: below it, floats lose their precision. */
const leastLength = 1e-30
/** Bytes of vectors that are encoded at once, and rows at most. */
const chunkBytes = 128 * 1024
const chunkRows = 64

/** Codes of vectors end to end, and for each vector what one step of its codes is worth. */
export interface EncodedVectors {
  readonly codes: Int8Array
  readonly scales: Float32Array
}

/** Encodes vectors chunk by chunk in the kernels' memory. */
export interface RowEncoder {
  /** Address behind the memory that it uses. */
  readonly end: number
  /** Rows that fit at once. */
  readonly capacity: number
  /** Bytes from one row to the next. */
  readonly pitch: number
  /**
   * Encodes `count` vectors that begin at `from` in `vectors`, of these lengths. Returns the address of the rows, which stay until the next
   * call: codes, then the scale at length 1.
   */
  encode(vectors: Float32Array, from: number, count: number, lengths: Float64Array, firstLength: number): number
  /** Brings stored codes and scales into rows, likewise. */
  load(codes: Int8Array, scales: Float32Array, first: number, count: number): number
  /** Copies the rows that were made last to `codes` and `scales`, as rows from `first` on. */
  unload(count: number, codes: Int8Array, scales: Float32Array, first: number): void
}

/** @param base where its memory begins, a multiple of 16 */
export function createRowEncoder(kernels: VectorKernels, dimensions: number, base: number): RowEncoder {
  const stride = strideOf(dimensions)
  const pitch = stride + 4
  const capacity = Math.max(1, Math.min(chunkRows, Math.floor(chunkBytes / (stride * 4))))
  const rows = base + capacity * stride * 4
  const end = rows + capacity * pitch
  kernels.reserve(end)
  return {
    end,
    capacity,
    pitch,
    encode(vectors, from, count, lengths, firstLength) {
      const floats = new Float32Array(kernels.buffer, 0, rows / 4)
      if (stride !== dimensions) floats.fill(0, base / 4, base / 4 + count * stride)
      for (let row = 0; row < count; row += stride === dimensions ? count : 1) {
        const size = stride === dimensions ? count * dimensions : dimensions
        const start = from + row * dimensions
        floats.set(vectors.subarray(start, start + size), base / 4 + row * stride)
      }
      kernels.encode(base, count, stride, rows)
      const words = new Float32Array(kernels.buffer, 0, end / 4)
      for (let row = 0, at = (rows + stride) / 4; row < count; row++, at += pitch / 4) {
        words[at] = (words[at] as number) / (lengths[firstLength + row] as number) / largestCode
      }
      return rows
    },
    load(codes, scales, first, count) {
      const bytes = new Int8Array(kernels.buffer, 0, end)
      const words = new Float32Array(kernels.buffer, 0, end / 4)
      bytes.set(codes.subarray(first * dimensions, (first + count) * dimensions), base)
      for (let row = 0, at = rows, from = base; row < count; row++, at += pitch, from += dimensions) {
        bytes.copyWithin(at, from, from + dimensions)
        words[(at + stride) / 4] = scales[first + row] as number
      }
      return rows
    },
    unload(count, codes, scales, first) {
      const bytes = new Int8Array(kernels.buffer, 0, end)
      const words = new Float32Array(kernels.buffer, 0, end / 4)
      for (let row = 0, at = rows, to = base; row < count; row++, at += pitch, to += dimensions) {
        bytes.copyWithin(to, at, at + dimensions)
        scales[first + row] = words[(at + stride) / 4] as number
      }
      codes.set(bytes.subarray(base, base + count * dimensions), first * dimensions)
    },
  }
}

/** Bytes of a row's codes, padding included. */
export function strideOf(dimensions: number): number {
  return Math.ceil(dimensions / codeGroup) * codeGroup
}

/**
 * The length of the vector that begins at `at`.
 * @throws AlcoveError `invalid-argument` for one with a number that is not finite or with nothing but zeros
 */
export function lengthOf(vectors: Float32Array, at: number, dimensions: number): number {
  let even = 0
  let odd = 0
  const whole = at + dimensions - (dimensions % 2)
  for (let k = at; k < whole; k += 2) {
    const first = vectors[k] as number
    const second = vectors[k + 1] as number
    even += first * first
    odd += second * second
  }
  if (dimensions % 2 === 1) even += (vectors[whole] as number) ** 2
  const length = Math.sqrt(even + odd)
  if (length > leastLength && length < Number.POSITIVE_INFINITY) return length
  const got = length <= leastLength ? 'zeros only' : 'a number that is not finite'
  throw new AlcoveError('invalid-argument', `expected a vector of finite numbers that are not all zero, got ${got}`, {
    hint: 'The embedding model gave no usable vector for this text.',
  })
}

/** The length of each of `count` vectors end to end. Throws as `lengthOf`. */
export function lengthsOf(vectors: Float32Array, count: number, dimensions: number): Float64Array {
  const lengths = new Float64Array(count)
  for (let row = 0; row < count; row++) lengths[row] = lengthOf(vectors, row * dimensions, dimensions)
  return lengths
}

/** See `encodeVectors` in vector-index.ts. */
export function encodeRows(vectors: Float32Array, dimensions: number): EncodedVectors {
  const count = countRows(vectors.length, dimensions)
  const lengths = lengthsOf(vectors, count, dimensions)
  const kernels = createKernels()
  const encoder = createRowEncoder(kernels, dimensions, 0)
  const codes = new Int8Array(vectors.length)
  const scales = new Float32Array(count)
  for (let first = 0; first < count; first += encoder.capacity) {
    const rows = Math.min(encoder.capacity, count - first)
    encoder.encode(vectors, first * dimensions, rows, lengths, first)
    encoder.unload(rows, codes, scales, first)
  }
  return { codes, scales }
}

/**
 * The number of whole vectors in `numbers` numbers.
 * @throws AlcoveError `dimension-mismatch`
 */
export function countRows(numbers: number, dimensions: number): number {
  if (numbers % dimensions === 0) return numbers / dimensions
  throw new AlcoveError(
    'dimension-mismatch',
    `expected whole vectors of ${dimensions} numbers, got ${numbers} numbers`,
    {
      details: { expected: dimensions, got: numbers },
    },
  )
}

/**
 * A copy of length 1.
 * @throws AlcoveError `dimension-mismatch` for another number of numbers; else as `lengthOf`
 */
export function normalizeVector(vector: Float32Array, dimensions: number): Float32Array {
  if (vector.length !== dimensions) throw lengthError(dimensions, vector.length)
  const scale = 1 / lengthOf(vector, 0, dimensions)
  return vector.map((value) => value * scale)
}

/** For a vector of another number of numbers. */
export function lengthError(expected: number, got: number): AlcoveError {
  return new AlcoveError('dimension-mismatch', `expected a vector of ${expected} numbers, got ${got}`, {
    details: { expected, got },
  })
}
