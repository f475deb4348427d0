import { AlcoveError, isAlcoveError } from '../protocol/error.js'
import type { ChatModel, ModelPart, ModelRequest } from '../protocol/model.js'
import { abortable } from '../runtime/abort.js'
import { createSharedStream, type SharedStream } from '../runtime/shared-stream.js'
import { iterate, streamOf } from '../runtime/stream.js'
import type { TieredCache } from '../store/tiered-cache.js'
import { canonicalJson, sha256Hex } from '../text/hash.js'
import { type AnswerCacheMode, frontOf, isCacheable } from './model-front.js'

/** Grows when the key or the form of what is stored changes. */
export const cachedAnswerVersion = 1

/** A complete answer: its parts without status, neighbouring deltas joined, `model-finish` last. */
export interface CachedAnswer {
  readonly parts: readonly ModelPart[]
}

/** `hit`: replayed. `shared`: joined to the same request in flight. `miss`: generated. */
export interface AnswerCacheEvent {
  readonly type: 'hit' | 'shared' | 'miss'
  readonly modelId: string
}

export interface CacheModelOptions {
  /** @default 'auto' */
  readonly mode?: AnswerCacheMode | undefined
  /** Revision of the weights, so that another one does not answer for this. @default none */
  readonly revision?: string | undefined
  /** Told of each request that may be cached. What it throws is ignored. */
  readonly onEvent?: ((event: AnswerCacheEvent) => void) | undefined
}

/**
 * The model with its answers cached. The key is SHA-256 over all that decides the answer: model, revision, messages without
 * their ids, passages, tools, output constraint and sampling, in any order of keys. A hit is a `status` part `cached` and
 * then the parts of the answer; the model is not even loaded. Equal requests in flight share one generation: each caller may
 * abort alone, and the engine stops when the last has gone. Only complete answers are kept. A request with a Blob in it, or
 * with anything else that is not JSON, is not cached.
 */
export function cacheModel(
  model: ChatModel,
  cache: TieredCache<CachedAnswer>,
  options: CacheModelOptions = {},
): ChatModel {
  const { mode = 'auto', revision } = options
  const flights = new Map<string, SharedStream<ModelPart>>()

  function notify(type: AnswerCacheEvent['type']): void {
    try {
      options.onEvent?.({ type, modelId: model.id })
    } catch {
      // A listener that throws must not break the answer.
    }
  }

  function launch(key: string, request: ModelRequest): SharedStream<ModelPart> {
    const flight = createSharedStream<ModelPart>({
      open: (signal) => model.stream(request, { signal }),
      isLast: (part) => part.type === 'model-finish',
      onComplete(parts) {
        const answer = toAnswer(parts)
        if (answer !== undefined) cache.set(key, answer).catch(() => {})
      },
      onEnd() {
        if (flights.get(key) === flight) flights.delete(key)
      },
    })
    flights.set(key, flight)
    return flight
  }

  async function* answer(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    const key = await answerKey(model, request, revision)
    if (key === undefined) return yield* iterate(model.stream(request, { signal }))
    const stored = await abortable(cache.get(key), signal)
    if (stored !== undefined) {
      notify('hit')
      yield { type: 'status', status: 'cached', message: 'This answer was given before.', modelId: model.id }
      return yield* stored.parts
    }
    const running = flights.get(key)
    notify(running === undefined ? 'miss' : 'shared')
    for await (const part of (running ?? launch(key, request)).join(signal)) {
      yield part.type === 'model-usage' ? { ...part, usage: { ...part.usage, cache: 'miss' } } : part
    }
  }

  return frontOf(model, (request, { signal } = {}) =>
    isCacheable(request, mode)
      ? streamOf((inner) => answer(request, inner), { signal })
      : model.stream(request, { signal }),
  )
}

/**
 * The key of a request's answer: `<model id> <SHA-256>`, so that the answers of one model can be cleared by prefix.
 * Undefined when the request has something in it that is not JSON.
 */
export async function answerKey(
  model: Pick<ChatModel, 'id' | 'capabilities'>,
  request: ModelRequest,
  revision?: string,
): Promise<string | undefined> {
  const { messages, passages = [], tools = [], toolChoice = 'auto', output, sampling = {} } = request
  const facts = {
    version: cachedAnswerVersion,
    model: model.id,
    revision,
    dialect: model.capabilities.dialect,
    messages: messages.map(({ role, content, name }) => ({ role, content, name })),
    passages,
    tools,
    toolChoice,
    output,
    sampling,
  }
  try {
    return `${model.id} ${await sha256Hex(canonicalJson(facts))}`
  } catch (error) {
    if (isAlcoveError(error, 'invalid-argument')) return undefined
    throw error
  }
}

/** The stored form of a complete answer; undefined when it must not be kept. */
function toAnswer(parts: readonly ModelPart[]): CachedAnswer | undefined {
  const last = parts.at(-1)
  if (last?.type !== 'model-finish' || last.reason === 'content-filter') return undefined
  const kept: ModelPart[] = []
  for (const part of parts) {
    if (part.type === 'status') continue
    const previous = kept.at(-1)
    const joined = previous === undefined ? undefined : joinDeltas(previous, part)
    if (joined !== undefined) kept[kept.length - 1] = joined
    else kept.push(part.type === 'model-usage' ? withoutTimes(part) : part)
  }
  return { parts: kept }
}

/** One delta for two of the same kind that follow each other. */
function joinDeltas(first: ModelPart, second: ModelPart): ModelPart | undefined {
  if (first.type === 'text-delta' && second.type === 'text-delta' && first.role === second.role) {
    return { ...first, text: first.text + second.text }
  }
  if (first.type === 'reasoning-delta' && second.type === 'reasoning-delta') {
    return { ...first, text: first.text + second.text }
  }
  if (first.type === 'tool-input-delta' && second.type === 'tool-input-delta' && first.callId === second.callId) {
    return { ...first, text: first.text + second.text }
  }
  return undefined
}

/** A replay takes no time and reads no prompt. */
function withoutTimes({ usage }: Extract<ModelPart, { type: 'model-usage' }>): ModelPart {
  const { promptTokens, completionTokens } = usage
  return { type: 'model-usage', usage: { promptTokens, completionTokens, cachedTokens: promptTokens, cache: 'hit' } }
}

/** Whether a stored value is an answer: the `check` of its cache. */
export function isCachedAnswer(value: unknown): value is CachedAnswer {
  const parts: unknown = (value as Partial<CachedAnswer> | null | undefined)?.parts
  if (!Array.isArray(parts)) return false
  const types = parts.map((part: { readonly type?: unknown } | null) => part?.type)
  return types.at(-1) === 'model-finish' && types.every((type) => typeof type === 'string')
}

/**
 * Fills the cache: answers each request, one after the other, with a model that `cacheModel` made. Rejects with the first
 * error, or the signal's.
 */
export async function preloadAnswers(
  model: ChatModel,
  requests: readonly ModelRequest[],
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  for (const request of requests) {
    let isComplete = false
    for await (const part of iterate(model.stream(request, options))) isComplete = part.type === 'model-finish'
    if (!isComplete) throw new AlcoveError('output-invalid', `The model '${model.id}' ended without finishing`)
  }
}
