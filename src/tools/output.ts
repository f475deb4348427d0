import type { MediaPart } from '../protocol/message.js'

/** Deepest nesting of a tool's output. */
const MAX_DEPTH = 200

/**
 * A tool's output as data of its own: what JSON can say, with pictures, sounds and files kept. A Blob becomes a media part, and the bytes of
 * a media part become a Blob.
 *
 * @throws TypeError for circular values and bigints
 */
export function toData(output: unknown): unknown {
  return copy(output, '', new Set()) ?? null
}

function copy(value: unknown, key: string, parents: Set<object>): unknown {
  if (typeof value === 'bigint') throw new TypeError('a bigint cannot be written as JSON')
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Blob) return mediaPart(value)
  const media = readMedia(value)
  if (media !== undefined) return media
  const { toJSON } = value as { toJSON?: unknown }
  if (typeof toJSON === 'function') return copy(toJSON.call(value, key), key, parents)
  if (value instanceof String || value instanceof Number || value instanceof Boolean) return value.valueOf()
  if (parents.has(value)) throw new TypeError('a circular value cannot be written as JSON')
  if (parents.size >= MAX_DEPTH) throw new TypeError(`nested deeper than ${MAX_DEPTH} levels`)
  parents.add(value)
  const made = Array.isArray(value)
    ? value.map((item, at) => copy(item, String(at), parents) ?? null)
    : copyFields(value, parents)
  parents.delete(value)
  return made
}

function copyFields(value: object, parents: Set<object>): Record<string, unknown> {
  const fields = Object.entries(value).map(([key, field]) => [key, copy(field, key, parents)] as const)
  // `fromEntries` defines, so that a key `__proto__` stays a key.
  return Object.fromEntries(fields.filter(([, field]) => field !== undefined))
}

function mediaPart(blob: Blob): MediaPart {
  const mediaType = blob.type || 'application/octet-stream'
  const kind = mediaType.split('/')[0]
  return { type: kind === 'image' || kind === 'audio' ? kind : 'file', data: blob, mediaType }
}

/** A media part for what looks like one and has its bytes; undefined for everything else. */
function readMedia(value: object): MediaPart | undefined {
  const { type, data, mediaType } = value as Partial<Record<keyof MediaPart, unknown>>
  if ((type !== 'image' && type !== 'audio' && type !== 'file') || typeof mediaType !== 'string') return undefined
  if (data instanceof Blob) return { type, data, mediaType }
  if (!(data instanceof ArrayBuffer) && !ArrayBuffer.isView(data)) return undefined
  return { type, data: new Blob([data as BlobPart], { type: mediaType }), mediaType }
}

/** A media part for who can read text only. */
export function mediaText({ type, data, mediaType }: MediaPart): string {
  return `[${type}: ${mediaType}${typeof data === 'string' ? '' : `, ${data.size} bytes`}]`
}

/** An output with something else for each media part that has its bytes. The same value where nothing is replaced. */
export function replaceMedia(output: unknown, replace: (part: MediaPart) => unknown = mediaText): unknown {
  if (typeof output !== 'object' || output === null) return output
  const media = readMedia(output)
  if (media !== undefined) return replace(output as MediaPart)
  if (Array.isArray(output)) {
    const items = output.map((item) => replaceMedia(item, replace))
    return items.every((item, at) => item === output[at]) ? output : items
  }
  const fields = Object.entries(output).map(([key, field]) => [key, replaceMedia(field, replace)] as const)
  const isSame = fields.every(([key, field]) => field === (output as Record<string, unknown>)[key])
  return isSame ? output : Object.fromEntries(fields)
}
