import { type AlcoveErrorCode, toAlcoveError } from '../protocol/error.js'
import { abortError, onAbort } from './abort.js'

/**
 * One way to read both kinds of source, also where a `ReadableStream` is not async iterable (Safari). `return()`, and so
 * leaving a `for await` loop early, cancels the source, even while a `next()` waits.
 */
export function iterate<T>(source: ReadableStream<T> | AsyncIterable<T>): AsyncIterableIterator<T> {
  return 'getReader' in source ? iterateReader(source.getReader()) : iterateIterator(source[Symbol.asyncIterator]())
}

function iterateReader<T>(reader: ReadableStreamDefaultReader<T>): AsyncIterableIterator<T> {
  return {
    async next() {
      const { done, value } = await reader.read()
      return done ? { done: true, value: undefined } : { done: false, value }
    },
    async return() {
      await reader.cancel().catch(() => {})
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

function iterateIterator<T>(iterator: AsyncIterator<T>): AsyncIterableIterator<T> {
  return {
    next: () => iterator.next(),
    async return() {
      await iterator.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

export interface StreamOptions {
  /** Aborting it errors the stream at once. */
  readonly signal?: AbortSignal | undefined
  /** Code for an error that is not an `AlcoveError`. @default 'invalid-argument' */
  readonly errorCode?: AlcoveErrorCode | undefined
}

/**
 * A stream that takes from `produce` only what its reader asks for. Cancelling it, or aborting `options.signal`, aborts
 * the signal that `produce` was given and calls the generator's `return()`; the reader settles at once, whatever the
 * generator is doing. Errors come out as `AlcoveError`.
 */
export function streamOf<T>(
  produce: (signal: AbortSignal) => AsyncIterable<T>,
  options: StreamOptions = {},
): ReadableStream<T> {
  const inner = new AbortController()
  let iterator: AsyncIterator<T> | undefined
  let producing = false
  let ended = false
  let forget = () => {}

  /** Waits for the generator's clean-up, unless it is in the middle of producing, which may take any time. */
  async function stop(reason: unknown): Promise<void> {
    ended = true
    forget()
    inner.abort(reason)
    const returned = iterator?.return?.().catch(() => {})
    if (!producing) await returned
  }

  async function pull(controller: ReadableStreamDefaultController<T>): Promise<void> {
    producing = true
    try {
      iterator ??= produce(inner.signal)[Symbol.asyncIterator]()
      const { done, value } = await iterator.next()
      if (ended) return
      if (!done) return controller.enqueue(value)
      controller.close()
    } catch (error) {
      if (ended) return
      controller.error(toAlcoveError(error, options.errorCode ?? 'internal'))
    } finally {
      producing = false
    }
    ended = true
    forget()
  }

  function start(controller: ReadableStreamDefaultController<T>): void {
    forget = onAbort(options.signal, (signal) => {
      const error = abortError(signal)
      controller.error(error)
      void stop(error)
    })
  }
  return new ReadableStream<T>({ start, pull, cancel: stop }, { highWaterMark: 0 })
}
