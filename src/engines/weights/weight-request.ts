import { AlcoveError } from '../../protocol/error.js'
import { abortError } from '../../runtime/abort.js'
import type { SourceHead } from './file-store.js'

/** A place that may have the file. */
export interface WeightSource {
  readonly name: 'base' | 'mirror' | 'hub'
  readonly url: string
}

export interface RequestContext {
  readonly fetch: typeof fetch
  readonly signal: AbortSignal
  /** When set, only this origin may be asked. */
  readonly onlyOrigin: string | undefined
  /** Told what a source has instead of the file. */
  readonly onMissing?: ((answer: string) => void) | undefined
}

/**
 * Asks a source. What comes is kept by us, so that the browser's own cache would only hold it twice.
 * @returns undefined when the source does not have it
 * @throws AlcoveError `network`, `http-status`, `download-refused` or `aborted`
 */
export async function request(
  source: WeightSource,
  init: { readonly method?: string; readonly headers?: Record<string, string> },
  { fetch, signal, onlyOrigin, onMissing }: RequestContext,
): Promise<Response | undefined> {
  if (onlyOrigin !== undefined && new URL(source.url).origin !== onlyOrigin) throw refuse(source.url, onlyOrigin)
  let response: Response
  try {
    // 'manual' lets no request leave before it was looked at where only the own origin is allowed.
    const redirect = onlyOrigin ? 'manual' : 'follow'
    response = await fetch(source.url, { ...init, signal, redirect, cache: 'no-store' })
  } catch (error) {
    if (signal.aborted) throw abortError(signal)
    throw new AlcoveError('network', `could not reach ${source.url}: ${String(error)}`, { cause: error })
  }
  if (onlyOrigin !== undefined && (response.type === 'opaqueredirect' || isElsewhere(response, onlyOrigin))) {
    throw refuse(response.url || source.url, onlyOrigin, 'redirects')
  }
  const isPage = (response.headers.get('content-type') ?? '').includes('text/html')
  if (response.ok && !isPage) return response
  if (response.ok || [401, 403, 404, 410].includes(response.status)) {
    onMissing?.(response.ok ? 'an HTML page' : `status ${response.status}`)
    return skip(response)
  }
  await skip(response)
  throw new AlcoveError('http-status', `${source.url} answered ${response.status}`, {
    details: { status: response.status, url: source.url },
    retryable: [408, 429].includes(response.status) || response.status >= 500,
  })
}

/** Lets go of an answer. */
export async function skip(response: Response): Promise<undefined> {
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

/** Whether the answer's length header counts the bytes that we read. */
function lengthOf(response: Response): number | undefined {
  const header = response.headers.get('content-length')
  if (header === null || response.headers.get('content-encoding')) return undefined
  const bytes = Number(header)
  return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined
}

/** Where an answer's bytes begin in the file, and what the file is. Undefined `start`: not the part that was asked for. */
export function readAnswer(
  response: Response,
  source: WeightSource,
  from: number,
  pieceBytes: number,
): { readonly start: number | undefined; readonly head: SourceHead } {
  const isPart = response.status === 206
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '')
  const length = lengthOf(response)
  const told = range && range[2] !== '*' ? Number(range[2]) : undefined
  // Another origin may hide the range header; then its part is taken to be the one that was asked for.
  const start = isPart ? (range ? Number(range[1]) : from) : 0
  const bytes = isPart ? told : length
  const etag = response.headers.get('etag') ?? undefined
  const lastModified = response.headers.get('last-modified') ?? undefined
  return {
    start: start === from || start === 0 ? start : undefined,
    head: { url: source.url, source: source.name, bytes, etag, lastModified, pieceBytes },
  }
}

/**
 * Whether two heads can be of one file: equal in length, and in the entity tag or else in the time of change where both tell. Two
 * servers that have the same file write different times, and often different tags too; then only `isHashed` lets one go on for the other.
 */
export function isSameFile(first: SourceHead, second: SourceHead, isHashed: boolean): boolean {
  if (first.bytes !== undefined && second.bytes !== undefined && first.bytes !== second.bytes) return false
  const isOneServer = first.url === second.url
  if (!isOneServer && isHashed) return true
  const weak = (tag: string) => tag.replace(/^W\//, '')
  if (first.etag !== undefined && second.etag !== undefined) return weak(first.etag) === weak(second.etag)
  if (!isOneServer) return first.bytes !== undefined && second.bytes !== undefined
  return first.lastModified === second.lastModified || !first.lastModified || !second.lastModified
}
