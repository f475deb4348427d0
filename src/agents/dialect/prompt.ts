import type { Message, MessagePart, ToolResultPart } from '../../protocol/message.js'
import type { ToolChoice, ToolDescription } from '../../protocol/model.js'
import type { ReadCall } from './call-scanner.js'
import type { DialectRequest } from './dialect.js'
import { describeCalls, joinText, outputText, partsOf, safeText, withParts } from './history.js'

/** How a dialect writes what a model reads. */
export interface PromptStyle {
  /** What the system prompt says of the tools and of how to call them. */
  describeTools(tools: readonly ToolDescription[], language: 'en' | 'zh'): string
  /** Calls that follow each other, as the model would have written them. */
  writeCalls(calls: readonly ReadCall[]): string
  /** Results that follow each other: what the user's turn after the calls says. */
  writeResults(results: readonly ToolResultPart[]): string
  /** What comes before a final answer that the model gave, where the format has a tag for it. */
  readonly answerTag?: string
}

/** The `format` of a dialect that puts tools into the system prompt, calls into the assistant's text and results into a user turn. */
export function createFormat(style: PromptStyle): (request: DialectRequest) => Message[] {
  return ({ messages, tools, toolChoice, final, language }) => {
    if (toolChoice === 'none' && !final) return describeCalls(messages)
    const formatted = mergeUserTurns(messages.map((message) => formatMessage(message, style)))
    const prompt = style.describeTools(tools, language) + demandOf(toolChoice, language)
    const [first, ...rest] = formatted
    const withTools =
      first?.role === 'system'
        ? [appendText(first, prompt, '\n\n'), ...rest]
        : [{ role: 'system' as const, content: prompt }, ...formatted]
    return final ? askForAnswer(withTools, language) : withTools
  }
}

/** A tool in the shape of the OpenAI API, as JSON on one line. */
export function toolJson({ name, description, inputSchema }: ToolDescription): string {
  return JSON.stringify({ type: 'function', function: { name, description, parameters: inputSchema } })
}

/** A tool's name, description and parameters as JSON on one line. */
export function plainToolJson({ name, description, inputSchema }: ToolDescription): string {
  return JSON.stringify({ name, description, parameters: inputSchema })
}

/** The names of the tools, for a sentence. */
export function namesOf(tools: readonly ToolDescription[]): string {
  return tools.map(({ name }) => name).join(', ')
}

/** A call's name and input as JSON. */
export function callJson({ name, input }: ReadCall, argumentsKey: 'arguments' | 'parameters' = 'arguments'): string {
  return `{"name": ${JSON.stringify(name)}, "${argumentsKey}": ${inputJson(input)}}`
}

/** A call's input as JSON. */
export function inputJson(input: unknown): string {
  return JSON.stringify(input) ?? '{}'
}

/** JSON or Python in which no string has one of the tags: their first characters are escaped. */
export function escapeTags(code: string, tags: readonly string[]): string {
  let escaped = code
  for (const tag of tags) {
    const first = `\\u${tag.charCodeAt(0).toString(16).padStart(4, '0')}`
    escaped = escaped.replaceAll(tag, () => first + tag.slice(1))
  }
  return escaped
}

/** A result's text, which cannot end its own tag or begin a turn, whatever it says. */
export function safeOutput({ output }: ToolResultPart, tags: readonly string[]): string {
  return safeText(outputText(output), tags)
}

function demandOf(toolChoice: ToolChoice, language: 'en' | 'zh'): string {
  if (toolChoice === 'required') {
    return language === 'zh' ? '\n\n你现在必须至少调用一个函数。' : '\n\nYou must call at least one function now.'
  }
  if (typeof toolChoice !== 'object') return ''
  const { name } = toolChoice
  return language === 'zh' ? `\n\n你现在必须调用函数“${name}”。` : `\n\nYou must call the function "${name}" now.`
}

function formatMessage(message: Message, style: PromptStyle): Message {
  const parts = partsOf(message)
  const role = message.role === 'tool' ? 'user' : message.role
  const hasTools = parts.some(({ type }) => type === 'tool-call' || type === 'tool-result')
  if (!hasTools) {
    const { answerTag } = style
    if (answerTag === undefined || role !== 'assistant') return { ...message, role }
    return withParts({ ...message, role }, joinText([{ type: 'text', text: answerTag }, ...parts], ' '))
  }
  const formatted: MessagePart[] = []
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at]
    if (part?.type === 'tool-call') {
      const calls = takeWhile(parts, at, (one) => one.type === 'tool-call')
      formatted.push({ type: 'text', text: style.writeCalls(calls) })
      at += calls.length - 1
    } else if (part?.type === 'tool-result') {
      const results = takeWhile(parts, at, (one) => one.type === 'tool-result')
      formatted.push({ type: 'text', text: style.writeResults(results) })
      at += results.length - 1
    } else if (part) {
      formatted.push(part)
    }
  }
  return withParts({ ...message, role }, joinText(formatted))
}

function takeWhile<Type extends MessagePart['type']>(
  parts: readonly MessagePart[],
  from: number,
  fits: (part: MessagePart) => part is Extract<MessagePart, { type: Type }>,
): Extract<MessagePart, { type: Type }>[] {
  const taken: Extract<MessagePart, { type: Type }>[] = []
  for (const part of parts.slice(from)) {
    if (!fits(part)) break
    taken.push(part)
  }
  return taken
}

/** Templates want turns to alternate: results and a user turn after them become one. */
function mergeUserTurns(messages: readonly Message[]): Message[] {
  const merged: Message[] = []
  for (const message of messages) {
    const last = merged.at(-1)
    if (message.role === 'user' && last?.role === 'user') {
      merged[merged.length - 1] = withParts(last, joinText([...partsOf(last), ...partsOf(message)]))
    } else {
      merged.push(message)
    }
  }
  return merged
}

function askForAnswer(messages: readonly Message[], language: 'en' | 'zh'): Message[] {
  const request =
    language === 'zh'
      ? '现在不要再调用函数，请根据以上信息直接给出最终回答。'
      : 'Do not call functions any more. Give your final answer now, from what you know so far.'
  const last = messages.at(-1)
  if (last?.role === 'user') return [...messages.slice(0, -1), appendText(last, request, '\n\n')]
  return [...messages, { role: 'user', content: request }]
}

function appendText(message: Message, text: string, separator: string): Message {
  if (typeof message.content === 'string') return { ...message, content: `${message.content}${separator}${text}` }
  return { ...message, content: [...message.content, { type: 'text', text }] }
}
