import { describe, expect, it } from 'vitest'
import { notePrefill } from '../../../src/agents/context/prefill-rate.js'
import { buildRequest } from '../../../src/agents/request.js'
import { type ScriptedTurnSource, scriptedModel } from '../../../src/engines/scripted.js'
import type { Message } from '../../../src/protocol/message.js'
import type { ChatModel, ModelRequest } from '../../../src/protocol/model.js'
import { tool } from '../../../src/tools/tool.js'
import {
  agentOf,
  COUNTERS,
  type Counter,
  chatOf,
  collect,
  corpusOf,
  countingModel,
  hitOf,
  jobOf,
  STEP,
  textOf,
  trimmedIn,
} from './context-fixtures.js'

describe('§4 counting is incremental', () => {
  it('counts a chat of 400 messages once, not at every step or turn', async () => {
    const steps = 12
    const look = tool({ name: 'look', description: '', execute: ({ n }) => `found ${n}` })
    const calls = Array.from({ length: steps }, (_, n) => ({ toolCalls: [{ name: 'look', input: { n } }] }))
    const { model, counted, requests } = countingModel([...calls, 'done', 'again'], { contextTokens: 40_000 })
    const agent = agentOf({ model, tools: [look] })
    const given: Message[] = [...chatOf(200, 100), { role: 'user', content: 'Q' }]
    const run = agent.stream(given)
    await collect(run)
    expect(requests).toHaveLength(steps + 1)
    expect(counted.length).toBeLessThanOrEqual(1)
    const added = structuredClone(await run.messages)
    await agent.generate([...structuredClone(given), ...added, { role: 'user', content: 'And?' }])
    expect(counted.length).toBeLessThanOrEqual(1)
  })

  it('counts again when what was added may not fit, so that it is never over', async () => {
    const look = tool({ name: 'look', description: '', execute: ({ n }) => 'r'.repeat(Number(n)) })
    const calls = Array.from({ length: 15 }, (_, at) => ({ toolCalls: [{ name: 'look', input: { n: 1500 + at } }] }))
    const { model, counted, requests, count } = countingModel([...calls, 'done'], { contextTokens: 4000 })
    await agentOf({ model, tools: [look] }).generate('Go')
    expect(requests).toHaveLength(16)
    for (const request of requests) expect(await count(request)).toBeLessThanOrEqual(3000)
    expect(counted.length).toBeLessThan(requests.length * 1.5)
  })

  it('trusts no bound for a model that counts more than bytes', async () => {
    const countTokens: Counter = ({ messages }) =>
      messages.reduce((sum, message) => sum + 40 * textOf(message).length, 0)
    let conversation: Message[] = chatOf(60, 30)
    const budget = countTokens({ messages: conversation }) + 6_000
    const model = scriptedModel(Array(12).fill('a'.repeat(20)), { contextTokens: budget + 1024, countTokens })
    const agent = agentOf({ model })
    for (let at = 0; at < 12; at++) {
      conversation = [...conversation, { role: 'user', content: `question ${at}` }]
      conversation = [...conversation, ...(await agent.generate(conversation)).messages]
    }
    for (const request of model.requests) expect(countTokens(request)).toBeLessThanOrEqual(budget)
    expect(Math.max(...model.requests.map(countTokens))).toBeGreaterThan(budget * 0.95)
  })

  it('never counts a chat whole that is far too long', async () => {
    const { model, counted, requests, count } = countingModel(['ok'], { contextTokens: 4000 })
    const given: Message[] = [...chatOf(200, 700), { role: 'user', content: 'Q' }]
    await agentOf({ model }).generate(given)
    expect(Math.max(...counted)).toBeLessThan(30)
    expect(counted.length).toBeLessThanOrEqual(4)
    const tokens = await count(requests[0] as ModelRequest)
    expect(tokens).toBeLessThanOrEqual(1800)
    expect(tokens).toBeGreaterThan(1500)
    // Also where a token is something else: a message each, so that all of it fits.
    const odd = scriptedModel(['ok'], { contextTokens: 4000, countTokens: ({ messages }) => messages.length })
    await agentOf({ model: odd }).generate(given)
    expect(odd.requests[0]?.messages).toHaveLength(given.length)
  })

  it('trims 400 messages with a handful of counts, whatever a token is', async () => {
    for (const count of COUNTERS) {
      let counts = 0
      const countTokens = (request: ModelRequest) => {
        counts++
        return count(request)
      }
      const given: Message[] = [...chatOf(200, 700), { role: 'user', content: 'Q' }]
      const whole = count({ messages: given })
      const contextTokens = Math.floor(whole / 2)
      const model = scriptedModel([], { contextTokens, countTokens })
      const job = jobOf({ model, context: { reserveTokens: 100 } })
      const request = await buildRequest(job, model, { ...STEP, conversation: [...given], documents: undefined })
      const budget = contextTokens - 100
      expect(count(request)).toBeLessThanOrEqual(budget * 0.6)
      expect(count(request)).toBeGreaterThan(budget * 0.5)
      expect(counts).toBeLessThanOrEqual(4)
    }
  })
})

describe('§4 old turns may be summed up', () => {
  const given: Message[] = [...chatOf(20), { role: 'user', content: 'Last?' }]
  const isSummary = ({ messages }: ModelRequest) => textOf(messages[0]).startsWith('Sum up')

  it('by the model, in so many tokens at most', async () => {
    const model = scriptedModel(['They spoke of x and y.', 'ok'], { contextTokens: 800 })
    const run = agentOf({ model, context: { summarise: { maxTokens: 50 } }, sampling: { maxTokens: 100 } }).stream(
      given,
    )
    const parts = await collect(run)
    const [asked, answered] = model.requests as [ModelRequest, ModelRequest]
    expect(isSummary(asked)).toBe(true)
    expect(asked.sampling).toMatchObject({ maxTokens: 50 })
    expect(await model.countTokens(asked)).toBeLessThanOrEqual(750)
    expect(textOf(asked.messages[1])).toContain('question 0')
    expect(textOf(answered.messages[0])).toContain('They spoke of x and y.')
    expect(answered.messages.map(({ role }) => role).slice(0, 3)).toEqual(['user', 'assistant', 'user'])
    expect(answered.messages.at(-1)?.content).toBe('Last?')
    expect(await model.countTokens(answered)).toBeLessThanOrEqual(420)
    expect(trimmedIn(parts)[0]?.message).toMatch(/a summary took their place/)
    expect(await run.text).toBe('ok')
    // What it cost is the run's.
    expect((await run.usage).promptTokens).toBe((await model.countTokens(asked)) + (await model.countTokens(answered)))
    expect((await run.finish).steps).toBe(1)
  })

  it.each<[string, ScriptedTurnSource]>([
    ['fails', { error: new Error('no') }],
    ['is empty', '<think>hm</think>'],
    ['is far too long', 'z'.repeat(5000)],
    ['does not come in time', () => new Promise<string>(() => {})],
  ])('and are dropped when the summary %s', async (_, turn) => {
    const model = scriptedModel([turn, 'ok'], { contextTokens: 800 })
    const context = { summarise: { timeoutMs: 40 } }
    const run = agentOf({ model, context, sampling: { maxTokens: 100 } }).stream(given)
    const parts = await collect(run)
    expect(await run.text).toBe('ok')
    const answered = model.requests[1] as ModelRequest
    expect(textOf(answered.messages[0])).toMatch(/^question/)
    expect(await model.countTokens(answered)).toBeLessThanOrEqual(420)
    expect(trimmedIn(parts)[0]?.message).not.toMatch(/summary/)
  })

  it('and the run can be aborted meanwhile', async () => {
    const model = scriptedModel([() => new Promise<string>(() => {}), 'never'], { contextTokens: 800 })
    const run = agentOf({ model, context: { summarise: true } }).stream(given)
    const finish = run.finish
    while (model.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    run.abort()
    expect((await finish).reason).toBe('aborted')
    expect(model.requests).toHaveLength(1)
  })

  it('again and again: the summary is part of the next one', async () => {
    const turns = Array.from(
      { length: 100 },
      (): ScriptedTurnSource => (request) => (isSummary(request) ? 'SUMMARY' : `a ${'y'.repeat(100)}`),
    )
    const model = scriptedModel(turns, { contextTokens: 800 })
    const agent = agentOf({ model, context: { summarise: true }, sampling: { maxTokens: 100 } })
    let conversation: Message[] = []
    for (let at = 0; at < 40; at++) {
      conversation = [...conversation, { role: 'user', content: `question ${at} ${'x'.repeat(100)}` }]
      const { messages } = await agent.generate(conversation)
      conversation = [...conversation, ...messages]
    }
    const asked = model.requests.filter(isSummary)
    expect(asked.length).toBeGreaterThan(1)
    expect(asked.length).toBeLessThan(15)
    for (const request of asked.slice(1)) expect(textOf(request.messages[1])).toContain('SUMMARY')
    expect(textOf(model.requests.at(-1)?.messages[0])).toContain('SUMMARY')
    for (const request of model.requests) expect(await model.countTokens(request)).toBeLessThanOrEqual(700)
  })
})

describe('§4 a budget of time', () => {
  const measured = (msPerToken: number, reuse = false, turns: readonly string[] = ['ok', 'ok']) => {
    const inner = scriptedModel(turns, { contextTokens: 8000 })
    const model: ChatModel = { ...inner, capabilities: { ...inner.capabilities, prefixReuse: reuse } }
    const usage = { promptTokens: 1000, completionTokens: 1, cachedTokens: 900 }
    // The first one has compiling in it.
    notePrefill(model, { ...usage, prefillMs: 10_000 + 100 * msPerToken })
    notePrefill(model, { ...usage, prefillMs: 100 * msPerToken })
    return { model, requests: inner.requests, count: inner.countTokens }
  }
  const hits = Array.from({ length: 10 }, (_, at) => hitOf(at, 100))
  const corpus = corpusOf(() => hits)
  const passagesIn = (request: ModelRequest | undefined) => textOf(request?.messages.at(-1)).match(/Passage \d/g) ?? []

  it('leaves out passages on a slow device, the best first to stay, and says so', async () => {
    const { model, requests, count } = measured(10)
    const parts = await collect(agentOf({ model, corpus }).stream('Q'))
    // 500 tokens in 5 seconds.
    expect(await count(requests[0] as ModelRequest)).toBeLessThanOrEqual(500)
    expect(passagesIn(requests[0])).toEqual(['Passage 0', 'Passage 1', 'Passage 2'])
    const [report] = trimmedIn(parts)
    expect(report).toMatchObject({ droppedMessages: 0, droppedPassages: 7 })
    expect(report?.message).toMatch(/could not have read in time/)
  })

  it('gives all on a fast one, and on one that nobody has measured', async () => {
    const { model, requests } = measured(1)
    await agentOf({ model, corpus }).generate('Q')
    expect(passagesIn(requests[0])).toHaveLength(10)
    const unknown = scriptedModel(['ok'])
    await agentOf({ model: unknown, corpus }).generate('Q')
    expect(passagesIn(unknown.requests[0])).toHaveLength(10)
  })

  it('holds the time that the agent asks for, and none with Infinity', async () => {
    const fast = measured(1)
    await agentOf({ model: fast.model, corpus, context: { targetFirstTokenMs: 400 } }).generate('Q')
    expect(await fast.count(fast.requests[0] as ModelRequest)).toBeLessThanOrEqual(400)
    expect(passagesIn(fast.requests[0]).length).toBeGreaterThan(0)
    const slow = measured(50)
    await agentOf({ model: slow.model, corpus, context: { targetFirstTokenMs: Number.POSITIVE_INFINITY } }).generate(
      'Q',
    )
    expect(passagesIn(slow.requests[0])).toHaveLength(10)
  })

  it('keeps some of the best passage and the question, however slow', async () => {
    const { model, requests } = measured(1000)
    const long = { ...hitOf(0), text: 'One fact is here. '.repeat(60), span: [0, 1080] as const }
    const agent = agentOf({ model, corpus: corpusOf(() => [long, ...hits]) })
    await agent.generate('Q')
    const prompt = textOf(requests[0]?.messages.at(-1))
    expect(prompt).toContain('One fact is here.')
    expect(prompt).not.toMatch(/Passage \d/)
    expect(prompt.endsWith('Q')).toBe(true)
    expect(prompt.length).toBeLessThan(1000)
    expect(prompt.match(/One fact/g)?.length).toBeGreaterThan(10)
  })

  it('leaves out old turns too, but for those that the engine has read already', async () => {
    const history = chatOf(20, 100)
    const forgetful = measured(10)
    const agent = agentOf({ model: forgetful.model })
    const parts = await collect(agent.stream([...history, { role: 'user', content: 'Q' }]))
    expect(await forgetful.count(forgetful.requests[0] as ModelRequest)).toBeLessThanOrEqual(500)
    expect(forgetful.requests[0]?.messages.length).toBeGreaterThan(4)
    expect(trimmedIn(parts)).toHaveLength(1)
    const { model, requests } = measured(10, true)
    const context = { targetFirstTokenMs: Number.POSITIVE_INFINITY }
    const first: Message[] = [...history, { role: 'user', content: 'Q' }]
    await agentOf({ model, context }).generate(first)
    await agentOf({ model }).generate([...first, { role: 'assistant', content: 'ok' }, { role: 'user', content: 'R' }])
    expect(requests[1]?.messages).toHaveLength(history.length + 3)
  })

  it('keeps what has been read when the new question alone takes too long', async () => {
    const { model, requests } = measured(10, true)
    const first: Message[] = [...chatOf(5, 100), { role: 'user', content: 'Q' }]
    const agent = agentOf({ model })
    await agent.generate(first)
    const long = { role: 'user', content: 'x'.repeat(4000) } as const
    await agent.generate([...first, { role: 'assistant', content: 'ok' }, long])
    expect(requests[1]?.messages).toHaveLength(first.length + 2)
  })

  it('shortens the passage of a model that is not to be trusted alone', async () => {
    const text = `Leave is 28 days. ${'It is so for all who work here. '.repeat(60)}`
    const search = () => [{ ...hitOf(0), text, span: [0, text.length] as const }]
    const lengths: number[] = []
    for (const msPerToken of [1, 1000]) {
      const model = scriptedModel(['ok'], { trust: 'draft' })
      const usage = { promptTokens: 1000, completionTokens: 1, prefillMs: 1000 * msPerToken }
      for (let time = 0; time < 2; time++) notePrefill(model, usage)
      await agentOf({ model, corpus: corpusOf(search) }).generate('How many days of leave?')
      lengths.push(textOf(model.requests[0]?.messages.at(-1)).length)
    }
    expect(lengths[0]).toBeGreaterThan(700)
    expect(lengths[1]).toBeLessThan(600)
    expect(lengths[1]).toBeGreaterThan(200)
  })

  it('learns nothing from answers of the cache, from a few tokens, or from the first answer alone', async () => {
    const model = scriptedModel(['ok'])
    for (const usage of [
      { promptTokens: 1000, prefillMs: 100_000, cache: 'hit' as const },
      { promptTokens: 1000, prefillMs: 100_000, cachedTokens: 990 },
      { promptTokens: 1000 },
    ]) {
      for (let time = 0; time < 3; time++) notePrefill(model, { completionTokens: 1, ...usage })
    }
    notePrefill(model, { completionTokens: 1, promptTokens: 1000, prefillMs: 100_000 })
    await agentOf({ model, corpus }).generate('Q')
    expect(passagesIn(model.requests[0])).toHaveLength(10)
  })
})
