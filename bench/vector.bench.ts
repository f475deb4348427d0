import { create, insertMultiple, search } from '@orama/orama'
import { createVectorIndex, type VectorIndex } from '../src/retrieval/vector/vector-index.js'
import { createCentres, createRandom, createVectors } from './lib/random.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { itemOf, takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what = 'The 10 nearest of many vectors of 384 numbers: our index, a plain loop, and Orama.'

const dimensions = 384
const topK = 10
/** Above this size Orama takes minutes to fill. */
const largestForOrama = 50_000

const rowOf = (data: Float32Array, row: number) => data.subarray(row * dimensions, (row + 1) * dimensions)

/** The nearest rows by a loop that anyone would write: the baseline, and the truth for recall. */
function scanPlainly(data: Float32Array, query: Float32Array): number[] {
  const count = data.length / dimensions
  const best: { row: number; score: number }[] = []
  for (let row = 0, at = 0; row < count; row++, at += dimensions) {
    let score = 0
    for (let k = 0; k < dimensions; k++) score += (data[at + k] as number) * (query[k] as number)
    if (best.length === topK && score <= (best[topK - 1] as { score: number }).score) continue
    let place = best.length
    while (place > 0 && (best[place - 1] as { score: number }).score < score) place--
    best.splice(place, 0, { row, score })
    if (best.length > topK) best.pop()
  }
  return best.map(({ row }) => row)
}

async function fillOrama(data: Float32Array) {
  const database = create({ schema: { embedding: 'vector[384]' } as const })
  const rows = Array.from({ length: data.length / dimensions }, (_, row) => ({
    id: String(row),
    embedding: Array.from(rowOf(data, row)),
  }))
  await insertMultiple(database, rows, 5_000)
  return (query: Float32Array) =>
    search(database, {
      mode: 'vector',
      vector: { value: Array.from(query), property: 'embedding' },
      // Its default of 0.8 drops nearly all real hits.
      similarity: 0,
      limit: topK,
    })
}

function measureRecall(index: VectorIndex, data: Float32Array, queries: readonly Float32Array[]): number {
  let found = 0
  for (const query of queries) {
    const truth = new Set(scanPlainly(data, query))
    found += index.search(query, topK).rows.filter(({ id }) => truth.has(id)).length
  }
  return found / (queries.length * topK)
}

async function measureSize(count: number, queryCount: number): Promise<Figure[]> {
  const random = createRandom(3)
  const centres = createCentres(random, 200, dimensions)
  const data = createVectors(random, count, dimensions, centres)
  const asked = createVectors(random, queryCount, dimensions, centres)
  const queries = Array.from({ length: queryCount }, (_, row) => rowOf(asked, row))
  const index = createVectorIndex({ dimensions })
  const ids = Array.from({ length: count }, (_, id) => id)
  const fillMs = await timeOf(() => index.add(ids, data))
  const orama = count <= largestForOrama ? await fillOrama(data) : undefined
  const samples = await takeTurns(
    {
      alcove: (round) => timeOf(() => index.search(itemOf(queries, round), topK)),
      loop: (round) => timeOf(() => scanPlainly(data, itemOf(queries, round))),
      ...(orama && { orama: (round: number) => timeOf(() => orama(itemOf(queries, round))) }),
    } as Record<'alcove' | 'loop' | 'orama', (round: number) => Promise<number>>,
    { rounds: queryCount, warmUp: 5 },
  )
  const size = `${count.toLocaleString('en')} × ${dimensions}`
  const baselines = [
    ...(orama ? [{ what: 'Orama', ...measureOf(summarize(samples.orama)) }] : []),
    { what: 'plain loop over a typed array', ...measureOf(summarize(samples.loop)) },
  ]
  const isGoalSize = count === 100_000
  return [
    {
      what: `Vector top-10 of ${size}`,
      unit: 'ms',
      ...measureOf(summarize(samples.alcove)),
      baselines,
      ...(isGoalSize && { goal: { on: 'value', most: 4 } as const }),
    },
    {
      what: `Its recall@10 against exact search, ${size}`,
      unit: '',
      value: measureRecall(index, data, queries),
      goal: { on: 'value', least: 0.99 },
    },
    { what: `Filling it with ${size}`, unit: 'ms', value: fillMs },
    { what: `Its memory at ${size}`, unit: 'bytes', value: index.bytes },
  ]
}

/** Runs the benchmark in this page. */
export async function run({ quick }: BenchContext): Promise<Report> {
  const figures: Figure[] = []
  for (const count of quick ? [1_000, 2_000] : [10_000, 50_000, 100_000]) {
    figures.push(...(await measureSize(count, quick ? 5 : 30)))
  }
  return {
    figures,
    notes: [
      'Vectors of length 1 around 200 centres, made with a seed; queries are of the same kind.',
      'On the main thread of a page, one thread, each query once.',
    ],
  }
}
