import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import { anySignal } from '../../runtime/abort.js'
import type { Clock } from '../../runtime/clock.js'
import { type BackoffOptions, createBackoff } from '../../runtime/retry.js'
import { readEvents } from './event-stream.js'
import { createHttpFetch, type HttpFetchOptions, type HttpRequest, parseBody, readBody } from './http-fetch.js'
import { brokenOff, invalidAnswer } from './rpc-error.js'
import type { SendOptions, Transport, TransportEvents } from './transport.js'
import { isRequest, isResponse, type RequestId, type RpcMessage, readMessage, STATELESS_VERSION } from './wire.js'

export interface HttpTransportOptions extends Omit<HttpFetchOptions, 'wallTime'> {
  readonly clock: Clock
  readonly backoff?: BackoffOptions | undefined
}

const ACCEPT = { accept: 'application/json, text/event-stream' }
/** How many messages of the longest size a stream may carry before its answer. */
const MAX_STREAM_MESSAGES = 16

/**
 * Streamable HTTP (MCP 2025-03-26 to 2026-07-28): each message is a POST, its answer JSON or an event stream. A stream that breaks is taken up
 * with `Last-Event-ID` where the server numbers its events; what a server sends unasked comes by a GET stream.
 */
export class HttpTransport implements Transport {
  readonly isAnsweredBySend = true
  readonly #options: HttpTransportOptions
  readonly #fetch: (request: HttpRequest) => Promise<Response>
  readonly #closing = new AbortController()
  #events: TransportEvents | undefined
  #sessionId: string | undefined
  #version: string | undefined

  constructor(options: HttpTransportOptions) {
    this.#options = options
    this.#fetch = createHttpFetch({ ...options, wallTime: () => options.clock.wallTime() })
  }

  async open(events: TransportEvents): Promise<void> {
    this.#events = events
  }

  onVersion(version: string): void {
    this.#version = version
  }

  async send(message: RpcMessage, { signal: given, headers }: SendOptions = {}): Promise<void> {
    const signal = anySignal(given, this.#closing.signal)
    const id = isRequest(message) ? message.id : undefined
    const response = await this.#post(message, headers, signal)
    if ('method' in message && message.method === 'initialize') {
      // A session's id goes into a header, so it must be one that can.
      this.#sessionId = /^[\x21-\x7e]{1,1000}$/.exec(response.headers.get('mcp-session-id') ?? '')?.[0]
    }
    if (id === undefined) return void response.body?.cancel().catch(() => {})
    const kind = response.headers.get('content-type') ?? ''
    if (/^\s*text\/event-stream/i.test(kind)) return await this.#follow(response, id, signal)
    if (!/json/i.test(kind)) {
      void response.body?.cancel().catch(() => {})
      const { name } = this.#options
      throw invalidAnswer(name, `expected JSON or an event stream, got ${kind || `status ${response.status}`}`)
    }
    const { name, maxMessageBytes } = this.#options
    const body = parseBody(await readBody(response, maxMessageBytes, name), name)
    if (!this.#deliver(body, id)) throw invalidAnswer(name, 'the answer belongs to no request (its id is another one)')
  }

  listen(): void {
    if (this.#version !== STATELESS_VERSION) void this.#listen()
  }

  async close(): Promise<void> {
    const sessionId = this.#sessionId
    this.#closing.abort(new AlcoveError('closed', 'The connection was closed'))
    if (sessionId === undefined) return
    this.#sessionId = undefined
    // A server may refuse; the session then ends with its own time.
    const late = AbortSignal.timeout(2_000)
    const ended = this.#fetch({
      method: 'DELETE',
      headers: { ...this.#state(), 'mcp-session-id': sessionId },
      keepalive: true,
      signal: late,
    })
    await ended.then(
      (response) => void response.body?.cancel().catch(() => {}),
      () => {},
    )
  }

  #state(): Record<string, string> {
    return {
      ...(this.#sessionId !== undefined && { 'mcp-session-id': this.#sessionId }),
      ...(this.#version !== undefined && { 'mcp-protocol-version': this.#version }),
    }
  }

  async #post(message: RpcMessage, headers: SendOptions['headers'], signal: AbortSignal | undefined) {
    const hadSession = this.#sessionId !== undefined
    try {
      return await this.#fetch({
        method: 'POST',
        headers: { ...ACCEPT, 'content-type': 'application/json', ...this.#state(), ...headers },
        body: JSON.stringify(message),
        signal,
      })
    } catch (error) {
      throw isAlcoveError(error, 'http-status') ? this.#explain(error, hadSession) : error
    }
  }

  /** The status 404 ends a session; 400 without a session's id is mostly CORS. */
  #explain(error: AlcoveError, hadSession: boolean): AlcoveError {
    const { status } = error.details
    if (status === 404 && hadSession) {
      return new AlcoveError('http-status', error.message, {
        retryable: true,
        hint: 'The server ended the session. Try again: a new one is begun.',
        details: { ...error.details, isSessionOver: true },
      })
    }
    if (status !== 400 || hadSession || this.#version === undefined || this.#version === STATELESS_VERSION) return error
    return new AlcoveError('http-status', error.message, {
      hint: 'The server gave no session id, or the page may not read it: it must send Access-Control-Expose-Headers: Mcp-Session-Id.',
      details: error.details,
    })
  }

  /** Passes on what a body or an event holds. Gives whether the answer to `id` was in it. */
  #deliver(body: unknown, id: RequestId | undefined): boolean {
    const list = Array.isArray(body) ? body.slice(0, 1_000) : [body]
    let isAnswered = false
    for (const value of list) {
      const message = readMessage(value)
      if (message === undefined) continue
      if (isResponse(message) && message.id === id && id !== undefined) isAnswered = true
      this.#events?.onMessage(message)
    }
    return isAnswered
  }

  /** Reads the stream of an answer, and its continuations. */
  async #follow(first: Response, id: RequestId, signal: AbortSignal | undefined): Promise<void> {
    const { name, clock, maxMessageBytes } = this.#options
    const place: { lastEventId: string | undefined; retryMs: number | undefined } = {
      lastEventId: undefined,
      retryMs: undefined,
    }
    const backoff = createBackoff({ maxAttempts: 5, clock, ...this.#options.backoff })
    let isAnswered = false
    let response: Response | undefined = first
    for (;;) {
      let cause: unknown
      try {
        response ??= await this.#resume(place.lastEventId, signal)
        await readEvents(response, {
          name,
          place,
          maxMessageBytes,
          maxStreamBytes: maxMessageBytes * MAX_STREAM_MESSAGES,
          onEvent: (_, data) => {
            isAnswered = this.#deliver(parseBody(data, name), id)
            return isAnswered
          },
        })
        if (isAnswered) return
      } catch (error) {
        if (signal?.aborted || !isAlcoveError(error)) throw error
        // The server does not take the stream up again.
        if (response === undefined && error.code === 'http-status') throw brokenOff(name, error)
        if (error.code !== 'network') throw error
        cause = error
      }
      const delayMs = place.lastEventId === undefined ? undefined : backoff.next(place.retryMs)
      if (delayMs === undefined) throw brokenOff(name, cause)
      await clock.sleep(delayMs, signal)
      response = undefined
    }
  }

  #resume(lastEventId: string | undefined, signal: AbortSignal | undefined): Promise<Response> {
    // Only what a header may carry; another id begins at the stream's end.
    const known = lastEventId !== undefined && /^[\x20-\x7e]{1,1000}$/.test(lastEventId)
    return this.#fetch({
      method: 'GET',
      headers: { accept: 'text/event-stream', ...this.#state(), ...(known && { 'last-event-id': lastEventId }) },
      signal,
    })
  }

  /** The stream of what the server sends unasked. A server need not have one; one that goes is opened again, a few times in a row. */
  async #listen(): Promise<void> {
    const { name, clock, maxMessageBytes } = this.#options
    const { signal } = this.#closing
    const place: { lastEventId: string | undefined; retryMs: number | undefined } = {
      lastEventId: undefined,
      retryMs: undefined,
    }
    const fresh = () => createBackoff({ maxAttempts: 6, maxTotalMs: 300_000, clock, ...this.#options.backoff })
    let backoff = fresh()
    while (!signal.aborted) {
      try {
        const response = await this.#resume(place.lastEventId, signal)
        await readEvents(response, {
          name,
          place,
          maxMessageBytes,
          onEvent: (_, data) => {
            backoff = fresh()
            return this.#deliver(parseBody(data, name), undefined)
          },
        })
      } catch (error) {
        const isTransient = isAlcoveError(error) && error.retryable
        if (!isTransient) return
      }
      const delayMs = backoff.next(place.retryMs ?? 1_000)
      if (delayMs === undefined) return
      await clock.sleep(delayMs, signal).catch(() => {})
    }
  }
}
