import { abortError } from '../../runtime/abort.js'
import type { Clock } from '../../runtime/clock.js'

/** The part of Web Locks that is used here. */
export interface LockQueue {
  request<T>(
    name: string,
    options: { readonly ifAvailable?: boolean; readonly signal?: AbortSignal },
    run: (lock: unknown) => Promise<T>,
  ): Promise<T>
}

export interface LockOptions {
  readonly locks: LockQueue | undefined
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Called now and then while another holds the lock. */
  onWait(): Promise<void>
}

const WAIT_STEP_MS = 500

/**
 * Runs alone among all tabs of the origin. A holder that dies lets the next one in. Without Web Locks it runs at once.
 * @param run told whether another was waited for
 */
export async function waitForLock<T>(
  name: string,
  { locks, clock, signal, onWait }: LockOptions,
  run: (hasWaited: boolean) => Promise<T>,
): Promise<T> {
  if (!locks) return run(false)
  let isRefused = true
  const first = await locks
    .request(name, { ifAvailable: true }, async (lock) => {
      isRefused = false
      return lock ? { result: await run(false) } : undefined
    })
    .catch(async (error: unknown) => {
      // A page of opaque origin has locks that it may not take.
      if (!isRefused) throw error
      return { result: await run(false) }
    })
  if (first) return first.result
  const waiting = new AbortController()
  void tellWhileWaiting(onWait, clock, waiting.signal)
  try {
    return await locks.request(name, { signal }, (): Promise<T> => {
      waiting.abort()
      return run(true)
    })
  } catch (error) {
    throw signal.aborted ? abortError(signal) : error
  } finally {
    waiting.abort()
  }
}

async function tellWhileWaiting(onWait: () => Promise<void>, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await onWait().catch(() => {})
    await clock.sleep(WAIT_STEP_MS, signal).catch(() => {})
  }
}
