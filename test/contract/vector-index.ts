import type { TestAPI, expect as vitestExpect } from 'vitest'
import type { VectorIndex, VectorIndexOptions } from '../../src/retrieval/vector-index.js'

export interface VectorIndexSuite {
  readonly test: TestAPI
  readonly expect: typeof vitestExpect
  readonly create: (options: VectorIndexOptions) => VectorIndex
}

/** Numbers that look random and are the same in each run (Park and Miller). */
export function createNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48271) % 2147483647
    return state / 2147483647
  }
}

/** A vector of numbers between -1 and 1. */
export function randomVector(dimensions: number, next: () => number): Float32Array {
  return Float32Array.from({ length: dimensions }, () => next() * 2 - 1)
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, k) => sum + value * (y[k] ?? 0), 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

/** The ids that an index must find: by cosine with each vector. */
export function findExactly(vectors: ReadonlyMap<number, Float32Array>, query: Float32Array, topK: number): number[] {
  return [...vectors]
    .map(([id, vector]) => ({ id, score: cosine(vector, query) }))
    .sort((a, b) => b.score - a.score || a.id - b.id)
    .slice(0, topK)
    .map(({ id }) => id)
}

/** What every exact `VectorIndex` must do. */
export function testVectorIndex({ test, expect, create }: VectorIndexSuite): void {
  const found = (index: VectorIndex, query: Float32Array, topK: number, allow?: (id: number) => boolean) =>
    index.search(query, topK, allow).rows.map(({ id }) => id)

  for (const dimensions of [1, 3, 4, 7, 64, 384]) {
    test(`finds what comparing with each vector finds, in ${dimensions} dimensions`, () => {
      const next = createNumbers(dimensions)
      const vectors = new Map(Array.from({ length: 500 }, (_, id) => [id * 7, randomVector(dimensions, next)] as const))
      const index = create({ dimensions })
      index.add([...vectors.keys()], [...vectors.values()])
      expect(index.size).toBe(500)
      for (let round = 0; round < 5; round++) {
        const query = randomVector(dimensions, next)
        const { rows } = index.search(query, 10)
        // In one dimension all cosines are 1 or -1: there the scores are compared.
        if (dimensions > 1) expect(rows.map(({ id }) => id)).toEqual(findExactly(vectors, query, 10))
        for (const { id, score } of rows) {
          expect(score).toBeCloseTo(cosine(vectors.get(id) ?? new Float32Array(), query), 4)
        }
      }
    })
  }

  test('adding and removing leaves what an index made anew has', () => {
    const next = createNumbers(5)
    const index = create({ dimensions: 16 })
    const expected = new Map<number, Float32Array>()
    for (let step = 0; step < 400; step++) {
      const id = Math.floor(next() * 120)
      if (next() < 0.4) {
        expect(index.remove([id])).toBe(expected.delete(id) ? 1 : 0)
      } else {
        const vector = randomVector(16, next)
        index.add([id], [vector])
        expected.set(id, vector)
      }
    }
    expect(index.size).toBe(expected.size)
    for (const id of expected.keys()) expect(index.has(id)).toBe(true)
    const query = randomVector(16, next)
    expect(found(index, query, 200)).toEqual(findExactly(expected, query, 200))
    expect(index.remove([...expected.keys(), 9999])).toBe(expected.size)
    expect(found(index, query, 5)).toEqual([])
  })

  test('takes vectors end to end, and vectors of any length but none', () => {
    const index = create({ dimensions: 2 })
    index.add([1, 2, 3], Float32Array.from([10, 0, 0, 0.001, -3, -3]))
    expect(found(index, Float32Array.from([0, 5]), 3)).toEqual([2, 1, 3])
    expect(index.search(Float32Array.from([0, 5]), 1).rows[0]?.score).toBeCloseTo(1, 5)
  })

  test('does not drop rows for their similarity, negative ones included', () => {
    const index = create({ dimensions: 2 })
    index.add([1, 2], [Float32Array.from([1, 0]), Float32Array.from([-1, 0.001])])
    expect(index.search(Float32Array.from([1, 0]), 10).rows.map(({ score }) => Math.round(score))).toEqual([1, -1])
  })

  test('equal scores are in order of id, whatever was removed', () => {
    const index = create({ dimensions: 2 })
    const same = Float32Array.from([1, 1])
    index.add([5, 3, 9, 1, 7], [same, same, same, same, same])
    index.remove([3])
    expect(found(index, same, 3)).toEqual([1, 5, 7])
  })

  test('allow bounds what is found, not how much', () => {
    const next = createNumbers(8)
    const vectors = new Map(Array.from({ length: 300 }, (_, id) => [id, randomVector(8, next)] as const))
    const index = create({ dimensions: 8 })
    index.add([...vectors.keys()], [...vectors.values()])
    const query = randomVector(8, next)
    const allowed = new Map([...vectors].filter(([id]) => id % 50 === 0))
    expect(found(index, query, 5, (id) => id % 50 === 0)).toEqual(findExactly(allowed, query, 5))
    expect(found(index, query, 5, () => false)).toEqual([])
  })

  test('a copy is kept: changing a vector that was given changes nothing', () => {
    const index = create({ dimensions: 2 })
    const vector = Float32Array.from([1, 0])
    index.add([1], [vector])
    vector.set([0, 1])
    expect(index.search(Float32Array.from([1, 0]), 1).rows[0]?.score).toBeCloseTo(1, 6)
    expect([...vector]).toEqual([0, 1])
  })

  test('what is no vector of its size is refused, and nothing of the call is taken in', () => {
    const index = create({ dimensions: 2 })
    const good = Float32Array.from([1, 0])
    const wrong: [Float32Array, string][] = [
      [Float32Array.from([1]), 'dimension-mismatch'],
      [Float32Array.from([1, 2, 3]), 'dimension-mismatch'],
      [Float32Array.from([Number.NaN, 1]), 'invalid-argument'],
      [Float32Array.from([Number.POSITIVE_INFINITY, 1]), 'invalid-argument'],
      [Float32Array.from([0, 0]), 'invalid-argument'],
    ]
    for (const [vector, code] of wrong) {
      expect(() => index.add([1, 2], [good, vector])).toThrow(expect.objectContaining({ code }))
      expect(() => index.search(vector, 1)).toThrow(expect.objectContaining({ code }))
    }
    expect(() => index.add([1], Float32Array.from([1, 2, 3]))).toThrow(
      expect.objectContaining({ code: 'dimension-mismatch' }),
    )
    expect(() => index.add([1, 2], [good])).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    expect(() => index.search(good, 0)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    expect(() => create({ dimensions: 0 })).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    expect(index.size).toBe(0)
  })

  test('an empty index finds nothing, and clear empties one', () => {
    const index = create({ dimensions: 2 })
    const vector = Float32Array.from([1, 2])
    expect(found(index, vector, 3)).toEqual([])
    index.add([4], [vector])
    index.clear()
    expect(index.size).toBe(0)
    expect(found(index, vector, 3)).toEqual([])
    index.add([4], [vector])
    expect(found(index, vector, 3)).toEqual([4])
  })

  test('mean and deviation are those of all cosines', () => {
    const index = create({ dimensions: 2 })
    index.add([1, 2, 3, 4], Float32Array.from([1, 0, 0, 1, -1, 0, 0, -1]))
    const { mean, deviation, scanned } = index.search(Float32Array.from([1, 0]), 1)
    expect(mean).toBeCloseTo(0, 6)
    expect(deviation).toBeCloseTo(Math.sqrt(0.5), 6)
    expect(scanned).toBe(4)
  })
}
