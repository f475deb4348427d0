import type { Message, MessagePart } from '../../protocol/message.js'
import { readMediaUrl } from '../media.js'
import type { UiMessage, UiPart } from './ui-types.js'

/** A page's messages as a conversation: each step of an answer with its calls, and then their results. */
export function readUiMessages(messages: readonly UiMessage[]): Message[] {
  return messages.flatMap(({ role, parts }): Message[] => {
    const own = parts as readonly UiPart[]
    if (role === 'assistant') return splitSteps(own).flatMap(readStep)
    const content = own.flatMap(readPart)
    return content.length > 0 ? [{ role, content: shorten(content) }] : []
  })
}

/** The name of the tool that a part is a call of; undefined for other parts. */
export function toolNameOf({ type, toolName }: UiPart): string | undefined {
  if (type === 'dynamic-tool') return toolName
  return type.startsWith('tool-') ? type.slice('tool-'.length) : undefined
}

function splitSteps(parts: readonly UiPart[]): UiPart[][] {
  const steps: UiPart[][] = [[]]
  for (const part of parts) {
    if (part.type === 'step-start') steps.push([])
    else steps.at(-1)?.push(part)
  }
  return steps
}

function readStep(parts: readonly UiPart[]): Message[] {
  const content: MessagePart[] = []
  const results: MessagePart[] = []
  for (const part of parts) {
    const name = toolNameOf(part)
    if (name === undefined) {
      content.push(...readPart(part))
      continue
    }
    const { toolCallId: callId = '', input = {} } = part
    // Its input never came, or was no JSON: a model cannot be shown such a call.
    if (part.state === 'input-streaming') continue
    content.push({ type: 'tool-call', callId, name, input })
    results.push({ type: 'tool-result', callId, name, ...readResult(part) })
  }
  if (content.length === 0) return []
  const message: Message = { role: 'assistant', content: shorten(content) }
  return results.length > 0 ? [message, { role: 'tool', content: results }] : [message]
}

function readResult({ state, output, errorText, approval }: UiPart): { output: unknown; isError?: true } {
  if (state === 'output-available') return { output }
  if (state === 'output-error') return { output: errorText ?? 'The call failed.', isError: true }
  if (state === 'output-denied' || approval?.approved === false) {
    return { output: approval?.reason ?? 'The user did not allow this call.', isError: true }
  }
  return { output: 'The call was interrupted; it is not known whether it was made.', isError: true }
}

function readPart({ type, text = '', url, mediaType = '' }: UiPart): MessagePart[] {
  if (type === 'text') return text === '' ? [] : [{ type, text }]
  if (type === 'reasoning') return [{ type, text }]
  return type === 'file' && url !== undefined ? [readMediaUrl(url, mediaType)] : []
}

function shorten(content: readonly MessagePart[]): Message['content'] {
  const only = content.length === 1 ? content[0] : undefined
  return only?.type === 'text' ? only.text : content
}
