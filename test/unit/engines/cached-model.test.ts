import { describe, expect, test, vi } from 'vitest'
import {
  answerKey,
  type CachedAnswer,
  cachedAnswerVersion,
  cacheModel,
  isCachedAnswer,
  preloadAnswers,
} from '../../../src/engines/cached-model.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import type { ChatModel, ModelPart, ModelRequest } from '../../../src/protocol/model.js'
import { iterate, streamOf } from '../../../src/runtime/stream.js'
import { createMemoryStore, type Store } from '../../../src/store/store.js'
import { createTieredCache } from '../../../src/store/tiered-cache.js'

const settle = (ms = 15) => new Promise((resolve) => setTimeout(resolve, ms))

const answerParts: ModelPart[] = [
  { type: 'status', status: 'prefill', message: 'Reading.' },
  { type: 'text-delta', text: 'Hel' },
  { type: 'text-delta', text: 'lo' },
  { type: 'tool-call', callId: 'c1', name: 'look', input: { at: 1 } },
  { type: 'text-delta', text: '!' },
  { type: 'model-usage', usage: { promptTokens: 7, completionTokens: 3, prefillMs: 100, decodeMs: 50 } },
  { type: 'model-finish', reason: 'stop' },
]

/** What a caller gets whose request was not in the cache: the usage says so. */
const missedParts = answerParts.map((part) =>
  part.type === 'model-usage' ? { ...part, usage: { ...part.usage, cache: 'miss' } } : part,
)

/** A model that says `parts`, one a macrotask, and keeps account. */
function countingModel(parts: readonly (ModelPart | AlcoveError)[] = answerParts, id = 'scripted:one') {
  const seen = { calls: 0, given: 0, stopped: 0, finished: 0 }
  const model: ChatModel = {
    id,
    contextTokens: 100,
    capabilities: { tools: 'none', grammar: 'none', inputs: ['text'], prefixReuse: false, trust: 'answer' },
    load: async () => {},
    stream: (_request, options) => {
      seen.calls += 1
      return streamOf(async function* (signal) {
        signal.addEventListener('abort', () => {
          seen.stopped += 1
        })
        for (const part of parts) {
          await settle(1)
          if (part instanceof AlcoveError) throw part
          seen.given += 1
          yield part
        }
        seen.finished += 1
      }, options)
    },
    countTokens: async () => 1,
    dispose: async () => {},
  }
  return { model, seen }
}

function answerCache(store: Store = createMemoryStore()) {
  return createTieredCache<CachedAnswer>({
    store,
    maxEntries: 100,
    budgetBytes: 1_000_000,
    ttlMs: 60_000,
    version: cachedAnswerVersion,
    check: isCachedAnswer,
  })
}

async function collect(stream: ReadableStream<ModelPart>): Promise<ModelPart[]> {
  const parts: ModelPart[] = []
  for await (const part of iterate(stream)) parts.push(part)
  return parts
}

function ask(text: string, more: Partial<ModelRequest> = {}): ModelRequest {
  return { messages: [{ role: 'user', content: text }], sampling: { temperature: 0 }, ...more }
}

describe('an answer that is in the cache', () => {
  test('is replayed as a stream, with a cached status first, and the model is not asked', async () => {
    const { model, seen } = countingModel()
    const cached = cacheModel(model, answerCache())
    expect(await collect(cached.stream(ask('hi')))).toEqual(missedParts)
    expect(await collect(cached.stream(ask('hi')))).toEqual([
      expect.objectContaining({ type: 'status', status: 'cached' }),
      { type: 'text-delta', text: 'Hello' },
      { type: 'tool-call', callId: 'c1', name: 'look', input: { at: 1 } },
      { type: 'text-delta', text: '!' },
      { type: 'model-usage', usage: { promptTokens: 7, completionTokens: 3, cachedTokens: 7, cache: 'hit' } },
      { type: 'model-finish', reason: 'stop' },
    ])
    expect(seen.calls).toBe(1)
  })

  test('survives in the store: another page with the same store has it', async () => {
    const store = createMemoryStore()
    const first = countingModel()
    await collect(cacheModel(first.model, answerCache(store)).stream(ask('hi')))
    await settle()
    const second = countingModel()
    await collect(cacheModel(second.model, answerCache(store)).stream(ask('hi')))
    expect([first.seen.calls, second.seen.calls]).toEqual([1, 0])
  })

  test('a reader that leaves at model-finish has a complete answer', async () => {
    const { model, seen } = countingModel()
    const cached = cacheModel(model, answerCache())
    for await (const part of iterate(cached.stream(ask('hi')))) if (part.type === 'model-finish') break
    await collect(cached.stream(ask('hi')))
    await settle()
    expect(seen).toMatchObject({ calls: 1, finished: 1, stopped: 0 })
  })

  test('events say hit, miss and shared', async () => {
    const onEvent = vi.fn()
    const cached = cacheModel(countingModel().model, answerCache(), { onEvent })
    await Promise.all([collect(cached.stream(ask('hi'))), collect(cached.stream(ask('hi')))])
    await collect(cached.stream(ask('hi')))
    expect(onEvent.mock.calls.map(([event]) => event.type)).toEqual(['miss', 'shared', 'hit'])
  })

  test('a broken stored answer is generated anew', async () => {
    const { model, seen } = countingModel()
    const store = createMemoryStore()
    const key = await answerKey(model, ask('hi'))
    await createTieredCache<unknown>({
      store,
      maxEntries: 10,
      budgetBytes: 1000,
      ttlMs: 1000,
      version: cachedAnswerVersion,
    }).set(String(key), { parts: [{ type: 'text-delta', text: 'half' }] })
    expect(await collect(cacheModel(model, answerCache(store)).stream(ask('hi')))).toEqual(missedParts)
    expect(seen.calls).toBe(1)
  })
})

describe('what is cached', () => {
  test.each([
    ['temperature 0', { temperature: 0 }, 1],
    ['a seed', { temperature: 0.7, seed: 1 }, 1],
    ['neither', { temperature: 0.7 }, 2],
    ['no sampling at all', undefined, 2],
  ])('by default: %s', async (_name, sampling, calls) => {
    const { model, seen } = countingModel()
    const cached = cacheModel(model, answerCache())
    await collect(cached.stream(ask('hi', { sampling })))
    await collect(cached.stream(ask('hi', { sampling })))
    expect(seen.calls).toBe(calls)
  })

  test('mode always caches all, mode off none', async () => {
    for (const [mode, calls] of [
      ['always', 1],
      ['off', 2],
    ] as const) {
      const { model, seen } = countingModel()
      const cached = cacheModel(model, answerCache(), { mode })
      const request = ask('hi', { sampling: { temperature: mode === 'always' ? 1 : 0 } })
      await collect(cached.stream(request))
      await collect(cached.stream(request))
      expect(seen.calls).toBe(calls)
    }
  })

  test.each([
    ['that ended without model-finish', answerParts.slice(0, 3)],
    ['that failed', [...answerParts.slice(0, 3), new AlcoveError('device-lost', 'gone')]],
    ['that was filtered', [{ type: 'model-finish', reason: 'content-filter' } as const]],
  ])('not an answer %s', async (_name, parts) => {
    const { model, seen } = countingModel(parts)
    const cached = cacheModel(model, answerCache())
    await collect(cached.stream(ask('hi'))).catch(() => {})
    await collect(cached.stream(ask('hi'))).catch(() => {})
    expect(seen.calls).toBe(2)
  })

  test('not an answer that was left half way; the model is stopped', async () => {
    const { model, seen } = countingModel()
    const cached = cacheModel(model, answerCache())
    for await (const part of iterate(cached.stream(ask('hi')))) if (part.type === 'text-delta') break
    expect(seen).toMatchObject({ given: 2, stopped: 1 })
    await collect(cached.stream(ask('hi')))
    expect(seen.calls).toBe(2)
  })

  test('not a request with a Blob in it, which is answered all the same', async () => {
    const { model, seen } = countingModel()
    const cached = cacheModel(model, answerCache())
    const image = { type: 'image', data: new Blob(['x']), mediaType: 'image/png' } as const
    const request: ModelRequest = { messages: [{ role: 'user', content: [image] }], sampling: { temperature: 0 } }
    expect(await collect(cached.stream(request))).toEqual(answerParts)
    await collect(cached.stream(request))
    expect(seen.calls).toBe(2)
  })
})

describe('the key', () => {
  const { model } = countingModel()
  const passage = {
    id: 'p',
    text: 't',
    score: 1,
    ranks: {},
    source: { id: 'd', title: 'D', headings: [] },
    span: [0, 1] as const,
  }

  test('is the same for any order of keys, absent and empty fields, and other message ids', async () => {
    const one = await answerKey(model, {
      messages: [{ role: 'user', content: 'hi', id: 'm1' }],
      sampling: { temperature: 0, seed: 3 },
      tools: [],
    })
    const other = await answerKey(model, {
      sampling: { topP: undefined, seed: 3, temperature: 0 },
      messages: [{ id: 'm2', content: 'hi', role: 'user' }],
    })
    expect(one).toMatch(/^scripted:one [0-9a-f]{64}$/)
    expect(other).toBe(one)
  })

  test('tells apart all that decides the answer', async () => {
    const tool = { name: 'a', description: 'b', inputSchema: {} }
    const keys = await Promise.all([
      answerKey(model, ask('hi')),
      answerKey(model, ask('ho')),
      answerKey(model, { ...ask('hi'), messages: [{ role: 'system', content: 'hi' }] }),
      answerKey(model, { ...ask('hi'), messages: [{ role: 'user', content: 'hi', name: 'Ada' }] }),
      answerKey(model, ask('hi', { passages: [passage] })),
      answerKey(model, ask('hi', { passages: [{ ...passage, text: 'u' }] })),
      answerKey(model, ask('hi', { tools: [tool] })),
      answerKey(model, ask('hi', { tools: [tool], toolChoice: 'none' })),
      answerKey(model, ask('hi', { output: { type: 'json-schema', schema: true } })),
      answerKey(model, ask('hi', { sampling: { temperature: 0, maxTokens: 5 } })),
      answerKey(model, ask('hi', { sampling: { temperature: 0, seed: 5 } })),
      answerKey(model, ask('hi'), 'revision-2'),
      answerKey({ ...model, id: 'scripted:two' }, ask('hi')),
      answerKey({ ...model, capabilities: { ...model.capabilities, dialect: 'hermes' } }, ask('hi')),
    ])
    expect(new Set(keys).size).toBe(keys.length)
  })
})

describe('equal requests in flight', () => {
  test('share one generation, also when one joins late, and each gets all of it', async () => {
    const { model, seen } = countingModel()
    const cached = cacheModel(model, answerCache())
    const first = collect(cached.stream(ask('hi')))
    await settle(5)
    const second = collect(cached.stream(ask('hi')))
    expect(await first).toEqual(missedParts)
    expect(await second).toEqual(missedParts)
    expect(seen).toMatchObject({ calls: 1, stopped: 0 })
  })

  test('other requests do not', async () => {
    const { model, seen } = countingModel()
    const cached = cacheModel(model, answerCache())
    await Promise.all([collect(cached.stream(ask('hi'))), collect(cached.stream(ask('ho')))])
    expect(seen.calls).toBe(2)
  })

  test('one aborts alone and at once; the others get their answer', async () => {
    const { model, seen } = countingModel()
    const cached = cacheModel(model, answerCache())
    const controller = new AbortController()
    const leaving = collect(cached.stream(ask('hi'), { signal: controller.signal }))
    const staying = collect(cached.stream(ask('hi')))
    await settle(4)
    controller.abort()
    await expect(leaving).rejects.toMatchObject({ code: 'aborted' })
    expect(await staying).toEqual(missedParts)
    expect(seen).toMatchObject({ calls: 1, stopped: 0 })
  })

  test('the model stops when the last one leaves, and the next request starts anew', async () => {
    const { model, seen } = countingModel()
    const cached = cacheModel(model, answerCache())
    const controllers = [new AbortController(), new AbortController()]
    const runs = Promise.allSettled(controllers.map(({ signal }) => collect(cached.stream(ask('hi'), { signal }))))
    await settle(4)
    controllers[0]?.abort()
    await settle(2)
    expect(seen.stopped).toBe(0)
    controllers[1]?.abort()
    expect((await runs).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await settle(5)
    expect(seen.stopped).toBe(1)
    expect(await collect(cached.stream(ask('hi')))).toEqual(missedParts)
    expect(seen.calls).toBe(2)
  })

  test('an error reaches all of them', async () => {
    const { model } = countingModel([...answerParts.slice(0, 2), new AlcoveError('device-lost', 'gone')])
    const cached = cacheModel(model, answerCache())
    const runs = await Promise.allSettled([collect(cached.stream(ask('hi'))), collect(cached.stream(ask('hi')))])
    expect(runs).toMatchObject([{ reason: { code: 'device-lost' } }, { reason: { code: 'device-lost' } }])
  })

  test('a reader that sleeps holds back the model', async () => {
    const many: ModelPart[] = Array.from({ length: 200 }, () => ({ type: 'text-delta', text: 'x' }))
    const { model, seen } = countingModel(many)
    const reader = cacheModel(model, answerCache()).stream(ask('hi')).getReader()
    await reader.read()
    await settle(50)
    expect(seen.given).toBeLessThan(4)
    await reader.cancel()
  })

  test('aborting while the cache is asked settles at once and starts nothing', async () => {
    const { model, seen } = countingModel()
    const slow: Store = { ...createMemoryStore(), getMany: () => new Promise(() => {}) }
    const controller = new AbortController()
    const run = collect(cacheModel(model, answerCache(slow)).stream(ask('hi'), { signal: controller.signal }))
    await settle(5)
    controller.abort(new AlcoveError('timeout', 'late'))
    await expect(run).rejects.toMatchObject({ code: 'timeout' })
    expect(seen.calls).toBe(0)
  })
})

test('preloadAnswers fills the cache, and rejects when a request fails', async () => {
  const { model, seen } = countingModel()
  const cached = cacheModel(model, answerCache())
  await preloadAnswers(cached, [ask('a'), ask('b')])
  await collect(cached.stream(ask('b')))
  expect(seen.calls).toBe(2)
  const failing = cacheModel(countingModel([new AlcoveError('network', 'off')]).model, answerCache())
  await expect(preloadAnswers(failing, [ask('a')])).rejects.toMatchObject({ code: 'network' })
  const cut = cacheModel(countingModel(answerParts.slice(0, 2)).model, answerCache())
  await expect(preloadAnswers(cut, [ask('a')])).rejects.toMatchObject({ code: 'output-invalid' })
})
