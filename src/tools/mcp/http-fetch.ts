import { AlcoveError } from '../../protocol/error.js'
import { isRetryableStatus, retryAfterMs } from '../../runtime/retry.js'
import { brokenOff, invalidAnswer, tooLarge } from './rpc-error.js'
import { fieldsOf, type RpcFailure, readFailure } from './wire.js'
import { plainWords } from './words.js'

/** What a server says when it asks for a sign-in. */
export interface McpChallenge {
  readonly url: string
  /** 401, or 403 where more rights are asked for. */
  readonly status: number
  /** The header `WWW-Authenticate`; undefined where the server does not let the page read it. */
  readonly challenge: string | undefined
  /** Where the server's protected resource metadata (RFC 9728) are, if it says so. */
  readonly resourceMetadataUrl: string | undefined
  readonly scope: string | undefined
}

type HeaderFields = Readonly<Record<string, string>>

export interface McpHttpOptions {
  /** Sent with each request, or a function that gives them. */
  readonly headers?: HeaderFields | (() => HeaderFields | Promise<HeaderFields>) | undefined
  /** @default globalThis.fetch */
  readonly fetch?: typeof fetch | undefined
  /** Asked when the server wants a sign-in; gives headers to try again with, or nothing. Asked once for requests that are refused together. */
  readonly authorize?:
    | ((challenge: McpChallenge) => Promise<HeaderFields | undefined> | HeaderFields | undefined)
    | undefined
  /** Whether cookies go along. @default 'omit' */
  readonly credentials?: RequestCredentials | undefined
}

export interface HttpFetchOptions extends McpHttpOptions {
  readonly name: string
  readonly url: URL
  readonly maxMessageBytes: number
  readonly wallTime: () => number
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly headers?: HeaderFields | undefined
  readonly body?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** @default the server's address */
  readonly url?: URL | undefined
  readonly keepalive?: boolean | undefined
}

/** Makes requests of one server: own headers, a sign-in where one is asked for, no redirects. Gives answers of status 2xx only. */
export function createHttpFetch(options: HttpFetchOptions): (request: HttpRequest) => Promise<Response> {
  const { name, authorize, credentials = 'omit' } = options
  let granted: HeaderFields = {}
  let asking: Promise<HeaderFields | undefined> | undefined
  let secrets: readonly string[] = []

  async function send({ url = options.url, ...request }: HttpRequest): Promise<Response> {
    const call = options.fetch ?? globalThis.fetch
    const own = typeof options.headers === 'function' ? await options.headers() : options.headers
    secrets = Object.values({ ...own, ...granted })
    const init: RequestInit = {
      method: request.method,
      redirect: 'manual',
      credentials,
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
    }
    if (request.body !== undefined) init.body = request.body
    if (request.signal) init.signal = request.signal
    if (request.keepalive) init.keepalive = true
    try {
      return await call(url.href, { ...init, headers: { ...own, ...granted, ...request.headers } })
    } catch (cause) {
      throw new AlcoveError('network', `MCP server '${name}' could not be reached at ${placeOf(url)}`, {
        cause,
        hint: 'Check the address, the connection, and whether the server lets this page in (CORS: it must allow the headers of MCP and expose Mcp-Session-Id; and connect-src of the page’s policy).',
        details: { server: name },
      })
    }
  }

  function ask(challenge: McpChallenge): Promise<HeaderFields | undefined> {
    asking ??= Promise.resolve(authorize?.(challenge)).finally(() => {
      asking = undefined
    })
    return asking
  }

  return async (request) => {
    let response = await send(request)
    if (response.status === 401 || response.status === 403) {
      const challenge = readChallenge(response, options.url)
      void response.body?.cancel().catch(() => {})
      const more = authorize && (await ask(challenge))
      if (!more) throw signInError(name, challenge, authorize !== undefined)
      granted = { ...granted, ...more }
      response = await send(request)
      if (response.status === 401 || response.status === 403) {
        void response.body?.cancel().catch(() => {})
        throw signInError(name, readChallenge(response, options.url), true)
      }
    }
    if (response.ok) return response
    throw await statusError(response, options, secrets)
  }
}

const placeOf = ({ origin, pathname }: URL) => `${origin}${pathname}`

function readChallenge({ status, headers }: Response, url: URL): McpChallenge {
  const challenge = headers.get('www-authenticate')?.slice(0, 2_000)
  const param = (name: string) => new RegExp(`\\b${name}="([^"]{1,1000})"`).exec(challenge ?? '')?.[1]
  return { url: url.href, status, challenge, resourceMetadataUrl: param('resource_metadata'), scope: param('scope') }
}

function signInError(server: string, challenge: McpChallenge, wasTried: boolean): AlcoveError {
  const { status, resourceMetadataUrl } = challenge
  const where = resourceMetadataUrl ? ` Where to sign in is said at ${plainWords(resourceMetadataUrl, 300)}.` : ''
  const what = wasTried
    ? 'What authorize gave was not accepted.'
    : 'Give headers (such as Authorization), or an authorize function that gets them.'
  const origin = status === 403 ? ' Or it does not let this page’s origin in: that is set on the server.' : ''
  return new AlcoveError('permission-denied', `MCP server '${server}' asks for a sign-in (status ${status})`, {
    hint: what + where + origin,
    details: { server, ...challenge },
  })
}

async function statusError(
  response: Response,
  { name, url, wallTime }: HttpFetchOptions,
  secrets: readonly string[],
): Promise<AlcoveError> {
  const { status, type, headers } = response
  if (type === 'opaqueredirect' || (status >= 300 && status < 400)) {
    void response.body?.cancel().catch(() => {})
    const target = headers.get('location')
    return new AlcoveError('http-status', `MCP server '${name}' redirects to another address, which is not followed`, {
      hint: `Give the final address as url${target ? ` (the server says ${plainWords(target, 200)})` : ''}, if you trust it: headers and inputs would go there.`,
      retryable: false,
      details: { server: name, status },
    })
  }
  const text = withoutSecrets(await readBody(response, 20_000, name).catch(() => ''), secrets)
  const failure = readBodyFailure(text)
  const words = plainWords(failure?.message ?? (/^\s*</.test(text) ? '' : text), 300)
  return new AlcoveError('http-status', `${placeOf(url)} answered ${status}${words && `: ${words}`}`, {
    hint: status === 404 || status === 405 ? 'Check the address: it often ends in /mcp or /sse.' : undefined,
    retryable: isRetryableStatus(status),
    details: { server: name, status, retryAfterMs: retryAfterMs(headers, wallTime()), ...(failure && { failure }) },
  })
}

/** A server may say again what it was sent. Shorter values are no secrets, and would blank out ordinary words. */
const withoutSecrets = (text: string, secrets: readonly string[]): string =>
  secrets
    .flatMap((secret) => [secret, ...secret.split(' ')])
    .filter((secret) => secret.length >= 8)
    .reduce((left, secret) => left.replaceAll(secret, '[redacted]'), text)

function readBodyFailure(text: string): RpcFailure | undefined {
  try {
    return readFailure(fieldsOf(JSON.parse(text)).error)
  } catch {
    return undefined
  }
}

/** The whole body as text. */
export async function readBody(response: Response, maxBytes: number, name: string): Promise<string> {
  const decoder = new TextDecoder()
  const texts: string[] = []
  let bytes = 0
  await readPieces(response, name, (piece) => {
    bytes += piece.length
    if (bytes > maxBytes) throw tooLarge(name, maxBytes)
    texts.push(decoder.decode(piece, { stream: true }))
    return false
  })
  return texts.join('') + decoder.decode()
}

/** Gives the pieces of a body until it ends or `take` says that this was all. What is left is not fetched. */
export async function readPieces(
  { body }: Response,
  name: string,
  take: (piece: Uint8Array) => boolean,
): Promise<void> {
  const reader = body?.getReader()
  if (!reader) return
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw brokenOff(name, cause)
      })
      if (done || take(value)) return
    }
  } finally {
    void reader.cancel().catch(() => {})
  }
}

/** The JSON of a body. */
export function parseBody(text: string, name: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalidAnswer(name, `expected JSON, got ${text.slice(0, 60) || 'nothing'}`, cause)
  }
}
