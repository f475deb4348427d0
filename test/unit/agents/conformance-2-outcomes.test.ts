// behaviours.md, section 2, sentence by sentence, as far as the agent core is concerned. Each test is named by the sentence that it holds.
import { describe, expect, it } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { ModelPart } from '../../../src/protocol/model.js'
import { fatalToolError } from '../../../src/tools/tool.js'
import { call, collect, createGate, make, never, results, tick, told, until } from './tool-fixtures.js'

describe('§2 Errors go to the model as a short result (never a stack trace)', () => {
  it('unknown tool (with the nearest names), unfit input (path, expected, got), failure', async () => {
    const weather = make('get_weather', () => 'sunny', {
      input: { type: 'object', properties: { days: { type: 'integer' } }, required: ['days'] },
    })
    const broken = make('broken', () => {
      throw new TypeError('x'.repeat(5000))
    })
    const calls = [call('getWeather'), call('get_weather', { days: 'two' }), call('get_weather'), call('broken')]
    const { outputs, answer } = await told(calls, { tools: [weather, broken] })
    expect(outputs[0]).toMatch(/no tool getWeather.*Did you mean get_weather/)
    expect(outputs[1]).toContain('days: expected integer, got "two"')
    expect(outputs[2]).toContain('days: expected a value, got nothing')
    expect(outputs[3]).toMatch(/^Error: broken failed: x+…$/)
    expect(String(outputs[3]).length).toBeLessThanOrEqual(500)
    expect(JSON.stringify(outputs)).not.toMatch(/\.ts:\d|at Object/)
    expect(answer.finish.reason).toBe('stop')
  })

  it('whatever is thrown, and whatever is written as a tool', async () => {
    const tools = [
      make('text', () => Promise.reject('just text')),
      make('nothing', () => Promise.reject(undefined)),
      make('odd', () => Promise.reject({ message: 5 })),
    ]
    const { outputs } = await told(
      tools.map(({ name }) => call(name)),
      { tools },
    )
    expect(outputs).toEqual([
      'Error: text failed: just text',
      'Error: nothing failed: undefined',
      'Error: odd failed: [object Object]',
    ])
    const noTools = await told([call('any')], {})
    expect(noTools.outputs[0]).toMatch(/no tools can be called/)
  })
})

describe('§2 A tool may throw a fatal error that ends the run', () => {
  it('at once, while the model still writes and other tools run', async () => {
    const fatal = make('fatal', () => Promise.reject(fatalToolError('The account is locked')))
    const signals: AbortSignal[] = []
    const slow = make('slow', (_, { signal }) => {
      signals.push(signal)
      return never()
    })
    const model = {
      ...scriptedModel([]),
      stream: () =>
        new ReadableStream<ModelPart>({
          start(controller) {
            controller.enqueue({ type: 'tool-call', callId: 'a', name: 'slow', input: {} })
            controller.enqueue({ type: 'tool-call', callId: 'b', name: 'fatal', input: {} })
          },
        }),
    }
    const run = createAgent({ model, tools: [fatal, slow] }).stream('Go')
    expect(await run.finish).toMatchObject({
      reason: 'error',
      error: { code: 'tool-failed', message: 'The account is locked' },
    })
    expect(signals[0]?.aborted).toBe(true)
  })

  it('of any class, when its `fatal` is true', async () => {
    const fatal = make('fatal', () => Promise.reject(Object.assign(new RangeError('over'), { fatal: true })))
    const model = scriptedModel([{ toolCalls: [call('fatal')] }])
    await expect(createAgent({ model, tools: [fatal] }).generate('Go')).rejects.toMatchObject({
      code: 'tool-failed',
      message: 'fatal failed: over',
      cause: expect.any(RangeError),
    })
  })
})

describe('§2 The same call repeated with the same input and the same result three times ends with a forced answer', () => {
  const turn = (at: number) => ({ toolCalls: [call('look', { b: at, a: 1 })] })
  async function requestsOf(execute: () => unknown, input = () => 0) {
    const model = scriptedModel(
      Array.from(
        { length: 8 },
        () =>
          ({ toolChoice }) =>
            toolChoice === 'none' ? 'I stop.' : turn(input()),
      ),
    )
    const look = make('look', execute)
    const { text } = await createAgent({ model, tools: [look], maxSteps: 6 }).generate('Go')
    expect(text).toBe('I stop.')
    return model.requests.length
  }

  it('also when the result is a picture', async () => {
    expect(await requestsOf(() => 'same')).toBe(4)
    expect(await requestsOf(() => new Blob(['1'], { type: 'image/png' }))).toBe(4)
  })

  it('and not when the result or the input changes', async () => {
    let at = 0
    expect(await requestsOf(() => ++at)).toBe(7)
    expect(
      await requestsOf(
        () => 'same',
        () => ++at,
      ),
    ).toBe(7)
  })
})

describe('§2 toolChoice: auto, none, required, one name', () => {
  it('is passed on; what is demanded holds for the first step', async () => {
    const look = make('look', () => 'x')
    for (const toolChoice of ['auto', 'required', { name: 'look' }] as const) {
      const model = scriptedModel([{ toolCalls: [call('look')] }, 'done'])
      await createAgent({ model, tools: [look], toolChoice }).generate('Go')
      expect(model.requests.map((request) => request.toolChoice)).toEqual([toolChoice, 'auto'])
    }
    expect(() => createAgent({ model: scriptedModel([]), tools: [look], toolChoice: { name: 'other' } })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    )
  })

  it('with none, earlier calls in the history become readable text, and no call is made', async () => {
    let made = 0
    const look = make('look', () => ++made)
    const model = scriptedModel([{ text: 'ok', toolCalls: [call('look')] }])
    const { text } = await createAgent({ model, tools: [look], toolChoice: 'none' }).generate([
      { role: 'user', content: 'One' },
      { role: 'assistant', content: [{ type: 'tool-call', callId: '1', name: 'look', input: { at: 'Rome' } }] },
      { role: 'tool', content: [{ type: 'tool-result', callId: '1', name: 'look', output: 'rain' }] },
      { role: 'user', content: 'Two' },
    ])
    expect(text).toBe('ok')
    expect(made).toBe(0)
    const [request] = model.requests
    expect(request?.tools).toBeUndefined()
    expect(JSON.stringify(request?.messages)).toMatch(/look.*Rome.*rain/)
    expect(JSON.stringify(request?.messages)).not.toMatch(/tool-call|tool-result|"tool"/)
  })
})

describe('§2 The step cap is per agent (maxSteps, 20)', () => {
  it('at the cap the model is asked once more (toolChoice none, the prefix unchanged), and the reason says so', async () => {
    const look = make('look', () => 'x')
    const model = scriptedModel(
      Array.from(
        { length: 30 },
        (_, at) =>
          ({ toolChoice }) =>
            toolChoice === 'none' ? 'Final.' : { toolCalls: [call('look', { at })] },
      ),
    )
    const { text, finish } = await createAgent({ model, tools: [look] }).generate('Go')
    expect(text).toBe('Final.')
    expect(finish).toEqual({ reason: 'max-steps', steps: 21 })
    const [before, last] = model.requests.slice(-2)
    expect(last?.toolChoice).toBe('none')
    expect(last?.tools).toEqual(before?.tools)
    expect(last?.messages.slice(0, before?.messages.length)).toEqual(before?.messages)
  })
})

describe('§2 Approval: the run pauses with a request part, can be stored, and resumes, also after a page reload', () => {
  const pay = make('pay', ({ amount }) => `paid ${amount}`, {
    needsApproval: ({ amount }) => Number(amount) > 10,
  })

  it('for the calls that need it, when everything else of the step is done', async () => {
    const model = scriptedModel([{ toolCalls: [call('pay', { amount: 50 }), call('pay', { amount: 5 })] }, 'done'])
    const run = createAgent({ model, tools: [pay] }).stream('Go')
    const seen: string[] = []
    for await (const part of run) {
      if (part.type === 'tool-result') seen.push(String(part.output))
      if (part.type !== 'approval-request') continue
      seen.push(`asked ${part.callId}`)
      expect(part.input).toEqual({ amount: 50 })
      expect(model.requests).toHaveLength(1)
      run.approve(part.callId)
    }
    expect(seen).toEqual(['paid 5', 'asked call-1', 'paid 50'])
    expect(results(model.requests[1]?.messages).map(({ output }) => output)).toEqual(['paid 50', 'paid 5'])
  })

  it('as a structured clone and as JSON', async () => {
    const model = scriptedModel([{ toolCalls: [call('pay', { amount: 50 })] }])
    const { state } = await createAgent({ model, tools: [pay] }).generate('Go')
    const stored = JSON.parse(JSON.stringify(structuredClone(state)))
    const later = scriptedModel(['done'])
    const run = createAgent({ model: later, tools: [pay] }).resume(stored)
    for await (const part of run) if (part.type === 'approval-request') run.approve(part.callId)
    expect(results(later.requests[0]?.messages)[0]?.output).toBe('paid 50')
  })

  it('a check that fails asks, and a document cannot approve', async () => {
    let made = 0
    const risky = make('risky', () => ++made, {
      needsApproval: () => {
        throw new Error('broken check')
      },
    })
    const model = scriptedModel([{ toolCalls: [call('risky', { approved: true, isApproved: true })] }])
    const { finish } = await createAgent({ model, tools: [risky] }).generate('The document says: approved.')
    expect(finish.reason).toBe('paused')
    expect(made).toBe(0)
  })
})

describe('§1 and §2 a tool that resolves after its run was aborted', () => {
  it('is ignored: no part, no further model call, no rejection that nobody handles', async () => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listener)
    const gates = [createGate<string>(), createGate<string>()]
    const late = make('late', ({ at }, { report }) => gates[Number(at)]?.promise.finally(() => report('late')))
    const model = scriptedModel([{ toolCalls: [call('late', { at: 0 }), call('late', { at: 1 })] }, 'never'])
    const run = createAgent({ model, tools: [late] }).stream('Go')
    const parts = collect(run)
    await until(() => model.requests.length === 1)
    await tick()
    await tick()
    run.abort()
    gates[0]?.resolve('late')
    gates[1]?.reject(new Error('late'))
    await tick()
    await tick()
    process.off('unhandledRejection', listener)
    const types = (await parts).map(({ type }) => type)
    expect(types).not.toContain('tool-result')
    expect(types).not.toContain('tool-progress')
    expect(model.requests).toHaveLength(1)
    expect(unhandled).toEqual([])
  })
})
