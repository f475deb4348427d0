import { abortError, onAbort, throwIfAborted } from '../runtime/abort.js'
import type { Clock } from '../runtime/clock.js'

/** Time that passes when a test says so. */
export interface FakeClock extends Clock {
  /** Lets so many milliseconds pass: timers that come due run in order, and what they start gets its turn. */
  advance(ms: number): Promise<void>
  /** Number of timers that wait. */
  readonly timers: number
}

export interface FakeClockOptions {
  /** What `wallTime` says at the start. @default 0 */
  readonly wallTime?: number | undefined
}

interface Timer {
  readonly at: number
  run(): void
}

/** A clock for tests. It starts at 0 and stands still until `advance`. */
export function fakeClock(options: FakeClockOptions = {}): FakeClock {
  const timers = new Set<Timer>()
  let now = 0

  function setTimer(ms: number, run: () => void): () => void {
    if (!Number.isFinite(ms)) return () => {}
    const timer = { at: now + Math.max(0, ms), run }
    timers.add(timer)
    return () => void timers.delete(timer)
  }

  function nextDue(until: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of timers) if (timer.at <= until && (next === undefined || timer.at < next.at)) next = timer
    return next
  }

  return {
    now: () => now,
    wallTime: () => (options.wallTime ?? 0) + now,
    setTimer,
    async sleep(ms, signal) {
      throwIfAborted(signal)
      await new Promise<void>((resolve, reject) => {
        const cancel = setTimer(ms, () => {
          forget()
          resolve()
        })
        const forget = onAbort(signal, (aborted) => {
          cancel()
          reject(abortError(aborted))
        })
      })
    },
    async advance(ms) {
      const until = now + ms
      await settle()
      for (let due = nextDue(until); due !== undefined; due = nextDue(until)) {
        timers.delete(due)
        now = Math.max(now, due.at)
        due.run()
        await settle()
      }
      now = until
    },
    get timers() {
      return timers.size
    },
  }
}

/** Lets pending promises and streams go on: a few macrotasks, since streams take several turns. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setTimeout(resolve, 0))
}
