import { describe, expect, it } from 'vitest'
import type { Dialect } from '../../../src/agents/dialect/dialect.js'
import { dialectNames, loadDialect } from '../../../src/agents/dialect/dialects.js'
import { inPieces, readChunks, seededRandom, writeTurn } from './dialect-reading.js'

const SEED = 4_711
const names = dialectNames.filter((name) => name !== 'nous')
const loaded = await Promise.all(names.map((name) => loadDialect(name)))
const dialects = loaded.filter((dialect): dialect is Dialect => dialect !== undefined)

/** What calls are made of, in every dialect. */
const SHARDS = [
  ...[
    '<tool_call>',
    '</tool_call>',
    '<tool_response>',
    '<think>',
    '</think>',
    '✿FUNCTION✿: ',
    '✿ARGS✿: ',
    '✿RESULT✿',
    '✿RETURN✿',
  ],
  ...[
    'Thought: ',
    'Action: ',
    'Action Input: ',
    'Observation: ',
    'Final Answer: ',
    '```json\n',
    '```tool_code\n',
    '```',
    '`',
  ],
  ...['<|python_tag|>', '<|eom_id|>', '<function=', '</function>', '<|tool_call|>', '<|/tool_call|>', 'functools'],
  ...[
    '<|tool_call_start|>',
    '<|tool_call_end|>',
    '[TOOL_CALLS]',
    '[ARGS]',
    '[TOOL_RESULTS]',
    '</s>',
    '<|',
    '<',
    '[',
    ']',
    '✿',
  ],
  ...[
    '{"name": "f", "arguments": {',
    '{"name": "f", "parameters": {"a": 1}}',
    '{"name"',
    'f(a="x")',
    '[f(',
    '}',
    '}}',
    '{',
    '"',
    "'",
    '\\',
  ],
  ...[
    '\n',
    '\n\n',
    ' ',
    ',',
    ';',
    ':',
    '=',
    '(',
    ')',
    'text',
    'name',
    'true',
    '1',
    '\u0000',
    '\ud83d',
    '\uFEFF',
    'é',
    '天',
  ],
]

describe.each(dialects.map((dialect) => [dialect.name, dialect] as const))('%s', (_name, dialect) => {
  it('reads anything the same wherever it is cut, and throws nothing', () => {
    const random = seededRandom(SEED)
    for (let round = 0; round < 250; round++) {
      const length = 1 + Math.floor(random() * 25)
      const text = Array.from({ length }, () => SHARDS[Math.floor(random() * SHARDS.length)]).join('')
      const whole = readChunks(dialect, [text])
      // Which part of an input was streamed before it turned out to be another call's depends on the cut.
      const seen = ({ text: shown, reasoning, calls }: typeof whole) => JSON.stringify([shown, reasoning, calls])
      expect(seen(readChunks(dialect, text.split(''))), JSON.stringify(text)).toBe(seen(whole))
      expect(seen(readChunks(dialect, inPieces(text, 7, random))), JSON.stringify(text)).toBe(seen(whole))
      expect(new Set(whole.ids).size).toBe(whole.ids.length)
    }
  })

  it('takes random characters', () => {
    const random = seededRandom(SEED)
    for (let round = 0; round < 50; round++) {
      const codes = Array.from({ length: 2_000 }, () => Math.floor(random() * (round % 2 === 0 ? 128 : 65_536)))
      const text = String.fromCharCode(...codes)
      expect(() => readChunks(dialect, inPieces(text, 30, random))).not.toThrow()
      expect(() => readChunks(dialect, [text], 'length')).not.toThrow()
    }
  })

  if (dialect.name !== 'none')
    it('reads a call of 1 MB', () => {
      const text = 'x "y" { } <tool> \\ é\n'.repeat(50_000)
      const call = {
        name: 'write',
        input: { text, list: Array.from({ length: 1_000 }, (_, at) => ({ at, on: true })) },
      }
      const written = writeTurn(dialect, [call], 'Sure.')
      expect(written.length).toBeGreaterThan(1_000_000)
      const reading = readChunks(dialect, inPieces(written, 4_000, seededRandom(SEED)))
      expect(reading.text).toBe('Sure.\n')
      expect(reading.calls.length).toBe(1)
      expect(JSON.stringify(reading.calls[0])).toBe(JSON.stringify(call))
    })

  if (dialect.name !== 'none')
    it('reads 500 calls in one turn', () => {
      const calls = Array.from({ length: 500 }, (_, at) => ({
        name: `f${at % 7}`,
        input: { at, text: `call "${at}"` },
      }))
      const reading = readChunks(dialect, [writeTurn(dialect, calls)])
      expect(JSON.stringify(reading.calls)).toBe(JSON.stringify(calls))
      expect(new Set(reading.ids).size).toBe(500)
      expect(reading.text).toBe('')
    })
})

/** Each made a parser that reads text again from where a call was none take time with the square of the text: minutes, not milliseconds. */
const HOSTILE: Readonly<Record<string, string>> = {
  'opening tags': '<tool_call>✿FUNCTION✿: <|python_tag|><|tool_call|><|tool_call_start|>[TOOL_CALLS]',
  'open strings': '<tool_call>{"a": "</tool_call>',
  'open objects': '{"arguments":\n',
  'objects that may be calls': '{"name": "f", "id": 1, "id": [{\n',
  'lists that are no calls': '[f(a=[\n',
  fences: '```json\n{"name": "f", "type": ```\n',
  lines: 'Action: \nAction Input: {"a": "\nThought:',
  quotes: `{"name": "f", "arguments": {"a": '"\n`,
  deep: '{"name":"f","arguments":{"a":[',
}

describe('hostile text of 200 KB', () => {
  it.each(Object.entries(HOSTILE))('of %s is read to its end', { timeout: 20_000 }, (_what, unit) => {
    const text = unit.repeat(Math.ceil(200_000 / unit.length))
    for (const dialect of dialects) {
      const whole = readChunks(dialect, [text])
      expect(whole.calls.length + whole.text.length + whole.reasoning.length).toBeLessThanOrEqual(text.length)
    }
  })
})
