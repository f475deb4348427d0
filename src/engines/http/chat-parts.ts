import { AlcoveError } from '../../protocol/error.js'
import type { ModelFinishReason, ModelPart, ModelUsage } from '../../protocol/model.js'
import type { Clock } from '../../runtime/clock.js'
import { readAll } from './body.js'
import { brokenOffError, eventError, invalidAnswer } from './errors.js'
import { createSseParser } from './sse.js'
import { type CallDelta, createCallCollector } from './tool-calls.js'
import type { TransportResponse } from './transport.js'

export interface ChatPartsOptions {
  readonly createId: () => string
  readonly clock: Clock
  /** When the request was sent, on the clock. */
  readonly startedAt: number
}

/** A server that never ends its answer is stopped there. */
const MAX_ANSWER_CHARS = 32_000_000
/** Most bytes of an answer that is not streamed. */
const MAX_WHOLE_BYTES = 8_000_000

interface Delta {
  readonly content?: unknown
  readonly reasoning_content?: unknown
  readonly reasoning?: unknown
  readonly refusal?: unknown
  readonly tool_calls?: unknown
}

interface Chunk {
  readonly choices?: unknown
  readonly usage?: unknown
  readonly timings?: unknown
  readonly error?: unknown
}

/**
 * The parts of an answer from `/chat/completions`: of its event stream, or of the one JSON object that a server sends which does not stream.
 * @throws AlcoveError `output-invalid` for what is neither; `network` for a stream that ends before the model did; `http-status` for an error
 * that is reported inside it; `too-large`
 */
export async function* chatParts(response: TransportResponse, options: ChatPartsOptions): AsyncGenerator<ModelPart> {
  const reader = createAnswerReader(response, options)
  if (/\bjson\b/i.test(response.contentType)) {
    yield* reader.read(parseJson(await readAll(response.body, MAX_WHOLE_BYTES), response))
    return yield* reader.end(true)
  }
  if (/\bhtml\b/i.test(response.contentType))
    throw invalidAnswer(response.place, 'a stream of events', 'an HTML page', response.redact)
  const parser = createSseParser()
  let chars = 0
  for await (const bytes of response.body) {
    for (const { event, data } of parser.push(bytes)) {
      chars += data.length
      if (chars > MAX_ANSWER_CHARS)
        throw new AlcoveError('too-large', `${response.place} sent more than ${MAX_ANSWER_CHARS} characters`)
      if (data.trim() === '[DONE]') return yield* reader.end(true)
      yield* reader.readEvent(event, data)
    }
  }
  for (const { event, data } of parser.end()) {
    if (data.trim() === '[DONE]') return yield* reader.end(true)
    // An event that the stream ended in is often half an event.
    if (isJson(data)) yield* reader.readEvent(event, data)
  }
  yield* reader.end(false)
}

function createAnswerReader(response: TransportResponse, { createId, clock, startedAt }: ChatPartsOptions) {
  const { place, redact } = response
  const calls = createCallCollector(createId)
  let reason: ModelFinishReason | undefined
  let usage: Chunk['usage']
  let timings: Chunk['timings']
  let firstAt: number | undefined
  let hasRefused = false
  let chunks = 0

  function* read(value: unknown): Generator<ModelPart> {
    const chunk = value as Chunk | null
    if (typeof chunk !== 'object' || chunk === null)
      throw invalidAnswer(place, 'a chunk of an answer', String(value), redact)
    if (chunk.error !== undefined && chunk.error !== null) throw eventError(chunk, place, redact)
    if (!Array.isArray(chunk.choices) && !chunk.usage) {
      throw invalidAnswer(place, "an object with 'choices'", JSON.stringify(value), redact)
    }
    chunks += 1
    usage = chunk.usage ?? usage
    timings = chunk.timings ?? timings
    const choices = (Array.isArray(chunk.choices) ? chunk.choices : []) as readonly (Record<string, unknown> | null)[]
    const choice = choices.find((each) => each && (each.index === undefined || each.index === 0))
    if (!choice) return
    firstAt ??= clock.now()
    yield* readDelta((choice.delta ?? choice.message ?? {}) as Delta)
    if (typeof choice.finish_reason === 'string') reason = finishReason(choice.finish_reason)
  }

  function* readDelta(delta: Delta): Generator<ModelPart> {
    const reasoning = textOf(delta.reasoning_content) || textOf(delta.reasoning)
    if (reasoning) yield { type: 'reasoning-delta', text: reasoning }
    const text = textOf(delta.content)
    if (text) yield { type: 'text-delta', text }
    const refusal = textOf(delta.refusal)
    if (refusal) {
      hasRefused = true
      yield { type: 'text-delta', text: refusal }
    }
    if (!Array.isArray(delta.tool_calls)) return
    for (const call of delta.tool_calls)
      if (typeof call === 'object' && call !== null) yield* calls.push(call as CallDelta)
  }

  return {
    read,
    *readEvent(event: string, data: string): Generator<ModelPart> {
      const value = parseJson(data, response)
      if (event === 'error') throw eventError(value, place, redact)
      yield* read(value)
    },
    /** @param isDone whether the server said that this is all */
    *end(isDone: boolean): Generator<ModelPart> {
      if (chunks === 0) throw invalidAnswer(place, 'an answer', 'an empty stream', redact)
      if (reason === undefined && !isDone) throw brokenOffError(place, undefined, redact)
      yield* calls.end(reason === 'length')
      const known = readUsage(usage, timings, startedAt, firstAt, clock.now())
      if (known) yield { type: 'model-usage', usage: known }
      const natural = reason === undefined || reason === 'stop' || reason === 'tool-calls'
      const last = hasRefused ? 'content-filter' : !natural ? reason : calls.count > 0 ? 'tool-calls' : 'stop'
      yield { type: 'model-finish', reason: last ?? 'stop' }
    },
  }
}

/** A text, or the texts of a list of content parts, as some servers stream them. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) return ''
  return value.map((part: { text?: unknown } | null) => (typeof part?.text === 'string' ? part.text : '')).join('')
}

const FINISHES: Readonly<Record<string, ModelFinishReason>> = {
  length: 'length',
  max_tokens: 'length',
  tool_calls: 'tool-calls',
  function_call: 'tool-calls',
  content_filter: 'content-filter',
}

const finishReason = (reason: string): ModelFinishReason =>
  (Object.hasOwn(FINISHES, reason) ? FINISHES[reason] : undefined) ?? 'stop'

function readUsage(
  usage: unknown,
  timings: unknown,
  startedAt: number,
  firstAt: number | undefined,
  endedAt: number,
): ModelUsage | undefined {
  const counts = fieldsOf(usage)
  const promptTokens = countOf(counts.prompt_tokens)
  const completionTokens = countOf(counts.completion_tokens)
  if (promptTokens === undefined || completionTokens === undefined) return undefined
  const cached =
    countOf(fieldsOf(counts.prompt_tokens_details).cached_tokens) ?? countOf(counts.prompt_cache_hit_tokens)
  const { prompt_ms: prefillMs, predicted_ms: decodeMs } = fieldsOf(timings)
  return {
    promptTokens,
    completionTokens,
    ...(cached !== undefined && { cachedTokens: Math.min(cached, promptTokens) }),
    prefillMs: countOf(prefillMs) ?? Math.max(0, (firstAt ?? endedAt) - startedAt),
    decodeMs: countOf(decodeMs) ?? Math.max(0, endedAt - (firstAt ?? endedAt)),
  }
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

const countOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined

function parseJson(text: string, { place, redact }: TransportResponse): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalidAnswer(place, 'JSON in an event of the stream', text, redact)
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
