import { AlcoveError } from '../protocol/error.js'
import type { Message, MessagePart } from '../protocol/message.js'
import type { ModelRequest } from '../protocol/model.js'

/** A turn as plain chat templates know it. */
export interface FlatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/**
 * The messages of a request in the shape that every chat template takes: at most one system message, first; then user and assistant
 * turns that alternate. A system message that comes later and the result of a tool become text of a user turn, so that what stands
 * before them stays as it was (and the engine's cache of it stays useful). Reasoning is not sent back.
 * @throws AlcoveError `invalid-argument` for no messages, or for a picture, sound or file
 */
export function flattenMessages(messages: readonly Message[]): FlatMessage[] {
  const flat: { role: FlatMessage['role']; content: string }[] = []
  for (const message of messages) {
    const content = textOf(message)
    const previous = flat.at(-1)
    const role =
      message.role === 'system' && (!previous || previous.role === 'system') ? 'system' : turnOf(message.role)
    if (previous?.role === role) previous.content = joinTexts(previous.content, content)
    else flat.push({ role, content })
  }
  if (flat.length === 0) {
    throw new AlcoveError('invalid-argument', 'messages: expected at least one message, got none')
  }
  return flat
}

const turnOf = (role: Message['role']): 'user' | 'assistant' => (role === 'assistant' ? 'assistant' : 'user')

const joinTexts = (first: string, second: string) => (first && second ? `${first}\n\n${second}` : first + second)

function textOf({ content }: Message): string {
  return typeof content === 'string' ? content : content.map(partText).filter(Boolean).join('\n')
}

function partText(part: MessagePart): string {
  switch (part.type) {
    case 'text':
      return part.text
    case 'tool-call':
      return `${part.name}(${JSON.stringify(part.input)})`
    case 'tool-result':
      return typeof part.output === 'string' ? part.output : (JSON.stringify(part.output) ?? '')
    case 'reasoning':
    case 'citation':
      return ''
    default:
      throw new AlcoveError(
        'invalid-argument',
        `messages: this model reads text only, got a part of type '${part.type}'`,
        {
          hint: 'Leave the part out, or use a model that takes it.',
        },
      )
  }
}

/** Tokens that a template may put around one message. */
const TURN_TOKENS = 8
/** Tokens that a template may add by itself: many write a system message where there is none (SmolLM2's has 20). */
const TEMPLATE_TOKENS = 48

/**
 * A count from the length alone, for use before the tokenizer is there: half the ASCII characters and all the other UTF-8 bytes. No
 * usual tokenizer needs more, so it errs on the side of trimming too early.
 */
export function estimateTokens(request: ModelRequest): number {
  let tokens = TEMPLATE_TOKENS
  for (const message of request.messages) {
    const text = textOf(message)
    const bytes = new TextEncoder().encode(text).length
    const ascii = text.replace(/[^\0-\x7f]/g, '').length
    tokens += TURN_TOKENS + Math.ceil(ascii / 2) + (bytes - ascii)
  }
  return tokens
}
