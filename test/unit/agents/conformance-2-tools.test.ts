// behaviours.md, section 2, sentence by sentence, as far as the agent core is concerned. Each test is named by the sentence that it holds.
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type AgentOptions, createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { ChatModelCapabilities, ModelPart } from '../../../src/protocol/model.js'
import { fakeClock } from '../../../src/testing.js'
import { type ToolOptions, tool } from '../../../src/tools/tool.js'
import { call, collect, createGate, make, never, results, tick, told, until } from './tool-fixtures.js'

describe('§2 input schema (Standard Schema, or JSON Schema with $defs, additionalProperties, unions)', () => {
  const handMade: StandardSchemaV1<unknown, { n: number }> & { toJsonSchema(): Record<string, unknown> } = {
    '~standard': {
      version: 1,
      vendor: 'own',
      // Libraries may check asynchronously.
      validate: async (value) => {
        const n = Number((value as { n?: unknown }).n)
        return Number.isNaN(n) ? { issues: [{ message: 'no number', path: ['n'] }] } : { value: { n } }
      },
    },
    toJsonSchema: () => ({ type: 'object', properties: { n: { type: 'number' } } }),
  }
  const defs = {
    type: 'object',
    properties: { n: { anyOf: [{ $ref: '#/$defs/count' }, { type: 'null' }] } },
    additionalProperties: false,
    $defs: { count: { type: 'integer', minimum: 1 } },
  }
  for (const [kind, input, wrong] of [
    ['zod', z.object({ n: z.number() }), { n: 'x' }],
    ['any Standard Schema', handMade, { n: 'x' }],
    ['JSON Schema', defs, { n: 0 }],
    ['JSON Schema', defs, { n: 1, m: 1 }],
  ] as const) {
    it(`${kind}: refuses ${JSON.stringify(wrong)}`, async () => {
      const seen: unknown[] = []
      const one = tool({ name: 'one', description: '', input: input as never, execute: (given) => seen.push(given) })
      const { outputs } = await told([call('one', { n: 2 }), call('one', wrong)], { tools: [one] })
      expect(seen).toEqual([{ n: 2 }])
      expect(outputs[1]).toMatch(/does not fit its schema[\s\S]*\b[nm]: /)
    })
  }

  it('a schema that is itself broken is an error of the call, not a crash', async () => {
    const one = make('one', () => 'never', { input: { type: 'object', properties: { a: { $ref: '#/nowhere' } } } })
    const { outputs, answer } = await told([call('one', { a: 1 })], { tools: [one] })
    expect(outputs[0]).toMatch(/^Error: one failed/)
    expect(answer.finish.reason).toBe('stop')
  })
})

describe('§2 execute(input, {signal, callId, report}) that may be async, may stream progress', () => {
  it('is told its call, and reports while it works', async () => {
    const work = make('work', async ({ a }, { signal, callId, report }) => {
      report({ at: 1 })
      await tick()
      report({ at: 2 })
      return { a, callId, isAborted: signal.aborted }
    })
    const model = scriptedModel([{ toolCalls: [call('work', { a: 5 })] }, 'done'])
    const parts = await collect(createAgent({ model, tools: [work] }).stream('Go'))
    expect(parts.filter(({ type }) => type === 'tool-progress' || type === 'tool-result')).toEqual([
      { type: 'tool-progress', callId: 'call-1', name: 'work', progress: { at: 1 } },
      { type: 'tool-progress', callId: 'call-1', name: 'work', progress: { at: 2 } },
      {
        type: 'tool-result',
        callId: 'call-1',
        name: 'work',
        output: { a: 5, callId: 'call-1', isAborted: false },
        isError: false,
      },
    ])
  })
})

describe('§2 may return text, JSON, images or files', () => {
  const png = new Blob(['12345'], { type: 'image/png' })
  const draw = make('draw', () => ({ title: 'Plan', picture: png }))
  const scan = make('scan', () => [
    { type: 'file', data: new Uint8Array([1, 2, 3]), mediaType: 'application/pdf' },
    new Blob(['x']),
  ])
  const turns = [{ toolCalls: [call('draw'), call('scan')] }, 'done']
  const media = { type: 'image', data: png, mediaType: 'image/png' }

  function modelWith(capabilities: Partial<ChatModelCapabilities>) {
    const model = scriptedModel(turns)
    return { ...model, capabilities: { ...model.capabilities, ...capabilities } }
  }

  it('kept in the run’s messages and parts, with their bytes', async () => {
    const run = createAgent({ model: scriptedModel(turns), tools: [draw, scan] }).stream('Go')
    const parts = await collect(run)
    const [first, second] = results(await run.messages)
    expect(first?.output).toEqual({ title: 'Plan', picture: media })
    expect((first?.output as { picture: { data: Blob } } | undefined)?.picture.data).toBe(png)
    const [file, bytes] = (second?.output ?? []) as { type: string; data: Blob; mediaType: string }[]
    expect([file?.type, file?.mediaType, bytes?.mediaType]).toEqual([
      'file',
      'application/pdf',
      'application/octet-stream',
    ])
    expect([...new Uint8Array((await file?.data.arrayBuffer()) ?? [])]).toEqual([1, 2, 3])
    expect(parts.find(({ type }) => type === 'tool-result')).toMatchObject({ output: { picture: media } })
  })

  it('given to a model that knows pictures, natively as the value itself', async () => {
    const model = modelWith({ inputs: ['text', 'image'] })
    await createAgent({ model, tools: [draw, scan] }).generate('Go')
    const [first, second] = results(model.requests[1]?.messages)
    expect(first?.output).toEqual({ title: 'Plan', picture: media })
    expect(second?.output).toEqual(['[file: application/pdf, 3 bytes]', '[file: application/octet-stream, 1 bytes]'])
  })

  it('described shortly for a model that reads text only, also those of earlier turns', async () => {
    const model = modelWith({ inputs: ['text'] })
    const { messages } = await createAgent({ model, tools: [draw, scan] }).generate('Go')
    const text = { title: 'Plan', picture: '[image: image/png, 5 bytes]' }
    expect(results(model.requests[1]?.messages)[0]?.output).toEqual(text)
    const later = { ...scriptedModel(['ok']), capabilities: model.capabilities }
    await createAgent({ model: later }).generate([
      { role: 'user', content: 'Go' },
      ...messages,
      { role: 'user', content: 'And now?' },
    ])
    expect(results(later.requests[0]?.messages)[0]?.output).toEqual(text)
  })

  it('beside its result where a dialect writes results as text', async () => {
    const model = scriptedModel(['<tool_call>\n{"name": "draw", "arguments": {}}\n</tool_call>', 'done'])
    await createAgent({ model, tools: [draw], dialect: 'hermes' }).generate('Go')
    const content = model.requests[1]?.messages.at(-1)?.content
    expect(content).toContainEqual(media)
    expect(JSON.stringify(content)).toContain('[image: image/png, 5 bytes]')
  })

  it('refused where JSON cannot say them, and undefined is null', async () => {
    const circular: Record<string, unknown> = {}
    circular.self = circular
    const tools = [make('circle', () => circular), make('big', () => 1n), make('none', () => undefined)]
    const deep = make('deep', () => JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`))
    const date = make('date', () => ({ at: new Date(0), skip: undefined, run: () => 1, nan: Number.NaN }))
    const all = [...tools, deep, date]
    const { outputs } = await told(
      all.map(({ name }) => call(name)),
      { tools: all },
    )
    expect(outputs[0]).toMatch(/^Error: circle failed/)
    expect(outputs[1]).toMatch(/^Error: big failed/)
    expect(outputs[2]).toBeNull()
    expect(outputs[3]).toMatch(/^Error: deep failed/)
    expect(outputs[4]).toEqual({ at: '1970-01-01T00:00:00.000Z', nan: null })
  })
})

describe('§2 timeoutMs (30 s), retries, needsApproval, cache', () => {
  it('ends a try after 30 seconds unless told otherwise, and aborts it', async () => {
    const clock = fakeClock()
    const signals: AbortSignal[] = []
    const hang = make('hang', (_, { signal }) => {
      signals.push(signal)
      return never()
    })
    const model = scriptedModel([{ toolCalls: [call('hang')] }, 'done'])
    const run = createAgent({ model, tools: [hang] }, { clock }).stream('Go')
    const text = run.text
    await until(() => signals.length === 1)
    await clock.advance(29_999)
    expect(signals[0]?.aborted).toBe(false)
    await clock.advance(1)
    await text
    expect(signals[0]?.aborted).toBe(true)
    expect(results(model.requests[1]?.messages)[0]?.output).toBe('Error: hang did not finish within 30000 ms.')
  })

  it('tries a failed call again as often as it is told, says so, and not after an abort', async () => {
    let tries = 0
    const shaky = make('shaky', () => Promise.reject(new Error(`try ${++tries}`)), { retries: 2 })
    const model = scriptedModel([{ toolCalls: [call('shaky')] }, 'done'])
    const parts = await collect(createAgent({ model, tools: [shaky] }).stream('Go'))
    expect(tries).toBe(3)
    expect(parts.filter((part) => part.type === 'status' && part.status === 'retrying')).toHaveLength(2)
    expect(results(model.requests[1]?.messages)[0]?.output).toBe('Error: shaky failed: try 3')
    tries = 0
    const stopped = make(
      'stopped',
      () => {
        tries++
        run.abort()
        throw new Error('no')
      },
      { retries: 5 },
    )
    const run = createAgent({ model: scriptedModel([{ toolCalls: [call('stopped')] }]), tools: [stopped] }).stream('Go')
    expect((await run.finish).reason).toBe('aborted')
    await tick()
    expect(tries).toBe(1)
  })

  it('identical call → stored result, in flight too, for tools that say so; a failure is not stored', async () => {
    let made = 0
    let finish = () => {}
    const gate = new Promise<void>((resolve) => {
      finish = resolve
    })
    const pure = make(
      'pure',
      async ({ a }) => {
        made++
        await gate
        if (a === 'bad') throw new Error('bad')
        return made
      },
      { cache: true },
    )
    const toolCalls = [call('pure', { a: 1, b: 2 }), call('pure', { b: 2, a: 1 }), call('pure', { a: 'bad' })]
    const model = scriptedModel([{ toolCalls }, { toolCalls }, 'done'])
    const run = createAgent({ model, tools: [pure] }).stream('Go')
    const text = run.text
    await until(() => made === 2)
    await tick()
    finish()
    await text
    expect(made).toBe(3)
    const [first, second] = results(model.requests[2]?.messages)
    expect([first?.output, first?.callId, second?.output, second?.callId]).toEqual([2, 'call-1', 2, 'call-2'])
  })

  it('a stored call that is aborted with one run is made again for the other', async () => {
    let made = 0
    const pure = make(
      'pure',
      (_, { signal }) =>
        ++made === 1
          ? new Promise((_, no) => {
              signal.addEventListener('abort', () => no(signal.reason))
            })
          : 'ok',
      { cache: true },
    )
    const toolCalls = [call('pure')]
    const model = scriptedModel([{ toolCalls }, { toolCalls }, 'done'])
    const agent = createAgent({ model, tools: [pure] })
    const first = agent.stream('Go')
    await until(() => made === 1)
    const second = agent.stream('Go')
    const text = second.text
    await until(() => model.requests.length === 2)
    await tick()
    first.abort()
    expect(await text).toBe('done')
    expect(made).toBe(2)
  })
})

describe('§2 Several calls of one turn run in parallel, 5 at a time by default (maxParallelCalls)', () => {
  async function most(options: Partial<AgentOptions>, more: Partial<ToolOptions> = {}, calls = 12) {
    let active = 0
    let peak = 0
    const one = make(
      'one',
      async () => {
        peak = Math.max(peak, ++active)
        await tick()
        active--
      },
      more,
    )
    await told(
      Array.from({ length: calls }, (_, at) => call('one', { at })),
      { tools: [one], ...options },
    )
    return peak
  }

  it('as many as allowed, and no more', async () => {
    expect(await most({})).toBe(5)
    expect(await most({ maxParallelCalls: 2 })).toBe(2)
    expect(await most({ maxParallelCalls: 20 })).toBe(12)
    expect(await most({}, { maxParallel: 3 })).toBe(3)
  })

  it('also 500 calls of one turn', async () => {
    expect(await most({}, {}, 500)).toBe(5)
  })

  it('so five 200 ms tools take 200 ms', async () => {
    const clock = fakeClock()
    let started = 0
    const nap = make('nap', (_, { signal }) => {
      started++
      return clock.sleep(200, signal)
    })
    const model = scriptedModel([{ toolCalls: [1, 2, 3, 4, 5].map((at) => call('nap', { at })) }, 'done'])
    const run = createAgent({ model, tools: [nap] }, { clock }).stream('Go')
    const usage = run.usage
    await until(() => started === 5)
    await clock.advance(200)
    expect((await usage).toolMs).toBe(200)
  })
})

describe('§2 limits of calls', () => {
  it('for a run, for one run alone, and for a tool', async () => {
    const one = make('one', ({ at }) => at, { maxCalls: 3 })
    const other = make('other', () => 'ok')
    const calls = [...[1, 2, 3, 4].map((at) => call('one', { at })), call('other')]
    const { outputs } = await told(calls, { tools: [one, other] })
    expect(outputs.slice(0, 3)).toEqual([1, 2, 3])
    expect(outputs[3]).toMatch(/limit of 3 calls of one/)
    expect(outputs[4]).toBe('ok')
    const model = scriptedModel([{ toolCalls: [call('other'), call('other')] }, 'Enough.'])
    const { finish } = await createAgent({ model, tools: [other] }).generate('Go', { limits: { toolCalls: 1 } })
    expect(finish.reason).toBe('limit')
    expect(results(model.requests[1]?.messages)[1]).toMatchObject({ isError: true })
    expect(model.requests[1]?.toolChoice).toBe('none')
  })
})

describe('§2 results are given to the model in call order whatever the finishing order', () => {
  it('and as parts when they finish', async () => {
    const gates = [createGate<void>(), createGate<void>()]
    const wait = make('wait', async ({ at }) => {
      await gates[Number(at)]?.promise
      return at
    })
    const model = scriptedModel([{ toolCalls: [call('wait', { at: 0 }), call('wait', { at: 1 })] }, 'done'])
    const order: unknown[] = []
    const run = createAgent({ model, tools: [wait] }).stream('Go')
    gates[1]?.resolve()
    for await (const part of run) {
      if (part.type !== 'tool-result') continue
      order.push(part.output)
      gates[0]?.resolve()
    }
    expect(order).toEqual([1, 0])
    expect(results(model.requests[1]?.messages).map(({ output }) => output)).toEqual([0, 1])
  })
})

describe('§2 a call starts as soon as its own input is complete, while the model still writes the next one', () => {
  it('so the model may wait for it', async () => {
    const started = createGate<void>()
    const early = make('early', () => started.resolve())
    let step = 0
    const model = {
      ...scriptedModel([]),
      stream: () =>
        new ReadableStream<ModelPart>({
          async start(controller) {
            if (step++ === 0) {
              controller.enqueue({ type: 'tool-call', callId: 'a', name: 'early', input: {} })
              await started.promise
              controller.enqueue({ type: 'tool-call', callId: 'b', name: 'early', input: { second: true } })
            } else controller.enqueue({ type: 'text-delta', text: 'done' })
            controller.close()
          },
        }),
    }
    expect((await createAgent({ model, tools: [early] }).generate('Go')).text).toBe('done')
  })
})
