import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type AgentOptions, createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { Message, ToolResultPart } from '../../../src/protocol/message.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'
import { fakeClock } from '../../../src/testing.js'
import { fatalToolError, tool } from '../../../src/tools/tool.js'

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function collect(run: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = []
  for await (const part of run) parts.push(part)
  return parts
}

function results(messages: readonly Message[] | undefined): ToolResultPart[] {
  return (messages ?? []).flatMap(({ content }) =>
    typeof content === 'string' ? [] : content.filter((part) => part.type === 'tool-result'),
  )
}

const city = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}
const weather = tool({
  name: 'weather',
  description: 'The weather',
  input: city,
  execute: ({ city: at }) => `${at}: sunny`,
})
const call = (name: string, input: unknown = {}) => ({ name, input })

/** Runs the calls, then an answer, and gives the results that the model got. */
async function resultsOf(toolCalls: { name: string; input?: unknown }[], options: Partial<AgentOptions>) {
  const model = scriptedModel([{ toolCalls }, 'done'])
  const result = await createAgent({ model, ...options }).generate('Go')
  return { results: results(model.requests[1]?.messages), result, model }
}

describe('tool calls', () => {
  it('give their results to the model, and everything as parts', async () => {
    const model = scriptedModel([{ text: 'Let me look.', toolCalls: [call('weather', { city: 'Oslo' })] }, 'Sunny.'])
    const run = createAgent({ model, tools: [weather] }).stream('Weather in Oslo?')
    const parts = await collect(run)
    expect(parts.filter(({ type }) => type.startsWith('tool-') || type.startsWith('step'))).toMatchObject([
      { type: 'step-start', step: 1 },
      { type: 'tool-input-delta', text: '{"city":"Oslo"}' },
      { type: 'tool-call', name: 'weather', input: { city: 'Oslo' } },
      { type: 'tool-result', name: 'weather', output: 'Oslo: sunny', isError: false },
      { type: 'step-end', step: 1 },
      { type: 'step-start', step: 2 },
      { type: 'step-end', step: 2 },
    ])
    expect(await run.text).toBe('Let me look.Sunny.')
    expect((await run.finish).steps).toBe(2)
    const messages = await run.messages
    expect(messages.map(({ role }) => role)).toEqual(['assistant', 'tool', 'assistant'])
    expect(model.requests[1]?.messages.slice(1)).toEqual(messages.slice(0, 2))
    expect(model.requests[0]?.tools).toEqual([{ name: 'weather', description: 'The weather', inputSchema: city }])
  })

  it('run side by side, at most so many, with results in call order and parts as they finish', async () => {
    const clock = fakeClock()
    let active = 0
    let most = 0
    const sleep = tool({
      name: 'sleep',
      description: '',
      async execute({ ms }, { signal }) {
        most = Math.max(most, ++active)
        await clock.sleep(Number(ms), signal)
        active--
        return ms
      },
    })
    const model = scriptedModel([
      { toolCalls: [300, 100, 200, 100, 50, 10].map((ms) => call('sleep', { ms })) },
      'done',
    ])
    const run = createAgent({ model, tools: [sleep] }, { clock }).stream('Go')
    const reading = collect(run)
    await wait(20)
    await clock.advance(49)
    expect(most).toBe(5)
    await clock.advance(251)
    const parts = await reading
    expect(parts.flatMap((part) => (part.type === 'tool-result' ? [part.output] : []))).toEqual([
      50, 10, 100, 100, 200, 300,
    ])
    expect(results(model.requests[1]?.messages).map(({ output }) => output)).toEqual([300, 100, 200, 100, 50, 10])
    expect((await run.usage).toolMs).toBe(300)
    expect(clock.timers).toBe(0)
  })

  it('start while the model still writes', async () => {
    let startedAt = -1
    let given = 0
    const early = tool({
      name: 'early',
      description: '',
      execute: () => {
        startedAt = given
      },
    })
    const model = {
      ...scriptedModel([]),
      stream: () =>
        new ReadableStream({
          async pull(controller) {
            given++
            if (given === 1) controller.enqueue({ type: 'tool-call', callId: 'a', name: 'early', input: {} })
            else if (given < 12) {
              await wait(1)
              controller.enqueue({ type: 'text-delta', text: '.' })
            } else controller.close()
          },
        }),
    }
    await createAgent({ model: model as never, tools: [early], maxSteps: 1 }).stream('Go').text
    expect(startedAt).toBeGreaterThan(0)
    expect(startedAt).toBeLessThan(8)
  })

  it('give undefined as null, and refuse what JSON cannot say', async () => {
    const circular: Record<string, unknown> = {}
    circular.self = circular
    const make = (name: string, output: unknown) => tool({ name, description: '', execute: () => output })
    const tools = [make('nothing', undefined), make('circle', circular), make('big', 1n), make('list', [1, { a: 'b' }])]
    const { results: got } = await resultsOf(
      tools.map(({ name }) => call(name)),
      { tools },
    )
    expect(got[0]).toMatchObject({ output: null })
    expect(got[1]).toMatchObject({ isError: true, output: expect.stringContaining('circle failed') })
    expect(got[2]).toMatchObject({ isError: true })
    expect(got[3]).toEqual({ type: 'tool-result', callId: 'call-4', name: 'list', output: [1, { a: 'b' }] })
  })

  it('tell the model of unknown tools, with the nearest names', async () => {
    const { results: got } = await resultsOf([call('wether'), call('xyzzy')], { tools: [weather] })
    expect(got[0]).toMatchObject({
      isError: true,
      output: expect.stringMatching(/no tool wether.*Did you mean weather/),
    })
    expect(String(got[1]?.output)).not.toContain('Did you mean')
  })

  it('tell the model what does not fit the schema: path, expected, got', async () => {
    const book = tool({
      name: 'book',
      description: '',
      input: {
        type: 'object',
        properties: { nights: { type: 'integer' }, guest: { $ref: '#/$defs/guest' }, kind: { enum: ['a', 'b'] } },
        required: ['nights', 'guest'],
        additionalProperties: false,
        $defs: { guest: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] } },
      },
      execute: () => 'never',
    })
    const { results: got } = await resultsOf(
      [
        call('book', { nights: 'two', guest: { name: 5 } }),
        call('book', { guest: {} }),
        call('book', { nights: 1, guest: { name: 'A' }, extra: 1, kind: 'c' }),
        call('book', null),
        call('book', [1]),
        call('book', 'text'),
      ],
      { tools: [book] },
    )
    const texts = got.map(({ output }) => String(output))
    expect(got.every(({ isError }) => isError)).toBe(true)
    expect(texts[0]).toContain('nights: expected integer, got "two"')
    expect(texts[0]).toContain('guest.name: expected string, got 5')
    expect(texts[1]).toContain('nights: expected a value, got nothing')
    expect(texts[1]).toContain('guest.name: expected a value, got nothing')
    expect(texts[2]).toContain('extra: not expected here')
    expect(texts[2]).toContain('kind')
    expect(texts[3]).toContain('expected an object, got null')
    expect(texts[4]).toContain('expected an object, got a list')
    expect(texts[5]).toContain('expected an object, got "text"')
  })

  it('take a Standard Schema: for the model, for the check, and what it makes of the input', async () => {
    const seen: unknown[] = []
    const plan = tool({
      name: 'plan',
      description: '',
      input: z.object({ day: z.string(), hours: z.number().default(8) }),
      execute: (input) => {
        seen.push(input.hours.toFixed(1))
        return 'ok'
      },
    })
    expect(plan.inputSchema).toMatchObject({ type: 'object', properties: { day: { type: 'string' } } })
    const { results: got } = await resultsOf([call('plan', { day: 'Mon' }), call('plan', { day: 4 })], {
      tools: [plan],
    })
    expect(seen).toEqual(['8.0'])
    expect(got[1]).toMatchObject({ isError: true, output: expect.stringMatching(/day: .*expected string.*got 4/) })
  })

  it('end at their time-out, are tried again, and fail without a stack', async () => {
    const clock = fakeClock()
    const signals: AbortSignal[] = []
    const slow = tool({
      name: 'slow',
      description: '',
      timeoutMs: 100,
      execute: (_, { signal }) => {
        signals.push(signal)
        return new Promise(() => {})
      },
    })
    let tries = 0
    const shaky = tool({
      name: 'shaky',
      description: '',
      retries: 2,
      execute: () => {
        if (++tries < 3) throw new Error('not yet')
        return 'at last'
      },
    })
    const broken = tool({
      name: 'broken',
      description: '',
      execute: () => {
        throw new TypeError('x is not a function')
      },
    })
    const model = scriptedModel([{ toolCalls: [call('slow'), call('shaky'), call('broken')] }, 'done'])
    const run = createAgent({ model, tools: [slow, shaky, broken] }, { clock }).stream('Go')
    const text = run.text
    await wait(20)
    await clock.advance(100)
    await text
    const got = results(model.requests[1]?.messages)
    expect(got.map(({ output }) => output)).toEqual([
      'Error: slow did not finish within 100 ms.',
      'at last',
      'Error: broken failed: x is not a function',
    ])
    expect(signals[0]?.aborted).toBe(true)
    expect(clock.timers).toBe(0)
  })

  it('report progress, but not after they are done', async () => {
    let late = (_: unknown) => {}
    const work = tool({
      name: 'work',
      description: '',
      execute: (_, { report, callId }) => {
        report({ done: 1 })
        late = report
        return callId
      },
    })
    const parts = await collect(
      createAgent({
        model: scriptedModel([
          { toolCalls: [call('work')] },
          () => {
            late('late')
            return 'done'
          },
        ]),
        tools: [work],
      }).stream('Go'),
    )
    expect(parts.filter(({ type }) => type === 'tool-progress')).toEqual([
      { type: 'tool-progress', callId: 'call-1', name: 'work', progress: { done: 1 } },
    ])
  })

  it('end the run with a fatal error', async () => {
    const fatal = tool({
      name: 'fatal',
      description: '',
      execute: () => {
        throw fatalToolError('The account is locked')
      },
    })
    const model = scriptedModel([{ toolCalls: [call('fatal'), call('weather', { city: 'Oslo' })] }, 'never'])
    const run = createAgent({ model, tools: [fatal, weather] }).stream('Go')
    const parts = await collect(run)
    expect(parts.at(-1)).toMatchObject({
      finish: { reason: 'error', error: { code: 'tool-failed', message: 'The account is locked' } },
    })
    expect(model.requests).toHaveLength(1)
  })

  it('are merged when they are equal and the tool is pure, also over runs', async () => {
    let made = 0
    const pure = tool({ name: 'pure', description: '', cache: true, execute: async () => ++made })
    const plain = tool({ name: 'plain', description: '', execute: async () => ++made })
    const model = scriptedModel(() => ({ toolCalls: [] }))
    const turns = [
      { toolCalls: [call('pure', { a: 1, b: 2 }), call('pure', { b: 2, a: 1 }), call('plain'), call('plain')] },
      'done',
    ]
    const agent = createAgent({ model: { ...model, ...scriptedModel([...turns, ...turns]) }, tools: [pure, plain] })
    await agent.generate('Go')
    expect(made).toBe(3)
    await agent.generate('Go')
    expect(made).toBe(5)
  })

  it('get ids that are unique in the conversation', async () => {
    const toolCalls = [
      { name: 'weather', input: { city: 'A' }, callId: 'x' },
      { name: 'weather', input: { city: 'B' }, callId: 'x' },
    ]
    const model = scriptedModel([{ toolCalls }, { toolCalls }, 'done'])
    const { messages } = await createAgent({ model, tools: [weather] }).generate('Go')
    const ids = results(messages).map(({ callId }) => callId)
    expect(new Set(ids).size).toBe(4)
    expect(ids[0]).toBe('x')
  })

  it('wait for approval, and tell the model of a refusal', async () => {
    const pay = tool({ name: 'pay', description: '', needsApproval: true, execute: ({ amount }) => `paid ${amount}` })
    const turns = [{ toolCalls: [call('pay', { amount: 1 }), call('pay', { amount: 2 })] }, 'done']
    const model = scriptedModel(turns)
    const run = createAgent({ model, tools: [pay] }).stream('Go')
    for await (const part of run) {
      if (part.type !== 'approval-request') continue
      if (part.callId === 'call-1') run.approve(part.callId)
      else run.deny(part.callId, 'too much')
    }
    expect(results(model.requests[1]?.messages)).toMatchObject([
      { output: 'paid 1' },
      { isError: true, output: expect.stringContaining('too much') },
    ])
    const { finish } = await createAgent({ model: scriptedModel(turns), tools: [pay] }).generate('Go')
    expect(finish).toEqual({ reason: 'paused', steps: 1 })
  })
})

describe('steps', () => {
  it('end at the cap with a last answer, the prompt’s beginning unchanged', async () => {
    let at = 0
    const model = scriptedModel(
      Array.from(
        { length: 4 },
        () => () => (at++ < 3 ? { toolCalls: [call('weather', { city: `c${at}` })] } : 'Enough.'),
      ),
    )
    const { text, finish } = await createAgent({ model, tools: [weather], maxSteps: 3 }).generate('Go')
    expect(text).toBe('Enough.')
    expect(finish).toEqual({ reason: 'max-steps', steps: 4 })
    expect(model.requests.map(({ toolChoice }) => toolChoice)).toEqual(['auto', 'auto', 'auto', 'none'])
    const [, , third, last] = model.requests
    expect(last?.tools).toEqual(third?.tools)
    expect(last?.messages.slice(0, third?.messages.length)).toEqual(third?.messages)
  })

  it('take no calls in the last answer', async () => {
    const model = scriptedModel(
      [1, 2, 3].map((city) => ({ text: `${city}`, toolCalls: [call('weather', { city: `${city}` })] })),
    )
    const run = createAgent({ model, tools: [weather], maxSteps: 2 }).stream('Go')
    const parts = await collect(run)
    expect(parts.filter(({ type }) => type === 'tool-call')).toHaveLength(2)
    expect(await run.finish).toMatchObject({ reason: 'max-steps', steps: 3 })
    expect((await run.messages).at(-1)).toEqual({ role: 'assistant', content: '3' })
  })

  it('end with a forced answer when the same call gives the same result three times', async () => {
    let calls = 0
    const model = scriptedModel(
      Array.from({ length: 10 }, () => ({ toolChoice }) => {
        calls++
        return toolChoice === 'none' ? 'I give up.' : { toolCalls: [call('weather', { city: 'Oslo' })] }
      }),
    )
    const { text } = await createAgent({ model, tools: [weather] }).generate('Go')
    expect(text).toBe('I give up.')
    expect(calls).toBe(4)
  })

  it('give an unfit input back at most twice', async () => {
    const model = scriptedModel(
      Array.from(
        { length: 10 },
        (_, at) =>
          ({ toolChoice }) =>
            toolChoice === 'none' ? 'Sorry.' : { toolCalls: [call('weather', { at })] },
      ),
    )
    const { text, finish } = await createAgent({ model, tools: [weather] }).generate('Go')
    expect(text).toBe('Sorry.')
    expect(finish.reason).toBe('stop')
    expect(model.requests).toHaveLength(4)
    expect(results(model.requests[3]?.messages)).toHaveLength(2)
  })

  it('heed toolChoice: required and a name for the first step, none for all', async () => {
    const required = scriptedModel([{ toolCalls: [call('weather', { city: 'A' })] }, 'done'])
    await createAgent({ model: required, tools: [weather], toolChoice: 'required' }).generate('Go')
    expect(required.requests.map(({ toolChoice }) => toolChoice)).toEqual(['required', 'auto'])
    const none = scriptedModel(['done'])
    await createAgent({ model: none, tools: [weather], toolChoice: 'none' }).generate([
      { role: 'user', content: 'One' },
      { role: 'assistant', content: [{ type: 'tool-call', callId: '1', name: 'weather', input: { city: 'Rome' } }] },
      { role: 'tool', content: [{ type: 'tool-result', callId: '1', name: 'weather', output: 'rain' }] },
      { role: 'user', content: 'Two' },
    ])
    expect(none.requests[0]?.toolChoice).toBe('none')
    expect(JSON.stringify(none.requests[0]?.messages)).not.toMatch(/tool-call|tool-result/)
    expect(JSON.stringify(none.requests[0]?.messages)).toMatch(/weather.*Rome.*rain/)
  })

  it('end at limits', async () => {
    const endless = () =>
      scriptedModel(
        Array.from(
          { length: 20 },
          (_, at) =>
            ({ toolChoice }) =>
              toolChoice === 'none' ? 'Enough.' : { text: `${at} `, toolCalls: [call('weather', { city: `c${at}` })] },
        ),
      )
    const tokens = await createAgent({ model: endless(), tools: [weather], limits: { totalTokens: 60 } }).generate('Go')
    expect(tokens.finish.reason).toBe('limit')
    expect(tokens.usage.totalTokens).toBeGreaterThanOrEqual(60)
    const calls = await createAgent({ model: endless(), tools: [weather], limits: { toolCalls: 2 } }).generate('Go')
    expect(calls.finish.reason).toBe('limit')
    expect(calls.text).toBe('0 1 Enough.')
    const clock = fakeClock()
    const stuck = {
      ...scriptedModel([]),
      stream: () => new ReadableStream({ start: (c) => c.enqueue({ type: 'text-delta', text: 'half' }) }),
    }
    const run = createAgent({ model: stuck as never, limits: { wallTimeMs: 500 } }, { clock }).stream('Go')
    const text = run.text
    await wait(5)
    await clock.advance(500)
    expect(await text).toBe('half')
    expect((await run.finish).reason).toBe('limit')
    expect(await run.messages).toEqual([{ role: 'assistant', content: 'half' }])
  })

  it('end when stopWhen says so', async () => {
    const model = scriptedModel(
      Array.from({ length: 5 }, (_, at) => ({ toolCalls: [call('weather', { city: `${at}` })] })),
    )
    const { finish, messages } = await createAgent({
      model,
      tools: [weather],
      stopWhen: ({ steps }) => steps === 2,
    }).generate('Go')
    expect(finish).toEqual({ reason: 'tool-calls', steps: 2 })
    expect(messages).toHaveLength(4)
  })
})
