import { describe, expect, it } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { iterate } from '../../../src/runtime/stream.js'
import { fakeClock, hashEmbedder, recordModel, replayModel, scriptedModel } from '../../../src/testing.js'

describe('scriptedModel', () => {
  const ask = { messages: [{ role: 'user', content: 'Hi' }] } as const

  async function read(stream: ReadableStream) {
    const parts: { type: string; text?: string }[] = []
    for await (const part of iterate(stream)) parts.push(part)
    return parts
  }

  it('says text, reasoning, calls and functions of the request, in pieces of code points', async () => {
    const model = scriptedModel(
      [
        'a🙂b',
        { reasoning: 'hm', text: 'ok', toolCalls: [{ name: 'f', input: { a: 1 } }] },
        ({ messages }) => `n=${messages.length}`,
      ],
      { chunkSize: 2 },
    )
    expect((await read(model.stream(ask))).slice(0, 2)).toEqual([
      { type: 'text-delta', text: 'a🙂' },
      { type: 'text-delta', text: 'b' },
    ])
    const types = (await read(model.stream(ask))).map(({ type }) => type)
    expect([...new Set(types)]).toEqual([
      'reasoning-delta',
      'text-delta',
      'tool-input-delta',
      'tool-call',
      'model-usage',
      'model-finish',
    ])
    expect((await read(model.stream(ask)))[0]).toEqual({ type: 'text-delta', text: 'n=' })
    await expect(read(model.stream(ask))).rejects.toMatchObject({ code: 'invalid-argument' })
    expect(model.requests).toHaveLength(4)
  })

  it('counts bytes by four, or as it is told', async () => {
    expect(await scriptedModel([]).countTokens({ messages: [{ role: 'user', content: 'é€1' }] })).toBe(2)
    expect(await scriptedModel([], { countTokens: () => 42 }).countTokens(ask)).toBe(42)
  })

  it('waits before each part', async () => {
    const clock = fakeClock()
    const model = scriptedModel(['ab'], { delayMs: 100, chunkSize: 1, clock })
    const reading = read(model.stream(ask))
    let done = false
    reading.then(() => {
      done = true
    })
    await clock.advance(199)
    expect(done).toBe(false)
    await clock.advance(1)
    expect(await reading).toHaveLength(4)
  })

  it('keeps the code of an AlcoveError', async () => {
    const { AlcoveError } = await import('../../../src/protocol/error.js')
    const model = scriptedModel([{ error: new AlcoveError('device-lost', 'gone') }])
    await expect(read(model.stream(ask))).rejects.toMatchObject({ code: 'device-lost' })
  })
})

describe('recordModel and replayModel', () => {
  it('give the same run again, without the model', async () => {
    const recorded = recordModel(scriptedModel(['one', { text: 'half', error: new Error('boom') }], { chunkSize: 1 }))
    expect((await createAgent({ model: recorded }).generate('First')).text).toBe('one')
    await expect(createAgent({ model: recorded }).generate('Second')).rejects.toThrow('boom')
    const recording = JSON.parse(JSON.stringify(recorded.recording))
    const model = replayModel(recording)
    expect(model.id).toBe('scripted')
    for (let time = 0; time < 2; time++) expect((await createAgent({ model }).generate('First')).text).toBe('one')
    await expect(createAgent({ model }).generate('Second')).rejects.toThrow('boom')
    await expect(createAgent({ model }).generate('Third')).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('hashEmbedder', () => {
  const cosine = (first: Float32Array | undefined, second: Float32Array | undefined) =>
    [...(first ?? [])].reduce((sum, value, at) => sum + value * (second?.[at] ?? 0), 0)

  it('is deterministic, of length 1, and nearer for texts that share words', async () => {
    const model = hashEmbedder({ dimensions: 128 })
    const [first, second, third] = await model.embed(['the red ship sails', 'a red ship', 'tax form for invoices'])
    expect(first).toHaveLength(128)
    expect(Math.hypot(...(first ?? []))).toBeCloseTo(1, 5)
    expect(cosine(first, second)).toBeGreaterThan(cosine(first, third) + 0.2)
    expect((await hashEmbedder({ dimensions: 128 }).embed(['a red ship']))[0]).toEqual(second)
    expect(() => hashEmbedder({ dimensions: 0 })).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })
})

describe('fakeClock', () => {
  it('runs timers in order of time, and what they start', async () => {
    const clock = fakeClock({ wallTime: 1000 })
    const log: string[] = []
    clock.setTimer(20, () => log.push(`b@${clock.now()}`))
    clock.setTimer(10, () => {
      log.push(`a@${clock.now()}`)
      clock.setTimer(5, () => log.push(`c@${clock.now()}`))
    })
    clock.setTimer(12, () => log.push('never'))()
    await clock.advance(30)
    expect(log).toEqual(['a@10', 'c@15', 'b@20'])
    expect([clock.now(), clock.wallTime(), clock.timers]).toEqual([30, 1030, 0])
  })

  it('ends a sleep when its signal aborts', async () => {
    const clock = fakeClock()
    const controller = new AbortController()
    const sleeping = clock.sleep(100, controller.signal)
    controller.abort()
    await expect(sleeping).rejects.toMatchObject({ code: 'aborted' })
    expect(clock.timers).toBe(0)
  })
})
