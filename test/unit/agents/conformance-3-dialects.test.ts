// behaviours.md, section 3, sentence by sentence. Each test is named by the sentence that it holds.
import { describe, expect, it } from 'vitest'
import { type AgentOptions, createAgent } from '../../../src/agents/agent.js'
import type { Dialect } from '../../../src/agents/dialect/dialect.js'
import { dialectNames, loadDialect } from '../../../src/agents/dialect/dialects.js'
import { createAcceptor } from '../../../src/engines/grammar/acceptor.js'
import { readGbnf } from '../../../src/engines/grammar/read-gbnf.js'
import { type ScriptedTurnSource, scriptedModel } from '../../../src/engines/scripted.js'
import type { Message, ToolCallPart, ToolResultPart } from '../../../src/protocol/message.js'
import type { ChatModel, ChatModelCapabilities, OutputConstraint } from '../../../src/protocol/model.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'
import { tool } from '../../../src/tools/tool.js'
import { type ExpectedCall, readChunks, writeTurn } from './dialect-reading.js'

const look = tool({
  name: 'look',
  description: 'Looks',
  input: {
    type: 'object',
    properties: { at: { type: 'string' }, n: { type: 'integer' } },
    additionalProperties: false,
  },
  execute: (input) => `saw ${JSON.stringify(input)}`,
})
const names = dialectNames.filter((name) => name !== 'none' && name !== 'nous')
const dialects = (await Promise.all(names.map(loadDialect))) as Dialect[]
const each = dialects.map((dialect) => [dialect.name, dialect] as const)

/** A model that takes no tools itself. */
function plainModel(turns: readonly ScriptedTurnSource[], more: Partial<ChatModelCapabilities> = {}, chunkSize = 4) {
  const inner = scriptedModel(turns, { chunkSize })
  const capabilities = { ...inner.capabilities, tools: 'none' as const, ...more }
  return { model: { ...inner, capabilities } as ChatModel, requests: inner.requests }
}

async function runOf(turns: readonly ScriptedTurnSource[], options: Partial<AgentOptions> = {}, chunkSize = 4) {
  const { model, requests } = plainModel(turns, {}, chunkSize)
  const run = createAgent({ model, tools: [look], ...options }).stream('Go')
  const parts: StreamPart[] = []
  for await (const part of run) parts.push(part)
  const messages = await run.messages
  return { parts, messages, requests, text: await run.text, finish: await run.finish }
}

const partsOf = (messages: readonly Message[]) =>
  messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content))
const callsIn = (messages: readonly Message[]) =>
  partsOf(messages).filter((part): part is ToolCallPart => part.type === 'tool-call')
const resultsIn = (messages: readonly Message[]) =>
  partsOf(messages).filter((part): part is ToolResultPart => part.type === 'tool-result')
const promptOf = (messages: readonly Message[] | undefined) =>
  (messages ?? []).map(({ role, content }) => `${role}: ${content}`).join('\n')

const call = (input: unknown, name = 'look') =>
  `<tool_call>\n${JSON.stringify({ name, arguments: input })}\n</tool_call>`

describe('§3 Engines with native calls use them', () => {
  it('and all others get a dialect, chosen from the model’s chat template, overridable', async () => {
    const native = scriptedModel([{ toolCalls: [{ name: 'look' }] }, 'Done.'])
    expect((await createAgent({ model: native, tools: [look] }).generate('Go')).text).toBe('Done.')
    expect(native.requests[0]?.tools).toHaveLength(1)
    expect(promptOf(native.requests[0]?.messages)).not.toContain('look')
    const written = async (own: string | undefined, dialect?: string) => {
      const { model, requests } = plainModel(['Hi.'], { dialect: own })
      await createAgent({ model, tools: [look], dialect }).generate('Go')
      expect(requests[0]?.tools).toBeUndefined()
      return promptOf(requests[0]?.messages)
    }
    expect(await written(undefined)).toContain('<tool_call>')
    expect(await written('lfm2')).toContain('<|tool_list_start|>')
    expect(await written('lfm2', 'react')).toContain('Action Input:')
  })
})

describe('§3 the formats', () => {
  const conversation: Message[] = [
    { role: 'user', content: 'Q' },
    { role: 'assistant', content: [{ type: 'tool-call', callId: '1', name: 'look', input: { at: 'x' } }] },
    { role: 'tool', content: [{ type: 'tool-result', callId: '1', name: 'look', output: 'RESULT' }] },
  ]
  const marks: Readonly<Record<string, readonly [tools: string, calls: string, results: string]>> = {
    hermes: [
      '<tools>\n{"type":"function"',
      '<tool_call>\n{"name": "look", "arguments": {"at":"x"}}',
      '<tool_response>\nRESULT',
    ],
    qwen: ['✿FUNCTION✿', '✿FUNCTION✿: look\n✿ARGS✿: {"at":"x"}', '✿RESULT✿: RESULT'],
    react: ['Thought', 'Action: look\nAction Input: {"at":"x"}', 'Observation: RESULT'],
    json: ['```json', '```json\n{"name": "look", "arguments": {"at":"x"}}\n```', 'RESULT'],
    llama3: ['"parameters"', '{"name": "look", "parameters": {"at":"x"}}', 'RESULT'],
    gemma: ['```tool_code', '```tool_code\nlook(at="x")\n```', '```tool_output\nRESULT'],
    phi: [
      '<|tool|>[',
      '<|tool_call|>[{"name": "look", "arguments": {"at":"x"}}]<|/tool_call|>',
      '<|tool_response|>RESULT',
    ],
    lfm2: [
      '<|tool_list_start|>[',
      '<|tool_call_start|>[look(at="x")]<|tool_call_end|>',
      '<|tool_response_start|>RESULT',
    ],
    mistral: ['[AVAILABLE_TOOLS] [', '[TOOL_CALLS] [{"name": "look", "arguments": {"at":"x"}}]', '[TOOL_RESULTS] '],
  }

  it.each(each)('%s: tools in the system prompt, calls of the assistant, results in a user turn', (name, dialect) => {
    const request = { messages: conversation, tools: [look], toolChoice: 'auto', final: false, language: 'en' } as const
    const [system, , assistant, user] = dialect.format(request)
    const [tools, calls, results] = marks[name] ?? ['missing', 'missing', 'missing']
    expect([system?.role, assistant?.role, user?.role]).toEqual(['system', 'assistant', 'user'])
    expect(system?.content).toContain(tools)
    expect(system?.content).toContain('look')
    expect(assistant?.content).toContain(calls)
    expect(user?.content).toContain(results)
  })

  it('nous is another name of hermes', async () => expect(await loadDialect('nous')).toBe(await loadDialect('hermes')))
})

describe('§3 Where the engine can constrain decoding, the tool schema becomes a grammar', () => {
  const fits = (output: OutputConstraint | undefined, text: string) => {
    if (output?.type !== 'grammar') throw new Error('expected a grammar')
    let state: ReturnType<typeof createAcceptor> | undefined = createAcceptor(readGbnf(output.grammar))
    for (const byte of new TextEncoder().encode(text)) state = state?.next(byte)
    return state?.isAccepting === true
  }

  it.each(each)('%s: so that a small model cannot write an invalid call', async (name, dialect) => {
    const { model, requests } = plainModel(['Hi.'], { grammar: 'gbnf', dialect: name })
    await createAgent({ model, tools: [look], toolChoice: 'required' }).generate('Go')
    const output = requests[0]?.output
    const written = (calls: readonly ExpectedCall[]) =>
      writeTurn(dialect, calls).replaceAll('":', '": ').replaceAll(/: {2}/g, ': ').replaceAll(',"', ', "')
    expect(fits(output, written([{ name: 'look', input: { at: 'x', n: 3 } }]))).toBe(true)
    for (const [tried, input] of [
      ['look', { n: 'x' }],
      ['look', { other: 1 }],
      ['hook', { n: 3 }],
    ] as const) {
      expect(fits(output, written([{ name: tried, input }])), `${tried} ${JSON.stringify(input)}`).toBe(false)
    }
    expect(fits(output, 'Just text.')).toBe(false)
  })

  it('and free text stays possible where the model may answer', async () => {
    const { model, requests } = plainModel(['Hi.'], { grammar: 'gbnf' })
    await createAgent({ model, tools: [look] }).generate('Go')
    expect(fits(requests[0]?.output, 'Just text.')).toBe(true)
  })
})

describe('§3 It holds back only a tail that could still become a tag', () => {
  it('`I will call <tool_c` shows `I will call ` until it is decided, and `a < b` comes out whole', async () => {
    const hermes = dialects[0] as Dialect
    const shown = (chunks: readonly string[]) => {
      const parser = hermes.createParser({ createId: () => '1' })
      return chunks.map((chunk) =>
        parser
          .push(chunk)
          .map((event) => (event.type === 'text-delta' ? event.text : event.type))
          .join(''),
      )
    }
    expect(shown(['I will call <tool_c'])).toEqual(['I will call '])
    expect(shown(['I will call <tool_c', 'amel>'])).toEqual(['I will call ', '<tool_camel>'])
    expect(shown(['a < b'])).toEqual(['a < b'])
    expect(shown(['a <', ' b'])).toEqual(['a ', '< b'])
  })

  it.each(each)(
    '%s: no part of a tag or of an argument is ever shown as text, at whatever place the stream is cut',
    (_, dialect) => {
      const turn = writeTurn(dialect, [{ name: 'look', input: { at: 'SECRET <b> {x}', n: 1 } }], 'Plain words.')
      for (let at = 0; at <= turn.length; at++) {
        const { text, calls } = readChunks(dialect, [turn.slice(0, at), turn.slice(at)])
        expect(text.trim()).toBe('Plain words.')
        expect(calls).toHaveLength(1)
        const cut = readChunks(dialect, [turn.slice(0, at)], 'length').text
        expect('Plain words.'.startsWith(cut.trim()), JSON.stringify(cut)).toBe(true)
      }
    },
  )
})

describe('§3 Text before, between and after calls is kept, in order', () => {
  it('and calls keep order and get unique ids', async () => {
    for (const chunkSize of [1, 3, 1000]) {
      const first = `One. ${call({ n: 1 })} Two. ${call({ n: 2 })} Three.`
      const { messages, text } = await runOf(
        [first, `Four. ${call({ n: 3 })}`, 'Five.'],
        { dialect: 'hermes' },
        chunkSize,
      )
      const told = partsOf(messages.slice(0, 1)).map((part) => (part.type === 'text' ? part.text.trim() : part.type))
      expect(told).toEqual(['One.', 'tool-call', 'Two.', 'tool-call', 'Three.'])
      expect(text.replaceAll(/\s+/g, ' ')).toMatch(/^One\. ?Two\. ?Three\. ?Four\. ?Five\.$/)
      expect(callsIn(messages).map(({ input }) => input)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
      expect(new Set(callsIn(messages).map(({ callId }) => callId)).size).toBe(3)
      expect(resultsIn(messages).map(({ callId }) => callId)).toEqual(callsIn(messages).map(({ callId }) => callId))
    }
  })
})

describe('§3 JSON is repaired', () => {
  const inside = (json: string) => `<tool_call>${json}</tool_call>`
  it.each([
    ['trailing commas', inside('{"name": "look", "arguments": {"at": "x", "n": 1,},}')],
    ['single quotes', inside("{'name': 'look', 'arguments': {'at': 'x', 'n': 1}}")],
    ['unquoted keys', inside('{name: "look", arguments: {at: "x", n: 1}}')],
    ['a missing closing brace', inside('{"name": "look", "arguments": {"at": "x", "n": 1}')],
    ['an extra closing brace', inside('{"name": "look", "arguments": {"at": "x", "n": 1}}}')],
    ['code fences', inside('\n```json\n{"name": "look", "arguments": {"at": "x", "n": 1}}\n```\n')],
    ['arguments given as a JSON string', inside('{"name": "look", "arguments": "{\\"at\\": \\"x\\", \\"n\\": 1}"}')],
    ['Keys in any order', inside('{"arguments": {"n": 1, "at": "x"}, "name": "look"}')],
    ['any white space', inside('\n\t{ "name"\n:\t"look" ,"arguments":{"at" : "x"\n,"n":1} }  ')],
  ])('%s', async (_, text) => {
    for (const chunkSize of [1, 1000]) {
      const { messages } = await runOf([text, 'Done.'], { dialect: 'hermes' }, chunkSize)
      expect(callsIn(messages)).toMatchObject([{ name: 'look', input: { at: 'x', n: 1 } }])
      expect(resultsIn(messages)[0]?.isError).toBeUndefined()
    }
  })

  it('raw newlines in strings, and `</tool_call>` inside a string value does not end the call', async () => {
    const { messages, text } = await runOf([
      inside('{"name": "look", "arguments": {"at": "a\nb </tool_call> c"}}'),
      'Done.',
    ])
    expect(callsIn(messages)).toMatchObject([{ input: { at: 'a\nb </tool_call> c' } }])
    expect(text).toBe('Done.')
  })

  it('Missing arguments are `{}`', async () => {
    const { messages } = await runOf([inside('{"name": "look"}'), 'Done.'])
    expect(callsIn(messages)).toMatchObject([{ input: {} }])
    expect(resultsIn(messages)).toMatchObject([{ output: 'saw {}' }])
  })

  it.each([
    ['null', 'null'],
    ['lists', '[1, 2]'],
    ['garbage', '"@@ not json @@"'],
  ])('%s are an input error that goes back to the model, at most twice', async (_, given) => {
    const bad = (n: number) => inside(`{"name": "look", "arguments": ${given}${' '.repeat(n)}}`)
    const { messages, requests, text } = await runOf([bad(1), bad(2), bad(3), 'I cannot.'], { dialect: 'hermes' })
    const results = resultsIn(messages)
    expect(results).toHaveLength(3)
    for (const { isError, output } of results) expect([isError, String(output).length < 500]).toEqual([true, true])
    expect(promptOf(requests[2]?.messages).split('<tool_response>').length - 1).toBe(2)
    expect(promptOf(requests[3]?.messages).split('<tool_response>').length - 1).toBe(2)
    expect(requests[3]?.toolChoice).toBe('none')
    expect(text).toBe('I cannot.')
  })
})

describe('§3 Reasoning becomes reasoning parts; tool tags inside it are not calls', () => {
  it.each([
    ['closed', `<think>Hm ${call({ n: 1 })}</think>Yes.`, 'Yes.'],
    ['unclosed', `Yes.<think>Hm ${call({ n: 1 })}`, 'Yes.'],
    ['separate fields', { reasoning: `Hm ${call({ n: 1 })}`, text: 'Yes.' }, 'Yes.'],
  ])('%s', async (_, turn, expected) => {
    const { parts, messages, text } = await runOf([turn], { dialect: 'hermes' }, 3)
    const reasoning = parts.flatMap((part) => (part.type === 'reasoning-delta' ? [part.text] : [])).join('')
    expect(reasoning).toContain('Hm <tool_call>')
    expect(callsIn(messages)).toEqual([])
    expect(text).toBe(expected)
    expect(partsOf(messages).some(({ type }) => type === 'reasoning')).toBe(true)
  })
})

describe('§3 Stop words cut at the earliest match', () => {
  it('also when split over chunks', async () => {
    for (const chunkSize of [1, 2, 3, 1000]) {
      const { text, finish, requests } = await runOf(
        ['One two END three STOP four'],
        { tools: [], sampling: { stop: ['STOP', 'END', 'E'] } },
        chunkSize,
      )
      expect(text).toBe('One two ')
      expect(finish.reason).toBe('stop')
      expect(requests).toHaveLength(1)
    }
    expect((await runOf(['an EN and more'], { tools: [], sampling: { stop: ['END'] } }, 1)).text).toBe('an EN and more')
  })
})
