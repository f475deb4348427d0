import { createStore, get } from 'idb-keyval'
import {
  answerKey,
  type CachedAnswer,
  cachedAnswerVersion,
  cacheModel,
  isCachedAnswer,
} from '../src/engines/cached-model.js'
import { scriptedModel } from '../src/engines/scripted.js'
import type { ModelRequest } from '../src/protocol/model.js'
import { iterate } from '../src/runtime/stream.js'
import { entryKey } from '../src/store/cache-index.js'
import { openIdbStore } from '../src/store/idb-store.js'
import type { Store } from '../src/store/store.js'
import { createTieredCache, type TieredCache } from '../src/store/tiered-cache.js'
import { createRandom, sample } from './lib/random.js'
import { type BenchContext, type Measure, measureOf, type Report } from './lib/result.js'
import { itemOf, takeTurns, timeOf } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'

export const what =
  'The answer cache with 10,000 answers in it: from the request to the last part of the replayed answer.'

const database = 'bench-answers'
/** A model that is never asked: all its answers are in the cache. */
const model = scriptedModel([], { id: 'bench:model' })

const requestOf = (index: number): ModelRequest => ({
  messages: [
    {
      role: 'system',
      content: 'You answer questions about the handbook of a small library, in two or three sentences.',
    },
    { role: 'user', content: `Question ${index}: when may a book be renewed, and how often?` },
  ],
  sampling: { temperature: 0 },
})

const answerOf = (index: number): CachedAnswer => ({
  parts: [
    {
      type: 'text-delta',
      text: `Answer ${index}. ${'A book may be renewed twice unless another reader waits. '.repeat(20)}`,
    },
    { type: 'model-usage', usage: { promptTokens: 60, completionTokens: 260 } },
    { type: 'model-finish', reason: 'stop' },
  ],
})

function openCache(store: Store, count: number): TieredCache<CachedAnswer> {
  return createTieredCache<CachedAnswer>({
    store,
    maxEntries: count * 2,
    budgetBytes: 500_000_000,
    ttlMs: 604_800_000,
    version: cachedAnswerVersion,
    check: isCachedAnswer,
  })
}

async function keyOf(index: number): Promise<string> {
  const key = await answerKey(model, requestOf(index))
  if (key === undefined) throw new Error('expected a key for a plain request, got none')
  return key
}

async function fill(store: Store, count: number): Promise<void> {
  const cache = openCache(store, count)
  for (let start = 0; start < count; start += 1_000) {
    const indices = Array.from({ length: Math.min(1_000, count - start) }, (_, offset) => start + offset)
    await cache.setMany(await Promise.all(indices.map(async (index) => [await keyOf(index), answerOf(index)] as const)))
  }
  await cache.close()
}

/** Milliseconds for one whole answer. Throws when it did not come from the cache. */
async function replay(cache: TieredCache<CachedAnswer>, index: number): Promise<number> {
  const cached = cacheModel(model, cache)
  return timeOf(async () => {
    let characters = 0
    for await (const part of iterate(cached.stream(requestOf(index)))) {
      if (part.type === 'text-delta') characters += part.text.length
    }
    if (characters < 1_000) throw new Error(`expected the stored answer, got ${characters} characters`)
  })
}

/** The first hit of a page that has just been opened: the cache's own index is read first. */
async function measureFirstHit(store: Store, count: number, indices: readonly number[]): Promise<Measure> {
  const samples: number[] = []
  for (const index of indices) {
    const cache = openCache(store, count)
    samples.push(await replay(cache, index))
    await cache.close()
  }
  return measureOf(summarize(samples))
}

/** Runs the benchmark in this page. */
export async function run({ quick }: BenchContext): Promise<Report> {
  const count = quick ? 500 : 10_000
  const rounds = quick ? 20 : 400
  const store = await openIdbStore(database)
  await fill(store, count)
  const order = sample(createRandom(9), [...Array(count).keys()], rounds + 60)
  // For the baseline, what the browser itself takes for one value of this size: the entries as the cache has written them.
  const plain = createStore(database, 'entries')
  const stored = await Promise.all(order.slice(0, rounds).map(async (index) => entryKey(await keyOf(index))))
  if ((await get(itemOf(stored, 0), plain)) === undefined) throw new Error('expected a stored entry under its key')

  const memory = openCache(store, count)
  for (const index of order.slice(0, 50)) await replay(memory, index)
  const disk = openCache(store, count)
  await replay(disk, order.at(-1) as number)
  const before = disk.stats()
  const samples = await takeTurns(
    {
      memory: (round) => replay(memory, itemOf(order.slice(0, 50), round)),
      disk: (round) => replay(disk, order[round] as number),
      bare: (round) => timeOf(() => get(itemOf(stored, round), plain)),
    },
    { rounds, warmUp: 0 },
  )
  const hits = disk.stats().storeHits - before.storeHits
  if (hits !== rounds) throw new Error(`expected ${rounds} answers from IndexedDB, got ${hits}`)
  const first = await measureFirstHit(store, count, order.slice(-10))
  const setMs: number[] = []
  for (let round = 0; round < (quick ? 5 : 50); round++) {
    setMs.push(await timeOf(() => disk.set(`bench:set ${round}`, answerOf(round))))
  }
  await Promise.all([memory.close(), disk.close()])
  await store.close()
  const baselines = [{ what: 'one get of idb-keyval alone', ...measureOf(summarize(samples.bare)) }]
  return {
    figures: [
      {
        what: 'Answer-cache hit in memory, whole answer',
        unit: 'ms',
        ...measureOf(summarize(samples.memory)),
        goal: { on: 'value', most: 1 },
      },
      {
        what: 'Answer-cache hit in IndexedDB, whole answer',
        unit: 'ms',
        ...measureOf(summarize(samples.disk)),
        baselines,
        goal: { on: 'value', most: 5 },
      },
      { what: 'The first hit after opening it (its index is read too)', unit: 'ms', ...first },
      { what: 'Storing an answer, until it is in IndexedDB', unit: 'ms', ...measureOf(summarize(setMs)) },
    ],
    notes: [`${count.toLocaleString('en')} stored answers of about 1.2 KB; each key is made anew from its request.`],
  }
}
