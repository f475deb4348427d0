import { type Clock, systemClock } from './clock.js'

export interface BackoffOptions {
  /** Tries in all, the first one counted. @default 4 */
  readonly maxAttempts?: number | undefined
  /** The first wait is at most this, each later one at most twice the one before. @default 500 */
  readonly baseDelayMs?: number | undefined
  /** No wait is longer, unless the other side asked for it. @default 20_000 */
  readonly maxDelayMs?: number | undefined
  /** From the first try to the beginning of the last one at most. @default 120_000 */
  readonly maxTotalMs?: number | undefined
  /** From 0 up to 1. @default Math.random */
  readonly random?: (() => number) | undefined
  /** @default the system's clock */
  readonly clock?: Clock | undefined
}

/** Decides after each failure of one piece of work whether to try again, and when. */
export interface Backoff {
  /** Tries so far, the one that runs counted. */
  readonly attempts: number
  /** Tries in all. */
  readonly maxAttempts: number
  /**
   * How long to wait before the next try, in milliseconds; undefined: no more tries.
   * @param atLeastMs what the other side asked for; a wait that ends after the time allowed is none
   */
  next(atLeastMs?: number): number | undefined
  /** Counts a try that needs no wait, because it goes elsewhere. False: no more tries. */
  nextAtOnce(): boolean
}

/**
 * Exponential backoff with full jitter: a wait is drawn evenly from 0 up to `min(maxDelayMs, baseDelayMs · 2ⁿ)`, so that many who failed
 * together do not come back together (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). What the other side
 * asked for is waited in full, and the draw comes on top, so that also those who were told the same time are spread.
 */
export function createBackoff(options: BackoffOptions = {}): Backoff {
  const { maxAttempts = 4, baseDelayMs = 500, maxDelayMs = 20_000, maxTotalMs = 120_000 } = options
  const { random = Math.random, clock = systemClock } = options
  const startedAt = clock.now()
  let attempts = 1
  let waits = 0

  return {
    get attempts() {
      return attempts
    },
    maxAttempts,
    next(atLeastMs = 0) {
      if (attempts >= maxAttempts) return undefined
      const delayMs = atLeastMs + random() * Math.min(maxDelayMs, baseDelayMs * 2 ** waits)
      if (clock.now() - startedAt + delayMs > maxTotalMs) return undefined
      attempts += 1
      waits += 1
      return delayMs
    },
    nextAtOnce() {
      if (attempts >= maxAttempts || clock.now() - startedAt > maxTotalMs) return false
      attempts += 1
      return true
    },
  }
}

/** The codes of HTTP for which the same request may succeed later. */
export const isRetryableStatus = (status: number): boolean =>
  status === 408 || status === 409 || status === 429 || status >= 500

/**
 * What a server asks to wait before the next try, in milliseconds: `retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110,
 * 10.2.3). Undefined where it says nothing that makes sense. A page sees these headers of another origin only when that exposes them.
 */
export function retryAfterMs(headers: Headers, wallTimeMs: number): number | undefined {
  const exact = readNumber(headers.get('retry-after-ms'))
  if (exact !== undefined) return exact
  const text = headers.get('retry-after')
  const seconds = readNumber(text)
  if (seconds !== undefined) return seconds * 1_000
  // A date begins with the day's name; `Date.parse` alone finds a year in nearly anything.
  const date = text !== null && /^\s*[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - wallTimeMs)
}

function readNumber(text: string | null): number | undefined {
  return text !== null && /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : undefined
}
