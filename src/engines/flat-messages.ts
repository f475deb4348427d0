import { AlcoveError } from '../protocol/error.js'
import type { MediaPart, Message, MessagePart } from '../protocol/message.js'
import type { ModelRequest } from '../protocol/model.js'

/** A turn as plain chat templates know it. */
export interface FlatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
  /** Pictures that come before the text. */
  readonly images?: readonly MediaPart[] | undefined
}

type Turn = { -readonly [Field in keyof FlatMessage]: FlatMessage[Field] }

/**
 * The messages of a request in the shape that every chat template takes: at most one system message, first; then user and assistant
 * turns that alternate. A system message that comes later and the result of a tool become text of a user turn, so that what stands
 * before them stays as it was (and the engine's cache of it stays useful). Reasoning is not sent back.
 * @param takesImages pictures of users and tools stay, beside the text of their turn
 * @throws AlcoveError `invalid-argument` for no messages, or for a picture, sound or file
 */
export function flattenMessages(messages: readonly Message[], takesImages = false): FlatMessage[] {
  const flat: Turn[] = []
  for (const message of messages) {
    const images = takesImages ? imagesOf(message) : []
    const content = textOf(message, images)
    const previous = flat.at(-1)
    const role =
      message.role === 'system' && (!previous || previous.role === 'system') ? 'system' : turnOf(message.role)
    const turn: Turn = previous?.role === role ? previous : { role, content: '' }
    turn.content = joinTexts(turn.content, content)
    if (images.length > 0) turn.images = [...(turn.images ?? []), ...images]
    if (turn !== previous) flat.push(turn)
  }
  if (flat.length === 0) {
    throw new AlcoveError('invalid-argument', 'messages: expected at least one message, got none')
  }
  return flat
}

const turnOf = (role: Message['role']): 'user' | 'assistant' => (role === 'assistant' ? 'assistant' : 'user')

const joinTexts = (first: string, second: string) => (first && second ? `${first}\n\n${second}` : first + second)

/** The pictures of a message that a person or a tool gave. */
export function imagesOf({ role, content }: Message): readonly MediaPart[] {
  if (typeof content === 'string' || (role !== 'user' && role !== 'tool')) return []
  return content.filter((part): part is MediaPart => part.type === 'image')
}

function textOf({ content }: Message, without: readonly MessagePart[] = []): string {
  if (typeof content === 'string') return content
  const texts = content.filter((part) => !without.includes(part)).map(partText)
  return texts.filter(Boolean).join('\n')
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

/** What a picture costs at most in the models of this size: Phi-3.5-vision cuts a square one into 17 tiles of 144 tokens and more. */
const IMAGE_TOKENS = 2_560

/**
 * A count from the length alone, for use before the tokenizer is there: half the ASCII characters and all the other UTF-8 bytes. No
 * usual tokenizer needs more, so it errs on the side of trimming too early. Where pictures are taken
 * they count as the largest do.
 */
export function estimateTokens(request: ModelRequest, takesImages = false): number {
  let tokens = TEMPLATE_TOKENS
  for (const message of request.messages) {
    const images = takesImages ? imagesOf(message) : []
    tokens += images.length * IMAGE_TOKENS
    const text = textOf(message, images)
    const bytes = new TextEncoder().encode(text).length
    const ascii = text.replace(/[^\0-\x7f]/g, '').length
    tokens += TURN_TOKENS + Math.ceil(ascii / 2) + (bytes - ascii)
  }
  return tokens
}
