import { AlcoveError } from '../../protocol/error.js'
import type { Message, MessagePart } from '../../protocol/message.js'
import type { JsonSchema, Sampling, ToolChoice, ToolDescription } from '../../protocol/model.js'
import { readMedia, readMediaUrl } from '../media.js'
import type { ChatCompletionParams, ContentPartParam, MessageParam } from './types.js'

/** @throws AlcoveError `invalid-argument` for what no model of ours can do, with the parameter's name in `details` */
export function refuse(param: string, problem: string): never {
  throw new AlcoveError('invalid-argument', `${param}: ${problem}`, { details: { param } })
}

/** Parameters that would change the answer, and that no engine here serves. */
const UNSERVED = ['audio', 'functions', 'function_call', 'logprobs', 'top_logprobs', 'prediction', 'web_search_options']

/** Refuses what cannot be honoured, rather than answer something else than was asked. */
export function checkParams(params: ChatCompletionParams): void {
  if (!Array.isArray(params?.messages)) refuse('messages', 'expected a list of messages')
  if ((params.n ?? 1) !== 1) refuse('n', `expected 1, got ${params.n}`)
  for (const name of UNSERVED) {
    const value = (params as unknown as Record<string, unknown>)[name]
    if (value !== undefined && value !== null && value !== false) refuse(name, 'not served on a device')
  }
  const { modalities } = params as { modalities?: unknown }
  if (Array.isArray(modalities) && modalities.some((one) => one !== 'text')) refuse('modalities', 'expected text only')
}

/** The conversation. System and developer messages are one role here. */
export function readMessages(given: readonly MessageParam[]): Message[] {
  const names = new Map<string, string>()
  const messages: Message[] = []
  for (const [at, message] of given.entries()) {
    const read = readMessage(message, `messages[${at}]`, names)
    const before = messages.at(-1)
    // Results of one turn are one message here.
    if (read.role === 'tool' && before?.role === 'tool') {
      messages[messages.length - 1] = { role: 'tool', content: [...partsOf(before), ...partsOf(read)] }
    } else messages.push(read)
  }
  return messages
}

function partsOf({ content }: Message): readonly MessagePart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content
}

function readMessage(message: MessageParam, where: string, names: Map<string, string>): Message {
  const name = message.name === undefined ? {} : { name: message.name }
  switch (message.role) {
    case 'system':
    case 'developer':
      return { role: 'system', content: readText(message.content), ...name }
    case 'user':
      return { role: 'user', content: readContent(message.content, where), ...name }
    case 'assistant':
      return { role: 'assistant', content: readAssistant(message, where, names), ...name }
    case 'tool': {
      const callId = message.tool_call_id ?? refuse(`${where}.tool_call_id`, 'expected the id of a call')
      const output = readText(message.content)
      const known = names.get(callId) ?? refuse(`${where}.tool_call_id`, `no call before it has the id '${callId}'`)
      return { role: 'tool', content: [{ type: 'tool-result', callId, name: known, output }] }
    }
    default:
      return refuse(`${where}.role`, `expected system, developer, user, assistant or tool, got '${message.role}'`)
  }
}

function readAssistant(message: MessageParam, where: string, names: Map<string, string>): Message['content'] {
  const text = readText(message.content)
  if (!message.tool_calls?.length) return text
  const calls = message.tool_calls.map(({ id, function: called }): MessagePart => {
    if (called === undefined) return refuse(`${where}.tool_calls`, 'expected calls of functions')
    names.set(id, called.name)
    return { type: 'tool-call', callId: id, name: called.name, input: readJson(called.arguments) }
  })
  return text === '' ? calls : [{ type: 'text', text }, ...calls]
}

/** What a model wrote may be no JSON. */
function readJson(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    return text
  }
}

function readText(content: MessageParam['content']): string {
  if (typeof content === 'string') return content
  return (content ?? []).map(({ text, refusal }) => text ?? refusal ?? '').join('\n')
}

function readContent(content: MessageParam['content'], where: string): Message['content'] {
  if (typeof content === 'string') return content
  return (content ?? []).map((part, at) => readPart(part, `${where}.content[${at}]`))
}

function readPart(part: ContentPartParam, where: string): MessagePart {
  if (part.type === 'text' && part.text !== undefined) return { type: 'text', text: part.text }
  if (part.type === 'image_url' && part.image_url) return readMediaUrl(part.image_url.url, 'image/*')
  if (part.type === 'input_audio' && part.input_audio) {
    const { data, format } = part.input_audio
    return readMedia({ base64: data, mediaType: format === 'mp3' ? 'audio/mpeg' : `audio/${format}` })
  }
  return refuse(where, `expected text, image_url or input_audio, got '${part.type}'`)
}

export function readTools({ tools = [] }: ChatCompletionParams): ToolDescription[] {
  return tools.map(({ type, function: described }, at) => {
    if (described === undefined) return refuse(`tools[${at}]`, `expected a function, got '${type}'`)
    const { name, description = '', parameters = { type: 'object', properties: {} } } = described
    return { name, description, inputSchema: parameters }
  })
}

export function readToolChoice({ tool_choice: choice = 'auto' }: ChatCompletionParams): ToolChoice {
  if (choice === 'auto' || choice === 'none' || choice === 'required') return choice
  if (typeof choice === 'object' && choice.function) return { name: choice.function.name }
  return refuse('tool_choice', 'expected auto, none, required or a function')
}

/** The schema of the answer; undefined for text. */
export function readAnswerSchema({ response_format: format }: ChatCompletionParams): JsonSchema | undefined {
  if (format?.type === 'json_object') return { type: 'object' }
  if (format?.type !== 'json_schema') return undefined
  return format.json_schema?.schema ?? { type: 'object' }
}

export function readSampling(params: ChatCompletionParams): Sampling {
  const { stop, reasoning_effort: effort } = params
  const reasoning = effort === 'none' || effort === 'minimal' ? 'off' : effort ? 'on' : undefined
  const sampling = {
    temperature: params.temperature,
    topP: params.top_p,
    maxTokens: params.max_completion_tokens ?? params.max_tokens,
    seed: params.seed,
    stop: typeof stop === 'string' ? [stop] : stop,
    frequencyPenalty: params.frequency_penalty,
    presencePenalty: params.presence_penalty,
    logitBias: params.logit_bias,
    reasoning,
  }
  return Object.fromEntries(Object.entries(sampling).filter(([, value]) => value !== undefined && value !== null))
}
