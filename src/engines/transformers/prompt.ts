import { AlcoveError } from '../../protocol/error.js'
import type { Message } from '../../protocol/message.js'
import type { Sampling } from '../../protocol/model.js'
import { type FlatMessage, flattenMessages } from '../flat-messages.js'
import { readTokenBytes, type Vocabulary } from '../grammar/vocabulary.js'
import type { Tokenizer } from './runtime.js'

/** Moves the system text into the first user turn, for templates that know no system role. */
function withoutSystem(messages: readonly FlatMessage[]): FlatMessage[] {
  const [system, first, ...rest] = messages
  if (system?.role !== 'system') return [...messages]
  if (first?.role !== 'user') return [{ role: 'user', content: system.content }, ...(first ? [first, ...rest] : [])]
  return [{ role: 'user', content: `${system.content}\n\n${first.content}` }, ...rest]
}

function renderTemplate(
  tokenizer: Tokenizer,
  messages: readonly FlatMessage[],
  reasoning: Sampling['reasoning'],
): string {
  // Templates of models that can think before an answer know `enable_thinking`; the others ignore it.
  const thinking = reasoning && { enable_thinking: reasoning === 'on' }
  const render = (turns: FlatMessage[]) =>
    tokenizer.apply_chat_template(turns, { add_generation_prompt: true, tokenize: false, ...thinking })
  try {
    return render([...messages])
  } catch (error) {
    try {
      return render(withoutSystem(messages))
    } catch {
      throw new AlcoveError('invalid-argument', `the model's chat template refuses these messages: ${String(error)}`, {
        cause: error,
        hint: 'Most templates want user and assistant turns in alternation, the first one from the user.',
      })
    }
  }
}

/**
 * The tokens of a request. A last turn of the assistant is its beginning: the model goes on from it. A model without a
 * chat template gets the texts one after the other.
 * @throws AlcoveError `invalid-argument` for messages that the model cannot read
 */
export function encodePrompt(
  tokenizer: Tokenizer,
  messages: readonly Message[],
  reasoning?: Sampling['reasoning'],
): number[] {
  const flat = flattenMessages(messages)
  const last = flat.at(-1)
  const begun = last?.role === 'assistant' ? last.content : ''
  const turns = begun === '' ? flat : flat.slice(0, -1)
  if (!tokenizer.chat_template) return tokenizer.encode(turns.map(({ content }) => content).join('\n') + begun)
  return tokenizer.encode(renderTemplate(tokenizer, turns, reasoning) + begun, { add_special_tokens: false })
}

/** Special tokens that carry meaning for a reader of tool calls or reasoning, and so are part of the text. */
const SPOKEN = /tool|python_tag|function|think|reason/i

/** How a tokenizer's output becomes text: `textOf` gives a special token's text when it belongs to the answer, else ''. */
export interface TokenTexts {
  decode(tokens: readonly number[]): string
  isSpecial(token: number): boolean
  textOf(token: number): string
}

/** Text of tokens for one tokenizer. */
export function createTokenTexts(tokenizer: Tokenizer): TokenTexts {
  const special = new Set(tokenizer.all_special_ids)
  const decode = (tokens: readonly number[], skip: boolean) =>
    tokenizer.decode([...tokens], { skip_special_tokens: skip, clean_up_tokenization_spaces: false })
  return {
    decode: (tokens) => decode(tokens, true),
    isSpecial: (token) => special.has(token),
    textOf(token) {
      const text = decode([token], false)
      return SPOKEN.test(text) ? text : ''
    },
  }
}

/** The tokenizer as a constraint needs it; undefined for one whose tokens have no bytes of their own. */
export function createVocabulary(tokenizer: Tokenizer, texts: TokenTexts): Vocabulary | undefined {
  const tokens = readTokenBytes(tokenizer._tokenizerJSON, tokenizer.get_vocab(), (token, content) =>
    texts.isSpecial(token) ? texts.textOf(token) : content,
  )
  return tokens && { tokens, encode: (text) => tokenizer.encode(text, { add_special_tokens: false }) }
}
