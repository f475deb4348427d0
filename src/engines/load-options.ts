import { AlcoveError } from '../protocol/error.js'
import type { LoadOptions } from '../protocol/model.js'

/**
 * Checks what a page's author gives to a load, and keeps the author's own mistakes apart from the model's: what `onProgress` throws becomes
 * an error of the page, as that of an event listener does, and does not stop the load or count against the model.
 * @param where what they were given to, for the message
 * @throws AlcoveError `invalid-argument` that names the option
 */
export function readLoadOptions(where: string, given: LoadOptions | undefined): LoadOptions {
  const { signal, onProgress } = given ?? {}
  if (signal !== undefined && typeof (signal as Partial<AbortSignal> | null)?.addEventListener !== 'function') {
    throw new AlcoveError('invalid-argument', `${where}: signal must be an AbortSignal, got ${nameOf(signal)}`, {
      hint: 'Give `controller.signal`, not the controller itself.',
    })
  }
  if (onProgress === undefined) return { signal }
  if (typeof onProgress !== 'function') {
    throw new AlcoveError('invalid-argument', `${where}: onProgress must be a function, got ${nameOf(onProgress)}`)
  }
  return {
    signal,
    onProgress(status) {
      try {
        onProgress(status)
      } catch (error) {
        globalThis.reportError?.(error)
      }
    },
  }
}

/** What a value is, in a word. */
const nameOf = (value: unknown): string =>
  typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'an object') : typeof value
