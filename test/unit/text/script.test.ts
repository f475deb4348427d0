import { describe, expect, test } from 'vitest'
import { isServed, languagesMatch, latinLanguageOf, scriptsOf, writtenIn } from '../../../src/text/script.js'

const english =
  'The history of the town is long. It was founded by a group of farmers in the valley, and for many years they lived from what the fields gave.'
const german =
  'Die Geschichte der Stadt ist lang. Sie wurde von einer Gruppe von Bauern in dem Tal gegründet, und viele Jahre lebten sie von dem, was die Felder gaben.'
const french =
  "L'histoire de la ville est longue. Elle a été fondée par un groupe de paysans dans la vallée, et pendant des années ils ont vécu de ce que les champs donnaient."

describe('scriptsOf', () => {
  test.each([
    ['Hello world', 'latin'],
    ['战国无双', 'han'],
    ['カタカナ', 'kana'],
    ['한국어', 'hangul'],
    ['Привет', 'cyrillic'],
    ['مرحبا', 'arabic'],
    ['สวัสดี', 'thai'],
    ['नमस्ते', 'devanagari'],
    ['γειά', 'other'],
  ])('%s is %s', (text, script) => {
    const shares = scriptsOf(text)
    expect(Object.keys(shares)).toEqual([script])
    expect(Object.values(shares)[0]).toBeCloseTo(1, 5)
  })

  test('shares are of letters alone', () => {
    expect(scriptsOf('GPU 加速, 12345 …')).toEqual({ latin: 3 / 5, han: 2 / 5 })
    expect(scriptsOf('12 + 34 = 46')).toEqual({})
    expect(scriptsOf('')).toEqual({})
  })
})

describe('languagesMatch', () => {
  test('goes by the script of the languages', () => {
    expect(languagesMatch({ han: 1 }, ['en'])).toBe(false)
    expect(languagesMatch({ latin: 1 }, ['en'])).toBe(true)
    expect(languagesMatch({ latin: 0.3, han: 0.7 }, ['en'])).toBe(false)
    expect(languagesMatch({ latin: 0.3, han: 0.7 }, ['en', 'zh-Hans'])).toBe(true)
    expect(languagesMatch({ han: 0.4, kana: 0.6 }, ['ja'])).toBe(true)
    expect(languagesMatch({ cyrillic: 1 }, ['ar'])).toBe(false)
  })

  test('is true where nothing is known', () => {
    expect(languagesMatch({ han: 1 }, undefined)).toBe(true)
    expect(languagesMatch({ han: 1 }, ['*'])).toBe(true)
    expect(languagesMatch({}, ['en'])).toBe(true)
  })
})

describe('latinLanguageOf', () => {
  test('tells languages by their function words', () => {
    expect(latinLanguageOf(english)).toBe('en')
    expect(latinLanguageOf(german)).toBe('de')
    expect(latinLanguageOf(french)).toBe('fr')
  })

  test('does not guess about a few words or lists of names', () => {
    expect(latinLanguageOf('Where is the station?')).toBeUndefined()
    expect(latinLanguageOf('Alpha Beta Gamma '.repeat(20))).toBeUndefined()
  })
})

test('isServed puts script and language together', () => {
  expect(isServed(writtenIn(german), ['en'])).toBe(false)
  expect(isServed(writtenIn(german), ['en', 'de'])).toBe(true)
  expect(isServed(writtenIn(english), ['en'])).toBe(true)
  expect(isServed(writtenIn('Wo ist der Bahnhof?'), ['en'])).toBe(true)
  expect(isServed(writtenIn('红茶产于哪里'), ['en'])).toBe(false)
  expect(isServed(writtenIn(german), undefined)).toBe(true)
})
