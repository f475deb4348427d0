import { AlcoveError } from '../../protocol/error.js'
import { abortError } from '../../runtime/abort.js'
import type { Clock } from '../../runtime/clock.js'

/** A place that may have the file. */
export interface WeightSource {
  readonly name: 'base' | 'hub'
  readonly url: string
}

export interface DownloadContext {
  readonly fetch: typeof fetch
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Bytes so far, and in all where known. */
  report(progress: { readonly loaded: number; readonly total: number | undefined }): void
  /** When set, only this origin may be asked. */
  readonly onlyOrigin: string | undefined
}

/** How often a broken transfer is taken up again before giving up. */
const MAX_RESUMES = 4
const FIRST_PAUSE_MS = 500
/** Chunks are gathered to this size before they become a Blob, which browsers may move out of memory. */
const BLOB_PART_BYTES = 8_388_608

/** Whether a page was served instead of a file: single-page hosts answer every path with their index page. */
const looksLikeHtml = (head: Uint8Array) => /^\s*<(?:!doctype|html)/i.test(new TextDecoder().decode(head.slice(0, 64)))

/** Whether the answer's length header counts the bytes that we read. */
const lengthOf = (response: Response): number | undefined => {
  const header = response.headers.get('content-length')
  if (header === null || response.headers.get('content-encoding')) return undefined
  const bytes = Number(header)
  return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined
}

/**
 * Asks a source.
 * @returns undefined when the source does not have it
 * @throws AlcoveError `network`, `http-status`, `download-refused` or `aborted`
 */
export async function request(
  source: WeightSource,
  init: { readonly method?: string; readonly headers?: Record<string, string> },
  context: Pick<DownloadContext, 'fetch' | 'signal' | 'onlyOrigin'>,
): Promise<Response | undefined> {
  const { fetch, signal, onlyOrigin } = context
  if (onlyOrigin !== undefined && new URL(source.url).origin !== onlyOrigin) throw refuse(source.url, onlyOrigin)
  let response: Response
  try {
    // 'manual' lets no request leave before it was looked at where only the own origin is allowed.
    response = await fetch(source.url, { ...init, signal, redirect: onlyOrigin ? 'manual' : 'follow' })
  } catch (error) {
    if (signal.aborted) throw abortError(signal)
    throw new AlcoveError('network', `could not reach ${source.url}: ${String(error)}`, { cause: error })
  }
  if (onlyOrigin !== undefined && (response.type === 'opaqueredirect' || isElsewhere(response, onlyOrigin))) {
    throw refuse(response.url || source.url, onlyOrigin, 'redirects')
  }
  if (response.ok) return (response.headers.get('content-type') ?? '').includes('text/html') ? skip(response) : response
  if ([401, 403, 404, 410].includes(response.status)) return skip(response)
  await skip(response)
  throw new AlcoveError('http-status', `${source.url} answered ${response.status}`, {
    details: { status: response.status, url: source.url },
    retryable: [408, 429].includes(response.status) || response.status >= 500,
  })
}

async function skip(response: Response): Promise<undefined> {
  await response.body?.cancel().catch(() => {})
  return undefined
}

const isElsewhere = (response: Response, origin: string) =>
  response.redirected && response.url !== '' && new URL(response.url).origin !== origin

function refuse(url: string, origin: string, verb = 'is'): AlcoveError {
  return new AlcoveError('download-refused', `only ${origin} may be asked, but ${url} ${verb} elsewhere`, {
    hint: 'Serve the model files from the page’s own origin, or allow remote models.',
    details: { url },
  })
}

/**
 * Fetches a whole file from one source. A transfer that breaks off is taken up where it stopped.
 * @returns undefined when the source does not have it
 * @throws AlcoveError `network`, `http-status`, `integrity-failed`, `download-refused` or `aborted`
 */
export async function download(source: WeightSource, context: DownloadContext): Promise<Blob | undefined> {
  const first = await request(source, {}, context)
  if (!first) return undefined
  const body = createBody()
  const total = lengthOf(first)
  let response: Response = first
  for (let attempt = 0; ; attempt++) {
    const before = body.bytes
    const broken = await readInto(body, response, total, context)
    if (body.isHtml && !source.url.endsWith('.html')) return undefined
    if (!broken && (total === undefined || body.bytes >= total)) return body.finish()
    const cause = broken?.error
    if (total === undefined) {
      throw new AlcoveError('network', `the transfer of ${source.url} broke off: ${String(cause)}`, { cause })
    }
    // A server that answers but never gives more has a short file: that is no matter of the connection.
    if (attempt >= MAX_RESUMES || (attempt > 0 && body.bytes === before))
      throw shortFile(source, body.bytes, total, cause)
    await context.clock.sleep(FIRST_PAUSE_MS * 2 ** attempt, context.signal)
    response = await resume(source, body, total, context)
  }
}

async function resume(source: WeightSource, body: Body, total: number, context: DownloadContext): Promise<Response> {
  const response = await request(source, { headers: { range: `bytes=${body.bytes}-` } }, context)
  if (!response) throw shortFile(source, body.bytes, total, undefined)
  const isRest = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${body.bytes}-`)
  if (!isRest) body.clear()
  return response
}

function shortFile(source: WeightSource, got: number, total: number, cause: unknown): AlcoveError {
  return new AlcoveError('integrity-failed', `expected ${total} bytes from ${source.url}, got ${got}`, {
    cause,
    details: { url: source.url, expectedBytes: total, bytes: got },
  })
}

/** @returns undefined at the end of the body, or what broke the transfer */
async function readInto(
  body: Body,
  response: Response,
  total: number | undefined,
  { signal, report }: DownloadContext,
): Promise<{ readonly error: unknown } | undefined> {
  const reader = response.body?.getReader()
  if (!reader) return undefined
  const onAbort = () => void reader.cancel().catch(() => {})
  signal.addEventListener('abort', onAbort)
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (signal.aborted) throw abortError(signal)
      if (done) return undefined
      body.push(value)
      if (body.isHtml) {
        onAbort()
        return undefined
      }
      report({ loaded: body.bytes, total })
    }
  } catch (error) {
    if (signal.aborted) throw abortError(signal)
    return { error }
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** The bytes so far. */
interface Body {
  readonly bytes: number
  readonly isHtml: boolean
  push(chunk: Uint8Array): void
  clear(): void
  finish(): Blob
}

function createBody(): Body {
  let parts: Blob[] = []
  let pending: Uint8Array<ArrayBuffer>[] = []
  let pendingBytes = 0
  let bytes = 0
  let isHtml = false
  const settle = () => {
    if (pendingBytes > 0) parts.push(new Blob(pending))
    pending = []
    pendingBytes = 0
  }
  return {
    get bytes() {
      return bytes
    },
    get isHtml() {
      return isHtml
    },
    push(chunk) {
      if (bytes === 0) isHtml = looksLikeHtml(chunk)
      pending.push(chunk as Uint8Array<ArrayBuffer>)
      pendingBytes += chunk.byteLength
      bytes += chunk.byteLength
      if (pendingBytes >= BLOB_PART_BYTES) settle()
    },
    clear() {
      parts = []
      pending = []
      pendingBytes = 0
      bytes = 0
    },
    finish() {
      settle()
      return new Blob(parts)
    },
  }
}
