import { create, insertMultiple, search } from '@orama/orama'
import { createKernels } from '../src/retrieval/vector/kernels.js'
import { createVectorIndex, encodeVectors, type VectorIndex } from '../src/retrieval/vector/vector-index.js'
import { below, createCentres, createRandom, gaussian, type Random } from './lib/random.js'
import { type BenchContext, type Figure, measureOf, type Report } from './lib/result.js'
import { collectGarbage, itemOf, takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what = 'The 10 nearest of many vectors of 384 numbers: our index, a plain loop, and Orama.'

type Kind = 'clustered' | 'random'

const dimensions = 384
const topK = 10
/** Above this size Orama takes minutes to fill. */
const largestForOrama = 50_000
/** Vectors of a cluster are this far from its centre in each number; the centres have length 1. */
const noise = 0.05

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

/** Numbers of the normal distribution from a table, as a million vectors need 384 million of them. */
function createNoise(random: Random): () => number {
  const table = Float32Array.from({ length: 2 ** 20 }, () => gaussian(random))
  let at = 0
  let step = 1
  let left = 0
  return () => {
    if (left-- === 0) {
      at = below(random, table.length)
      step = 2 * below(random, 5_000) + 1
      left = dimensions - 1
    }
    at = (at + step) & (table.length - 1)
    return table[at] as number
  }
}

/** Gives vectors of length 1 around centres, or in all directions alike. */
function createSource(kind: Kind): (count: number) => Float32Array {
  const random = createRandom(3)
  const next = createNoise(random)
  const centres = createCentres(random, 200, dimensions)
  return (count) => {
    const data = new Float32Array(count * dimensions)
    for (let at = 0; at < data.length; at += dimensions) {
      const centre = below(random, 200) * dimensions
      let squares = 0
      for (let k = 0; k < dimensions; k++) {
        const value = (kind === 'clustered' ? (centres[centre + k] as number) : 0) + next() * noise
        data[at + k] = value
        squares += value * value
      }
      const scale = 1 / Math.sqrt(squares)
      for (let k = at; k < at + dimensions; k++) data[k] = (data[k] as number) * scale
    }
    return data
  }
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

/** Share of the true nearest that the index finds. */
function measureRecall(
  index: VectorIndex,
  truths: readonly (readonly number[])[],
  queries: readonly Float32Array[],
): number {
  let found = 0
  for (const [at, query] of queries.entries()) {
    const truth = new Set(truths[at])
    found += index.search(query, topK).rows.filter(({ id }) => truth.has(id)).length
  }
  return found / (queries.length * topK)
}

/** Fills an index in parts, as adding documents does. */
async function fillIndex(index: VectorIndex, data: Float32Array): Promise<number> {
  const count = data.length / dimensions
  let fillMs = 0
  for (let first = 0; first < count; first += 50_000) {
    const last = Math.min(first + 50_000, count)
    const ids = Uint32Array.from({ length: last - first }, (_, at) => first + at)
    fillMs += await timeOf(() => index.add(ids, data.subarray(first * dimensions, last * dimensions)))
  }
  return fillMs
}

const goals: Readonly<Record<number, { readonly ms: number; readonly bytes?: number }>> = {
  100000: { ms: 4 },
  1000000: { ms: 40, bytes: 500_000_000 },
}

/** The index once it has made lists, where it finds that they help. */
async function measureLists(index: VectorIndex, size: string, truths: readonly number[][], queries: Float32Array[]) {
  const buildMs = await timeOf(() => index.settle())
  if (index.lists === 0)
    return [{ what: `Finding that lists do not help, ${size}`, unit: 'ms' as const, value: buildMs }]
  const { lists, probes } = index
  const rounds = { rounds: queries.length, warmUp: 3 }
  const { lists: samples } = await takeTurns(
    { lists: (round) => timeOf(() => index.search(itemOf(queries, round), topK)) },
    rounds,
  )
  return [
    { what: `With ${probes} of ${lists} lists, ${size}`, unit: 'ms' as const, ...measureOf(summarize(samples)) },
    {
      what: `Recall@10 with lists, ${size}`,
      unit: '' as const,
      value: measureRecall(index, truths, queries),
      goal: { on: 'value' as const, least: 0.99 },
    },
    { what: `Making the lists, in slices in the background, ${size}`, unit: 'ms' as const, value: buildMs },
    { what: `Memory with lists, ${size}`, unit: 'bytes' as const, value: index.bytes },
  ]
}

async function measureSize(kind: Kind, count: number, queryCount: number, listsFrom: number): Promise<Figure[]> {
  const take = createSource(kind)
  const data = take(count)
  const asked = take(queryCount)
  const queries = Array.from({ length: queryCount }, (_, row) => rowOf(asked, row))
  const index = createVectorIndex({ dimensions, partitionFrom: listsFrom, defer: () => {} })
  const fillMs = await fillIndex(index, data)
  const encoded = count <= 100_000 ? encodeVectors(data, dimensions) : undefined
  const ids = Uint32Array.from({ length: count }, (_, at) => at)
  const opened = createVectorIndex({ dimensions })
  const openMs = encoded && (await timeOf(() => opened.addSegment({ ids, vectors: data, ...encoded })))
  opened.clear()
  const orama = count <= largestForOrama && kind === 'clustered' ? await fillOrama(data) : undefined
  const truths: number[][] = []
  const samples = await takeTurns(
    {
      alcove: (round) => timeOf(() => index.search(itemOf(queries, round), topK)),
      loop: (round) =>
        timeOf(() => {
          const truth = scanPlainly(data, itemOf(queries, round))
          if (round >= 0) truths[round] = truth
        }),
      ...(orama && { orama: (round: number) => timeOf(() => orama(itemOf(queries, round))) }),
    } as Record<'alcove' | 'loop' | 'orama', (round: number) => Promise<number>>,
    { rounds: queryCount, warmUp: 5 },
  )
  const size = `${count.toLocaleString('en')} × ${dimensions} ${kind}`
  const baselines = [
    ...(orama ? [{ what: 'Orama', ...measureOf(summarize(samples.orama)) }] : []),
    { what: 'plain loop over a typed array', ...measureOf(summarize(samples.loop)) },
  ]
  const goal = goals[count]
  return [
    {
      what: `Vector top-10 of ${size}`,
      unit: 'ms',
      ...measureOf(summarize(samples.alcove)),
      baselines,
      ...(goal && { goal: { on: 'value', most: goal.ms } as const }),
    },
    {
      what: `Its recall@10 against exact search, ${size}`,
      unit: '',
      value: measureRecall(index, truths, queries),
      goal: { on: 'value', least: 0.99 },
    },
    { what: `Filling it with ${size}`, unit: 'ms', value: fillMs },
    ...(openMs === undefined
      ? []
      : [{ what: `Opening it from stored codes, ${size}`, unit: 'ms' as const, value: openMs }]),
    {
      what: `Its memory at ${size}`,
      unit: 'bytes',
      value: index.bytes,
      ...(goal?.bytes && { goal: { on: 'value', most: goal.bytes } as const }),
    },
    ...(count >= listsFrom ? await measureLists(index, size, truths, queries) : []),
  ]
}

/** Runs the benchmark in this page. */
export async function run({ quick }: BenchContext): Promise<Report> {
  const figures: Figure[] = []
  const sizes = quick ? [1_000, 2_000] : [1_000, 10_000, 50_000, 100_000, 1_000_000]
  for (const count of sizes) {
    const isLarge = count > 50_000
    const kinds: readonly Kind[] = isLarge || quick ? ['clustered', 'random'] : ['clustered']
    for (const kind of kinds) {
      figures.push(...(await measureSize(kind, count, quick ? 5 : 30, quick ? 2_000 : 100_000)))
      collectGarbage()
    }
  }
  return {
    figures,
    notes: [
      `Scanned with ${createKernels().kind === 'simd' ? 'WebAssembly SIMD' : 'plain JavaScript'}, on the main thread of a page, one thread, each query once.`,
      'Vectors of length 1, made with a seed: clustered ones around 200 centres, random ones in all directions alike; queries are of the same kind.',
      'Memory is that of codes, scales, ids, vectors or what stands for them, and tables: all that the index holds.',
    ],
  }
}
