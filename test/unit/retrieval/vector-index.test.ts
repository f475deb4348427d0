import { describe, expect, test } from 'vitest'
import { below, createCentres, createRandom, createVectors, gaussian, type Random } from '../../../bench/lib/random.js'
import { createPlainKernels } from '../../../src/retrieval/vector/kernels.js'
import {
  createVectorIndex,
  encodeVectors,
  type VectorIndex,
  type VectorIndexOptions,
} from '../../../src/retrieval/vector/vector-index.js'

const dimensions = 48
const numbersTo = (count: number, first = 0): Uint32Array => Uint32Array.from({ length: count }, (_, at) => first + at)
const rowOf = (data: Float32Array, row: number, width = dimensions) => data.slice(row * width, (row + 1) * width)
const noDefer = (): void => {}

function clustered(seed: number, count: number, width = dimensions): Float32Array {
  const random = createRandom(seed)
  return createVectors(random, count, width, createCentres(createRandom(1), 30, width))
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, lengthA, lengthB] = [0, 0, 0]
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [a[k] as number, b[k] as number]
    dot += x * y
    lengthA += x * x
    lengthB += y * y
  }
  return dot / Math.sqrt(lengthA * lengthB)
}

/** The plain reference: every cosine, sorted. */
function rank(vectors: ReadonlyMap<number, Float32Array>, query: Float32Array, allow: (id: number) => boolean) {
  return [...vectors]
    .map(([id, vector]) => ({ id, score: cosine(vector, query) }))
    .filter(({ id }) => allow(id))
    .sort((a, b) => b.score - a.score || a.id - b.id)
}

function recallOf(index: VectorIndex, vectors: ReadonlyMap<number, Float32Array>, queries: readonly Float32Array[]) {
  let found = 0
  for (const query of queries) {
    const truth = new Set(
      rank(vectors, query, () => true)
        .slice(0, 10)
        .map(({ id }) => id),
    )
    found += index.search(query, 10).rows.filter(({ id }) => truth.has(id)).length
  }
  return found / (queries.length * 10)
}

const asMap = (data: Float32Array, width = dimensions): Map<number, Float32Array> =>
  new Map(Array.from({ length: data.length / width }, (_, row) => [row, rowOf(data, row, width)] as const))

/** Adds and removes by chance, also stored segments and ids that are there already. */
function change(index: VectorIndex, expected: Map<number, Float32Array>, random: Random, width: number): void {
  if (random() < 0.3) {
    const ids = Array.from({ length: below(random, 60) }, () => below(random, 900))
    const there = new Set(ids.filter((id) => expected.delete(id)))
    expect(index.remove(ids)).toBe(there.size)
    return
  }
  const ids = numbersTo(1 + below(random, 80), below(random, 900))
  // Of any length.
  const vectors = Float32Array.from({ length: ids.length * width }, () => gaussian(random) * 3)
  if (random() < 0.5) index.addSegment({ ids, vectors, ...encodeVectors(vectors, width) })
  else index.add(ids, vectors)
  for (const [row, id] of ids.entries()) expected.set(id, rowOf(vectors, row, width))
}

/** Compares one search with the reference: rows whose scores are equal to within `error` may change places. */
function compare(index: VectorIndex, expected: ReadonlyMap<number, Float32Array>, random: Random, error: number): void {
  const query = Float32Array.from({ length: index.dimensions }, () => gaussian(random))
  const divisor = 1 + below(random, 4)
  const allow = (id: number): boolean => id % divisor === 0
  const topK = 1 + below(random, 30)
  const truth = rank(expected, query, allow)
  const { rows, mean, deviation, scanned } =
    divisor === 1 ? index.search(query, topK) : index.search(query, topK, allow)
  expect(rows.length).toBe(Math.min(topK, truth.length))
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length)
  for (const [place, { id, score }] of rows.entries()) {
    expect(allow(id)).toBe(true)
    expect(Math.abs(score - cosine(expected.get(id) as Float32Array, query))).toBeLessThan(error)
    expect(Math.abs(score - (truth[place]?.score ?? 0))).toBeLessThan(error)
  }
  const all = rank(expected, query, () => true)
  const trueMean = all.reduce((sum, { score }) => sum + score, 0) / Math.max(all.length, 1)
  expect(scanned).toBe(expected.size)
  expect(Math.abs(mean - trueMean)).toBeLessThan(1e-3)
  const variance = all.reduce((sum, { score }) => sum + (score - trueMean) ** 2, 0) / Math.max(all.length, 1)
  expect(Math.abs(deviation - Math.sqrt(variance))).toBeLessThan(1e-3)
}

const kinds: [string, (seed: number) => Partial<VectorIndexOptions>, number][] = [
  ['WebAssembly', () => ({}), 1e-5],
  ['plain kernels', () => ({ kernels: createPlainKernels() }), 1e-5],
  ['little memory', () => ({ exactBytes: 0 }), 3e-3],
  ['lists tried', (seed) => ({ partitionFrom: 1, random: createRandom(seed) }), 1e-5],
]

describe.each(kinds)('against a plain reference, with %s', (_, optionsOf, error) => {
  test.each([1, 2, 3, 4])('finds the same after adds and removes of all kinds (seed %i)', (seed) => {
    const random = createRandom(seed)
    const width = [dimensions, 5, 64, 33][seed % 4] as number
    const index = createVectorIndex({ dimensions: width, defer: noDefer, ...optionsOf(seed) })
    const expected = new Map<number, Float32Array>()
    for (let step = 0; step < 40; step++) {
      change(index, expected, random, width)
      if (step % 8 === 7) index.settle()
      expect(index.size).toBe(expected.size)
      compare(index, expected, random, width < 10 ? error * 3 : error)
    }
    for (let id = 0; id < 1000; id++) expect(index.has(id)).toBe(expected.has(id))
    expect(index.remove([...expected.keys()])).toBe(expected.size)
    expect(index.search(new Float32Array(width).fill(1), 3)).toEqual({ rows: [], mean: 0, deviation: 0, scanned: 0 })
  })
})

describe('lists', () => {
  const data = clustered(7, 6000)
  const queries = Array.from({ length: 30 }, (_, row) => rowOf(clustered(8, 30), row))

  function createPartitioned(): VectorIndex {
    const index = createVectorIndex({ dimensions, partitionFrom: 2000, defer: noDefer, random: createRandom(3) })
    index.add(numbersTo(6000), data)
    return index
  }

  test('are made above the size, and found by few of them', () => {
    const index = createPartitioned()
    expect(index.lists).toBe(0)
    index.settle()
    expect(index.lists).toBeGreaterThan(10)
    expect(index.probes).toBeLessThan(index.lists / 2)
    expect(recallOf(index, asMap(data), queries)).toBeGreaterThanOrEqual(0.99)
  })

  test('take in and give up vectors without being made anew', () => {
    const index = createPartitioned()
    index.settle()
    const { lists } = index
    const expected = asMap(data)
    const gone = [...expected.keys()].filter((id) => id % 3 === 0)
    index.remove(gone)
    for (const id of gone) expected.delete(id)
    const more = clustered(9, 3000)
    index.add(numbersTo(3000, 10_000), more)
    for (const [row, vector] of asMap(more)) expected.set(10_000 + row, vector)
    // At once, and when all are in their lists.
    expect(recallOf(index, expected, queries)).toBeGreaterThanOrEqual(0.99)
    index.settle()
    expect(index.lists).toBe(lists)
    expect(recallOf(index, expected, queries)).toBeGreaterThanOrEqual(0.99)
  })

  test('are not made of vectors without clusters, and give no memory away', () => {
    const random = createRandom(4)
    const index = createVectorIndex({ dimensions, partitionFrom: 2000, defer: noDefer, random })
    index.add(
      numbersTo(4000),
      Float32Array.from({ length: 4000 * dimensions }, () => gaussian(random)),
    )
    index.settle()
    expect(index.lists).toBe(0)
  })

  test('a filter and a large topK are answered from all of them', () => {
    const index = createPartitioned()
    index.settle()
    const query = queries[0] as Float32Array
    const isRare = (id: number): boolean => id % 500 === 1
    const truth = rank(asMap(data), query, isRare)
    expect(index.search(query, 10, isRare).rows.map(({ id }) => id)).toEqual(truth.slice(0, 10).map(({ id }) => id))
    expect(index.search(query, 500).rows).toHaveLength(500)
  })

  test('mean and deviation are those of all vectors, from a sample', () => {
    const index = createPartitioned()
    const query = queries[1] as Float32Array
    const exact = index.search(query, 10)
    index.settle()
    const sampled = index.search(query, 10)
    expect(sampled.scanned).toBe(6000)
    expect(Math.abs(sampled.mean - exact.mean)).toBeLessThan(exact.deviation * 0.1)
    expect(Math.abs(sampled.deviation / exact.deviation - 1)).toBeLessThan(0.1)
  })

  test('are made in the background, a slice at a time, with searches and changes in between', () => {
    const slices: (() => void)[] = []
    const defer = (work: () => void) => void slices.push(work)
    const index = createVectorIndex({ dimensions, partitionFrom: 2000, defer, random: createRandom(3) })
    const expected = asMap(data)
    index.add(numbersTo(6000), data)
    let turns = 0
    for (let slice = slices.pop(); slice !== undefined && turns < 10_000; slice = slices.pop()) {
      expect(slices).toHaveLength(0)
      slice()
      if (turns < 200) {
        index.remove([turns * 7])
        expected.delete(turns * 7)
      }
      if (turns++ % 20 === 0) expect(recallOf(index, expected, queries.slice(0, 3))).toBeGreaterThanOrEqual(0.96)
    }
    expect(index.lists).toBeGreaterThan(10)
    expect(index.size).toBe(expected.size)
    index.clear()
    expect([index.lists, index.size]).toEqual([0, 0])
  })
})

describe('precision', () => {
  const data = clustered(11, 3000, 384)
  const expected = asMap(data, 384)
  const queries = Array.from({ length: 20 }, (_, row) => rowOf(clustered(12, 20, 384), row, 384))

  test.each([
    ['the vectors', { exactBytes: 1e9 }, 1e-6, 1],
    ['two bits beside the codes', { exactBytes: 0 }, 6e-4, 0.99],
    ['some of both', { exactBytes: 4_000_000 }, 6e-4, 0.99],
  ])('with %s', (_, options, error, recall) => {
    const index = createVectorIndex({ dimensions: 384, ...options })
    index.add(numbersTo(3000), data)
    expect(recallOf(index, expected, queries)).toBeGreaterThanOrEqual(recall)
    for (const query of queries) {
      for (const { id, score } of index.search(query, 50).rows) {
        expect(Math.abs(score - cosine(expected.get(id) as Float32Array, query))).toBeLessThan(error)
      }
    }
  })

  test('two bits make the errors of the codes smaller', () => {
    const segment = { ids: numbersTo(3000), vectors: data, ...encodeVectors(data, 384) }
    const errorOf = (vectors: Float32Array | undefined): number => {
      const index = createVectorIndex({ dimensions: 384, exactBytes: 0 })
      index.addSegment({ ...segment, vectors })
      const { rows } = index.search(queries[0] as Float32Array, 3000)
      const squares = rows.map(
        ({ id, score }) => (score - cosine(expected.get(id) as Float32Array, queries[0] as Float32Array)) ** 2,
      )
      return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / rows.length)
    }
    expect(errorOf(data)).toBeLessThan(errorOf(undefined) / 2.5)
  })

  test('memory stays near the limit, and takes what codes need beyond it', () => {
    const bytesOf = (exactBytes: number): number => {
      const index = createVectorIndex({ dimensions: 384, exactBytes })
      for (let round = 0; round < 4; round++) index.add(numbersTo(3000, round * 3000), data)
      return index.bytes
    }
    expect(bytesOf(1e9)).toBeGreaterThan(12_000 * 384 * 5)
    expect(bytesOf(12e6)).toBeLessThan(13e6)
    expect(bytesOf(0)).toBeGreaterThan(12_000 * 480)
    expect(bytesOf(0)).toBeLessThan(12_000 * 480 * 1.15)
  })
})

describe('stored segments', () => {
  const data = clustered(21, 200)
  const segment = { ids: numbersTo(200), vectors: data, ...encodeVectors(data, dimensions) }

  test('make the index that adding the vectors makes', () => {
    const added = createVectorIndex({ dimensions })
    added.add(segment.ids, data)
    const opened = createVectorIndex({ dimensions })
    opened.addSegment(segment)
    const query = rowOf(clustered(22, 1), 0)
    expect(opened.search(query, 50)).toEqual(added.search(query, 50))
    expect(opened.bytes).toBe(added.bytes)
  })

  test('serve without the vectors', () => {
    const index = createVectorIndex({ dimensions })
    index.addSegment({ ...segment, vectors: undefined })
    expect(recallOf(index, asMap(data), [rowOf(clustered(22, 1), 0)])).toBeGreaterThanOrEqual(0.9)
  })

  test('that do not fit are refused whole', () => {
    const index = createVectorIndex({ dimensions })
    const broken = data.slice()
    broken[150 * dimensions] = Number.NaN
    const scales = segment.scales.slice()
    scales[100] = Number.NaN
    const wrong: [object, string][] = [
      [{ codes: segment.codes.subarray(1) }, 'dimension-mismatch'],
      [{ scales: segment.scales.subarray(1) }, 'dimension-mismatch'],
      [{ vectors: data.subarray(dimensions) }, 'dimension-mismatch'],
      [{ ids: numbersTo(199) }, 'dimension-mismatch'],
      [{ scales }, 'invalid-argument'],
      [{ scales: segment.scales.map(() => 0) }, 'invalid-argument'],
      [{ vectors: broken }, 'invalid-argument'],
      [{ ids: segment.ids.map(() => 2 ** 32 - 1) }, 'invalid-argument'],
    ]
    for (const [change, code] of wrong) {
      expect(() => index.addSegment({ ...segment, ...change })).toThrow(expect.objectContaining({ code }))
      expect(index.size).toBe(0)
    }
    expect(() => index.add([-1], rowOf(data, 0))).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    expect(() => index.add([0.5], rowOf(data, 0))).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    expect(() => encodeVectors(data.subarray(1), dimensions)).toThrow(
      expect.objectContaining({ code: 'dimension-mismatch' }),
    )
    expect(() => encodeVectors(broken, dimensions)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    expect([index.has(-1), index.has(0.5), index.remove([-1, 0.5, 2 ** 40])]).toEqual([false, false, 0])
  })
})
