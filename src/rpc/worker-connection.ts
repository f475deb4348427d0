import { type Remote, wrap } from 'comlink'
import { AlcoveError } from '../protocol/error.js'
import type { Clock } from '../runtime/clock.js'
import { type LifeMessage, watchLock } from './liveness.js'
import { workerUrl } from './open-worker.js'

export interface WorkerConnectionOptions {
  /** Name for messages. */
  readonly name: string
  open(): Worker
  readonly handshakeMs: number
  readonly beatMs?: number | undefined
  readonly maxLostBeats?: number | undefined
  readonly clock: Clock
  /** Whether an answer of the worker is awaited. */
  isBusy(): boolean
  /**
   * Called at most once, when the worker could not start or has died. It has been terminated. `details.hasStarted` tells the two apart: a
   * script that did not come says nothing of what it would have run.
   */
  onDeath(error: AlcoveError): void
}

/** One worker, from its start to its death. */
export interface WorkerConnection<Api> {
  readonly api: Remote<Api>
  /** Resolves when the worker's script has run. Stays pending when it never does: `onDeath` tells. */
  readonly ready: Promise<void>
  /** Ends the worker; `onDeath` is not called. */
  terminate(): void
}

/** Starts a worker and watches over it. Throws `worker-crashed` when the browser refuses to open it. */
export function connectWorker<Api>(options: WorkerConnectionOptions): WorkerConnection<Api> {
  const { name, clock, handshakeMs } = options
  const worker = openOrThrow(options)
  const url = workerUrl(worker)
  const hint =
    globalThis.navigator?.onLine === false
      ? 'This device is offline, and the files of this page are not kept on it. Try again when the connection is back.'
      : `Check that ${url ?? `the script of the worker '${name}'`} is served as JavaScript and may run on this page.`
  let end = () => {}
  let isReady = false
  let stopWatching = clock.setTimer(handshakeMs, () => die(`did not get ready within ${handshakeMs} ms`, hint))

  function terminate(): void {
    stopWatching()
    worker.removeEventListener('message', onMessage)
    worker.removeEventListener('error', onError)
    worker.terminate()
    end = () => {}
  }

  function die(what: string, advice?: string): void {
    terminate()
    const details = { name, url, hasStarted: isReady }
    options.onDeath(new AlcoveError('worker-crashed', `The worker '${name}' ${what}`, { hint: advice, details }))
  }

  function onMessage({ data }: MessageEvent<LifeMessage | undefined>): void {
    if (data?.alcove !== 'ready' || isReady) return
    isReady = true
    stopWatching()
    stopWatching = watch(worker, data.lock, options, die)
    end()
  }

  /** An error of a running script is no death: the worker goes on, and the call that failed has its own error. */
  function onError(event: ErrorEvent): void {
    if (isReady) return
    event.preventDefault()
    die(`did not start: ${event.message || 'its script could not be loaded'}`, hint)
  }

  worker.addEventListener('message', onMessage)
  worker.addEventListener('error', onError)
  const ready = new Promise<void>((resolve) => {
    end = resolve
  })
  return { api: wrap<Api>(worker), ready, terminate }
}

function openOrThrow({ name, open }: WorkerConnectionOptions): Worker {
  try {
    return open()
  } catch (cause) {
    throw new AlcoveError('worker-crashed', `The worker '${name}' could not be opened: ${String(cause)}`, {
      cause,
      hint: "Check the worker's address, and that the page's Content-Security-Policy allows it (worker-src).",
      details: { name, hasStarted: false },
    })
  }
}

/** Watches for a death that gives no event, by the worker's lock where there are locks, and by its answers for a loop without end. */
function watch(
  worker: Worker,
  lock: string | undefined,
  options: WorkerConnectionOptions,
  die: (what: string) => void,
): () => void {
  const stopLock = lock === undefined ? undefined : watchLock(lock, () => die('has died'))
  const ping = () => worker.postMessage({ alcove: 'ping' } satisfies LifeMessage)
  const onDeath = () => die('has died or hangs: it does not answer')
  let heartbeat: { answer(): void; stop(): void } | undefined
  let isOver = false
  const start = async () => {
    const { createHeartbeat } = await import('./heartbeat.js')
    if (!isOver) heartbeat = createHeartbeat({ ...options, ping, onDeath })
  }
  // A beat is of no use before this, so its code need not be there when the page starts.
  const cancelStart = options.clock.setTimer(options.beatMs ?? 5_000, () => void start().catch(() => {}))
  const onAnswer = ({ data }: MessageEvent<LifeMessage | undefined>) => {
    if (data?.alcove === 'pong') heartbeat?.answer()
  }
  worker.addEventListener('message', onAnswer)
  return () => {
    isOver = true
    stopLock?.()
    cancelStart()
    worker.removeEventListener('message', onAnswer)
    heartbeat?.stop()
  }
}
