import { describe, expect, it } from 'vitest'
import { createTokenTexts, encodePrompt } from '../../../src/engines/transformers/prompt.js'
import type { Tokenizer } from '../../../src/engines/transformers/runtime.js'
import type { Message } from '../../../src/protocol/message.js'

/** A tokenizer whose tokens are characters; its template knows no system role when `strict`. */
function fakeTokenizer({ template = true, strict = false } = {}) {
  const fake = {
    chat_template: template ? 'x' : null,
    all_special_ids: [1],
    encode: (text: string, { add_special_tokens = true } = {}) =>
      [...(add_special_tokens ? '^' : ''), ...text].map((letter) => letter.codePointAt(0)),
    decode: (tokens: number[], { skip_special_tokens = false } = {}) =>
      String.fromCodePoint(...tokens.filter((token) => !skip_special_tokens || token !== 1)),
    apply_chat_template(messages: { role: string; content: string }[]) {
      if (strict && messages.some(({ role }) => role === 'system')) throw new Error('System role not supported')
      return `${messages.map(({ role, content }) => `<${role[0]}>${content}`).join('')}<a>`
    },
  }
  return fake as unknown as Tokenizer
}

const render = (messages: readonly Message[], options = {}) =>
  String.fromCodePoint(...encodePrompt(fakeTokenizer(options), messages))

describe('encodePrompt', () => {
  it('writes the template and asks for an answer', () => {
    expect(
      render([
        { role: 'system', content: 'S' },
        { role: 'user', content: [{ type: 'text', text: 'Q' }] },
      ]),
    ).toBe('<s>S<u>Q<a>')
  })

  it('goes on from an answer that was begun', () => {
    const messages: Message[] = [
      { role: 'user', content: 'Q' },
      { role: 'assistant', content: 'It is ' },
    ]
    expect(render(messages)).toBe('<u>Q<a>It is ')
    expect(render(messages, { template: false })).toBe('^QIt is ')
  })

  it('moves the system text to the user where the template refuses it', () => {
    const messages: Message[] = [
      { role: 'system', content: 'S' },
      { role: 'user', content: 'Q' },
    ]
    expect(render(messages, { strict: true })).toBe('<u>S\n\nQ<a>')
  })

  it('gives a model without a template the plain texts', () => {
    const messages: Message[] = [
      { role: 'system', content: 'S' },
      { role: 'user', content: 'Q' },
    ]
    expect(render(messages, { template: false })).toBe('^S\nQ')
  })

  it('refuses pictures', () => {
    const image = { type: 'image', data: 'x', mediaType: 'image/png' } as const
    expect(() => render([{ role: 'user', content: [image] }])).toThrowError(
      expect.objectContaining({ code: 'invalid-argument' }),
    )
  })
})

describe('createTokenTexts', () => {
  it('knows special tokens and leaves them out', () => {
    const texts = createTokenTexts(fakeTokenizer())
    expect(texts.decode([65, 1, 66])).toBe('AB')
    expect([texts.isSpecial(1), texts.isSpecial(65), texts.textOf(1)]).toEqual([true, false, ''])
  })
})
