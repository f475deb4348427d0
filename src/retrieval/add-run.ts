import type { AddOptions, AddProgress, AddResult, AddRun } from '../protocol/corpus.js'
import { AlcoveError } from '../protocol/error.js'
import { abortable, anySignal, throwIfAborted } from '../runtime/abort.js'
import { createPace, type Pace, type PaceControl } from './pace.js'

export interface AddRunOptions extends Pick<AddOptions, 'signal' | 'powerSaving'> {
  /** Where somebody else sets the pace as well. @default its own */
  readonly pace?: PaceControl | undefined
}

/**
 * Starts an add at once. It can be iterated for its progress (from the beginning, by any number of readers), awaited for its result, or
 * both; when nobody looks at it, it goes on all the same and its failure is no unhandled rejection. A reader that leaves its loop early
 * cancels it, unless somebody awaits the result.
 * @param work does the adding and tells of its progress
 */
export function createAddRun(
  work: (report: (progress: AddProgress) => void, signal: AbortSignal, pace: Pace) => Promise<AddResult>,
  { signal, powerSaving = false, pace = createPace(powerSaving === true) }: AddRunOptions = {},
): AddRun {
  const log: AddProgress[] = []
  const cancel = new AbortController()
  let isAwaited = false
  let isOver = false
  let wake: (() => void)[] = []
  const notify = (): void => {
    const waiting = wake
    wake = []
    for (const resume of waiting) resume()
  }
  const report = (progress: AddProgress): void => {
    log.push(progress)
    notify()
  }
  const stop = anySignal(cancel.signal, signal) ?? cancel.signal
  const run = async (): Promise<AddResult> => {
    throwIfAborted(stop)
    // Only those who ask for it pay for the battery.
    const follow = powerSaving === 'auto' ? (await import('./battery.js')).followBattery(pace) : undefined
    try {
      return await abortable(work(report, stop, pace), stop)
    } finally {
      follow?.()
    }
  }
  const result = run().finally(() => {
    isOver = true
    notify()
  })
  result.catch(() => {})

  async function* read(): AsyncGenerator<AddProgress> {
    let isThrough = false
    try {
      for (let next = 0; ; ) {
        const progress = log[next]
        if (progress !== undefined) {
          next++
          yield progress
        } else if (isOver) break
        else await new Promise<void>((resolve) => wake.push(resolve))
      }
      isThrough = true
      await result
    } finally {
      if (!isThrough && !isAwaited) cancel.abort(new AlcoveError('aborted', 'The reader of this add has left'))
    }
  }
  return {
    get isPaused() {
      return pace.isPaused
    },
    pause: () => pace.set({ isPaused: true }),
    resume: () => pace.set({ isPaused: false }),
    [Symbol.asyncIterator]: read,
    // biome-ignore lint/suspicious/noThenProperty: an AddRun is awaitable by design.
    then(onFulfilled, onRejected) {
      isAwaited = true
      return result.then(onFulfilled, onRejected)
    },
  }
}
