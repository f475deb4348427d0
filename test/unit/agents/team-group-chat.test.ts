import { describe, expect, it } from 'vitest'
import { createGroupChat, type SelectSpeakers } from '../../../src/agents/team/group-chat.js'
import { createGroupChatCreator } from '../../../src/agents/team/group-chat-creator.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { Message } from '../../../src/protocol/message.js'
import { collect, member, only, reload, told } from './team-fixtures.js'

/** So many turns: `<name> 1`, `<name> 2`, … */
const turns = (name: string, count = 9) => Array.from({ length: count }, (_, at) => `${name} ${at + 1}`)
const trio = () => ['Ann', 'Bob', 'Cy'].map((name) => member(name, turns(name)))
const speakers = (messages: readonly Message[]) => messages.map(({ name }) => name)

describe('group chat: who speaks', () => {
  it('round-robin: in turn, for maxRounds rounds, each told what the others said', async () => {
    const agents = trio()
    const chat = createGroupChat({ agents, select: 'round-robin', maxRounds: 4, background: 'A pub.' })
    const { messages, text, finish } = await chat.generate('Hello all')
    expect(speakers(messages)).toEqual(['Ann', 'Bob', 'Cy', 'Ann'])
    expect(text).toBe('Ann 1\n\nBob 1\n\nCy 1\n\nAnn 2')
    expect(finish.reason).toBe('stop')
    const [system, ...rest] = agents[0]?.model.requests[1]?.messages ?? []
    expect(system?.content).toMatch(/You are Ann, a member of a group chat\. A pub\.\nThe others: Bob, Cy\./)
    expect(rest).toEqual([
      { role: 'user', content: 'user: Hello all' },
      { role: 'assistant', content: 'Ann 1' },
      { role: 'user', content: 'Bob: Bob 1\n\nCy: Cy 1' },
    ])
    const again = await createGroupChat({ agents: trio(), select: 'round-robin' }).generate('Hello all')
    expect(again.messages).toHaveLength(3)
  })

  it('goes on in turn from who spoke last in the conversation', async () => {
    const chat = createGroupChat({ agents: trio(), select: 'round-robin', maxRounds: 1 })
    const before: Message[] = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', name: 'Bob', content: 'Hello' },
      { role: 'user', content: 'Go on' },
    ]
    expect(speakers((await chat.generate(before)).messages)).toEqual(['Cy'])
  })

  it('auto: a host model chooses, says why, and may end the chat', async () => {
    const model = scriptedModel(['{"agent":"Cy","why":"knows"}', 'Bob', '{"agent":"nobody","why":"done"}'])
    const chat = createGroupChat({ name: 'pub', agents: trio(), model, maxRounds: 9 })
    const parts = await collect(chat.stream('Hello all'))
    expect(only(parts, 'handoff')).toMatchObject([
      { from: 'pub', to: 'Cy', why: 'knows' },
      { from: 'pub', to: 'Bob', why: '' },
    ])
    expect(told(model.requests[2])).toContain('Bob: Bob 1')
    expect(parts.at(-1)).toMatchObject({ finish: { reason: 'stop' } })
  })

  it('auto: a host that names nobody twice leaves it to the next in turn', async () => {
    const chat = createGroupChat({ agents: trio(), model: scriptedModel(['Zed', 'Zoe']), maxRounds: 1 })
    expect(speakers((await chat.generate('Hello')).messages)).toEqual(['Ann'])
  })

  it('random: the same for the same seed, nobody twice in a row', async () => {
    const draw = async (seed: number) => {
      const chat = createGroupChat({ agents: trio(), select: 'random', seed, maxRounds: 8 })
      return speakers((await chat.generate('Hello')).messages)
    }
    const first = await draw(1)
    expect(await draw(1)).toEqual(first)
    expect(await Promise.all([2, 3, 4, 5].map(draw))).not.toEqual([first, first, first, first])
    expect(first.some((name, at) => at > 0 && name === first[at - 1])).toBe(false)
    expect(new Set(first).size).toBe(3)
  })

  it('a function: one name, several, or nobody to end', async () => {
    const select: SelectSpeakers = ({ round, names, last }) => {
      if (round === 0) return names[2]
      if (round === 1) return last === 'Cy' ? ['Ann', 'Bob'] : undefined
      return undefined
    }
    const chat = createGroupChat({ agents: trio(), select, maxRounds: 9 })
    expect(speakers((await chat.generate('Hello')).messages)).toEqual(['Cy', 'Ann', 'Bob'])
  })

  it('manual: the run pauses for a person who names the speaker', async () => {
    const create = () => createGroupChat({ name: 'pub', agents: trio(), select: 'manual', maxRounds: 2 })
    const run = create().stream('Hello')
    const parts = await collect(run)
    expect(only(parts, 'approval-request')).toMatchObject([
      { name: 'pub', ask: 'speaker', input: { choices: ['Ann', 'Bob', 'Cy'] } },
    ])
    expect(parts.at(-1)).toMatchObject({ finish: { reason: 'paused' } })
    const unknown = create().resume(reload(run.state), { reply: 'Zed' })
    expect((await unknown.finish).reason).toBe('paused')
    const named = create().resume(reload(unknown.state), { reply: 'Bob' })
    expect(await named.text).toBe('Bob 1')
    const over = create().resume(reload(named.state), { reply: '' })
    expect(await over.finish).toMatchObject({ reason: 'stop' })
    expect(speakers(await over.messages)).toEqual(['Bob'])
  })

  it('@name in a message queues those first', async () => {
    const [ann, bob, cy] = [
      member('Ann', turns('Ann')),
      member('Bob', ['What do you say, @cy?', 'x']),
      member('Cy', turns('Cy')),
    ]
    const chat = createGroupChat({ agents: [ann, bob, cy], select: () => 'Ann', maxRounds: 3 })
    expect(speakers((await chat.generate('@Bob, please')).messages)).toEqual(['Bob', 'Cy', 'Ann'])
    const two = createGroupChat({ agents: trio(), select: () => undefined, maxRounds: 3 })
    expect(speakers((await two.generate('@Cy and @Ann: hello')).messages)).toEqual(['Cy', 'Ann'])
  })

  it('knows names that begin alike, and Chinese ones', async () => {
    const agents = ['Ann', 'Anna', '小王'].map((name) => member(name, turns(name)))
    const chat = createGroupChat({ agents, select: () => undefined, maxRounds: 3 })
    expect(speakers((await chat.generate('@Anna和@小王说说')).messages)).toEqual(['Anna', '小王'])
    expect(told(agents[1]?.model.requests[0])).toContain('你是群聊成员Anna')
  })
})

describe('group chat: its end', () => {
  it('a stop token ends it', async () => {
    const agents = [member('Ann', ['Hm', 'Enough. [STOP]', 'x']), member('Bob', turns('Bob'))]
    const chat = createGroupChat({ agents, select: 'round-robin', maxRounds: 9, stopToken: '[STOP]' })
    expect((await chat.generate('Hello')).messages).toHaveLength(3)
  })

  it('a predicate ends it', async () => {
    const until = (messages: readonly Message[]) => messages.some(({ content }) => content === 'Bob 2')
    const chat = createGroupChat({ agents: trio(), select: 'round-robin', maxRounds: 9, until })
    expect((await chat.generate('Hello')).messages).toHaveLength(5)
  })

  it('a member that fails is left out, and the rest goes on', async () => {
    const agents = [
      member('Ann', turns('Ann')),
      member('Bob', [{ error: new Error('hoarse') }]),
      member('Cy', turns('Cy')),
    ]
    const run = createGroupChat({ agents, select: 'round-robin' }).stream('Hello')
    const parts = await collect(run)
    expect(only(parts, 'error')).toMatchObject([{ agentPath: ['group-chat', 'Bob'], error: { message: 'hoarse' } }])
    expect(parts.at(-1)).toMatchObject({ finish: { reason: 'stop' } })
    const order = (await run.messages).map(({ name }) => name)
    expect(order).toEqual(['Ann', 'Cy'])
    expect(await run.text).toBe('Ann 1\n\nCy 1')
  })

  it('fails when nobody can speak', async () => {
    const broken = (name: string) => member(name, Array(9).fill({ error: new Error(`${name} is hoarse`) }))
    const chat = createGroupChat({ agents: [broken('Ann'), broken('Bob')], select: 'round-robin', maxRounds: 9 })
    expect((await chat.stream('Hello').finish).error?.message).toBe('Bob is hoarse')
  })

  it('limits end it with what there is', async () => {
    const chat = createGroupChat({ agents: trio(), select: 'round-robin', maxRounds: 9 })
    const { finish, text } = await chat.generate('Hello', { limits: { totalTokens: 150 } })
    expect(finish.reason).toBe('limit')
    expect(text.startsWith('Ann 1')).toBe(true)
    expect(text.split('\n\n').length).toBeLessThan(9)
  })
})

describe('group chat: side by side', () => {
  it('runs those of one round at once, and tells them one after the other', async () => {
    const agents = ['Ann', 'Bob', 'Cy'].map((name) =>
      member(name, `${name} speaks at length`, { delayMs: 20, chunkSize: 4 }),
    )
    const chat = createGroupChat({ agents, select: 'round-robin', perRound: 3, maxRounds: 1 })
    const parts = await collect(chat.stream('Hello'))
    for (const { model } of agents) expect(told(model.requests[0])).not.toContain('speaks at length')
    const said = only(parts, 'text-delta')
    expect(said.map(({ text }) => text).join('')).toBe(
      'Ann speaks at length\n\nBob speaks at length\n\nCy speaks at length',
    )
    const order = said.flatMap(({ agentPath }) => agentPath?.at(-1) ?? [])
    expect([...new Set(order)]).toEqual(['Ann', 'Bob', 'Cy'])
    expect(order.lastIndexOf('Ann')).toBeLessThan(order.indexOf('Bob'))
    // All three were asked before the first had finished.
    const firstEnd = parts.findIndex((part) => part.type === 'usage')
    expect(firstEnd).toBeGreaterThan(0)
    expect(agents.map(({ model }) => model.requests.length)).toEqual([1, 1, 1])
  })

  it('asks all before one has finished', async () => {
    let working = 0
    let most = 0
    const turn = async () => {
      most = Math.max(most, ++working)
      await new Promise((resolve) => setTimeout(resolve, 20))
      working--
      return 'x'
    }
    const agents = ['Ann', 'Bob', 'Cy'].map((name) => member(name, [turn]))
    await createGroupChat({ agents, select: 'round-robin', perRound: 3, maxRounds: 1 }).generate('Hello')
    expect(most).toBe(3)
  })
})

describe('group chat: people', () => {
  const withHuman = () => {
    const agents = [member('Ann', ['Ann 1', 'Ann 2']), { name: 'Eve', human: true as const }]
    return { agents, chat: createGroupChat({ agents, select: 'round-robin', maxRounds: 3 }) }
  }

  it('pauses at a person’s turn, and goes on with the reply after a reload', async () => {
    const run = withHuman().chat.stream('Hello')
    const parts = await collect(run)
    expect(only(parts, 'approval-request')).toMatchObject([{ name: 'Eve', ask: 'turn' }])
    expect(parts.at(-1)).toMatchObject({ type: 'finish', finish: { reason: 'paused' } })
    const state = reload(run.state)
    const ann = member('Ann', ['Ann 2'])
    const later = createGroupChat({ agents: [ann, { name: 'Eve', human: true }], select: 'round-robin', maxRounds: 3 })
    const resumed = later.resume(state, { reply: 'Eve here' })
    const rest = await collect(resumed)
    expect(
      only(rest, 'text-delta')
        .map(({ text }) => text)
        .join(''),
    ).toBe('\n\nAnn 2')
    expect(told(ann.model.requests[0])).toContain('Eve: Eve here')
    expect(await resumed.text).toBe('Ann 1\n\nAnn 2')
    expect(await resumed.messages).toEqual([
      { role: 'assistant', name: 'Ann', content: 'Ann 1' },
      { role: 'user', name: 'Eve', content: 'Eve here' },
      { role: 'assistant', name: 'Ann', content: 'Ann 2' },
    ])
    expect((await resumed.finish).steps).toBe(2)
    expect((await resumed.usage).completionTokens).toBe(4)
  })

  it('a person who never answers is a paused run, not a hang', async () => {
    const { finish, state } = await withHuman().chat.generate('Hello')
    expect(finish.reason).toBe('paused')
    const again = withHuman().chat.resume(reload(state))
    expect(await again.finish).toMatchObject({ reason: 'paused' })
    expect(again.state).toBeDefined()
  })

  it('a person in a chat in a chat can answer too', async () => {
    const inner = () =>
      createGroupChat({ name: 'inner', agents: [{ name: 'Eve', human: true }], select: 'round-robin', maxRounds: 1 })
    const outer = () =>
      createGroupChat({ name: 'outer', agents: [inner(), member('Ann', 'Ann 1')], select: 'round-robin', maxRounds: 2 })
    const run = outer().stream('Hello')
    const parts = await collect(run)
    expect(only(parts, 'approval-request')).toMatchObject([{ name: 'Eve', agentPath: ['outer', 'inner'] }])
    expect((await run.finish).reason).toBe('paused')
    const resumed = outer().resume(reload(run.state), { reply: 'from far within' })
    expect(await resumed.finish).toMatchObject({ reason: 'stop' })
    expect(await resumed.text).toBe('Ann 1')
    expect(await resumed.finish).toMatchObject({ steps: 1 })
    expect(JSON.stringify(await resumed.messages)).toContain('from far within')
  })
})

describe('group chat: bad options', () => {
  it.each([
    [
      'two of one name',
      { agents: [member('Ann', []), { name: 'ann', human: true as const }], select: 'random' as const },
    ],
    ['nobody', { agents: [], select: 'random' as const }],
    ['auto without a model', { agents: trio() }],
    ['a way that there is not', { agents: trio(), select: 'loudest' as never }],
    ['no rounds', { agents: trio(), select: 'random' as const, maxRounds: 0 }],
    ['what is neither agent nor human', { agents: [{ name: 'Bo' } as never, ...trio()], select: 'random' as const }],
  ])('refuses %s', (_what, options) => {
    expect(() => createGroupChat(options)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })
})

describe('group-chat creator', () => {
  const plan = {
    background: 'A talk about boats.',
    members: [
      { name: 'Sailor', description: 'sails', instructions: 'You are a sailor.' },
      { name: 'Builder', description: 'builds', instructions: 'You are a builder.' },
    ],
  }

  it('proposes members from a description, and makes the chat', async () => {
    const model = scriptedModel([JSON.stringify(plan), 'Ahoy', 'Wood'])
    const creator = createGroupChatCreator({ model })
    const proposed = await creator.propose('People who know boats')
    expect(proposed).toEqual(plan)
    const { messages } = await creator.create(proposed, { select: 'round-robin', maxRounds: 2 }).generate('Which boat?')
    expect(messages).toMatchObject([
      { name: 'Sailor', content: 'Ahoy' },
      { name: 'Builder', content: 'Wood' },
    ])
    expect(told(model.requests[1])).toContain('You are a sailor.')
    expect(told(model.requests[1])).toContain('A talk about boats.')
  })

  it('is held to the schema: asked again once, then typed', async () => {
    const model = scriptedModel(['Sure!', JSON.stringify(plan)])
    expect((await createGroupChatCreator({ model }).propose('boats')).members).toHaveLength(2)
    const hopeless = createGroupChatCreator({ model: scriptedModel(['Sure!', '{"background":"","members":[]}']) })
    await expect(hopeless.propose('boats')).rejects.toMatchObject({ code: 'output-invalid' })
    const twins = { ...plan, members: [plan.members[0], { ...plan.members[0], name: 'sailor ' }] }
    const same = createGroupChatCreator({ model: scriptedModel(JSON.stringify(twins)) })
    await expect(same.propose('boats')).rejects.toMatchObject({ code: 'output-invalid' })
  })
})
