import { AlcoveError, isAlcoveError } from '../protocol/error.js'

/**
 * Why a signal aborted, as an error: the reason itself when it is an `AlcoveError`, `timeout` for the platform's
 * `TimeoutError`, else `aborted` with the reason as its cause.
 */
export function abortError(signal: AbortSignal): AlcoveError {
  const reason: unknown = signal.reason
  if (isAlcoveError(reason)) return reason
  const text = reason instanceof Error || reason instanceof DOMException ? reason.message : String(reason ?? '')
  if ((reason as { name?: unknown } | null | undefined)?.name === 'TimeoutError') {
    return new AlcoveError('timeout', text || 'The time allowed is over', { cause: reason })
  }
  return new AlcoveError('aborted', text || 'Aborted by the caller', { cause: reason })
}

/** Throws the signal's `AlcoveError` when it has aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal)
}

/** What waits for each signal to abort, behind the one listener that the signal has of us. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls `run` once when the signal aborts, or now when it has. The returned function forgets it; call it when the work
 * is done, or a long-lived signal keeps everything that ever listened to it. However many wait, a signal has one listener: hundreds of
 * waits of one add or run are no leak, and Node does not warn of one.
 * @throws AlcoveError `invalid-argument` for what is no signal
 */
export function onAbort(signal: AbortSignal | undefined, run: (signal: AbortSignal) => void): () => void {
  if (signal === undefined) return () => {}
  if (signal.aborted) {
    run(signal)
    return () => {}
  }
  if (typeof signal.addEventListener !== 'function')
    throw new AlcoveError('invalid-argument', 'signal must be an AbortSignal: give controller.signal')
  const entries = waiting.get(signal) ?? new Set()
  waiting.set(signal, entries)
  if (entries.size === 0) signal.addEventListener('abort', runWaiting, { once: true })
  const entry = () => run(signal)
  entries.add(entry)
  return () => {
    if (entries.delete(entry) && entries.size === 0) signal.removeEventListener('abort', runWaiting)
  }
}

function runWaiting({ target }: Event): void {
  const entries = waiting.get(target as AbortSignal) ?? []
  for (const entry of entries) {
    try {
      entry()
    } catch (error) {
      // As an event's listeners: what one throws is told, and keeps none of the others.
      queueMicrotask(() => {
        throw error
      })
    }
  }
  waiting.delete(target as AbortSignal)
}

/** The promise, or a rejection as soon as the signal aborts. What the promise does after that is ignored. */
export function abortable<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const forget = onAbort(signal, () => reject(abortError(signal)))
    promise.then(
      (value) => {
        forget()
        resolve(value)
      },
      (error) => {
        forget()
        reject(error)
      },
    )
  })
}

/** A signal that aborts with the first of these, for its reason; undefined when there is none. */
export function anySignal(...signals: (AbortSignal | undefined)[]): AbortSignal | undefined {
  const given = signals.filter((signal) => signal !== undefined)
  if (given.length < 2) return given[0]
  if (typeof AbortSignal.any === 'function') return AbortSignal.any(given)
  const controller = new AbortController()
  for (const signal of given) onAbort(signal, () => controller.abort(signal.reason))
  return controller.signal
}

/**
 * A signal that aborts with `timeout` after `timeoutMs`, or with `signal`. Call `clear` when the work is done. A time
 * that is not finite never comes.
 */
export function timeoutSignal(timeoutMs: number, signal?: AbortSignal): { signal: AbortSignal; clear(): void } {
  const controller = new AbortController()
  const forget = onAbort(signal, (aborted) => controller.abort(aborted.reason))
  const timer = timeoutMs <= 2_147_483_647 ? setTimeout(expire, timeoutMs) : undefined
  function expire(): void {
    forget()
    controller.abort(new AlcoveError('timeout', `Not done within ${timeoutMs} ms`, { details: { timeoutMs } }))
  }
  function clear(): void {
    clearTimeout(timer)
    forget()
  }
  return { signal: controller.signal, clear }
}
