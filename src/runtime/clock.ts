import { abortError, onAbort, throwIfAborted } from './abort.js'

/** Time as a parameter, so that tests decide how it passes. All values in milliseconds. */
export interface Clock {
  /** For durations: never goes back. */
  now(): number
  /** For time stamps that are stored: milliseconds since the epoch. */
  wallTime(): number
  /** Resolves after `ms`; rejects at once with the signal's `AlcoveError` when that aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `run` once after `ms`; the returned function prevents that. A time that is not finite never comes. */
  setTimer(ms: number, run: () => void): () => void
}

/** Longest delay that `setTimeout` takes; it fires at once when given more. */
const MAX_DELAY_MS = 2_147_483_647

function setTimer(ms: number, run: () => void): () => void {
  if (!(ms <= MAX_DELAY_MS)) return () => {}
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}

async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal)
  await new Promise<void>((resolve, reject) => {
    const cancelTimer = setTimer(ms, () => {
      forget()
      resolve()
    })
    const forget = onAbort(signal, (aborted) => {
      cancelTimer()
      reject(abortError(aborted))
    })
  })
}

/** The time of this machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  sleep,
  setTimer,
}
