import { AlcoveError } from '../../protocol/error.js'
import type { MediaPart, Message, MessagePart, ToolResultPart } from '../../protocol/message.js'
import type { ChatModelCapabilities } from '../../protocol/model.js'
import { abortable } from '../../runtime/abort.js'

/** A message in OpenAI's form. */
export type WireMessage = Readonly<Record<string, unknown>> & { readonly role: string }

export interface WireMessagesOptions {
  readonly inputs: ChatModelCapabilities['inputs']
  readonly signal: AbortSignal
  /** For pictures that only the page can reach: `blob:` and relative addresses. */
  readonly fetch: typeof fetch
}

const MAX_MEDIA_BYTES = 20_000_000
const NAME = /^[\w-]{1,64}$/

/**
 * Messages in OpenAI's form: text alone as a string, pictures and sounds as content parts, calls as `tool_calls`, results as messages of
 * role `tool`. Reasoning is not sent back. Bytes go as base64; a picture's public address goes as it is.
 * @throws AlcoveError `invalid-argument` for no messages, or a part that the model does not take; `too-large`; `network`
 */
export async function wireMessages(messages: readonly Message[], options: WireMessagesOptions): Promise<WireMessage[]> {
  if (messages.length === 0)
    throw new AlcoveError('invalid-argument', 'messages: expected at least one message, got none')
  const wired = await Promise.all(messages.map((message) => wireMessage(message, options)))
  return wired.flat()
}

async function wireMessage(message: Message, options: WireMessagesOptions): Promise<WireMessage[]> {
  const { role, name } = message
  const parts: readonly MessagePart[] =
    typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : message.content
  const results = parts.filter((part) => part.type === 'tool-result')
  const rest = parts.filter((part) => part.type !== 'tool-result')
  const said = await contentOf(rest, options)
  const named = name !== undefined && NAME.test(name) ? { name } : {}
  const calls = parts
    .filter((part) => part.type === 'tool-call')
    .map((call) => ({
      id: call.callId,
      type: 'function',
      function: { name: call.name, arguments: JSON.stringify(call.input ?? {}) },
    }))
  const wired: WireMessage[] = results.map(wireResult)
  if (role === 'assistant') {
    const content = typeof said === 'string' ? said : textOf(rest)
    wired.push({
      role,
      content: calls.length > 0 && content === '' ? null : content,
      ...named,
      ...(calls.length > 0 && { tool_calls: calls }),
    })
  } else if (role !== 'tool' || said.length > 0) {
    wired.push({
      role: role === 'system' ? 'system' : 'user',
      content: role === 'system' ? textOf(rest) : said,
      ...named,
    })
  }
  return wired
}

function wireResult({ callId, output, isError }: ToolResultPart): WireMessage {
  const text = typeof output === 'string' ? output : (JSON.stringify(output) ?? '')
  return { role: 'tool', tool_call_id: callId, content: isError && !/error/i.test(text) ? `Error: ${text}` : text }
}

const textOf = (parts: readonly MessagePart[]): string =>
  parts
    .map((part) => (part.type === 'text' ? part.text : ''))
    .filter(Boolean)
    .join('\n')

async function contentOf(parts: readonly MessagePart[], options: WireMessagesOptions): Promise<string | unknown[]> {
  const hasMedia = parts.some(({ type }) => type === 'image' || type === 'audio' || type === 'file')
  if (!hasMedia) return textOf(parts)
  const content = parts.map(async (part) => {
    if (part.type === 'text') return part.text === '' ? undefined : { type: 'text', text: part.text }
    if (part.type === 'image' || part.type === 'audio' || part.type === 'file') return await wireMedia(part, options)
    return undefined
  })
  return (await Promise.all(content)).filter((part) => part !== undefined)
}

async function wireMedia(part: MediaPart, options: WireMessagesOptions): Promise<unknown> {
  if (!(options.inputs as readonly string[]).includes(part.type)) {
    throw new AlcoveError(
      'invalid-argument',
      `messages: this model reads ${options.inputs.join(', ')}, got a part of type '${part.type}'`,
      { hint: 'Leave the part out, or name it in http.models[…].inputs if the model takes it.' },
    )
  }
  if (part.type === 'image') return { type: 'image_url', image_url: { url: await imageUrl(part, options) } }
  const format = /wav/i.test(part.mediaType) ? 'wav' : /mpeg|mp3/i.test(part.mediaType) ? 'mp3' : undefined
  if (format === undefined) {
    throw new AlcoveError(
      'invalid-argument',
      `messages: expected a sound as audio/wav or audio/mpeg, got '${part.mediaType}'`,
    )
  }
  return { type: 'input_audio', input_audio: { data: await base64Of(await bytesOf(part, options)), format } }
}

async function imageUrl(part: MediaPart, options: WireMessagesOptions): Promise<string> {
  if (typeof part.data === 'string' && /^(?:https?|data):/i.test(part.data)) return part.data
  const type = /^image\/[\w.+-]+$/.test(part.mediaType) ? part.mediaType : 'image/png'
  return `data:${type};base64,${await base64Of(await bytesOf(part, options))}`
}

async function bytesOf({ data }: MediaPart, { fetch, signal }: WireMessagesOptions): Promise<Uint8Array> {
  let blob: Blob
  if (typeof data !== 'string') blob = data
  else {
    try {
      const response = await fetch(data, { signal })
      if (!response.ok) throw new Error(`status ${response.status}`)
      blob = await response.blob()
    } catch (cause) {
      throw new AlcoveError('network', 'a picture or sound of the messages could not be fetched', { cause })
    }
  }
  if (blob.size > MAX_MEDIA_BYTES) {
    throw new AlcoveError(
      'too-large',
      `messages: expected pictures and sounds of at most ${MAX_MEDIA_BYTES} bytes, got ${blob.size}`,
    )
  }
  return new Uint8Array(await abortable(blob.arrayBuffer(), signal))
}

/** So many bytes at a time fit into one call's arguments. */
const STEP = 24_576

async function base64Of(bytes: Uint8Array): Promise<string> {
  const texts: string[] = []
  // Each step is a multiple of three bytes, so that no padding stands in the middle.
  for (let at = 0; at < bytes.length; at += STEP)
    texts.push(btoa(String.fromCharCode(...bytes.subarray(at, at + STEP))))
  return texts.join('')
}
