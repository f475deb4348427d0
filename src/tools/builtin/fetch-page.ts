import { AlcoveError } from '../../protocol/error.js'
import { throwIfAborted, timeoutSignal } from '../../runtime/abort.js'
import { type Tool, tool } from '../tool.js'
import { type ReadHtml, sliceText } from './slice-text.js'

/**
 * Addresses that may be fetched: `https://example.com` (the whole site), `https://example.com/docs/*` (what begins so),
 * `https://*.example.com` (its subdomains), or a function.
 */
export type AllowedPage = string | ((url: URL) => boolean)

export interface FetchPageToolOptions {
  readonly allow: readonly AllowedPage[]
  /** @default 'fetch_page' */
  readonly name?: string | undefined
  /** Largest page, in bytes. @default 2 MiB */
  readonly maxBytes?: number | undefined
  /** Longest time, in milliseconds. @default 15_000 */
  readonly timeoutMs?: number | undefined
  /** Most characters of text that one call gives. @default 6_000 */
  readonly maxCharacters?: number | undefined
  /** Whether a person must agree to each call: the address leaves the device. @default true */
  readonly needsApproval?: boolean | ((input: Readonly<Record<string, unknown>>) => boolean) | undefined
  /** @default the page's own fetch */
  readonly fetch?: typeof globalThis.fetch | undefined
}

const MAX_URL = 2000

/** A tool that fetches pages. See `fetchPageTool` of `alcove/tools/fetch-page`. */
export function createFetchPageTool(options: FetchPageToolOptions, readHtml: ReadHtml): Tool {
  const { allow, name = 'fetch_page', maxBytes = 2 << 20, timeoutMs = 15_000, maxCharacters = 6000 } = options
  const { needsApproval = true, fetch = (...args) => globalThis.fetch(...args) } = options
  if (!Array.isArray(allow) || allow.length === 0) {
    throw new AlcoveError('invalid-argument', 'fetchPageTool: expected a list of allowed addresses, got none', {
      hint: "Name what may be fetched, for example allow: ['https://example.com'].",
    })
  }
  const rules = allow.map(readRule)
  const named = allow.filter((entry) => typeof entry === 'string')
  return tool({
    name,
    description: `Fetches a web page and returns its readable text.${named.length > 0 ? ` Only these addresses: ${named.slice(0, 10).join(', ')}.` : ''}`,
    input: {
      type: 'object',
      properties: {
        url: { type: 'string', maxLength: MAX_URL, description: 'The whole address, with https://' },
        from: { type: 'integer', minimum: 0, description: 'Where the text goes on, for a long page' },
      },
      required: ['url'],
      additionalProperties: false,
    },
    timeoutMs: timeoutMs + 5000,
    needsApproval,
    async execute({ url: given, from }, context) {
      const url = readUrl(String(given))
      if (!rules.some((rule) => rule(url))) {
        const list = named.length > 0 ? ` Allowed are: ${named.slice(0, 10).join(', ')}.` : ''
        throw new AlcoveError('permission-denied', `${url.origin}${url.pathname} may not be fetched.${list}`)
      }
      const { signal, clear } = timeoutSignal(timeoutMs, context.signal)
      try {
        const response = await request(fetch, url, signal)
        const body = decodeText(await readBody(response, maxBytes, signal), response)
        const isHtml = /\bhtml\b/i.test(response.headers.get('content-type') ?? '')
        const { title, text } = isHtml ? await readHtml(body) : { title: undefined, text: body }
        const shown = sliceText(text, Number(from ?? 0), maxCharacters)
        return { url: url.href, ...(title === undefined ? {} : { title: title.slice(0, 300) }), ...shown }
      } finally {
        clear()
      }
    },
  })
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new AlcoveError('invalid-argument', `Expected a whole address with https://, got '${text.slice(0, 100)}'`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new AlcoveError('invalid-argument', 'Expected an address without a user name and a password.')
  }
  url.hash = ''
  return url
}

/** What an entry of the list lets through. */
function readRule(entry: AllowedPage): (url: URL) => boolean {
  if (typeof entry === 'function') return entry
  const [, scheme, subdomains, host, path = ''] =
    /^(https?):\/\/(\*\.)?([^/*?#@\s]+)(\/[^*?#\s]*\*?)?$/i.exec(String(entry)) ?? []
  const site = `${scheme}://${host}`
  if (scheme === undefined || !URL.canParse(site)) {
    throw new AlcoveError('invalid-argument', `fetchPageTool: '${entry}' is no address that can be allowed`, {
      hint: 'Write https://example.com, https://example.com/docs/*, or https://*.example.com.',
    })
  }
  const { protocol, host: domain } = new URL(site)
  const isPrefix = path.endsWith('*') || path === '' || path === '/'
  // As `URL` writes it, so that `..` and odd characters compare.
  const wanted = new URL(path.replace(/\*$/, ''), site).pathname
  return (url) => {
    if (url.protocol !== protocol) return false
    if (subdomains ? !url.host.endsWith(`.${domain}`) : url.host !== domain) return false
    return isPrefix ? url.pathname.startsWith(wanted) : url.pathname === wanted
  }
}

async function request(fetch: typeof globalThis.fetch, url: URL, signal: AbortSignal): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url.href, {
      signal,
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      // Where it leads cannot be seen before it is followed.
      redirect: 'manual',
      headers: { accept: 'text/html, text/plain, application/json;q=0.8' },
    })
  } catch (cause) {
    throwIfAborted(signal)
    throw new AlcoveError('network', unreachableText(url), { cause })
  }
  if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
    throw new AlcoveError(
      'permission-denied',
      `${url.href} redirects to another address, which is not followed. Give the final address.`,
    )
  }
  if (!response.ok) throw new AlcoveError('http-status', `${url.href} answered with status ${response.status}.`)
  return response
}

/** The browser does not say why: what is most likely, plainly. */
function unreachableText(url: URL): string {
  const isOffline = typeof navigator !== 'undefined' && navigator.onLine === false
  if (isOffline) return `${url.host} could not be reached: this device is offline.`
  const isOwn = typeof location !== 'undefined' && url.origin === location.origin
  if (isOwn) return `${url.host} could not be reached.`
  return (
    `The browser refused to read ${url.origin}: it does not allow other sites to read it (CORS), or this page's policy forbids it ` +
    '(connect-src), or it cannot be reached. Trying again does not help.'
  )
}

const TEXT_TYPES = /^(?:text\/|application\/(?:[\w.+-]*\+)?(?:json|xml)\b|application\/xhtml)/i

async function readBody(response: Response, maxBytes: number, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const type = response.headers.get('content-type') ?? ''
  if (!TEXT_TYPES.test(type)) {
    await response.body?.cancel()
    throw new AlcoveError('document-unsupported', `Expected a page of text, got '${type.slice(0, 60) || 'no type'}'.`)
  }
  const reader = response.body?.getReader()
  const chunks: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  try {
    for (let next = await reader?.read(); next !== undefined && !next.done; next = await reader?.read()) {
      size += next.value.byteLength
      if (size > maxBytes) {
        await reader?.cancel()
        throw new AlcoveError('too-large', `The page has more than ${maxBytes} bytes.`)
      }
      chunks.push(next.value)
    }
  } catch (cause) {
    throwIfAborted(signal)
    if (cause instanceof AlcoveError) throw cause
    throw new AlcoveError('network', 'The connection ended before the page was whole.', { cause })
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer())
}

function decodeText(bytes: Uint8Array<ArrayBuffer>, response: Response): string {
  const charset = /charset=["']?([\w-]+)/i.exec(response.headers.get('content-type') ?? '')?.[1]
  try {
    return new TextDecoder(charset ?? 'utf-8').decode(bytes)
  } catch {
    return new TextDecoder().decode(bytes)
  }
}
