import { describe, expect, it } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import { fakeClock } from '../../../src/testing.js'
import { call, collect, results, wait, weather } from './tool-fixtures.js'

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
