import { AlcoveError } from '../protocol/error.js'
import type { Message } from '../protocol/message.js'
import type { AgentInput } from './options.js'

const ROLES: ReadonlySet<unknown> = new Set(['system', 'user', 'assistant', 'tool'])

/**
 * The input as a conversation. The messages are the caller's own.
 *
 * @throws AlcoveError `invalid-argument` when there is nothing to answer, or something is no message
 */
export function readInput(input: AgentInput): readonly Message[] {
  const messages: readonly Message[] =
    typeof input === 'string' ? [{ role: 'user', content: input }] : Array.isArray(input) ? input : [input as Message]
  checkMessages(messages, 'input')
  const last = messages.findLast(({ role }) => role === 'user')
  if (last !== undefined && !isBlank(last)) return messages
  throw new AlcoveError('invalid-argument', 'input: expected a question, got none', {
    hint: 'Give some text, or a conversation with a user message that has content.',
  })
}

/** @throws AlcoveError `invalid-argument` when something in `what` is no message */
export function checkMessages(messages: readonly Message[], what: string): void {
  for (const [at, message] of messages.entries()) {
    const content: unknown = message?.content
    if (
      ROLES.has(message?.role) &&
      (typeof content === 'string' || (Array.isArray(content) && content.every(isPart)))
    ) {
      continue
    }
    throw new AlcoveError(
      'invalid-argument',
      `${what}: expected text or messages with role and content, got another value at ${at}`,
    )
  }
}

function isPart(part: unknown): boolean {
  return typeof (part as { type?: unknown } | null)?.type === 'string'
}

/** The text that is asked about: of the last user message. */
export function lastUserText(messages: readonly Message[]): string {
  const content = messages.findLast(({ role }) => role === 'user')?.content ?? ''
  if (typeof content === 'string') return content
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n')
}

function isBlank({ content }: Message): boolean {
  if (typeof content === 'string') return content.trim() === ''
  return content.every((part) => part.type === 'text' && part.text.trim() === '')
}
