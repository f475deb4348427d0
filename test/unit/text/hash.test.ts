import { createHash } from 'node:crypto'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { canonicalJson, sha256Hex } from '../../../src/text/hash.js'
import { sha256 } from '../../../src/text/sha256.js'

afterEach(() => vi.unstubAllGlobals())

describe('canonicalJson', () => {
  test('does not depend on the order of keys, at any depth', () => {
    const one = { b: [{ y: 1, x: 'é' }], a: null }
    const other = { a: null, b: [{ x: 'é', y: 1 }] }
    expect(canonicalJson(one)).toBe('{"a":null,"b":[{"x":"é","y":1}]}')
    expect(canonicalJson(other)).toBe(canonicalJson(one))
  })

  test('leaves out undefined fields, and keeps the places of a list', () => {
    expect(canonicalJson({ a: undefined, b: [undefined, 1] })).toBe('{"b":[null,1]}')
  })

  test('tells order in lists, numbers from texts, and null from absent', () => {
    const texts = [[1, 2], [2, 1], ['1', '2'], { a: null }, {}].map(canonicalJson)
    expect(new Set(texts).size).toBe(texts.length)
  })

  test('the same object twice is no cycle, a cycle is an error with its place', () => {
    const shared = { x: 1 }
    expect(canonicalJson([shared, shared])).toBe('[{"x":1},{"x":1}]')
    const loop: Record<string, unknown> = {}
    loop.inner = { loop }
    expect(() => canonicalJson(loop)).toThrow(
      expect.objectContaining({ code: 'invalid-argument', details: { path: '$.inner.loop' } }),
    )
  })

  test.each([
    ['a Blob', new Blob(['x'])],
    ['bytes', new Uint8Array(2)],
    ['a Date', new Date(0)],
    ['a Map', new Map()],
    ['NaN', Number.NaN],
    ['a bigint', 1n],
    ['a function', () => 1],
  ])('refuses %s', (_name, value) => {
    expect(() => canonicalJson({ value })).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })
})

describe('sha256Hex', () => {
  const lengths = [0, 1, 3, 54, 55, 56, 57, 63, 64, 65, 119, 120, 1000]

  test('agrees with another implementation, with and without WebCrypto', async () => {
    for (const length of lengths) {
      const data = Uint8Array.from({ length }, (_, index) => (index * 31 + length) & 255)
      const expected = createHash('sha256').update(data).digest('hex')
      expect(await sha256Hex(data)).toBe(expected)
      expect(Buffer.from(sha256(data)).toString('hex')).toBe(expected)
    }
  })

  test('hashes the UTF-8 bytes of a text, also where there is no WebCrypto', async () => {
    const expected = createHash('sha256').update('naïve 漢字 😀').digest('hex')
    expect(await sha256Hex('naïve 漢字 😀')).toBe(expected)
    vi.stubGlobal('crypto', {})
    expect(await sha256Hex('naïve 漢字 😀')).toBe(expected)
  })
})
