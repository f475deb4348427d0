import { describe, expect, it } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { Corpus } from '../../../src/protocol/corpus.js'
import type { Message, MessagePart } from '../../../src/protocol/message.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'

/** A small seeded generator (Park and Miller). */
function random(seed: number) {
  let state = seed
  return (below: number) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

function history(seed: number): Message[] {
  const next = random(seed)
  const text = () => 'word '.repeat(1 + next(next(4) === 0 ? 300 : 30))
  const messages: Message[] = next(3) === 0 ? [{ role: 'system', content: 'S'.repeat(next(80)) }] : []
  for (let turn = next(8); turn >= 0; turn--) {
    messages.push({ role: 'user', content: text() })
    for (let step = next(4); step > 0; step--) {
      const ids = Array.from({ length: 1 + next(3) }, (_, at) => `${turn}-${step}-${at}`)
      messages.push({
        role: 'assistant',
        content: ids.map((callId) => ({ type: 'tool-call', callId, name: 'look', input: { q: next(9) } })),
      })
      messages.push({
        role: 'tool',
        content: ids.map((callId) => ({ type: 'tool-result', callId, name: 'look', output: { text: text() } })),
      })
    }
    if (turn > 0) messages.push({ role: 'assistant', content: text() })
  }
  return messages
}

const partsOf = ({ content }: Message): readonly MessagePart[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : content

function idsOf(messages: readonly Message[], type: 'tool-call' | 'tool-result'): string[] {
  return messages.flatMap(partsOf).flatMap((part) => (part.type === type ? [(part as { callId: string }).callId] : []))
}

describe('context', () => {
  it('is never over the budget, over many random histories, and keeps what must stay', async () => {
    let trimmed = 0
    let refused = 0
    for (let seed = 1; seed <= 1500; seed++) {
      const contextTokens = 60 + (seed % 40) * 20
      const messages = history(seed * 31 + 7)
      const before = structuredClone(messages)
      const model = scriptedModel(['ok'], { contextTokens })
      const dialect = seed % 3 === 0 ? 'hermes' : 'auto'
      const run = createAgent({ model, instructions: 'Be brief.', sampling: { maxTokens: 20 }, dialect }).stream(
        messages,
      )
      const { reason, error } = await run.finish
      expect(messages).toEqual(before)
      const [request] = model.requests
      if (request === undefined) {
        refused++
        expect(error?.code).toBe('context-overflow')
        continue
      }
      expect(reason).toBe('stop')
      expect(await model.countTokens(request)).toBeLessThanOrEqual(contextTokens - 20)
      expect(textOf(request.messages[0])).toContain('Be brief.')
      const lastUser = messages.findLast(({ role }) => role === 'user')
      if (dialect === 'auto') {
        expect(request.messages.findLast(({ role }) => role === 'user')).toEqual(lastUser)
        expect(idsOf(request.messages, 'tool-call')).toEqual(idsOf(request.messages, 'tool-result'))
      } else {
        expect(request.messages.some((message) => textOf(message).includes(textOf(lastUser)))).toBe(true)
      }
      if (request.messages.length < messages.length) trimmed++
    }
    expect(trimmed).toBeGreaterThan(300)
    expect(refused).toBeLessThan(700)
  })

  it('drops old turns first, down to 60 % of the budget, and says so', async () => {
    const turns = Array.from({ length: 20 }, (_, at): Message[] => [
      { role: 'user', content: `question ${at} ${'x'.repeat(80)}` },
      { role: 'assistant', content: `answer ${at} ${'y'.repeat(80)}` },
    ]).flat()
    const model = scriptedModel(['ok'], { contextTokens: 400 })
    const run = createAgent({ model, sampling: { maxTokens: 100 } }).stream([
      ...turns,
      { role: 'user', content: 'Last?' },
    ])
    const parts: StreamPart[] = []
    for await (const part of run) parts.push(part)
    const report = parts.find(({ type }) => type === 'context-trimmed')
    const messages = model.requests[0]?.messages ?? []
    expect(messages.at(-1)?.content).toBe('Last?')
    expect(messages[0]?.role).toBe('user')
    expect(report).toMatchObject({ droppedMessages: turns.length + 1 - messages.length })
    const tokens = await model.countTokens(model.requests[0] as never)
    expect(tokens).toBeLessThanOrEqual(180)
    expect(tokens).toBeGreaterThan(120)
  })

  it('gives up the worst passages before it fails', async () => {
    const found = Array.from({ length: 8 }, (_, at) => {
      const text = `Passage ${at}. ${'fact '.repeat(20)}`
      return {
        id: `${at}`,
        text,
        score: 1,
        ranks: {},
        source: { id: `${at}`, title: `T${at}`, headings: [] },
        span: [0, text.length],
      }
    })
    const corpus = { name: 'c', search: async () => found } as unknown as Corpus
    const model = scriptedModel(['ok'], { contextTokens: 400 })
    const agent = createAgent({ model, corpus, sampling: { maxTokens: 100 }, retrieval: { passageTokens: 1000 } })
    await agent.generate('Which passage?')
    const prompt = JSON.stringify(model.requests[0]?.messages)
    expect(prompt).toContain('Passage 0.')
    expect(prompt).not.toContain('Passage 7.')
    expect(prompt).toContain('Which passage?')
  })

  it('fails with context-overflow when the question alone is too long', async () => {
    const model = scriptedModel(['never'], { contextTokens: 100 })
    await expect(createAgent({ model }).generate('x'.repeat(1000))).rejects.toMatchObject({
      code: 'context-overflow',
      details: { budgetTokens: 75 },
    })
    expect(model.requests).toHaveLength(0)
  })

  it('shrinks long tool results within the run', async () => {
    const { tool } = await import('../../../src/tools/tool.js')
    const long = tool({ name: 'long', description: '', execute: ({ size }) => 'r'.repeat(Number(size)) })
    const model = scriptedModel(
      [
        { toolCalls: [{ name: 'long', input: { size: 3000 } }] },
        { toolCalls: [{ name: 'long', input: { size: 20_000 } }] },
        'ok',
      ],
      { contextTokens: 1500 },
    )
    const { finish, messages } = await createAgent({ model, tools: [long] }).generate('Go')
    expect(finish.reason).toBe('stop')
    expect(await model.countTokens(model.requests[2] as never)).toBeLessThanOrEqual(1125)
    const outputs = messages
      .flatMap(partsOf)
      .flatMap((part) => (part.type === 'tool-result' ? [String(part.output).length] : []))
    expect(outputs).toEqual([3000, 20_000])
  })
})

function textOf(message: Message | undefined): string {
  return message === undefined
    ? ''
    : partsOf(message)
        .map((part) => (part.type === 'text' ? part.text : ''))
        .join('\n')
}
