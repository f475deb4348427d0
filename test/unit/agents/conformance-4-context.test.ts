import { describe, expect, it } from 'vitest'
import { mostTokens } from '../../../src/agents/context/token-bound.js'
import { smallerForms, splitConversation } from '../../../src/agents/context/trim-stages.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { Message, MessagePart } from '../../../src/protocol/message.js'
import type { ChatModel, ModelRequest } from '../../../src/protocol/model.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'
import { tool } from '../../../src/tools/tool.js'
import { agentOf, chatOf, collect, corpusOf, hitOf, idsOf, partsOf, textOf, trimmedIn } from './context-fixtures.js'

describe('§4 never over the budget', () => {
  it('keeps the reserve for the answer that was asked for, and a quarter of the context for the prompt at least', async () => {
    const contextTokens = 1000
    for (const [options, budget] of [
      [{ sampling: { maxTokens: 300 } }, 700],
      [{ sampling: { maxTokens: 300 }, context: { reserveTokens: 500 } }, 500],
      [{}, 750],
      [{ sampling: { maxTokens: 4096 } }, 250],
    ] as const) {
      const model = scriptedModel(['ok'], { contextTokens })
      const agent = agentOf({ model, ...options })
      await expect(agent.generate('x'.repeat(8000))).rejects.toMatchObject({
        code: 'context-overflow',
        hint: expect.stringMatching(/[Ss]horten/),
        details: { budgetTokens: budget, tokens: 2000 },
      })
      const { finish } = await agent.generate('x'.repeat(budget * 4))
      expect(finish.reason).toBe('stop')
    }
  })

  it('counts tool schemas, and images where the model does not', async () => {
    const schema = { type: 'object', description: 'd'.repeat(2000) }
    const model = scriptedModel(['ok'], { contextTokens: 1000 })
    const big = tool({ name: 'big', description: '', input: schema, execute: () => '' })
    const history = chatOf(10, 100)
    await agentOf({ model, tools: [big] }).generate([...history, { role: 'user', content: 'Q' }])
    expect(model.requests[0]?.messages.length).toBeLessThan(history.length)
    const image: MessagePart = { type: 'image', data: 'data:,', mediaType: 'image/png' }
    const withImages = (count: number): Message[] => [
      { role: 'user', content: [{ type: 'text', text: 'Q' }, ...Array(count).fill(image)] },
    ]
    const seeing = scriptedModel(['ok'], { contextTokens: 1000 })
    const agent = agentOf({ model: seeing, context: { imageTokens: 300 } })
    await expect(agent.generate(withImages(3))).rejects.toMatchObject({ code: 'context-overflow' })
    expect((await agent.generate(withImages(2))).text).toBe('ok')
  })

  it('does not take the bytes of a picture for its size', () => {
    const blob = new Blob(['x'.repeat(1000)], { type: 'image/png' })
    const image: MessagePart = { type: 'image', data: blob, mediaType: 'image/png' }
    const shown: MessagePart = { type: 'tool-result', callId: '1', name: 'look', output: { seen: [image] } }
    for (const part of [image, shown]) {
      expect(mostTokens({ messages: [{ role: 'user', content: [part] }] })).toBe(Number.POSITIVE_INFINITY)
    }
    expect(mostTokens({ messages: [{ role: 'user', content: 'é' }] })).toBeLessThan(300)
  })

  it('counts again after loading, when the model knows its context better', async () => {
    const inner = scriptedModel(['ok'], { contextTokens: 4000 })
    let isLoaded = false
    const model: ChatModel = {
      ...inner,
      get isLoaded() {
        return isLoaded
      },
      get contextTokens() {
        return isLoaded ? 400 : 4000
      },
      load: async () => {
        isLoaded = true
      },
    }
    await agentOf({ model }).generate([...chatOf(30), { role: 'user', content: 'Q' }])
    expect(await inner.countTokens(inner.requests[0] as ModelRequest)).toBeLessThanOrEqual(300)
  })
})

describe('§4 what gives way', () => {
  const turn = (name: string): Message[] => [
    { role: 'user', content: `old ${name}` },
    { role: 'assistant', content: `reply ${name}` },
  ]
  const step = (name: string, characters: number): Message[] => [
    {
      role: 'assistant',
      content: [
        { type: 'text', text: 't'.repeat(5000) },
        { type: 'tool-call', callId: name, name: 'look', input: {} },
      ],
    },
    { role: 'tool', content: [{ type: 'tool-result', callId: name, name: 'look', output: 'r'.repeat(characters) }] },
  ]
  const messages: Message[] = [
    { role: 'system', content: 'S' },
    ...turn('A'),
    ...turn('B'),
    { role: 'user', content: 'Q' },
    ...step('1', 6000),
    ...step('2', 6000),
    ...step('3', 6000),
  ]

  it('comes in the order of the list', () => {
    const seen = [...smallerForms(splitConversation(messages, 2), () => false)].map(({ state }) => {
      const outputs = state.steps.map((group) => {
        const [result] = group.flatMap(partsOf).filter((part) => part.type === 'tool-result')
        const output = String(result?.output)
        return output.startsWith('[removed') ? 'gone' : output.length < 6000 ? 'cut' : 'whole'
      })
      const longest = Math.max(
        0,
        ...state.steps
          .flat()
          .flatMap(partsOf)
          .map((part) => (part.type === 'text' ? part.text.length : 0)),
      )
      return `${state.turns.length} turns, ${outputs.join(' ') || 'none'}, ${state.passages} passages, ${longest < 5000 ? 'short' : 'long'}`
    })
    expect([...new Set(seen)]).toEqual([
      '1 turns, whole whole whole, 2 passages, long',
      '0 turns, whole whole whole, 2 passages, long',
      '0 turns, cut cut whole, 2 passages, long',
      '0 turns, gone gone whole, 2 passages, long',
      '0 turns, gone whole, 2 passages, long',
      '0 turns, whole, 2 passages, long',
      '0 turns, whole, 1 passages, long',
      '0 turns, whole, 0 passages, long',
      '0 turns, cut, 0 passages, long',
      '0 turns, gone, 0 passages, long',
      '0 turns, gone, 0 passages, short',
      '0 turns, none, 0 passages, short',
    ])
  })

  it('shrinks in the middle, and cuts no character in two', () => {
    const emoji: Message[] = [{ role: 'user', content: 'Q' }, ...step('1', 6000), ...step('2', 1)]
    const result = { type: 'tool-result' as const, callId: '1', name: 'look', output: `a${'😀'.repeat(5000)}Z` }
    emoji[2] = { role: 'tool', content: [result] }
    const [first] = [...smallerForms(splitConversation(emoji, 0), () => false)]
    const shrunk = (first?.state.steps.flat() ?? []).flatMap(partsOf).find((part) => part.type === 'tool-result')
    const output = String(shrunk?.output)
    expect(output.startsWith('a😀')).toBe(true)
    expect(output.endsWith('😀Z')).toBe(true)
    expect(output).toMatch(/… \d+ characters removed …/)
    expect(output.isWellFormed()).toBe(true)
  })

  it('shortens a call of 1 MB in the last step rather than to lose it', async () => {
    const call = { type: 'tool-call' as const, callId: '1', name: 'look', input: { text: 'i'.repeat(1_000_000), n: 1 } }
    const model = scriptedModel(['ok'], { contextTokens: 2000 })
    await agentOf({ model }).generate([
      { role: 'user', content: 'Q' },
      { role: 'assistant', content: [call] },
      { role: 'tool', content: [{ type: 'tool-result', callId: '1', name: 'look', output: 'fine' }] },
    ])
    const sent = model.requests[0]?.messages ?? []
    expect(idsOf(sent, 'tool-call')).toEqual(['1'])
    expect(idsOf(sent, 'tool-result')).toEqual(['1'])
    expect(sent.flatMap(partsOf).find(({ type }) => type === 'tool-call')).toMatchObject({ input: { n: 1 } })
  })

  it('leaves what is pinned, a call with its results', async () => {
    const history: Message[] = [
      { role: 'user', content: 'old question', id: 'q' },
      { role: 'assistant', id: 'call', content: [{ type: 'tool-call', callId: '1', name: 'look', input: {} }] },
      { role: 'tool', id: 'result', content: [{ type: 'tool-result', callId: '1', name: 'look', output: 'kept' }] },
      { role: 'assistant', content: 'old answer', id: 'a' },
      ...chatOf(30),
      { role: 'user', content: 'My name is Ada.', id: 'name' },
      { role: 'assistant', content: 'Hello Ada.' },
      ...chatOf(10),
      { role: 'user', content: 'Last?' },
    ]
    const model = scriptedModel(['ok'], { contextTokens: 500 })
    const pin = ({ id }: Message) => id === 'result' || id === 'name'
    await agentOf({ model, context: { pin } }).generate(history)
    const ids = (model.requests[0]?.messages ?? []).flatMap(({ id }) => id ?? [])
    expect(ids).toEqual(['call', 'result', 'name'])
    const everything = agentOf({ model, context: { pin: () => true } }).generate(history)
    await expect(everything).rejects.toMatchObject({ code: 'context-overflow' })
  })

  it('is never the question, nor its passages, also when the answer is asked for again', async () => {
    const schema = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] }
    const model = scriptedModel(['no json', '{"n":1}'], { contextTokens: 1000 })
    const agent = agentOf({ model, corpus: corpusOf(() => [hitOf(1)]) })
    const { object } = await agent.generate([...chatOf(30), { role: 'user', content: 'How many?' }], { schema })
    expect(object).toEqual({ n: 1 })
    const [first, again] = model.requests as [ModelRequest, ModelRequest]
    expect(await model.countTokens(again)).toBeLessThanOrEqual(750)
    const asked = textOf(first.messages.at(-1))
    expect(asked).toMatch(/Passage 1\.[\s\S]*How many\?/)
    expect(again.messages.map(textOf).filter((text) => text === asked)).toHaveLength(1)
    expect(textOf(again.messages.at(-1))).not.toContain('Passage')
    const long = scriptedModel(['no json '.repeat(300), '{"n":1}'], { contextTokens: 1000 })
    await agentOf({ model: long }).generate([...chatOf(3), { role: 'user', content: 'How many?' }], { schema })
    expect(long.requests[1]?.messages.some((message) => textOf(message).startsWith('How many?'))).toBe(true)
    expect(await long.countTokens(long.requests[1] as ModelRequest)).toBeLessThanOrEqual(750)
  })

  it('is reported, with what it was', async () => {
    const hits = Array.from({ length: 8 }, (_, at) => hitOf(at))
    const model = scriptedModel(['ok'], { contextTokens: 400 })
    const retrieval = { passageTokens: 1000 }
    const agent = agentOf({ model, corpus: corpusOf(() => hits), sampling: { maxTokens: 100 }, retrieval })
    const parts = await collect(agent.stream([...chatOf(3), { role: 'user', content: 'Q' }]))
    const [report, ...others] = trimmedIn(parts)
    expect(others).toEqual([])
    const sent = model.requests[0] as ModelRequest
    const passages = textOf(sent.messages.at(-1)).match(/Passage \d/g)?.length ?? 0
    expect(passages).toBeGreaterThan(0)
    expect(report).toMatchObject({ droppedMessages: 6, droppedPassages: 8 - passages })
    expect(report?.message).toMatch(/^Left out 6 messages and \d passages?, \d+ tokens that did not fit/)
    expect(parts.indexOf(report as StreamPart)).toBeLessThan(parts.findIndex(({ type }) => type === 'step-start'))
    const quiet = await collect(agentOf({ model: scriptedModel(['ok']) }).stream('Q'))
    expect(trimmedIn(quiet)).toEqual([])
  })
})

describe('§4 the prefix stays', () => {
  it('from turn to turn: trimming is rare, and between two trims each request begins with the last one', async () => {
    const turns = 120
    const model = scriptedModel(
      Array.from({ length: turns }, (_, at) => `answer ${at} ${'y'.repeat(100)}`),
      { contextTokens: 1000 },
    )
    const agent = agentOf({ model, instructions: 'Be brief.', sampling: { maxTokens: 100 } })
    let conversation: Message[] = []
    let reported = 0
    for (let at = 0; at < turns; at++) {
      conversation = [...conversation, { role: 'user', content: `question ${at} ${'x'.repeat(100)}` }]
      const run = agent.stream(conversation)
      reported += trimmedIn(await collect(run)).length > 0 ? 1 : 0
      // A page that stores its chat gives copies.
      conversation = structuredClone([...conversation, ...(await run.messages)])
    }
    let breaks = 0
    for (const [at, { messages }] of model.requests.entries()) {
      const before = model.requests[at - 1]?.messages ?? []
      expect(await model.countTokens(model.requests[at] as ModelRequest)).toBeLessThanOrEqual(900)
      if (JSON.stringify(messages.slice(0, before.length)) !== JSON.stringify(before)) breaks++
    }
    // A turn has about 60 tokens: between 540 and 900 there are 6 of them.
    expect(breaks).toBeGreaterThan(5)
    expect(breaks).toBeLessThanOrEqual(turns / 5)
    expect(reported).toBeGreaterThan(turns / 2)
  })

  it('takes over nothing from a chat that began otherwise, nor between agents', async () => {
    const model = scriptedModel(['a', 'b', 'c'], { contextTokens: 1000 })
    const corpus = corpusOf((query) => [{ ...hitOf(1), text: `Secret of ${query}.`, span: [0, 13] }])
    const [agent, other] = [agentOf({ model, corpus }), agentOf({ model, corpus: corpusOf(() => []) })]
    await agent.generate('one')
    const next: Message[] = [
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'a' },
      { role: 'user', content: 'two' },
    ]
    await other.generate(next)
    expect(JSON.stringify(model.requests[1]?.messages)).not.toContain('Secret')
    await agent.generate([{ role: 'user', content: 'One' }, ...next.slice(1)])
    expect(JSON.stringify(model.requests[2]?.messages)).not.toContain('Secret of one')
  })

  it('has retrieved text in the user turn, where it stays in the turns after', async () => {
    const model = scriptedModel(['first [1].', 'second', 'third'], { contextTokens: 4000 })
    const corpus = corpusOf((query) => [hitOf(query.length)])
    const agent = agentOf({ model, corpus, instructions: 'Be brief.' })
    let conversation: Message[] = []
    for (const content of ['One?', 'Second?', 'The third?']) {
      conversation = [...conversation, { role: 'user', content }]
      const { messages } = await agent.generate(conversation)
      conversation = structuredClone([...conversation, ...messages])
    }
    const [first, second, third] = model.requests.map(({ messages }) => messages)
    expect(first?.[0]).toEqual({ role: 'system', content: 'Be brief.' })
    expect(textOf(first?.[1])).toContain('Passage 4.')
    expect(JSON.stringify(second?.slice(0, 2))).toBe(JSON.stringify(first))
    expect(textOf(second?.[3])).toContain('Passage 7.')
    expect(JSON.stringify(third?.slice(0, 4))).toBe(JSON.stringify(second))
    expect(textOf(third?.[5])).toContain('Passage 10.')
  })
})
