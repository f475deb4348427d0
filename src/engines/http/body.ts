import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import { abortable, abortError, onAbort } from '../../runtime/abort.js'
import type { Clock } from '../../runtime/clock.js'
import { brokenOffError, type Redact, timeoutError } from './errors.js'

/** The body of an answer, read under time limits. */
export interface TimedBody extends AsyncIterable<Uint8Array> {
  /** Resolves when the first byte, or the end, is here; rejects with why neither came. */
  readonly first: Promise<void>
}

export interface TimedBodyOptions {
  readonly firstByteMs: number
  readonly idleMs: number
  readonly clock: Clock
  readonly place: string
  readonly redact: Redact
  /** Of the caller. */
  readonly signal: AbortSignal
  /** Of the request: aborted when the body is left or late. Aborting it ends the body. */
  readonly attempt: AbortController
  /** Called once when nothing is read any more. */
  onEnd(): void
}

/** Reads a body piece by piece: the first must be here in time, and each next one too. Leaving the loop ends the request. */
export function timedBody(source: ReadableStream<Uint8Array> | null, options: TimedBodyOptions): TimedBody {
  const { firstByteMs, idleMs, signal, attempt, place } = options
  const reader = source?.getReader()
  let isOver = false

  const end = () => {
    if (isOver) return
    isOver = true
    options.onEnd()
  }
  const leave = (reason?: unknown) => {
    if (isOver) return
    attempt.abort(reason)
    void reader?.cancel(reason).catch(() => {})
    end()
  }

  onAbort(attempt.signal, ({ reason }) => leave(reason))

  async function read(phase: 'first-byte' | 'idle', timeoutMs: number): Promise<Uint8Array | undefined> {
    if (!reader) return undefined
    let late: AlcoveError | undefined
    const cancelTimer = options.clock.setTimer(timeoutMs, () => {
      late = timeoutError(phase, timeoutMs, place)
      attempt.abort(late)
    })
    try {
      for (;;) {
        const { done, value } = await abortable(reader.read(), attempt.signal)
        if (done) return undefined
        if (value.length > 0) return value
      }
    } catch (error) {
      if (signal.aborted) throw abortError(signal)
      throw late ?? (isAlcoveError(error) ? error : brokenOffError(place, error, options.redact))
    } finally {
      cancelTimer()
    }
  }

  let pending: Promise<Uint8Array | undefined> | undefined = read('first-byte', firstByteMs)
  const first = pending.then(
    () => {},
    (error) => {
      leave(error)
      throw error
    },
  )
  first.catch(() => {})

  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const piece = await (pending ?? read('idle', idleMs))
        pending = undefined
        if (piece === undefined) return end()
        yield piece
      }
    } finally {
      leave()
    }
  }

  return { first, [Symbol.asyncIterator]: pieces }
}

/**
 * The whole body as text.
 * @throws AlcoveError `too-large` when there are more bytes than that
 */
export async function readAll(body: TimedBody, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder()
  const texts: string[] = []
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.length
    if (bytes > maxBytes) {
      throw new AlcoveError('too-large', `The server sent more than ${maxBytes} bytes`, { details: { maxBytes } })
    }
    texts.push(decoder.decode(piece, { stream: true }))
  }
  return texts.join('') + decoder.decode()
}
