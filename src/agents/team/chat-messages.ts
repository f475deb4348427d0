import type { MediaPart, Message, MessagePart } from '../../protocol/message.js'
import { textOf } from './members.js'

/** Names that a text mentions as `@name`, in order, each once. Of names that begin alike the longest counts. */
export function mentionsIn(text: string, members: readonly { readonly name: string }[]): string[] {
  const names = members.map(({ name }) => name).sort((first, second) => second.length - first.length)
  const lower = text.toLowerCase()
  const found = new Set<string>()
  for (let at = lower.indexOf('@'); at >= 0; at = lower.indexOf('@', at + 1)) {
    const name = names.find((one) => lower.startsWith(one.toLowerCase(), at + 1))
    if (name !== undefined) found.add(name)
  }
  return [...found]
}

/**
 * A chat as one of its members takes it: what that member said as the assistant's, what the others said as the user's with their names before
 * it, the newest last.
 *
 * @param turn what stands at the end when nothing was said since the member's last turn
 */
export function memberInput(name: string, messages: readonly Message[], system: string, turn: string): Message[] {
  const given: Message[] = [{ role: 'system', content: system }]
  let lines: string[] = []
  let media: MediaPart[] = []
  const flush = () => {
    if (lines.length === 0 && media.length === 0) return
    const text = lines.join('\n\n')
    const content: string | MessagePart[] = media.length > 0 ? [{ type: 'text', text }, ...media] : text
    given.push({ role: 'user', content })
    lines = []
    media = []
  }
  for (const message of messages) {
    const text = textOf(message)
    if (message.role === 'system') given[0] = { role: 'system', content: `${text}\n\n${textOf(given[0] as Message)}` }
    if (message.role === 'system' || message.role === 'tool') continue
    if (message.name === name) {
      flush()
      if (text !== '') given.push({ role: 'assistant', content: text })
      continue
    }
    // Further lines are set in: none can look like another speaker's.
    if (text !== '') lines.push(`${message.name ?? message.role}: ${text.replaceAll('\n', '\n  ')}`)
    if (typeof message.content !== 'string') media.push(...message.content.filter(isMedia))
  }
  if (lines.length === 0 && media.length === 0) lines.push(turn)
  flush()
  return given
}

function isMedia(part: MessagePart): part is MediaPart {
  return part.type === 'image' || part.type === 'audio' || part.type === 'file'
}
