import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import { abortError, onAbort } from '../../runtime/abort.js'
import type { Clock } from '../../runtime/clock.js'
import { brokenOff, RpcRefusal, rpcError } from './rpc-error.js'
import type { Transport } from './transport.js'
import { type Fields, fieldsOf, isRequest, isResponse, type RequestId, RPC, type RpcMessage } from './wire.js'

/** What a server tells of how far a request is. */
export interface McpProgress {
  readonly progress: number
  readonly total?: number
  readonly message?: string
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined
  /** @default of the peer */
  readonly timeoutMs?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  onProgress?: ((progress: McpProgress) => void) | undefined
}

export interface PeerOptions {
  /** Who is on the other side, for errors. */
  readonly name: string
  readonly transport: Transport
  readonly clock: Clock
  readonly timeoutMs: number
  /** Whether ending a request's own connection is all that cancels it. @default false */
  readonly isCancelledByClosing?: boolean | undefined
  onNotification(method: string, params: Fields): void
  /** Answers a request of the other side; throws `RpcRefusal` to refuse it. */
  onRequest(method: string, params: Fields, signal: AbortSignal, id: RequestId): Promise<unknown>
  onLost(error: AlcoveError): void
}

interface Pending {
  resolve(result: unknown): void
  reject(error: AlcoveError): void
  readonly onProgress: ((progress: McpProgress) => void) | undefined
  reported: number
}

/** Requests of the other side that are worked on at once; a further one is refused. */
const MAX_INCOMING = 16
/** Notifications a second; more are dropped, so that a flood costs next to nothing. */
const MAX_NOTIFICATIONS = 200
/** Reports of one request that are passed on. */
const MAX_REPORTS = 1_000

/** One side of a JSON-RPC 2.0 connection: requests by id, time limits, cancellation, progress. */
export class Peer {
  readonly #options: PeerOptions
  readonly #pending = new Map<RequestId, Pending>()
  readonly #incoming = new Map<RequestId, AbortController>()
  #lastId = 0
  #over: AlcoveError | undefined
  #windowStart = Number.NEGATIVE_INFINITY
  #inWindow = 0

  constructor(options: PeerOptions) {
    this.#options = options
  }

  async open(signal?: AbortSignal): Promise<void> {
    const events = {
      onMessage: (message: RpcMessage) => this.#receive(message),
      onLost: (error: AlcoveError) => {
        if (this.#over !== undefined) return
        this.#end(error)
        this.#options.onLost(error)
      },
    }
    await this.#options.transport.open(events, signal)
  }

  /**
   * Asks and waits for the answer. With the signal's abort, or when the time is over, the other side is told that nobody waits any more.
   *
   * @throws AlcoveError what the transport fails with; `timeout`; the other side's refusal
   */
  request(method: string, params: Fields = {}, options: RequestOptions = {}): Promise<unknown> {
    const { signal, timeoutMs = this.#options.timeoutMs, onProgress, headers } = options
    const { clock, transport, name } = this.#options
    if (this.#over !== undefined) return Promise.reject(this.#over)
    if (signal?.aborted) return Promise.reject(abortError(signal))
    const id = ++this.#lastId
    const attempt = new AbortController()
    const given = onProgress ? { ...params, _meta: { ...fieldsOf(params._meta), progressToken: id } } : params
    return new Promise<unknown>((resolve, reject) => {
      const finish = () => {
        cancelTimer()
        forget()
        this.#pending.delete(id)
      }
      const leave = (error: AlcoveError) => {
        if (!this.#pending.has(id)) return
        finish()
        reject(error)
        const isTold = method !== 'initialize' && !this.#options.isCancelledByClosing
        if (isTold) void this.notify('notifications/cancelled', { requestId: id, reason: error.code })
        attempt.abort(error)
      }
      const cancelTimer = clock.setTimer(timeoutMs, () => leave(lateError(name, method, timeoutMs)))
      const forget = onAbort(signal, (aborted) => leave(abortError(aborted)))
      this.#pending.set(id, {
        onProgress,
        reported: 0,
        resolve: (result) => {
          finish()
          resolve(result)
        },
        reject: (error) => {
          finish()
          reject(rpcContext(error, method))
        },
      })
      const sent = transport.send({ jsonrpc: '2.0', id, method, params: given }, { signal: attempt.signal, headers })
      sent.then(
        () => transport.isAnsweredBySend && this.#pending.get(id)?.reject(brokenOff(name)),
        (error) => this.#pending.get(id)?.reject(toAlcoveError(error, 'network')),
      )
    })
  }

  /** Tells the other side something. Whether it got there is not known. */
  async notify(method: string, params: Fields = {}): Promise<void> {
    if (this.#over !== undefined) return
    try {
      await this.#options.transport.send({ jsonrpc: '2.0', method, params })
    } catch {
      // The next request fails too, and says why.
    }
  }

  async close(error: AlcoveError): Promise<void> {
    if (this.#over !== undefined) return
    this.#end(error)
    await this.#options.transport.close()
  }

  #end(error: AlcoveError): void {
    this.#over = error
    for (const pending of [...this.#pending.values()]) pending.reject(error)
    for (const controller of this.#incoming.values()) controller.abort(error)
    this.#incoming.clear()
  }

  #receive(message: RpcMessage): void {
    if (this.#over !== undefined) return
    if (isResponse(message)) this.#settle(message)
    else if (isRequest(message)) void this.#answer(message.id, message.method, message.params ?? {})
    else if (message.method === 'notifications/cancelled') {
      this.#incoming.get(message.params?.requestId as RequestId)?.abort(new AlcoveError('aborted', 'cancelled'))
    } else if (this.#isFlood()) return
    else if (message.method === 'notifications/progress') this.#report(message.params ?? {})
    else this.#options.onNotification(message.method, message.params ?? {})
  }

  /** An answer to what nobody asked, or asks no more, is nothing. */
  #settle({ id, result, error }: { id: RequestId | null; result?: unknown; error?: Parameters<typeof rpcError>[2] }) {
    const pending = id === null ? undefined : this.#pending.get(id)
    if (error) pending?.reject(rpcError(this.#options.name, 'a request', error))
    else pending?.resolve(result)
  }

  #report({ progressToken, progress, total, message }: Fields): void {
    const pending = this.#pending.get(progressToken as RequestId)
    if (!pending?.onProgress || typeof progress !== 'number' || pending.reported++ >= MAX_REPORTS) return
    pending.onProgress({
      progress,
      ...(typeof total === 'number' && { total }),
      ...(typeof message === 'string' && { message: message.slice(0, 500) }),
    })
  }

  #isFlood(): boolean {
    const now = this.#options.clock.now()
    if (now - this.#windowStart > 1_000) {
      this.#windowStart = now
      this.#inWindow = 0
    }
    return ++this.#inWindow > MAX_NOTIFICATIONS
  }

  async #answer(id: RequestId, method: string, params: Fields): Promise<void> {
    const controller = new AbortController()
    const reply = (outcome: { result: unknown } | { error: { code: number; message: string } }) =>
      this.#options.transport.send({ jsonrpc: '2.0', id, ...outcome })
    try {
      if (this.#incoming.size >= MAX_INCOMING) throw new RpcRefusal(RPC.busy, 'Too many requests at once')
      if (this.#incoming.has(id)) throw new RpcRefusal(RPC.invalidParams, 'This id is in use')
      this.#incoming.set(id, controller)
      const result = await this.#options.onRequest(method, params, controller.signal, id)
      if (!controller.signal.aborted) await reply({ result: result ?? {} })
    } catch (error) {
      if (controller.signal.aborted || this.#over !== undefined) return
      const code = error instanceof RpcRefusal ? error.code : RPC.internal
      // What went wrong inside is not for the other side to read.
      const message = error instanceof RpcRefusal ? error.message : 'The request failed'
      await reply({ error: { code, message } }).catch(() => {})
    } finally {
      if (this.#incoming.get(id) === controller) this.#incoming.delete(id)
    }
  }
}

function lateError(name: string, method: string, timeoutMs: number): AlcoveError {
  return new AlcoveError('timeout', `MCP server '${name}' did not answer ${method} within ${timeoutMs} ms`, {
    hint: 'Try again, or allow more time with timeoutMs.',
    details: { server: name, method, timeoutMs },
  })
}

/** A refusal with the name of what was asked. */
function rpcContext(error: AlcoveError, method: string): AlcoveError {
  if (typeof error.details.rpcCode !== 'number') return error
  const { code, retryable, hint, details } = error
  const message = error.message.replace('refused a request', `refused ${method}`)
  return new AlcoveError(code, message, { retryable, hint, details: { ...details, method } })
}
