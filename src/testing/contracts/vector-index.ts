import type { VectorIndex, VectorIndexOptions } from '../../retrieval/vector/vector-index.js'
import { thrownCode } from './outcome.js'
import type { TestRunner } from './test-runner.js'

/** What every exact `VectorIndex` must do. `create` gives an empty one. */
export function vectorIndexContract(
  runner: TestRunner,
  create: (options: Pick<VectorIndexOptions, 'dimensions'>) => VectorIndex,
): void {
  testRanking(runner, create)
  testContent(runner, create)
}

type Create = Parameters<typeof vectorIndexContract>[1]

const idsOf = (index: VectorIndex, query: Float32Array, topK: number, allow?: (id: number) => boolean) =>
  index.search(query, topK, allow).rows.map(({ id }) => id)

/** Which rows are found, in which order and with which scores. */
function testRanking({ test, expect }: TestRunner, create: Create): void {
  for (const dimensions of [1, 3, 4, 7, 64, 384]) {
    test(`finds what comparing with each vector finds, in ${dimensions} dimensions`, async () => {
      const next = createNumbers(dimensions)
      const vectors = new Map(Array.from({ length: 500 }, (_, id) => [id * 7, randomVector(dimensions, next)] as const))
      const index = create({ dimensions })
      index.add([...vectors.keys()], [...vectors.values()])
      expect(index.size).toBe(500)
      for (let round = 0; round < 5; round++) {
        const query = randomVector(dimensions, next)
        const { rows } = index.search(query, 10)
        expect(rows).toHaveLength(10)
        // In one dimension all cosines are 1 or -1: there the scores are compared.
        if (dimensions > 1) expect(rows.map(({ id }) => id)).toEqual(findExactly(vectors, query, 10))
        for (const { id, score } of rows) {
          expect(score).toBeCloseTo(cosine(vectors.get(id) ?? new Float32Array(), query), 4)
        }
      }
    })
  }

  test('does not drop rows for their similarity, negative ones included', async () => {
    const index = create({ dimensions: 2 })
    index.add([1, 2], [Float32Array.from([1, 0]), Float32Array.from([-1, 0.001])])
    expect(index.search(Float32Array.from([1, 0]), 10).rows.map(({ score }) => Math.round(score))).toEqual([1, -1])
  })

  test('equal scores are in order of id, whatever was removed', async () => {
    const index = create({ dimensions: 2 })
    const same = Float32Array.from([1, 1])
    index.add([5, 3, 9, 1, 7], [same, same, same, same, same])
    index.remove([3])
    expect(idsOf(index, same, 3)).toEqual([1, 5, 7])
  })

  test('allow bounds what is found, not how much', async () => {
    const next = createNumbers(8)
    const vectors = new Map(Array.from({ length: 300 }, (_, id) => [id, randomVector(8, next)] as const))
    const index = create({ dimensions: 8 })
    index.add([...vectors.keys()], [...vectors.values()])
    const query = randomVector(8, next)
    const allowed = new Map([...vectors].filter(([id]) => id % 50 === 0))
    expect(idsOf(index, query, 5, (id) => id % 50 === 0)).toEqual(findExactly(allowed, query, 5))
    expect(idsOf(index, query, 5, () => false)).toEqual([])
  })

  test('mean and deviation are those of all cosines', async () => {
    const index = create({ dimensions: 2 })
    index.add([1, 2, 3, 4], Float32Array.from([1, 0, 0, 1, -1, 0, 0, -1]))
    const { mean, deviation, scanned } = index.search(Float32Array.from([1, 0]), 1)
    expect(mean).toBeCloseTo(0, 6)
    expect(deviation).toBeCloseTo(Math.sqrt(0.5), 6)
    expect(scanned).toBe(4)
  })
}

/** What is taken in, kept and given up. */
function testContent({ test, expect }: TestRunner, create: Create): void {
  test('adding and removing leaves what an index made anew has', async () => {
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
    expect(idsOf(index, query, 200)).toEqual(findExactly(expected, query, 200))
    expect(index.remove([...expected.keys(), 9999])).toBe(expected.size)
    expect(idsOf(index, query, 5)).toEqual([])
  })

  test('takes vectors end to end, and vectors of any length but none', async () => {
    const index = create({ dimensions: 2 })
    index.add([1, 2, 3], Float32Array.from([10, 0, 0, 0.001, -3, -3]))
    expect(idsOf(index, Float32Array.from([0, 5]), 3)).toEqual([2, 1, 3])
    expect(index.search(Float32Array.from([0, 5]), 1).rows[0]?.score).toBeCloseTo(1, 5)
  })

  test('a copy is kept: changing a vector that was given changes nothing', async () => {
    const index = create({ dimensions: 2 })
    const vector = Float32Array.from([1, 0])
    index.add([1], [vector])
    vector.set([0, 1])
    expect(index.search(Float32Array.from([1, 0]), 1).rows[0]?.score).toBeCloseTo(1, 6)
    expect([...vector]).toEqual([0, 1])
  })

  test('what is no vector of its size is refused, and nothing of the call is taken in', async () => {
    const index = create({ dimensions: 2 })
    const good = Float32Array.from([1, 0])
    const wrong: [number[], string][] = [
      [[1], 'dimension-mismatch'],
      [[1, 2, 3], 'dimension-mismatch'],
      [[Number.NaN, 1], 'invalid-argument'],
      [[Number.POSITIVE_INFINITY, 1], 'invalid-argument'],
      [[0, 0], 'invalid-argument'],
    ]
    for (const [numbers, code] of wrong) {
      const vector = Float32Array.from(numbers)
      expect(thrownCode(() => index.add([1, 2], [good, vector]))).toBe(code)
      expect(thrownCode(() => index.search(vector, 1))).toBe(code)
    }
    expect(thrownCode(() => index.add([1], Float32Array.from([1, 2, 3])))).toBe('dimension-mismatch')
    expect(thrownCode(() => index.add([1, 2], [good]))).toBe('invalid-argument')
    expect(thrownCode(() => index.search(good, 0))).toBe('invalid-argument')
    expect(thrownCode(() => create({ dimensions: 0 }))).toBe('invalid-argument')
    expect(index.size).toBe(0)
  })

  test('an empty index finds nothing, and clear empties one', async () => {
    const index = create({ dimensions: 2 })
    const vector = Float32Array.from([1, 2])
    expect(idsOf(index, vector, 3)).toEqual([])
    index.add([4], [vector])
    index.clear()
    expect(index.size).toBe(0)
    expect(idsOf(index, vector, 3)).toEqual([])
    index.add([4], [vector])
    expect(idsOf(index, vector, 3)).toEqual([4])
  })
}

/** Numbers that look random and are the same in each run (Park and Miller 1988). */
function createNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48271) % 2147483647
    return state / 2147483647
  }
}

function randomVector(dimensions: number, next: () => number): Float32Array {
  return Float32Array.from({ length: dimensions }, () => next() * 2 - 1)
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, k) => sum + value * (y[k] ?? 0), 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

/** The ids that an index must find: by cosine with each vector. */
function findExactly(vectors: ReadonlyMap<number, Float32Array>, query: Float32Array, topK: number): number[] {
  return [...vectors]
    .map(([id, vector]) => ({ id, score: cosine(vector, query) }))
    .sort((a, b) => b.score - a.score || a.id - b.id)
    .slice(0, topK)
    .map(({ id }) => id)
}
