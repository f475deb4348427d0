import { afterEach, describe, expect, test } from 'vitest'
import type { SearchOptions } from '../../../src/protocol/corpus.js'
import type { AlcoveError } from '../../../src/protocol/error.js'
import type { Reranker } from '../../../src/protocol/model.js'
import { type CorpusHost, type CorpusHostOptions, createCorpusHost } from '../../../src/retrieval/corpus.js'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { diversify } from '../../../src/retrieval/search/diversify.js'
import { createDuplicateFilter } from '../../../src/retrieval/search/near-duplicates.js'
import { createMemoryStore } from '../../../src/store/store.js'
import { fakeEmbedder } from './fake-embedder.js'

const hosts: CorpusHost[] = []
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close()
})

async function openCorpus(documents: { id: string; text: string; metadata?: Record<string, string> }[], options = {}) {
  const warnings: AlcoveError[] = []
  const host = createCorpusHost({
    store: createMemoryStore(),
    parse: parseDocument,
    onWarning: (error: AlcoveError) => warnings.push(error),
    ...options,
  } satisfies CorpusHostOptions)
  hosts.push(host)
  const corpus = await host.open('c')
  await corpus.add(documents)
  const ids = async (query: string | readonly string[], search?: SearchOptions) =>
    (await corpus.search(query, search)).map(({ source }) => source.id)
  return { corpus, warnings, ids }
}

const animals = [
  { id: 'heron', text: 'The heron stands in the shallow river and waits for fish.', metadata: { kind: 'bird' } },
  { id: 'otter', text: 'The otter hunts fish in the river at night.', metadata: { kind: 'mammal' } },
  { id: 'oak', text: 'The oak grows slowly and lives for a thousand years.', metadata: { kind: 'tree' } },
  { id: 'fox', text: 'The fox sleeps by day under the roots of the oak.', metadata: { kind: 'mammal' } },
]

/** Orders by length, the shortest first, and remembers what it was asked. */
function lengthReranker(overrides: Partial<Reranker> = {}) {
  const calls: { query: string; texts: readonly string[] }[] = []
  const reranker: Reranker = {
    id: 'test:length',
    async load() {},
    async score(query, texts) {
      calls.push({ query, texts })
      return texts.map((text) => -text.length)
    },
    async dispose() {},
    ...overrides,
  }
  return { calls, openReranker: async () => reranker }
}

describe('bad search options', () => {
  test.each([
    [{ topK: 0 }, /topK/],
    [{ topK: 1001 }, /topK/],
    [{ topK: 2.5 }, /topK/],
    [{ mode: 'both' }, /mode/],
    [{ weights: { keyword: -1 } }, /weights\.keyword: expected a number from 0, got -1/],
    [{ weights: { vector: Number.NaN } }, /weights\.vector/],
    [{ weights: { vector: Number.POSITIVE_INFINITY } }, /weights\.vector/],
    [{ weights: { keyword: 0, vector: 0 } }, /0 for both/],
    [{ weights: null }, /weights/],
    [{ diversity: 1.5 }, /diversity/],
    [{ diversity: '1' }, /diversity/],
    [{ rerank: 3 }, /rerank/],
    [{ rerank: '' }, /rerank/],
  ])('%j is an invalid argument that is named', async (options, message) => {
    const { corpus } = await openCorpus(animals)
    const search = corpus.search('river', options as SearchOptions)
    await expect(search).rejects.toMatchObject({ code: 'invalid-argument', message: expect.stringMatching(message) })
  })

  test.each([[[]], [Array.from({ length: 17 }, () => 'x')], [['fish', 3]], [undefined], [null], [{}]])(
    'so is a query like %j',
    async (query) => {
      const { corpus } = await openCorpus(animals)
      await expect(corpus.search(query as string)).rejects.toMatchObject({ code: 'invalid-argument' })
    },
  )

  test('queries without words, in another script and of 10,000 words have a result', async () => {
    const { ids } = await openCorpus(animals, { embedder: fakeEmbedder({ languages: ['en'] }) })
    expect(await ids('')).toEqual([])
    expect(await ids([' ', '\n'])).toEqual([])
    expect(await ids('河边的鸟')).toEqual([])
    const long = Array.from({ length: 10_000 }, (_, at) => (at === 5 ? 'otter' : `word${at}`)).join(' ')
    expect(await ids(long, { mode: 'keyword' })).toEqual(['otter'])
    expect((await ids(long)).length).toBeGreaterThan(0)
  })

  test('a filter on a field that no document has finds nothing, in either leg', async () => {
    const { ids } = await openCorpus(animals, { embedder: fakeEmbedder() })
    for (const mode of ['hybrid', 'keyword', 'vector'] as const) {
      expect(await ids('river fish', { mode, where: { colour: 'red' } })).toEqual([])
      const found = await ids('river fish', { mode, where: { kind: 'mammal' } })
      expect(found[0]).toBe('otter')
      expect(found.every((id) => ['otter', 'fox'].includes(id))).toBe(true)
    }
  })
})

describe('weights', () => {
  test('decide between the legs; a leg of weight 0 is not asked', async () => {
    const embedder = fakeEmbedder()
    const { corpus, ids } = await openCorpus(animals, { embedder })
    const before = embedder.calls.length
    const hits = await corpus.search('oak', { weights: { vector: 0 } })
    expect(embedder.calls).toHaveLength(before)
    expect(hits.map(({ ranks }) => ranks)).toEqual([{ keyword: 1 }, { keyword: 2 }])
    const vectors = await corpus.search('oak', { weights: { keyword: 0 } })
    expect(vectors.every(({ ranks }) => ranks.keyword === undefined && ranks.vector !== undefined)).toBe(true)
    expect((await ids('the', { weights: { keyword: 1000, vector: 0.001 } })).length).toBe(4)
  })
})

describe('several queries', () => {
  test('are fused: what more of them find stands higher, and ranks are the best ones', async () => {
    const { corpus, ids } = await openCorpus(animals)
    const hits = await corpus.search(['heron fish', 'otter fish', 'river hunts'])
    expect(hits.map(({ source }) => source.id)).toEqual(['otter', 'heron'])
    expect(hits[0]?.ranks).toEqual({ keyword: 1 })
    expect(await ids(['oak', '', 'oak'])).toEqual(await ids('oak'))
  })
})

describe('near duplicates', () => {
  const long =
    'The council met on Tuesday in the old town hall and agreed to repair the bridge before the winter, to plant forty trees along the quay, ' +
    'and to ask the ministry for help with the cost of the new school. Two members of the opposition asked why the repair had been put off ' +
    'for so long, and the mayor answered that no firm had wanted the work at the price which the council could pay.'

  test('come once; texts that differ in a figure are kept', async () => {
    const { ids } = await openCorpus([
      { id: 'first', text: long },
      { id: 'copy', text: long.toUpperCase().replaceAll(',', ' ;') },
      { id: 'edited', text: long.replace('agreed to', 'agreed then to') },
      { id: 'other', text: `${long} Bridge 12` },
      { id: 'another', text: `${long} Bridge 13` },
    ])
    const found = await ids('council bridge')
    expect(found).toHaveLength(3)
    expect(found).toEqual(expect.arrayContaining(['another', 'other']))
  })

  test('short texts and texts of signs only must be equal', () => {
    const { isRepeated } = createDuplicateFilter()
    const texts = ['Room 4 is open', 'Room 5 is open', 'room 4 IS open!', '***', '---', '***']
    expect(texts.map(isRepeated)).toEqual([false, false, true, false, false, true])
  })
})

describe('diversity', () => {
  const rows = [
    { text: 'tax on income for workers', score: 1 },
    { text: 'tax on income for all workers', score: 0.98 },
    { text: 'museum opening hours', score: 0.6 },
  ]

  test('is maximal marginal relevance', async () => {
    const order = (lambda: number, topK = 3) => diversify(rows, topK, lambda).map((row) => rows.indexOf(row))
    expect(order(0)).toEqual([0, 1, 2])
    expect(order(0.7)).toEqual([0, 2, 1])
    expect(order(0.7, 2)).toEqual([0, 2])
    expect(order(1)).toEqual([0, 2, 1])
    expect(diversify([], 3, 0.5)).toEqual([])
  })

  test('reaches the search', async () => {
    const { ids } = await openCorpus([
      { id: 'a', text: 'Leave: leave days are counted from the first working day of leave.' },
      { id: 'b', text: 'Leave: leave days are counted from the second working day of leave.' },
      { id: 'c', text: 'Parents get leave when a child is ill.' },
    ])
    expect(await ids('leave days', { topK: 2 })).toEqual(['a', 'b'])
    expect(await ids('leave days', { topK: 2, diversity: 0.9 })).toEqual(['a', 'c'])
  })
})

describe('rerank', () => {
  test('orders the hits by what the model says', async () => {
    const { calls, openReranker } = lengthReranker()
    const { corpus, warnings } = await openCorpus(animals, { openReranker })
    const hits = await corpus.search(['fish river', 'fish'], { rerank: true, topK: 2 })
    expect(hits.map(({ source, score }) => [source.id, score])).toEqual([
      ['otter', -43],
      ['heron', -57],
    ])
    expect(calls).toMatchObject([{ query: 'fish river' }])
    expect(calls[0]?.texts).toHaveLength(2)
    expect(warnings).toEqual([])
  })

  test.each([
    ['cannot be loaded', { load: async () => Promise.reject(new Error('no such file')) }, 'model-load-failed'],
    ['gives no numbers', { score: async () => [Number.NaN, 1] }, 'output-invalid'],
    ['gives too few', { score: async () => [1] }, 'output-invalid'],
  ])('a model that %s is a warning, and the search goes on', async (_, overrides, code) => {
    const { openReranker } = lengthReranker(overrides)
    const { ids, warnings } = await openCorpus(animals, { openReranker })
    expect(await ids('river fish', { rerank: true })).toEqual(await ids('river fish'))
    expect(warnings).toMatchObject([{ code }])
  })

  test('without a model that could do it, too', async () => {
    const { ids, warnings } = await openCorpus(animals)
    expect(await ids('river fish', { rerank: 'transformers:some/model' })).toHaveLength(2)
    expect(warnings).toMatchObject([{ code: 'model-not-found' }])
  })

  test('an English model does not touch a Chinese search', async () => {
    const { calls, openReranker } = lengthReranker({ languages: ['en'] })
    const { ids } = await openCorpus(
      [
        { id: 'long', text: '苍鹭站在浅水里等待鱼，苍鹭整天都在那里。' },
        { id: 'short', text: '苍鹭飞走了。' },
      ],
      { openReranker },
    )
    expect(await ids('苍鹭鱼', { rerank: true })).toEqual(await ids('苍鹭鱼'))
    expect(calls).toEqual([])
  })

  test('an abort in it ends the search', async () => {
    const controller = new AbortController()
    const { openReranker } = lengthReranker({
      score: async () => {
        controller.abort()
        return await new Promise<never>(() => {})
      },
    })
    const { corpus, warnings } = await openCorpus(animals, { openReranker })
    const search = corpus.search('river fish', { rerank: true, signal: controller.signal })
    await expect(search).rejects.toMatchObject({ code: 'aborted' })
    expect(warnings).toEqual([])
  })
})
