import { describe, expect, it } from 'vitest'
import { drainedStream } from '../../../src/engines/drained-stream.js'
import type { ChatEngine, ModelSpec } from '../../../src/engines/engine.js'
import { createLlmApi } from '../../../src/engines/serve-model.js'
import { createWorkerModel, inspectModel, type ModelFailure } from '../../../src/engines/worker-model.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import type { ChatModel, ModelPart, ModelRequest } from '../../../src/protocol/model.js'
import { fakeEngine } from './fake-engine.js'
import { fakeHost } from './fake-host.js'

const spec = (id = 'fake:m'): ModelSpec => ({ id, allowRemote: false, hubUrl: 'https://hub.example/', cacheName: 'c' })
const ask = (content: string): ModelRequest => ({ messages: [{ role: 'user', content }] })
const turn = (ms = 10) => new Promise((resolve) => setTimeout(resolve, ms))

async function collect(stream: ReadableStream<ModelPart>): Promise<ModelPart[]> {
  const parts: ModelPart[] = []
  for await (const part of stream) parts.push(part)
  return parts
}
const textOf = (parts: readonly ModelPart[]) =>
  parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('')
const statusesOf = (parts: readonly ModelPart[]) =>
  parts.flatMap((part) => (part.type === 'status' ? [part.status] : []))

describe('createWorkerModel', () => {
  it('loads once, answers, and then knows what the model is', async () => {
    const fake = fakeEngine()
    const { host } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    let asked = 0
    const model = createWorkerModel({
      spec: { ...spec(), contextTokens: 7 },
      host,
      beforeLoad: async () => {
        asked++
      },
    })
    expect([model.contextTokens, model.isLoaded]).toEqual([7, false])
    const parts = await collect(model.stream(ask('one two')))
    expect(textOf(parts)).toBe('one two ')
    expect(statusesOf(parts)).toEqual(['loading'])
    expect([model.contextTokens, model.isLoaded]).toEqual([99, true])
    await collect(model.stream(ask('again')))
    await model.load()
    expect(asked).toBe(1)
    expect(await model.countTokens(ask('one two'))).toBe(2)
  })

  it('does not load what is not agreed to', async () => {
    const fake = fakeEngine()
    const { host } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const refuse = async () => {
      throw new AlcoveError('download-refused', 'no')
    }
    const model = createWorkerModel({ spec: spec(), host, beforeLoad: refuse })
    await expect(collect(model.stream(ask('x')))).rejects.toMatchObject({ code: 'download-refused' })
    await expect(model.load()).rejects.toMatchObject({ code: 'download-refused' })
    expect(fake.created).toBe(0)
  })

  it('shares one load; a caller who leaves disturbs no other, and the last one stops it', async () => {
    const fake = fakeEngine({ gated: true })
    const { host } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const model = createWorkerModel({ spec: spec('fake:slow'), host })
    const controllers = [new AbortController(), new AbortController()]
    const loads = controllers.map(({ signal }) => model.load({ signal }).catch((error: AlcoveError) => error.code))
    await turn()
    controllers[0]?.abort()
    expect(await loads[0]).toBe('aborted')
    await turn()
    expect(fake.log).not.toContain('load aborted')
    controllers[1]?.abort()
    expect(await loads[1]).toBe('aborted')
    await turn()
    expect(fake.log).toContain('load aborted')
  })

  it('settles an abort at once and replaces a worker that does not come free', async () => {
    const fake = fakeEngine({ gated: true, drainMs: 10_000 })
    const { host, kills } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const model = createWorkerModel({ spec: spec(), host, drainMs: 250 })
    await model.load()
    const controller = new AbortController()
    const answer = collect(model.stream(ask('a'), { signal: controller.signal })).catch(
      (error: AlcoveError) => error.code,
    )
    while (!fake.log.includes('start a')) await turn()
    const waiting = collect(model.stream(ask('b')))
    await turn()
    controller.abort()
    expect(await answer).toBe('aborted')
    expect(kills).toEqual([])
    while (kills.length === 0) await turn(5)
    while (!fake.log.includes('start b')) await turn(5)
    fake.open()
    // The one that waited behind it starts again in the new worker, and says so.
    const parts = await waiting
    expect(textOf(parts)).toBe('b ')
    expect(statusesOf(parts)).toContain('recovered')
  })

  it('replaces at once a worker that would read on for longer than a new one takes to load', async () => {
    let hangs = false
    const slow: ChatEngine = {
      inspect: async () => ({ state: 'available', bytes: 0 }),
      create: (given) => ({
        ...fakeEngine().engine.create(given),
        stream: (_request, { signal } = {}) =>
          drainedStream<ModelPart>(async function* () {
            yield { type: 'status', status: 'prefill', message: 'reading' }
            if (hangs) await turn(5_000)
            // A token a second: a batch takes a minute.
            yield { type: 'model-usage', usage: { promptTokens: 200, completionTokens: 1, prefillMs: 200_000 } }
            yield { type: 'model-finish', reason: 'stop' }
          }, signal),
      }),
    }
    const { host, kills } = fakeHost(() => createLlmApi({ fake: async () => slow }))
    const model = createWorkerModel({ spec: spec(), host })
    await collect(model.stream(ask('word '.repeat(200))))
    hangs = true
    const controller = new AbortController()
    const reader = model.stream(ask('word '.repeat(200)), { signal: controller.signal }).getReader()
    expect((await reader.read()).value).toMatchObject({ status: 'prefill' })
    controller.abort()
    await expect(reader.read()).rejects.toMatchObject({ code: 'aborted' })
    // Without the prediction it would be given 500 ms at least.
    await turn(200)
    expect(kills).toHaveLength(1)
    hangs = false
    expect((await collect(model.stream(ask('a')))).at(-1)).toMatchObject({ type: 'model-finish' })
  })

  it('leaves a worker alone that drains in time', async () => {
    const fake = fakeEngine({ gated: true })
    const { host, kills } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const model = createWorkerModel({ spec: spec(), host, drainMs: 30 })
    await model.load()
    const reader = model.stream(ask('a')).getReader()
    const pending = reader.read()
    await turn()
    await reader.cancel()
    expect((await pending).done).toBe(true)
    await turn(60)
    expect(kills).toEqual([])
    expect(host.restarts).toBe(0)
  })

  it('loads again in a new worker after a crash', async () => {
    const fake = fakeEngine()
    const { host } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const model = createWorkerModel({ spec: spec(), host })
    await collect(model.stream(ask('x')))
    host.kill(new AlcoveError('worker-crashed', 'died'))
    expect(model.isLoaded).toBe(false)
    expect(textOf(await collect(model.stream(ask('y'))))).toBe('y ')
    expect([host.restarts, fake.created]).toEqual([1, 2])
  })

  it('fails with one typed error when the worker dies after text and the engine cannot go on', async () => {
    const fake = fakeEngine()
    const { host } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const model = createWorkerModel({ spec: spec(), host })
    const reader = model.stream(ask('one two three four five')).getReader()
    let value: ModelPart | undefined
    do value = (await reader.read()).value
    while (value?.type !== 'text-delta')
    host.kill(new AlcoveError('worker-crashed', 'died'))
    const rest = async () => {
      while (!(await reader.read()).done);
    }
    await expect(rest()).rejects.toMatchObject({ code: 'worker-crashed' })
  })

  it('goes on from the text where the engine can', async () => {
    const fake = fakeEngine()
    const { host } = fakeHost(() => createLlmApi({ transformers: async () => fake.engine }))
    const model = createWorkerModel({ spec: spec('transformers:m'), host })
    const request = { ...ask('one two three four five'), sampling: { maxTokens: 50 } }
    const reader = model.stream(request).getReader()
    const parts: ModelPart[] = []
    let isKilled = false
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      parts.push(value)
      if (value.type !== 'text-delta' || isKilled) continue
      isKilled = true
      host.kill(new AlcoveError('worker-crashed', 'died'))
    }
    const shown = textOf(parts)
    // The fake says back the last message, which is now the text so far.
    const first = parts.find((part) => part.type === 'text-delta')?.text
    expect(shown.startsWith('one ')).toBe(true)
    expect(shown.length).toBeGreaterThan((first ?? '').length)
    expect(statusesOf(parts)).toContain('recovered')
    expect(request.messages).toHaveLength(1)
    expect(parts.at(-1)).toEqual({ type: 'model-finish', reason: 'stop' })
  })

  it('gives the worker up after out of memory', async () => {
    const fake = fakeEngine()
    const { host, kills } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const model = createWorkerModel({ spec: spec(), host })
    fake.failWith(new Error('memory access out of bounds'))
    await expect(collect(model.stream(ask('x')))).rejects.toMatchObject({ code: 'out-of-memory' })
    expect(kills).toHaveLength(1)
    expect(model.isLoaded).toBe(false)
  })

  it('loads with a shorter context after out of memory, and starts the answer anew', async () => {
    const fake = fakeEngine()
    const specs: (number | undefined)[] = []
    const create = (given: ModelSpec) => {
      specs.push(given.contextTokens)
      fake.failWith(given.contextTokens === 8_000 ? new Error('std::bad_alloc') : undefined)
      return { ...fake.engine.create(given), contextTokens: given.contextTokens ?? 0 }
    }
    const { host } = fakeHost(() => createLlmApi({ fake: async () => ({ ...fake.engine, create }) }))
    const failures: unknown[] = []
    const model = createWorkerModel({
      spec: { ...spec(), contextTokens: 8_000 },
      host,
      onFailure: ({ error, phase, reaction }) => failures.push([error.code, phase, reaction]),
    })
    const parts = await collect(model.stream(ask('a b')))
    expect(textOf(parts)).toBe('a b ')
    expect(statusesOf(parts)).toContain('recovered')
    expect(failures).toEqual([['out-of-memory', 'run', 'smaller']])
    expect(specs).toEqual([8_000, 4_000])
    expect(model.contextTokens).toBe(4_000)
  })

  it('finds a worker that is silent and alive, replaces it and starts anew', async () => {
    const fake = fakeEngine({ gated: true })
    const { host, kills } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const model = createWorkerModel({ spec: spec(), host, silenceMs: 20 })
    await model.load()
    const reading = collect(model.stream(ask('a b')))
    while (kills.length === 0) await turn(5)
    expect(kills[0]).toContain('hangs')
    // Lets answers through from now on.
    const opening = setInterval(fake.open, 5)
    const parts = await reading
    clearInterval(opening)
    expect(textOf(parts)).toBe('a b ')
    expect(statusesOf(parts)).toContain('recovered')
  })

  it('does not take a place in the queue, or a reader that sleeps, for a hang', async () => {
    const fake = fakeEngine({ gated: true })
    const { host, kills } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const patient = createWorkerModel({ spec: spec(), host })
    await patient.load()
    const first = collect(patient.stream(ask('a')))
    await turn()
    const hurried = createWorkerModel({ spec: spec(), host, silenceMs: 5 })
    const reader = hurried.stream(ask('b c d')).getReader()
    while ((await reader.read()).value?.type !== 'status');
    await turn(60)
    fake.open()
    await first
    fake.open()
    await reader.read()
    await turn(60)
    expect(kills).toEqual([])
    await reader.cancel()
  })

  it('gives up after so many retries, with the first typed error', async () => {
    const fake = fakeEngine()
    const { host, kills } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const failures: string[] = []
    const model = createWorkerModel({
      spec: spec(),
      host,
      retries: 1,
      onFailure: ({ reaction }) => failures.push(reaction),
    })
    fake.failWith(new AlcoveError('device-lost', 'gone'))
    await expect(collect(model.stream(ask('x')))).rejects.toMatchObject({ code: 'device-lost' })
    expect(failures).toEqual(['again', 'none'])
    expect(kills).toHaveLength(2)
  })

  it('is not loaded any more when its idle worker ended and another model started a new one', async () => {
    const fake = fakeEngine()
    const { host } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const model = createWorkerModel({ spec: spec(), host })
    await model.load()
    expect(model.isLoaded).toBe(true)
    host.kill(new AlcoveError('worker-crashed', 'idle'))
    await createWorkerModel({ spec: spec('fake:other'), host }).load()
    expect([host.state, model.isLoaded]).toEqual(['ready', false])
  })

  it('ends its worker with the last model in it, and not before', async () => {
    const fake = fakeEngine()
    const { host, rests } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const [first, second] = ['fake:a', 'fake:b'].map((id) => createWorkerModel({ spec: spec(id), host }))
    await first?.load()
    await second?.load()
    await first?.dispose()
    expect([rests, host.state]).toEqual([[], 'ready'])
    await second?.dispose()
    expect([rests.length, host.state, second?.isLoaded]).toEqual([1, 'idle', false])
    expect(textOf(await collect((first as ChatModel).stream(ask('x'))))).toBe('x ')
  })

  it('a load outlives its worker, and says so', async () => {
    const fake = fakeEngine({ gated: true })
    const { host } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const failures: string[] = []
    const onFailure = ({ phase, reaction }: ModelFailure) => failures.push(`${phase} ${reaction}`)
    const model = createWorkerModel({ spec: spec('fake:slow'), host, onFailure })
    const statuses: string[] = []
    const loads = [model.load({ onProgress: ({ status }) => statuses.push(status) }), model.load()]
    await turn()
    host.kill(new AlcoveError('worker-crashed', 'died'))
    await turn()
    fake.open()
    fake.open()
    await Promise.all(loads)
    expect(model.isLoaded).toBe(true)
    expect(statuses).toEqual(['loading', 'recovered', 'loading'])
    expect(failures).toEqual(['load again', 'load again'])
    expect(host.restarts).toBe(1)
  })

  it('a load that dies each time ends with one typed error; one that was aborted is not tried again', async () => {
    const fake = fakeEngine({ gated: true })
    const { host } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const model = createWorkerModel({ spec: spec('fake:slow'), host, retries: 1 })
    const load = model.load().catch((error: AlcoveError) => error.code)
    for (let death = 0; death < 2; death++) {
      await turn()
      host.kill(new AlcoveError('worker-crashed', 'died'))
    }
    expect(await load).toBe('worker-crashed')
    const controller = new AbortController()
    const aborted = model.load({ signal: controller.signal }).catch((error: AlcoveError) => error.code)
    await turn()
    controller.abort()
    host.kill(new AlcoveError('worker-crashed', 'died'))
    expect(await aborted).toBe('aborted')
    await turn()
    expect(fake.created).toBe(3)
  })

  it('a load takes a shorter context when memory is short, unless its caller chooses contexts', async () => {
    const loads: (number | undefined)[] = []
    const engine: ChatEngine = {
      inspect: async () => ({ state: 'available', bytes: 0 }),
      create: (given) => ({
        ...fakeEngine().engine.create(given),
        contextTokens: given.contextTokens ?? 0,
        async load() {
          loads.push(given.contextTokens)
          if ((given.contextTokens ?? 0) > 3_000) throw new AlcoveError('out-of-memory', 'too much')
        },
      }),
    }
    const open = (shrinksInLoad?: boolean) => {
      const { host } = fakeHost(() => createLlmApi({ fake: async () => engine }))
      return createWorkerModel({ spec: { ...spec(), contextTokens: 8_000 }, host, shrinksInLoad })
    }
    const model = open()
    await model.load()
    expect([loads, model.contextTokens]).toEqual([[8_000, 4_000, 2_000], 2_000])
    await expect(open(false).load()).rejects.toMatchObject({ code: 'out-of-memory' })
    expect(loads).toEqual([8_000, 4_000, 2_000, 8_000])
  })

  it('replaces a worker that hangs while files are fetched', async () => {
    let workers = 0
    const never = () => new Promise<never>(() => {})
    const { host, kills } = fakeHost(() => {
      const isHanging = ++workers === 1
      const engine: ChatEngine = {
        inspect: async () => ({ state: 'available', bytes: 0 }),
        create: (given) => ({
          ...fakeEngine().engine.create(given),
          load: () => (isHanging ? never() : Promise.resolve()),
        }),
      }
      const own = createLlmApi({ fake: async () => engine })
      return isHanging ? { ...own, describe: never } : own
    })
    const model = createWorkerModel({ spec: spec(), host, silenceMs: 40 })
    await model.load()
    expect([kills.length, model.isLoaded]).toEqual([1, true])
  })

  it('does not come back from a closed host', async () => {
    const fake = fakeEngine()
    const { host } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    const model = createWorkerModel({ spec: spec(), host })
    await model.load()
    await host.close()
    await expect(collect(model.stream(ask('x')))).rejects.toMatchObject({ code: 'closed' })
    await model.dispose()
  })

  it('inspects through the worker', async () => {
    const fake = fakeEngine()
    const { host } = fakeHost(() => createLlmApi({ fake: async () => fake.engine }))
    expect(await inspectModel(host, spec())).toEqual({ state: 'available', bytes: 0 })
    await expect(inspectModel(host, spec('none:x'))).rejects.toMatchObject({ code: 'invalid-argument' })
  })
})
