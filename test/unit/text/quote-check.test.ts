import { describe, expect, it } from 'vitest'
import { findQuote } from '../../../src/text/quote-check.js'

describe('findQuote', () => {
  const text = 'The “final  ofﬁce”\nhours are 9–5, she\u00adsaid… It’s so.'
  const found = (quote: string) => {
    const span = findQuote(quote, text)
    return span && text.slice(...span)
  }

  it.each([
    ['hours are 9–5', 'hours are 9–5'],
    ['  hours are ', 'hours are'],
    ['"final office" hours', '“final  ofﬁce”\nhours'],
    ['are 9-5, shesaid...', 'are 9–5, she\u00adsaid…'],
    ["It's so.", 'It’s so.'],
  ])('finds %j', (quote, place) => {
    expect(found(quote)).toBe(place)
  })

  it.each(['', '   ', 'hours were', 'Final office', '\u00ad'])('does not find %j', (quote) => {
    expect(found(quote)).toBeUndefined()
  })
})
