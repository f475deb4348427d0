import { describe, expect, it } from 'vitest'
import { readArguments, readLooseValue, repairJson } from '../../../src/tools/json-repair.js'

describe('repairJson', () => {
  it.each([
    ['{"a": 1}', { a: 1 }],
    [' [1, "two", null] ', [1, 'two', null]],
    ['null', null],
    ['{"a": 1,}', { a: 1 }],
    ['{"a": [1, 2,],}', { a: [1, 2] }],
    ["{'a': 'it is'}", { a: 'it is' }],
    ["{'a': 'it's'}", { a: "it's" }],
    ['{a: 1, b_2: "x"}', { a: 1, b_2: 'x' }],
    ['{"a": "one\ntwo\tthree"}', { a: 'one\ntwo\tthree' }],
    ['{"a": {"b": 1}', { a: { b: 1 } }],
    ['{"a": {"b": [1, 2', { a: { b: [1, 2] } }],
    ['{"a": 1}}}', { a: 1 }],
    ['{"a": 1}, "b": 2}', { a: 1, b: 2 }],
    ['```json\n{"a": 1}\n```', { a: 1 }],
    ['```\n{"a": 1}```', { a: 1 }],
    ['{"a": True, "b": False, "c": None}', { a: true, b: false, c: null }],
    ['{"say": "he said "hi" to me"}', { say: 'he said "hi" to me' }],
    ['{“a”: “b”}', { a: 'b' }],
    ['{"a": 1 /* one */, // two\n "b": 2}', { a: 1, b: 2 }],
    ['{"a": .5, "b": -1e3, "c": +2}', { a: 0.5, b: -1000, c: 2 }],
    ['{"a": "\\u00e9\\n\\"\\\\", b: 1}', { a: 'é\n"\\', b: 1 }],
    ['{"a": "x"\n"b": 2}', { a: 'x', b: 2 }],
    ['{"a": , "b": 1}', { a: null, b: 1 }],
    ['{"a": no quotes here, "b": 1}', { a: 'no quotes here', b: 1 }],
  ])('%s', (text, value) => {
    expect(repairJson(text)).toEqual({ value })
  })

  it.each(['', 'hello', 'f(a=1)', '{"a": 1} and more', '{"a" 1}', '<xml/>'])('gives up on %j', (text) => {
    expect(repairJson(text)).toBeUndefined()
  })

  it('does not touch prototypes', () => {
    const { value } = repairJson("{'__proto__': {'polluted': true}}") as { value: object }
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    expect(Object.keys(value)).toEqual(['__proto__'])
  })

  it('takes hostile text', () => {
    expect(repairJson('['.repeat(100_000))).toBeUndefined()
    expect(repairJson(`{"a": ${'"x" '.repeat(20_000)}}`)).toBeDefined()
    expect(repairJson(`{'a': '${'\\'.repeat(50_001)}`)).toBeDefined()
  })

  it('reads every object that was damaged by taking its end away', () => {
    const whole = JSON.stringify({ name: 'f', list: [1, { deep: 'text, with "quotes" and \\ more' }], last: true })
    for (let end = 1; end <= whole.length; end++) expect(() => repairJson(whole.slice(0, end))).not.toThrow()
  })
})

describe('readLooseValue', () => {
  it.each([
    ['5', 5],
    ['"a"', 'a'],
    ["'it\\'s'", "it's"],
    ['True', true],
    ['None', null],
    ['(1, (2, "x"), None)', [1, [2, 'x'], null]],
    ["{'a': (1, True), b: [2]}", { a: [1, true], b: [2] }],
    ['"""one\n"two"""', 'one\n"two'],
    ['[1, 2', [1, 2]],
  ])('%s', (text, value) => {
    expect(readLooseValue(text)).toEqual({ value })
  })

  it.each(['', '[1] and more', ', 5', 'Paris, France'])('gives up on %j', (text) => {
    expect(readLooseValue(text)).toBeUndefined()
  })

  it('keeps round brackets in words where there is no tuple', () => {
    expect(repairJson('{"a": f(x), b: 1}')).toEqual({ value: { a: 'f(x)', b: 1 } })
  })
})

describe('readArguments', () => {
  it('parses JSON in strings, and leaves everything else', () => {
    expect(readArguments('{"a": 1}')).toEqual({ a: 1 })
    expect(readArguments(undefined)).toEqual({})
    expect(readArguments('')).toEqual({})
    expect(readArguments('text')).toBe('text')
    expect(readArguments('5')).toBe('5')
    expect(readArguments(null)).toBe(null)
    expect(readArguments([1])).toEqual([1])
  })
})
