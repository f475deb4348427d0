import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { answerFromPassages, extractiveModel, windowAround } from '../../../src/engines/extractive/extractive.js'
import type { Hit } from '../../../src/protocol/corpus.js'
import { createTextIndex } from '../../../src/retrieval/keyword/text-index.js'
import { contentTerms, isChinese, stem } from '../../../src/text/terms.js'

function passage(id: string, text: string, start = 0, headings: string[] = []): Hit {
  const source = { id, title: id, headings }
  return { id, text, score: 1, ranks: {}, source, span: [start, start + text.length] }
}

const hours = passage(
  'Hours',
  'The library was founded in 1923 by Anna Berg. It opens at nine on weekdays. On Saturdays the doors open at ten.\n\n| Room | Seats |\n| Blue | 24 |\n| Red | 60 |',
  500,
)
const rules = passage(
  'Rules',
  'Books may be kept for four weeks. They are renewed online. Coffee is not allowed because it stains.',
)
const chinese = passage('规则', '图书馆成立于1923年。读者可以借阅图书四个星期。馆内禁止饮食，因为会弄脏书籍。')

describe('answerFromPassages', () => {
  it.each([
    ['Who founded the library?', 'The library was founded in 1923 by Anna Berg.'],
    ['When does the library open on weekdays?', 'It opens at nine on weekdays.'],
    ['How long can I keep books?', 'Books may be kept for four weeks.'],
    ['Why is coffee forbidden?', 'Coffee is not allowed because it stains.'],
    ['How many seats has the Red room?', '| Red | 60 |'],
  ])('%s', (question, sentence) => {
    const { text, citations } = answerFromPassages(question, [hours, rules])
    expect(text).toContain(sentence)
    expect(citations.length).toBeLessThanOrEqual(3)
    for (const { quote, span, source, answerSpan, verified } of citations) {
      const hit = source.id === 'Hours' ? hours : rules
      expect(hit.text.slice(span[0] - hit.span[0], span[1] - hit.span[0])).toBe(quote)
      expect(text.slice(...(answerSpan ?? [0, 0]))).toBe(quote)
      expect(verified).toBe(true)
    }
  })

  it('answers in Chinese', () => {
    expect(answerFromPassages('图书馆是哪一年成立的？', [chinese]).text).toBe('图书馆成立于1923年。')
    expect(answerFromPassages('为什么不能在馆内饮食？', [chinese]).text).toContain('弄脏书籍')
    expect(answerFromPassages('海洋有多深？', [chinese])).toMatchObject({
      citations: [],
      text: expect.stringContaining('没有找到'),
    })
  })

  it('quotes a sentence that leans on the one before together with that', () => {
    expect(answerFromPassages('Are books renewed online?', [rules]).text).toBe(
      'Books may be kept for four weeks. They are renewed online.',
    )
  })

  it.each(['What is the capital of France?', 'Who won the cup?', 'hello', '???', ''])(
    'says that nothing answers: %j',
    (question) => {
      expect(answerFromPassages(question, [hours, rules]).citations).toEqual([])
    },
  )

  it('does not quote the same place twice from passages that overlap', () => {
    const first = passage('A', 'One. The key is under the mat. Three.', 0)
    const second = passage('A', 'The key is under the mat. Three. Four.', 5)
    expect(answerFromPassages('Where is the key?', [first, second]).citations).toHaveLength(1)
  })

  it('finds a window of sentences around a quote', () => {
    const long = passage('L', Array.from({ length: 40 }, (_, at) => `Sentence number ${at} is here.`).join(' '), 100)
    const [quote] = answerFromPassages('Which is sentence number 20?', [long]).quotes
    const { text, span } = windowAround(quote as never, 60)
    expect(text).toContain('Sentence number 20 is here.')
    expect(text.length).toBeLessThanOrEqual(245)
    expect(long.text.slice(span[0] - 100, span[1] - 100)).toBe(text)
  })
})

describe('extractiveModel', () => {
  it('says what it cannot do without documents', async () => {
    const parts: unknown[] = []
    const stream = extractiveModel().stream({ messages: [{ role: 'user', content: '你好' }] })
    await stream.pipeTo(new WritableStream({ write: (part) => void parts.push(part) }))
    expect(parts[0]).toMatchObject({ type: 'text-delta', text: expect.stringContaining('只能引用文档') })
  })
})

describe('terms', () => {
  it('are stemmed alike', () => {
    for (const [first, second] of [
      ['founded', 'founding'],
      ['cities', 'city'],
      ['stopped', 'stops'],
      ['boxes', 'box'],
      ['used', 'using'],
    ]) {
      expect(stem(first ?? '')).toBe(stem(second ?? ''))
    }
    expect(stem('bus')).toBe('bus')
    expect(contentTerms("What is Anna's sea-level in 1,024.5 m?").map(({ term }) => term)).toEqual([
      'anna',
      'sea',
      'level',
      '1,024.5',
      'm',
    ])
    expect(contentTerms('图书馆在哪里').map(({ term }) => term)).toEqual(['图书', '书馆'])
  })

  it('know Chinese from Japanese and from names in Chinese characters', () => {
    expect([isChinese('你好吗'), isChinese('これは本です'), isChinese('What does 你好 mean?')]).toEqual([
      true,
      false,
      false,
    ])
  })
})

const directory = join(process.env.ALCOVE_DATA_DIR ?? '', 'retrieval/xquad-en')
const judged = process.env.ALCOVE_DATA_DIR !== undefined && existsSync(directory)

describe.skipIf(!judged)('judged questions (needs ALCOVE_DATA_DIR)', () => {
  it('are answered by the quoted sentences, with the right paragraph among four others', () => {
    const rows = (file: string) => readFileSync(join(directory, file), 'utf8').trim().split('\n')
    const docs = rows('docs.jsonl').map((row) => JSON.parse(row) as { _id: string; title: string; text: string })
    const right = new Map(rows('qrels.tsv').map((row) => row.split('\t') as [string, string]))
    const index = createTextIndex()
    index.add(docs.map(({ text, title }, id) => ({ id, text, title, headings: [] })))
    let asked = 0
    let answered = 0
    let refused = 0
    for (const [at, row] of rows('queries.jsonl').entries()) {
      if (at % 5 !== 0) continue
      const query = JSON.parse(row) as { _id: string; text: string; answers: { text: string; start: number }[] }
      const place = docs.findIndex(({ _id }) => _id === right.get(query._id))
      // Four paragraphs of the same article, and the right one in a seeded place among them.
      const near = [1, 2, 3, 4].map((step) => docs[(place + step) % docs.length] as (typeof docs)[number])
      near.splice(at % 5, 0, docs[place] as (typeof docs)[number])
      const { citations } = answerFromPassages(
        query.text,
        near.map(({ _id, text }) => passage(_id, text)),
      )
      asked++
      const has = citations.some(({ source, span }) =>
        query.answers.some(
          ({ text, start }) => source.id === right.get(query._id) && span[0] <= start && start + text.length <= span[1],
        ),
      )
      if (has) answered++
      // A near miss: the best other paragraphs by its words.
      const others = index.search(query.text, 6).rows.filter(({ id }) => id !== place)
      const missed = answerFromPassages(
        query.text,
        others.slice(0, 5).map(({ id }) => passage(docs[id]?._id ?? '', docs[id]?.text ?? '')),
      )
      if (missed.citations.length === 0) refused++
    }
    expect(asked).toBeGreaterThan(200)
    expect(answered / asked).toBeGreaterThan(0.75)
    // 0.44 where a passage need not have what the question turns on.
    expect(refused / asked).toBeGreaterThan(0.6)
  })
})
