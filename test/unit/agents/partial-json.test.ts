import { describe, expect, it } from 'vitest'
import { readPartialJson } from '../../../src/agents/partial-json.js'

describe('readPartialJson', () => {
  it.each([
    ['', undefined],
    ['Sure: ', undefined],
    ['Sure: {', {}],
    ['```json\n{"a', {}],
    ['{"a"', {}],
    ['{"a":', {}],
    ['{"a": 1', {}],
    ['{"a": 1,', { a: 1 }],
    ['{"a": tru', {}],
    ['{"a": true}', { a: true }],
    ['{"a": "x', { a: 'x' }],
    ['{"a": "x\\', { a: 'x' }],
    ['{"a": "x\\\\', { a: 'x\\' }],
    ['{"a": "x\\u00', { a: 'x' }],
    ['{"a": "x\\u00e9', { a: 'xé' }],
    ['{"a": "\\ud83d', { a: '' }],
    ['{"a": "\\ud83d\\ude00', { a: '😀' }],
    ['{"a": [1, 2', { a: [1] }],
    ['{"a": [{"b": "c"}, {', { a: [{ b: 'c' }, {}] }],
    ['[[', [[]]],
    ['{"a": 1} and more', { a: 1 }],
    ['{a: 1}', {}],
    ['{"__proto__": {"x": 1}}', JSON.parse('{"__proto__": {"x": 1}}')],
  ])('%j', (text, value) => {
    expect(readPartialJson(text)).toEqual(value)
  })

  it('only grows, at every place where the text is cut, and ends with the whole', () => {
    const whole = { name: 'Zoë "😀" \\ {', list: [1, -2.5e3, null, { deep: [true, ''] }], last: false }
    for (const text of [JSON.stringify(whole), JSON.stringify(whole, null, 2)]) {
      let before = ''
      for (let length = 0; length <= text.length; length++) {
        const value = readPartialJson(text.slice(0, length))
        if (value === undefined) continue
        const json = JSON.stringify(value)
        expect(json.length, text.slice(0, length)).toBeGreaterThanOrEqual(before.length)
        before = json
      }
      expect(readPartialJson(text)).toEqual(whole)
    }
  })

  it('gives up on hostile nesting', () => {
    expect(readPartialJson('['.repeat(100_000))).toBeInstanceOf(Array)
  })
})
