import { describe, expect, it } from 'vitest'
import type { ContextOptions } from '../../../src/agents/context/context-options.js'
import { createDocuments } from '../../../src/agents/documents.js'
import { buildRequest } from '../../../src/agents/request.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { Message, MessagePart } from '../../../src/protocol/message.js'
import type { ModelRequest } from '../../../src/protocol/model.js'
import { tool } from '../../../src/tools/tool.js'
import { COUNTERS, type Counter, hitOf, idsOf, jobOf, partsOf, random, STEP, textOf } from './context-fixtures.js'

const RANDOM_RUNS = 10_000

function randomHistory(next: (below: number) => number): Message[] {
  const text = () => 'word 字'.repeat(1 + next(next(4) === 0 ? 150 : 15))
  const messages: Message[] = next(3) === 0 ? [{ role: 'system', content: 'S'.repeat(next(80)) }] : []
  for (let turn = next(7); turn >= 0; turn--) {
    const image: MessagePart = { type: 'image', data: 'data:,', mediaType: 'image/png' }
    const question = text()
    const id = `u${turn}`
    messages.push({ role: 'user', id, content: next(6) === 0 ? [image, { type: 'text', text: question }] : question })
    for (let step = next(3); step > 0; step--) {
      const ids = Array.from({ length: 1 + next(3) }, (_, at) => `${turn}-${step}-${at}`)
      const calls = ids.map((callId) => ({ type: 'tool-call' as const, callId, name: 'look', input: { q: next(9) } }))
      messages.push({ role: 'assistant', id: `c${turn}-${step}`, content: calls })
      const results = ids.map((callId) => ({
        type: 'tool-result' as const,
        callId,
        name: 'look',
        output: { text: text() },
      }))
      // Results of one step, together or one by one.
      if (next(2) === 0) messages.push({ role: 'tool', content: results })
      else for (const result of results) messages.push({ role: 'tool', content: [result] })
    }
    if (turn > 0) messages.push({ role: 'assistant', id: `a${turn}`, content: text() })
  }
  return messages
}

describe('§4 never over the budget', () => {
  it(`holds for ${RANDOM_RUNS} random histories, with passages, tools, images and pins`, {
    timeout: 120_000,
  }, async () => {
    const outcomes = { over: 0, whole: 0, trimmed: 0, refused: 0, orphans: 0, lost: 0, mostCounts: 0 }
    const look = tool({ name: 'look', description: 'Looks.', execute: () => '' })
    for (let seed = 1; seed <= RANDOM_RUNS; seed++) {
      const next = random(seed * 31 + 7)
      const contextTokens = 150 + next(40) * 20
      // A model that knows whether it is loaded has a tokenizer: its counts keep to the bytes.
      const isEngine = next(4) === 0
      const count = COUNTERS[isEngine ? 0 : seed % COUNTERS.length] as Counter
      const given = randomHistory(next)
      const pinned = new Set(given.filter(() => next(25) === 0).map(({ id }) => id))
      pinned.delete(undefined)
      const imageTokens = next(2) * 50
      let counts = 0
      const countTokens = async (request: ModelRequest) => {
        counts++
        return count(request)
      }
      const model = { ...scriptedModel([], { contextTokens }), countTokens, ...(isEngine && { isLoaded: true }) }
      const context: ContextOptions = { imageTokens, pin: ({ id }) => pinned.has(id), reserveTokens: 30 }
      const job = jobOf({ model, context, instructions: 'Be brief.', ...(next(2) === 0 && { tools: [look] }) })
      const conversation = [...given]
      const hits = Array.from({ length: next(3) * 3 }, (_, at) => hitOf(at, 1 + next(60)))
      const found = { hits, model, question: 'Q', passageTokens: 400, sampling: undefined }
      const documents = next(3) === 0 ? createDocuments(found) : undefined
      const request = await buildRequest(job, model, { ...STEP, conversation, documents }).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'context-overflow' })
      })
      outcomes.mostCounts = Math.max(outcomes.mostCounts, counts)
      if (!request) {
        outcomes.refused++
        continue
      }
      const images = request.messages.flatMap(partsOf).filter(({ type }) => type === 'image').length
      const tokens = count(request) + images * imageTokens
      if (tokens > contextTokens - 30) outcomes.over++
      if (conversation.length < given.length) outcomes.trimmed++
      else outcomes.whole++
      if (`${idsOf(request.messages, 'tool-call')}` !== `${idsOf(request.messages, 'tool-result')}`) outcomes.orphans++
      const last = given.findLast(({ role }) => role === 'user') as Message
      const kept = new Set(request.messages.map(({ id }) => id))
      const isQuestionThere = textOf(request.messages.findLast(({ role }) => role === 'user')).endsWith(textOf(last))
      if (!isQuestionThere || [...pinned].some((id) => !kept.has(id))) outcomes.lost++
      if (!textOf(request.messages[0]).startsWith('Be brief.')) outcomes.lost++
    }
    expect(outcomes).toMatchObject({ over: 0, orphans: 0, lost: 0 })
    expect(outcomes.trimmed).toBeGreaterThan(2_000)
    expect(outcomes.whole).toBeGreaterThan(1_000)
    expect(outcomes.refused).toBeLessThan(RANDOM_RUNS / 2)
    expect(outcomes.mostCounts).toBeLessThanOrEqual(12)
  })
})
