import { describe, expect, it } from 'vitest'
import type { ChatEngine, ModelSpec } from '../../../src/engines/engine.js'
import { createLlmApi, type LlmApi } from '../../../src/engines/serve-model.js'
import type { AlcoveError } from '../../../src/protocol/error.js'
import type { ModelPart, ModelRequest } from '../../../src/protocol/model.js'
import type { StatusPart } from '../../../src/protocol/stream-part.js'
import { readPort } from '../../../src/rpc/port-stream.js'
import { fakeEngine } from './fake-engine.js'

const spec = (id: string): ModelSpec => ({ id, allowRemote: false, hubUrl: 'https://hub.example/', cacheName: 'c' })
const ask = (content: string): ModelRequest => ({ messages: [{ role: 'user', content }] })

function answer(api: LlmApi, id: string, request: ModelRequest, signal?: AbortSignal) {
  const { port1, port2 } = new MessageChannel()
  const served = api.stream(spec(id), request, port2)
  return { parts: readPort<ModelPart>(port1, { signal }), served }
}

async function collect(stream: ReadableStream<ModelPart>): Promise<ModelPart[]> {
  const parts: ModelPart[] = []
  for await (const part of stream) parts.push(part)
  return parts
}

const textOf = (parts: readonly ModelPart[]) =>
  parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('')
const turn = (ms = 10) => new Promise((resolve) => setTimeout(resolve, ms))

describe('createLlmApi', () => {
  it('loads with the first request and answers', async () => {
    const fake = fakeEngine()
    const api = createLlmApi({ fake: async () => fake.engine })
    const parts = await collect(answer(api, 'fake:m', ask('one two')).parts)
    expect(parts[0]).toMatchObject({ type: 'status', status: 'loading' })
    expect(textOf(parts)).toBe('one two ')
    expect(parts.find((part) => part.type === 'model-usage')).toMatchObject({ usage: { queueMs: expect.any(Number) } })
    expect(parts.at(-1)).toEqual({ type: 'model-finish', reason: 'stop' })
  })

  it('runs the requests of one engine in order and says the place of those that wait', async () => {
    const fake = fakeEngine({ gated: true })
    const api = createLlmApi({ fake: async () => fake.engine })
    const streams = ['a', 'b', 'c'].map((text) => collect(answer(api, 'fake:m', ask(text)).parts))
    await turn()
    expect(fake.log).toEqual(['start a'])
    for (let step = 0; step < 3; step++) {
      fake.open()
      await turn()
    }
    const [, second, third] = await Promise.all(streams)
    expect(fake.log).toEqual(['start a', 'end a', 'start b', 'end b', 'start c', 'end c'])
    const places = (parts: readonly ModelPart[] | undefined) =>
      parts?.flatMap((part) => (part.type === 'status' && part.status === 'queued' ? [part.position] : []))
    expect(places(second)).toEqual([1])
    expect(places(third)).toEqual([2, 1])
  })

  it('lets a waiting request leave without disturbing the others', async () => {
    const fake = fakeEngine({ gated: true })
    const api = createLlmApi({ fake: async () => fake.engine })
    const first = collect(answer(api, 'fake:m', ask('a')).parts)
    await turn()
    const controller = new AbortController()
    const leaving = answer(api, 'fake:m', ask('b'), controller.signal)
    const left = collect(leaving.parts).catch((error: AlcoveError) => error.code)
    const third = collect(answer(api, 'fake:m', ask('c')).parts)
    await turn()
    controller.abort()
    expect(await left).toBe('aborted')
    await leaving.served
    fake.open()
    await turn()
    fake.open()
    expect(textOf(await first)).toBe('a ')
    expect(textOf(await third)).toBe('c ')
    expect(fake.log).not.toContain('start b')
  })

  it('gives the next one its turn only when a cancelled one has drained', async () => {
    const fake = fakeEngine({ gated: true, drainMs: 40 })
    const api = createLlmApi({ fake: async () => fake.engine })
    const controller = new AbortController()
    const first = answer(api, 'fake:m', ask('a'), controller.signal)
    const cancelled = collect(first.parts).catch((error: AlcoveError) => error.code)
    await turn()
    const second = collect(answer(api, 'fake:m', ask('b')).parts)
    await turn()
    controller.abort()
    expect(await cancelled).toBe('aborted')
    expect(fake.log).toEqual(['start a'])
    await first.served
    expect(fake.log.slice(0, 2)).toEqual(['start a', 'end a'])
    await turn()
    fake.open()
    await second
    expect(fake.log).toEqual(['start a', 'end a', 'start b', 'end b'])
  })

  it('describes, counts and disposes', async () => {
    const fake = fakeEngine()
    const api = createLlmApi({ fake: async () => fake.engine })
    expect(await api.countTokens(spec('fake:m'), ask('one two'))).toBe(2)
    expect(await api.describe(spec('fake:m'))).toMatchObject({ contextTokens: 99, capabilities: { tools: 'none' } })
    await api.dispose('fake:m')
    await api.dispose('fake:never')
    expect(fake.log).toContain('dispose')
    await collect(answer(api, 'fake:m', ask('x')).parts)
    expect(fake.created).toBe(2)
  })

  it('makes a new model for a changed spec', async () => {
    const fake = fakeEngine()
    const api = createLlmApi({ fake: async () => fake.engine })
    await api.describe(spec('fake:m'))
    await api.describe(spec('fake:m'))
    await api.describe({ ...spec('fake:m'), dtype: 'q4' })
    expect(fake.created).toBe(2)
  })

  it('refuses an unknown scheme and names the nearest', async () => {
    const none = async (): Promise<ChatEngine> => fakeEngine().engine
    const api = createLlmApi({ webllm: none, wllama: none, transformers: none })
    await expect(api.describe(spec('wlama:m'))).rejects.toMatchObject({
      code: 'invalid-argument',
      details: { nearest: ['wllama', 'webllm', 'transformers'] },
    })
    await expect(api.describe(spec('constructor:m'))).rejects.toMatchObject({ code: 'invalid-argument' })
  })

  it('tells a failed import of an engine, and tries again with the next call', async () => {
    let tries = 0
    const fake = fakeEngine()
    const api = createLlmApi({
      fake: async () => {
        tries++
        if (tries === 1) throw new TypeError('Failed to fetch dynamically imported module')
        return fake.engine
      },
    })
    await expect(api.describe(spec('fake:m'))).rejects.toMatchObject({ code: 'network' })
    await expect(api.describe(spec('fake:m'))).resolves.toMatchObject({ contextTokens: 99 })
  })

  it('translates what engines throw, and drops a model that ran out of memory', async () => {
    const fake = fakeEngine()
    const api = createLlmApi({ fake: async () => fake.engine })
    fake.failWith(new Error('std::bad_alloc'))
    await expect(collect(answer(api, 'fake:m', ask('x')).parts)).rejects.toMatchObject({ code: 'out-of-memory' })
    fake.failWith(undefined)
    await collect(answer(api, 'fake:m', ask('x')).parts)
    expect(fake.created).toBe(2)
    fake.failWith(new Error('odd'))
    await expect(collect(answer(api, 'fake:m', ask('x')).parts)).rejects.toMatchObject({ code: 'model-load-failed' })
  })

  it('loads over a port, and stops the load when the reader leaves', async () => {
    const fake = fakeEngine({ gated: true })
    const api = createLlmApi({ fake: async () => fake.engine })
    const { port1, port2 } = new MessageChannel()
    const served = api.load(spec('fake:slow'), port2)
    const reader = readPort<StatusPart>(port1).getReader()
    expect((await reader.read()).value).toMatchObject({ status: 'loading' })
    await reader.cancel()
    await served
    expect(fake.log).toContain('load aborted')
  })
})
