// behaviours.md, section 1, sentence by sentence, as far as the agent core is concerned. Each test is named by the sentence that it holds.
import { describe, expect, it } from 'vitest'
import { type AgentRun, createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { ModelPart } from '../../../src/protocol/model.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'
import { fakeClock } from '../../../src/testing.js'
import { tool } from '../../../src/tools/tool.js'

const tick = () => new Promise((resolve) => setTimeout(resolve))
const never = () => new Promise<never>(() => {})

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await tick()
}

async function collect(run: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = []
  for await (const part of run) parts.push(part)
  return parts
}

/** A model that gives one part whenever it is asked, and tells how many it gave. */
function countingModel(length: number) {
  const counts = { given: 0, cancelled: 0 }
  const model = {
    ...scriptedModel([]),
    stream: () =>
      new ReadableStream<ModelPart>(
        {
          pull(controller) {
            if (counts.given++ < length) controller.enqueue({ type: 'text-delta', text: 'x' })
            else controller.close()
          },
          cancel: () => void counts.cancelled++,
        },
        { highWaterMark: 0 },
      ),
  }
  return { model, counts }
}

describe('§1 agent.stream(input, options) returns at once a ReadableStream of parts that is also an AsyncIterable', () => {
  it('also when the model never comes, and without a reader', () => {
    const run = createAgent({ model: never }).stream('Hi')
    expect(run).toBeInstanceOf(ReadableStream)
    expect(run[Symbol.asyncIterator]).toBeInstanceOf(Function)
    run.abort()
  })
})

describe('§1 Parts are deltas, never the whole list again', () => {
  it('gives each character once, however many steps there are', async () => {
    const look = tool({ name: 'look', description: '', execute: () => 'x'.repeat(1000) })
    const turns = Array.from({ length: 10 }, (_, at) => ({
      text: `${at}`.repeat(50),
      toolCalls: [{ name: 'look', input: { at } }],
    }))
    const run = createAgent({ model: scriptedModel([...turns, 'end'], { chunkSize: 5 }), tools: [look] }).stream('Hi')
    const parts = await collect(run)
    const text = parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('')
    expect(text).toBe(await run.text)
    expect(Math.max(...parts.map((part) => (part.type === 'text-delta' ? part.text.length : 0)))).toBe(5)
    expect(JSON.stringify(parts).length).toBeLessThan(30_000)
  })
})

describe('§1 run.messages, run.text, run.usage, run.finish are promises; run.textStream is text alone', () => {
  it('settle, each once, to the same values however they are read', async () => {
    const run = createAgent({ model: scriptedModel([{ reasoning: 'hm', text: 'one two' }], { chunkSize: 2 }) }).stream(
      'Hi',
    )
    let text = ''
    for await (const piece of run.textStream) text += piece
    expect(text).toBe('one two')
    expect(await run.text).toBe('one two')
    expect(await run.messages).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'hm' },
          { type: 'text', text: 'one two' },
        ],
      },
    ])
    expect(await run.finish).toEqual({ reason: 'stop', steps: 1 })
    expect(run.text).toBe(run.text)
    expect(() => createAgent({ model: scriptedModel(['x']) }).stream('Hi').textStream).not.toThrow()
  })
})

describe('§1 A reader that stops early cancels the run and frees the model', () => {
  it('by leaving the loop, by cancelling the stream, and by cancelling textStream', async () => {
    const leave: ((run: AgentRun) => Promise<unknown>)[] = [
      async (run) => {
        for await (const part of run) if (part.type === 'text-delta') break
      },
      async (run) => {
        const reader = run.getReader()
        await reader.read()
        await reader.read()
        await reader.cancel()
      },
      async (run) => {
        for await (const _ of run.textStream) break
      },
    ]
    for (const stop of leave) {
      const { model, counts } = countingModel(1000)
      const run = createAgent({ model }).stream('Hi')
      await stop(run)
      await tick()
      expect(counts.cancelled).toBe(1)
      expect(await run.finish).toMatchObject({ reason: 'aborted' })
    }
  })
})

describe('§1 a slow reader slows the model (backpressure)', () => {
  it('so that the model is never more than a few parts ahead', async () => {
    const { model, counts } = countingModel(200)
    let read = 0
    for await (const part of createAgent({ model }).stream('Hi')) {
      if (part.type !== 'text-delta') continue
      read++
      if (read % 20 === 0) await tick()
      expect(counts.given - read).toBeLessThan(20)
    }
    expect(read).toBe(200)
  })
})

describe('§1 a run that nobody reads does not grow memory without bound', () => {
  it('waits while nothing of it is touched', async () => {
    const { model, counts } = countingModel(10_000)
    const run = createAgent({ model }).stream('Hi')
    await until(() => counts.given > 10)
    await tick()
    expect(counts.given).toBeLessThan(20)
    run.abort()
  })

  it('merges what it keeps when a promise drains it', async () => {
    const { model } = countingModel(10_000)
    const run = createAgent({ model }).stream('Hi')
    await run.text
    expect((await collect(run)).length).toBeLessThan(30)
  })

  it('keeps the newest report only of tools that report in turn', async () => {
    let left = 2
    const noisy = tool({
      name: 'noisy',
      description: '',
      async execute(_, { report }) {
        for (let at = 0; at < 2000; at++) {
          report(at)
          if (at % 100 === 0) await tick()
        }
        left--
      },
    })
    const toolCalls = [{ name: 'noisy' }, { name: 'noisy', input: { second: true } }]
    const run = createAgent({ model: scriptedModel([{ toolCalls }, 'done']), tools: [noisy] }).stream('Hi')
    await until(() => left === 0)
    const progress = (await collect(run)).filter(({ type }) => type === 'tool-progress')
    expect(progress.length).toBeLessThan(40)
    expect(progress.slice(-2).map((part) => part.type === 'tool-progress' && part.progress)).toEqual([1999, 1999])
  })
})

describe('§1 Parts: step start/end, reasoning, text, tool-input (streamed), tool call, progress, result, approval request, …', () => {
  it('come in order, and finish with a reason is always the last part', async () => {
    const work = tool({
      name: 'work',
      description: '',
      needsApproval: true,
      execute: (_, { report }) => {
        report('half')
        return 'ok'
      },
    })
    const turns = [{ reasoning: 'hm', text: 'I work.', toolCalls: [{ name: 'work', input: { a: 12 } }] }, 'Done.']
    const run = createAgent({ model: scriptedModel(turns, { chunkSize: 4 }), tools: [work] }).stream('Hi')
    const types: string[] = []
    for await (const part of run) {
      if (types.at(-1) !== part.type) types.push(part.type)
      if (part.type === 'approval-request') run.approve(part.callId)
    }
    expect(types).toEqual([
      'step-start',
      'reasoning-delta',
      'text-delta',
      'tool-input-delta',
      'tool-call',
      'approval-request',
      'tool-progress',
      'tool-result',
      'step-end',
      'step-start',
      'text-delta',
      'step-end',
      'usage',
      'finish',
    ])
  })

  it('pass the engine’s status on: loading with bytes, queued with position, prefill, recovered', async () => {
    const status = (given: object) => ({ type: 'status', message: 'x', ...given }) as ModelPart
    const told = [
      status({ status: 'loading', loadedBytes: 1, totalBytes: 2 }),
      status({ status: 'queued', position: 3 }),
      status({ status: 'prefill' }),
      status({ status: 'recovered' }),
    ]
    const model = {
      ...scriptedModel([]),
      stream: () =>
        new ReadableStream<ModelPart>({
          start(controller) {
            for (const part of told) controller.enqueue(part)
            controller.close()
          },
        }),
    }
    const parts = await collect(createAgent({ model }).stream('Hi'))
    expect(parts.filter(({ type }) => type === 'status')).toEqual(told)
  })

  it('have finish last, after an error too, and steps that were begun are ended', async () => {
    const model = scriptedModel([{ text: 'half', error: new Error('boom') }])
    const types = (await collect(createAgent({ model }).stream('Hi'))).map(({ type }) => type)
    expect(types).toEqual(['step-start', 'text-delta', 'step-end', 'usage', 'error', 'finish'])
  })
})

describe('§1 Usage and timings on every run', () => {
  it('prompt, completion and cached tokens, time to first token, tokens a second, queue wait, time in tools, cache', async () => {
    const clock = fakeClock()
    const sleep = tool({ name: 'sleep', description: '', execute: (_, { signal }) => clock.sleep(300, signal) })
    const usage = { promptTokens: 10, completionTokens: 20, cachedTokens: 4, decodeMs: 500, queueMs: 7 }
    let step = 0
    const model = {
      ...scriptedModel([]),
      stream: () =>
        new ReadableStream<ModelPart>({
          async start(controller) {
            await clock.sleep(100)
            if (step++ === 0) controller.enqueue({ type: 'tool-call', callId: 'a', name: 'sleep', input: {} })
            else controller.enqueue({ type: 'text-delta', text: 'done' })
            controller.enqueue({ type: 'model-usage', usage: { ...usage, cache: 'miss' } })
            controller.close()
          },
        }),
    }
    const run = createAgent({ model, tools: [sleep] }, { clock }).stream('Hi')
    const reading = run.usage
    for (let round = 0; round < 3; round++) {
      await until(() => clock.timers > 0)
      await clock.advance(round === 1 ? 300 : 100)
    }
    expect(await reading).toMatchObject({
      promptTokens: 20,
      completionTokens: 40,
      cachedTokens: 8,
      totalTokens: 60,
      timeToFirstTokenMs: 100,
      tokensPerSecond: 40,
      queueMs: 14,
      toolMs: 300,
      durationMs: 500,
      cache: 'miss',
    })
  })
})

describe('§1 Abort works at every stage, and settles the run within 100 ms', () => {
  const stuck = tool({ name: 'stuck', description: '', execute: never })
  const approved = tool({ name: 'approved', description: '', needsApproval: true, execute: never })
  const calling = (name: string) => scriptedModel([{ toolCalls: [{ name }] }])
  const base = scriptedModel([])
  const stages: Record<string, () => Parameters<typeof createAgent>[0]> = {
    loading: () => ({ model: { ...base, load: never } }),
    'queued or prefill': () => ({
      model: { ...base, stream: () => new ReadableStream({ pull: never, cancel: never }) },
    }),
    decoding: () => ({ model: countingModel(1_000_000).model }),
    'embedding or searching': () => ({ model: base, corpus: { name: 'c', search: never } as never }),
    'inside a tool': () => ({ model: calling('stuck'), tools: [stuck] }),
    'waiting for approval': () => ({ model: calling('approved'), tools: [approved] }),
  }
  for (const [stage, options] of Object.entries(stages)) {
    it(stage, async () => {
      const controller = new AbortController()
      const run = createAgent(options()).stream('Hi', { signal: controller.signal })
      const settled = Promise.allSettled([run.text, run.messages, run.usage, run.finish, run.object])
      await tick()
      await tick()
      const abortedAt = performance.now()
      controller.abort()
      const [text, , , finish] = await settled
      expect(performance.now() - abortedAt).toBeLessThan(100)
      expect(text).toMatchObject({ status: 'rejected', reason: { code: 'aborted' } })
      expect(finish).toMatchObject({ status: 'fulfilled', value: { reason: 'aborted' } })
    })
  }
})

describe('§1 Nothing is left: no port, lock, timer or pending promise', () => {
  it('after an abort in the middle of tools with time-outs and a wall time', async () => {
    const clock = fakeClock()
    const signals: AbortSignal[] = []
    const slow = tool({
      name: 'slow',
      description: '',
      execute: (_, { signal }) => {
        signals.push(signal)
        return clock.sleep(1000, signal)
      },
    })
    const controller = new AbortController()
    const listeners = { added: 0, removed: 0 }
    const { signal } = controller
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: unknown[]) => {
      listeners.added++
      Reflect.apply(addEventListener, signal, args)
    }
    signal.removeEventListener = (...args: unknown[]) => {
      listeners.removed++
      Reflect.apply(removeEventListener, signal, args)
    }
    const model = scriptedModel([{ toolCalls: Array.from({ length: 8 }, () => ({ name: 'slow' })) }])
    const agent = createAgent({ model, tools: [slow], limits: { wallTimeMs: 10_000 } }, { clock })
    const run = agent.stream('Hi', { signal })
    const finish = run.finish
    await until(() => signals.length === 5)
    run.abort()
    await finish
    await tick()
    expect(clock.timers).toBe(0)
    expect(signals.every(({ aborted }) => aborted)).toBe(true)
    expect(listeners.added).toBe(listeners.removed)
  })

  it('after a run that ended by itself', async () => {
    const clock = fakeClock()
    const agent = createAgent({ model: scriptedModel(['ok']), limits: { wallTimeMs: 10_000 } }, { clock })
    await agent.generate('Hi')
    expect(clock.timers).toBe(0)
  })
})

describe('§1 Input: a string, one message or a list; parts for text, image, audio, file', () => {
  it('is given to the model as it is, and never mutated or deep-copied', async () => {
    const model = scriptedModel(['1', '2', '3'])
    const agent = createAgent({ model })
    const data = new Blob(['x'], { type: 'image/png' })
    const content = Object.freeze([
      Object.freeze({ type: 'text' as const, text: 'What is it?' }),
      Object.freeze({ type: 'image' as const, data, mediaType: 'image/png' }),
      Object.freeze({ type: 'audio' as const, data: 'https://example.org/a.mp3', mediaType: 'audio/mpeg' }),
      Object.freeze({ type: 'file' as const, data, mediaType: 'application/pdf' }),
    ])
    const message = Object.freeze({ role: 'user' as const, content })
    await agent.generate('text')
    await agent.generate(message)
    await agent.generate(Object.freeze([message]))
    expect(model.requests.map(({ messages }) => messages.length)).toEqual([1, 1, 1])
    expect(model.requests[0]?.messages).toEqual([{ role: 'user', content: 'text' }])
    for (const { messages } of model.requests.slice(1)) {
      expect(messages[0]?.content).toEqual(content)
      expect((messages[0]?.content[1] as { data?: Blob } | undefined)?.data).toBe(data)
    }
  })

  it('is refused when it is something else', async () => {
    for (const input of [undefined, 42, {}, [{ role: 'robot', content: 'x' }], [{ role: 'user', content: [null] }]]) {
      const { error } = await createAgent({ model: scriptedModel([]) }).stream(input as never).finish
      expect(error).toMatchObject({ code: 'invalid-argument' })
    }
  })
})
