import { AlcoveError } from '../../protocol/error.js'
import { type ByteRange, damaged } from '../storage/corpus-file-header.js'

/** A file on a server, read in parts. */
export interface RangeFile {
  /** Bytes of the file, where the server tells. */
  readonly size: number | undefined
  /** Whether the server gives parts; otherwise all of the file is here. */
  readonly isPartial: boolean
  /**
   * The bytes of a range.
   * @throws AlcoveError `integrity-failed` when the file was changed since it was opened; `parse-failed` when it ends before; `network`,
   *   `http-status`
   */
  read(range: ByteRange): Promise<ArrayBuffer>
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** What is read when a file is opened: header and index of a small one. */
const firstBytes = 256 * 1024

/**
 * Opens a file by its first bytes. A server that does not know ranges answers with the whole file, which is kept then. What belongs together is told
 * by the validator of the answers (ETag, else Last-Modified) and by the length: parts of two versions are never mixed where the server
 * gives one of these.
 * @throws AlcoveError `network`; `http-status`; `parse-failed` for an empty file
 */
export async function openRangeFile(url: string, fetch: Fetch): Promise<RangeFile> {
  // Not from the cache without asking: what is read next must be of the same version.
  const response = await request(url, fetch, { start: 0, end: firstBytes }, { cache: 'no-cache' })
  const bytes = await bodyOf(url, response)
  if (response.status === 200) {
    return { size: bytes.byteLength, isPartial: false, read: async (range) => cut(bytes, 0, range) }
  }
  const opened = { validator: validatorOf(response), size: sizeOf(response) }
  return {
    size: opened.size ?? (bytes.byteLength < firstBytes ? bytes.byteLength : undefined),
    isPartial: true,
    async read(range) {
      if (range.end === range.start) return new ArrayBuffer(0)
      if (range.end <= bytes.byteLength) return cut(bytes, 0, range)
      const part = await request(url, fetch, range)
      const now = { validator: validatorOf(part), size: sizeOf(part) }
      const body = await bodyOf(url, part)
      if (part.status === 200) {
        if (now.validator !== opened.validator) throw changed(url)
        return cut(body, 0, range)
      }
      if (now.validator !== opened.validator || now.size !== opened.size) throw changed(url)
      return cut(body, range.start, range)
    },
  }
}

/** A range out of bytes that begin at `start`. */
function cut(bytes: ArrayBuffer, start: number, range: ByteRange): ArrayBuffer {
  if (range.end - start > bytes.byteLength) {
    throw damaged(`it ends at byte ${start + bytes.byteLength}, before byte ${range.end}`)
  }
  return bytes.slice(range.start - start, range.end - start)
}

async function request(
  url: string,
  fetch: Fetch,
  { start, end }: ByteRange,
  init: RequestInit = {},
): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { ...init, headers: { range: `bytes=${start}-${end - 1}` } })
  } catch (error) {
    throw networkError(url, error)
  }
  if (response.status === 200) return response
  if (response.status === 206) {
    const from = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1]
    if (from === undefined || Number(from) === start) return response
    throw new AlcoveError('http-status', `'${url}': asked for bytes from ${start} on, got those from ${from} on`)
  }
  await response.body?.cancel().catch(() => {})
  if (response.status === 416) throw start === 0 ? damaged('it is empty') : changed(url)
  throw new AlcoveError('http-status', `'${url}': the server answered ${response.status}`, {
    details: { status: response.status },
    retryable: response.status >= 500 || response.status === 429,
  })
}

async function bodyOf(url: string, response: Response): Promise<ArrayBuffer> {
  try {
    return await response.arrayBuffer()
  } catch (error) {
    throw networkError(url, error)
  }
}

function networkError(url: string, error: unknown): AlcoveError {
  return new AlcoveError('network', `'${url}' could not be read: ${error instanceof Error ? error.message : error}`, {
    cause: error,
  })
}

const validatorOf = ({ headers }: Response): string | null => headers.get('etag') ?? headers.get('last-modified')

function sizeOf({ headers }: Response): number | undefined {
  const size = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1]
  return size === undefined ? undefined : Number(size)
}

function changed(url: string): AlcoveError {
  return new AlcoveError('integrity-failed', `'${url}' was changed on the server while it was read`, {
    hint: 'Try again: the file is opened anew.',
  })
}
