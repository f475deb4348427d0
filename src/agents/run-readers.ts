import type { AlcoveError } from '../protocol/error.js'
import type { StreamPart } from '../protocol/stream-part.js'
import { iterate } from '../runtime/stream.js'

/** A `ReadableStream` that can be read with `for await` in every browser. */
export class IterableStream<T> extends ReadableStream<T> {
  // Browsers whose streams are async iterable give the same; Safari's are not. Leaving the loop early cancels.
  override [Symbol.asyncIterator](): ReadableStreamAsyncIterator<T> {
    return iterate<T>(this) as unknown as ReadableStreamAsyncIterator<T>
  }
}

type Reader = ReadableStreamDefaultReader<StreamPart>

/** The text of a run without drafts. */
export function readText(reader: Reader, failure: () => AlcoveError | undefined): ReadableStream<string> {
  return new IterableStream<string>(
    {
      async pull(controller) {
        for (;;) {
          const { done, value } = await reader.read()
          if (done) return failure() ? controller.error(failure()) : controller.close()
          if (value.type === 'text-delta' && value.role !== 'draft' && !value.inner)
            return controller.enqueue(value.text)
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

/** The growing object of a run. */
export function readObject(reader: Reader, object: () => Promise<unknown>): ReadableStream<unknown> {
  let source: AsyncIterator<unknown> | undefined
  return new IterableStream<unknown>(
    {
      async pull(controller) {
        source ??= (await import('./partial-object.js')).readPartialObjects(reader, object)
        const { done, value } = await source.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
