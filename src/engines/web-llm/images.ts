import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import type { MediaPart } from '../../protocol/message.js'
import { abortable, abortError, throwIfAborted } from '../../runtime/abort.js'
import { createLru } from '../../runtime/lru.js'
import { sha256Hex } from '../../text/hash.js'
import { readImageSize } from './image-header.js'

/** A picture as the model is given it. */
export interface PreparedImage {
  /** The same for the same picture, so that a conversation that goes on is known again. */
  readonly url: string
  readonly blob: Blob
  readonly width: number
  readonly height: number
}

/** The pictures of a request, by their parts. */
export type PreparedImages = ReadonlyMap<MediaPart, PreparedImage>

export interface ImageReader {
  /**
   * Fetches what is an address, checks, and makes smaller what is larger than a model looks at.
   * @throws AlcoveError `invalid-argument` for what is no picture or has a form that models cannot take, `too-large`, `network`,
   *   `http-status`, `download-refused`, `aborted`
   */
  prepare(parts: readonly MediaPart[], signal?: AbortSignal): Promise<PreparedImages>
}

export interface ImageReaderOptions {
  /** `false`: pictures come from the page's own origin only. */
  readonly allowRemote: boolean
  /** @default the global fetch */
  readonly fetch?: typeof fetch | undefined
  /** The page's own origin. @default that of this thread */
  readonly origin?: string | undefined
}

/** No network finds it (RFC 2606): it is served in this thread while a request runs. */
const FOLDER = 'https://alcove.invalid/image/'
const MAX_BYTES = 20_000_000
const MAX_PIXELS = 50_000_000
/** The longest side that any of the models looks at (Phi-3.5-vision: 4 tiles of 336 for a square). */
const MAX_SIDE = 1_344
/** Longer ones have no place in the tiles of Phi-3.5-vision. */
const MAX_RATIO = 16
/** Pictures that stay ready for the next turn. */
const MAX_KEPT = 8
const MAX_KEPT_BYTES = 64_000_000

/** Reads the pictures of the requests to one model. */
export function createImageReader(options: ImageReaderOptions): ImageReader {
  const kept = createLru<PreparedImage>({ maxEntries: MAX_KEPT, maxBytes: MAX_KEPT_BYTES })

  const prepareOne = async (part: MediaPart, signal: AbortSignal | undefined): Promise<PreparedImage> => {
    const bytes = await readBytes(part, options, signal)
    const key = await sha256Hex(bytes)
    const known = kept.get(key)
    if (known) return known
    const image = { url: FOLDER + key, ...(await shrink(bytes)) }
    throwIfAborted(signal)
    kept.set(key, image, image.blob.size)
    return image
  }

  return {
    async prepare(parts, signal) {
      const images = new Map<MediaPart, PreparedImage>()
      // One after the other: a decoded picture takes much more memory than its file.
      for (const part of parts) images.set(part, await abortable(prepareOne(part, signal), signal))
      return images
    },
  }
}

async function readBytes(
  { data }: MediaPart,
  options: ImageReaderOptions,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  if (typeof data !== 'string') return limited(data.size, () => data.arrayBuffer())
  if (data.startsWith('data:')) return decodeDataUrl(data)
  const url = URL.canParse(data) ? new URL(data) : undefined
  if (!url || !/^(?:https?|blob):$/.test(url.protocol)) {
    throw new AlcoveError('invalid-argument', 'messages: expected a whole address of a picture, with https:', {
      hint: 'Give the picture as a Blob.',
    })
  }
  const origin = options.allowRemote ? undefined : (options.origin ?? globalThis.origin)
  if (origin !== undefined && url.origin !== origin) {
    throw new AlcoveError('download-refused', `only ${origin} may be asked, but a picture is at ${url.origin}`, {
      hint: 'Give the picture as a Blob, or allow remote models.',
    })
  }
  return download(url, origin, options.fetch ?? globalThis.fetch, signal)
}

async function download(
  url: URL,
  origin: string | undefined,
  fetchFile: typeof fetch,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const redirect = origin === undefined ? 'follow' : 'error'
    const response = await fetchFile(url, { signal: signal ?? null, redirect })
    if (!response.ok) {
      await response.body?.cancel()
      throw new AlcoveError('http-status', `a picture of the messages answered ${response.status}`, {
        details: { status: response.status, url: url.href },
      })
    }
    const blob = await readLimited(response)
    return new Uint8Array(await blob.arrayBuffer())
  } catch (cause) {
    if (signal?.aborted) throw abortError(signal)
    if (isAlcoveError(cause)) throw cause
    throw new AlcoveError('network', `a picture of the messages could not be fetched from ${url.host}`, { cause })
  }
}

async function readLimited(response: Response): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = []
  let bytes = 0
  const reader = response.body?.getReader()
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (done || !value) return new Blob(parts)
    bytes += value.byteLength
    if (bytes > MAX_BYTES) {
      await reader?.cancel()
      throw tooLarge(`more than ${MAX_BYTES} bytes`)
    }
    parts.push(value)
  }
}

function tooLarge(got: string): AlcoveError {
  return new AlcoveError(
    'too-large',
    `messages: expected a picture of at most ${MAX_BYTES} bytes and ${MAX_PIXELS} pixels, got ${got}`,
  )
}

async function limited(size: number, read: () => Promise<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  if (size > MAX_BYTES) throw tooLarge(`${size} bytes`)
  return new Uint8Array(await read())
}

/** By hand: a page's policy need not let it fetch `data:`. */
function decodeDataUrl(url: string): Uint8Array<ArrayBuffer> {
  const [, text] = /^data:[^,]*;base64,(.*)$/s.exec(url.slice(0, 2 * MAX_BYTES)) ?? []
  try {
    if (url.length > 2 * MAX_BYTES) throw tooLarge(`${url.length} characters`)
    if (text !== undefined) return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch (error) {
    if (isAlcoveError(error)) throw error
  }
  throw noPicture('a data: address in base64')
}

function noPicture(expected: string, cause?: unknown): AlcoveError {
  return new AlcoveError('invalid-argument', `messages: expected ${expected}, got something else`, { cause })
}

/** The picture itself where it is small enough, else a smaller one, lossless. */
async function shrink(bytes: Uint8Array<ArrayBuffer>): Promise<Omit<PreparedImage, 'url'>> {
  const claimed = readImageSize(bytes)
  if (!claimed) throw noPicture('a PNG, JPEG, GIF or WebP')
  if (claimed.width * claimed.height > MAX_PIXELS) throw tooLarge(`${claimed.width} × ${claimed.height} pixels`)
  const ratio = claimed.width / claimed.height
  if (Math.max(ratio, 1 / ratio) > MAX_RATIO) {
    throw new AlcoveError(
      'invalid-argument',
      `messages: expected a picture at most ${MAX_RATIO} times as long as wide, got ${claimed.width} × ${claimed.height}`,
    )
  }
  const blob = new Blob([bytes])
  const bitmap = await createImageBitmap(blob).catch((cause: unknown) => {
    throw noPicture('a picture that this browser can decode', cause)
  })
  try {
    const scale = MAX_SIDE / Math.max(bitmap.width, bitmap.height)
    if (scale >= 1) return { blob, width: bitmap.width, height: bitmap.height }
    const width = Math.max(1, Math.round(bitmap.width * scale))
    const height = Math.max(1, Math.round(bitmap.height * scale))
    const canvas = new OffscreenCanvas(width, height)
    const context = canvas.getContext('2d')
    if (!context) throw new AlcoveError('out-of-memory', 'a picture could not be made smaller: no canvas is to be had')
    context.imageSmoothingQuality = 'high'
    context.drawImage(bitmap, 0, 0, width, height)
    return { blob: await canvas.convertToBlob({ type: 'image/png' }), width, height }
  } finally {
    bitmap.close()
  }
}
