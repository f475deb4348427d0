import type { Message, MessagePart } from '../../protocol/message.js'
import type { ToolChoice, ToolDescription } from '../../protocol/model.js'
import { readArguments, repairJson } from '../../tools/json-repair.js'
import type { Dialect, DialectRequest } from './dialect.js'
import { describeCalls, joinText, outputText, partsOf, withParts } from './history.js'
import { createTaggedParser, type ReadCall } from './incremental-parser.js'

/**
 * The format of Hermes and Qwen models (Qwen-Agent calls it `nous`): tools as JSON lines inside `<tools>`, calls as JSON inside `<tool_call>`,
 * results inside `<tool_response>` in a user turn.
 */
export const hermesDialect: Dialect = {
  name: 'hermes',
  version: 1,
  format: formatHermes,
  createParser: (options) =>
    createTaggedParser(
      {
        calls: { '<tool_call>': '</tool_call>' },
        skips: { '<tool_response>': '</tool_response>' },
        readCalls: readHermesCalls,
      },
      options,
    ),
}

function formatHermes({ messages, tools, toolChoice, final, language }: DialectRequest): Message[] {
  if (toolChoice === 'none' && !final) return describeCalls(messages)
  const formatted = mergeUserTurns(messages.map(formatMessage))
  const prompt = toolPrompt(tools, toolChoice)
  const [first, ...rest] = formatted
  const withTools =
    first?.role === 'system'
      ? [appendText(first, prompt, '\n\n'), ...rest]
      : [{ role: 'system' as const, content: prompt }, ...formatted]
  return final ? askForAnswer(withTools, language) : withTools
}

function toolPrompt(tools: readonly ToolDescription[], toolChoice: ToolChoice): string {
  const lines = tools.map(({ name, description, inputSchema }) =>
    JSON.stringify({ type: 'function', function: { name, description, parameters: inputSchema } }),
  )
  const demand =
    toolChoice === 'required'
      ? '\n\nYou must call at least one function now.'
      : typeof toolChoice === 'object'
        ? `\n\nYou must call the function "${toolChoice.name}" now.`
        : ''
  return `# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
${lines.join('\n')}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>${demand}`
}

function formatMessage(message: Message): Message {
  const parts = partsOf(message)
  if (!parts.some(({ type }) => type === 'tool-call' || type === 'tool-result')) {
    return message.role === 'tool' ? { ...message, role: 'user' } : message
  }
  const formatted = parts.map((part): MessagePart => {
    if (part.type === 'tool-call') return { type: 'text', text: formatHermesCall(part) }
    if (part.type === 'tool-result') return { type: 'text', text: formatResult(part.output) }
    return part
  })
  return withParts({ ...message, role: message.role === 'tool' ? 'user' : message.role }, joinText(formatted))
}

/** A call as the model would have written it. `<` of a closing tag is escaped, so that no string can end the call. */
export function formatHermesCall({ name, input }: ReadCall): string {
  const json = `{"name": ${JSON.stringify(name)}, "arguments": ${JSON.stringify(input) ?? '{}'}}`
  return `<tool_call>\n${json.replaceAll('</', '<\\/')}\n</tool_call>`
}

/** A result cannot end its own tag, whatever it says. */
function formatResult(output: unknown): string {
  return `<tool_response>\n${outputText(output).replaceAll(/<(\/?tool_)/g, '< $1')}\n</tool_response>`
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

/** Reads the text between the tags of a call: one object, or a list of them. What cannot be read has its text as input. */
export function readHermesCalls(text: string): ReadCall[] {
  const trimmed = text.replace(/[\s,;]+$/, '')
  const read = repairJson(trimmed)?.value
  if (Array.isArray(read) && read.length > 0 && read.every(isNamed)) return read.map((item) => readCall(item, trimmed))
  return [isRecord(read) ? readCall(read, trimmed) : unreadable(trimmed)]
}

const ARGUMENT_KEYS = ['arguments', 'parameters', 'args', 'input'] as const
const OTHER_KEYS: ReadonlySet<string> = new Set([...ARGUMENT_KEYS, 'name', 'id', 'type', 'function'])

function readCall(value: Record<string, unknown>, text: string): ReadCall {
  const call = isRecord(value.function) ? value.function : value
  const key = ARGUMENT_KEYS.find((name) => name in call)
  const input = key === undefined ? {} : readArguments(call[key])
  const name = call.name ?? call.function
  if (typeof name === 'string') return { name, input: withStrayEntries(call, input, text) }
  // A brace was missing after the arguments: the name was read as one of them.
  if (isRecord(input) && typeof input.name === 'string' && !isValidJson(text)) {
    const { name: inner, ...rest } = input
    return { name: inner as string, input: rest }
  }
  return unreadable(text)
}

/** A brace too many inside the arguments leaves the rest of them beside the name. */
function withStrayEntries(call: Record<string, unknown>, input: unknown, text: string): unknown {
  const stray = Object.entries(call).filter(([key]) => !OTHER_KEYS.has(key))
  if (stray.length === 0 || !isRecord(input) || isValidJson(text)) return input
  return { ...input, ...Object.fromEntries(stray) }
}

function unreadable(text: string): ReadCall {
  return { name: /["']?name["']?\s*:\s*["']([^"'\n]{1,100})["']/.exec(text)?.[1] ?? '', input: text }
}

function isValidJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function isNamed(value: unknown): value is Record<string, unknown> {
  return isRecord(value) && (typeof value.name === 'string' || isRecord(value.function))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
