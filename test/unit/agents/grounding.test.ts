import { readFileSync } from 'node:fs'
import { describe, expect, it, test } from 'vitest'
import { findClaims } from '../../../src/agents/grounding.js'
import type { Passage } from '../../../src/agents/passages.js'
import { scoreSupport } from '../../../src/agents/sentence-support.js'

const passageOf = (text: string, start = 0): Passage => ({
  number: 1,
  rank: 0,
  source: { id: 'doc', title: 'doc', headings: [] },
  span: [start, start + text.length],
  text,
})

const read = (file: string) =>
  JSON.parse(readFileSync(new URL(`../../fixtures/grounding/${file}`, import.meta.url), 'utf8'))

interface Question {
  readonly id: string
  readonly passage: string
  readonly answer: string | null
}

/** What an answer has that is in the passage, and what it has that is not: told by a person. */
type Labels = Readonly<Record<string, { readonly supported: string[]; readonly unsupported: string[] }>>

const claimsOf = (answer: string, passage: string) =>
  findClaims(answer, [passage]).map(({ answerSpan, kind, supported }) => ({
    text: answer.slice(...answerSpan),
    kind,
    supported,
  }))

describe('24 answers of SmolLM2-135M to questions over a passage', () => {
  const questions: Question[] = read('questions.json')
  const labels: Labels = read('labels.json')
  const { answers }: { answers: Readonly<Record<string, string | null>> } = read('answers.json')

  it('are all there, five of them without an answer in the passage', () => {
    expect(questions).toHaveLength(24)
    expect(questions.filter(({ answer }) => answer === null)).toHaveLength(5)
    expect(Object.keys(answers).sort()).toEqual(questions.map(({ id }) => id).sort())
    expect(Object.keys(labels).sort()).toEqual(Object.keys(answers).sort())
  })

  test.each(questions)('$id', ({ id, passage }) => {
    const claims = claimsOf(answers[id] ?? '', passage)
    const { supported = [], unsupported = [] } = labels[id] ?? {}
    const marked = claims.filter((claim) => !claim.supported).map(({ text }) => text)
    // Each invention is marked, and nothing else; what is in the passage is found to be.
    expect(marked).toEqual(unsupported)
    const found = claims.filter((claim) => claim.supported).map(({ text }) => text)
    for (const text of supported) expect(found.some((claim) => claim.includes(text) || text.includes(claim))).toBe(true)
  })
})

describe('what is in the passage is found, however it is written', () => {
  test.each([
    ['1,000 people', 'There were 1000 people.'],
    ['1000 people', 'There were one thousand people.'],
    ['one thousand people came', '1,000 people came.'],
    ['1 000 people', '1,000 people'],
    ['twenty-five people', '25 people'],
    ['25 people', 'It was twenty-five people.'],
    ['two hundred and fifty', '250'],
    ['3 million euros', '3,000,000 euros'],
    ['3.5 million', '3,500,000'],
    ['5 percent', '5%'],
    ['5% of it', 'It is five per cent.'],
    ['12,5 Prozent', '12.5%'],
    ['the total is 12.480,50 euros', '12,480.50'],
    ['costs 940 euros', '€940'],
    ['in the first place', '1st place'],
    ['from 1874-1880', 'until 1880'],
    ['on 3 May 2024', 'May 3, 2024'],
    ['on 3 May 2024', '2024-05-03'],
    ['2024-05-03', '3 May 2024'],
    ['03/05/2024', '3 May 2024'],
    ['3.5.2024', '3 May 2024'],
    ['3 May 2024', 'May 2024'],
    ['J. K. Rowling wrote', 'J.K. Rowling'],
    ['Joanne Rowling wrote', 'Rowling and J. Rowling'],
    ["Renwick's tower", 'Renwick'],
    ['He met Ada Lovelace', 'Lovelace, Ada'],
    ['Dr. Amara Okafor came', 'Dr. Okafor'],
    ['the United States', 'It was the US and the U.S. too.'],
    ['the house that stood on the hill burned down', 'He said "the house … burned down".'],
    ['the house that stood on the hill burned down', 'He said "the house [...] burned down."'],
    ['图书馆有三百本书', '有300本书'],
    ['图书馆有300本书', '有三百本书'],
    ['共有二十五人', '共25人'],
    ['一九九八年成立', '1998年'],
    ['二〇〇三年三月五日', '2003年3月5日'],
    ['1998年3月5日', '1998-03-05'],
    ['3万元', '30000元'],
    ['知识就是力量', '他说“知识就是力量”。'],
  ])('%s: %s', (passage, answer) => {
    const claims = claimsOf(answer, passage)
    expect(claims.length).toBeGreaterThan(0)
    expect(claims.filter(({ supported }) => !supported)).toEqual([])
  })
})

describe('what is not in the passage is marked, however near it comes', () => {
  test.each([
    ['25 people', 'twenty-six people', 'twenty-six'],
    ['5 km away', '5 kg', '5'],
    ['1.5 million', '1.5', '1.5'],
    ['costs $5', 'It costs €5.', '5'],
    ['on 3 May 2024', '4 May 2024', '4 May 2024'],
    ['on 3 May 2024', '5 March 2024', '5 March 2024'],
    ['on 3 May, and in 2025', '3 May 2025', '3 May 2025'],
    ['Mary Smith and John Brown met', 'It was John Smith.', 'John Smith'],
    ['Mary Smith and John Brown met', 'Mary Smith and Tom Cole met.', 'Tom Cole'],
    ['the house that stood on the hill burned down', 'He said "the house … fell down".', '"the house … fell down"'],
    ['the hill burned, then the house fell', 'He said "the house … the hill".', '"the house … the hill"'],
    ['1998年3月5日', '1998年3月6日', '1998年3月6日'],
    ['三十人', '四十人', '四十'],
    ['知识就是力量', '他说“力量就是知识”。', '“力量就是知识”'],
    ['The museum in Oslo', 'Bergen has a museum', 'Bergen'],
    ['a dog', 'I like NATO', 'NATO'],
  ])('%s: %s', (passage, answer, marked) => {
    const unsupported = claimsOf(answer, passage).filter(({ supported }) => !supported)
    expect(unsupported.map(({ text }) => text)).toEqual([marked])
  })
})

describe('sentence support', () => {
  const text = 'The lighthouse was built in 1874 by Thomas Renwick. It stands 41 metres high. It was automated in 1988.'
  const support = (answer: string, offset = 0) => scoreSupport(answer, [passageOf(text, 100)], offset)

  it('is 1 for a quotation, high for the same in other order, 0 for what is not there', () => {
    const answer = 'It stands 41 metres high. Thomas Renwick built the lighthouse [1]. Penguins swim well.'
    const [quote, turned, invented] = support(answer, 10)
    expect(quote).toEqual({ answerSpan: [10, 35], support: 1, sourceId: 'doc', span: [152, 177] })
    expect(turned?.support).toBeGreaterThan(0.8)
    expect(text.slice(...(turned?.span ?? [0, 0]).map((at) => at - 100))).toMatch(/^The lighthouse was built/)
    expect(invented).toEqual({ answerSpan: [77, 96], support: 0 })
  })

  it('falls with each word that is not there, and passes over sentences without content', () => {
    const [all] = support('The lighthouse was automated in 1988.')
    const [some] = support('The lighthouse was painted red in 1988.')
    expect(all?.support).toBeGreaterThan(some?.support ?? 1)
    expect(support('Is it? So be it.')).toEqual([])
    expect(scoreSupport('Anything at all.', [], 0)).toEqual([{ answerSpan: [0, 16], support: 0 }])
  })

  it('tells sentences of the recorded answers that are in the passage from those that are made up', () => {
    const questions: Question[] = read('questions.json')
    const { answers }: { answers: Readonly<Record<string, string>> } = read('answers.json')
    const of = (id: string) => {
      const passage = questions.find((one) => one.id === id)?.passage ?? ''
      return scoreSupport(answers[id] ?? '', [passageOf(passage)], 0).map((one) => one.support)
    }
    expect(Math.min(...of('contract'))).toBeGreaterThan(0.9)
    expect(Math.max(...of('none-leave'))).toBeLessThan(0.5)
  })
})
