import type { Remote } from 'comlink'
import { AlcoveError, toAlcoveError } from '../protocol/error.js'
import { abortError, onAbort } from '../runtime/abort.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import { installErrorTransfer } from './error-wire.js'
import { readOne, readPort } from './port-stream.js'
import { connectWorker, type WorkerConnection } from './worker-connection.js'

/** `idle`: no worker runs; the next call starts one. */
export type WorkerState = 'idle' | 'starting' | 'ready' | 'closed'

export interface WorkerHostOptions {
  /** Name for messages and DevTools. */
  readonly name: string
  /** Opens the worker; see `openWorker`. Its script calls `serveWorker`. */
  open(): Worker
  /** Ends the worker after so long with nothing pending. @default never */
  readonly idleMs?: number | undefined
  /** Longest time from the start until the worker's script has run. @default 30_000 */
  readonly handshakeMs?: number | undefined
  /** Time between beats while something is pending. @default 5_000 */
  readonly beatMs?: number | undefined
  /** Beats without an answer that mean death, or a loop without end. Where there are Web Locks a death is seen at once. @default 36 */
  readonly maxLostBeats?: number | undefined
  /** Told of each change; the error is why a worker ended unasked. What it throws is ignored. */
  readonly onState?: ((state: WorkerState, error?: AlcoveError) => void) | undefined
  readonly clock?: Clock | undefined
}

export interface WorkerCallOptions {
  /** Settles the call at once. The worker learns of it through `stream` and `request` only. */
  readonly signal?: AbortSignal | undefined
}

export interface WorkerStreamOptions extends WorkerCallOptions {
  /** Most parts that are unread at one time. @default 32 */
  readonly credits?: number | undefined
}

/**
 * A worker that starts with the first call, is watched over, and is replaced by the next call after its death. Whatever is
 * pending when it dies, also silently, fails with `worker-crashed`. Errors of the worker come as `AlcoveError`.
 */
export interface WorkerHost<Api> {
  /** A control call. */
  call<T>(use: (api: Remote<Api>) => Promise<T>, options?: WorkerCallOptions): Promise<T>
  /** Parts from the worker's `servePort`; `start` hands over the port: `api.verb(…, transfer(port, [port]))`. */
  stream<Part>(
    start: (api: Remote<Api>, port: MessagePort) => Promise<void>,
    options?: WorkerStreamOptions,
  ): ReadableStream<Part>
  /** A call that the worker can cancel: the one part of its `serveRequest`. */
  request<T>(start: (api: Remote<Api>, port: MessagePort) => Promise<void>, options?: WorkerCallOptions): Promise<T>
  readonly state: WorkerState
  /** How often a worker was started anew after a death or a `kill`. */
  readonly restarts: number
  /** How often a worker was started at all: what one had loaded is gone when this has grown. */
  readonly starts: number
  /** Ends the worker now; what is pending fails with `reason`, and the next call starts a new one. */
  kill(reason: AlcoveError): void
  /** Ends the worker when nothing is pending, to free its memory; the next call starts a new one. Does nothing while it is in use. */
  rest(): void
  /** Ends the worker for good; what is pending, and every later call, fails with `closed`. */
  close(): Promise<void>
}

/** A host for the worker that `options.open` opens. Nothing is started yet. */
export function createWorkerHost<Api>(options: WorkerHostOptions): WorkerHost<Api> {
  installErrorTransfer()
  return new LazyWorkerHost<Api>(options)
}

class LazyWorkerHost<Api> implements WorkerHost<Api> {
  readonly #options: WorkerHostOptions
  readonly #clock: Clock
  /** How to fail each call and stream that waits for the worker. */
  readonly #pending = new Set<(error: AlcoveError) => void>()
  #connection: WorkerConnection<Api> | undefined
  #state: WorkerState = 'idle'
  #restarts = 0
  #starts = 0
  #hasDied = false
  #cancelIdle = () => {}

  constructor(options: WorkerHostOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  get state(): WorkerState {
    return this.#state
  }

  get restarts(): number {
    return this.#restarts
  }

  get starts(): number {
    return this.#starts
  }

  call<T>(use: (api: Remote<Api>) => Promise<T>, { signal }: WorkerCallOptions = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) return reject(abortError(signal))
      const connection = this.#connect()
      const fail = (error: AlcoveError) => {
        settle()
        reject(error)
      }
      const settle = () => {
        forget()
        this.#untrack(fail)
      }
      const forget = onAbort(signal, (aborted) => fail(abortError(aborted)))
      this.#track(fail)
      const run = async () => {
        await connection.ready
        if (!this.#pending.has(fail)) return
        resolve(await use(connection.api))
        settle()
      }
      run().catch((error: unknown) => fail(toAlcoveError(error, 'internal')))
    })
  }

  stream<Part>(
    start: (api: Remote<Api>, port: MessagePort) => Promise<void>,
    { signal, credits }: WorkerStreamOptions = {},
  ): ReadableStream<Part> {
    const { port1, port2 } = new MessageChannel()
    const controller = new AbortController()
    const fail = (error: AlcoveError) => controller.abort(error)
    const forget = onAbort(signal, (aborted) => fail(abortError(aborted)))
    const run = async () => {
      if (controller.signal.aborted) return
      const connection = this.#connect()
      this.#track(fail)
      await connection.ready
      if (this.#pending.has(fail)) await start(connection.api, port2)
    }
    const onEnd = () => {
      forget()
      this.#untrack(fail)
    }
    run().catch((error: unknown) => fail(toAlcoveError(error, 'internal')))
    return readPort<Part>(port1, { signal: controller.signal, credits, onEnd })
  }

  request<T>(start: (api: Remote<Api>, port: MessagePort) => Promise<void>, options?: WorkerCallOptions): Promise<T> {
    return readOne(this.stream<T>(start, options))
  }

  kill(reason: AlcoveError): void {
    this.#connection?.terminate()
    this.#lose(reason)
  }

  rest(): void {
    if (this.#connection === undefined || this.#pending.size > 0) return
    this.#cancelIdle()
    this.#connection.terminate()
    this.#connection = undefined
    this.#setState('idle')
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#connection?.terminate()
    this.#lose(this.#closedError(), 'closed')
  }

  #closedError(): AlcoveError {
    return new AlcoveError('closed', `The worker '${this.#options.name}' was closed`)
  }

  #connect(): WorkerConnection<Api> {
    if (this.#state === 'closed') throw this.#closedError()
    if (this.#connection !== undefined) return this.#connection
    const connection = connectWorker<Api>({
      ...this.#options,
      open: () => this.#options.open(),
      handshakeMs: this.#options.handshakeMs ?? 30_000,
      clock: this.#clock,
      isBusy: () => this.#pending.size > 0,
      onDeath: (error) => this.#lose(error),
    })
    this.#connection = connection
    this.#starts += 1
    if (this.#hasDied) this.#restarts += 1
    this.#hasDied = false
    this.#setState('starting')
    void connection.ready.then(() => {
      if (this.#connection === connection) this.#setState('ready')
    })
    return connection
  }

  #track(fail: (error: AlcoveError) => void): void {
    this.#cancelIdle()
    this.#pending.add(fail)
  }

  #untrack(fail: (error: AlcoveError) => void): void {
    if (!this.#pending.delete(fail) || this.#pending.size > 0) return
    const { idleMs } = this.#options
    if (idleMs === undefined || this.#connection === undefined) return
    this.#cancelIdle = this.#clock.setTimer(idleMs, () => this.rest())
  }

  /** The worker has gone, or is to be forgotten: everything that waits for it fails. */
  #lose(error: AlcoveError, state: WorkerState = 'idle'): void {
    this.#cancelIdle()
    this.#hasDied ||= this.#connection !== undefined
    this.#connection = undefined
    this.#setState(state, error)
    for (const fail of [...this.#pending]) fail(error)
  }

  #setState(state: WorkerState, error?: AlcoveError): void {
    if (this.#state === state && error === undefined) return
    this.#state = state
    try {
      this.#options.onState?.(state, error)
    } catch {
      // A listener that throws must not break the calls.
    }
  }
}
