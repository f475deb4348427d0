import { describe, expect, test } from 'vitest'
import { checkRequest, requestBody } from '../../../src/engines/web-llm/parts.js'
import {
  continuationPrompt,
  countPrompt,
  escapeReplacement,
  renderPrompt,
} from '../../../src/engines/web-llm/prompt.js'
import type { Message } from '../../../src/protocol/message.js'
import type { ModelRequest } from '../../../src/protocol/model.js'
import { CHATML } from './web-llm-site.js'

const user = (content: string): Message => ({ role: 'user', content })

describe('the prompt', () => {
  test('is rendered as WebLLM does it', () => {
    expect(renderPrompt(CHATML, [{ role: 'user', content: 'Hi $& $$' }])).toEqual([
      '<|im_start|>system\nYou are a helper.<|im_end|>\n',
      '<|im_start|>user\nHi $& $$<|im_end|>\n',
      '<|im_start|>assistant\n',
    ])
    const llama2 = { ...CHATML, add_role_after_system_message: false, system_template: '[INST] {system_message} ' }
    const turns = renderPrompt(llama2, [
      { role: 'system', content: 'S' },
      { role: 'user', content: 'u' },
    ])
    expect(turns.slice(0, 2)).toEqual(['[INST] S ', 'u<|im_end|>\n'])
    const bare = { ...CHATML, system_message: '', render_empty_system_message: false }
    expect(renderPrompt(bare, [{ role: 'user', content: 'u' }])).toHaveLength(2)
  })

  test('of an answer that has begun is one text, with the prefix where it can be written', () => {
    const messages = [
      { role: 'user' as const, content: 'Hi' },
      { role: 'assistant' as const, content: 'Hello th' },
    ]
    const encode = (text: string) => Int32Array.from([...text], (letter) => letter.codePointAt(0) ?? 0)
    const plain = continuationPrompt(CHATML, { encode }, messages, true)
    expect(plain).toBe(
      '<|im_start|>system\nYou are a helper.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello th',
    )
    expect(continuationPrompt(CHATML, { encode }, messages, false)).toContain('</think>\n\nHello th')
    const prefixed = { ...CHATML, system_prefix_token_ids: [65] }
    const tokenizer = { encode, idToToken: (id: number) => String.fromCodePoint(id) }
    expect(continuationPrompt(prefixed, tokenizer, messages, true)?.startsWith('A<|im_start|>')).toBe(true)
    expect(continuationPrompt(prefixed, { encode }, messages, true)).toBeUndefined()
  })

  test('is counted piece by piece, with the tokens of the system prefix', () => {
    const tokenizer = { encode: (text: string) => new Int32Array(text.length) }
    const template = { ...CHATML, system_prefix_token_ids: [1, 2] }
    const pieces = renderPrompt(template, [{ role: 'user', content: 'abc' }])
    expect(countPrompt(template, tokenizer, { messages: [user('abc')] })).toBe(pieces.join('').length + 2)
  })

  test('survives the replacement patterns of String.replace', () => {
    const text = "$$5 $& $1 $` $' $<a> $"
    expect('{x}'.replace('{x}', escapeReplacement(text))).toBe(text)
    const body = requestBody(
      { messages: [{ role: 'system', content: '$&' }, user('$&')] },
      { ...CHATML, role_templates: undefined },
    )
    expect(body.messages.map((message) => message.content)).toEqual(['$$&', '$&'])
  })
})

describe('requests', () => {
  test('in the form of WebLLM', () => {
    const body = requestBody({
      messages: [user('a')],
      sampling: {
        temperature: 0,
        topP: 0.5,
        maxTokens: 3,
        seed: 4,
        stop: ['x'],
        frequencyPenalty: 0.1,
        presencePenalty: 0.2,
      },
      output: { type: 'json-schema', schema: { enum: ['a', 1] } },
    })
    expect(body).toEqual({
      messages: [{ role: 'user', content: 'a' }],
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0,
      top_p: 0.5,
      max_tokens: 3,
      seed: 4,
      stop: ['x'],
      frequency_penalty: 0.1,
      presence_penalty: 0.2,
      response_format: { type: 'grammar', grammar: 'root ::= r1\nr1 ::= "\\"a\\"" | "1"' },
    })
  })

  test.each<[string, ModelRequest]>([
    ['no messages', { messages: [] }],
    [
      'a form for an answer that has begun',
      {
        messages: [user('a'), { role: 'assistant', content: 'b' }],
        output: { type: 'json-schema', schema: { type: 'string' } },
      },
    ],
    ['a system message alone', { messages: [{ role: 'system', content: 'b' }] }],
    ['a GBNF grammar', { messages: [user('a')], output: { type: 'grammar', grammar: '', syntax: 'gbnf' } }],
  ])('%s is refused', (_, request) => {
    expect(() => checkRequest(request)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })

  test('a late system message and a tool result are taken, in a user turn', () => {
    const messages: Message[] = [user('a'), { role: 'system', content: 'late' }]
    expect(() => checkRequest({ messages })).not.toThrow()
    expect(requestBody({ messages }).messages).toEqual([{ role: 'user', content: 'a\n\nlate' }])
  })
})
