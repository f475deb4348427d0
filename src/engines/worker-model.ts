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
import { watchSilence } from '../rpc/liveness.js'
import type { WorkerHost } from '../rpc/worker-host.js'
import { onAbort } from '../runtime/abort.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import { createPartQueue } from '../runtime/part-queue.js'
import { createSharedTask, type SharedTask } from '../runtime/shared-task.js'
import { iterate, streamOf } from '../runtime/stream.js'
import type { InspectOptions, ModelInspection, ModelSpec } from './engine.js'
import type { BrokenAnswer, Recovery } from './recovery.js'
import type { LlmApi, ModelDescription } from './serve-model.js'

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
  /** How often one answer survives a failure of its engine. @default 2 */
  readonly retries?: number | undefined
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
const UNKNOWN_SPEED_FACTOR = 6
const MIN_DRAIN_MS = 500
/** llama.cpp reads so many tokens at a time, and hears of a cancel in between; the other engines stop sooner. */
const BATCH_TOKENS = 64
const CHARACTERS_A_TOKEN = 3
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
  /** How long the engine took to start, its files being here. */
  #loadMs: number | undefined
  /** How fast it reads prompts. */
  #tokensPerMs: number | undefined
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
    const { trust = 'answer', dialect } = this.#spec
    const grammar = GRAMMARS[this.#scheme] ?? 'none'
    return { tools: 'none', grammar, inputs: ['text'], prefixReuse: true, trust, ...(dialect && { dialect }) }
  }

  get device(): ChatModel['device'] {
    return this.isLoaded ? this.#description?.device : undefined
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
    const spec = this.#spec
    return this.#options.host.call((api) => api.countTokens(spec, request))
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
    return this.#loadedIn === host.starts && host.state === 'ready'
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
        const statuses = this.#open<StatusPart>((api, port) => api.load(spec, transfer(port, [port])), signal)
        let began = this.#clock.now()
        for await (const status of iterate(statuses)) {
          if (isFetching(status)) began = this.#clock.now()
          report(status)
        }
        this.#loadMs = this.#clock.now() - began
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

  async *#answer(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    const { retries = 2 } = this.#options
    const written: string[] = []
    let isPlainText = true
    let wanted = request
    let first: unknown
    for (let attempt = 0; ; attempt++) {
      const given = written.length
      let phase: ModelFailure['phase'] = 'load'
      try {
        yield* this.#loadInStream(signal)
        phase = 'run'
        for await (const part of this.#heardParts(wanted, signal)) {
          if (part.type === 'text-delta') written.push(part.text)
          else if (part.type === 'model-usage') this.#noteSpeed(part.usage)
          else if (part.type !== 'status' && part.type !== 'model-finish') isPlainText = false
          yield part.type === 'model-usage' && given > 0 ? await withWritten(part, written.slice(0, given)) : part
        }
        // For the next answer, which may break off where no file can be fetched.
        void importRecovery().catch(() => {})
        return
      } catch (error) {
        const broken = { error, spec: this.#spec, contextTokens: this.contextTokens, request, written, isPlainText }
        const recovery = signal.aborted || attempt >= retries ? undefined : await planAfter(broken)
        this.#replaceWorkerAfter(error)
        this.#tellFailure(error, phase, recovery && (recovery.spec === this.#spec ? 'again' : 'smaller'))
        // An engine that refuses to go on says so in words that mean nothing to who asked for a whole answer.
        if (!recovery || signal.aborted) throw given > 0 && isAlcoveError(error, 'invalid-argument') ? first : error
        first = error
        this.#spec = recovery.spec
        wanted = recovery.request
        yield { type: 'status', status: 'recovered', message: recovery.message, modelId: this.id }
      }
    }
  }

  /** The parts of an answer. A worker that is silent for too long while one is awaited is replaced. */
  async *#heardParts(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    const { host } = this.#options
    const state: AnswerState = { isReading: true, promptTokens: sizeOf(request) }
    const parts = iterate(this.#openAnswer(request, signal, state))
    let isWaiting = false
    const watch = watchSilence({
      clock: this.#clock,
      limitMs: () => this.#silenceMs(state.promptTokens),
      // Who waits in the queue hears nothing; the one in front of it is watched.
      isWaiting: () => isWaiting && !state.isQueued,
      onSilence: () => host.kill(new AlcoveError('worker-crashed', `'${this.id}' hangs: it gave no sign of life`)),
    })
    try {
      for (;;) {
        isWaiting = true
        const { done, value } = await parts.next()
        isWaiting = false
        if (done) return
        watch.heard()
        state.isQueued = value.type === 'status' && value.status === 'queued'
        state.isReading = value.type === 'status'
        yield value
      }
    } finally {
      watch.stop()
      await parts.return?.()
    }
  }

  #silenceMs(promptTokens: number): number {
    const { silenceMs = 30_000 } = this.#options
    if (this.#tokensPerMs === undefined) return silenceMs * UNKNOWN_SPEED_FACTOR
    return Math.max(silenceMs, (3 * promptTokens) / this.#tokensPerMs)
  }

  /** How fast prompts are read, where one was long enough to tell. */
  #noteSpeed({ promptTokens, cachedTokens = 0, prefillMs }: ModelUsage): void {
    const tokens = promptTokens - cachedTokens
    if (prefillMs && tokens >= BATCH_TOKENS / 2) this.#tokensPerMs = tokens / prefillMs
  }

  /** How long to wait for an engine that was told to stop: at most about as long as a new one would take. */
  #drainMs({ isReading, promptTokens }: AnswerState): number {
    const { drainMs = 5_000 } = this.#options
    if (this.#loadMs === undefined) return drainMs
    const stepMs = isReading && this.#tokensPerMs ? Math.min(promptTokens, BATCH_TOKENS) / this.#tokensPerMs : 0
    if (stepMs > 2 * this.#loadMs + MIN_DRAIN_MS) return 0
    return Math.min(drainMs, Math.max(MIN_DRAIN_MS, this.#loadMs, 2 * stepMs))
  }

  #tellFailure(error: unknown, phase: ModelFailure['phase'], reaction: ModelFailure['reaction'] = 'none'): void {
    if (!isAlcoveError(error) || error.code === 'aborted') return
    try {
      this.#options.onFailure?.({ modelId: this.id, phase, error, contextTokens: this.contextTokens, reaction })
    } catch {
      // A listener that throws must not break the answer.
    }
  }

  #openAnswer(request: ModelRequest, signal: AbortSignal, state: AnswerState): ReadableStream<ModelPart> {
    const spec = this.#spec
    const start = (api: Remote<LlmApi>, port: MessagePort) => api.stream(spec, request, transfer(port, [port]))
    return this.#open<ModelPart>(start, signal, () => this.#drainMs(state))
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
    limitMs: () => number = () => this.#options.drainMs ?? 5_000,
  ): ReadableStream<Part> {
    const { host } = this.#options
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
      const { starts } = host
      if (!isRunning) return
      const drainMs = limitMs()
      cancelTimer = this.#clock.setTimer(drainMs, () => {
        if (isRunning && host.starts === starts && host.state === 'ready') host.kill(stuck(this.id, drainMs))
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

/** What is known of an answer under way. */
interface AnswerState {
  isReading: boolean
  isQueued?: boolean
  readonly promptTokens: number
}

/** Tokens of a prompt, about. */
const sizeOf = ({ messages }: ModelRequest) => JSON.stringify(messages).length / CHARACTERS_A_TOKEN

const isFetching = ({ loadedBytes, totalBytes }: StatusPart) =>
  loadedBytes !== undefined && totalBytes !== undefined && loadedBytes < totalBytes

/** Its code is fetched when something was answered or has failed: few pages need it, and none before the first text. */
const importRecovery = () => import('./recovery.js')

async function planAfter(broken: BrokenAnswer): Promise<(Recovery & { readonly request: ModelRequest }) | undefined> {
  const recovery = await importRecovery().catch(() => undefined)
  const plan = recovery?.planRecovery(broken)
  return plan && { ...plan, request: recovery?.continueFrom(broken.request, broken.written) ?? broken.request }
}

async function withWritten(part: Extract<ModelPart, { type: 'model-usage' }>, before: readonly string[]) {
  return (await importRecovery()).addWritten(part, before)
}

function stuck(id: string, drainMs: number): AlcoveError {
  return new AlcoveError('worker-crashed', `'${id}' did not stop within ${drainMs} ms, so its worker was replaced`)
}
