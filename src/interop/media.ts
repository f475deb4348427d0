import { AlcoveError } from '../protocol/error.js'
import type { MediaPart } from '../protocol/message.js'

/** A medium from its bytes, or from base64. @throws AlcoveError `invalid-argument` for what is no base64 */
export function readMedia(given: {
  readonly base64?: string | undefined
  readonly bytes?: Uint8Array | undefined
  readonly mediaType: string
}): MediaPart {
  const { base64 = '', bytes, mediaType } = given
  const data = new Blob([new Uint8Array(bytes ?? readBase64(base64))], { type: mediaType })
  return { type: mediaKind(mediaType), data, mediaType }
}

/**
 * A medium at an address. A data url is read here, since a page's policy may let nobody fetch it.
 *
 * @param mediaType what it is, where that is known
 * @throws AlcoveError `invalid-argument` for a data url that is broken
 */
export function readMediaUrl(url: string, mediaType: string): MediaPart {
  const [, meta, data] = /^data:([^,]*),(.*)$/is.exec(url) ?? []
  if (meta === undefined || data === undefined) return { type: mediaKind(mediaType), data: url, mediaType }
  const [own = '', ...flags] = meta.split(';')
  const type = own === '' ? mediaType : own
  if (flags.includes('base64')) return readMedia({ base64: data, mediaType: type })
  return readMedia({ bytes: new TextEncoder().encode(decodeText(data)), mediaType: type })
}

export function mediaKind(mediaType: string): MediaPart['type'] {
  if (mediaType.startsWith('image/')) return 'image'
  return mediaType.startsWith('audio/') ? 'audio' : 'file'
}

function readBase64(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  } catch (cause) {
    throw new AlcoveError('invalid-argument', 'expected base64, got other text', { cause })
  }
}

function decodeText(encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch (cause) {
    throw new AlcoveError('invalid-argument', 'expected percent-encoded text in a data url', { cause })
  }
}

/** Bytes that `btoa` is given at once. */
const CHUNK = 0x8000

/** Numbers as base64 of little-endian 32-bit floats. */
export function writeBase64(vector: Float32Array): string {
  const bytes = new Uint8Array(vector.length * 4)
  const view = new DataView(bytes.buffer)
  for (const [at, value] of vector.entries()) view.setFloat32(at * 4, value, true)
  let binary = ''
  for (let at = 0; at < bytes.length; at += CHUNK) binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK))
  return btoa(binary)
}
