import { transfer } from 'comlink'
import { AlcoveError, isAlcoveError } from '../protocol/error.js'
import { createWorkerHost, type WorkerHost } from '../rpc/worker-host.js'
import { throwIfAborted, timeoutSignal } from '../runtime/abort.js'
import { createLimiter } from '../runtime/limiter.js'
import type { ParsedDocument, ParseInput, ParseOptions } from './parse/document.js'
import type { ParseApi } from './parse-api.js'

export interface ParsePoolOptions {
  /** Opens one parse worker; see `openWorker`. */
  open(): Worker
  /** Number of workers, each with one document at a time. */
  readonly size: number
  /** Longest time for one document, in milliseconds. @default 120_000 */
  readonly timeoutMs?: number | undefined
  /** A worker with nothing to do for so long ends, in milliseconds: it holds the memory of large documents. @default 30_000 */
  readonly idleMs?: number | undefined
}

/** Workers that parse documents side by side. */
export interface ParsePool {
  /**
   * Parses a document on an idle worker, or waits for one. A document that crashes its worker fails with `parse-failed`,
   * one that takes too long with `timeout`; both cost only their own worker, which is replaced. So does an abort, which
   * settles at once. Else as `parseDocument`.
   */
  parse(input: ParseInput, options?: ParseOptions): Promise<ParsedDocument>
  /** Ends all workers; what they do fails with `closed`. */
  close(): Promise<void>
}

/** One worker of the pool. */
interface Slot {
  readonly host: WorkerHost<ParseApi>
  /** Whether its worker has ever run since it was last started: then a death is the document's doing. */
  hasStarted: boolean
}

function openSlot({ open, idleMs = 30_000 }: ParsePoolOptions, index: number): Slot {
  const slot: Slot = {
    host: createWorkerHost<ParseApi>({
      name: `alcove-parse-${index + 1}`,
      open: () => open(),
      idleMs,
      onState: (state) => {
        if (state === 'starting' || state === 'ready') slot.hasStarted = state === 'ready'
      },
    }),
    hasStarted: false,
  }
  return slot
}

/** A pool of `size` workers, each of which starts when it is first needed. */
export function createParsePool(options: ParsePoolOptions): ParsePool {
  const size = Math.max(1, Math.floor(options.size))
  const limiter = createLimiter(size)
  const slots = Array.from({ length: size }, (_, index) => openSlot(options, index))
  // The last that became idle is the first to be taken: the others may end.
  const idle = [...slots].reverse()
  let isClosed = false

  return {
    parse: (input, { signal } = {}) =>
      limiter.run(
        async () => {
          throwIfAborted(signal)
          if (isClosed) throw new AlcoveError('closed', 'The parse pool was closed')
          const slot = idle.pop() as Slot
          try {
            return await parseOn(slot, input, options.timeoutMs ?? 120_000, signal)
          } finally {
            idle.push(slot)
          }
        },
        { signal },
      ),
    async close() {
      isClosed = true
      await Promise.all(slots.map(({ host }) => host.close()))
    },
  }
}

/** Parses on one worker, and ends the worker when it may still be busy with a document that nobody waits for. */
async function parseOn(
  slot: Slot,
  input: ParseInput,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<ParsedDocument> {
  const { host } = slot
  const timer = timeoutSignal(timeoutMs, signal)
  try {
    return await host.request<ParsedDocument>((api, port) => api.parse(wholeBytes(input), transfer(port, [port])), {
      signal: timer.signal,
    })
  } catch (error) {
    if (timer.signal.aborted) {
      host.kill(new AlcoveError('aborted', 'The document is not needed any more'))
      throwIfAborted(signal)
      throw timedOut(input, timeoutMs, error)
    }
    throw isAlcoveError(error, 'worker-crashed') && slot.hasStarted ? crashed(input, error) : error
  } finally {
    timer.clear()
  }
}

/** The input with bytes of their own: a view would be cloned with all of the buffer behind it. */
function wholeBytes(input: ParseInput): ParseInput {
  const { data } = input
  return typeof data === 'string' || data.byteLength === data.buffer.byteLength
    ? input
    : { ...input, data: data.slice() }
}

function timedOut({ name }: ParseInput, timeoutMs: number, cause: unknown): AlcoveError {
  return new AlcoveError('timeout', `Reading ${name ?? 'the document'} took longer than ${timeoutMs / 1000} seconds`, {
    hint: 'The file is very large or made to be slow. Split it into smaller parts.',
    retryable: false,
    cause,
  })
}

function crashed({ name }: ParseInput, cause: unknown): AlcoveError {
  return new AlcoveError('parse-failed', `Reading ${name ?? 'the document'} ended its worker`, {
    hint: 'The file may be too large for this device, or broken. Split it into smaller parts.',
    cause,
  })
}
