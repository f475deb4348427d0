import type { Message, MessagePart } from '../protocol/message.js'

/** How many messages two conversations have in common at the beginning. */
export function commonStart(first: readonly Message[], second: readonly Message[]): number {
  const most = Math.min(first.length, second.length)
  for (let at = 0; at < most; at++) {
    if (!isSameMessage(first[at] as Message, second[at] as Message)) return at
  }
  return most
}

function isSameMessage(first: Message, second: Message): boolean {
  if (first === second) return true
  if (first.role !== second.role || first.name !== second.name) return false
  const [one, other] = [first.content, second.content]
  if (typeof one === 'string' || typeof other === 'string') return one === other
  return one.length === other.length && one.every((part, at) => isSamePart(part, other[at] as MessagePart))
}

function isSamePart(first: MessagePart, second: MessagePart): boolean {
  if (first === second) return true
  if (first.type === 'text' || first.type === 'reasoning')
    return second.type === first.type && first.text === second.text
  if ('data' in first) return 'data' in second && first.data === second.data && first.type === second.type
  return first.type === second.type && JSON.stringify(first) === JSON.stringify(second)
}
