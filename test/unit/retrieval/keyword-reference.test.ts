import { describe, expect, test } from 'vitest'
import { isSegmentData } from '../../../src/retrieval/keyword/segment.js'
import { createTextIndex, type IndexedPassage } from '../../../src/retrieval/keyword/text-index.js'

/** Mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Words that no stemmer shortens and that no other one begins with; the first ones are frequent. */
const words = Array.from({ length: 60 }, (_, rank) => `w${rank}x`)
const wordOf = (random: () => number) => words[Math.floor(random() ** 3 * words.length)] as string
const textOf = (random: () => number, most: number) =>
  Array.from({ length: Math.floor(random() * (most + 1)) }, () => wordOf(random)).join(' ')
const passageOf = (random: () => number, id: number): IndexedPassage => ({
  id,
  text: textOf(random, 40),
  title: textOf(random, 3),
  headings: random() < 0.5 ? [] : [textOf(random, 3), textOf(random, 2)],
})

const split = (text: string) => text.split(/\s+/).filter((word) => word !== '')
const fieldsOf = ({ text, title, headings }: IndexedPassage) => [split(text), split(title), split(headings.join(' '))]
const k = 1.2
const b = 0.75

/** BM25 over three fields and pairs of neighbours, straight from the formulas, over all passages. */
function rank(passages: readonly IndexedPassage[], query: string, limit: number) {
  const all = passages.map((passage) => ({ id: passage.id, fields: fieldsOf(passage) }))
  const holders = (field: number) => all.filter(({ fields }) => (fields[field]?.length ?? 0) > 0)
  const frequency = (field: number, word: string) => all.filter(({ fields }) => fields[field]?.includes(word)).length
  const idf = (field: number, frequent: number) =>
    Math.log(1 + (holders(field).length - frequent + 0.5) / (frequent + 0.5))
  const terms = split(query)
  const averages = [0, 1, 2].map(
    (field) =>
      holders(field).reduce((sum, { fields }) => sum + (fields[field]?.length ?? 0), 0) / holders(field).length,
  )
  const idfs = new Map(terms.map((word) => [word, [0, 1, 2].map((field) => idf(field, frequency(field, word)))]))
  const scored = all.map(({ id, fields }) => {
    let score = 0
    for (const word of new Set(terms)) {
      for (const [field, weight] of [1, 0.4, 0.4].entries()) {
        const own = fields[field] ?? []
        const count = own.filter((one) => one === word).length
        if (count === 0) continue
        const norm = k * (1 - b + (b * own.length) / (averages[field] ?? 1))
        score += (weight * (idfs.get(word)?.[field] ?? 0) * count * (k + 1)) / (count + norm)
      }
    }
    return { id, score, text: fields[0] ?? [] }
  })
  const best = scored
    .filter(({ score }) => score > 0)
    .sort((x, y) => y.score - x.score || x.id - y.id)
    .slice(0, limit + 50)
  const pairs = new Set(terms.slice(1).flatMap((word, at) => (terms[at] === word ? [] : [`${terms[at]} ${word}`])))
  return best
    .map(({ id, score, text }) => {
      let sum = score
      for (const pair of pairs) {
        const [first = '', second = ''] = pair.split(' ')
        let near = 0
        for (const [at, word] of text.entries()) {
          if (word !== first) continue
          const distance = [1, 2, 3].find((step) => text[at + step] === second)
          if (distance !== undefined) near += 1 / distance ** 2
        }
        const weight = idf(0, Math.max(frequency(0, first), frequency(0, second)))
        sum += (0.3 * weight * near * (k + 1)) / (near + k)
      }
      return { id, score: sum }
    })
    .sort((x, y) => y.score - x.score || x.id - y.id)
    .slice(0, limit)
}

/** The same scores in the same order; rows whose scores differ by rounding only may change places. */
function expectSameRanking(got: readonly { id: number; score: number }[], expected: ReturnType<typeof rank>): void {
  expect(got).toHaveLength(expected.length)
  const scoreOf = new Map(expected.map(({ id, score }) => [id, score]))
  for (const [place, row] of got.entries()) {
    expect(row.score).toBeCloseTo(expected[place]?.score ?? Number.NaN, 3)
    const own = scoreOf.get(row.id)
    // Only a tie at the very end may bring another passage in.
    if (own !== undefined) expect(row.score).toBeCloseTo(own, 3)
    else expect(row.score).toBeCloseTo(expected.at(-1)?.score ?? Number.NaN, 3)
  }
}

describe('the ranking is that of the formulas', () => {
  test.each([1, 2, 3, 4, 5, 6])('over adds, removes and stored segments in between, seed %i', (seed) => {
    const random = createRandom(seed)
    let index = createTextIndex()
    let passages: IndexedPassage[] = []
    let next = 0
    for (let round = 0; round < 12; round++) {
      const added = Array.from({ length: Math.floor(random() * 80) }, () => passageOf(random, next++))
      index.add(added)
      passages.push(...added)
      const gone = passages.filter(() => random() < (round % 5 === 4 ? 0.6 : 0.1)).map(({ id }) => id)
      index.remove(gone)
      passages = passages.filter(({ id }) => !gone.includes(id))
      if (round % 4 === 3) {
        // As after a reload: what was stored, under other numbers.
        const data = structuredClone(index.extract(passages.map(({ id }) => id)))
        expect(isSegmentData(data, passages.length)).toBe(true)
        index = createTextIndex()
        passages = passages.map((passage, place) => ({ ...passage, id: place }))
        next = passages.length
        index.addSegment(
          data,
          Uint32Array.from(passages, ({ id }) => id),
        )
      }
      expect(index.size).toBe(passages.length)
      for (let asked = 0; asked < 3; asked++) {
        const query = `${textOf(random, 5)} `
        expectSameRanking(index.search(query, 20).rows, rank(passages, query, 20))
      }
    }
  })

  test('a large index of many segments, some merged, ranks as one', () => {
    const random = createRandom(7)
    const index = createTextIndex()
    const passages = Array.from({ length: 2400 }, (_, id) => passageOf(random, id))
    for (let start = 0; start < passages.length; start += 300) {
      index.add(passages.slice(start, start + 300))
      index.search('w1x ', 5)
    }
    const query = 'w40x w3x w2x '
    expectSameRanking(index.search(query, 30).rows, rank(passages, query, 30))
  })
})

test('what is no segment is told from one', () => {
  const index = createTextIndex()
  index.add([{ id: 0, text: 'alpha beta', title: 'gamma', headings: [] }])
  const data = index.extract([0])
  expect(isSegmentData(data, 1)).toBe(true)
  const wrong: unknown[] = [
    undefined,
    null,
    {},
    { ...data, terms: 'gamma\nbeta\nalpha' },
    { ...data, terms: 'alpha\nbeta' },
    { ...data, lengths: Uint32Array.of(2, 1) },
    { ...data, lengths: Uint32Array.of(2, 1, 1) },
    { ...data, sequence: [0, 1, 2] },
    { ...data, sequence: Uint16Array.of(0, 1, 9) },
  ]
  for (const value of wrong) expect(isSegmentData(value, 1)).toBe(false)
  expect(isSegmentData(data, 2)).toBe(false)
})
