import { AlcoveError } from '../../protocol/error.js'
import type { MediaPart, Message, MessagePart } from '../../protocol/message.js'
import { flattenMessages } from '../flat-messages.js'
import type { LanguageModelMessage } from './language-model.js'

/** A request's messages as the browser takes them, and what to know them by again. */
export interface PromptMessages {
  /** The system message, which a session begins with. */
  readonly system: string | undefined
  readonly turns: readonly PromptTurn[]
  /** Kinds of input besides text. */
  readonly media: readonly ('image' | 'audio')[]
}

export interface PromptTurn {
  readonly message: LanguageModelMessage
  /** Equal for equal turns. */
  readonly print: string
}

/**
 * Messages for the Prompt API: the system message apart, user and assistant turns in order, pictures and sounds as they are. Results of tools
 * and later system messages become user turns. An assistant message at the end is what the answer begins with.
 * @throws AlcoveError `invalid-argument` for no messages, none after the system message, or a kind of input that the browser does not take
 */
export function promptMessages(messages: readonly Message[], inputs: readonly string[]): PromptMessages {
  const media = new Set<'image' | 'audio'>()
  const turns: PromptTurn[] = []
  let system: string | undefined
  if (messages.length === 0)
    throw new AlcoveError('invalid-argument', 'messages: expected at least one message, got none')
  for (const [at, message] of messages.entries()) {
    const parts = typeof message.content === 'string' ? [] : message.content.filter(isMedia)
    for (const part of parts) media.add(checkedType(part, inputs))
    const [flat] = flattenMessages([withoutMedia(message)])
    if (flat === undefined) continue
    if (flat.role === 'system' && system === undefined && turns.length === 0) system = flat.content
    else if (flat.role === 'system' && turns.length === 0) system = `${system}\n\n${flat.content}`
    else
      turns.push(
        turnOf(flat.role === 'assistant' ? 'assistant' : 'user', flat.content, parts, at === messages.length - 1),
      )
  }
  if (turns.length === 0) {
    throw new AlcoveError('invalid-argument', 'messages: expected a user message after the system message, got none')
  }
  return { system, turns, media: [...media] }
}

/** A turn that the model wrote. */
export const answerTurn = (text: string): PromptTurn => turnOf('assistant', text, [], false)

function turnOf(role: 'user' | 'assistant', text: string, media: readonly MediaPart[], isLast: boolean): PromptTurn {
  const print = JSON.stringify([
    role,
    text,
    media.map((part) => (typeof part.data === 'string' ? part.data : blobNumber(part.data))),
  ])
  if (media.length > 0) {
    const content = [
      { type: 'text' as const, value: text },
      ...media.map((part) => ({ type: part.type as 'image' | 'audio', value: part.data })),
    ]
    return { message: { role, content }, print }
  }
  return { message: { role, content: text, ...(role === 'assistant' && isLast && { prefix: true }) }, print }
}

const numbers = new WeakMap<Blob, number>()
let nextNumber = 1

/** The same Blob is the same picture. */
function blobNumber(blob: Blob): number {
  const number = numbers.get(blob) ?? nextNumber++
  numbers.set(blob, number)
  return number
}

const isMedia = (part: MessagePart): part is MediaPart =>
  part.type === 'image' || part.type === 'audio' || part.type === 'file'

const withoutMedia = (message: Message): Message =>
  typeof message.content === 'string'
    ? message
    : { ...message, content: message.content.filter((part) => !isMedia(part)) }

function checkedType(part: MediaPart, inputs: readonly string[]): 'image' | 'audio' {
  if (part.type !== 'file' && inputs.includes(part.type) && typeof part.data !== 'string') return part.type
  const got =
    typeof part.data === 'string' ? `the address of a part of type '${part.type}'` : `a part of type '${part.type}'`
  throw new AlcoveError(
    'invalid-argument',
    `messages: the browser's model reads ${inputs.join(', ')}, media as a Blob; got ${got}`,
    {
      hint: 'Leave the part out, fetch it to a Blob, or use a model that takes it.',
    },
  )
}
