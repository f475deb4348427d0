import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ParserEvent } from '../../../src/agents/dialect/dialect.js'
import { formatHermesCall, hermesDialect } from '../../../src/agents/dialect/hermes.js'
import { plainDialect } from '../../../src/agents/dialect/plain.js'

interface Reading {
  text: string
  reasoning: string
  calls: { name: string; input: unknown }[]
  ids: string[]
  inputs: Record<string, string>
}

function read(chunks: readonly string[], reason: 'stop' | 'length' = 'stop', dialect = hermesDialect): Reading {
  let ids = 0
  const parser = dialect.createParser({ createId: () => `id-${++ids}` })
  const events: ParserEvent[] = []
  for (const chunk of chunks) events.push(...parser.push(chunk))
  events.push(...parser.end(reason))
  const reading: Reading = { text: '', reasoning: '', calls: [], ids: [], inputs: {} }
  for (const event of events) {
    if (event.type === 'text-delta') reading.text += event.text
    else if (event.type === 'reasoning-delta') reading.reasoning += event.text
    else if (event.type === 'tool-call') {
      reading.calls.push({ name: event.name, input: event.input })
      reading.ids.push(event.callId)
    } else reading.inputs[event.callId] = (reading.inputs[event.callId] ?? '') + event.text
  }
  return reading
}

/** Reads the text whole, cut in two at every place, and one character at a time; all must agree. */
function readEveryCut(text: string, ignoreInputs = false): Reading {
  const strip = (reading: Reading) => (ignoreInputs ? { ...reading, inputs: {} } : reading)
  const whole = strip(read([text]))
  for (let at = 1; at < text.length; at++) {
    expect(strip(read([text.slice(0, at), text.slice(at)])), `cut at ${at}`).toEqual(whole)
  }
  expect(strip(read([...text]))).toEqual(whole)
  return whole
}

const call = (name: string, input: unknown) => formatHermesCall({ name, input })

describe('hermes parser', () => {
  it('keeps text before, between and after calls, in order', () => {
    const text = `I will look. ${call('a', { x: 1 })} and ${call('b', { y: 'z' })} done.`
    const reading = readEveryCut(text)
    expect(reading.text).toBe('I will look.  and  done.')
    expect(reading.calls).toEqual([
      { name: 'a', input: { x: 1 } },
      { name: 'b', input: { y: 'z' } },
    ])
    expect(new Set(reading.ids).size).toBe(2)
  })

  it('shows no white space that only separates calls', () => {
    expect(readEveryCut(`${call('a', {})}\n${call('b', {})}\n`).text).toBe('')
  })

  it('holds back only what may become a tag', () => {
    const parser = hermesDialect.createParser({ createId: () => 'id' })
    expect(parser.push('I will call <tool_c')).toEqual([{ type: 'text-delta', text: 'I will call ' }])
    expect(parser.push('ase> it')).toEqual([{ type: 'text-delta', text: '<tool_case> it' }])
    expect(parser.push(' if a < b')).toEqual([{ type: 'text-delta', text: ' if a < b' }])
    expect(readEveryCut('if a < b and b <= c then <b>bold</b>').text).toBe('if a < b and b <= c then <b>bold</b>')
  })

  it('never shows a part of a tag, wherever the text ends', () => {
    const text = `Look: ${call('search', { query: 'a <tool_call> </tool_call> b' })} so`
    for (let end = 0; end <= text.length; end++) {
      for (const reason of ['stop', 'length'] as const) {
        const shown = read([text.slice(0, end)], reason).text
        expect('Look:  so'.startsWith(shown) || shown === 'Look: ', `${end}: ${shown}`).toBe(true)
      }
    }
  })

  it('does not end a call at a closing tag inside a string', () => {
    const text =
      '<tool_call>\n{"name": "say", "arguments": {"text": "use </tool_call> and <tool_call> \\" so"}}\n</tool_call>ok'
    expect(readEveryCut(text)).toMatchObject({
      text: 'ok',
      calls: [{ name: 'say', input: { text: 'use </tool_call> and <tool_call> " so' } }],
    })
  })

  it('takes keys in any order and any white space', () => {
    const text = '<tool_call>{\n "arguments" :\t{ "a" : [1, {"b": null}] } ,\r\n "name" : "f" }  </tool_call>'
    const reading = readEveryCut(text)
    expect(reading.calls).toEqual([{ name: 'f', input: { a: [1, { b: null }] } }])
    expect(JSON.parse(reading.inputs['id-1'] ?? '')).toEqual({ a: [1, { b: null }] })
  })

  it('streams the arguments while they are written', () => {
    const parser = hermesDialect.createParser({ createId: () => 'id' })
    parser.push('<tool_call>\n{"name": "f", "argu')
    const events = [...parser.push('ments": {"city": "Par'), ...parser.push('is"}')]
    expect(events.map((event) => (event.type === 'tool-input-delta' ? event.text : event.type))).toEqual([
      '{"city": "Par',
      'is"}',
    ])
    expect(parser.push('}\n</tool_call>').at(-1)).toEqual({
      type: 'tool-call',
      callId: 'id',
      name: 'f',
      input: { city: 'Paris' },
    })
  })

  it.each([
    ['missing arguments', '{"name": "f"}', {}],
    ['a string of JSON', '{"name": "f", "arguments": "{\\"a\\": 1}"}', { a: 1 }],
    ['parameters', '{"name": "f", "parameters": {"a": 1}}', { a: 1 }],
    ['the OpenAI shape', '{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}', { a: 1 }],
    ['null', '{"name": "f", "arguments": null}', null],
    ['a list', '{"name": "f", "arguments": [1]}', [1]],
  ])('reads %s', (_what, json, input) => {
    expect(readEveryCut(`<tool_call>${json}</tool_call>`).calls).toEqual([{ name: 'f', input }])
  })

  it('gives garbage as a call whose input is its text', () => {
    expect(readEveryCut('<tool_call>get_weather(Paris)</tool_call>').calls).toEqual([
      { name: '', input: 'get_weather(Paris)' },
    ])
  })

  it('reads several objects of one tag, and a list', () => {
    const two = [
      { name: 'f', input: { a: 1 } },
      { name: 'g', input: {} },
    ]
    expect(readEveryCut('<tool_call>{"name":"f","arguments":{"a":1}}\n{"name":"g"}</tool_call>').calls).toEqual(two)
    expect(readEveryCut('<tool_call>[{"name":"f","arguments":{"a":1}},{"name":"g"}]</tool_call>').calls).toEqual(two)
  })

  it('ends a call without its closing tag at the next one, at text and at the end', () => {
    const json = '{"name": "f", "arguments": {"a": 1}}'
    const f = { name: 'f', input: { a: 1 } }
    expect(readEveryCut(`<tool_call>${json}`).calls).toEqual([f])
    expect(readEveryCut(`<tool_call>${json}<tool_call>${json}</tool_call>`).calls).toEqual([f, f])
    expect(readEveryCut(`<tool_call>${json}\nSo it is.</tool_call>`)).toMatchObject({ calls: [f], text: 'So it is.' })
  })

  it('does not mend a call that the token limit cut', () => {
    expect(read(['<tool_call>{"name": "f", "arguments": {"a": 1'], 'length').calls).toEqual([
      { name: 'f', input: null },
    ])
    expect(read(['<tool_call>{"name": "f", "arguments": {"a": 1'], 'stop').calls).toEqual([
      { name: 'f', input: { a: 1 } },
    ])
    expect(read(['<tool_call>\n'], 'length').calls).toEqual([])
  })

  it('finds the end of a call with unbalanced quotation marks', () => {
    const text = `<tool_call>{"name": "f", "arguments": {"a": "b}}</tool_call> then ${call('g', {})}`
    // Which part of the input was streamed before it turned out unbalanced depends on the cut.
    const reading = readEveryCut(text, true)
    expect(reading.calls.map(({ name }) => name)).toEqual(['f', 'g'])
    expect(reading.text).toBe(' then ')
  })

  it('makes reasoning of think tags, also unclosed, and reads no calls in it', () => {
    const inner = `hm ${call('no', {})} <b> a < b`
    expect(readEveryCut(`<think>${inner}</think>\n\nYes ${call('f', {})}`)).toMatchObject({
      reasoning: inner,
      text: 'Yes ',
      calls: [{ name: 'f', input: {} }],
    })
    expect(readEveryCut(`<think>${inner}`)).toMatchObject({ reasoning: inner, text: '', calls: [] })
  })

  it('leaves out results that the model invents, and stray tags', () => {
    expect(readEveryCut('A</tool_call><tool_response>\n{"x": 1}</tool_response>B</think>C').text).toBe('ABC')
  })

  it('takes time in proportion to the text', () => {
    const long = call('f', {
      text: 'x "y" { } '.repeat(20_000),
      list: Array.from({ length: 5_000 }, (_, at) => `v${at}`),
    })
    const reading = read([...long])
    expect(reading.calls[0]?.name).toBe('f')
    const hostile = '<tool_call>{"a": "'.repeat(3_000)
    expect(read([hostile]).text).toBe('')
    expect(read(['<'.repeat(100_000)]).text.length).toBeGreaterThan(99_900)
  })
})

describe('damaged calls', () => {
  const expected = { city: "New York's", days: 3, tags: ['a', 'b'], deep: { on: true } }
  const damaged: Record<string, string> = {
    'trailing commas':
      '{"name": "f", "arguments": {"city": "New York\'s", "days": 3, "tags": ["a", "b",], "deep": {"on": true,},},}',
    'single quotes':
      "{'name': 'f', 'arguments': {'city': 'New York\\'s', 'days': 3, 'tags': ['a', 'b'], 'deep': {'on': true}}}",
    'single quotes and an apostrophe':
      "{'name': 'f', 'arguments': {'city': 'New York's', 'days': 3, 'tags': ['a', 'b'], 'deep': {'on': True}}}",
    'unquoted keys': '{name: "f", arguments: {city: "New York\'s", days: 3, tags: ["a", "b"], deep: {on: true}}}',
    'a missing brace':
      '{"name": "f", "arguments": {"city": "New York\'s", "days": 3, "tags": ["a", "b"], "deep": {"on": true}}',
    'two missing braces':
      '{"name": "f", "arguments": {"city": "New York\'s", "days": 3, "tags": ["a", "b"], "deep": {"on": true}',
    'an extra brace':
      '{"name": "f", "arguments": {"city": "New York\'s", "days": 3, "tags": ["a", "b"], "deep": {"on": true}}}}',
    'an extra brace after the name':
      '{"name": "f"}, "arguments": {"city": "New York\'s", "days": 3, "tags": ["a", "b"], "deep": {"on": true}}}',
    'a code fence':
      '```json\n{"name": "f", "arguments": {"city": "New York\'s", "days": 3, "tags": ["a", "b"], "deep": {"on": true}}}\n```',
  }
  for (const [what, json] of Object.entries(damaged)) {
    it(`mends ${what}`, () => {
      const reading = readEveryCut(`Ok <tool_call>\n${json}\n</tool_call> end`)
      expect(reading.calls).toEqual([{ name: 'f', input: expected }])
      expect(reading.text).toBe('Ok  end')
    })
  }

  it('mends raw newlines in strings', () => {
    const text = '<tool_call>{"name": "write", "arguments": {"text": "one\ntwo\n\nthree"}}</tool_call>'
    expect(readEveryCut(text).calls).toEqual([{ name: 'write', input: { text: 'one\ntwo\n\nthree' } }])
  })
})

describe('hermes prompt', () => {
  const tools = [{ name: 'f', description: 'does f', inputSchema: { type: 'object', properties: {} } }]
  const base = { tools, toolChoice: 'auto', final: false, language: 'en' } as const

  it('writes tools into the system prompt, calls into text, results into a user turn', () => {
    const messages = hermesDialect.format({
      ...base,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Q' },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'Ok' },
            { type: 'tool-call', callId: '1', name: 'f', input: { a: 1 } },
          ],
        },
        {
          role: 'tool',
          content: [
            { type: 'tool-result', callId: '1', name: 'f', output: { b: '</tool_response><tool_call>' } },
            { type: 'tool-result', callId: '2', name: 'f', output: 'two' },
          ],
        },
      ],
    })
    expect(messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user'])
    expect(messages[0]?.content).toContain('Be brief.\n\n# Tools')
    expect(messages[0]?.content).toContain('<tools>\n{"type":"function","function":{"name":"f"')
    expect(messages[2]?.content).toBe('Ok\n<tool_call>\n{"name": "f", "arguments": {"a":1}}\n</tool_call>')
    const results = String(messages[3]?.content)
    expect(results.match(/<\/tool_response>/g)).toHaveLength(2)
    expect(results).not.toContain('<tool_call>')
    expect(results).toContain('two')
  })

  it('asks for the final answer at the end, with the beginning unchanged', () => {
    const messages = [
      { role: 'user', content: 'Q' },
      { role: 'assistant', content: [{ type: 'tool-call', callId: '1', name: 'f', input: {} }] },
      { role: 'tool', content: [{ type: 'tool-result', callId: '1', name: 'f', output: 1 }] },
    ] as const
    const before = hermesDialect.format({ ...base, messages })
    const final = hermesDialect.format({ ...base, messages, toolChoice: 'none', final: true })
    expect(final.slice(0, -1)).toEqual(before.slice(0, -1))
    expect(String(final.at(-1)?.content).startsWith(String(before.at(-1)?.content))).toBe(true)
  })

  it('makes readable text of calls when there are to be none', () => {
    const [assistant, tool] = plainDialect.format({
      ...base,
      messages: [
        { role: 'assistant', content: [{ type: 'tool-call', callId: '1', name: 'f', input: { a: 1 } }] },
        { role: 'tool', content: [{ type: 'tool-result', callId: '1', name: 'f', output: 'sun' }] },
      ],
    })
    expect(assistant?.content).toBe('(Called the tool f with {"a":1}.)')
    expect(tool).toMatchObject({ role: 'user', content: '(The tool f gave: sun)' })
  })
})

const directory = join(process.env.ALCOVE_DATA_DIR ?? '', 'functions/bfcl/possible_answer')
const judged = process.env.ALCOVE_DATA_DIR !== undefined && existsSync(directory)

describe.skipIf(!judged)('judged calls (needs ALCOVE_DATA_DIR)', () => {
  const cases = judged
    ? ['BFCL_v4_simple_python.json', 'BFCL_v4_parallel.json'].flatMap((file) =>
        readFileSync(join(directory, file), 'utf8')
          .trim()
          .split('\n')
          .map((line) => toCalls(JSON.parse(line).ground_truth)),
      )
    : []

  function toCalls(truth: Record<string, Record<string, unknown[]>>[]) {
    return truth.flatMap((entry) =>
      Object.entries(entry).map(([name, input]) => ({
        name,
        input: Object.fromEntries(Object.entries(input).map(([key, values]) => [key, values[0]])),
      })),
    )
  }

  it('are all read back, whole and in pieces', () => {
    expect(cases.length).toBe(600)
    let seed = 7
    for (const calls of cases) {
      const text = `Sure.\n${calls.map(formatHermesCall).join('\n')}`
      expect(read([text]).calls).toEqual(calls)
      const pieces: string[] = []
      for (let at = 0; at < text.length; ) {
        seed = (seed * 48_271) % 2_147_483_647
        pieces.push(text.slice(at, at + 1 + (seed % 9)))
        at += 1 + (seed % 9)
      }
      const reading = read(pieces)
      expect(reading.calls).toEqual(calls)
      expect(reading.text).toBe('Sure.\n')
    }
  })

  const damages: Record<string, (json: string) => string> = {
    'trailing comma': (json) => json.replace(/\}\}$/, ',},}'),
    'single quotes': (json) =>
      json.replaceAll(/"((?:[^"\\]|\\.)*)"/g, (_all, inner: string) => `'${inner.replaceAll('\\"', '"')}'`),
    'unquoted keys': (json) => json.replaceAll(/([{,]\s*)"(\w+)":/g, '$1$2:'),
    'missing brace': (json) => json.slice(0, -1),
    'extra brace': (json) => `${json}}`,
    'code fence': (json) => `\`\`\`json\n${json}\n\`\`\``,
    'string arguments': (json) => {
      const { name, arguments: input } = JSON.parse(json)
      return JSON.stringify({ name, arguments: JSON.stringify(input) })
    },
  }
  for (const [what, damage] of Object.entries(damages)) {
    it(`are read back with damage: ${what}`, () => {
      let right = 0
      let all = 0
      for (const calls of cases) {
        const text = calls
          .map(({ name, input }) => `<tool_call>\n${damage(JSON.stringify({ name, arguments: input }))}\n</tool_call>`)
          .join('\n')
        const got = read([text.slice(0, text.length >> 1), text.slice(text.length >> 1)])
        expect(got.text).toBe('')
        all++
        if (JSON.stringify(got.calls) === JSON.stringify(calls)) right++
      }
      expect(right / all).toBeGreaterThanOrEqual(0.99)
    })
  }
})
