import { describe, expect, it } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { createDocumentQa } from '../../../src/agents/team/document-qa.js'
import { createGroupChat } from '../../../src/agents/team/group-chat.js'
import { createSupervisor } from '../../../src/agents/team/prompted.js'
import { type ScriptedTurnSource, scriptedModel } from '../../../src/engines/scripted.js'
import { createLlmApi } from '../../../src/engines/serve-model.js'
import { createWorkerModel } from '../../../src/engines/worker-model.js'
import type { ModelRequest } from '../../../src/protocol/model.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'
import { tool } from '../../../src/tools/tool.js'
import { fakeHost } from '../engines/fake-host.js'
import { collect, corpusOf, only, pause } from './team-fixtures.js'

const userText = ({ messages }: ModelRequest) =>
  messages.flatMap(({ role, content }) => (role === 'user' ? [String(content)] : [])).join(' | ')

/** The scripted model behind a worker's scheduler, and the questions in the order in which it took them up. */
async function sharedModel(turn: ScriptedTurnSource, delayMs = 4) {
  const order: string[] = []
  const noted: ScriptedTurnSource = async (request) => {
    order.push(userText(request))
    return typeof turn === 'function' ? await turn(request) : turn
  }
  const scripted = scriptedModel(Array(200).fill(noted), { delayMs, chunkSize: 8, contextTokens: 6_000 })
  const engine = { inspect: async () => ({ state: 'available' as const }), create: () => scripted }
  const { host, kills } = fakeHost(() => createLlmApi({ scripted: async () => engine }))
  const spec = { id: 'scripted:one', allowRemote: false, hubUrl: 'https://hub.example/', cacheName: 'c' }
  const model = createWorkerModel({ spec, host })
  await model.load()
  return { model, order, kills, requests: scripted.requests }
}

const places = (parts: readonly StreamPart[]) =>
  only(parts, 'status').flatMap(({ status, position }) => (status === 'queued' ? [position] : []))

const until = async (isTrue: () => boolean) => {
  while (!isTrue()) await pause(1)
}

/** Calls its tool so often, then answers. */
const steps =
  (most: number): ScriptedTurnSource =>
  ({ messages }) => {
    const made = messages.filter(({ role }) => role === 'tool').length
    const isLong = messages.some(({ content }) => content === 'long')
    return isLong && made < most ? { toolCalls: [{ name: 'step', input: { made } }] } : 'done and done'
  }
const step = tool({ name: 'step', description: 'A step', execute: async ({ made }) => `made ${made}` })

describe('runs that share an engine', () => {
  it('a run of ten steps and two short ones take turns, and places are told as they change', async () => {
    const { model, order } = await sharedModel(steps(9))
    const long = createAgent({ model, tools: [step] }).stream('long')
    const longParts = collect(long)
    await until(() => order.length === 1)
    const short = createAgent({ model })
    const first = collect(short.stream('first'))
    const second = collect(short.stream('second'))
    expect(places(await first)).toEqual([1])
    expect(places(await second)).toEqual([2, 1])
    expect((await longParts).at(-1)).toMatchObject({ finish: { reason: 'stop', steps: 10 } })
    expect(order).toEqual(['long', 'first', 'second', ...Array(9).fill('long')])
  })

  it('agents that work at one question have one place together: a chat beside them goes next', async () => {
    const { model, order, requests } = await sharedModel(({ messages }) => {
      const isBoss = messages.some(({ content }) => content === 'plan')
      const isAnswered = messages.some(({ role }) => role === 'tool')
      if (!isBoss || isAnswered) return 'some words of text'
      return { toolCalls: ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, input: { task: `task ${name}` } })) }
    })
    const agents = ['a', 'b', 'c', 'd', 'e'].map((name) => createAgent({ name, model, description: name }))
    const team = collect(createSupervisor({ model, agents }).stream('plan'))
    await until(() => order.includes('task a'))
    const chat = collect(createAgent({ model }).stream('chat'))
    expect(places(await chat)).toEqual([1])
    expect((await team).at(-1)).toMatchObject({ finish: { reason: 'stop' } })
    expect(order).toEqual(['plan', 'task a', 'chat', 'task b', 'task c', 'task d', 'task e', 'plan'])
    const ids = (name: string) =>
      new Set(requests.filter((request) => userText(request) === name).map(({ runId }) => runId))
    expect(ids('plan').size).toBe(1)
    expect(ids('task a')).toEqual(ids('plan'))
    expect(ids('chat')).not.toEqual(ids('plan'))
  })

  it('speakers of a group chat, side by side, are one run too', async () => {
    const { model, order } = await sharedModel('Well said, all of you.')
    const agents = ['Ann', 'Bob', 'Cid', 'Dee'].map((name) => createAgent({ name, model }))
    const options = { agents, select: 'round-robin', perRound: 4, maxRounds: 1 } as const
    const talk = collect(createGroupChat(options).stream('boats'))
    await until(() => order.length === 1)
    await createAgent({ model }).generate('chat')
    expect(order.indexOf('chat')).toBe(1)
    await talk
    expect(order).toHaveLength(5)
  })

  it('document QA that reads five parts at once lets a chat in after the one that is being read', async () => {
    const { model, order } = await sharedModel(
      ({ messages }) =>
        messages.some(({ content }) => String(content).includes('You read one part'))
          ? '{"relevant": false, "answer": "", "quote": ""}'
          : 'an answer',
      1,
    )
    const corpus = corpusOf({
      log: Array.from({ length: 900 }, (_, day) => `Nothing of note on day ${day} of that year. `).join(''),
    })
    const qa = createDocumentQa({ corpus, model, mode: 'parallel', partTokens: 300 })
    const reading = collect(qa.stream('When?'))
    await until(() => order.length >= 3)
    const taken = order.length
    await createAgent({ model }).generate('chat')
    expect(order.indexOf('chat')).toBeLessThanOrEqual(taken + 1)
    await reading
    expect(order.length).toBeGreaterThan(30)
  })
})

describe('priority', () => {
  it('work in the background lets later questions go first, and is done all the same', async () => {
    const { model, order } = await sharedModel(steps(3))
    const agent = createAgent({ model, tools: [step], priority: 'background' })
    const short = createAgent({ model })
    const busy = collect(short.stream('busy'))
    await until(() => order.length === 1)
    const background = collect(agent.stream('long'))
    await pause(2)
    const asked = Promise.all(['one', 'two', 'three'].map((text) => collect(short.stream(text))))
    const [, parts] = await Promise.all([busy, background, asked])
    expect(order).toEqual(['busy', 'one', 'two', 'three', 'long', 'long', 'long', 'long'])
    expect(places(parts)).toEqual([1, 2, 3, 4, 3, 2, 1])
    expect(parts.at(-1)).toMatchObject({ finish: { reason: 'stop', steps: 4 } })
  })

  it('is given to a run too, over that of its agent, and holds for the agents within', async () => {
    const { model, requests } = await sharedModel(({ messages, tools }) =>
      tools && !messages.some(({ role }) => role === 'tool')
        ? { toolCalls: [{ name: 'helper', input: { task: 'help' } }] }
        : 'well',
    )
    const helper = createAgent({ name: 'helper', model, description: 'helps' })
    const boss = createSupervisor({ model, agents: [helper], priority: 'background' })
    const priorities = () => requests.splice(0).map(({ priority }) => priority)
    await boss.generate('later')
    expect(priorities()).toEqual(['background', 'background', 'background'])
    await boss.generate('now', { priority: 'interactive' })
    expect(priorities()).toEqual(['interactive', 'interactive', 'interactive'])
    await createGroupChat({ agents: [helper], select: 'round-robin', maxRounds: 1 }).generate('x', {
      priority: 'background',
    })
    await helper.generate('soon')
    expect(priorities()).toEqual(['background', undefined])
  })

  it('a run that is aborted while it waits disturbs no other', async () => {
    const { model, order, kills } = await sharedModel('an answer of some words')
    const agent = createAgent({ model })
    const first = agent.generate('first')
    await until(() => order.length === 1)
    const waiting = agent.stream('waiting')
    const last = collect(agent.stream('last'))
    await pause(2)
    waiting.abort()
    expect(await waiting.finish).toMatchObject({ reason: 'aborted' })
    expect((await first).text).toBe('an answer of some words')
    expect(places(await last)).toEqual([2, 1])
    expect(order).toEqual(['first', 'last'])
    expect(kills).toEqual([])
  })
})
