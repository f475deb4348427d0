import { describe, expect, it } from 'vitest'
import { type AgentOptions, createAgent, type RunState } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { Message, ToolResultPart } from '../../../src/protocol/message.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'
import { tool } from '../../../src/tools/tool.js'

function results(messages: readonly Message[] | undefined): ToolResultPart[] {
  return (messages ?? []).flatMap(({ content }) =>
    typeof content === 'string' ? [] : content.filter((part) => part.type === 'tool-result'),
  )
}

async function collect(run: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = []
  for await (const part of run) parts.push(part)
  return parts
}

/** Through storage and back, as after a reload. */
const reload = (state: RunState | undefined): RunState => JSON.parse(JSON.stringify(structuredClone(state)))

/** An agent on a new page: same tools, another model object. */
function setUp() {
  const log: string[] = []
  const look = tool({ name: 'look', description: '', execute: async ({ at }) => log.push(`look ${at}`) && `saw ${at}` })
  const pay = tool({
    name: 'pay',
    description: '',
    needsApproval: true,
    execute: async ({ amount }) => log.push(`pay ${amount}`) && `paid ${amount}`,
  })
  const first = [
    { text: 'First. ', toolCalls: [{ name: 'look', input: { at: 'a' } }] },
    {
      text: 'Then. ',
      toolCalls: [
        { name: 'pay', input: { amount: 1 } },
        { name: 'look', input: { at: 'b' } },
        { name: 'pay', input: { amount: 2 } },
      ],
    },
  ]
  const make = (turns: Parameters<typeof scriptedModel>[0], options: Partial<AgentOptions> = {}) => {
    const model = scriptedModel(turns)
    return { model, agent: createAgent({ model, tools: [look, pay], ...options }) }
  }
  return { log, first, make }
}

/** The state at the first request of a run that is then left. */
async function pausedState(agent: ReturnType<typeof createAgent>): Promise<RunState> {
  const run = agent.stream('Go')
  for await (const part of run) if (part.type === 'approval-request') break
  expect(await run.finish).toMatchObject({ reason: 'aborted', steps: 2 })
  return reload(run.state)
}

describe('the state of a run', () => {
  it('is stored, and resumed after a reload; nothing is executed twice', async () => {
    const { log, first, make } = setUp()
    const state = await pausedState(make(first).agent)
    expect(log).toEqual(['look a', 'look b'])
    const { agent, model } = make(['Done.'])
    const run = agent.resume(state)
    run.approve('call-2')
    run.deny('call-4', 'too much')
    const parts = await collect(run)
    expect(log).toEqual(['look a', 'look b', 'pay 1'])
    const types = parts.map(({ type }) => type).filter((type) => type !== 'text-delta')
    expect(types).toEqual([
      'step-start',
      'approval-request',
      'approval-request',
      'tool-result',
      'tool-result',
      'step-end',
      'step-start',
      'step-end',
      'usage',
      'finish',
    ])
    // In call order, the kept result in its place.
    expect(results(model.requests[0]?.messages).map(({ output }) => output)).toEqual([
      'saw a',
      'paid 1',
      'saw b',
      'Error: the user refused this call: too much',
    ])
    expect(model.requests[0]?.messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'tool',
      'assistant',
      'tool',
    ])
    expect(await run.text).toBe('First. Then. Done.')
    expect((await run.messages).map(({ role }) => role)).toEqual([
      'assistant',
      'tool',
      'assistant',
      'tool',
      'assistant',
    ])
    expect(await run.finish).toEqual({ reason: 'stop', steps: 3 })
    expect(run.state).toBeUndefined()
  })

  it('is given by generate too, which pauses', async () => {
    const { log, first, make } = setUp()
    const { finish, state, text } = await make(first).agent.generate('Go')
    expect(finish).toEqual({ reason: 'paused', steps: 2 })
    expect(text).toBe('First. Then. ')
    const run = make(['Done.']).agent.resume(reload(state))
    for (const callId of ['call-2', 'call-4']) run.approve(callId)
    expect(await run.text).toBe('First. Then. Done.')
    expect(log.filter((line) => line.startsWith('pay')).sort()).toEqual(['pay 1', 'pay 2'])
  })

  it('is there only while calls wait', async () => {
    const { first, make } = setUp()
    const run = make([...first, 'Done.']).agent.stream('Go')
    const seen: [string, boolean][] = []
    for await (const part of run) {
      if (part.type === 'approval-request') run.approve(part.callId)
      seen.push([part.type, run.state !== undefined])
    }
    expect(seen.find(([type]) => type === 'approval-request')?.[1]).toBe(true)
    expect(seen.find(([type]) => type === 'tool-call')?.[1]).toBe(false)
    expect(run.state).toBeUndefined()
  })

  it('counts a call that was running as interrupted, and does not make it again', async () => {
    let made = 0
    const charge = tool({
      name: 'charge',
      description: '',
      needsApproval: true,
      execute: () => {
        made++
        return new Promise(() => {})
      },
    })
    const toolCalls = [{ name: 'charge' }, { name: 'charge', input: { again: true } }]
    const run = createAgent({ model: scriptedModel([{ toolCalls }]), tools: [charge] }).stream('Go')
    for await (const part of run) {
      if (part.type !== 'approval-request' || part.callId !== 'call-2') continue
      run.approve('call-1')
      while (made === 0) await new Promise((resolve) => setTimeout(resolve))
      break
    }
    const model = scriptedModel(['Done.'])
    const resumed = createAgent({ model, tools: [charge] }).resume(reload(run.state))
    resumed.deny('call-2')
    expect(await resumed.text).toBe('Done.')
    expect(made).toBe(1)
    expect(results(model.requests[0]?.messages)).toMatchObject([
      { isError: true, output: expect.stringContaining('interrupted') },
      { isError: true, output: expect.stringContaining('refused') },
    ])
  })

  it('asks for what waited, whatever the tool says now, and survives a tool that is gone', async () => {
    const { first, make } = setUp()
    const state = await pausedState(make(first).agent)
    const model = scriptedModel(['Done.'])
    const run = createAgent({ model, tools: [] }).resume(state)
    const asked: string[] = []
    for await (const part of run) {
      if (part.type !== 'approval-request') continue
      asked.push(part.callId)
      run.approve(part.callId)
    }
    expect(asked).toEqual(['call-2', 'call-4'])
    expect(results(model.requests[0]?.messages).at(-1)).toMatchObject({
      isError: true,
      output: expect.stringContaining('no tool pay'),
    })
  })

  it('goes on with usage, limits and the detection of loops', async () => {
    const { first, make } = setUp()
    const state = await pausedState(make(first).agent)
    const { agent } = make(['Done.'])
    const run = agent.resume(state)
    for (const callId of ['call-2', 'call-4']) run.approve(callId)
    expect((await run.usage).promptTokens).toBeGreaterThan(state.usage.promptTokens)
    expect((await run.usage).durationMs).toBeGreaterThanOrEqual(state.usage.durationMs)

    const limited = make([{ toolCalls: [{ name: 'look', input: { at: 'c' } }] }, 'Enough.'], {
      limits: { toolCalls: 4 },
    })
    const stopped = limited.agent.resume(state)
    for (const callId of ['call-2', 'call-4']) stopped.approve(callId)
    expect(await stopped.finish).toMatchObject({ reason: 'limit' })

    const repeated = { toolCalls: [{ name: 'look', input: { at: 'a' } }] }
    const looping = make([repeated, repeated, 'I give up.'])
    const forced = looping.agent.resume(state)
    for (const callId of ['call-2', 'call-4']) forced.approve(callId)
    expect(await forced.text).toMatch(/I give up\.$/)
    expect(looping.model.requests.at(-1)?.toolChoice).toBe('none')

    const late = make(['never'], { limits: { wallTimeMs: 60_000 } })
    const over = late.agent.resume({ ...state, usage: { ...state.usage, durationMs: 70_000 } })
    expect((await over.finish).reason).toBe('limit')
  })

  it('takes the found passages along, and does not search again', async () => {
    let searches = 0
    const source = { id: 'd', title: 'D', headings: [] }
    const hit = { id: 'h', text: 'The limit is 40 euros.', score: 1, ranks: {}, source, span: [0, 22] }
    const search = async () => {
      searches++
      return [hit]
    }
    const corpus = { name: 'c', search } as never
    const { make } = setUp()
    const { state } = await make([{ toolCalls: [{ name: 'pay' }] }], { corpus }).agent.generate('Limit?')
    const { agent, model } = make(['It is 40 euros.'], { corpus })
    const run = agent.resume(reload(state))
    run.approve('call-1')
    await run.text
    expect(searches).toBe(1)
    expect(JSON.stringify(model.requests[0]?.messages)).toContain('The limit is 40 euros.')
    expect(model.requests[0]?.passages).toEqual([hit])
  })

  it('can be aborted when resumed', async () => {
    const { first, make } = setUp()
    const state = await pausedState(make(first).agent)
    const controller = new AbortController()
    const run = make([]).agent.resume(state, { signal: controller.signal })
    const reading = collect(run)
    controller.abort()
    expect((await reading).at(-1)).toMatchObject({ finish: { reason: 'aborted' } })
  })

  it('is refused when it is of a newer version, or broken', async () => {
    const { first, make } = setUp()
    const state = await pausedState(make(first).agent)
    const { agent } = make([])
    const error = async (given: unknown) => (await agent.resume(given as RunState).finish).error
    expect(await error({ ...state, version: 99 })).toMatchObject({
      code: 'version-unsupported',
      details: { version: 99 },
    })
    const blobless = [{ role: 'user', content: [{ type: 'image', data: {}, mediaType: 'image/png' }] }]
    for (const given of [
      undefined,
      null,
      'state',
      [],
      {},
      { ...state, version: 0 },
      { ...state, version: '1' },
      { ...state, step: undefined },
      { ...state, step: { ...state.step, calls: [] } },
      { ...state, step: { ...state.step, calls: [{}] } },
      { ...state, step: { ...state.step, message: {} } },
      { ...state, conversation: [{ role: 'robot', content: '' }] },
      { ...state, conversation: undefined },
      { ...state, conversation: blobless },
      { ...state, messages: 'x' },
      { ...state, steps: -1 },
      { ...state, toolCalls: 0.5 },
      { ...state, text: 1 },
      { ...state, hits: [1] },
      { ...state, usage: undefined },
    ]) {
      expect(await error(given), JSON.stringify(given)?.slice(0, 80)).toMatchObject({ code: 'invalid-argument' })
    }
  })
})
