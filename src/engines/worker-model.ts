import { type Remote, transfer } from 'comlink'
import { AlcoveError, isAlcoveError } from '../protocol/error.js'
import type { ChatModel, ChatModelCapabilities, LoadOptions, ModelPart, ModelRequest } from '../protocol/model.js'
import type { StatusPart } from '../protocol/stream-part.js'
import type { WorkerHost } from '../rpc/worker-host.js'
import { onAbort } from '../runtime/abort.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import { createPartQueue } from '../runtime/part-queue.js'
import { createSharedTask, type SharedTask } from '../runtime/shared-task.js'
import { iterate, streamOf } from '../runtime/stream.js'
import type { InspectOptions, ModelInspection, ModelSpec } from './engine.js'
import type { LlmApi, ModelDescription } from './serve-model.js'

export interface WorkerModelOptions {
  readonly spec: ModelSpec
  readonly host: WorkerHost<LlmApi>
  /** Asked before each load; what it throws is why the model is not loaded. */
  readonly beforeLoad?: ((options: { readonly signal?: AbortSignal | undefined }) => Promise<void>) | undefined
  /** How long an engine may go on after a cancel, before its worker is replaced. @default 5_000 */
  readonly drainMs?: number | undefined
  readonly clock?: Clock | undefined
}

/** What the engines of each scheme can do, until the loaded model itself has said it. */
const GRAMMARS: Readonly<Record<string, ChatModelCapabilities['grammar']>> = {
  webllm: 'ebnf',
  wllama: 'gbnf',
  transformers: 'gbnf',
}
/** Engines that go on from the beginning of an answer, given as a last turn of the assistant. */
const CONTINUING_SCHEMES = ['transformers']
/** How often one answer survives the death of its worker. */
const MAX_RECOVERIES = 2
const UNKNOWN_CONTEXT_TOKENS = 2_048

/**
 * A chat model that runs in a worker. The page never waits for the engine: an abort settles at once, and a worker that is not free
 * soon after is replaced behind it. A stream whose worker dies before its first text starts again behind a `recovered` part; one with
 * text goes on from there, where the engine can.
 */
export function createWorkerModel(options: WorkerModelOptions): ChatModel {
  return new WorkerModel(options)
}

/** What using a model would take; loads nothing. */
export function inspectModel(
  host: WorkerHost<LlmApi>,
  spec: ModelSpec,
  { signal }: InspectOptions = {},
): Promise<ModelInspection> {
  return host.request((api, port) => api.inspect(spec, transfer(port, [port])), { signal })
}

/** Unloads a model and deletes its files from this device. */
export function removeModel(host: WorkerHost<LlmApi>, spec: ModelSpec): Promise<void> {
  return host.call((api) => api.remove(spec))
}

class WorkerModel implements ChatModel {
  readonly id: string
  readonly #options: WorkerModelOptions
  readonly #clock: Clock
  #description: ModelDescription | undefined
  #loading: SharedTask<void, StatusPart> | undefined
  /** The number of restarts of the host when the model was loaded there. */
  #loadedIn: number | undefined

  constructor(options: WorkerModelOptions) {
    this.id = options.spec.id
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  get contextTokens(): number {
    return this.#description?.contextTokens ?? this.#options.spec.contextTokens ?? UNKNOWN_CONTEXT_TOKENS
  }

  get capabilities(): ChatModelCapabilities {
    if (this.#description) return this.#description.capabilities
    const { trust = 'answer', dialect } = this.#options.spec
    const grammar = GRAMMARS[this.#scheme] ?? 'none'
    return { tools: 'none', grammar, inputs: ['text'], prefixReuse: true, trust, ...(dialect && { dialect }) }
  }

  async load(options: LoadOptions = {}): Promise<void> {
    if (this.isLoaded) return
    this.#loading ??= this.#startLoading()
    await this.#loading.join(options)
  }

  stream(request: ModelRequest, { signal }: { readonly signal?: AbortSignal | undefined } = {}) {
    return streamOf<ModelPart>((stopped) => this.#answer(request, stopped), { signal, errorCode: 'worker-crashed' })
  }

  async countTokens(request: ModelRequest): Promise<number> {
    const { host, spec } = this.#options
    return host.call((api) => api.countTokens(spec, request))
  }

  async dispose(): Promise<void> {
    const { host } = this.#options
    this.#loadedIn = undefined
    if (host.state === 'ready' || host.state === 'starting') await host.call((api) => api.dispose(this.id))
  }

  get #scheme(): string {
    return this.id.slice(0, this.id.indexOf(':'))
  }

  get isLoaded(): boolean {
    const { host } = this.#options
    return this.#loadedIn === host.restarts && host.state === 'ready'
  }

  #startLoading(): SharedTask<void, StatusPart> {
    const { host, spec, beforeLoad } = this.#options
    const forget = () => {
      if (this.#loading === task) this.#loading = undefined
    }
    const task = createSharedTask<void, StatusPart>(async ({ signal, report }) => {
      try {
        await beforeLoad?.({ signal })
        const statuses = this.#open<StatusPart>((api, port) => api.load(spec, transfer(port, [port])), signal)
        for await (const status of iterate(statuses)) report(status)
        this.#description = await host.call((api) => api.describe(spec), { signal })
        this.#loadedIn = host.restarts
      } catch (error) {
        this.#replaceWorkerAfter(error)
        throw error
      } finally {
        forget()
      }
    }, forget)
    return task
  }

  async *#answer(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    const written: string[] = []
    for (let attempt = 0; ; attempt++) {
      let isPlainText = true
      try {
        yield* this.#loadInStream(signal)
        for await (const part of iterate(this.#openAnswer(continueFrom(request, written), signal))) {
          if (part.type === 'text-delta') written.push(part.text)
          else if (part.type !== 'status') isPlainText = false
          yield part.type === 'model-usage' && attempt > 0 ? addWritten(part, written) : part
        }
        return
      } catch (error) {
        this.#replaceWorkerAfter(error)
        const isWorkersFault = isAlcoveError(error, 'worker-crashed') || isAlcoveError(error, 'device-lost')
        // A form is held from the beginning of an answer, not from the middle.
        const continues = CONTINUING_SCHEMES.includes(this.#scheme) && request.output === undefined
        const canGoOn = isPlainText && (written.length === 0 || continues)
        if (!isWorkersFault || !canGoOn || attempt >= MAX_RECOVERIES || signal.aborted) throw error
        const message = 'The model’s worker stopped and was started again'
        yield { type: 'status', status: 'recovered', message, modelId: this.id }
      }
    }
  }

  #openAnswer(request: ModelRequest, signal: AbortSignal): ReadableStream<ModelPart> {
    const { spec } = this.#options
    return this.#open<ModelPart>((api, port) => api.stream(spec, request, transfer(port, [port])), signal)
  }

  async *#loadInStream(signal: AbortSignal): AsyncGenerator<StatusPart> {
    if (this.isLoaded) return
    const statuses = createPartQueue<StatusPart>()
    this.load({ signal, onProgress: statuses.push }).then(statuses.end, statuses.fail)
    yield* statuses
  }

  /** A stream of the worker; when it is left and the worker does not come free in time, the worker is replaced. */
  #open<Part>(
    start: (api: Remote<LlmApi>, port: MessagePort) => Promise<void>,
    signal: AbortSignal,
  ): ReadableStream<Part> {
    const { host, drainMs = 5_000 } = this.#options
    let isRunning = false
    const watched = async (api: Remote<LlmApi>, port: MessagePort) => {
      isRunning = true
      try {
        await start(api, port)
      } finally {
        isRunning = false
        cancelTimer()
      }
    }
    let cancelTimer = () => {}
    onAbort(signal, () => {
      const restarts = host.restarts
      if (!isRunning) return
      cancelTimer = this.#clock.setTimer(drainMs, () => {
        if (isRunning && host.restarts === restarts && host.state === 'ready') host.kill(stuck(this.id, drainMs))
      })
    })
    return host.stream<Part>(watched, { signal })
  }

  /** An engine that ran out of memory or lost its device is of no use any more, nor is its worker. */
  #replaceWorkerAfter(error: unknown): void {
    if (!isAlcoveError(error)) return
    if (error.code !== 'out-of-memory' && error.code !== 'device-lost' && !error.details.needsNewWorker) return
    const { host } = this.#options
    this.#loadedIn = undefined
    if (host.state === 'closed') return
    host.kill(new AlcoveError('worker-crashed', `the worker of '${this.id}' was replaced: ${error.message}`))
  }
}

/** The same request, to be answered from what is already written. */
function continueFrom(request: ModelRequest, written: readonly string[]): ModelRequest {
  if (written.length === 0) return request
  const last = request.messages.at(-1)
  const begun = last?.role === 'assistant' && typeof last.content === 'string' ? last.content : undefined
  const content = (begun ?? '') + written.join('')
  const messages = [...(begun === undefined ? request.messages : request.messages.slice(0, -1))]
  const { maxTokens } = request.sampling ?? {}
  return {
    ...request,
    messages: [...messages, { role: 'assistant', content }],
    ...(maxTokens !== undefined && { sampling: { ...request.sampling, maxTokens: maxTokens - written.length } }),
  }
}

/** Usage of the whole answer: what was written before the recovery was no prompt to the caller. A delta is about a token. */
function addWritten(part: Extract<ModelPart, { type: 'model-usage' }>, written: readonly string[]): ModelPart {
  const { promptTokens, completionTokens } = part.usage
  const before = Math.max(written.length - completionTokens, 0)
  return {
    type: 'model-usage',
    usage: {
      ...part.usage,
      promptTokens: Math.max(promptTokens - before, 0),
      completionTokens: completionTokens + before,
    },
  }
}

function stuck(id: string, drainMs: number): AlcoveError {
  return new AlcoveError('worker-crashed', `'${id}' did not stop within ${drainMs} ms, so its worker was replaced`)
}
