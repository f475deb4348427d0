import { abortError, onAbort } from '../runtime/abort.js'
import { translateEngineError } from './engine-errors.js'

/**
 * A stream over an engine's generator, pulled part by part. Unlike `streamOf`, cancelling it resolves only when the
 * generator has ended, so that who cancels knows when the engine is free. Reads settle at once all the same.
 * @param produce is given a signal that aborts with the cancel; it should end soon after
 */
export function drainedStream<Part>(
  produce: (signal: AbortSignal) => AsyncGenerator<Part>,
  signal?: AbortSignal,
): ReadableStream<Part> {
  const controller = new AbortController()
  const iterator = produce(controller.signal)
  const stop = async (reason: unknown) => {
    forget()
    controller.abort(reason)
    await iterator.return(undefined).catch(() => {})
  }
  let forget = () => {}
  return new ReadableStream<Part>(
    {
      start(target) {
        forget = onAbort(signal, (aborted) => {
          const error = abortError(aborted)
          target.error(error)
          void stop(error)
        })
      },
      async pull(target) {
        try {
          const { done, value } = await iterator.next()
          if (controller.signal.aborted) return
          if (!done) return target.enqueue(value)
          forget()
          target.close()
        } catch (error) {
          if (controller.signal.aborted) return
          forget()
          target.error(translateEngineError(error, 'model-load-failed', 'the model failed'))
        }
      },
      cancel: stop,
    },
    { highWaterMark: 0 },
  )
}
