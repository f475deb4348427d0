import type { Message, MessagePart } from '../../protocol/message.js'

/** A tool's output as text for a model: a string as it is, everything else as JSON. */
export function outputText(output: unknown): string {
  return typeof output === 'string' ? output : (JSON.stringify(output) ?? 'null')
}

/** The parts of a message. */
export function partsOf({ content }: Message): readonly MessagePart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content
}

/** A message with this content, as a plain string where there is text only. */
export function withParts(message: Message, parts: readonly MessagePart[]): Message {
  const only = parts.length === 1 ? parts[0] : undefined
  return { ...message, content: only?.type === 'text' ? only.text : parts }
}

/** Joins neighbouring text parts. */
export function joinText(parts: readonly MessagePart[], separator = '\n'): MessagePart[] {
  const joined: MessagePart[] = []
  for (const part of parts) {
    const last = joined.at(-1)
    if (part.type === 'text' && last?.type === 'text') {
      joined[joined.length - 1] = { type: 'text', text: `${last.text}${separator}${part.text}` }
    } else if (part.type !== 'text' || part.text !== '') {
      joined.push(part)
    }
  }
  return joined
}

/** The conversation with calls and results as readable text, for a model that must not (or cannot) call. */
export function describeCalls(messages: readonly Message[]): Message[] {
  return messages.map((message) => {
    const parts = partsOf(message)
    if (!parts.some(({ type }) => type === 'tool-call' || type === 'tool-result')) {
      return message.role === 'tool' ? { ...message, role: 'user' } : message
    }
    const described = parts.map((part): MessagePart => {
      if (part.type === 'tool-call') {
        return { type: 'text', text: `(Called the tool ${part.name} with ${JSON.stringify(part.input) ?? '{}'}.)` }
      }
      if (part.type !== 'tool-result') return part
      const what = part.isError ? 'failed' : 'gave'
      return { type: 'text', text: `(The tool ${part.name} ${what}: ${safeText(outputText(part.output))})` }
    })
    return withParts({ ...message, role: message.role === 'tool' ? 'user' : message.role }, joinText(described))
  })
}

/**
 * Text of others (documents, results of tools) for a prompt: a space stands in what looks like a tag of a chat template, so that it cannot
 * end its turn or begin one, and in the given tags.
 */
export function safeText(text: string, tags: readonly string[] = []): string {
  let safe = text.replaceAll(/<(?=\|[\w/])|<(?=(?:start|end)_of_turn>)|<(?=\/?s>)|\[(?=\/?INST\])/g, '$& ')
  for (const tag of tags) safe = safe.replaceAll(tag, () => `${tag.charAt(0)} ${tag.slice(1)}`)
  return safe
}
