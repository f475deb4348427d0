import type { CharacterRange } from './grammar.js'

/** One byte after the other, each within a range. */
export type ByteSequence = readonly (readonly [from: number, to: number])[]

const LAST_POINT = 0x10ffff
/** Last code point of each length of UTF-8. */
const LENGTH_ENDS = [0x7f, 0x7ff, 0xffff, LAST_POINT]

/** Ranges in order, without overlap; negated ones turned round. Surrogates are left out: UTF-8 has none. */
export function normalizeRanges(ranges: readonly CharacterRange[], isNegated: boolean): CharacterRange[] {
  const joined: [number, number][] = []
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1)
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else if (from <= to) joined.push([from, Math.min(to, LAST_POINT)])
  }
  const wanted = isNegated ? complement(joined) : joined
  return wanted.flatMap(([from, to]) => withoutSurrogates(from, to))
}

function complement(ranges: readonly CharacterRange[]): CharacterRange[] {
  const result: CharacterRange[] = []
  let next = 0
  for (const [from, to] of ranges) {
    if (from > next) result.push([next, from - 1])
    next = to + 1
  }
  if (next <= LAST_POINT) result.push([next, LAST_POINT])
  return result
}

function withoutSurrogates(from: number, to: number): CharacterRange[] {
  if (to < 0xd800 || from > 0xdfff) return [[from, to]]
  const parts: CharacterRange[] = []
  if (from < 0xd800) parts.push([from, 0xd7ff])
  if (to > 0xdfff) parts.push([0xe000, to])
  return parts
}

/** UTF-8 of a range of characters as byte sequences (the splitting of Ken Thompson's grep, as in RE2 and Rust's `utf8-ranges`). */
export function byteSequences(from: number, to: number): ByteSequence[] {
  for (const end of LENGTH_ENDS) {
    if (from <= end && end < to) return [...byteSequences(from, end), ...byteSequences(end + 1, to)]
  }
  for (let bits = 6; bits <= 18; bits += 6) {
    const mask = 2 ** bits - 1
    if (to <= 0x7f || (from & ~mask) === (to & ~mask)) continue
    if ((from & mask) !== 0) return [...byteSequences(from, from | mask), ...byteSequences((from | mask) + 1, to)]
    if ((to & mask) !== mask) return [...byteSequences(from, (to & ~mask) - 1), ...byteSequences(to & ~mask, to)]
  }
  const [low, high] = [encodePoint(from), encodePoint(to)]
  return [low.map((byte, index) => [byte, high[index] as number] as const)]
}

function encodePoint(point: number): number[] {
  if (point <= 0x7f) return [point]
  if (point <= 0x7ff) return [0xc0 | (point >> 6), 0x80 | (point & 63)]
  if (point <= 0xffff) return [0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)]
  return [0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)]
}
