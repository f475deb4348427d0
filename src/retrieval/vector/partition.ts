import { lengthOf } from './encode.js'
import { blockRows, mostLists, type RowStore } from './row-store.js'
import { createTopHeap } from './top-heap.js'

/** Vectors of the sample for each list (FAISS warns below this many). */
const sampleOfList = 39
/** There is a list for so many square roots of the size. More lists are scanned a little faster, and filled as much more slowly. */
const rootsOfList = 4
const rounds = 8
/** Queries and neighbours that the number of probes is chosen by. */
const trialQueries = 64
const trialNeighbours = 64
/** Share of the true neighbours that must be in the lists looked into. */
const wantedRecall = 0.995
/** Real queries lie farther from the vectors than the trial's. */
const safety = 1.25
/** The share of rows that may change before the probes are chosen anew. */
const staleShare = 0.5

export interface PartitionOptions {
  readonly dimensions: number
  /** From this size on there are lists. */
  readonly partitionFrom: number
  readonly random: () => number
  /** Moves the last row of a list to the end of another. */
  readonly moveLast: (from: number, to: number) => void
}

interface Centroids {
  /** Row of the first; the others follow. */
  readonly firstRow: number
  readonly count: number
}

const always = (): number => Number.NEGATIVE_INFINITY

/**
 * An inverted file: lists of rows around centroids (spherical k-means), of which a search looks into the nearest few. All rows come into list
 * 0, which every search looks into, and are moved to theirs by background work, which runs in slices: between these the index may change.
 */
export class Partition {
  readonly #rows: RowStore
  readonly #options: PartitionOptions
  #centroids: Centroids | undefined
  #probes = 0
  /** Rows that came or went since the probes were chosen. */
  #changes = 0
  /** The size at which lists are tried, again where the vectors had no clusters. */
  #nextTry: number
  #task: Generator<void, void, void> | undefined

  constructor(rows: RowStore, options: PartitionOptions) {
    this.#rows = rows
    this.#options = options
    this.#nextTry = Math.max(options.partitionFrom, 4 * sampleOfList)
  }

  /** Lists beside list 0. */
  get lists(): number {
    return this.#centroids?.count ?? 0
  }

  get probes(): number {
    return this.#probes
  }

  /** Whether searches look into some lists only: where the vectors have no clusters, most would be needed, and all are as fast. */
  get isUsed(): boolean {
    return this.#probes > 0 && this.#probes * 2 < this.lists
  }

  get hasWork(): boolean {
    if (this.#task !== undefined) return true
    const { size } = this
    if (this.#centroids === undefined) return size >= this.#nextTry
    return this.#unassigned > 0 || this.#isStale
  }

  /** Whether so much has changed that another number of probes may be needed. */
  get #isStale(): boolean {
    return this.#changes > Math.max(this.size, 1) * staleShare
  }

  get size(): number {
    return this.#rows.lists.reduce((sum, { count }) => sum + count, 0)
  }

  get #unassigned(): number {
    return this.#rows.lists[0]?.count ?? 0
  }

  noteChange(): void {
    this.#changes++
  }

  /** Whether a search for this many rows may look into some lists only. */
  serves(topK: number): boolean {
    return this.isUsed && topK <= trialNeighbours
  }

  /** List 0 and those nearest to the query that is set. */
  nearestLists(unit: number): number[] {
    return [0, ...this.#rankLists(this.#centroids as Centroids, unit, this.#probes).map((list) => list + 1)]
  }

  /** Works for about this long, in milliseconds. Whether there is more to do. */
  work(budgetMs: number): boolean {
    const end = performance.now() + budgetMs
    while (this.hasWork) {
      this.#task ??= this.#tend()
      if (this.#task.next().done) this.#task = undefined
      if (performance.now() >= end) break
    }
    return this.hasWork
  }

  *#tend(): Generator<void, void, void> {
    if (this.#centroids === undefined) {
      const centroids = yield* this.#train()
      const probes = yield* this.#chooseProbes(centroids)
      if (probes * 2 >= centroids.count) {
        this.#rows.dropRun(centroids.firstRow, Math.ceil(centroids.count / blockRows))
        this.#nextTry = this.size * 2
        return
      }
      this.#centroids = centroids
      for (let list = 0; list < centroids.count; list++) this.#rows.lists.push({ blocks: [], count: 0 })
      this.#probes = probes
    }
    yield* this.#assign(this.#centroids)
    if (this.#isStale) this.#probes = yield* this.#chooseProbes(this.#centroids)
  }

  /** Centroids nearest to the query that is set, best first, counted from 0. */
  #rankLists({ firstRow, count }: Centroids, unit: number, limit: number): number[] {
    const heap = createTopHeap(Math.min(limit, count))
    this.#rows.scanRun(firstRow, count, unit, always, (row, score) => heap.push(row - firstRow, score))
    return heap.drain().map(({ id }) => id)
  }

  /** k-means by cosine over a sample. */
  *#train(): Generator<void, Centroids, void> {
    const { dimensions } = this.#options
    const { size } = this
    const count = Math.min(Math.ceil(Math.sqrt(size) / rootsOfList), Math.floor(size / sampleOfList), mostLists - 1)
    const sample = this.#takeSample(Math.min(size, count * sampleOfList))
    const sampleCount = sample.length / dimensions
    const firstRow = this.#rows.takeRun(Math.ceil(count / blockRows))
    const step = Math.max(1, Math.floor(sampleCount / count))
    for (let list = 0; list < count; list++) this.#setCentroid(firstRow + list, sample, list * step * dimensions)
    for (let round = 0; round < rounds; round++) {
      const sums = new Float32Array(count * dimensions)
      const members = new Uint32Array(count)
      for (let row = 0; row < sampleCount; row++) {
        this.#rows.setQuery(sample.subarray(row * dimensions, (row + 1) * dimensions))
        const list = this.#rows.nearest(firstRow, count)
        members[list] = (members[list] as number) + 1
        for (let k = 0, from = row * dimensions, to = list * dimensions; k < dimensions; k++) {
          sums[to + k] = (sums[to + k] as number) + (sample[from + k] as number)
        }
        if (row % 32 === 31) yield
      }
      for (let list = 0; list < count; list++) {
        // One that attracts nothing starts again at a row of the sample.
        const [from, at] =
          members[list] === 0 ? [sample, this.#below(sampleCount) * dimensions] : [sums, list * dimensions]
        this.#setCentroid(firstRow + list, from, at)
      }
    }
    return { firstRow, count }
  }

  /** Vectors of rows spread evenly over all, as their codes have them, in an order of chance. */
  #takeSample(count: number): Float32Array {
    const { dimensions } = this.#options
    const sample = new Float32Array(count * dimensions)
    const step = this.size / count
    const order = Array.from({ length: count }, (_, index) => index)
    for (let index = count - 1; index > 0; index--) {
      const other = this.#below(index + 1)
      ;[order[index], order[other]] = [order[other] as number, order[index] as number]
    }
    const { blocks } = this.#rows.lists[0] as { readonly blocks: readonly number[] }
    for (const [index, place] of order.entries()) {
      const at = Math.floor(place * step)
      const row = (blocks[Math.floor(at / blockRows)] as number) * blockRows + (at % blockRows)
      sample.set(this.#readRow(row), index * dimensions)
    }
    return sample
  }

  *#assign({ firstRow, count }: Centroids): Generator<void, void, void> {
    const { moveLast } = this.#options
    for (let moved = 1; this.#unassigned > 0; moved++) {
      this.#rows.setQueryRow(this.#rows.lastOf(0))
      moveLast(0, this.#rows.nearest(firstRow, count) + 1)
      if (moved % 32 === 0) yield
    }
  }

  /**
   * How many lists must be looked into: finds the true neighbours of some queries, and how far down the ranking of lists these are. Half of
   * the queries are vectors of the index, half lie between two of them.
   */
  *#chooseProbes(centroids: Centroids): Generator<void, number, void> {
    const ranks: number[] = []
    const changes = this.#changes
    for (let trial = 0; trial < trialQueries; trial++) {
      const own = this.#randomRow()
      if (own < 0) break
      const query = this.#readRow(own)
      if (trial % 2 === 1) {
        const other = this.#readRow(this.#randomRow())
        for (let k = 0; k < query.length; k++) query[k] = (query[k] as number) + 0.75 * (other[k] as number)
      }
      ranks.push(...this.#rankNeighbours(centroids, query))
      yield
    }
    ranks.sort((a, b) => a - b)
    this.#changes -= changes
    const needed = ranks[Math.ceil(ranks.length * wantedRecall) - 1] ?? 1
    return Math.min(Math.max(1, Math.ceil(needed * safety)), centroids.count)
  }

  /** For each true neighbour of a query, how many lists must be looked into to find it. */
  #rankNeighbours(centroids: Centroids, query: Float32Array): number[] {
    const { firstRow, count } = centroids
    const unit = this.#rows.setQuery(query)
    const rankOf = new Uint32Array(count)
    for (const [index, list] of this.#rankLists(centroids, unit, count).entries()) rankOf[list] = index + 1
    const heap = createTopHeap(trialNeighbours + 1)
    for (const list of this.#rows.lists.keys()) {
      this.#rows.scanList(
        list,
        unit,
        () => heap.floor,
        (row, score) => heap.push(row, score),
      )
    }
    // The first is the query itself, or one of the two that it is made of.
    const neighbours = heap.drain().slice(1)
    return neighbours.map(({ id }) => {
      this.#rows.setQueryRow(id)
      return rankOf[this.#rows.nearest(firstRow, count)] as number
    })
  }

  #setCentroid(row: number, from: Float32Array, at: number): void {
    const length = Float64Array.of(lengthOf(from, at, this.#options.dimensions))
    this.#rows.load(row, this.#rows.encoder.encode(from, at, 1, length, 0))
  }

  /** The vector that a row's codes stand for. */
  #readRow(row: number): Float32Array {
    const address = this.#rows.addressOf(row)
    const scale = this.#rows.scaleOf(row)
    return Float32Array.from(
      this.#rows.codes.subarray(address, address + this.#options.dimensions),
      (code) => code * scale,
    )
  }

  /** A row by chance; -1 when there is none. */
  #randomRow(): number {
    const rows = this.#rows
    for (let attempt = 0; this.size > 0 && attempt < 10_000; attempt++) {
      const block = this.#below(rows.blocks)
      const within = rows.rowsIn(block)
      if (within > 0) return block * blockRows + this.#below(within)
    }
    return -1
  }

  #below(limit: number): number {
    return Math.floor(this.#options.random() * limit)
  }
}
