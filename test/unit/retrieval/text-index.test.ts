import { describe, expect, test } from 'vitest'
import { createTextIndex, type IndexedPassage } from '../../../src/retrieval/keyword/text-index.js'

const passage = (id: number, text: string, title = '', headings: string[] = []): IndexedPassage => ({
  id,
  text,
  title,
  headings,
})
const indexOf = (...texts: string[]) => {
  const index = createTextIndex()
  index.add(texts.map((text, id) => passage(id, text)))
  return index
}
const found = (index: ReturnType<typeof createTextIndex>, query: string, limit = 10, allow?: (id: number) => boolean) =>
  index.search(query, limit, allow).rows.map(({ id }) => id)

describe('search', () => {
  test('any word may match; rare ones count most', () => {
    const index = indexOf('the cat sat on the mat', 'the dog sat on the log', 'the aardvark sat on the mat', 'a bird')
    expect(found(index, 'where did the aardvark sit, on the mat?')[0]).toBe(2)
    expect(found(index, 'the')).toEqual([0, 1, 2])
    expect(found(index, 'zebra')).toEqual([])
  })

  test('scores are BM25', () => {
    const index = indexOf('apple banana', 'cherry cherry cherry date', 'egg')
    const idf = Math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    const average = 7 / 3
    const expected = (idf * 3 * 2.2) / (3 + 1.2 * (0.25 + (0.75 * 4) / average))
    expect(index.search('cherry', 5).rows).toEqual([{ id: 1, score: expect.closeTo(expected, 4) }])
  })

  test('English words meet in their stems, other words as they are, accents aside', () => {
    const index = indexOf(
      'She was running quickly',
      'Ça coûte cher à Besançon',
      'Die Größe der Straße',
      'Это предложение',
    )
    expect(found(index, 'runs')).toEqual([0])
    expect(found(index, 'BESANCON coute')).toEqual([1])
    expect(found(index, 'strasse grosse')).toEqual([2])
    expect(found(index, 'предложение')).toEqual([3])
  })

  test('scripts without spaces are found by pairs, and by a single character', () => {
    const index = indexOf(
      '战国无双由光荣公司开发',
      '京都は日本の都市です',
      'กรุงเทพเป็นเมืองหลวง',
      '서울은 한국의 수도이다',
    )
    expect(found(index, '光荣公司')).toEqual([0])
    expect(found(index, '日本の都市')[0]).toBe(1)
    expect(found(index, 'เมืองหลวง')).toEqual([2])
    expect(found(index, '수도')).toEqual([3])
    expect(found(index, '战')).toEqual([0])
    expect(found(index, '司')).toEqual([0])
  })

  test('mixed scripts, full-width letters, digits and possessives', () => {
    const index = indexOf('使用ＧＰＵ加速 model GPT4', "Newton's laws of 1687", '𠮷野家の牛丼')
    expect(found(index, 'gpu')).toEqual([0])
    expect(found(index, 'gpt4')).toEqual([0])
    expect(found(index, 'newton 1687')).toEqual([1])
    expect(found(index, '𠮷野')).toEqual([2])
  })

  test('a word that occurs nowhere stands for those that begin with it', () => {
    const index = indexOf('photosynthesis in plants', 'photograph', 'plain')
    expect(found(index, 'photosyn')).toEqual([0])
    expect(found(index, 'photo').sort()).toEqual([0, 1])
    expect(found(index, 'photo seeds')).toHaveLength(2)
    for (const query of ['ph', 'p', 'pla']) expect(found(index, query).length, query).toBeGreaterThan(0)
    expect(found(index, 'ph, ')).toEqual([])
  })

  test('title and headings count, less than the text', () => {
    const index = createTextIndex()
    index.add([passage(0, 'nothing here', 'Guide to bees'), passage(1, 'bees'), passage(2, 'x', '', ['Keeping bees'])])
    expect(found(index, 'bees')[0]).toBe(1)
    expect(found(index, 'bees').sort()).toEqual([0, 1, 2])
  })

  test('limit and allow work together: the best allowed ones are found', () => {
    const index = createTextIndex()
    index.add(Array.from({ length: 200 }, (_, id) => passage(id, `word ${'filler '.repeat(id % 20)}`)))
    expect(found(index, 'word', 7)).toHaveLength(7)
    const allowed = found(index, 'word', 7, (id) => id >= 190)
    expect(allowed).toHaveLength(7)
    expect(allowed.every((id) => id >= 190)).toBe(true)
  })

  test('hostile queries and texts are just words', () => {
    const index = indexOf('constructor of __proto__', 'toString hasOwnProperty')
    expect(found(index, '__proto__')).toEqual([0])
    expect(found(index, 'hasOwnProperty toString')).toEqual([1])
    for (const query of ['', '   ', '?!', '\u0000', '"', '\ud83d', 'a'.repeat(10_000)])
      expect(found(index, query)).toEqual([])
  })
})

describe('add and remove', () => {
  test('an index after removals scores as one made without them', () => {
    const texts = Array.from({ length: 60 }, (_, n) => `common word${n % 7} rare${n} ${'pad '.repeat(n % 5)}`)
    const index = indexOf(...texts)
    const gone = texts.map((_, id) => id).filter((id) => id % 3 === 0)
    index.remove([...gone, 999])
    const anew = createTextIndex()
    anew.add(texts.flatMap((text, id) => (id % 3 === 0 ? [] : [passage(id, text)])))
    expect(index.size).toBe(anew.size)
    for (const query of ['common', 'word3 rare10', 'pad', 'rare9']) {
      const [got, expected] = [index.search(query, 50), anew.search(query, 50)]
      expect(got.rows.map(({ id }) => id)).toEqual(expected.rows.map(({ id }) => id))
      for (const [row, { score }] of expected.rows.entries()) expect(got.rows[row]?.score).toBeCloseTo(score, 4)
    }
  })

  test('many removals are cleared out, and what stays is still found', () => {
    const index = createTextIndex()
    index.add(Array.from({ length: 5000 }, (_, id) => passage(id, `shared only${id}`)))
    index.remove(Array.from({ length: 4000 }, (_, id) => id))
    expect(index.size).toBe(1000)
    expect(found(index, 'only4321')).toEqual([4321])
    expect(found(index, 'only17')).not.toContain(17)
    expect(index.search('shared', 2000).rows).toHaveLength(1000)
  })

  test('what was given is not changed', () => {
    const given = Object.freeze({ ...passage(0, 'text', 'title'), headings: Object.freeze(['a']) })
    const index = createTextIndex()
    index.add([given as IndexedPassage])
    expect(given).toEqual({ id: 0, text: 'text', title: 'title', headings: ['a'] })
  })
})
