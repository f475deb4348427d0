import { expect, test } from 'vitest'
import type { ChatModel, EmbeddingModel } from '../../src/protocol/model.js'
import { createCorpusHost } from '../../src/retrieval/corpus.js'
import { parseDocument } from '../../src/retrieval/parse/parse.js'
import { createVectorIndex, type VectorIndex } from '../../src/retrieval/vector/vector-index.js'
import { createMemoryStore, type Store } from '../../src/store/store.js'
import { hashEmbedder, scriptedModel } from '../../src/testing.js'
import {
  type CorpusContext,
  chatModelContract,
  corpusContract,
  embeddingModelContract,
  storeContract,
  type TestRunner,
  vectorIndexContract,
} from '../../src/testing-contracts.js'
import { fakeEmbedder } from '../unit/retrieval/fake-embedder.js'
import { expect as browserExpect } from './browser-expect.js'
import { collectCases } from './collect-cases.js'

/** Names of the cases that fail. */
async function failing(define: (runner: TestRunner) => void): Promise<string[]> {
  const outcomes = await collectCases(expect, define)
  return outcomes.filter(({ error }) => error !== undefined).map(({ name }) => name)
}

const scripted = () =>
  scriptedModel(
    Array.from({ length: 9 }, () => 'The sea is wide and blue.'),
    { chunkSize: 3 },
  )
const chatMutants: readonly [string, (model: ChatModel) => Partial<ChatModel>][] = [
  ['stops when its signal aborts', (model) => ({ stream: (request) => model.stream(request) })],
  [
    'an abort in the middle settles',
    (model) => ({
      // Tells of the abort when it is too late: after a time in which the next request is answered.
      stream: (request, { signal } = {}) =>
        model.stream(request).pipeThrough(
          new TransformStream({
            async flush() {
              await new Promise((resolve) => setTimeout(resolve, 50))
              signal?.throwIfAborted()
            },
          }),
        ),
    }),
  ],
  [
    'does not change its request',
    (model) => ({
      stream(request, options) {
        Object.assign(request, { touched: true })
        return model.stream(request, options)
      },
    }),
  ],
  [
    'finish last',
    (model) => ({
      stream: (request, options) =>
        model
          .stream(request, options)
          .pipeThrough(
            new TransformStream({ flush: (controller) => controller.enqueue({ type: 'text-delta', text: '!' }) }),
          ),
    }),
  ],
  ['counts tokens', () => ({ countTokens: async () => 1 })],
  ['says what it is', () => ({ contextTokens: 0 })],
  [
    'answers again after dispose',
    (model) => {
      let isGone = false
      return {
        async dispose() {
          isGone = true
        },
        stream: (request, options) =>
          isGone ? new ReadableStream({ start: (controller) => controller.close() }) : model.stream(request, options),
      }
    },
  ],
]

test.each(chatMutants)(
  'a chat model that does not keep "%s" is found out',
  async (name, mutate) => {
    const names = await failing((runner) =>
      chatModelContract(runner, async () => {
        const model = scripted()
        return { ...model, ...mutate(model) }
      }),
    )
    expect(names.join('\n')).toContain(name)
  },
  90_000,
)

const embeddingMutants: readonly [string, (model: EmbeddingModel) => Partial<EmbeddingModel>][] = [
  [
    'vector of length 1',
    (model) => ({
      embed: async (texts, options) => (await model.embed(texts, options)).map((vector) => vector.map((x) => x * 2)),
    }),
  ],
  ['in order', (model) => ({ embed: async (texts, options) => (await model.embed(texts, options)).slice(1) })],
  [
    'alone and in company',
    (model) => ({
      embed: async (texts, options) =>
        texts.length === 1 ? model.embed(['another text'], options) : model.embed(texts, options),
    }),
  ],
  [
    'nearer than others',
    (model) => ({
      embed: async (texts, options) =>
        (await model.embed(texts, options)).map((_, at) => {
          const vector = new Float32Array(model.dimensions)
          vector[at % 2] = 1
          return vector
        }),
    }),
  ],
  ['heeds its signal', (model) => ({ embed: (texts) => model.embed(texts) })],
]

test.each(embeddingMutants)('an embedding model that does not keep "%s" is found out', async (name, mutate) => {
  const names = await failing((runner) =>
    embeddingModelContract(runner, async () => {
      const model = hashEmbedder({ dimensions: 64 })
      return { ...model, ...mutate(model) }
    }),
  )
  expect(names.join('\n')).toContain(name)
})

/** Values without a copy, and each change by itself. */
function carelessStore(): Store {
  const entries = new Map<string, unknown>()
  return {
    ...createMemoryStore(),
    get: async <T>(key: string) => entries.get(key) as T,
    getMany: async <T>(keys: readonly string[]) => keys.map((key) => entries.get(key) as T),
    entries: async <T>(prefix: string) =>
      [...entries].filter(([key]) => key.startsWith(prefix)).map(([key, value]): [string, T] => [key, value as T]),
    async write({ set = [], delete: gone = [] }) {
      for (const [key, value] of set) entries.set(key, value)
      for (const key of gone) entries.delete(key)
    },
    keys: async (prefix = '') => [...entries.keys()].filter((key) => key.startsWith(prefix)),
    clear: async () => entries.clear(),
  }
}

test('a store that shares its values, writes by halves, does not sort and never closes is found out', async () => {
  expect(await failing((runner) => storeContract(runner, async () => carelessStore()))).toEqual([
    'gives the entries of a prefix in order, also in pages',
    'a value that was read or written is not the stored one',
    'a write that fails changes nothing',
    'lists keys by prefix, sorted by code units',
    'after close every call is refused',
  ])
})

const indexMutants: readonly [string, (index: VectorIndex) => Partial<VectorIndex>][] = [
  [
    'negative ones included',
    (index) => ({
      search(vector, topK, allow) {
        const found = index.search(vector, topK, allow)
        return { ...found, rows: found.rows.filter(({ score }) => score > 0) }
      },
    }),
  ],
  [
    'allow bounds what is found',
    (index) => ({
      search(vector, topK, allow) {
        const found = index.search(vector, topK)
        return { ...found, rows: found.rows.filter(({ id }) => allow?.(id) ?? true) }
      },
    }),
  ],
  ['adding and removing', (index) => ({ remove: (ids) => index.remove(ids.slice(1)) + 1 })],
  [
    'finds what comparing',
    (index) => ({
      search(vector, topK, allow) {
        const found = index.search(vector, topK + 1, allow)
        return { ...found, rows: found.rows.slice(1) }
      },
    }),
  ],
]

test.each(indexMutants)('a vector index that does not keep "%s" is found out', async (name, mutate) => {
  const names = await failing((runner) =>
    vectorIndexContract(runner, (options) => {
      const index = createVectorIndex(options)
      return new Proxy(index, {
        get(target, key) {
          const own = mutate(index)[key as keyof VectorIndex] ?? target[key as keyof VectorIndex]
          return typeof own === 'function' ? own.bind(target) : own
        },
      })
    }),
  )
  expect(names.join('\n')).toContain(name)
})

function carelessContext(store = createMemoryStore()): CorpusContext {
  const host = createCorpusHost({ store, parse: parseDocument, embedder: fakeEmbedder() })
  return {
    async open(name, options) {
      const corpus = await host.open(name, options)
      return { ...corpus, search: (query, { where: _, ...rest } = {}) => corpus.search(query, rest) }
    },
    list: async () => (await host.list()).reverse(),
    delete: async () => true,
    reopen: async () => carelessContext(),
    close: () => host.close(),
  }
}

test('a corpus that ignores filters, lists in no order and forgets is found out', async () => {
  expect(await failing((runner) => corpusContract(runner, async () => carelessContext()))).toEqual([
    'a query of 10,000 words, one in another script, and a filter on what no document has give a defined result',
    'where reaches both legs',
    'what is stored is there after a reopen, vectors included',
    'a document is renamed, moved and given other metadata without its text; adding its file again does not undo it',
    'corpora are apart, and are listed and deleted by name',
  ])
})

test('a case that throws something that is no error is told', async () => {
  const outcomes = await collectCases(expect, ({ test: run }) => {
    run('fine', async () => {})
    run('odd', async () => Promise.reject('why'))
  })
  expect(outcomes).toEqual([{ name: 'fine' }, { name: 'odd', error: 'why' }])
})

test('each assertion that pages use fails when it should, and only then', async () => {
  const outcomes = await collectCases(browserExpect, ({ test: run, expect: assert }) => {
    run('right', async () => {
      assert(1).toBe(1)
      assert({ a: [1] }).toEqual({ a: [1] })
      assert({ a: 1, b: 2 }).toMatchObject({ a: 1 })
      assert(undefined).toBeUndefined()
      assert([1, 2]).toHaveLength(2)
      assert(2).toBeGreaterThan(1)
      assert(1).toBeGreaterThanOrEqual(1)
      assert(1).toBeLessThanOrEqual(1)
      assert(0.1 + 0.2).toBeCloseTo(0.3, 6)
      assert('abc').toContain('b')
      assert(1).not.toBe(2)
    })
    run('toBe', async () => assert(1).toBe(2))
    run('toEqual', async () => assert({ a: [1] }).toEqual({ a: [2] }))
    run('toMatchObject', async () => assert({ a: 1 }).toMatchObject({ b: 2 }))
    run('toBeUndefined', async () => assert(null).toBeUndefined())
    run('toHaveLength', async () => assert([1]).toHaveLength(2))
    run('toBeGreaterThan', async () => assert(1).toBeGreaterThan(1))
    run('toBeGreaterThanOrEqual', async () => assert(0).toBeGreaterThanOrEqual(1))
    run('toBeLessThanOrEqual', async () => assert(2).toBeLessThanOrEqual(1))
    run('toBeCloseTo', async () => assert(0.31).toBeCloseTo(0.3, 6))
    run('toContain', async () => assert(['a']).toContain('b'))
    run('not', async () => assert(1).not.toBe(1))
  })
  expect(outcomes[0]).toEqual({ name: 'right' })
  expect(outcomes.slice(1).filter(({ error }) => error === undefined)).toEqual([])
})
