import { AlcoveError } from '../../protocol/error.js'
import type { MediaPart, Message, MessagePart } from '../../protocol/message.js'
import type { JsonSchema, Sampling, ToolChoice, ToolDescription } from '../../protocol/model.js'
import { readMedia, readMediaUrl } from '../media.js'
import type { FileData, LanguageModelCallOptions, PromptMessage, PromptPart, Warning } from './types.js'

/** The conversation of a prompt. */
export function readPrompt(prompt: readonly PromptMessage[]): Message[] {
  return prompt.map(({ role, content }): Message => {
    if (typeof content === 'string') return { role, content }
    const parts = content.flatMap(readPart)
    const only = parts.length === 1 ? parts[0] : undefined
    return { role, content: only?.type === 'text' ? only.text : parts }
  })
}

function readPart(part: PromptPart): MessagePart[] {
  const { toolCallId: callId = '', toolName: name = '' } = part
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return [{ type: part.type, text: part.text ?? '' }]
    case 'file':
      return part.data ? [readFile(part.data, part.mediaType ?? '')] : []
    case 'tool-call':
      return [{ type: 'tool-call', callId, name, input: part.input }]
    case 'tool-result': {
      const { output, isError } = readOutput((part.output ?? {}) as ResultOutput)
      return [{ type: 'tool-result', callId, name, output, ...(isError && { isError }) }]
    }
    // Approvals are settled by the SDK; what other providers made is theirs.
    default:
      return []
  }
}

function readFile({ type, data, url, text }: FileData, mediaType: string): MessagePart {
  if (type === 'text') return { type: 'text', text: text ?? '' }
  if (url !== undefined) return readMediaUrl(url.href, mediaType)
  if (typeof data === 'string') return readMedia({ base64: data, mediaType })
  if (data !== undefined) return readMedia({ bytes: data, mediaType })
  throw new AlcoveError('invalid-argument', `prompt: expected a file with data, url or text, got '${type}'`)
}

interface ResultOutput {
  readonly type?: string
  readonly value?: unknown
  readonly reason?: string
}

/** What a tool gave, as its value. */
function readOutput({ type = '', value, reason }: ResultOutput): { output: unknown; isError: boolean } {
  if (type === 'execution-denied') return { output: reason ?? 'The user did not allow this call.', isError: true }
  if (type === 'content') return { output: (value as readonly PromptPart[]).flatMap(readResultPart), isError: false }
  return { output: value, isError: type.startsWith('error') }
}

function readResultPart(part: PromptPart): (string | MediaPart)[] {
  if (part.type === 'text') return [part.text ?? '']
  const file = part.type === 'file' && part.data ? readFile(part.data, part.mediaType ?? '') : undefined
  if (file === undefined) return []
  return [file.type === 'text' ? file.text : (file as MediaPart)]
}

export function readTools({ tools = [] }: LanguageModelCallOptions): ToolDescription[] {
  return tools.flatMap(({ type, name, description = '', inputSchema }) =>
    type === 'function' ? [{ name, description, inputSchema: withoutDialect(inputSchema) }] : [],
  )
}

/** `$schema` only costs tokens in a prompt. */
function withoutDialect(schema: unknown): JsonSchema {
  const { $schema: _, ...rest } = (schema ?? { type: 'object', properties: {} }) as Record<string, unknown>
  return rest
}

export function readToolChoice({ toolChoice }: LanguageModelCallOptions): ToolChoice {
  if (toolChoice === undefined) return 'auto'
  return toolChoice.type === 'tool' ? { name: toolChoice.toolName } : toolChoice.type
}

/** The schema of the answer; undefined for text. */
export function readAnswerSchema({ responseFormat }: LanguageModelCallOptions): JsonSchema | undefined {
  if (responseFormat?.type !== 'json') return undefined
  return withoutDialect(responseFormat.schema ?? { type: 'object' })
}

export function readSampling(options: LanguageModelCallOptions): Sampling {
  const { temperature, topP, topK, seed, maxOutputTokens, presencePenalty, frequencyPenalty, reasoning } = options
  const thinks = reasoning === undefined || reasoning === 'provider-default' ? undefined : reasoning !== 'none'
  const sampling = {
    ...{ temperature, topP, topK, seed, presencePenalty, frequencyPenalty },
    maxTokens: maxOutputTokens,
    stop: options.stopSequences,
    reasoning: thinks === undefined ? undefined : thinks ? 'on' : 'off',
  }
  return Object.fromEntries(Object.entries(sampling).filter(([, value]) => value !== undefined))
}

/** What of a call has no meaning here. */
export function warnings({ tools = [], headers = {} }: LanguageModelCallOptions): Warning[] {
  const provided = tools.filter(({ type }) => type === 'provider')
  const own = Object.keys(headers).filter((name) => name.toLowerCase() !== 'user-agent')
  return [
    ...provided.map(({ name }): Warning => {
      const details = 'A model on the device has no tools of its own.'
      return { type: 'unsupported', feature: `provider tool ${name}`, details }
    }),
    ...(own.length > 0 ? [{ type: 'unsupported', feature: 'headers', details: 'No request is sent.' } as const] : []),
  ]
}
