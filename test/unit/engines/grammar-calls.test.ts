import { Validator } from '@cfworker/json-schema'
import { describe, expect, it } from 'vitest'
import { constrainCalls } from '../../../src/agents/constrain.js'
import { loadDialect } from '../../../src/agents/dialect/dialects.js'
import { readGbnf } from '../../../src/engines/grammar/read-gbnf.js'
import type { ToolChoice, ToolDescription } from '../../../src/protocol/model.js'
import { readChunks, writeTurn } from '../agents/dialect-reading.js'
import { createRandom, fits, writeText } from './grammar-reading.js'

const tool = (
  name: string,
  properties: Record<string, unknown>,
  required: readonly string[] = [],
): ToolDescription => ({
  name,
  description: '',
  inputSchema: { type: 'object', properties, required },
})
const tools = [
  tool('get_weather', { city: { type: 'string' }, unit: { enum: ['C', 'F'] } }, ['city']),
  tool('get_weather_map', {}),
  tool('say "hi"', { text: { type: 'string', maxLength: 5 } }, ['text']),
]

function grammarFor(
  toolChoice: ToolChoice,
  more: { maxCalls?: number; isWeak?: boolean; answer?: { type: string } } = {},
) {
  const output = constrainCalls({ tools, toolChoice, dialect: 'hermes', grammar: 'gbnf', ...more })
  if (output?.type !== 'grammar') throw new Error('expected a grammar')
  return readGbnf(output.grammar)
}

const call = (name: string, input: string) => `<tool_call>\n{"name": "${name}", "arguments": ${input}}\n</tool_call>`
const paris = call('get_weather', '{"city": "Paris"}')

describe('constrainCalls', () => {
  it('forces a call where one is required', () => {
    const grammar = grammarFor('required')
    expect(fits(grammar, paris)).toBe(true)
    expect(fits(grammar, call('get_weather', '{"city": "Paris", "unit": "C"}'))).toBe(true)
    expect(fits(grammar, call('get_weather_map', '{}'))).toBe(true)
    expect(fits(grammar, call('say \\"hi\\"', '{"text": "a"}'))).toBe(true)
    for (const text of [
      '',
      'Sure.',
      `Sure. ${paris}`,
      `${paris} done`,
      call('get_weathe', '{}'),
      call('get_weather', '{}'),
      call('get_weather', '{"city": "Paris", "unit": "K"}'),
      call('get_weather_map', '{"city": "Paris"}'),
      paris.replace('\n</tool_call>', ''),
    ]) {
      expect(fits(grammar, text), text).toBe(false)
    }
  })

  it('forces the tool that is named', () => {
    const grammar = grammarFor({ name: 'get_weather_map' })
    expect(fits(grammar, call('get_weather_map', '{}'))).toBe(true)
    expect(fits(grammar, paris)).toBe(false)
  })

  it('lets text stand before a call or alone', () => {
    const grammar = grammarFor('auto')
    for (const text of [
      '',
      'Hello.',
      'a < b and <tool_box> and <<tool_call',
      `Let me look. ${paris}`,
      `<<too<${paris}`,
      paris,
    ]) {
      expect(fits(grammar, text), text).toBe(true)
    }
    for (const text of ['<tool_call>', '<tool_call>{"name"', `${paris} and more`, `so: ${call('none', '{}')}`]) {
      expect(fits(grammar, text), text).toBe(false)
    }
  })

  it('bounds the number of calls', () => {
    const many = (count: number) => Array(count).fill(paris).join('\n')
    expect(fits(grammarFor('auto'), many(4))).toBe(true)
    expect(fits(grammarFor('auto'), many(5))).toBe(false)
    expect(fits(grammarFor('required', { maxCalls: 1 }), many(2))).toBe(false)
  })

  it('bounds what a weak model would go on with for ever', () => {
    const city = (length: number) => call('get_weather', `{"city": "${'a'.repeat(length)}"}`)
    expect(fits(grammarFor('required'), city(500))).toBe(true)
    expect(fits(grammarFor('required', { isWeak: true }), city(80))).toBe(true)
    expect(fits(grammarFor('required', { isWeak: true }), city(81))).toBe(false)
  })

  it('holds an answer without a call to its own form', () => {
    const grammar = grammarFor('auto', { answer: { type: 'integer' } })
    expect(fits(grammar, '42')).toBe(true)
    expect(fits(grammar, paris)).toBe(true)
    expect(fits(grammar, 'forty-two')).toBe(false)
  })

  it('is nothing where nothing can be called, or the engine or the format does not allow it', () => {
    const base = { tools, toolChoice: 'auto', dialect: 'hermes', grammar: 'gbnf' } as const
    expect(constrainCalls(base)).toMatchObject({ type: 'grammar', syntax: 'gbnf' })
    expect(constrainCalls({ ...base, grammar: 'ebnf' })).toMatchObject({ type: 'grammar', syntax: 'ebnf' })
    expect(constrainCalls({ ...base, grammar: 'none' })).toBeUndefined()
    expect(constrainCalls({ ...base, grammar: 'json-schema' })).toBeUndefined()
    expect(constrainCalls({ ...base, toolChoice: 'none' })).toBeUndefined()
    expect(constrainCalls({ ...base, toolChoice: { name: 'unknown' } })).toBeUndefined()
    expect(constrainCalls({ ...base, tools: [] })).toBeUndefined()
    expect(constrainCalls({ ...base, dialect: 'constructor' })).toBeUndefined()
  })

  const formats = ['hermes', 'qwen', 'react', 'json', 'llama3', 'mistral', 'phi', 'gemma', 'lfm2']
  const everyKind = tool('every_kind', {
    text: { type: 'string', maxLength: 12 },
    list: { type: 'array', items: { type: ['number', 'boolean', 'null'] }, maxItems: 3 },
    deep: { type: 'object', properties: { flag: { enum: [true, null, 'x'] }, any: {} }, required: ['flag'] },
    union: { anyOf: [{ type: 'integer' }, { const: { a: [false] } }] },
  })
  const offered = [
    everyKind,
    tool('get_time', {}),
    tool('get_time_zone', { city: { enum: ['Paris', 'Rome'] } }, ['city']),
  ]

  it.each(formats)('%s: writes only what its parser reads as calls that fit', async (name) => {
    const dialect = await loadDialect(name)
    if (dialect === undefined) throw new Error(name)
    const output = constrainCalls({
      tools: offered,
      toolChoice: 'required',
      dialect: name,
      grammar: 'gbnf',
      maxCalls: 3,
    })
    const grammar = readGbnf(output?.type === 'grammar' ? output.grammar : '')
    for (let seed = 1; seed <= 80; seed++) {
      const text = writeText(grammar, createRandom(seed))
      const { text: shown, calls } = readChunks(dialect, [text])
      expect(shown.trim(), text).toBe('')
      expect(calls.length, text).toBeGreaterThan(0)
      for (const { name: called, input } of calls) {
        const schema = offered.find((one) => one.name === called)?.inputSchema
        expect(schema !== undefined && new Validator(schema as object).validate(input).valid, text).toBe(true)
      }
    }
  })

  it.each(formats)('%s: takes its own calls, alone and after text', async (name) => {
    const dialect = await loadDialect(name)
    if (dialect === undefined) throw new Error(name)
    const output = constrainCalls({ tools: offered, toolChoice: 'auto', dialect: name, grammar: 'gbnf' })
    const grammar = readGbnf(output?.type === 'grammar' ? output.grammar : '')
    const input = { text: 'a', list: [1, true, null], deep: { flag: true }, union: { a: [false] } }
    const called = { name: 'every_kind', input }
    // Dialects differ in the white space inside of JSON: that of the grammar is the models' own.
    const spaced = (text: string) => text.replaceAll(/(?<=[\]}"\w]),(?=["\w{])/g, ', ').replaceAll(/":(?=\S)/g, '": ')
    const alone = spaced(writeTurn(dialect, [called]))
    expect(fits(grammar, alone), alone).toBe(true)
    const after = `I look.\n${alone}`
    expect(fits(grammar, after), after).toBe(true)
    const unknown = alone.replace('every_kind', 'other_kind')
    expect(fits(grammar, unknown) && readChunks(dialect, [unknown]).calls.length > 0, unknown).toBe(false)
    expect(fits(grammar, 'No call: <tool {"a": 1} [1] is needed.')).toBe(true)
  })
})
