import { AlcoveError } from '../../protocol/error.js'
import { countRows, type EncodedVectors, lengthError, lengthOf, lengthsOf, normalizeVector } from './encode.js'
import { IdTable } from './id-table.js'
import { createKernels } from './kernels.js'
import { Partition } from './partition.js'
import { Residuals } from './residuals.js'
import { blockRows, RowStore } from './row-store.js'
import { createTopHeap, type TopHeap } from './top-heap.js'
import type { VectorIndex, VectorIndexOptions, VectorMatches, VectorSegment } from './vector-index.js'

/** Twice as many rows as asked for, and this many more, are taken by their codes and scored exactly. */
const extraRows = 64
/** Rows that stand for all where not all are compared. */
const sampleRows = 4096
const defaultPartitionFrom = 500_000
const defaultExactBytes = 224 * 1024 * 1024
/** Background work runs this long at a time, in milliseconds, and pauses twice as long. */
const sliceMs = 8

/** An id of another number would be read back as one that is allowed. */
const highestId = 2 ** 32 - 2

const noFilter = (): boolean => true
const deferByTimer = (work: () => void): void => {
  const timer: unknown = setTimeout(work, 2 * sliceMs)
  // In Node, what nobody waits for does not keep the process alive.
  ;(timer as { unref?: () => void }).unref?.()
}

/** See `createVectorIndex`. */
export class CodedVectorIndex implements VectorIndex {
  readonly dimensions: number
  readonly #options: VectorIndexOptions
  #rows: RowStore
  #residuals: Residuals
  #table: IdTable
  #partition: Partition
  #isScheduled = false

  constructor(options: VectorIndexOptions) {
    this.dimensions = options.dimensions
    this.#options = options
    ;({
      rows: this.#rows,
      residuals: this.#residuals,
      table: this.#table,
      partition: this.#partition,
    } = this.#createParts())
  }

  get size(): number {
    return this.#table.size
  }

  get bytes(): number {
    return this.#rows.bytes + this.#residuals.bytes + this.#table.bytes
  }

  get lists(): number {
    return this.#partition.isUsed ? this.#partition.lists : 0
  }

  get probes(): number {
    return this.#partition.isUsed ? this.#partition.probes : 0
  }

  has(id: number): boolean {
    return isId(id) && this.#table.get(id) >= 0
  }

  add(ids: readonly number[] | Uint32Array, vectors: readonly Float32Array[] | Float32Array): void {
    const { dimensions } = this
    const isFlat = vectors instanceof Float32Array
    const count = isFlat ? countRows(vectors.length, dimensions) : vectors.length
    if (count !== ids.length) {
      throw new AlcoveError('invalid-argument', `expected a vector for each of ${ids.length} ids, got ${count}`)
    }
    checkIds(ids)
    for (let index = 0; !isFlat && index < count; index++) {
      const { length } = vectors[index] as Float32Array
      if (length !== dimensions) throw lengthError(dimensions, length)
    }
    const lengths = isFlat
      ? lengthsOf(vectors, count, dimensions)
      : Float64Array.from(vectors, (vector) => lengthOf(vector, 0, dimensions))
    this.#reserve(count)
    const { encoder } = this.#rows
    const most = isFlat ? encoder.capacity : 1
    for (let first = 0; first < count; first += most) {
      const rows = Math.min(most, count - first)
      const from = isFlat ? first * dimensions : 0
      const source = isFlat ? vectors : (vectors[first] as Float32Array)
      this.#put(ids, first, rows, encoder.encode(source, from, rows, lengths, first), source, from, lengths)
    }
    this.#schedule()
  }

  addSegment(segment: VectorSegment): void {
    this.#checkSegment(segment)
    const { ids, vectors, codes, scales } = segment
    const { dimensions } = this
    const lengths = vectors && lengthsOf(vectors, ids.length, dimensions)
    this.#reserve(ids.length)
    const { encoder } = this.#rows
    for (let first = 0; first < ids.length; first += encoder.capacity) {
      const rows = Math.min(encoder.capacity, ids.length - first)
      this.#put(ids, first, rows, encoder.load(codes, scales, first, rows), vectors, first * dimensions, lengths)
    }
    this.#schedule()
  }

  refine(ids: readonly number[] | Uint32Array, vectors: Float32Array): void {
    const { dimensions } = this
    const count = countRows(vectors.length, dimensions)
    if (count !== ids.length) {
      throw new AlcoveError('invalid-argument', `expected a vector for each of ${ids.length} ids, got ${count}`)
    }
    const lengths = lengthsOf(vectors, count, dimensions)
    for (let index = 0; index < count; index++) {
      const id = ids[index] as number
      const row = isId(id) ? this.#table.get(id) : -1
      if (row >= 0) this.#residuals.write(row, vectors, index * dimensions, lengths[index] as number)
    }
  }

  extract(ids: readonly number[] | Uint32Array): EncodedVectors {
    const { dimensions } = this
    const codes = new Int8Array(ids.length * dimensions)
    const scales = new Float32Array(ids.length)
    const bytes = this.#rows.codes
    for (let index = 0; index < ids.length; index++) {
      const id = ids[index] as number
      const row = isId(id) ? this.#table.get(id) : -1
      if (row < 0) throw new AlcoveError('not-found', `expected an id of the index, got ${id}`)
      const address = this.#rows.addressOf(row)
      codes.set(bytes.subarray(address, address + dimensions), index * dimensions)
      scales[index] = this.#rows.scaleOf(row)
    }
    return { codes, scales }
  }

  remove(ids: readonly number[] | Uint32Array): number {
    const before = this.size
    for (let index = 0; index < ids.length; index++) {
      const id = ids[index] as number
      const row = isId(id) ? this.#table.get(id) : -1
      if (row >= 0) this.#take(id, row)
    }
    if (this.size < before) this.#schedule()
    return before - this.size
  }

  search(vector: Float32Array, topK: number, allow?: (id: number) => boolean): VectorMatches {
    if (!Number.isInteger(topK) || topK < 1) {
      throw new AlcoveError('invalid-argument', `topK: expected a whole number from 1, got ${topK}`)
    }
    const query = normalizeVector(vector, this.dimensions)
    const unit = this.#rows.setQuery(query)
    const heap = createTopHeap(Math.min(topK * 2 + extraRows, this.size + 1))
    this.#rows.clearSums()
    const isPartial = allow === undefined && this.#partition.serves(topK)
    const lists = isPartial ? this.#partition.nearestLists(unit) : this.#rows.lists.keys()
    this.#rows.clearSums()
    for (const list of lists) this.#scan(list, unit, heap, allow ?? noFilter)
    const { mean, deviation } = isPartial ? this.#sampleScores(unit) : momentsOf(this.#rows.sums, this.size)
    const best = createTopHeap(topK)
    for (const { id } of heap.drain()) best.push(id, this.#score(id, query))
    return { rows: best.drain(), mean, deviation, scanned: this.size }
  }

  settle(): void {
    while (this.#partition.work(Number.POSITIVE_INFINITY)) {}
  }

  clear(): void {
    ;({
      rows: this.#rows,
      residuals: this.#residuals,
      table: this.#table,
      partition: this.#partition,
    } = this.#createParts())
  }

  #createParts() {
    const { dimensions, kernels, exactBytes = defaultExactBytes, partitionFrom, random } = this.#options
    const rows = new RowStore(kernels ?? createKernels(), dimensions)
    return {
      rows,
      residuals: new Residuals(rows, dimensions, () => exactBytes - rows.bytes),
      table: new IdTable((row) => rows.idOf(row)),
      partition: new Partition(rows, {
        dimensions,
        partitionFrom: partitionFrom ?? defaultPartitionFrom,
        random: random ?? Math.random,
        moveLast: (from, to) => this.#moveLast(from, to),
      }),
    }
  }

  #reserve(count: number): void {
    this.#rows.reserve(count)
    this.#table.reserve(this.size + count)
  }

  /** Takes in `count` encoded rows that begin at an address, with their ids from `first` on and, where there are any, their vectors. */
  #put(
    ids: ArrayLike<number>,
    first: number,
    count: number,
    address: number,
    vectors: Float32Array | undefined,
    from: number,
    lengths: Float64Array | undefined,
  ): void {
    const { pitch } = this.#rows.encoder
    for (let index = 0; index < count; index++) {
      const row = this.#placeOf(ids[first + index] as number)
      this.#rows.load(row, address + index * pitch)
      if (vectors === undefined || lengths === undefined) this.#residuals.clear(row)
      else this.#residuals.write(row, vectors, from + index * this.dimensions, lengths[first + index] as number)
    }
  }

  /** Where the vector of an id goes; a new one into the list of those that are in no other yet. */
  #placeOf(id: number): number {
    const known = this.#table.get(id)
    if (known >= 0 && this.#rows.listOf(known) === 0) return known
    if (known >= 0) this.#take(id, known)
    const row = this.#rows.append(0)
    this.#rows.setId(row, id)
    this.#table.set(id, row)
    this.#partition.noteChange()
    return row
  }

  /** Takes out a row; the last one of its list moves there. */
  #take(id: number, row: number): void {
    const list = this.#rows.listOf(row)
    const last = this.#rows.lastOf(list)
    this.#table.delete(id)
    if (last !== row) {
      this.#rows.copy(last, row)
      this.#residuals.copy(last, row)
      this.#table.set(this.#rows.idOf(row), row)
    }
    this.#rows.dropLast(list)
    this.#partition.noteChange()
  }

  /** Moves the last row of a list to the end of another. */
  #moveLast(from: number, to: number): void {
    const row = this.#rows.lastOf(from)
    const target = this.#rows.append(to)
    this.#rows.copy(row, target)
    this.#residuals.copy(row, target)
    this.#table.set(this.#rows.idOf(target), target)
    this.#rows.dropLast(from)
  }

  #scan(list: number, unit: number, heap: TopHeap, allow: (id: number) => boolean): void {
    const rows = this.#rows
    rows.scanList(
      list,
      unit,
      () => heap.floor,
      (row, score) => {
        if (score < heap.floor) return
        const id = rows.idOf(row)
        if (allow(id)) heap.push(id, score)
      },
    )
  }

  /** The cosine by all that is known of the vector. */
  #score(id: number, query: Float32Array): number {
    return this.#residuals.dot(this.#table.get(id), query)
  }

  /** Mean and deviation from rows spread evenly over all blocks. */
  #sampleScores(unit: number) {
    const rows = this.#rows
    rows.clearSums()
    let count = 0
    for (let turn = 0; turn < sampleRows; turn++) {
      const block = Math.floor((turn * rows.blocks) / sampleRows)
      const within = rows.rowsIn(block)
      if (within === 0) continue
      rows.scanRun(block * blockRows + ((turn * 13) % within), 1, unit, () => Number.POSITIVE_INFINITY, noFilter)
      count++
    }
    return momentsOf(rows.sums, count)
  }

  #checkSegment({ ids, vectors, codes, scales }: VectorSegment): void {
    const expected = ids.length * this.dimensions
    const isFitting = scales.length === ids.length && (vectors === undefined || vectors.length === expected)
    if (codes.length !== expected || !isFitting) {
      throw new AlcoveError(
        'dimension-mismatch',
        `expected ${expected} codes and numbers and ${ids.length} scales for ${ids.length} ids of ${this.dimensions} dimensions, ` +
          `got ${codes.length} codes, ${vectors?.length ?? 'no'} numbers and ${scales.length} scales`,
        { details: { expected, got: codes.length } },
      )
    }
    checkIds(ids)
    for (const scale of scales) {
      if (scale > 0 && scale <= 1) continue
      throw new AlcoveError('invalid-argument', `expected scales above 0 and up to 1, got ${scale}`)
    }
  }

  /** Sees to it that background work goes on while there is some. */
  #schedule(): void {
    if (this.#isScheduled || !this.#partition.hasWork) return
    this.#isScheduled = true
    const defer = this.#options.defer ?? deferByTimer
    // An index that nobody holds any more has nothing to do.
    const self = new WeakRef(this)
    defer(() => {
      const index = self.deref()
      if (index !== undefined) index.#workOn()
    })
  }

  #workOn(): void {
    this.#isScheduled = false
    this.#partition.work(sliceMs)
    this.#schedule()
  }
}

const isId = (id: number): boolean => Number.isInteger(id) && id >= 0 && id <= highestId

function checkIds(ids: ArrayLike<number>): void {
  for (let index = 0; index < ids.length; index++) {
    const id = ids[index] as number
    if (isId(id)) continue
    throw new AlcoveError('invalid-argument', `ids: expected whole numbers from 0 to ${highestId}, got ${id}`)
  }
}

function momentsOf({ sum, squares }: { readonly sum: number; readonly squares: number }, count: number) {
  const mean = count === 0 ? 0 : sum / count
  return { mean, deviation: count === 0 ? 0 : Math.sqrt(Math.max(squares / count - mean * mean, 0)) }
}
