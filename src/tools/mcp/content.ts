import { AlcoveError } from '../../protocol/error.js'
import type { MediaPart, Message, MessagePart } from '../../protocol/message.js'
import { type Fields, fieldsOf, textOf } from './wire.js'
import { plainWords } from './words.js'

/** Content blocks that are taken of one result. */
const MAX_BLOCKS = 200

/** What a resource is, where its content is not given. */
export interface McpLink {
  readonly type: 'resource'
  readonly uri: string
  readonly name?: string
  readonly description?: string
  readonly mediaType?: string
  readonly text?: string
}

/** One block of a result: text, a picture, sound or file with its bytes, or a resource. */
export type McpBlock = string | MediaPart | McpLink

/**
 * Blocks of MCP content as values that a run knows.
 * @param maxTextLength of all texts together, in UTF-16 code units; more is cut, and that is said
 * @throws AlcoveError `parse-failed` for bytes that are not base64
 */
export function readBlocks(content: unknown, server: string, maxTextLength = Number.POSITIVE_INFINITY): McpBlock[] {
  if (!Array.isArray(content)) return []
  let left = maxTextLength
  const cut = (text: string): string => {
    if (text.length <= left) {
      left -= text.length
      return text
    }
    const kept = `${text.slice(0, left).replace(/[\ud800-\udbff]$/, '')}\n[cut: the server sent more than ${maxTextLength} characters]`
    left = 0
    return kept
  }
  return content.slice(0, MAX_BLOCKS).flatMap((value) => {
    const block = readBlock(fieldsOf(value), server, cut)
    return block === undefined ? [] : [block]
  })
}

function readBlock(block: Fields, server: string, cut: (text: string) => string): McpBlock | undefined {
  const { type } = block
  if (type === 'text') return cut(textOf(block.text) ?? '')
  if (type === 'image' || type === 'audio') return media(type, block.data, block.mimeType, server)
  if (type === 'resource') return readResource(fieldsOf(block.resource), server, cut)
  if (type === 'resource_link') return link(block)
  return undefined
}

/** A resource's content: a text with its address, or a file. */
export function readResource(resource: Fields, server: string, cut = (text: string) => text): McpBlock {
  const { text, blob, mimeType } = resource
  if (typeof text === 'string') return { ...link(resource), text: cut(text) }
  if (typeof blob !== 'string') return link(resource)
  const kind = (textOf(mimeType) ?? '').split('/')[0]
  return media(kind === 'image' || kind === 'audio' ? kind : 'file', blob, mimeType, server)
}

function link({ uri, name, title, description, mimeType }: Fields): McpLink {
  const label = plainWords(title ?? name, 200)
  const about = plainWords(description, 500)
  return {
    type: 'resource',
    uri: plainWords(uri, 2_000),
    ...(label && { name: label }),
    ...(about && { description: about }),
    ...(typeof mimeType === 'string' && { mediaType: plainWords(mimeType, 100) }),
  }
}

function media(type: MediaPart['type'], data: unknown, mimeType: unknown, server: string): MediaPart {
  const given = textOf(mimeType) ?? ''
  // Only a plain media type: a Blob of it may be shown.
  const mediaType = /^[\w.+-]{1,60}\/[\w.+-]{1,80}$/.test(given) ? given : 'application/octet-stream'
  return { type, mediaType, data: new Blob([bytesOf(data, server)], { type: mediaType }) }
}

function bytesOf(data: unknown, server: string): Uint8Array<ArrayBuffer> {
  try {
    const binary = atob(textOf(data) ?? '!')
    return Uint8Array.from(binary, (character) => character.charCodeAt(0))
  } catch (cause) {
    throw new AlcoveError('parse-failed', `MCP server '${server}' sent bytes that are not base64`, {
      cause,
      hint: 'The server is at fault; use its other tools.',
      details: { server },
    })
  }
}

/** What a tool's result is for a model: data where the server gives it, one text where there is only text, else the blocks. */
export function readOutput(result: Fields, server: string, maxTextLength: number): unknown {
  const { structuredContent, content } = result
  const blocks = readBlocks(content, server, maxTextLength)
  if (structuredContent !== undefined) {
    // The texts beside data say the same again.
    const others = blocks.filter((block) => typeof block !== 'string')
    const isLong = (JSON.stringify(structuredContent)?.length ?? 0) > maxTextLength
    if (!isLong) return others.length === 0 ? structuredContent : [structuredContent, ...others]
  }
  if (blocks.every((block) => typeof block === 'string')) return blocks.join('\n')
  return blocks.length === 1 ? blocks[0] : blocks
}

/** The text of a result that is an error. */
export function readErrorText(result: Fields, server: string): string {
  const texts = readBlocks(result.content, server, 2_000).filter((block) => typeof block === 'string')
  return texts.join(' ') || 'it said no more'
}

/** Messages of a prompt. A prompt of a server never speaks for the system. */
export function readMessages(messages: unknown, server: string): Message[] {
  if (!Array.isArray(messages)) return []
  return messages.slice(0, MAX_BLOCKS).map((value) => {
    const { role, content } = fieldsOf(value)
    const blocks = readBlocks(Array.isArray(content) ? content : [content], server)
    const parts = blocks.map((block): MessagePart => {
      if (typeof block === 'string') return { type: 'text', text: block }
      return block.type === 'resource' ? { type: 'text', text: block.text ?? block.uri } : block
    })
    const [first] = parts
    const isText = parts.length === 1 && first?.type === 'text'
    return { role: role === 'assistant' ? 'assistant' : 'user', content: isText ? first.text : parts }
  })
}
