import type { Message, MessagePart } from '../../protocol/message.js'
import type { ModelRequest } from '../../protocol/model.js'

/** Tokens that a chat template may add to a conversation, and to each of its messages. */
const TEMPLATE_TOKENS = 256
const MESSAGE_TOKENS = 16
/** A template may write JSON out widely: indented, or with escapes. */
const JSON_WIDTH = 3

const encoder = new TextEncoder()
const known = new WeakMap<Message, number>()

/** Tokens that a request cannot exceed: each token stands for a byte at least. `Infinity` with images or sound, whose size says nothing. */
export function mostTokens({ messages, tools }: ModelRequest): number {
  const own = messages.reduce((sum, message) => sum + mostMessageTokens(message), TEMPLATE_TOKENS)
  return tools === undefined ? own : own + jsonBytes(tools)
}

/** Tokens by which a message can lengthen a request, at most. Messages never change, so each is looked at once. */
export function mostMessageTokens(message: Message): number {
  const before = known.get(message)
  if (before !== undefined) return before
  const { content, name = '' } = message
  const own = typeof content === 'string' ? bytes(content) : content.reduce((sum, part) => sum + partBytes(part), 0)
  const most = own + bytes(name) + MESSAGE_TOKENS
  known.set(message, most)
  return most
}

function partBytes(part: MessagePart): number {
  if (part.type === 'text' || part.type === 'reasoning') return bytes(part.text) + 1
  return 'data' in part ? Number.POSITIVE_INFINITY : jsonBytes(part)
}

function bytes(text: string): number {
  return encoder.encode(text).length
}

function jsonBytes(value: unknown): number {
  let hasMedia = false
  const text = JSON.stringify(value ?? '', (_, item: unknown) => {
    hasMedia ||= item instanceof Blob || (typeof item === 'object' && item !== null && 'mediaType' in item)
    return item
  })
  return hasMedia ? Number.POSITIVE_INFINITY : JSON_WIDTH * bytes(text)
}
