import { describe, expect, it } from 'vitest'
import { createRouter } from '../../../src/agents/team/router.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import { tool } from '../../../src/tools/tool.js'
import { collect, member, only, pause, reload, told } from './team-fixtures.js'

describe('router', () => {
  it('picks one of several agents and names why', async () => {
    const maths = member('maths', 'four')
    const poet = member('poet', 'roses')
    const model = scriptedModel('{"agent": "poet", "why": "it asks for a verse"}')
    const router = createRouter({ name: 'desk', agents: [maths, poet], model })
    const parts = await collect(router.stream('Write a verse'))
    expect(only(parts, 'handoff')).toEqual([{ type: 'handoff', from: 'desk', to: 'poet', why: 'it asks for a verse' }])
    expect(maths.model.requests).toHaveLength(0)
    expect(poet.model.requests[0]?.messages).toEqual([{ role: 'user', content: 'Write a verse' }])
    expect(told(model.requests[0])).toContain('- maths: knows maths')
    const said = only(parts, 'text-delta')
    expect(said.filter(({ inner }) => inner).map(({ agentPath }) => agentPath)).toEqual([['desk', 'selector']])
    expect(said.filter(({ inner }) => !inner)).toEqual([
      { type: 'text-delta', text: 'roses', agentPath: ['desk', 'poet'] },
    ])
    expect(parts.at(-1)).toMatchObject({ type: 'finish', finish: { reason: 'stop', steps: 2 } })
    expect(only(parts, 'finish')).toHaveLength(1)
  })

  it('gives the answer alone as text, messages with the name, and the usage of all', async () => {
    const poet = member('poet', 'roses')
    const model = scriptedModel('poet')
    const router = createRouter({ agents: [poet, member('maths', [])], model })
    const { text, messages, usage, finish } = await router.generate('Write a verse')
    expect({ text, messages, reason: finish.reason }).toEqual({
      text: 'roses',
      messages: [{ role: 'assistant', content: 'roses', name: 'poet' }],
      reason: 'stop',
    })
    const counts = await Promise.all(
      [model.requests[0], poet.model.requests[0]].map((request) => model.countTokens(request ?? { messages: [] })),
    )
    expect(usage.promptTokens).toBe((counts[0] ?? 0) + (counts[1] ?? 0))
    expect(usage.completionTokens).toBe(3)
    const run = createRouter({ agents: [member('poet', 'roses'), member('maths', [])], model: scriptedModel('poet') })
    let streamed = ''
    for await (const piece of run.stream('Write a verse').textStream) streamed += piece
    expect(streamed).toBe('roses')
  })

  it('asks an unknown name again once, with the names', async () => {
    const model = scriptedModel(['{"agent": "plumber", "why": "pipes"}', '{"agent": "maths", "why": "sums"}'])
    const router = createRouter({ agents: [member('poet', []), member('maths', 'four')], model })
    expect((await router.generate('2+2?')).text).toBe('four')
    expect(model.requests).toHaveLength(2)
    expect(model.requests[1]?.messages.at(-1)?.content).toContain('poet, maths')
  })

  it('then lets the default answer', async () => {
    const model = scriptedModel(['I cannot say.', 'poet or maths, who knows'])
    const router = createRouter({ agents: [member('poet', []), member('maths', 'four')], model, fallback: 'maths' })
    const parts = await collect(router.stream('2+2?'))
    expect(only(parts, 'handoff')).toMatchObject([{ to: 'maths', why: 'fallback' }])
    expect(model.requests).toHaveLength(2)
    const first = createRouter({
      agents: [member('poet', 'me'), member('maths', [])],
      model: scriptedModel(['?', '?']),
    })
    expect((await first.generate('Hm')).text).toBe('me')
  })

  it('holds the model to the names where the engine can', async () => {
    const model = scriptedModel('{"agent":"maths","why":""}')
    const held = { ...model, capabilities: { ...model.capabilities, grammar: 'json-schema' as const } }
    await createRouter({ agents: [member('poet', []), member('maths', 'four')], model: held }).generate('2+2?')
    expect(model.requests[0]?.output).toMatchObject({
      type: 'json-schema',
      schema: { properties: { agent: { enum: ['poet', 'maths'] } } },
    })
  })

  it('speaks the language of the question, and takes prompts of one’s own', async () => {
    const model = scriptedModel(['maths', 'maths', 'maths'])
    const agents = [member('poet', []), member('maths', ['四', '四', '四'])]
    await createRouter({ agents, model }).generate('二加二等于几？')
    expect(told(model.requests[0])).toContain('可选的智能体')
    await createRouter({ agents, model, prompts: { choose: { en: 'Pick: {members}' } } }).generate('2+2?')
    expect(model.requests[1]?.messages[0]?.content).toBe('Pick: - poet: knows poet\n- maths: knows maths')
    await createRouter({ agents, model, instructions: 'Sums go to maths.' }).generate('2+2?')
    expect(model.requests[2]?.messages[0]?.content).toMatch(/^Sums go to maths\.\n\nYou pass/)
  })

  it('gives the answer as an object where a schema is given', async () => {
    const agents = [member('poet', []), member('maths', '{"sum": 4}')]
    const router = createRouter({ agents, model: scriptedModel('maths') })
    const schema = { type: 'object', properties: { sum: { type: 'number' } }, required: ['sum'] }
    expect((await router.generate('2+2?', { schema })).object).toEqual({ sum: 4 })
  })

  it.each([
    ['no agents', { agents: [] }],
    ['two of one name', { agents: [member('maths', []), member('Maths ', [])] }],
    ['a name that is blank', { agents: [member('maths', []), member(' ', [])] }],
    ['a fallback that is none of them', { agents: [member('maths', [])], fallback: 'poet' }],
  ])('refuses %s', (_what, options) => {
    expect(() => createRouter({ model: scriptedModel(''), ...options })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    )
  })

  it('fails with what the chosen agent failed with', async () => {
    const agents = [member('poet', [{ error: new Error('out of ink') }]), member('maths', [])]
    const run = createRouter({ agents, model: scriptedModel('poet') }).stream('A verse')
    const parts = await collect(run)
    expect(only(parts, 'error')).toMatchObject([
      { agentPath: ['router', 'poet'] },
      { error: { message: 'out of ink' } },
    ])
    expect(parts.at(-1)).toMatchObject({ finish: { reason: 'error', error: { message: 'out of ink' } } })
  })

  it('settles when it is aborted, and ends the member that is at work', async () => {
    const poet = member('poet', 'x'.repeat(1000), { delayMs: 5, chunkSize: 1 })
    const run = createRouter({ agents: [poet, member('maths', [])], model: scriptedModel('poet') }).stream('A verse')
    const reading = collect(run)
    await pause(60)
    const before = performance.now()
    run.abort()
    const parts = await reading
    expect(performance.now() - before).toBeLessThan(100)
    expect(parts.at(-1)).toMatchObject({ finish: { reason: 'aborted' } })
    expect(only(parts, 'text-delta').length).toBeLessThan(100)
  })

  it('slows its member when nobody reads', async () => {
    let written = 0
    const poet = member('poet', [() => ({ text: 'x'.repeat(500) })], { chunkSize: 1 })
    const { stream } = poet.model
    Object.assign(poet.model, {
      stream: (...given: Parameters<typeof stream>) =>
        stream(...given).pipeThrough(
          new TransformStream({
            transform: (part, to) => {
              written++
              to.enqueue(part)
            },
          }),
        ),
    })
    const run = createRouter({ agents: [poet, member('maths', [])], model: scriptedModel('poet') }).stream('A verse')
    const reader = run.getReader()
    for (let at = 0; at < 10; at++) await reader.read()
    await pause(30)
    expect(written).toBeGreaterThan(0)
    expect(written).toBeLessThan(100)
    await reader.cancel()
  })

  it('asks for approvals of its members, in a run and over a stored state', async () => {
    const paid: unknown[] = []
    const pay = tool({ name: 'pay', description: '', needsApproval: true, execute: async (input) => paid.push(input) })
    const turns = [{ text: 'I pay. ', toolCalls: [{ name: 'pay', input: { sum: 5 } }] }, 'Paid.']
    const create = () =>
      createRouter({
        agents: [member('till', turns, { tools: [pay] }), member('maths', [])],
        model: scriptedModel(['till', 'till']),
      })
    const run = create().stream('Pay 5')
    for await (const part of run) {
      if (part.type !== 'approval-request') continue
      expect(part).toMatchObject({ name: 'pay', agentPath: ['router', 'till'] })
      expect(run.state).toBeDefined()
      run.approve(part.callId)
    }
    expect(await run.text).toBe('I pay. Paid.')
    expect(paid).toEqual([{ sum: 5 }])

    const paused = await create().generate('Pay 5')
    expect(paused.finish.reason).toBe('paused')
    const later = createRouter({
      agents: [member('till', 'Paid.', { tools: [pay] }), member('maths', [])],
      model: scriptedModel([]),
    })
    const resumed = later.resume(reload(paused.state))
    for await (const part of resumed) if (part.type === 'approval-request') resumed.approve(part.callId)
    expect(await resumed.text).toBe('I pay. Paid.')
    expect(paid).toHaveLength(2)
    expect((await resumed.finish).steps).toBe(3)
    expect((await resumed.usage).completionTokens).toBeGreaterThan((await run.usage).completionTokens - 2)
  })

  it.each([
    ['of a newer version', { version: 99 }, 'version-unsupported'],
    ['that is no state', 'nonsense', 'invalid-argument'],
    ['of a plain agent', { version: 1, conversation: [], steps: 0, usage: {} }, 'invalid-argument'],
    ['of another team', { version: 1, team: { kind: 'group-chat', entries: [] } }, 'invalid-argument'],
    [
      'that is cut short',
      {
        version: 1,
        conversation: [],
        steps: 1,
        usage: {},
        team: { kind: 'router', entries: [['a', { status: 'done' }]] },
      },
      'invalid-argument',
    ],
  ])('refuses a state %s', async (_what, state, code) => {
    const router = createRouter({ agents: [member('maths', [])], model: scriptedModel([]) })
    const { error } = await router.resume(state as never).finish
    expect(error?.code).toBe(code)
  })
})
