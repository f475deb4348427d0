import type { ModelRequest } from '../../protocol/model.js'
import { type FlatMessage, flattenMessages } from '../flat-messages.js'

/** The parts of `mlc-chat-config.json` that make the prompt. */
export interface ConversationTemplate {
  readonly system_template: string
  readonly system_message: string
  readonly roles: Readonly<Record<string, string>>
  readonly role_templates?: Readonly<Record<string, string | undefined>> | undefined
  readonly seps: readonly string[]
  readonly role_content_sep?: string | null | undefined
  readonly role_empty_sep?: string | null | undefined
  readonly system_prefix_token_ids?: readonly number[] | null | undefined
  readonly add_role_after_system_message?: boolean | undefined
  readonly render_empty_system_message?: boolean | undefined
}

/** WebLLM puts this where the field is missing or empty-valued `null`. */
const USUAL_SEPARATOR = ': '

/** The pieces that WebLLM tokenizes one by one for a request (its `Conversation.getPromptArray`, 0.2.86), without pictures. */
export function renderPrompt(template: ConversationTemplate, messages: readonly FlatMessage[]): string[] {
  const system = messages[0]?.role === 'system' ? messages[0].content : template.system_message
  const turns = messages.filter((message) => message.role !== 'system')
  const hidden = system === '' && template.render_empty_system_message === false
  const head = hidden ? '' : template.system_template.replace('{system_message}', () => system)
  const pieces = head === '' ? [] : [head]
  turns.forEach(({ role, content, images }, index) => {
    const bare = template.add_role_after_system_message === false && head !== '' && index === 0
    const prefix = bare ? '' : `${template.roles[role] ?? role}${template.role_content_sep ?? USUAL_SEPARATOR}`
    const inner = template.role_templates?.[role]
    const text =
      inner === undefined ? content : inner.replace(`{${role}_message}`, () => content).replace('{function_string}', '')
    const rest = `${text}${template.seps[index % template.seps.length] ?? ''}`
    // Pictures stand between the two, so that each is tokenized by itself.
    pieces.push(...(images ? [prefix, rest] : [prefix + rest]))
  })
  pieces.push(`${template.roles.assistant ?? 'assistant'}${template.role_empty_sep ?? USUAL_SEPARATOR}`)
  return pieces
}

/** The part of WebLLM's tokenizer that is used here. */
export interface WebLlmTokenizer {
  encode(text: string): Int32Array
  decode?(ids: Int32Array): string
  idToToken?(id: number): string
}

const EMPTY_THOUGHT = '<think>\n\n</think>\n\n'

/**
 * A prompt whose last message, of the assistant, is the beginning of the answer. Undefined where it cannot be written as one text: tokens
 * that come before the system message are known to WebLLM by number only.
 */
export function continuationPrompt(
  template: ConversationTemplate,
  tokenizer: WebLlmTokenizer,
  messages: readonly FlatMessage[],
  thinks: boolean,
): string | undefined {
  const ids = template.system_prefix_token_ids ?? []
  const prefix = ids.map((id) => tokenizer.idToToken?.(id) ?? '').join('')
  const encoded = prefix === '' ? [] : [...tokenizer.encode(prefix)]
  if (encoded.length !== ids.length || ids.some((id, index) => encoded[index] !== id)) return undefined
  const begun = messages.at(-1)?.content ?? ''
  return [prefix, ...renderPrompt(template, messages.slice(0, -1)), thinks ? '' : EMPTY_THOUGHT, begun].join('')
}

/**
 * What goes between the end of a prompt and the first text of what goes on from it: a SentencePiece decoder drops the space that begins
 * the first word, as it should at the start of an answer and should not within one.
 */
export function droppedSpace(
  tokenizer: WebLlmTokenizer,
  prompt: string,
  ids: readonly number[],
  firstText: string,
): string {
  const last = tokenizer.encode(prompt).at(-1)
  if (last === undefined || !tokenizer.decode) return ''
  const alone = tokenizer.decode(Int32Array.of(last))
  const together = tokenizer.decode(Int32Array.of(last, ...ids))
  const whole = together.startsWith(alone) ? together.slice(alone.length) : ''
  const dropped = whole.endsWith(firstText) ? whole.slice(0, whole.length - firstText.length) : ''
  return /^\s*$/.test(dropped) ? dropped : ''
}

/** Tokens of a request as the engine will see it, with its own tokenizer, without those of its pictures. */
export function countPrompt(template: ConversationTemplate, tokenizer: WebLlmTokenizer, request: ModelRequest): number {
  const messages = flattenMessages(request.messages, true)
  if (messages.at(-1)?.role === 'assistant') {
    const thinks = request.sampling?.reasoning !== 'off'
    return tokenizer.encode(continuationPrompt(template, tokenizer, messages, thinks) ?? '').length
  }
  const prefix = template.system_prefix_token_ids?.length ?? 0
  return renderPrompt(template, messages).reduce((sum, piece) => sum + tokenizer.encode(piece).length, prefix)
}

/**
 * A text that WebLLM sets into a template with `String.replace`, where `$&`, `$$`, `` $` `` and `$'` mean something: doubled, so that
 * they come out as they were.
 */
export const escapeReplacement = (text: string) => text.replace(/\$(?=[$&`'])/g, '$$$$')
