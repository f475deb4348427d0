import { describe, expect, it } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'
import { tool } from '../../../src/tools/tool.js'

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function collect(run: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = []
  for await (const part of run) parts.push(part)
  return parts
}

const textOf = (parts: readonly StreamPart[]) =>
  parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('')

describe('a run', () => {
  it('starts at once, gives deltas and ends with usage and finish', async () => {
    const model = scriptedModel(['Hello 👩‍🚀 there'], { chunkSize: 1 })
    const run = createAgent({ model }).stream('Hi')
    await wait(5)
    expect(model.requests).toHaveLength(1)
    const parts = await collect(run)
    expect(parts[0]).toEqual({ type: 'step-start', step: 1 })
    expect(textOf(parts)).toBe('Hello 👩‍🚀 there')
    expect(parts.slice(-3).map(({ type }) => type)).toEqual(['step-end', 'usage', 'finish'])
    expect(parts.at(-1)).toEqual({ type: 'finish', finish: { reason: 'stop', steps: 1 } })
    expect(await run.text).toBe('Hello 👩‍🚀 there')
    expect(await run.messages).toEqual([{ role: 'assistant', content: 'Hello 👩‍🚀 there' }])
    const usage = await run.usage
    expect(usage).toMatchObject({ promptTokens: 1, cache: 'off', modelId: 'scripted' })
    expect(usage.totalTokens).toBe(usage.promptTokens + usage.completionTokens)
  })

  it('is a ReadableStream, and an async iterable without help from the browser', async () => {
    const run = createAgent({ model: scriptedModel(['abc'], { chunkSize: 1 }) }).stream('Hi')
    expect(run).toBeInstanceOf(ReadableStream)
    const types: string[] = []
    await run.pipeTo(new WritableStream({ write: (part) => void types.push(part.type) }))
    expect(types.at(-1)).toBe('finish')
    expect(Object.getOwnPropertySymbols(Object.getPrototypeOf(Object.getPrototypeOf(run)))).toContain(
      Symbol.asyncIterator,
    )
  })

  it('holds the model back when its reader is slow', async () => {
    let given = 0
    const model = scriptedModel(['x'.repeat(500)], { chunkSize: 1 })
    const counting = {
      ...model,
      stream: (...args: Parameters<typeof model.stream>) =>
        model.stream(...args).pipeThrough(
          new TransformStream({
            transform(part, controller) {
              given++
              controller.enqueue(part)
            },
          }),
        ),
    }
    const run = createAgent({ model: counting }).stream('Hi')
    await wait(20)
    expect(given).toBeGreaterThan(0)
    expect(given).toBeLessThan(40)
    await run.text
    expect(given).toBe(502)
  })

  it('drains by itself when a promise is touched, and merges what nobody reads', async () => {
    const run = createAgent({ model: scriptedModel(['x'.repeat(2000)], { chunkSize: 1 }) }).stream('Hi')
    expect(await run.text).toHaveLength(2000)
    const parts = await collect(run)
    expect(parts.length).toBeLessThan(30)
    expect(textOf(parts)).toHaveLength(2000)
    expect(parts.at(-1)?.type).toBe('finish')
  })

  it('stops the model when its reader leaves early', async () => {
    let cancelled = false
    const model = scriptedModel(['x'.repeat(500)], { chunkSize: 1 })
    const watched = {
      ...model,
      stream: () =>
        new ReadableStream({
          pull: (controller) => controller.enqueue({ type: 'text-delta', text: 'x' }),
          cancel: () => {
            cancelled = true
          },
        }),
    }
    const run = createAgent({ model: watched as never }).stream('Hi')
    for await (const part of run) if (part.type === 'text-delta') break
    await wait(1)
    expect(cancelled).toBe(true)
    await expect(run.text).rejects.toMatchObject({ code: 'aborted' })
    expect(await run.finish).toMatchObject({ reason: 'aborted' })
  })

  it('gives the text alone', async () => {
    const run = createAgent({ model: scriptedModel(['one two'], { chunkSize: 2 }) }).stream('Hi')
    let text = ''
    for await (const piece of run.textStream) text += piece
    expect(text).toBe('one two')
    expect(run.locked).toBe(true)
    const failing = createAgent({ model: scriptedModel([{ text: 'a', error: new Error('boom') }]) }).stream('Hi')
    await expect(async () => {
      for await (const piece of failing.textStream) text += piece
    }).rejects.toThrow('boom')
  })

  it('ends with an error part and never throws when the model fails', async () => {
    const run = createAgent({ model: scriptedModel([{ text: 'half', error: new Error('boom') }]) }).stream('Hi')
    const parts = await collect(run)
    expect(textOf(parts)).toBe('half')
    expect(parts.slice(-2)).toMatchObject([
      { type: 'error', error: { message: 'boom' } },
      { type: 'finish', finish: { reason: 'error', error: { message: 'boom' } } },
    ])
    await expect(run.text).rejects.toThrow('boom')
    await expect(run.usage).rejects.toThrow('boom')
  })

  it.each([
    [''],
    ['  '],
    [[]],
    [[{ role: 'user', content: '' }]],
    [[{ role: 'assistant', content: 'x' }]],
    [undefined],
    [42],
    [[null]],
  ])('fails for input without a question: %j', async (input) => {
    const model = scriptedModel(['never'])
    const agent = createAgent({ model })
    const parts = await collect(agent.stream(input as never))
    expect(parts.at(-2)).toMatchObject({ type: 'error', error: { code: 'invalid-argument' } })
    expect(parts.at(-1)).toMatchObject({ type: 'finish', finish: { reason: 'error', steps: 0 } })
    await expect(agent.generate(input as never)).rejects.toMatchObject({ code: 'invalid-argument' })
    expect(model.requests).toHaveLength(0)
  })

  it('needs a model', () => {
    expect(() => createAgent({} as never)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    expect(() => createAgent(undefined as never)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })

  it('takes a message and a conversation, and changes neither', async () => {
    const model = scriptedModel([() => 'ok', 'ok'])
    const agent = createAgent({ model, instructions: 'Be brief.' })
    const input = Object.freeze([
      Object.freeze({ role: 'user', content: 'One' }),
      Object.freeze({ role: 'assistant', content: Object.freeze([Object.freeze({ type: 'text', text: 'Two' })]) }),
      Object.freeze({ role: 'user', content: 'Three' }),
    ])
    await agent.generate(input as never)
    expect(model.requests[0]?.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user'])
    await agent.generate({ role: 'user', content: [{ type: 'text', text: 'Hi' }] })
    expect(model.requests[1]?.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
    ])
  })

  it('cuts at stop texts, also over chunks', async () => {
    for (const chunkSize of [1, 2, 3, 100]) {
      const model = scriptedModel(['one two STOP three'], { chunkSize })
      const { text, finish } = await createAgent({ model, sampling: { stop: ['STOP', 'three'] } }).generate('Hi')
      expect(text).toBe('one two ')
      expect(finish.reason).toBe('stop')
    }
  })
})

describe('abort', () => {
  const never = () => new Promise<never>(() => {})

  async function abortedWithin(run: ReturnType<ReturnType<typeof createAgent>['stream']>, abort: () => void) {
    const text = run.text
    const startedAt = performance.now()
    abort()
    await expect(text).rejects.toMatchObject({ code: 'aborted' })
    expect((await run.finish).reason).toBe('aborted')
    expect(performance.now() - startedAt).toBeLessThan(100)
    const parts = await collect(run)
    expect(parts.at(-1)).toMatchObject({ type: 'finish', finish: { reason: 'aborted' } })
  }

  const base = scriptedModel([{ toolCalls: [{ name: 'stuck' }] }])
  const stuck = tool({ name: 'stuck', description: '', execute: never })
  const stages: Record<string, Parameters<typeof createAgent>[0]> = {
    'finding a model': { model: never },
    loading: { model: { ...base, load: never } },
    counting: { model: { ...base, countTokens: never } },
    prefill: { model: { ...base, stream: () => new ReadableStream({ pull: never, cancel: never }) } },
    searching: { model: base, corpus: { name: 'c', search: never } as never },
    'a tool': { model: { ...scriptedModel([{ toolCalls: [{ name: 'stuck' }] }]) }, tools: [stuck] },
  }
  for (const [stage, options] of Object.entries(stages)) {
    it(`settles at once in ${stage}`, async () => {
      const run = createAgent(options).stream('Hi')
      await wait(5)
      await abortedWithin(run, () => run.abort())
    })
  }

  it('takes the caller’s signal, also one that has aborted', async () => {
    const controller = new AbortController()
    const agent = createAgent({ model: { ...base, load: never } })
    const run = agent.stream('Hi', { signal: controller.signal })
    await abortedWithin(run, () => controller.abort(new Error('enough')))
    const late = agent.stream('Hi', { signal: AbortSignal.abort() })
    expect(await late.finish).toMatchObject({ reason: 'aborted', steps: 0 })
    await expect(agent.generate('Hi', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
  })

  it('ignores a tool that comes too late', async () => {
    let finishTool = (_: string) => {}
    const slow = tool({
      name: 'slow',
      description: '',
      execute: () =>
        new Promise((resolve) => {
          finishTool = resolve
        }),
    })
    const model = scriptedModel([{ toolCalls: [{ name: 'slow' }] }, 'never'])
    const run = createAgent({ model, tools: [slow] }).stream('Hi')
    const parts: StreamPart[] = []
    for await (const part of run) {
      parts.push(part)
      if (part.type === 'tool-call') {
        await wait(5)
        run.abort('user')
        finishTool('late')
      }
    }
    await wait(5)
    expect(parts.some(({ type }) => type === 'tool-result')).toBe(false)
    expect(model.requests).toHaveLength(1)
  })

  it('leaves no unhandled rejection', async () => {
    const seen: unknown[] = []
    const listener = (reason: unknown) => seen.push(reason)
    process.on('unhandledRejection', listener)
    const run = createAgent({ model: { ...base, load: never } }).stream('Hi')
    void run.text
    run.abort()
    createAgent({ model: scriptedModel([{ error: new Error('x') }]) }).stream('Hi')
    await wait(20)
    process.off('unhandledRejection', listener)
    expect(seen).toEqual([])
  })
})
