import { describe, expect, test } from 'vitest'
import { createTextIndex } from '../../../src/retrieval/keyword/text-index.js'

const indexOf = (...texts: string[]) => {
  const index = createTextIndex()
  index.add(texts.map((text, id) => ({ id, text, title: '', headings: [] })))
  return index
}
const found = (index: ReturnType<typeof createTextIndex>, query: string) =>
  index.search(query, 10).rows.map(({ id }) => id)

describe('a word that is not typed to its end', () => {
  test('is completed at the end of the query, from one letter on', () => {
    const index = indexOf('quantum physics', 'quail eggs', 'a plain text')
    for (const query of ['q', 'qu', 'qua']) expect(found(index, query).sort(), query).toEqual([0, 1])
    expect(found(index, 'quan')).toEqual([0])
    expect(found(index, 'eggs qu')[0]).toBe(1)
  })

  test('is completed as well when it is a word, which counts more', () => {
    const index = indexOf('car repair', 'carpet cleaning', 'carpet and carpets for a carpenter', 'other')
    expect(found(index, 'car')[0]).toBe(0)
    expect(found(index, 'car').sort()).toEqual([0, 1, 2])
    expect(found(index, 'car ')).toEqual([0])
    expect(found(index, 'car?')).toEqual([0])
  })

  test('one that goes on beyond its stem is found by the stem', () => {
    const index = indexOf('generators and generating', 'other words')
    expect(found(index, 'generatio')).toEqual([0])
  })
})

describe('a slip', () => {
  const index = indexOf(
    'the government of the province',
    'photosynthesis in leaves',
    'a receipt for it',
    'nothing of this',
  )

  test.each([
    ['goverment', 0],
    ['govrenment', 0],
    ['photosinthesys ', 1],
    ['reciept', 2],
  ])('%s is understood', (query, id) => {
    expect(found(index, query)).toEqual([id])
  })

  test('is scored lower than the word, and not looked for where the word is there', () => {
    const two = indexOf('barley', 'barlay', 'other')
    expect(found(two, 'barley ')).toEqual([0])
    expect(index.search('reciept ', 1).rows[0]?.score).toBeLessThan(index.search('receipt ', 1).rows[0]?.score ?? 0)
  })

  test('a rare word is held for a slip of a much more frequent one, beside itself', () => {
    const many = indexOf('teh only one', ...Array.from({ length: 50 }, (_, n) => `library ${n}`), 'a libary')
    expect(found(many, 'libary ')[0]).toBe(51)
    expect(found(many, 'libary ').length).toBe(10)
  })

  test('short words, numbers and far words are not guessed at', () => {
    for (const query of ['gof ', 'a1b2c3d4 ', 'gxvxrxment ', 'zzzzzzzz '])
      expect(found(index, query), query).toEqual([])
  })
})

describe('phrases', () => {
  test('words in order and near each other come before the same words apart', () => {
    const index = indexOf(
      'york is old and new is the harbour of it',
      'the harbour of new york is old and it is',
      'new things and york and old is the harbour',
    )
    expect(found(index, 'new york ')[0]).toBe(1)
  })
})

describe('scripts without spaces', () => {
  const index = indexOf('战国无双由光荣公司开发', '北京大学的校园', '上海大学', 'กรุงเทพเป็นเมืองหลวงของไทย')

  test('a part of a word finds it, and a word that is cut otherwise finds its parts', () => {
    expect(found(index, '京')).toEqual([1])
    expect(found(index, '大学校园')[0]).toBe(1)
    expect(found(index, '光荣公司')).toEqual([0])
    expect(found(index, 'เมืองหลวง')).toEqual([3])
  })

  test('a query in a script that no passage has finds nothing', () => {
    for (const query of ['Ελλάδα', 'россия', '한국어', '日本']) expect(found(index, query), query).toEqual([])
  })
})

test('a query of 10,000 words is bounded work, and its rare words decide', () => {
  const index = createTextIndex()
  index.add(Array.from({ length: 400 }, (_, id) => ({ id, text: `common w${id}x`, title: '', headings: [] })))
  const query = `${Array.from({ length: 10_000 }, (_, n) => `other${n}y`).join(' ')} w7x common `
  expect(found(index, query)[0]).toBe(7)
  expect(found(index, 'a'.repeat(1_000_000))).toEqual([])
})
