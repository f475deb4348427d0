import { describe, expect, it } from 'vitest'
import { type Agent, createAgent } from '../../../src/agents/agent.js'
import { createDialogue } from '../../../src/agents/team/dialogue.js'
import { createHandoff } from '../../../src/agents/team/handoff.js'
import { createCodeAgent, createReactAgent, createSupervisor } from '../../../src/agents/team/prompted.js'
import { createRouter } from '../../../src/agents/team/router.js'
import { createTeam } from '../../../src/agents/team/team.js'
import { createWriter, readOutline } from '../../../src/agents/team/writer.js'
import { type ScriptedTurnSource, scriptedModel } from '../../../src/engines/scripted.js'
import type { Message } from '../../../src/protocol/message.js'
import { tool } from '../../../src/tools/tool.js'
import { collect, member, only, pause, reload, told } from './team-fixtures.js'

const call = (name: string, input: unknown, text = ''): ScriptedTurnSource => ({ text, toolCalls: [{ name, input }] })

describe('an agent as a tool', () => {
  const boss = (helper: Agent, turns: readonly ScriptedTurnSource[]) =>
    member('boss', turns, { tools: [helper.asTool()] })

  it('gets a task and gives its answer to the model; its parts come live with the path of agents', async () => {
    const helper = member('helper', 'it is four', { chunkSize: 3 })
    const run = boss(helper, [call('helper', { task: 'add 2 and 2' }, 'I ask. '), 'Four.']).stream('2+2?')
    const parts = await collect(run)
    expect(helper.model.requests[0]?.messages).toEqual([{ role: 'user', content: 'add 2 and 2' }])
    const inner = only(parts, 'text-delta').filter((part) => part.inner)
    expect(inner.map(({ text }) => text).join('')).toBe('it is four')
    expect(inner.length).toBeGreaterThan(2)
    for (const part of inner) expect(part.agentPath).toEqual(['boss', 'helper'])
    expect(only(parts, 'tool-result')).toMatchObject([{ name: 'helper', output: 'it is four', isError: false }])
    const result = parts.findIndex((part) => part.type === 'tool-result')
    expect(parts.findLastIndex((part) => part.type === 'text-delta' && part.inner)).toBeLessThan(result)
    expect(await run.text).toBe('I ask. Four.')
    expect(only(parts, 'finish')).toHaveLength(1)
    for (const part of parts) if (!part.agentPath) expect(JSON.stringify(part)).not.toContain('inner')
  })

  it('nests to any depth, with the path extended and the usage added up', async () => {
    const deep = member('deep', 'x')
    const middle = member('middle', [call('deep', { task: 'go' }), 'y'], { tools: [deep.asTool()] })
    const parts = await collect(boss(middle, [call('middle', { task: 'go' }), 'z']).stream('Go'))
    const paths = new Set(only(parts, 'text-delta').map(({ agentPath }) => agentPath?.join(' > ') ?? ''))
    expect(paths).toEqual(new Set(['boss > middle > deep', 'boss > middle', '']))
    const usages = only(parts, 'usage')
    const own = usages.at(-1)
    expect(own?.agentPath).toBeUndefined()
    const middleTotal = usages.find(({ agentPath }) => agentPath?.length === 2)?.usage.totalTokens ?? 0
    const deepTotal = usages.find(({ agentPath }) => agentPath?.length === 3)?.usage.totalTokens ?? 0
    expect(deepTotal).toBeGreaterThan(0)
    expect(middleTotal).toBeGreaterThan(deepTotal)
    expect(own?.usage.totalTokens).toBeGreaterThan(middleTotal)
  })

  it('is bounded in depth: agents that call each other for ever', async () => {
    let made = 0
    const endless: Agent = createTeam({ name: 'again' }, async (stage) => {
      made++
      return (await stage.run(endless, 'Go', { isAnswer: true })).finish.reason
    })
    const { error } = await endless.stream('Go').finish
    expect(error?.code).toBe('limit-reached')
    expect(made).toBe(16)
  })

  it('runs several at once', async () => {
    let working = 0
    let most = 0
    const turn = async () => {
      most = Math.max(most, ++working)
      await pause(20)
      working--
      return 'done'
    }
    const helpers = ['a', 'b', 'c'].map((name) => member(name, [turn]))
    const calls = helpers.map(({ name }) => ({ name, input: { task: 'go' } }))
    const supervisor = createSupervisor({ agents: helpers, model: scriptedModel([{ toolCalls: calls }, 'All done.']) })
    const parts = await collect(supervisor.stream('Go'))
    expect(most).toBe(3)
    const ids = only(parts, 'tool-call').map(({ callId }) => callId)
    expect(new Set(ids).size).toBe(ids.length)
    expect(only(parts, 'text-delta').at(-1)).toMatchObject({ text: 'All done.' })
  })

  it('tells the model of a failure, and the rest goes on', async () => {
    const helper = member('helper', [{ error: new Error('no ink') }])
    const parts = await collect(boss(helper, [call('helper', { task: 'go' }), 'Sorry.']).stream('Go'))
    expect(only(parts, 'tool-result')).toMatchObject([{ isError: true, output: expect.stringContaining('no ink') }])
    expect(only(parts, 'error')).toMatchObject([{ agentPath: ['boss', 'helper'] }])
    expect(parts.at(-1)).toMatchObject({ finish: { reason: 'stop' } })
  })

  it('asks for its approvals through the run that called it; where nobody can be asked they are refused', async () => {
    const paid: unknown[] = []
    const pay = tool({ name: 'pay', description: '', needsApproval: true, execute: async () => paid.push(1) && 'ok' })
    const create = () =>
      boss(member('till', [call('pay', {}), 'Done.'], { tools: [pay] }), [call('till', { task: 'pay' }), 'Paid.'])
    const run = create().stream('Pay')
    for await (const part of run) if (part.type === 'approval-request') run.approve(part.callId)
    expect(paid).toHaveLength(1)
    expect((await create().generate('Pay')).text).toBe('Paid.')
    expect(paid).toHaveLength(1)
  })

  it('ends with the run that called it', async () => {
    const helper = member('helper', 'x'.repeat(1000), { delayMs: 5, chunkSize: 1 })
    let cancelled = false
    const { stream } = helper.model
    Object.assign(helper.model, {
      stream: (...[request, options]: Parameters<typeof stream>) => {
        options?.signal?.addEventListener('abort', () => {
          cancelled = true
        })
        return stream(request, options)
      },
    })
    const run = boss(helper, [call('helper', { task: 'go' }), 'never']).stream('Go')
    const reading = collect(run)
    await pause(60)
    const before = performance.now()
    run.abort()
    expect((await reading).at(-1)).toMatchObject({ finish: { reason: 'aborted' } })
    expect(performance.now() - before).toBeLessThan(100)
    await pause(0)
    expect(cancelled).toBe(true)
  })

  it('has a name that models can write', () => {
    expect(member('Dr. Who & Co', []).asTool().name).toBe('Dr._Who_Co')
    expect(member('数学', []).asTool({ description: 'sums' })).toMatchObject({ name: '数学', description: 'sums' })
  })

  it('memory stays bounded when nobody reads agents at work side by side', async () => {
    const helpers = ['a', 'b'].map((name) => member(name, 'x'.repeat(2000), { chunkSize: 1 }))
    const calls = helpers.map(({ name }) => ({ name, input: { task: 'go' } }))
    const run = createSupervisor({ agents: helpers, model: scriptedModel([{ toolCalls: calls }, 'Done.']) }).stream(
      'Go',
    )
    await run.text
    const parts = await collect(run)
    expect(parts.length).toBeLessThan(100)
    const said = only(parts, 'text-delta').filter(({ agentPath }) => agentPath?.[1] === 'a')
    expect(said.map(({ text }) => text).join('')).toBe('x'.repeat(2000))
  })
})

describe('handoff', () => {
  const give = (to: string, why = '') => call('handoff', { to, why }, `I give to ${to}. `)

  it('is a tool: the other agent goes on with the whole conversation, and the part says so', async () => {
    const sales = member('sales', [give('support', 'it is broken')])
    const support = member('support', ['Have you tried again?'])
    const run = createHandoff({ name: 'shop', agents: [sales, support] }).stream('It does not work')
    const parts = await collect(run)
    expect(only(parts, 'handoff')).toEqual([{ type: 'handoff', from: 'sales', to: 'support', why: 'it is broken' }])
    expect(sales.model.requests[0]?.tools?.map(({ name }) => name)).toEqual(['handoff'])
    expect(told(support.model.requests[0])).toContain('It does not work')
    expect(told(support.model.requests[0])).toContain('Handed over to support.')
    expect(await run.text).toBe('I give to support. \n\nHave you tried again?')
    expect((await run.messages).at(-1)).toMatchObject({ name: 'support', content: 'Have you tried again?' })
  })

  it('stays with an agent that answers', async () => {
    const { text, finish } = await createHandoff({ agents: [member('a', 'Yes.'), member('b', [])] }).generate('Hm?')
    expect({ text, reason: finish.reason }).toEqual({ text: 'Yes.', reason: 'stop' })
  })

  it('is bounded: agents that hand over to each other for ever', async () => {
    const agents = [member('a', Array(99).fill(give('b'))), member('b', Array(99).fill(give('a')))]
    const { error, reason } = await createHandoff({ agents, maxHandoffs: 5 }).stream('Hm?').finish
    expect({ reason, code: error?.code }).toEqual({ reason: 'error', code: 'limit-reached' })
    expect(agents.map(({ model }) => model.requests.length)).toEqual([3, 3])
  })

  it('offers only whom it may hand over to, and an unknown name is the model’s to mend', async () => {
    const a = member('a', [give('c'), give('b')])
    const agents = [a, member('b', 'Here.'), member('c', [])]
    const { text } = await createHandoff({ agents, to: { a: ['b'] } }).generate('Hm?')
    expect(text).toContain('Here.')
    expect(JSON.stringify(a.model.requests[0]?.tools)).not.toContain('"c"')
    expect(() => createHandoff({ agents, to: { a: ['z'] } })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    )
  })

  it('goes on where it paused, with whoever had the conversation', async () => {
    const pay = tool({ name: 'pay', description: '', needsApproval: true, execute: async () => 'ok' })
    const create = (first: readonly ScriptedTurnSource[], second: readonly ScriptedTurnSource[]) =>
      createHandoff({ agents: [member('a', first), member('till', second, { tools: [pay] })] })
    const paused = await create([give('till')], [call('pay', {})]).generate('Pay')
    expect(paused.finish.reason).toBe('paused')
    const resumed = create([], ['Paid.']).resume(reload(paused.state))
    const parts = []
    for await (const part of resumed) {
      parts.push(part)
      if (part.type === 'approval-request') resumed.approve(part.callId)
    }
    expect(only(parts, 'handoff')).toEqual([])
    expect(await resumed.text).toBe('I give to till. \n\nPaid.')
  })
})

describe('supervisor, ReAct and code', () => {
  it('a supervisor has its agents as tools, and says so in the language of the question', async () => {
    const model = scriptedModel(['Hi', '你好'])
    const supervisor = createSupervisor({ agents: [member('maths', [])], model, instructions: 'Be brief.' })
    await supervisor.generate('Hello')
    await supervisor.generate('你好吗')
    expect(model.requests[0]?.tools).toMatchObject([{ name: 'maths', description: 'knows maths' }])
    expect(model.requests[0]?.messages[0]?.content).toMatch(/^You lead a team.*\n\nBe brief\.$/s)
    expect(model.requests[1]?.messages[0]?.content).toMatch(/^你带领/)
    expect(() => createSupervisor({ agents: [member('a', []), member('a', [])], model })).toThrow(/named 'a'/)
  })

  it('a ReAct agent reads thoughts, actions and answers of any model', async () => {
    const add = tool({ name: 'add', description: 'adds', execute: async ({ a, b }) => Number(a) + Number(b) })
    const model = scriptedModel([
      'Thought: I add.\nAction: add\nAction Input: {"a": 2, "b": 3}',
      'Thought: I know.\nFinal Answer: 5',
    ])
    const parts = await collect(createReactAgent({ model, tools: [add] }).stream('2+3?'))
    expect(only(parts, 'tool-result')).toMatchObject([{ output: 5 }])
    expect(only(parts, 'reasoning-delta').length).toBeGreaterThan(0)
    expect(
      only(parts, 'text-delta')
        .map(({ text }) => text)
        .join(''),
    ).toBe('5')
    expect(told(model.requests[1])).toContain('Observation: 5')
  })

  it('a code agent runs its code with the tool and mends it', async () => {
    const ran: unknown[] = []
    const sandbox = tool({
      name: 'javascript',
      description: 'Runs JavaScript',
      input: { type: 'object', properties: { code: { type: 'string' } }, required: ['code'] },
      execute: async ({ code }) => {
        ran.push(code)
        if (ran.length === 1) throw new Error('x is not defined')
        return '42'
      },
    })
    const model = scriptedModel([call('javascript', { code: 'x' }), call('javascript', { code: '6*7' }), 'It is 42.'])
    const { text } = await createCodeAgent({ tool: sandbox, model }).generate('6 times 7?')
    expect(text).toBe('It is 42.')
    expect(ran).toEqual(['x', '6*7'])
    expect(told(model.requests[0])).toContain('run it with the tool \\"javascript\\"')
    expect(told(model.requests[1])).toContain('x is not defined')
    expect(() => createCodeAgent({ tool: undefined as never, model })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    )
  })
})

describe('writer', () => {
  const outline = '{"sections":[{"title":"Hulls","summary":"their forms"},{"title":"Sails","summary":"and winds"}]}'

  it('writes an outline, then its sections one after the other', async () => {
    const model = scriptedModel([outline, 'Hulls are long.', 'Sails are wide.'])
    const parts = await collect(createWriter({ model }).stream('Write about boats'))
    const answer = only(parts, 'text-delta').filter(({ inner }) => !inner)
    expect(answer.map(({ text }) => text).join('')).toBe('## Hulls\n\nHulls are long.\n\n## Sails\n\nSails are wide.')
    expect(told(model.requests[2])).toContain('Hulls are long.')
    expect(told(model.requests[2])).toContain('Write section 2: Sails. and winds')
    const { messages } = await createWriter({ model: scriptedModel([outline, 'a', 'b']) }).generate('Boats')
    expect(messages).toEqual([{ role: 'assistant', content: '## Hulls\n\na\n\n## Sails\n\nb' }])
  })

  it('outlines, expands an outline, and goes on with a text', async () => {
    const outlined = await createWriter({ model: scriptedModel(outline), mode: 'outline' }).generate('Boats')
    expect(outlined.text).toBe('1. Hulls: their forms\n2. Sails: and winds')
    const expanded = await createWriter({ model: scriptedModel(['a', 'b']), mode: 'expand' }).generate(outlined.text)
    expect(expanded.text).toBe('## Hulls\n\na\n\n## Sails\n\nb')
    const model = scriptedModel(' and sank.')
    expect((await createWriter({ model, mode: 'continue' }).generate('The boat went out')).text).toBe(' and sank.')
    expect(told(model.requests[0])).toContain('You go on with a text')
  })

  it('reads outlines however a model writes them, and has no more sections than it may', async () => {
    const sections = [
      { title: 'Hulls', summary: 'their forms' },
      { title: 'Sails', summary: '' },
    ]
    expect(readOutline('Here it is:\n1. **Hulls**: their forms\n2) Sails')).toEqual(sections)
    expect(readOutline('```json\n["Hulls", {"title": "Sails"}]\n```').map(({ title }) => title)).toEqual([
      'Hulls',
      'Sails',
    ])
    expect(readOutline('一、船体：形状\n二、帆').map(({ title }) => title)).toEqual(['船体', '帆'])
    expect(readOutline('No list here.')).toEqual([])
    const model = scriptedModel([outline, 'only one'])
    expect((await createWriter({ model, maxSections: 1 }).generate('Boats')).text).toBe('## Hulls\n\nonly one')
  })
})

describe('dialogue simulator', () => {
  it('plays a person who talks with an agent until the person has what they want', async () => {
    const shop = member('shop', ['Which size?', 'Here you are.', 'x'])
    const model = scriptedModel(['I want shoes.', 'Size 42.', '[END]'])
    const run = createDialogue({ agent: shop, model, maxTurns: 9 }).stream('A customer who wants shoes')
    const parts = await collect(run)
    expect((await run.messages).map(({ role, content }) => [role, content])).toEqual([
      ['user', 'I want shoes.'],
      ['assistant', 'Which size?'],
      ['user', 'Size 42.'],
      ['assistant', 'Here you are.'],
    ])
    expect(await run.text).toBe('Which size?\n\nHere you are.')
    expect(told(model.requests[0])).toContain('A customer who wants shoes')
    expect(model.requests[1]?.messages.slice(-2).map(({ role }) => role)).toEqual(['assistant', 'user'])
    expect(told(shop.model.requests[1])).not.toContain('A customer')
    expect(parts.at(-1)).toMatchObject({ finish: { reason: 'stop', steps: 5 } })
  })

  it('ends after maxTurns, and takes an agent as the person', async () => {
    const person = member('Eve', ['a', 'b', 'c'])
    const { messages } = await createDialogue({ agent: member('shop', ['1', '2', '3']), person, maxTurns: 2 }).generate(
      'Go',
    )
    expect(messages.map(({ name, content }) => `${name}: ${content}`)).toEqual([
      'Eve: a',
      'shop: 1',
      'Eve: b',
      'shop: 2',
    ])
    expect(() => createDialogue({ agent: member('shop', []) })).toThrow(/model/)
  })
})

describe('teams of teams', () => {
  it('every team is an agent: a router in a handoff in a supervisor', async () => {
    const router = createRouter({
      name: 'desk',
      agents: [member('maths', 'four'), member('poet', [])],
      model: scriptedModel('maths'),
    })
    const relay = createHandoff({ name: 'relay', agents: [member('first', [call('handoff', { to: 'desk' })]), router] })
    const boss = createSupervisor({
      name: 'boss',
      agents: [relay],
      model: scriptedModel([call('relay', { task: '2+2' }), 'It is four.']),
    })
    const parts = await collect(boss.stream('2+2?'))
    const paths = only(parts, 'text-delta').map(({ agentPath }) => agentPath?.join(' > '))
    expect(paths).toContain('boss > relay > desk > maths')
    expect(only(parts, 'handoff').map(({ from, to }) => `${from} > ${to}`)).toEqual(['first > desk', 'desk > maths'])
    expect(only(parts, 'tool-result').at(-1)).toMatchObject({ output: 'four' })
    expect(parts.at(-1)).toMatchObject({ finish: { reason: 'stop' } })
  })

  it('what a run is given is never changed', async () => {
    const frozen: Message = Object.freeze({ role: 'user', content: 'Hello' })
    const input = Object.freeze([frozen])
    const chat = createHandoff({ agents: [member('a', 'x'), member('b', [])] })
    expect((await chat.generate(input)).text).toBe('x')
  })

  it('an input that asks nothing is refused', async () => {
    const router = createRouter({ agents: [member('a', [])], model: scriptedModel([]) })
    expect((await router.stream('  ').finish).error?.code).toBe('invalid-argument')
  })

  it('limits hold: time, and calls', async () => {
    const slow = member('slow', 'x'.repeat(500), { delayMs: 5, chunkSize: 1 })
    const { finish, text } = await createRouter({ agents: [slow], model: scriptedModel([]) }).generate('Go', {
      limits: { wallTimeMs: 60 },
    })
    expect(finish.reason).toBe('limit')
    expect(text.length).toBeLessThan(100)
    const look = tool({ name: 'look', description: '', execute: async () => Math.random() })
    const busy = createAgent({ name: 'busy', model: scriptedModel(Array(9).fill(call('look', {}))), tools: [look] })
    const limited = await createRouter({ agents: [busy], model: scriptedModel([]) }).generate('Go', {
      limits: { toolCalls: 2 },
    })
    expect(limited.finish.reason).toBe('limit')
  })
})
