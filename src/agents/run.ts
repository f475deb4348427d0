import type { Citation } from '../protocol/corpus.js'
import { AlcoveError, toAlcoveError } from '../protocol/error.js'
import type { Message } from '../protocol/message.js'
import type { ErrorInfo, Finish, FinishReason, StreamPart, Usage } from '../protocol/stream-part.js'
import { abortError, onAbort } from '../runtime/abort.js'
import type { PartialObject } from './options.js'
import { PartQueue } from './part-queue.js'
import { IterableStream, readObject, readText } from './run-readers.js'
import type { RunState } from './run-state.js'

/**
 * An agent's run. It has started already.
 *
 * It is a stream of parts: deltas in order, `finish` last, and reading it never throws. A reader that leaves early cancels it, a slow reader
 * slows the model. Touching `text`, `messages`, `usage` or `finish` makes it go on by itself; unread deltas are then merged.
 */
export interface AgentRun<Output = undefined> extends ReadableStream<StreamPart> {
  /**
   * The text alone. Takes the run's reader; errors where the run fails or is aborted.
   * @throws AlcoveError `invalid-argument` when the run is being read already
   */
  readonly textStream: ReadableStream<string>
  /**
   * With a schema: the growing object, each time whole; the last one is checked. Takes the run's reader; errors where the run does.
   * @throws AlcoveError `invalid-argument` when there is no schema, or the run is being read already
   */
  readonly partialObject: ReadableStream<PartialObject<Output>>
  /**
   * With a schema: the checked object; undefined when the run has paused. Rejects like `text`, and with `output-invalid` when the run ended
   * without an answer that fits.
   */
  readonly object: Promise<Output>
  /** The text of all steps, in order, without drafts. Like `messages` and `usage` it rejects when the run is aborted, left early or fails. */
  readonly text: Promise<string>
  /** The messages that the run added to the conversation. */
  readonly messages: Promise<readonly Message[]>
  readonly usage: Promise<Usage>
  /** How the run ended. Always resolves. */
  readonly finish: Promise<Finish>
  /** Ends the run now, whatever it is doing. */
  abort(reason?: unknown): void
  /**
   * While the run waits for approvals, and after it was left or aborted there: what `agent.resume` goes on from. Else undefined. It is there
   * when the `approval-request` is told.
   */
  readonly state: RunState | undefined
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
  /** The answer as an object; undefined where none was asked for, or none is there yet. */
  object: { readonly value: unknown } | undefined
  readonly wantsObject: boolean
  /** The state to go on from, while calls wait for a person. */
  state: (() => RunState) | undefined
  usage(): Usage
  /** Called once, when the run has settled: with the messages that it added and how it ended. */
  onSettled?: (messages: readonly Message[], finish: Finish) => void
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
  /** Ends the run with an error, whatever the loop is doing. */
  fail(error: unknown): void
}

/** Starts a run. `execute` gives the reason why it ended, or throws. */
export function startRun(
  record: RunRecord,
  execute: (control: RunControl) => Promise<FinishReason>,
  signal?: AbortSignal,
): AgentRun<unknown> & { readonly citations: Promise<readonly Citation[]> } {
  return new Run(record, execute, signal)
}

/** An error as data, for parts. */
export function errorInfo({ code, message, hint, retryable, details }: AlcoveError): ErrorInfo {
  const info = { code, message, hint, retryable }
  return Object.keys(details).length === 0 ? info : { ...info, details }
}

class Run extends IterableStream<StreamPart> implements AgentRun<unknown> {
  readonly #record: RunRecord
  readonly #queue: PartQueue
  readonly #controller = new AbortController()
  readonly #forget: () => void
  readonly #approvals = new Map<string, PromiseWithResolvers<ApprovalAnswer>>()
  readonly #text = deferred<string>()
  readonly #messages = deferred<readonly Message[]>()
  readonly #citations = deferred<readonly Citation[]>()
  readonly #usage = deferred<Usage>()
  readonly #object = deferred<unknown>()
  readonly #finish = deferred<Finish>()
  #failure: AlcoveError | undefined
  #isSettled = false
  #textStream: ReadableStream<string> | undefined
  #partialObject: ReadableStream<unknown> | undefined

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

  get object(): Promise<unknown> {
    return this.#drained(this.#object.promise)
  }

  get textStream(): ReadableStream<string> {
    this.#textStream ??= readText(this.#takeReader('textStream'), () => this.#failure)
    return this.#textStream
  }

  get partialObject(): ReadableStream<unknown> {
    if (!this.#record.wantsObject) throw new AlcoveError('invalid-argument', 'partialObject: the run has no schema')
    this.#partialObject ??= readObject(this.#takeReader('partialObject'), () => this.#object.promise)
    return this.#partialObject
  }

  get state(): RunState | undefined {
    return this.#record.state?.()
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
        fail: (error) => this.#fail(error),
      })
      this.#settle(reason)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The signal aborts only after the run has settled, so an error that comes first is a failure. */
  #fail(error: unknown): void {
    this.#settle('error', toAlcoveError(error, 'model-load-failed'))
  }

  /** Ends the run, once: last parts, promises, and the signal that stops whatever is still at work. */
  #settle(reason: FinishReason, failure?: AlcoveError): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#failure = failure
    this.#forget?.()
    const state = this.#record.state?.()
    this.#record.state = state && (() => state)
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
    this.#record.onSettled?.(messages, finish)
    this.#controller.abort(failure ?? new AlcoveError('aborted', 'The run is over'))
    this.#finish.resolve(finish)
    settle(this.#text, text, failure)
    settle(this.#messages, messages, failure)
    settle(this.#usage, usage, failure)
    settle(this.#citations, citations, failure)
    const { object, wantsObject } = this.#record
    const lacksObject = wantsObject && object === undefined && reason !== 'paused'
    settle(this.#object, object?.value, failure ?? (lacksObject ? noObject(reason) : undefined))
  }

  #takeReader(name: string): ReadableStreamDefaultReader<StreamPart> {
    if (!this.locked) return this.getReader()
    throw new AlcoveError('invalid-argument', `${name}: the run is being read already`, {
      hint: 'Read the run in one way only, or await its promises.',
    })
  }
}

function noObject(reason: FinishReason): AlcoveError {
  return new AlcoveError('output-invalid', `The run ended (${reason}) without an answer that fits the schema`)
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
