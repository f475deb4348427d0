import { describe, expect, it } from 'vitest'
import type { Session } from '../../../src/agents/session/session.js'
import { tool } from '../../../src/tools/tool.js'
import { agentOf, collect, openDesk, textsOf, until } from './session-fixtures.js'

const never = () => new Promise<never>(() => {})

/** Starts a run that does not end, and waits until it is stored as far as `has` says. */
async function cut(desk: ReturnType<typeof openDesk>, session: Session, has: (row: Row) => boolean) {
  await until(async () => (await desk.store.entries<Row>(`r/${session.id}/`)).some(([, row]) => has(row)))
  const tab = await desk.afterCrash()
  return await tab.open(session.id)
}

interface Row {
  readonly partial: string
  readonly calls: readonly { readonly status: string }[]
  readonly stored: number
  readonly state?: { readonly step: { readonly calls: readonly { readonly status: string }[] } }
}

/** Tools that write down what they did. */
function setUp() {
  const log: string[] = []
  let isStuck = true
  const look = tool({ name: 'look', description: '', execute: async ({ at }) => log.push(`look ${at}`) && `saw ${at}` })
  const slow = tool({
    name: 'slow',
    description: '',
    execute: async () => {
      log.push('slow')
      if (isStuck) await never()
      return 'done'
    },
  })
  const pay = tool({
    name: 'pay',
    description: '',
    needsApproval: true,
    execute: async ({ amount }) => {
      log.push(`pay ${amount}`)
      if (amount === 9) await never()
      return `paid ${amount}`
    },
  })
  const free = () => {
    isStuck = false
  }
  return { log, free, tools: [look, slow, pay] }
}

describe('a run that was cut off by closing the tab', () => {
  it('in its text: the text is kept, and resume writes the answer anew', async () => {
    const desk = openDesk()
    const session = await (await desk.tab()).create()
    const { agent } = agentOf([{ text: 'The harbour opens at' }, never])
    const model = agentOf([]).model
    // Says something and then nothing more.
    const stuck: typeof model = Object.assign(Object.create(model), {
      stream: (_request: unknown, options: { signal?: AbortSignal }) =>
        new ReadableStream({
          start(controller) {
            controller.enqueue({ type: 'text-delta', text: 'The harbour opens at' })
            options.signal?.addEventListener('abort', () => controller.close())
          },
        }),
    })
    expect(agent.name).toBe('agent')
    const run = (await import('../../../src/agents/agent.js'))
      .createAgent({ model: stuck })
      .stream('When?', { session })
    run.text.catch(() => {})
    const after = await cut(desk, session, ({ partial }) => partial !== '')
    expect(await textsOf(after)).toEqual(['When?'])
    expect(await after.unfinished()).toMatchObject({ text: 'The harbour opens at', calls: [] })
    // On the tab where it goes on it is not unfinished.
    expect(await session.unfinished()).toBeUndefined()

    const again = agentOf(['The harbour opens at nine.'])
    const parts = await collect(after.resume(again.agent))
    expect(parts).toContainEqual(expect.objectContaining({ type: 'status', status: 'recovered' }))
    expect(again.model.requests[0]?.messages).toEqual([{ role: 'user', content: 'When?' }])
    expect(await textsOf(after)).toEqual(['When?', 'The harbour opens at nine.'])
    expect(await after.unfinished()).toBeUndefined()
    run.abort()
  })

  it('in its second step: the first one stands, and only the second is made again', async () => {
    const desk = openDesk()
    const { log, tools } = setUp()
    const session = await (await desk.tab()).create()
    const first = agentOf([{ text: 'Look. ', toolCalls: [{ name: 'look', input: { at: 'a' } }] }, never], { tools })
    const run = first.agent.stream('Go', { session })
    run.text.catch(() => {})
    const after = await cut(desk, session, ({ stored }) => stored === 2)
    expect((await after.messages()).map(({ role }) => role)).toEqual(['user', 'assistant', 'tool'])
    const { agent, model } = agentOf(['Seen.'], { tools })
    expect(await after.resume(agent).text).toBe('Seen.')
    expect(model.requests[0]?.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool'])
    expect(log).toEqual(['look a'])
    expect((await after.messages()).map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant'])
    run.abort()
  })

  it('among its calls: nothing that began is made again, and what was done is kept', async () => {
    const desk = openDesk()
    const { log, tools, free } = setUp()
    const session = await (await desk.tab()).create()
    const calls = [{ name: 'look', input: { at: 'b' } }, { name: 'slow' }]
    const run = agentOf([{ text: 'Wait. ', toolCalls: calls }], { tools }).agent.stream('Go', { session })
    run.text.catch(() => {})
    const isHalf = ({ calls: [one, two] }: Row) => one?.status === 'done' && two?.status === 'running'
    const after = await cut(desk, session, isHalf)
    expect(await after.unfinished()).toMatchObject({
      text: 'Wait. ',
      calls: [
        { name: 'look', status: 'done' },
        { name: 'slow', status: 'running' },
      ],
    })
    free()
    const { agent, model } = agentOf(['Enough.'], { tools })
    await after.resume(agent).text
    expect(log).toEqual(['look b', 'slow'])
    const results = model.requests[0]?.messages.at(-1)?.content
    expect(results).toEqual([
      expect.objectContaining({ name: 'look', output: 'saw b' }),
      expect.objectContaining({ name: 'slow', isError: true }),
    ])
    expect((await after.messages()).map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant'])
    run.abort()
  })

  it('while a person was asked: the same approvals are asked again', async () => {
    const desk = openDesk()
    const { log, tools } = setUp()
    const session = await (await desk.tab()).create()
    const turns = [
      { toolCalls: [{ name: 'look', input: { at: 'a' } }] },
      { text: 'Then ', toolCalls: [{ name: 'pay', input: { amount: 1 } }] },
    ]
    const run = agentOf(turns, { tools }).agent.stream('Go', { session })
    run.text.catch(() => {})
    const after = await cut(desk, session, ({ state }) => state !== undefined)
    expect(await after.unfinished()).toMatchObject({
      calls: [{ name: 'pay', input: { amount: 1 }, status: 'waiting' }],
    })
    expect((await after.messages()).map(({ role }) => role)).toEqual(['user', 'assistant', 'tool'])
    const resumed = after.resume(agentOf(['Paid.'], { tools }).agent)
    const parts = []
    for await (const part of resumed) {
      parts.push(part.type)
      if (part.type === 'approval-request') resumed.approve(part.callId)
    }
    expect(parts).toContain('approval-request')
    expect(log).toEqual(['look a', 'pay 1'])
    const roles = ['user', 'assistant', 'tool', 'assistant', 'tool', 'assistant']
    expect((await after.messages()).map(({ role }) => role)).toEqual(roles)
    expect(await after.unfinished()).toBeUndefined()
    run.abort()
  })

  it('after a call was agreed to: it is not made a second time', async () => {
    const desk = openDesk()
    const { log, tools } = setUp()
    const session = await (await desk.tab()).create()
    const run = agentOf([{ toolCalls: [{ name: 'pay', input: { amount: 9 } }] }], { tools }).agent.stream('Go', {
      session,
    })
    run.text.catch(() => {})
    run.approve('call-1')
    await until(() => log.length > 0)
    const after = await cut(desk, session, ({ state }) => state?.step.calls[0]?.status === 'running')
    const { agent, model } = agentOf(['Sorry.'], { tools })
    await after.resume(agent).text
    expect(log).toEqual(['pay 9'])
    expect(model.requests[0]?.messages.at(-1)?.content).toEqual([
      expect.objectContaining({ name: 'pay', isError: true }),
    ])
    run.abort()
  })

  it('a paused run, and one that was left at its question, wait for resume on the same tab too', async () => {
    const desk = openDesk()
    const { tools } = setUp()
    const session = await (await desk.tab()).create()
    const turn = { text: 'Pay: ', toolCalls: [{ name: 'pay', input: { amount: 1 } }] }
    const result = await agentOf([turn], { tools }).agent.generate('Go', { session })
    expect(result.finish.reason).toBe('paused')
    expect((await session.messages()).length).toBe(1)
    const left = session.resume(agentOf([], { tools }).agent)
    for await (const part of left) if (part.type === 'approval-request') break
    await left.finish
    expect((await session.unfinished())?.calls).toMatchObject([{ status: 'waiting' }])
    const resumed = session.resume(agentOf(['No.'], { tools }).agent)
    resumed.deny('call-1', 'too much')
    expect(await resumed.text).toBe('Pay: No.')
    expect((await session.messages()).map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant'])
  })

  it('a resume that fails before anything comes of it leaves the run as it was', async () => {
    const desk = openDesk()
    const { tools } = setUp()
    const session = await (await desk.tab()).create()
    await agentOf([{ toolCalls: [{ name: 'pay', input: { amount: 1 } }] }], { tools }).agent.generate('Go', { session })
    const { agent } = agentOf([], { tools, model: () => Promise.reject(new Error('offline')) })
    expect(await session.resume(agent).finish).toMatchObject({ reason: 'error' })
    expect((await session.unfinished())?.calls).toMatchObject([{ name: 'pay', status: 'waiting' }])
  })

  it('a new question gives it up: its text stays as a message', async () => {
    const desk = openDesk()
    const session = await (await desk.tab()).create()
    const row = { id: 'run-1', at: 1, partial: 'Half an ans', text: 'Half an ans', draft: '', steps: 1, stored: 0 }
    const [question = ''] = await session.add({ role: 'user', content: 'First?' })
    await desk.store.write({
      set: [[`r/${session.id}/run-1`, { ...row, base: question, tail: question, calls: [], toolCalls: 0, usage: {} }]],
    })
    const { agent, model } = agentOf(['Two.'])
    await agent.generate('Second?', { session })
    expect(await textsOf(session)).toEqual(['First?', 'Half an ans', 'Second?', 'Two.'])
    expect(model.requests[0]?.messages.length).toBe(3)
    expect(await session.unfinished()).toBeUndefined()
  })

  it('so does answering its question anew', async () => {
    const desk = openDesk()
    const { tools } = setUp()
    const session = await (await desk.tab()).create()
    const turn = { text: 'I pay. ', toolCalls: [{ name: 'pay', input: { amount: 1 } }] }
    await agentOf([turn], { tools }).agent.generate('Go', { session })
    expect(await session.rerun(agentOf(['No.']).agent).text).toBe('No.')
    expect(await textsOf(session)).toEqual(['Go', 'No.'])
    expect((await session.branches()).length).toBe(2)
    expect(await session.unfinished()).toBeUndefined()
  })

  it('discard gives it up too, and without one resume says so', async () => {
    const desk = openDesk()
    const { tools } = setUp()
    const session = await (await desk.tab()).create()
    const turn = { text: 'I pay. ', toolCalls: [{ name: 'pay', input: { amount: 1 } }] }
    await agentOf([turn], { tools }).agent.generate('Go', { session })
    await session.discard()
    expect(await session.unfinished()).toBeUndefined()
    const run = session.resume(agentOf(['x'], { tools }).agent)
    expect(await run.finish).toMatchObject({
      error: { code: 'not-found', hint: expect.stringContaining('unfinished()') },
    })
    expect(await textsOf(session)).toEqual(['Go', 'I pay. '])
  })

  it('a whole answer whose end was not noted is not unfinished', async () => {
    const desk = openDesk()
    const session = await (await desk.tab()).create()
    const [base = '', tail = ''] = await session.add([
      { role: 'user', content: 'Q' },
      { role: 'assistant', content: 'A' },
    ])
    const row = { id: 'run-1', at: 1, partial: '', text: 'A', draft: '', steps: 1, stored: 1, calls: [], toolCalls: 0 }
    await desk.store.write({ set: [[`r/${session.id}/run-1`, { ...row, base, tail, usage: {} }]] })
    expect(await session.unfinished()).toBeUndefined()
  })
})
