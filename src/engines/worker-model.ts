import { type Remote, transfer } from 'comlink'
import { AlcoveError, isAlcoveError } from '../protocol/error.js'
import type {
  ChatModel,
  ChatModelCapabilities,
  LoadOptions,
  ModelPart,
  ModelRequest,
  ModelUsage,
} from '../protocol/model.js'
import type { StatusPart } from '../protocol/stream-part.js'
import type { WorkerHost } from '../rpc/worker-host.js'
import { onAbort } from '../runtime/abort.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import { createPartQueue } from '../runtime/part-queue.js'
import { createSharedTask, type SharedTask } from '../runtime/shared-task.js'
import { iterate, streamOf } from '../runtime/stream.js'
import type { AnswerState, EngineSpeed } from './answer-watch.js'
import type { InspectOptions, ModelInspection, ModelSpec } from './engine.js'
import type { Failure, Verdict } from './recovery.js'
import type { LlmApi, ModelDescription } from './serve-model.js'

/** What was tried, without what the model itself knows. */
type Attempt = Omit<Failure, 'error' | 'spec' | 'contextTokens' | 'device' | 'onFailure'>

export interface WorkerModelOptions {
  readonly spec: ModelSpec
  readonly host: WorkerHost<LlmApi>
  /** Asked before each load; what it throws is why the model is not loaded. */
  readonly beforeLoad?: ((options: { readonly signal?: AbortSignal | undefined }) => Promise<void>) | undefined
  /**
   * Longest time that an engine may go on after a cancel, before its worker is replaced; sooner where a new one would be ready
   * sooner. @default 5_000
   */
  readonly drainMs?: number | undefined
  /** How often one answer, or one load, survives a failure of its engine. @default 2 */
  readonly retries?: number | undefined
  /** `false`: a `load` that runs out of memory is not tried with a shorter context, since who called it does that. @default true */
  readonly shrinksInLoad?: boolean | undefined
  /**
   * Shortest silence of a working engine that is taken for a hang, in milliseconds. It is longer for a long prompt (three times the
   * predicted prefill), and six times as long while nothing is known of the device's speed. @default 30_000
   */
  readonly silenceMs?: number | undefined
  /** Told of each failure of the engine, for who chooses models. What it throws is ignored. */
  readonly onFailure?: ((failure: ModelFailure) => void) | undefined
  readonly clock?: Clock | undefined
}

/** A failure of an engine, and what is done about it. */
export interface ModelFailure {
  readonly modelId: string
  readonly phase: 'load' | 'run'
  readonly error: AlcoveError
  /** Tokens of context that it had or was to have. */
  readonly contextTokens: number
  /** `smaller`: tried again with a shorter context. `none`: the caller gets the error. */
  readonly reaction: 'again' | 'smaller' | 'none'
}

/** What the engines of each scheme can do, until the loaded model itself has said it. */
const GRAMMARS: Readonly<Record<string, ChatModelCapabilities['grammar']>> = {
  webllm: 'ebnf',
  wllama: 'gbnf',
  transformers: 'gbnf',
}
/** Fewer tokens of prompt do not tell how fast prompts are read. */
const MIN_TOLD_TOKENS = 32
const UNKNOWN_CONTEXT_TOKENS = 2_048

/**
 * A chat model that runs in a worker. The page never waits for the engine: an abort settles at once, and a worker that is not free
 * soon after is replaced behind it. A stream whose worker dies, hangs or runs out of memory goes on behind a `recovered` part: anew when it
 * has no text yet, else from its text, where the engine can. What cannot go on ends with one typed error.
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
  /** With less context after memory was short. */
  #spec: ModelSpec
  #speed: EngineSpeed = {}
  /** Which of the host's workers has the model. */
  #loadedIn: number | undefined

  constructor(options: WorkerModelOptions) {
    this.id = options.spec.id
    this.#spec = options.spec
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  get contextTokens(): number {
    return this.#description?.contextTokens ?? this.#spec.contextTokens ?? UNKNOWN_CONTEXT_TOKENS
  }

  get capabilities(): ChatModelCapabilities {
    if (this.#description) return this.#description.capabilities
    const { trust = 'answer', dialect, inputs = ['text'] } = this.#spec
    const grammar = GRAMMARS[this.#scheme] ?? 'none'
    return { tools: 'none', grammar, inputs, prefixReuse: true, trust, ...(dialect && { dialect }) }
  }

  get device(): ChatModel['device'] {
    return this.isLoaded ? this.#description?.device : undefined
  }

  async load(options: LoadOptions = {}): Promise<void> {
    const { retries = 2, shrinksInLoad = true } = this.#options
    const { signal = new AbortController().signal, onProgress } = options
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#loadOnce(options)
      } catch (error) {
        const isMemory = isAlcoveError(error, 'out-of-memory')
        const isOver = signal.aborted || attempt >= retries || (isMemory && !shrinksInLoad)
        const { message } = await this.#goOn(error, { ...NO_ANSWER, phase: 'load', isOver }, signal)
        onProgress?.({ type: 'status', status: 'recovered', message, modelId: this.id })
      }
    }
  }

  stream(request: ModelRequest, { signal }: { readonly signal?: AbortSignal | undefined } = {}) {
    return streamOf<ModelPart>((stopped) => this.#answer(request, stopped), { signal, errorCode: 'worker-crashed' })
  }

  async countTokens(request: ModelRequest): Promise<number> {
    const spec = this.#spec
    return this.#options.host.call((api) => api.countTokens(spec, request))
  }

  async dispose(): Promise<void> {
    const { host } = this.#options
    this.#loadedIn = undefined
    // A download that nobody wants any more would go on, and keep files that were just deleted.
    this.#loading?.cancel(new AlcoveError('aborted', `'${this.id}' was unloaded while it was loading`))
    if (host.state !== 'ready' && host.state !== 'starting') return
    const isEmpty = await host.call((api) => api.dispose(this.id))
    // WebAssembly never gives memory back: what the model took is free when its worker is gone.
    if (isEmpty) host.rest()
  }

  get #scheme(): string {
    return this.id.slice(0, this.id.indexOf(':'))
  }

  get isLoaded(): boolean {
    const { host } = this.#options
    return this.#loadedIn === host.starts && host.state === 'ready'
  }

  async #loadOnce(options: LoadOptions): Promise<void> {
    if (this.isLoaded) return
    this.#loading ??= this.#startLoading()
    await this.#loading.join(options)
  }

  #startLoading(): SharedTask<void, StatusPart> {
    const { host, beforeLoad } = this.#options
    const spec = this.#spec
    const forget = () => {
      if (this.#loading === task) this.#loading = undefined
    }
    const task = createSharedTask<void, StatusPart>(async ({ signal, report }) => {
      try {
        await beforeLoad?.({ signal })
        await this.#loadWatched(spec, signal, report)
        this.#description = await host.call((api) => api.describe(spec), { signal })
        this.#loadedIn = host.starts
      } catch (error) {
        this.#replaceWorkerAfter(error)
        throw error
      } finally {
        forget()
      }
    }, forget)
    return task
  }

  /** While files are fetched, a worker that says nothing must at least answer a call, or it is replaced. Its start may block it for long. */
  async #loadWatched(spec: ModelSpec, signal: AbortSignal, report: (status: StatusPart) => void): Promise<void> {
    const { host, silenceMs = 30_000 } = this.#options
    const statuses = this.#open<StatusPart>((api, port) => api.load(spec, transfer(port, [port])), signal)
    let began = this.#clock.now()
    const state = { parts: 0, isFetching: true }
    const watch = async () => {
      const { watchLoad } = await importWatch()
      const ask = () => host.call((api) => api.describe(spec), { signal })
      if (!hasEnded)
        stop = watchLoad({ clock: this.#clock, state, silenceMs, ask, onSilence: () => this.#killSilent() })
    }
    let hasEnded = false
    let stop = this.#clock.setTimer(silenceMs / 4, () => void watch().catch(() => {}))
    try {
      for await (const status of iterate(statuses)) {
        state.parts++
        state.isFetching = !hasAll(status)
        if (isFetching(status)) began = this.#clock.now()
        report(status)
      }
      this.#speed = { ...this.#speed, loadMs: this.#clock.now() - began }
    } finally {
      hasEnded = true
      stop()
    }
  }

  #killSilent(): void {
    this.#options.host.kill(new AlcoveError('worker-crashed', `'${this.id}' hangs: it gave no sign of life`))
  }

  async *#answer(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    const { retries = 2 } = this.#options
    const written: string[] = []
    let isPlainText = true
    let wanted = request
    let adapt = (part: ModelPart) => part
    let first: unknown
    for (let attempt = 0; ; attempt++) {
      let phase: ModelFailure['phase'] = 'load'
      try {
        yield* this.#loadInStream(signal)
        phase = 'run'
        for await (const part of this.#watchedParts(wanted, signal)) {
          if (part.type === 'text-delta') written.push(part.text)
          else if (part.type === 'model-usage') this.#noteUsage(part.usage)
          else if (part.type !== 'status' && part.type !== 'model-finish') isPlainText = false
          yield adapt(part)
        }
        // For the next answer, which may break off where no file can be fetched.
        void Promise.all([importRecovery(), importWatch()]).catch(() => {})
        return
      } catch (error) {
        const isOver = signal.aborted || attempt >= retries
        const next = await this.#goOn(error, { request, written, isPlainText, phase, isOver, first }, signal)
        first ??= error
        wanted = next.request
        adapt = next.adapt
        yield { type: 'status', status: 'recovered', message: next.message, modelId: this.id }
      }
    }
  }

  /**
   * Decides how to go on after a failure, and replaces the worker where it cannot be used again.
   * @throws what the caller is told, when there is no way
   */
  async #goOn(error: unknown, answer: Attempt, signal: AbortSignal): Promise<NonNullable<Verdict['next']>> {
    const { contextTokens } = this
    const spec = this.#spec
    const device = this.#description?.device
    const recovery = signal.aborted ? undefined : await importRecovery().catch(() => undefined)
    this.#replaceWorkerAfter(error)
    const { onFailure } = this.#options
    const verdict = recovery?.judgeFailure({ ...answer, error, spec, contextTokens, device, onFailure })
    const next = verdict?.next
    if (!next || signal.aborted) throw verdict ? verdict.error : error
    this.#spec = next.spec
    return next
  }

  /** The parts of an answer. A worker that is silent for too long while one is awaited is replaced. */
  async *#watchedParts(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    const { silenceMs = 30_000 } = this.#options
    const spec = this.#spec
    const state: AnswerState = { request, isWaiting: true, isQueued: false, isReading: true, parts: 0 }
    const start = (api: Remote<LlmApi>, port: MessagePort) => api.stream(spec, request, transfer(port, [port]))
    const parts = iterate(this.#open<ModelPart>(start, signal, state))
    let hasEnded = false
    const onSilence = () => this.#killSilent()
    const watch = async () => {
      const { watchAnswer } = await importWatch()
      if (hasEnded) return
      stop = watchAnswer({ clock: this.#clock, state, silenceMs, speed: () => this.#speed, onSilence })
    }
    // Most answers are over before there is anything to watch, so the code for it is fetched late.
    let stop = this.#clock.setTimer(silenceMs / 4, () => void watch().catch(() => {}))
    try {
      for (;;) {
        state.isWaiting = true
        const { done, value } = await parts.next()
        state.isWaiting = false
        if (done) return
        state.parts++
        state.isQueued = value.type === 'status' && value.status === 'queued'
        state.isReading = value.type === 'status'
        yield value
      }
    } finally {
      hasEnded = true
      stop()
      await parts.return?.()
    }
  }

  #noteUsage(usage: ModelUsage): void {
    if (usage.promptTokens - (usage.cachedTokens ?? 0) >= MIN_TOLD_TOKENS) this.#speed = { ...this.#speed, usage }
  }

  async *#loadInStream(signal: AbortSignal): AsyncGenerator<StatusPart> {
    if (this.isLoaded) return
    const statuses = createPartQueue<StatusPart>()
    this.#loadOnce({ signal, onProgress: statuses.push }).then(statuses.end, statuses.fail)
    yield* statuses
  }

  /** A stream of the worker; when it is left and the worker does not come free in time, the worker is replaced. */
  #open<Part>(
    start: (api: Remote<LlmApi>, port: MessagePort) => Promise<void>,
    signal: AbortSignal,
    state?: AnswerState,
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
    const replace = async (starts: number) => {
      const watch = await importWatch().catch(() => undefined)
      const limitMs = watch?.drainLimitMs(state, this.#speed, drainMs) ?? drainMs
      if (!isRunning) return
      cancelTimer = this.#clock.setTimer(limitMs, () => {
        if (isRunning && host.starts === starts && host.state === 'ready') host.kill(stuck(this.id, limitMs))
      })
    }
    onAbort(signal, () => {
      if (isRunning) void replace(host.starts)
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

/** A load that nobody asks anything of yet. */
const NO_ANSWER = { request: { messages: [] }, written: [], isPlainText: true, first: undefined }

const isFetching = ({ loadedBytes, totalBytes }: StatusPart) =>
  loadedBytes !== undefined && totalBytes !== undefined && loadedBytes < totalBytes

/** The files are here, and the engine starts. */
const hasAll = ({ loadedBytes = 0, totalBytes = 0 }: StatusPart) => totalBytes > 0 && loadedBytes >= totalBytes

/** Fetched when something was answered, takes long, was aborted or has failed: no page pays for it before its first text. */
const importRecovery = () => import('./recovery.js')
const importWatch = () => import('./answer-watch.js')

function stuck(id: string, drainMs: number): AlcoveError {
  return new AlcoveError('worker-crashed', `'${id}' did not stop within ${drainMs} ms, so its worker was replaced`)
}
