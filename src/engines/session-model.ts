import { AlcoveError } from '../protocol/error.js'
import type { ChatModel, ChatModelCapabilities, LoadOptions, ModelPart, ModelRequest } from '../protocol/model.js'
import type { StatusPart } from '../protocol/stream-part.js'
import { createPartQueue } from '../runtime/part-queue.js'
import { createSharedTask, type SharedTask } from '../runtime/shared-task.js'
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
  let session: ModelSession | undefined
  let loading: SharedTask<ModelSession, StatusPart> | undefined
  const turns = createTurnQueue()

  function startLoading(): SharedTask<ModelSession, StatusPart> {
    const forget = () => {
      if (loading === task) loading = undefined
    }
    const task = createSharedTask<ModelSession, StatusPart>(async (context) => {
      try {
        const opened = await options.open(context)
        if (context.signal.aborted || loading !== task) {
          await opened.close()
          throw new AlcoveError('aborted', 'The model was disposed of while it was loading')
        }
        session = opened
        return opened
      } finally {
        forget()
      }
    }, forget)
    return task
  }

  async function ensure({ signal, onProgress }: LoadOptions = {}): Promise<ModelSession> {
    if (session?.spent) {
      const old = session
      session = undefined
      await old.close()
    }
    if (session) return session
    loading ??= startLoading()
    return loading.join({ signal, onProgress })
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
      return session?.contextTokens ?? options.contextTokens
    },
    capabilities: options.capabilities,
    get device() {
      return session && options.device
    },
    get isLoaded() {
      return session !== undefined && !session.spent
    },
    async load(loadOptions) {
      await ensure(loadOptions)
    },
    stream: (request, { signal } = {}) => drainedStream((inner) => run(request, inner), signal),
    async countTokens(request) {
      const estimate = () => estimateTokens(request, options.capabilities.inputs.includes('image'))
      if (!session || session.spent) return estimate()
      const release = await turns.enter()
      try {
        return session && !session.spent ? await session.countTokens(request) : estimate()
      } finally {
        release()
      }
    },
    async dispose() {
      loading = undefined
      if (!session) return
      const release = options.disposesAtOnce ? undefined : await turns.enter()
      try {
        const old = session
        session = undefined
        await old?.close()
      } finally {
        release?.()
      }
    },
  }
}
