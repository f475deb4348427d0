// behaviours.md, section 8: "If all documents fit, all are given." And section 4: a budget of time, measured by the runs themselves.
import { describe, expect, it } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import type { RetrievalOptions } from '../../../src/agents/options.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { Corpus, Hit } from '../../../src/protocol/corpus.js'
import type { ChatModel, ModelPart } from '../../../src/protocol/model.js'
import { corpusOf, hitOf, textOf } from './context-fixtures.js'

const texts = [
  'Tea is in stock. Boxes: 317. The shelf is green.',
  'The cellar is dry. Nobody has a key but Marit.',
  'Paint the boat in May.',
]

/** A corpus of these texts in which a search finds this part of one. */
function shelf(found: readonly (readonly [document: number, part: string])[], all = texts) {
  const hits = found.map(([at, part], index): Hit => {
    const start = all[at]?.indexOf(part) ?? -1
    const source = { id: `d${at}`, title: `Title ${at}`, page: 7, headings: ['Found'] }
    return { id: `h${index}`, text: part, score: 1 - index / 10, ranks: {}, source, span: [start, start + part.length] }
  })
  const asked: string[] = []
  const corpus = {
    name: 'shelf',
    search: async () => hits,
    stats: async () => ({ documents: all.length }),
    list: async () => all.map((text, at) => ({ id: `d${at}`, bytes: new TextEncoder().encode(text).length })),
    get: async (id: string) => {
      asked.push(id)
      const at = Number(id.slice(1))
      return { id, title: `Title ${at}`, text: all[at], metadata: {} }
    },
  } as unknown as Corpus
  return { corpus, asked }
}

async function promptOf(corpus: Corpus, retrieval?: RetrievalOptions, trust: 'answer' | 'draft' = 'answer') {
  const model = scriptedModel(['ok'], { trust })
  await createAgent({ model, corpus, retrieval }).generate('How many boxes of tea are there?')
  return textOf(model.requests[0]?.messages.at(-1))
}

describe('§8 If all documents fit, all are given', () => {
  it('each once, in document order, and what was found keeps its place', async () => {
    const prompt = await promptOf(
      shelf([
        [0, 'Boxes: 317.'],
        [1, 'Nobody has a key'],
      ]).corpus,
    )
    for (const words of ['Tea is in stock.', 'Boxes: 317.', 'The shelf is green.', 'but Marit', 'Paint the boat']) {
      expect(prompt.split(words).length, words).toBe(2)
    }
    const places = ['Tea is in stock.', 'Boxes: 317.', 'The shelf', 'The cellar', 'Nobody', 'Marit', 'Paint'].map(
      (words) => prompt.indexOf(words),
    )
    expect(places).toEqual(places.toSorted((first, second) => first - second))
    expect(prompt).toContain('Title 0, page 7 (Found)')
  })

  it('and where they do not, or a filter is set, or the model reads one passage only: what was found', async () => {
    const large = [...texts, 'z '.repeat(20_000)]
    const { corpus, asked } = shelf([[0, 'Boxes: 317.']], large)
    expect(await promptOf(corpus)).not.toContain('Paint')
    expect(asked).toEqual([])
    const { corpus: small } = shelf([[0, 'Boxes: 317.']])
    expect(await promptOf(small, { where: { shelf: 'green' } })).not.toContain('Paint')
    expect(await promptOf(small, { passageTokens: 10 })).not.toContain('Paint')
    expect(await promptOf(small, undefined, 'draft')).not.toContain('Paint')
    const many = shelf([[0, 'Boxes: 317.']], [...texts, ...Array<string>(60).fill('x')])
    expect(await promptOf(many.corpus)).not.toContain('Paint')
  })

  it('and what was found is given where the corpus cannot be listed', async () => {
    const { corpus } = shelf([[0, 'Boxes: 317.']])
    const broken = { ...corpus, list: async () => Promise.reject(new Error('no')) } as Corpus
    expect(await promptOf(broken)).toContain('Boxes: 317.')
  })
})

describe('§4 Engines report their measured prefill rates', () => {
  it('and a run after two slow ones is given fewer passages, within what can be read in time', async () => {
    const inner = scriptedModel(Array(4).fill('ok'), { contextTokens: 8000 })
    // 10 ms a token, as usage tells it: 500 tokens in 5 seconds.
    const slow: ChatModel = {
      ...inner,
      stream: (request, options) =>
        inner.stream(request, options).pipeThrough(
          new TransformStream<ModelPart, ModelPart>({
            transform(part, controller) {
              if (part.type !== 'model-usage') return controller.enqueue(part)
              const prefillMs = part.usage.promptTokens * 10
              controller.enqueue({ ...part, usage: { ...part.usage, prefillMs } })
            },
          }),
        ),
    }
    const corpus = corpusOf(() => Array.from({ length: 10 }, (_, at) => hitOf(at, 100)))
    const agent = createAgent({ model: slow, corpus })
    for (let round = 0; round < 4; round++) await agent.generate('Q')
    const passages = inner.requests.map((request) => textOf(request.messages.at(-1)).match(/Passage \d/g)?.length)
    expect(passages.slice(0, 2)).toEqual([10, 10])
    for (const count of passages.slice(2)) expect(count).toBeLessThan(5)
    expect(await inner.countTokens(inner.requests[2] as never)).toBeLessThanOrEqual(500)
  })
})
