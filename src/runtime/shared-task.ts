import type { AlcoveError } from '../protocol/error.js'
import { abortError, onAbort } from './abort.js'

export interface JoinOptions<Progress> {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** One piece of work that several callers wait for. */
export interface SharedTask<Result, Progress> {
  /** Waits for the result. Aborting one caller leaves the others alone; when the last one leaves, the work is aborted. */
  join(options?: JoinOptions<Progress>): Promise<Result>
  /** Aborts the work and fails all who wait for it. It must not be joined again. */
  cancel(reason: AlcoveError): void
}

/**
 * Starts `run` with the first `join` and shares it. Late callers are told the last progress at once.
 * @param onLeft called once when the last caller has left before the end: the task must not be joined again.
 */
export function createSharedTask<Result, Progress>(
  run: (context: { readonly signal: AbortSignal; report(progress: Progress): void }) => Promise<Result>,
  onLeft: () => void = () => {},
): SharedTask<Result, Progress> {
  const controller = new AbortController()
  const listeners = new Set<(progress: Progress) => void>()
  const leavers = new Set<(reason: AlcoveError) => void>()
  let waiting = 0
  let last: { readonly progress: Progress } | undefined
  let work: Promise<Result> | undefined

  const report = (progress: Progress) => {
    last = { progress }
    for (const listener of [...listeners]) listener(progress)
  }

  return {
    join({ signal, onProgress } = {}) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(abortError(signal))
        work ??= run({ signal: controller.signal, report })
        waiting++
        let left = false
        let forget = () => {}
        const listener = onProgress && ((progress: Progress) => onProgress(progress))
        const leave = () => {
          if (left) return false
          left = true
          waiting--
          leavers.delete(fail)
          if (listener) listeners.delete(listener)
          forget()
          return true
        }
        const fail = (reason: AlcoveError) => {
          if (!leave()) return false
          reject(reason)
          return true
        }
        leavers.add(fail)
        forget = onAbort(signal, (aborted) => {
          if (!fail(abortError(aborted)) || waiting > 0) return
          onLeft()
          controller.abort(abortError(aborted))
        })
        if (listener) {
          listeners.add(listener)
          if (last) listener(last.progress)
        }
        work.then(
          (result) => leave() && resolve(result),
          (error) => leave() && reject(error),
        )
      })
    },
    cancel(reason) {
      for (const fail of [...leavers]) fail(reason)
      onLeft()
      controller.abort(reason)
    },
  }
}
