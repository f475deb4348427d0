import type { MediaPart } from '../../protocol/message.js'
import { toData } from '../output.js'
import type { Fields } from './wire.js'

/** A tool's output as an MCP result: text as text, media as their bytes, everything else as data and as JSON. */
export async function writeResult(output: unknown): Promise<Fields> {
  const value = toData(output)
  if (typeof value === 'string') return { content: [textBlock(value)] }
  const items = Array.isArray(value) ? value : [value]
  if (items.some(isMedia)) return { content: await Promise.all(items.map(writeBlock)) }
  const text = textBlock(JSON.stringify(value))
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return { content: [text], ...(isObject && { structuredContent: value }) }
}

/** A failure as an MCP result: the caller's model reads it. */
export function writeFailure(message: string): Fields {
  return { content: [textBlock(message)], isError: true }
}

const textBlock = (text: string) => ({ type: 'text', text })

function isMedia(value: unknown): value is MediaPart {
  const { type, mediaType, data } = (value ?? {}) as Partial<MediaPart>
  return (
    (type === 'image' || type === 'audio' || type === 'file') && typeof mediaType === 'string' && data !== undefined
  )
}

async function writeBlock(value: unknown): Promise<Fields> {
  if (!isMedia(value)) return textBlock(typeof value === 'string' ? value : JSON.stringify(value))
  const { type, data, mediaType } = value
  if (typeof data === 'string') return { type: 'resource_link', uri: data, name: type, mimeType: mediaType }
  const bytes = await base64Of(data)
  if (type === 'file') return { type: 'resource', resource: { uri: 'data:', mimeType: mediaType, blob: bytes } }
  return { type, data: bytes, mimeType: mediaType }
}

/** In pieces, because a call takes only so many arguments. */
async function base64Of(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await blob.arrayBuffer())
  const pieces: string[] = []
  for (let at = 0; at < bytes.length; at += 32_768) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 32_768)))
  return btoa(pieces.join(''))
}
