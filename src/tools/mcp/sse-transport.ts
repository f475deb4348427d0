import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import { anySignal } from '../../runtime/abort.js'
import { readEvents } from './event-stream.js'
import { createHttpFetch, type HttpRequest, parseBody } from './http-fetch.js'
import type { HttpTransportOptions } from './http-transport.js'
import { brokenOff, invalidAnswer } from './rpc-error.js'
import type { SendOptions, Transport, TransportEvents } from './transport.js'
import { type RpcMessage, readMessage } from './wire.js'

/** Longest wait for the event that names the address for messages. */
const ENDPOINT_MS = 15_000

/** HTTP with SSE, as in MCP 2024-11-05: one long event stream, whose first event names the address that messages are posted to. */
export class SseTransport implements Transport {
  readonly isAnsweredBySend = false
  readonly #options: HttpTransportOptions
  readonly #fetch: (request: HttpRequest) => Promise<Response>
  readonly #closing = new AbortController()
  #endpoint: URL | undefined

  constructor(options: HttpTransportOptions) {
    this.#options = options
    this.#fetch = createHttpFetch({ ...options, wallTime: () => options.clock.wallTime() })
  }

  async open(events: TransportEvents, signal?: AbortSignal): Promise<void> {
    const { name } = this.#options
    const response = await this.#fetch({
      method: 'GET',
      headers: { accept: 'text/event-stream' },
      signal: anySignal(signal, this.#closing.signal),
    })
    if (!/^\s*text\/event-stream/i.test(response.headers.get('content-type') ?? '')) {
      void response.body?.cancel().catch(() => {})
      throw invalidAnswer(name, 'expected an event stream')
    }
    await this.#awaitEndpoint(response, events)
  }

  /** Begins to read the stream; resolves with its first event. */
  async #awaitEndpoint(response: Response, events: TransportEvents): Promise<void> {
    const { name, clock } = this.#options
    await new Promise<void>((resolve, reject) => {
      const late = new AlcoveError('timeout', `MCP server '${name}' named no address within ${ENDPOINT_MS} ms`)
      const fail = (error: AlcoveError) => {
        reject(error)
        this.#closing.abort(error)
      }
      const cancelTimer = clock.setTimer(ENDPOINT_MS, () => fail(late))
      const ready = () => {
        cancelTimer()
        resolve()
      }
      this.#read(response, events, ready)
        .then(
          () => brokenOff(name),
          (error) => toAlcoveError(error, 'network'),
        )
        .then((error) => {
          cancelTimer()
          if (this.#endpoint === undefined) fail(error)
          else if (!this.#closing.signal.aborted) events.onLost(error)
        })
    })
  }

  async #read(response: Response, events: TransportEvents, ready: () => void): Promise<void> {
    const { name, maxMessageBytes } = this.#options
    await readEvents(response, {
      name,
      maxMessageBytes,
      place: { lastEventId: undefined, retryMs: undefined },
      onEvent: (event, data) => {
        if (event === 'endpoint') {
          this.#endpoint = this.#readEndpoint(data)
          ready()
        } else if (event === 'message') {
          const message = readMessage(parseBody(data, name))
          if (message !== undefined) events.onMessage(message)
        }
        return this.#closing.signal.aborted
      },
    })
  }

  /** The address for messages: on the server's own origin, or headers would go to whom it names. */
  #readEndpoint(data: string): URL {
    const { name, url } = this.#options
    const endpoint = URL.canParse(data.slice(0, 4_000), url) ? new URL(data.slice(0, 4_000), url) : undefined
    if (endpoint?.origin === url.origin) return endpoint
    throw new AlcoveError('permission-denied', `MCP server '${name}' names an address of another origin for messages`, {
      hint: 'Give the address of the server itself. Headers and inputs are sent to its own origin only.',
      details: { server: name },
    })
  }

  async send(message: RpcMessage, { signal }: SendOptions = {}): Promise<void> {
    const url = this.#endpoint
    if (url === undefined) throw brokenOff(this.#options.name)
    const response = await this.#fetch({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(message),
      signal: anySignal(signal, this.#closing.signal),
    })
    void response.body?.cancel().catch(() => {})
  }

  async close(): Promise<void> {
    this.#closing.abort(new AlcoveError('closed', 'The connection was closed'))
  }
}
