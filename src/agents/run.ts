import type { Citation } from '../protocol/corpus.js'
import { AlcoveError, toAlcoveError } from '../protocol/error.js'
import type { Message } from '../protocol/message.js'
import type { ErrorInfo, Finish, FinishReason, StreamPart, Usage } from '../protocol/stream-part.js'
import { abortError, onAbort } from '../runtime/abort.js'
import { iterate } from '../runtime/stream.js'
import { PartQueue } from './part-queue.js'

/** A `ReadableStream` that can be read with `for await` in every browser. */
class IterableStream<T> extends ReadableStream<T> {
  // Browsers whose streams are async iterable give the same; Safari's are not. Leaving the loop early cancels.
  override [Symbol.asyncIterator](): ReadableStreamAsyncIterator<T> {
    return iterate<T>(this) as unknown as ReadableStreamAsyncIterator<T>
  }
}

/**
 * An agent's run. It has started already.
 *
 * It is a stream of parts: deltas in order, `finish` last, and reading it never throws. A reader that leaves early cancels it, a slow reader
 * slows the model. Touching `text`, `messages`, `usage` or `finish` makes it go on by itself; unread deltas are then merged.
 */
export interface AgentRun extends ReadableStream<StreamPart> {
  /**
   * The text alone. Takes the run's reader; errors where the run fails or is aborted.
   * @throws AlcoveError `invalid-argument` when the run is being read already
   */
  readonly textStream: ReadableStream<string>
  /** The text of all steps, in order, without drafts. Like `messages` and `usage` it rejects when the run is aborted, left early or fails. */
  readonly text: Promise<string>
  /** The messages that the run added to the conversation. */
  readonly messages: Promise<readonly Message[]>
  readonly usage: Promise<Usage>
  /** How the run ended. Always resolves. */
  readonly finish: Promise<Finish>
  /** Ends the run now, whatever it is doing. */
  abort(reason?: unknown): void
  /** Lets a call go on that asked for approval. */
  approve(callId: string): void
  /** Refuses a call that asked for approval; the model is told why. */
  deny(callId: string, why?: string): void
}

/** What a run has to show at any time; the loop fills it. */
export interface RunRecord {
  /** Text of all steps, without drafts. */
  text: string
  /** Text of models that are not to be trusted alone; it comes after `text`. */
  draft: string
  /** Text of the open step: in `text` already, but in no message yet. */
  partial: string
  messages: Message[]
  citations: Citation[]
  /** Number of model calls. */
  steps: number
  /** The step that was started and has not ended. */
  openStep: number | undefined
  usage(): Usage
}

/** A person's answer to a call. */
export interface ApprovalAnswer {
  readonly isApproved: boolean
  readonly why?: string | undefined
}

/** What the loop has of its run. */
export interface RunControl {
  /** Aborts when the run is over, for whatever reason. */
  readonly signal: AbortSignal
  emit(part: StreamPart): void
  /** Resolves when the reader is ready for more. */
  ready(): Promise<void>
  askApproval(callId: string): Promise<ApprovalAnswer>
  /** Ends the run at a limit, with what there is. */
  stopAtLimit(): void
}

/** Starts a run. `execute` gives the reason why it ended, or throws. */
export function startRun(
  record: RunRecord,
  execute: (control: RunControl) => Promise<FinishReason>,
  signal?: AbortSignal,
): AgentRun & { readonly citations: Promise<readonly Citation[]> } {
  return new Run(record, execute, signal)
}

/** An error as data, for parts. */
export function errorInfo({ code, message, hint, retryable, details }: AlcoveError): ErrorInfo {
  const info = { code, message, hint, retryable }
  return Object.keys(details).length === 0 ? info : { ...info, details }
}

class Run extends IterableStream<StreamPart> implements AgentRun {
  readonly #record: RunRecord
  readonly #queue: PartQueue
  readonly #controller = new AbortController()
  readonly #forget: () => void
  readonly #approvals = new Map<string, PromiseWithResolvers<ApprovalAnswer>>()
  readonly #text = deferred<string>()
  readonly #messages = deferred<readonly Message[]>()
  readonly #citations = deferred<readonly Citation[]>()
  readonly #usage = deferred<Usage>()
  readonly #finish = deferred<Finish>()
  #failure: AlcoveError | undefined
  #isSettled = false
  #textStream: ReadableStream<string> | undefined

  constructor(record: RunRecord, execute: (control: RunControl) => Promise<FinishReason>, signal?: AbortSignal) {
    const queue = new PartQueue()
    super(
      {
        async pull(controller) {
          const part = await queue.take()
          if (part !== undefined) controller.enqueue(part)
          if (part?.type === 'finish') controller.close()
        },
        cancel: () => {
          this.#settle('aborted', new AlcoveError('aborted', 'The reader left the run before its end'))
          queue.discard()
        },
      },
      { highWaterMark: 0 },
    )
    this.#record = record
    this.#queue = queue
    this.#forget = onAbort(signal, (aborted) => this.#settle('aborted', abortError(aborted)))
    if (!this.#isSettled) void this.#execute(execute)
  }

  get text(): Promise<string> {
    return this.#drained(this.#text.promise)
  }

  get messages(): Promise<readonly Message[]> {
    return this.#drained(this.#messages.promise)
  }

  get usage(): Promise<Usage> {
    return this.#drained(this.#usage.promise)
  }

  get finish(): Promise<Finish> {
    return this.#drained(this.#finish.promise)
  }

  get citations(): Promise<readonly Citation[]> {
    return this.#drained(this.#citations.promise)
  }

  get textStream(): ReadableStream<string> {
    this.#textStream ??= this.#readText()
    return this.#textStream
  }

  abort(reason?: unknown): void {
    const controller = new AbortController()
    controller.abort(reason ?? new AlcoveError('aborted', 'The run was aborted'))
    this.#settle('aborted', abortError(controller.signal))
  }

  approve(callId: string): void {
    this.#approval(callId).resolve({ isApproved: true })
  }

  deny(callId: string, why?: string): void {
    this.#approval(callId).resolve({ isApproved: false, why })
  }

  /** Made by whichever comes first: the question or the answer. */
  #approval(callId: string): PromiseWithResolvers<ApprovalAnswer> {
    const known = this.#approvals.get(callId) ?? deferred<ApprovalAnswer>()
    this.#approvals.set(callId, known)
    return known
  }

  #drained<T>(promise: Promise<T>): Promise<T> {
    this.#queue.drain()
    return promise
  }

  async #execute(execute: (control: RunControl) => Promise<FinishReason>): Promise<void> {
    try {
      const reason = await execute({
        signal: this.#controller.signal,
        emit: (part) => this.#queue.put(part),
        ready: () => this.#queue.ready(),
        askApproval: (callId) => this.#approval(callId).promise,
        stopAtLimit: () => this.#settle('limit'),
      })
      this.#settle(reason)
    } catch (error) {
      // The signal aborts only after the run has settled, so an error that comes first is a failure.
      this.#settle('error', toAlcoveError(error, 'model-load-failed'))
    }
  }

  /** Ends the run, once: last parts, promises, and the signal that stops whatever is still at work. */
  #settle(reason: FinishReason, failure?: AlcoveError): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#failure = failure
    this.#forget?.()
    const { openStep, steps, text, partial, citations } = this.#record
    const messages: Message[] = [...this.#record.messages]
    if (partial !== '') messages.push({ role: 'assistant', content: partial })
    const usage = this.#record.usage()
    const error = failure && errorInfo(failure)
    const finish: Finish = error ? { reason, steps, error } : { reason, steps }
    if (openStep !== undefined) this.#queue.put({ type: 'step-end', step: openStep })
    this.#queue.put({ type: 'usage', usage })
    if (error && reason === 'error') this.#queue.put({ type: 'error', error })
    this.#queue.put({ type: 'finish', finish })
    this.#queue.close()
    this.#controller.abort(failure ?? new AlcoveError('aborted', 'The run is over'))
    this.#finish.resolve(finish)
    settle(this.#text, text, failure)
    settle(this.#messages, messages, failure)
    settle(this.#usage, usage, failure)
    settle(this.#citations, citations, failure)
  }

  #readText(): ReadableStream<string> {
    if (this.locked) {
      throw new AlcoveError('invalid-argument', 'textStream: the run is being read already', {
        hint: 'Read either the run or its textStream, or await its text.',
      })
    }
    const reader = this.getReader()
    return new IterableStream<string>(
      {
        pull: async (controller) => {
          for (;;) {
            const { done, value } = await reader.read()
            if (done) return this.#failure ? controller.error(this.#failure) : controller.close()
            if (value.type === 'text-delta' && value.role !== 'draft') return controller.enqueue(value.text)
          }
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    )
  }
}

/** A promise whose rejection is no page error when nobody looks at it. */
function deferred<T>(): PromiseWithResolvers<T> {
  let resolve: PromiseWithResolvers<T>['resolve'] = () => {}
  let reject: PromiseWithResolvers<T>['reject'] = () => {}
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  promise.catch(() => {})
  return { promise, resolve, reject }
}

function settle<T>({ resolve, reject }: PromiseWithResolvers<T>, value: T, failure: AlcoveError | undefined): void {
  if (failure) reject(failure)
  else resolve(value)
}
