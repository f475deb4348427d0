import type { Message, MessagePart } from '../../protocol/message.js'
import type { ModelRequest } from '../../protocol/model.js'
import { estimateTokens } from '../passages.js'

/** What a message adds beside its text, and what an image is taken for until the model has counted it. */
const MESSAGE_TOKENS = 4
const MEDIA_TOKENS = 500

const known = new WeakMap<Message, number>()

/**
 * About how many tokens a message has: only to compare messages with each other, what counts is the model's own count. Messages never
 * change, so each is looked at once.
 */
export function messageCost(message: Message): number {
  const before = known.get(message)
  if (before !== undefined) return before
  const { content } = message
  const own =
    typeof content === 'string' ? estimateTokens(content) : content.reduce((sum, part) => sum + partCost(part), 0)
  known.set(message, own + MESSAGE_TOKENS)
  return own + MESSAGE_TOKENS
}

/** About how many tokens messages have. */
export function costOf(messages: readonly Message[]): number {
  return messages.reduce((sum, message) => sum + messageCost(message), 0)
}

/** About how many tokens a request has, from one of its messages on. */
export function requestCost({ messages, tools }: ModelRequest, from = 0): number {
  let cost = from === 0 && tools !== undefined ? estimateTokens(JSON.stringify(tools)) : 0
  for (let at = from; at < messages.length; at++) cost += messageCost(messages[at] as Message)
  return cost
}

function partCost(part: MessagePart): number {
  if (part.type === 'text') return estimateTokens(part.text)
  // Models are not shown these.
  if (part.type === 'reasoning' || part.type === 'citation') return 0
  return 'data' in part ? MEDIA_TOKENS : estimateTokens(JSON.stringify(part))
}
