import { describe, expect, it } from 'vitest'
import { createAcceptor } from '../../../src/engines/grammar/acceptor.js'
import { byteSequences, normalizeRanges } from '../../../src/engines/grammar/byte-ranges.js'
import { readGbnf } from '../../../src/engines/grammar/read-gbnf.js'
import { fits, readText } from './grammar-reading.js'

const gbnf = (source: string) => readGbnf(source)

describe('createAcceptor', () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ['root ::= "yes" | "no"', ['yes', 'no'], ['', 'ye', 'yesno', 'maybe']],
    ['root ::= [a-c]* "x"+ [^x]?', ['x', 'abcxx', 'xé', 'xxx'], ['', 'abc', 'xab']],
    ['root ::= "a"{2} | "b"{1,3} | "c"{2,}', ['aa', 'b', 'bbb', 'cc', 'ccccc'], ['a', 'aaa', 'bbbb', 'c']],
    ['root ::= "(" root ")" | ""', ['', '()', '((()))'], ['(', '())']],
    ['# comment\nroot ::= item ("," item)* # more\nitem ::= [0-9] |\n  "z"', ['1', '1,z,3'], ['1,', ',1']],
    ['root ::= "\\u00e9\\x41\\n" [\\]\\-\\\\] .', ['éA\n]x', 'éA\n-😀'], ['éA\n]']],
    ['root ::= [\\U0001F600-\\U0001F64F] | [à-ÿ]', ['😀', 'é'], ['a', '🚀', 'Ā']],
    ['root ::= ("a" | "ab") ("c" | "bc")', ['ac', 'abc', 'abbc'], ['ab', 'abcc']],
  ])('%s', (source, good, bad) => {
    for (const text of good) expect(fits(gbnf(source), text), text).toBe(true)
    for (const text of bad) expect(fits(gbnf(source), text), text).toBe(false)
  })

  it('comes back to the same state in a loop', () => {
    const state = readText(createAcceptor(gbnf('root ::= "\\"" [^"]* "\\""')), '"a')
    expect(readText(state, 'bcé')).toBe(state)
    expect(readText(state, 'b'.repeat(10_000))).toBe(state)
  })

  it('never takes half a character or a surrogate for a whole one', () => {
    const state = createAcceptor(gbnf('root ::= [^a]'))
    expect(state.next(0xc3)?.isAccepting).toBe(false)
    expect(state.next(0xc3)?.next(0xa9)?.isAccepting).toBe(true)
    expect(state.next(0xed)?.next(0xa0)).toBeUndefined()
    expect(state.next(0xc0)).toBeUndefined()
    expect(state.next(0xff)).toBeUndefined()
  })

  it.each(['root ::= root "x" | "y"', 'root ::= a\na ::= "" root "x"'])('refuses left recursion: %s', (source) => {
    expect(() => createAcceptor(gbnf(source))).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })

  it('reads deep nesting in time that grows with the text alone', () => {
    const acceptor = createAcceptor(gbnf('root ::= "[" root? "]"'))
    const depth = 3_000
    expect(readText(acceptor, '['.repeat(depth) + ']'.repeat(depth))?.isAccepting).toBe(true)
  })
})

describe('readGbnf', () => {
  it.each([
    'root ::= ((',
    'root ::= "a',
    'root ::= [a',
    'root ::= missing',
    'other ::= "a"',
    'root = "a"',
    'root ::= "a"{3,1}',
    'root ::= "a"{9999}',
    'root ::= "\\u12"',
    'root ::= "a" )',
    '',
  ])('refuses %s', (source) => {
    expect(() => readGbnf(source)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })
})

describe('byteSequences', () => {
  it.each([
    [0, 0x10ffff],
    [0x20, 0x7ff],
    [0x7f0, 0x812],
    [0xfff0, 0x10010],
    [0x3042, 0x30ff],
    [0x10abc, 0x2def0],
  ])('is exactly the UTF-8 of %d to %d', (from, to) => {
    const ranges = normalizeRanges([[from, to]], false)
    const sequences = ranges.flatMap(([low, high]) => byteSequences(low, high))
    const wrong: number[] = []
    const step = Math.max(1, Math.floor((to - from) / 2_000))
    for (
      let point = Math.max(0, from - 50);
      point <= Math.min(0x10ffff, to + 50);
      point += point < from || point > to - 50 ? 1 : step
    ) {
      if (point >= 0xd800 && point <= 0xdfff) continue
      const bytes = new TextEncoder().encode(String.fromCodePoint(point))
      const count = sequences.filter(
        (sequence) =>
          sequence.length === bytes.length &&
          sequence.every(([low, high], index) => low <= (bytes[index] as number) && (bytes[index] as number) <= high),
      ).length
      if (count !== (point >= from && point <= to ? 1 : 0)) wrong.push(point)
    }
    expect(wrong).toEqual([])
  })
})
