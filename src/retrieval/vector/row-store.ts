import { createRowEncoder, type RowEncoder, strideOf } from './encode.js'
import type { VectorKernels } from './kernels.js'

/** Rows of a block. A list takes whole blocks, so this bounds what a small list wastes. */
export const blockRows = 32
/** Rows that one call of the kernel scores at most, after which the floor is set anew. */
const mostAtOnce = 1024

/** The list of a block that no list has: a free one, or one of a run. */
const noList = 0xffff
/** There can be this many lists, the first included. */
export const mostLists = noList

/** Rows that belong together: blocks in order, all full but the last. */
export interface RowList {
  readonly blocks: number[]
  count: number
}

/** What every row of a scan adds to. */
export interface ScanSums {
  readonly sum: number
  readonly squares: number
}

/**
 * Rows of int8 codes with their scales and ids, in the kernels' memory, in lists. A row is named by its place; rows move when others are
 * taken out of their list.
 */
export class RowStore {
  readonly #kernels: VectorKernels
  readonly #dimensions: number
  /** Bytes of a row's codes. */
  readonly #stride: number
  /** Bytes of a row. */
  readonly #pitch: number
  /** Addresses: the query is at 0. */
  readonly #sums: number
  readonly #found: number
  readonly #base: number
  /** Id of each row. */
  #ids = new Uint32Array(blockRows)
  /** List of each block. */
  #listOf = new Uint16Array(1)
  #blocks = 0
  readonly #free: number[] = []
  /** Makes rows to be copied here. */
  readonly encoder: RowEncoder
  readonly lists: RowList[] = [{ blocks: [], count: 0 }]
  #views: { readonly bytes: Int8Array; readonly floats: Float32Array; readonly words: Int32Array }

  constructor(kernels: VectorKernels, dimensions: number) {
    this.#kernels = kernels
    this.#dimensions = dimensions
    this.#stride = strideOf(dimensions)
    this.#pitch = this.#stride + 4
    this.#sums = this.#stride * 2
    this.#found = this.#sums + 16
    this.encoder = createRowEncoder(kernels, dimensions, this.#found + mostAtOnce * 8)
    this.#base = this.encoder.end
    this.#views = createViews(kernels.buffer)
  }

  get bytes(): number {
    return this.#kernels.buffer.byteLength + this.#ids.byteLength + this.#listOf.byteLength
  }

  /** The memory as signed bytes, at this moment. */
  get codes(): Int8Array {
    return this.#current.bytes
  }

  /** Blocks that exist, free ones included. */
  get blocks(): number {
    return this.#blocks
  }

  idOf(row: number): number {
    return this.#ids[row] as number
  }

  setId(row: number, id: number): void {
    this.#ids[row] = id
  }

  /** Address of a row's codes. */
  addressOf(row: number): number {
    return this.#base + row * this.#pitch
  }

  scaleOf(row: number): number {
    return this.#current.floats[(this.addressOf(row) + this.#stride) / 4] as number
  }

  listOf(row: number): number {
    return this.#listOf[Math.floor(row / blockRows)] as number
  }

  /** Makes room for `count` more rows in one step. */
  reserve(count: number): void {
    this.#provideBlocks(this.#blocks + Math.max(0, Math.ceil(count / blockRows) - this.#free.length))
  }

  /** A new row at the end of a list; what is in it is left from before. */
  append(list: number): number {
    const target = this.lists[list] as RowList
    const within = target.count % blockRows
    if (within === 0) target.blocks.push(this.#takeBlock(list))
    target.count++
    return (target.blocks[target.blocks.length - 1] as number) * blockRows + within
  }

  /** The last row of a list that has one. */
  lastOf(list: number): number {
    const { blocks, count } = this.lists[list] as RowList
    return (blocks[blocks.length - 1] as number) * blockRows + ((count - 1) % blockRows)
  }

  /** Takes the last row of a list away. */
  dropLast(list: number): void {
    const from = this.lists[list] as RowList
    from.count--
    if (from.count % blockRows !== 0) return
    const block = from.blocks.pop() as number
    this.#listOf[block] = noList
    this.#free.push(block)
  }

  /** Sets the codes and the scale of a row to those at an address. */
  load(row: number, address: number): void {
    this.#current.bytes.copyWithin(this.addressOf(row), address, address + this.#pitch)
  }

  /** Copies codes, scale and id of a row. */
  copy(from: number, to: number): void {
    const start = this.addressOf(from)
    this.#current.bytes.copyWithin(this.addressOf(to), start, start + this.#pitch)
    this.#ids[to] = this.#ids[from] as number
  }

  /** `count` new blocks that follow each other and belong to no list: the row that begins them. For centroids. */
  takeRun(count: number): number {
    const first = this.#blocks
    this.#provideBlocks(first + count)
    this.#listOf.fill(noList, first, first + count)
    this.#blocks = first + count
    return first * blockRows
  }

  /** Gives the blocks of `takeRun` back. */
  dropRun(firstRow: number, count: number): void {
    for (let block = 0; block < count; block++) this.#free.push(firstRow / blockRows + block)
  }

  /** Rows in a block; 0 where no list has it. */
  rowsIn(block: number): number {
    const list = this.lists[this.#listOf[block] as number]
    if (list === undefined) return 0
    return block === list.blocks[list.blocks.length - 1] ? ((list.count - 1) % blockRows) + 1 : blockRows
  }

  /** Sets the query: its numbers in int16. Returns what a step of it is worth. */
  setQuery(query: ArrayLike<number>): number {
    let largest = 0
    for (let k = 0; k < this.#dimensions; k++) largest = Math.max(largest, Math.abs(query[k] as number))
    // So that no sum of products leaves 32 bits.
    const steps = Math.min(32_767, Math.floor((2 ** 31 - 1) / (128 * this.#stride)))
    const factor = largest === 0 ? 0 : steps / largest
    const halves = new Int16Array(this.#kernels.buffer, 0, this.#stride)
    for (let k = 0; k < this.#dimensions; k++) halves[k] = Math.round((query[k] as number) * factor)
    return largest / steps
  }

  /** Sets the query to the codes of a row. */
  setQueryRow(row: number): void {
    const address = this.addressOf(row)
    const halves = new Int16Array(this.#kernels.buffer, 0, this.#stride)
    for (let k = 0; k < this.#dimensions; k++) halves[k] = this.#current.bytes[address + k] as number
  }

  /** The nearest to the query of `count` rows that follow each other, counted from the first. */
  nearest(firstRow: number, count: number): number {
    return this.#kernels.nearest(this.addressOf(firstRow), count, this.#stride, 0)
  }

  clearSums(): void {
    new Float64Array(this.#kernels.buffer, this.#sums, 2).fill(0)
  }

  /** Sums of all scores since `clearSums`. */
  get sums(): ScanSums {
    const [sum = 0, squares = 0] = new Float64Array(this.#kernels.buffer, this.#sums, 2)
    return { sum, squares }
  }

  /**
   * Scores `count` rows that follow each other against the query and hands on those that reach the floor, which is asked for every
   * 1,024 rows.
   */
  scanRun(
    firstRow: number,
    count: number,
    unit: number,
    floor: () => number,
    take: (row: number, score: number) => void,
  ): void {
    for (let done = 0; done < count; done += mostAtOnce) {
      const first = firstRow + done
      const rows = Math.min(count - done, mostAtOnce)
      const address = this.addressOf(first)
      const hits = this.#kernels.scan(address, rows, this.#stride, 0, unit, floor(), this.#sums, this.#found)
      if (hits === 0) continue
      const { words, floats } = this.#current
      for (let hit = 0, at = this.#found / 4; hit < hits; hit++, at += 2) {
        take(first + (words[at] as number), floats[at + 1] as number)
      }
    }
  }

  /** `scanRun` over all rows of a list; blocks that follow each other are one run. */
  scanList(list: number, unit: number, floor: () => number, take: (row: number, score: number) => void): void {
    const { blocks, count } = this.lists[list] as RowList
    for (let at = 0; at < blocks.length; ) {
      const first = blocks[at] as number
      let length = 1
      while (at + length < blocks.length && blocks[at + length] === first + length) length++
      const rows = Math.min(length * blockRows, count - at * blockRows)
      this.scanRun(first * blockRows, rows, unit, floor, take)
      at += length
    }
  }

  get #current() {
    if (this.#views.bytes.buffer !== this.#kernels.buffer) this.#views = createViews(this.#kernels.buffer)
    return this.#views
  }

  #takeBlock(list: number): number {
    const block = this.#free.pop() ?? this.#blocks
    if (block === this.#blocks) {
      this.#provideBlocks(block + 1)
      this.#blocks = block + 1
    }
    this.#listOf[block] = list
    return block
  }

  #provideBlocks(count: number): void {
    this.#kernels.reserve(this.#base + count * blockRows * this.#pitch)
    if (count <= this.#listOf.length) return
    const capacity = Math.max(count, Math.ceil(this.#listOf.length * 1.0625) + 8)
    const ids = new Uint32Array(capacity * blockRows)
    ids.set(this.#ids)
    const listOf = new Uint16Array(capacity)
    listOf.set(this.#listOf)
    this.#ids = ids
    this.#listOf = listOf
  }
}

function createViews(buffer: ArrayBuffer) {
  const words = Math.floor(buffer.byteLength / 4)
  return {
    bytes: new Int8Array(buffer),
    floats: new Float32Array(buffer, 0, words),
    words: new Int32Array(buffer, 0, words),
  }
}
