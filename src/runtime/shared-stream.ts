import { AlcoveError, toAlcoveError } from '../protocol/error.js'
import { abortError, onAbort, throwIfAborted } from './abort.js'
import { iterate } from './stream.js'

export interface SharedStreamOptions<Part> {
  /** Opens the source, when the first reader asks. The signal aborts when the last reader has gone. */
  open(signal: AbortSignal): ReadableStream<Part>
  /** Whether a part completes the stream. What the source still does then, no reader waits for. */
  isLast(part: Part): boolean
  /** Called when the last part has come, with all of them. */
  onComplete(parts: readonly Part[]): void
  /** Called once when nobody else may join: it is complete, has failed, or the last reader has gone. */
  onEnd(): void
}

/** One source for several readers. Each gets all parts from the first on; the fastest sets the pace. */
export interface SharedStream<Part> {
  /** The parts, until the source ends or `signal` aborts. Errors as the source does. */
  join(signal: AbortSignal): AsyncIterable<Part>
}

/** A shared stream; its source is not opened yet. */
export function createSharedStream<Part>(options: SharedStreamOptions<Part>): SharedStream<Part> {
  return new FanOut(options)
}

class FanOut<Part> implements SharedStream<Part> {
  readonly #options: SharedStreamOptions<Part>
  readonly #controller = new AbortController()
  readonly #parts: Part[] = []
  #source: AsyncIterator<Part> | undefined
  /** The read of the source that is under way. Never rejects. */
  #reading: Promise<void> | undefined
  #readers = 0
  #hasEnded = false
  #error: AlcoveError | undefined

  constructor(options: SharedStreamOptions<Part>) {
    this.#options = options
  }

  /** The reader counts from this call on, so that one that is about to read keeps the source. */
  join(signal: AbortSignal): AsyncIterable<Part> {
    this.#readers += 1
    return this.#read(signal)
  }

  async *#read(signal: AbortSignal): AsyncGenerator<Part> {
    let next = 0
    try {
      for (;;) {
        throwIfAborted(signal)
        const part = this.#parts[next]
        if (next < this.#parts.length) {
          next += 1
          yield part as Part
        } else if (this.#error !== undefined) throw this.#error
        else if (this.#hasEnded) return
        else await this.#wait(signal)
      }
    } finally {
      this.#leave()
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    this.#reading ??= this.#advance()
    const reading = this.#reading
    await new Promise<void>((resolve, reject) => {
      const forget = onAbort(signal, () => reject(abortError(signal)))
      void reading.then(() => {
        forget()
        resolve()
      })
    })
  }

  async #advance(): Promise<void> {
    try {
      this.#source ??= iterate(this.#options.open(this.#controller.signal))
      const { done, value } = await this.#source.next()
      if (this.#hasEnded) return
      if (done) this.#end()
      else this.#take(value)
    } catch (error) {
      if (this.#hasEnded) return
      this.#error = toAlcoveError(error, 'internal')
      this.#end()
    } finally {
      this.#reading = undefined
    }
  }

  #take(part: Part): void {
    this.#parts.push(part)
    if (!this.#options.isLast(part)) return
    this.#options.onComplete(this.#parts)
    this.#end()
    void this.#drain()
  }

  /** Lets the source come to its own end. */
  async #drain(): Promise<void> {
    try {
      while (!(await this.#source?.next())?.done);
    } catch {
      // The answer is complete: an error after it is nobody's.
    }
  }

  #end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#options.onEnd()
  }

  #leave(): void {
    this.#readers -= 1
    if (this.#readers > 0 || this.#hasEnded) return
    this.#error = new AlcoveError('aborted', 'Every reader of this answer has gone')
    this.#end()
    this.#controller.abort(this.#error)
    void this.#source?.return?.().catch(() => {})
  }
}
