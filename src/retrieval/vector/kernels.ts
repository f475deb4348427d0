import { AlcoveError } from '../../protocol/error.js'
import { kernelBinary } from './kernel-binary.js'
import { encodePlainly, nearestPlainly, scanPlainly } from './plain-kernels.js'

/** Codes in a row come in whole groups of this many, the rest zeros. */
export const codeGroup = 32

/**
 * The loops over rows of codes, and the memory that holds these. A row is `stride` bytes of int8 codes and its scale, a float of 4 bytes;
 * a query is `stride` int16. All places are byte addresses in `buffer`. Both kinds give the same results, bit for bit.
 */
export interface VectorKernels {
  readonly kind: 'simd' | 'plain'
  /** The memory at this moment: growing replaces it. */
  readonly buffer: ArrayBuffer
  /**
   * Makes the memory at least this large; what is in it stays, what is new is zero.
   * @throws AlcoveError `out-of-memory`
   */
  reserve(bytes: number): void
  /**
   * Scores `count` rows: dot product × scale × `unit`. Adds the scores and their squares to the two doubles at `sums`. Rows that reach
   * `floor` are written to `found` as pairs of int32 row and float score. Returns the number of pairs.
   */
  scan(
    rows: number,
    count: number,
    stride: number,
    query: number,
    unit: number,
    floor: number,
    sums: number,
    found: number,
  ): number
  /** The row with the highest dot product × scale, the first of equal ones; -1 without rows. */
  nearest(rows: number, count: number, stride: number, query: number): number
  /**
   * Writes the codes of `count` vectors of `stride` finite floats each to `rows`: whole steps of the vector's largest number / 127. Where a
   * row's scale goes it leaves that largest number.
   */
  encode(source: number, count: number, stride: number, rows: number): void
}

const pageBytes = 65_536
/** Memory grows by an eighth, and by no more than this: a large index has little to spare. */
const largestStepBytes = 1024 * 1024

/** WebAssembly where it has SIMD and the page's policy lets it run, plain loops everywhere else. */
export function createKernels(): VectorKernels {
  return createSimdKernels() ?? createPlainKernels()
}

/** A compiled module, or undefined where there can be none; looked for once. */
let compiled: { readonly module: WebAssembly.Module | undefined } | undefined

function compile(): WebAssembly.Module | undefined {
  try {
    const bytes = Uint8Array.from(atob(kernelBinary), (letter) => letter.charCodeAt(0))
    // Compiled on the spot, which browsers allow for modules of this size on every thread.
    return WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : undefined
  } catch {
    return undefined
  }
}

/** The kernels in WebAssembly; undefined without SIMD, or where the content security policy forbids WebAssembly. */
export function createSimdKernels(): VectorKernels | undefined {
  compiled ??= { module: compile() }
  if (compiled.module === undefined) return undefined
  const memory = new WebAssembly.Memory({ initial: 1 })
  const instance = new WebAssembly.Instance(compiled.module, { env: { memory } })
  const { scan, nearest, encode } = instance.exports as unknown as Pick<VectorKernels, 'scan' | 'nearest' | 'encode'>
  // Kept, as asking the memory for it takes as long as scanning a hundred rows.
  let buffer = memory.buffer as ArrayBuffer
  return {
    kind: 'simd',
    get buffer() {
      return buffer
    },
    reserve(bytes) {
      const missing = bytes - buffer.byteLength
      if (missing <= 0) return
      const step = Math.min(buffer.byteLength / 8, largestStepBytes)
      guardMemory(bytes, () => memory.grow(Math.ceil(Math.max(missing, step) / pageBytes)))
      buffer = memory.buffer as ArrayBuffer
    },
    scan,
    nearest,
    encode,
  }
}

/** The kernels in plain JavaScript. */
export function createPlainKernels(): VectorKernels {
  let buffer = new ArrayBuffer(pageBytes)
  return {
    kind: 'plain',
    get buffer() {
      return buffer
    },
    reserve(bytes) {
      if (bytes <= buffer.byteLength) return
      const size = Math.max(bytes, Math.ceil(buffer.byteLength * 1.25))
      const grown = guardMemory(bytes, () => new ArrayBuffer(size + (8 - (size % 8))))
      new Uint8Array(grown).set(new Uint8Array(buffer))
      buffer = grown
    },
    scan: (...place) => scanPlainly(buffer, ...place),
    nearest: (...place) => nearestPlainly(buffer, ...place),
    encode: (...place) => encodePlainly(buffer, ...place),
  }
}

function guardMemory<Result>(bytes: number, grow: () => Result): Result {
  try {
    return grow()
  } catch (cause) {
    throw new AlcoveError('out-of-memory', `a vector index needs ${bytes} bytes of memory, and they are not there`, {
      hint: 'Close other tabs, or search fewer documents at once.',
      cause,
    })
  }
}
