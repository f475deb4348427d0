import { describe, expect, it } from 'vitest'
import { createDetokenizer } from '../../../src/engines/transformers/detokenizer.js'

/** A tokenizer whose tokens are bytes. */
const decodeBytes = (tokens: readonly number[]) => new TextDecoder().decode(Uint8Array.from(tokens))

describe('createDetokenizer', () => {
  it('never gives a part of a character', () => {
    const text = 'naïve 日本語 🦊 end 👩‍👩‍👧'
    const detokenizer = createDetokenizer({ decode: decodeBytes })
    const pieces = [...new TextEncoder().encode(text)].map((byte) => detokenizer.push(byte))
    pieces.push(detokenizer.flush())
    expect(pieces.join('')).toBe(text)
    expect(pieces.some((piece) => piece.includes('\uFFFD'))).toBe(false)
    expect(pieces.some((piece) => /^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/.test(piece))).toBe(false)
  })

  it('drops a character that was never finished', () => {
    const detokenizer = createDetokenizer({ decode: decodeBytes })
    const fox = new TextEncoder().encode('a🦊')
    const shown = [...fox.slice(0, 3)].map((byte) => detokenizer.push(byte)).join('')
    expect(shown + detokenizer.flush()).toBe('a')
  })

  it('goes on after bytes that will never be a character', () => {
    const detokenizer = createDetokenizer({ decode: decodeBytes })
    const shown = Array.from({ length: 12 }, () => detokenizer.push(0xff)).join('')
    expect(shown + [...new TextEncoder().encode('ok')].map((byte) => detokenizer.push(byte)).join('')).toContain('ok')
  })

  it('keeps the space of a word that follows the prompt', () => {
    const words = ['▁Once', '▁upon', '▁a', ',', '▁time']
    const decode = (tokens: readonly number[]) =>
      tokens
        .map((token) => words[token])
        .join('')
        .replaceAll('▁', ' ')
        .replace(/^ /, '')
    const after = createDetokenizer({ decode, context: [0, 1] })
    expect([2, 3, 4].map((token) => after.push(token))).toEqual([' a', ',', ' time'])
    const alone = createDetokenizer({ decode })
    expect([2, 3, 4].map((token) => alone.push(token))).toEqual(['a', ',', ' time'])
  })
})
