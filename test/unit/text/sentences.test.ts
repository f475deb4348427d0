import { describe, expect, it } from 'vitest'
import { splitSentences, trimSpan } from '../../../src/text/sentences.js'

const split = (text: string) => splitSentences(text).map((span) => text.slice(...trimSpan(text, span)))

describe('splitSentences', () => {
  it.each([
    ['One. Two! Three? Four', ['One.', 'Two!', 'Three?', 'Four']],
    [
      'Dr. Smith met Mr. J. R. Jones at 9 a.m. on Monday. He left.',
      ['Dr. Smith met Mr. J. R. Jones at 9 a.m. on Monday.', 'He left.'],
    ],
    ['He lives in the U.S. He likes it.', ['He lives in the U.S.', 'He likes it.']],
    [
      'It costs 4.50 euros, e.g. for soup. See Fig. 3 below.',
      ['It costs 4.50 euros, e.g. for soup.', 'See Fig. 3 below.'],
    ],
    ['She said “Stop.” Then she left.', ['She said “Stop.”', 'Then she left.']],
    ['The line was broken\nin the middle. Next.', ['The line was broken\nin the middle.', 'Next.']],
    ['Heading\n\nText of it.\n- item one\n- item two', ['Heading', 'Text of it.', '- item one', '- item two']],
    ['今天很好。我们去公园吧！你呢？', ['今天很好。', '我们去公园吧！', '你呢？']],
    ['他说：“好。”然后走了。', ['他说：“好。”', '然后走了。']],
    ['', []],
  ])('%j', (text, sentences) => {
    expect(split(text).filter((sentence) => sentence !== '')).toEqual(sentences)
  })

  it('covers the text, without gaps', () => {
    const text = '  Lead. A\n\n\nB. 中文。\r\nC?! “D.” (E.) …f  \n'
    const spans = splitSentences(text)
    expect(spans[0]?.[0]).toBe(0)
    expect(spans.at(-1)?.[1]).toBe(text.length)
    for (const [at, [start, end]] of spans.entries()) {
      expect(end).toBeGreaterThan(start)
      if (at > 0) expect(start).toBe(spans[at - 1]?.[1])
    }
  })

  it('works where there is no Intl.Segmenter', () => {
    const { Segmenter } = Intl
    try {
      Reflect.deleteProperty(Intl, 'Segmenter')
      expect(split('One. Dr. Two! 今天。明天。')).toEqual(['One.', 'Dr. Two!', '今天。', '明天。'])
    } finally {
      Object.assign(Intl, { Segmenter })
    }
  })
})
