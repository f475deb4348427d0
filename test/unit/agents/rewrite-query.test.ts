import { describe, expect, it } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { extractiveModel } from '../../../src/engines/extractive/extractive.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { Corpus, Hit } from '../../../src/protocol/corpus.js'

const passage = 'The heron stands in the river.'
const found: Hit = {
  id: 'a#0',
  text: passage,
  score: 1,
  ranks: {},
  source: { id: 'a', title: 'a', headings: [] },
  span: [0, passage.length],
}

function openCorpus() {
  const searches: unknown[][] = []
  const search = async (...given: unknown[]) => {
    searches.push(given)
    return [found]
  }
  return { searches, corpus: { name: 'birds', search } as unknown as Corpus }
}

describe('retrieval.rewrite', () => {
  it('searches with what the model writes beside the question, and passes the other options on', async () => {
    const { corpus, searches } = openCorpus()
    const model = scriptedModel([
      '1. heron habitat\n- "where herons stand"\n\nheron habitat\nfour\nfive',
      'In the river [1].',
    ])
    const retrieval = { rewrite: true, weights: { vector: 2 }, diversity: 0.3, rerank: true }
    const run = createAgent({ model, corpus, retrieval }).stream([
      { role: 'user', content: 'Do you know herons?' },
      { role: 'assistant', content: 'Yes.' },
      { role: 'user', content: 'Where does it live?' },
    ])
    expect(await run.text).toBe('In the river [1].')
    expect(searches).toMatchObject([
      [
        ['Where does it live?', 'heron habitat', 'where herons stand', 'four'],
        { weights: { vector: 2 }, diversity: 0.3, rerank: true },
      ],
    ])
    const asked = String(model.requests[0]?.messages[0]?.content)
    expect(asked).toContain('user: Do you know herons?\nassistant: Yes.\nuser: Where does it live?')
    expect((await run.usage).completionTokens).toBeGreaterThan(15)
  })

  it('is off by default: the model is asked for its answer only', async () => {
    const { corpus, searches } = openCorpus()
    const model = scriptedModel(['In the river [1].'])
    await createAgent({ model, corpus }).generate('Where is it?')
    expect(searches[0]?.[0]).toBe('Where is it?')
    expect(model.requests).toHaveLength(1)
  })

  it('goes by the question where the model fails, writes nothing of use, or only quotes', async () => {
    for (const first of [{ error: new Error('no') }, ' \n- \n', 'x'.repeat(300)]) {
      const { corpus, searches } = openCorpus()
      const model = scriptedModel([first, 'In the river [1].'])
      const { text } = await createAgent({ model, corpus, retrieval: { rewrite: true } }).generate('Where is it?')
      expect(text).toBe('In the river [1].')
      expect(searches[0]?.[0]).toBe('Where is it?')
    }
    const { corpus, searches } = openCorpus()
    await createAgent({ model: extractiveModel(), corpus, retrieval: { rewrite: true } }).generate('heron river?')
    expect(searches[0]?.[0]).toBe('heron river?')
  })
})
