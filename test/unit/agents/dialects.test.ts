import { describe, expect, it } from 'vitest'
import type { Dialect } from '../../../src/agents/dialect/dialect.js'
import { dialectNames, loadDialect } from '../../../src/agents/dialect/dialects.js'
import { ALL_TAGS, type ExpectedCall, type Reading, readChunks, writeTurn } from './dialect-reading.js'

const names = dialectNames.filter((name) => name !== 'none' && name !== 'nous')
const loaded = await Promise.all(names.map((name) => loadDialect(name)))
const dialects = loaded.filter((dialect): dialect is Dialect => dialect !== undefined)
const named = Object.fromEntries(dialects.map((dialect) => [dialect.name, dialect]))

function dialectOf(name: string): Dialect {
  const dialect = named[name]
  if (dialect === undefined) throw new Error(`no dialect ${name}`)
  return dialect
}

const CASES: Readonly<Record<string, readonly ExpectedCall[]>> = {
  'no arguments': [{ name: 'get_time', input: {} }],
  'one string': [{ name: 'weather', input: { city: 'Paris' } }],
  'two calls': [
    { name: 'weather', input: { city: 'Paris', unit: 'C' } },
    { name: 'weather', input: { city: 'Rome' } },
  ],
  'three calls, one without arguments': [
    { name: 'a', input: { x: 1 } },
    { name: 'get_time', input: {} },
    { name: 'b.c_d', input: { y: [1, 2, 3] } },
  ],
  numbers: [{ name: 'sum', input: { a: -1.5, b: 1e21, c: 0, d: [1, [2, [3]]], e: 1e-7 } }],
  'true, false and null': [{ name: 'set', input: { on: true, off: false, nothing: null, list: [true, null] } }],
  nested: [{ name: 'book', input: { who: { name: 'Ann', tags: [{ k: 'v' }, {}] }, when: { days: [] } } }],
  quotes: [{ name: 'say', input: { text: `He said "it's" 'so', "really"`, end: '"' } }],
  escapes: [{ name: 'write', input: { path: 'C:\\new\\table', text: 'one\ntwo\tthree\r\n', slash: '\\' } }],
  brackets: [{ name: 'run', input: { code: 'if (a[0]) { b({"x": 1}) } // ]})' } }],
  tags: [{ name: 'say', input: { text: ALL_TAGS } }],
  'a call as a string': [{ name: 'say', input: { text: '{"name": "f", "arguments": {}} [g(a=1)]' } }],
  unicode: [{ name: '天气', input: { 城市: '北京', emoji: '👩‍🚀✿', lone: 'é\u00a0ß' } }],
  'odd keys': [{ name: 'get-it', input: { 'content-type': 'a', 'with space': 'b', 'a=b': 1, '': 2, class: 'c' } }],
  'words that mean something': [{ name: 'f', input: { a: 'null', b: 'True', c: '5', d: '', e: 'None' } }],
  'the word name': [{ name: 'f', input: { name: 'inner', arguments: { name: 'x' } } }],
  'long text': [{ name: 'write', input: { text: 'Lorem, ipsum: "dolor" (sit) amet; '.repeat(20) } }],
}

const strip = (reading: Reading) => ({ ...reading, inputs: Object.values(reading.inputs) })

/** Reads a text whole, cut in two at each place and one character at a time: all must agree. */
function readEveryCut(dialect: Dialect, text: string): Reading {
  const whole = readChunks(dialect, [text])
  const expected = JSON.stringify(strip(whole))
  const check = (chunks: readonly string[], how: string) => {
    const reading = strip(readChunks(dialect, chunks))
    if (JSON.stringify(reading) !== expected) expect(reading, how).toEqual(strip(whole))
  }
  for (let at = 1; at < text.length; at++) check([text.slice(0, at), text.slice(at)], `cut at ${at}`)
  check(text.split(''), 'one at a time')
  return whole
}

describe.each(dialects.map((dialect) => [dialect.name, dialect] as const))('%s', (_name, dialect) => {
  it.each(Object.entries(CASES))('reads back %s, whole and cut at every place', (_what, calls) => {
    const text = writeTurn(dialect, calls, 'I will see.')
    const reading = readEveryCut(dialect, text)
    expect(reading.calls).toEqual(calls)
    expect(reading.text).toBe('I will see.\n')
    expect(new Set(reading.ids).size).toBe(calls.length)
    for (const [at, { input }] of calls.entries()) {
      expect(JSON.parse(reading.inputs[reading.ids[at] ?? ''] ?? '{}')).toEqual(input)
    }
  })

  it('shows no part of a tag or call, wherever the text ends', () => {
    for (const calls of Object.values(CASES)) {
      const text = writeTurn(dialect, calls, 'I will see.').slice(0, 600)
      for (let end = 0; end <= text.length; end++) {
        const { text: shown } = readChunks(dialect, [text.slice(0, end)], 'length')
        if (!'I will see.\n'.startsWith(shown)) expect(shown, `up to ${end}`).toBe('I will see.\n')
      }
    }
  })

  it('never shows what it must take back', () => {
    for (const calls of Object.values(CASES)) {
      const parser = dialect.createParser({ createId: () => 'id' })
      let shown = ''
      for (const character of writeTurn(dialect, calls, 'I will see.').split('')) {
        for (const event of parser.push(character)) if (event.type === 'text-delta') shown += event.text
        if (!'I will see.\n'.startsWith(shown)) expect(shown).toBe('I will see.\n')
      }
    }
  })

  it('does not mend a call that the token limit cut', () => {
    const text = writeTurn(dialect, [{ name: 'weather', input: { city: 'Paris', days: 3 } }])
    for (let end = 0; end < text.indexOf('3'); end++) {
      for (const { input } of readChunks(dialect, [text.slice(0, end)], 'length').calls) expect(input).toBeNull()
    }
  })

  it.each([
    ['plain', 'It is 12 degrees in Paris. A < b, x[0] = {y}, 5 > 3; "so" it\'s.'],
    ['lists', '- [x] done\n- [ ] open\n[1] See the [link](https://a.b/c).\n* [a, b]\n'],
    ['code', 'Use:\n```ts\nconst a = { name: "x" }\n```\nand\n```json\n{"city": "Paris", "name": 5}\n```\nSo.'],
    ['an object in code', 'Write `const a = {"name": "x"}` so.'],
    ['an object around what may be a call', '{"arguments":\n{"name": "f", "arguments": {}}, "z": 1}'],
    ['a block at the end', 'So:\n```\nnpm run build\n```'],
    ['empty blocks and brackets', '```\n```\n{}\n[]\n{ }\n[ ]\ndone'],
    ['objects that are no calls', '{"a": 1}\n{"name": "Ann", "age": 5}\n[{"id": 1, "x": 2}]\n{x}\n[see (1)]\n{"typ'],
    ['html', '<b>bold</b> <tool> <toolbox> </tools> <|x|> <function> a<|b'],
    ['flowers', '✿ ✿FUN ✿✿ 你好✿。'],
    ['one letter', 'A'],
    ['words like tags', 'Actions: none. Final Answers are good.\nThoughts?\nAction\nF'],
  ])('leaves text alone: %s', (what, text) => {
    const { text: shown, calls } = readEveryCut(dialect, text)
    expect(calls).toEqual([])
    // The last line of one case could become a call, and is not shown in formats where it could.
    if (what === 'objects that are no calls')
      expect(text.startsWith(shown) && shown.length > text.length - 7).toBe(true)
    else expect(shown).toBe(text)
  })

  it('makes reasoning of think tags, also unclosed, and reads no calls in it', () => {
    const call = writeTurn(dialect, [{ name: 'f', input: { a: 1 } }])
    const inner = `hm ${call}\nso`
    expect(readEveryCut(dialect, `<think>${inner}</think>\n\nYes.\n${call}`)).toMatchObject({
      reasoning: inner,
      text: 'Yes.\n',
      calls: [{ name: 'f', input: { a: 1 } }],
    })
    expect(readEveryCut(dialect, `<think>${inner}`)).toMatchObject({ calls: [], reasoning: inner })
  })

  it('gives each call as soon as it is read', () => {
    const calls = ['a', 'b', 'c'].map((name) => ({ name, input: { x: 1 } }))
    const parser = dialect.createParser({ createId: () => 'id' })
    const text = writeTurn(dialect, calls)
    const seen: number[] = []
    for (let at = 0; at < text.length; at++) {
      for (const event of parser.push(text.charAt(at))) if (event.type === 'tool-call') seen.push(at)
    }
    // The first was told before the third was begun.
    expect(seen[0]).toBeLessThan(text.lastIndexOf('c'))
  })
})

describe('what models of each family write', () => {
  const f = (input: unknown = { a: 1 }) => ({ name: 'f', input })
  const rows: readonly (readonly [string, string, Partial<Reading>])[] = [
    [
      'qwen',
      '好的。\n✿FUNCTION✿：f\n✿ARGS✿：{"a": 1}\n✿RESULT✿: 5\n✿RETURN✿: 是5。',
      { calls: [f()], text: '好的。\n' },
    ],
    ['qwen', '✿FUNCTION✿: f\n✿FUNCTION✿: f\n✿ARGS✿: {"a": 1}', { calls: [f({}), f()] }],
    ['qwen', '✿RETURN✿: It is 5.', { calls: [], text: 'It is 5.' }],
    ['qwen', '✿FUNCTION✿: f\n✿ARGS✿: Paris\n', { calls: [f('Paris')] }],
    [
      'react',
      'Thought: I need f.\nAction: f\nAction Input: {"a": 1}\nObservation: 5\nThought: known\nFinal Answer: 5',
      { calls: [f()], text: '', reasoning: 'I need f.\n' },
    ],
    ['react', 'Thought: easy\nFinal Answer: It is\nso.', { calls: [], text: 'It is\nso.', reasoning: 'easy\n' }],
    ['react', 'Thought: It is 5.', { calls: [], text: 'It is 5.', reasoning: 'It is 5.' }],
    ['react', 'Thought: no tool\nAction: None\nFinal Answer: 5', { calls: [], text: '5' }],
    ['react', 'Action: f\nAction Input: ```json\n{"a": 1}\n```\nObservation:', { calls: [f()], text: '' }],
    ['react', 'Action: f\nAction Input: Paris, France\nObservation: sun', { calls: [f('Paris, France')] }],
    ['react', 'Action: f\nFinal Answer: x', { calls: [f({})], text: 'x' }],
    ['react', 'Action: `f`\nAction Input:\n{"a":\n1}\n', { calls: [f()], text: '' }],
    ['react', 'Action: f\nAction Input: "{\\"a\\": 1}"\nObservation', { calls: [f()] }],
    [
      'json',
      'Ok:\n```json\n[{"name": "f", "arguments": {"a": 1}}, {"name": "f"}]\n```\nDone.',
      { calls: [f(), f({})], text: 'Ok:\n\nDone.' },
    ],
    ['json', '```\n{"tool": "f", "args": {"a": 1}}\n```', { calls: [f()], text: '' }],
    ['json', '{"name": "f", "arguments": {"a": 1}}', { calls: [f()], text: '' }],
    [
      'json',
      '```json\n{"type": "function", "function": {"name": "f", "arguments": "{\\"a\\": 1}"}}\n```',
      { calls: [f()] },
    ],
    ['llama3', '<|python_tag|>{"name": "f", "parameters": {"a": 1}}<|eom_id|>', { calls: [f()], text: '' }],
    [
      'llama3',
      '{"type": "function", "name": "f", "parameters": {"a": 1}}; {"name": "f", "parameters": {}}',
      { calls: [f(), f({})] },
    ],
    ['llama3', 'I call it: {"name": "f", "parameters": {"a": 1}}\nOk.', { calls: [f()], text: 'I call it: Ok.' }],
    ['llama3', '<function=f>{"a": 1}</function> ok', { calls: [f()], text: ' ok' }],
    ['gemma', '```tool_code\nprint(default_api.f(a=1))\n```', { calls: [f()], text: '' }],
    ['gemma', '[f(a=1), f(a=1)]', { calls: [f(), f()], text: '' }],
    ['gemma', 'Ok.\n{"name": "f", "parameters": {"a": 1}}', { calls: [f()], text: 'Ok.\n' }],
    ['gemma', '```json\n{"name": "f", "parameters": {"a": 1}}\n```', { calls: [f()], text: '' }],
    ['gemma', '```tool_code\nx = f(a=1)\n```\n```tool_output\n5\n```\nIt is 5.', { calls: [f()] }],
    ['phi', '<|tool_call|>[{"name": "f", "arguments": {"a": 1}}]<|/tool_call|>', { calls: [f()], text: '' }],
    ['phi', 'functools[{"name": "f", "arguments": {"a": 1}}, {"name": "f", "arguments": {}}]', { calls: [f(), f({})] }],
    ['phi', '[{"name": "f", "arguments": {"a": 1}}]', { calls: [f()], text: '' }],
    ['lfm2', '<|tool_call_start|>[f(a=1), f()]<|tool_call_end|>Looking.', { calls: [f(), f({})], text: 'Looking.' }],
    [
      'hermes',
      '<tool_call>{"name": "f", "arguments": {"a": "x "y</tool_call>z" w"}}</tool_call>',
      { calls: [f({ a: 'x "y</tool_call>z" w' })], text: '' },
    ],
    [
      'lfm2',
      '<|tool_call_start|>[f( a = "x, y)" , b = [1, "]"] )]<|tool_call_end|>',
      { calls: [f({ a: 'x, y)', b: [1, ']'] })] },
    ],
    ['lfm2', '[f(a=1)]Looking.', { calls: [f()], text: 'Looking.' }],
    ['lfm2', '<|tool_call_start|>[{"name": "f", "arguments": {"a": 1}}]<|tool_call_end|>', { calls: [f()] }],
    [
      'lfm2',
      "<|tool_call_start|>[f(a='it\\'s', b=(1, 2), c={'k': None})]<|tool_call_end|>",
      { calls: [f({ a: "it's", b: [1, 2], c: { k: null } })] },
    ],
    ['lfm2', '<|tool_call_start|>[f("Paris")]<|tool_call_end|>', { calls: [f('f("Paris")]')] }],
    [
      'mistral',
      '[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}, "id": "123456789"}]</s>',
      { calls: [f()], text: '' },
    ],
    ['mistral', '[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]f{"a": 1}', { calls: [f(), f()], text: '' }],
    ['mistral', '[{"name": "f", "arguments": {"a": 1}}]', { calls: [f()], text: '' }],
  ]
  it.each(rows)('%s: %s', (name, text, expected) => {
    expect(readEveryCut(dialectOf(name), text)).toMatchObject(expected)
  })

  it('tells an object in an answer from a call by the names of the tools', () => {
    const readWith = (toolNames: readonly string[] | undefined, text: string) => {
      const parser = dialectOf('json').createParser({ createId: () => 'id', toolNames })
      return [...parser.push(text), ...parser.end('stop')].map(({ type }) => type)
    }
    const answer = '```json\n[{"name": "Ann"}, {"name": "Bo"}]\n```'
    expect(readWith(undefined, answer)).toContain('tool-call')
    expect(new Set(readWith(['f'], answer))).toEqual(new Set(['text-delta']))
    expect(readWith(['f'], '```json\n{"name": "f"}\n```')).toContain('tool-call')
    // With arguments it is a call whatever its name: the model is told that there is no such tool.
    expect(readWith(['f'], '{"name": "g", "arguments": {}}')).toContain('tool-call')
  })

  it.each(['hermes', 'qwen', 'react', 'json', 'llama3', 'phi', 'mistral'])(
    '%s gives null, lists and garbage as they are',
    (name) => {
      const dialect = dialectOf(name)
      for (const input of [null, [1, 2]]) {
        expect(readEveryCut(dialect, writeTurn(dialect, [f(input)])).calls).toEqual([f(input)])
      }
    },
  )
})
