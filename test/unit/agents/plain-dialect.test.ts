import { describe, expect, test } from 'vitest'
import type { DialectParser, ParserEvent } from '../../../src/agents/dialect/dialect.js'
import { createParserFactory } from '../../../src/agents/dialect/incremental-parser.js'
import { plainDialect } from '../../../src/agents/dialect/plain.js'

/** A small generator with a seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const createId = () => 'call-1'
const spine = createParserFactory([])

function read(parser: DialectParser, pieces: readonly string[], reason: 'stop' | 'length'): string {
  const events: ParserEvent[] = [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end(reason)]
  // Neighbours of a kind count as one, as a cut may part them.
  let told = ''
  let last = ''
  for (const event of events) {
    if (event.type !== 'text-delta' && event.type !== 'reasoning-delta') return `not text: ${event.type}`
    told += event.type === last ? event.text : `[${event.type}]${event.text}`
    last = event.type
  }
  return told
}

const SHARDS = [
  '<think>',
  '</think>',
  '<thinking>',
  '</thinking>',
  '<',
  '</',
  '<thi',
  'think>',
  ' ',
  '\n\n',
  'a < b',
  'Well. ',
  '思考',
  '<b>',
  '>',
]

describe('the plain dialect', () => {
  test('reads every text as the spine of the formats does, wherever it is cut', () => {
    const random = createRandom(7)
    for (let round = 0; round < 4000; round++) {
      const text = Array.from(
        { length: 1 + Math.floor(random() * 8) },
        () => SHARDS[Math.floor(random() * SHARDS.length)],
      ).join('')
      const reason = random() < 0.5 ? 'stop' : 'length'
      const expected = read(spine({ createId }), [text], reason)
      const cut = Math.floor(random() * (text.length + 1))
      for (const pieces of [[text], [text.slice(0, cut), text.slice(cut)], [...text]]) {
        expect(read(plainDialect.createParser({ createId }), pieces, reason), JSON.stringify(pieces)).toBe(expected)
      }
    }
  })

  test('shows text at once, and holds back only what may become a tag', () => {
    const parser = plainDialect.createParser({ createId })
    expect(parser.push('a < b and <thin')).toEqual([{ type: 'text-delta', text: 'a < b and ' }])
    expect(parser.push('k')).toEqual([])
    expect(parser.push('s')).toEqual([{ type: 'text-delta', text: '<thinks' }])
  })
})
