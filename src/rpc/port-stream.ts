import { AlcoveError } from '../protocol/error.js'
import type { ErrorInfo } from '../protocol/stream-part.js'
import { abortError, onAbort } from '../runtime/abort.js'
import { iterate } from '../runtime/stream.js'
import { fromErrorInfo, toErrorInfo } from './error-wire.js'

/** What the serving side sends: parts in order, then one `end` or `error`. */
type ServerFrame<Part> =
  | { readonly type: 'chunk'; readonly parts: readonly Part[] }
  | { readonly type: 'end' }
  | { readonly type: 'error'; readonly error: ErrorInfo }

/** What the reading side sends: leave to send so many parts more, or that it has gone. */
type ReaderFrame = { readonly type: 'pull'; readonly credits: number } | { readonly type: 'cancel' }

/** Parts that follow another within this time share a frame, so that a burst costs few messages and a token never waits. */
const BATCH_MS = 4

export interface ReadPortOptions {
  /** Errors the stream at once and stops the other side. */
  readonly signal?: AbortSignal | undefined
  /** Most parts that are on their way or unread at one time. @default 32 */
  readonly credits?: number | undefined
  /** Called once when the stream has ended in whatever way. */
  readonly onEnd?: (() => void) | undefined
}

/**
 * Reads what `servePort` sends over the other end of a channel. No more than `credits` parts are ever unread, so a reader
 * that sleeps stops the producer. Cancelling stops the other side; what is still on its way then is ignored. An error of
 * the other side comes after the parts that were sent before it. The port is closed at the end.
 */
export function readPort<Part>(port: MessagePort, options: ReadPortOptions = {}): ReadableStream<Part> {
  const window = Math.max(1, options.credits ?? 32)
  /** Credits that were given and not used yet. */
  let granted = 0
  let failure: AlcoveError | undefined
  let forget = () => {}

  function close(): void {
    port.onmessage = null
    port.onmessageerror = null
    forget()
    port.close()
    options.onEnd?.()
  }

  function leave(): void {
    if (port.onmessage === null) return
    port.postMessage({ type: 'cancel' } satisfies ReaderFrame)
    close()
  }

  function pull(controller: ReadableStreamDefaultController<Part>): void {
    const free = controller.desiredSize ?? 0
    if (failure !== undefined) {
      if (free === window) controller.error(failure)
      return
    }
    const credits = free - granted
    if (port.onmessage === null || credits < window / 2) return
    granted += credits
    port.postMessage({ type: 'pull', credits } satisfies ReaderFrame)
  }

  function fail(controller: ReadableStreamDefaultController<Part>, error: AlcoveError): void {
    failure = error
    close()
    pull(controller)
  }

  function receive(controller: ReadableStreamDefaultController<Part>, frame: ServerFrame<Part>): void {
    if (frame.type === 'chunk') {
      for (const part of frame.parts) {
        granted -= 1
        controller.enqueue(part)
      }
      return
    }
    if (frame.type === 'error') fail(controller, fromErrorInfo(frame.error))
    else {
      close()
      controller.close()
    }
  }

  function start(controller: ReadableStreamDefaultController<Part>): void {
    port.onmessage = (event) => receive(controller, event.data as ServerFrame<Part>)
    port.onmessageerror = () => {
      leave()
      controller.error(new AlcoveError('invalid-argument', 'A part of the stream could not be read on this side'))
    }
    forget = onAbort(options.signal, (signal) => {
      leave()
      controller.error(abortError(signal))
    })
  }
  return new ReadableStream<Part>({ start, pull, cancel: leave }, { highWaterMark: window })
}

/** Collects parts into frames: the first of a burst goes at once, what follows in the same task goes together. */
function createFrameWriter<Part>(port: MessagePort, onFailure: (error: unknown) => void) {
  let parts: Part[] = []
  let sentAt = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    if (parts.length === 0) return
    const frame: ServerFrame<Part> = { type: 'chunk', parts }
    parts = []
    try {
      port.postMessage(frame)
    } catch (error) {
      onFailure(error)
    }
  }

  return {
    write(part: Part): void {
      parts.push(part)
      if (timer !== undefined && performance.now() - sentAt < BATCH_MS) return
      flush()
      sentAt = performance.now()
      timer = setTimeout(flush, 0)
    },
    flush,
    discard(): void {
      clearTimeout(timer)
      parts = []
    },
  }
}

/** The serving end of a port: the credits that the reader gave, and frames to it until one side has ended the stream. */
function createSender<Part>(port: MessagePort) {
  const controller = new AbortController()
  const writer = createFrameWriter<Part>(port, fail)
  let credits = 0
  let wake = () => {}

  port.onmessage = (event) => {
    const frame = event.data as ReaderFrame
    if (frame.type === 'pull') credits += frame.credits
    else stop()
    wake()
  }

  function stop(): void {
    writer.discard()
    port.onmessage = null
    port.close()
    controller.abort(new AlcoveError('aborted', 'The reader of this stream has gone'))
  }

  function finish(frame: Exclude<ServerFrame<Part>, { type: 'chunk' }>): void {
    writer.flush()
    if (controller.signal.aborted) return
    port.postMessage(frame)
    stop()
  }

  function fail(error: unknown): void {
    if (!controller.signal.aborted) finish({ type: 'error', error: toErrorInfo(error) })
  }

  return {
    /** Aborts when the stream has ended, by either side. */
    signal: controller.signal,
    /** Resolves when a part may be produced, or the stream has ended. */
    async ready(): Promise<void> {
      if (credits > 0) return
      writer.flush()
      while (credits === 0 && !controller.signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
    send(part: Part): void {
      credits -= 1
      writer.write(part)
    },
    finish: () => finish({ type: 'end' }),
    fail,
  }
}

/**
 * Sends what `produce` yields to the reader at the other end of the port, and takes from it only what the reader has given
 * credits for. When the reader cancels, the signal aborts and the generator's `return()` is called; an error of `produce`
 * goes over as one. Resolves, never rejects, when the generator has cleaned up; the port is closed by then.
 */
export async function servePort<Part>(
  port: MessagePort,
  produce: (signal: AbortSignal) => AsyncIterable<Part> | ReadableStream<Part>,
): Promise<void> {
  const sender = createSender<Part>(port)
  let iterator: AsyncIterator<Part> | undefined
  const release = async () => {
    await iterator?.return?.().catch(() => {})
  }
  try {
    iterator = iterate(produce(sender.signal))
    onAbort(sender.signal, release)
    for (;;) {
      await sender.ready()
      if (sender.signal.aborted) break
      const result = await iterator.next()
      if (sender.signal.aborted) break
      if (result.done) sender.finish()
      else sender.send(result.value)
    }
  } catch (error) {
    sender.fail(error)
  }
  await release()
}

/** Serves one result: `servePort` for a call that can be cancelled. The other side is `WorkerHost.request`. */
export function serveRequest<Result>(port: MessagePort, work: (signal: AbortSignal) => Promise<Result>): Promise<void> {
  return servePort(port, async function* (signal) {
    yield await work(signal)
  })
}

/** The first part of a stream; undefined when it has none. Rejects as the stream errors. */
export async function readOne<Part>(stream: ReadableStream<Part>): Promise<Part> {
  const { value } = await stream.getReader().read()
  return value as Part
}
