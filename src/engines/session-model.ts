import type { ChatModel, ChatModelCapabilities, LoadOptions, ModelPart, ModelRequest } from '../protocol/model.js'
import type { StatusPart } from '../protocol/stream-part.js'
import { createLoadOnce } from '../runtime/load-once.js'
import { createPartQueue } from '../runtime/part-queue.js'
import { createTurnQueue } from '../runtime/turn-queue.js'
import { drainedStream } from './drained-stream.js'
import { estimateTokens } from './flat-messages.js'
import { waitForTurn } from './wait-turn.js'

/** A loaded model: one request at a time. */
export interface ModelSession {
  readonly contextTokens: number
  /** It cannot be used again, or should not: the next call opens a new one. */
  readonly spent: boolean
  /**
   * Answers a request. When `signal` aborts or the generator is left, it stops the engine; it ends only when the engine is free for
   * the next request.
   */
  generate(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart>
  countTokens(request: ModelRequest): Promise<number>
  /** Frees memory. What still runs fails. Never rejects. */
  close(): Promise<void>
}

export interface OpenContext {
  readonly signal: AbortSignal
  report(status: StatusPart): void
}

export interface SessionModelOptions {
  readonly id: string
  readonly capabilities: ChatModelCapabilities
  readonly device?: ChatModel['device']
  /** What is known before it is loaded. */
  readonly contextTokens: number
  /** Loads the model. After its signal has aborted, what it opens is closed at once. */
  open(context: OpenContext): Promise<ModelSession>
  /** `true`: a `dispose` ends the answer under way, else that is finished first: another model may take over in the middle of it. @default false */
  readonly disposesAtOnce?: boolean | undefined
  /** Refuses a request that the engine must not see, before anything is loaded. */
  check(request: ModelRequest): void
}

/**
 * A `ChatModel` over sessions: opens one with the first use, shares that load between callers, runs requests one by one, and opens a
 * new session when the last one is spent. Before the model is loaded `countTokens` is an estimate that is too high, not too low.
 */
export function createSessionModel(options: SessionModelOptions): ChatModel {
  const { open } = options
  const sessions = createLoadOnce<ModelSession, StatusPart>({ open, closeLate: (late) => late.close() })
  const turns = createTurnQueue()

  async function ensure(loadOptions?: LoadOptions): Promise<ModelSession> {
    if (sessions.value?.spent) await sessions.unload()?.close()
    return await sessions.load(loadOptions)
  }

  async function* ready(signal: AbortSignal): AsyncGenerator<StatusPart, ModelSession> {
    const statuses = createPartQueue<StatusPart>()
    const opened = ensure({ signal, onProgress: (status) => statuses.push(status) })
    opened.then(statuses.end, statuses.fail)
    yield* statuses
    return opened
  }

  async function* run(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    options.check(request)
    const release = yield* waitForTurn(turns, options.id, request, signal)
    try {
      const current = yield* ready(signal)
      yield* current.generate(request, signal)
    } finally {
      release()
    }
  }

  return {
    id: options.id,
    get contextTokens() {
      return sessions.value?.contextTokens ?? options.contextTokens
    },
    capabilities: options.capabilities,
    get device() {
      return sessions.value && options.device
    },
    get isLoaded() {
      return sessions.value !== undefined && !sessions.value.spent
    },
    async load(loadOptions) {
      await ensure(loadOptions)
    },
    stream: (request, { signal } = {}) => drainedStream((inner) => run(request, inner), signal),
    async countTokens(request) {
      const estimate = () => estimateTokens(request, options.capabilities.inputs.includes('image'))
      if (sessions.value?.spent ?? true) return estimate()
      const release = await turns.enter()
      try {
        const session = sessions.value
        return session && !session.spent ? await session.countTokens(request) : estimate()
      } finally {
        release()
      }
    },
    async dispose() {
      const isAtWork = sessions.value !== undefined && !options.disposesAtOnce
      const release = isAtWork ? await turns.enter() : undefined
      try {
        await sessions.unload()?.close()
      } finally {
        release?.()
      }
    },
  }
}
