import { AlcoveError, isAlcoveError, toAlcoveError } from '../protocol/error.js'
import type { ChatModel, ModelPart, ModelRequest } from '../protocol/model.js'
import { throwIfAborted } from '../runtime/abort.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import { streamOf } from '../runtime/stream.js'

/** A call that a scripted turn makes. */
export interface ScriptedToolCall {
  readonly name: string
  /** @default {} */
  readonly input?: unknown
  /** @default numbered: `call-1`, `call-2`, … */
  readonly callId?: string | undefined
}

/** What the model says in one turn: reasoning first, then text, then calls, then the error. */
export interface ScriptedTurn {
  readonly text?: string | undefined
  readonly toolCalls?: readonly ScriptedToolCall[] | undefined
  readonly reasoning?: string | undefined
  /** Ends the turn with this error; an `AlcoveError` stays as it is. */
  readonly error?: unknown
}

/** A turn: its text, its parts, or a function of the request that gives one of these. */
export type ScriptedTurnSource =
  | string
  | ScriptedTurn
  | ((request: ModelRequest) => string | ScriptedTurn | Promise<string | ScriptedTurn>)

export interface ScriptedModelOptions {
  /** Wait before each part. @default 0 */
  readonly delayMs?: number | undefined
  /** Code points in a delta. @default all at once */
  readonly chunkSize?: number | undefined
  /** @default 8192 */
  readonly contextTokens?: number | undefined
  /** @default UTF-8 bytes of the request's texts, tools and calls, divided by 4 and rounded up */
  readonly countTokens?: ((request: ModelRequest) => number | Promise<number>) | undefined
  /** @default 'scripted' */
  readonly id?: string | undefined
  /** @default 'answer' */
  readonly trust?: 'answer' | 'draft' | undefined
  /** @default the system's clock */
  readonly clock?: Clock | undefined
}

/** A chat model that says what a test wrote down. */
export interface ScriptedModel extends ChatModel {
  /** The requests that it received, in order. */
  readonly requests: ModelRequest[]
}

/**
 * A chat model for tests: its n-th call answers with the n-th turn, and a call past the last one fails with `invalid-argument`.
 * It takes tools natively; an agent that names a dialect has its text parsed all the same.
 */
export function scriptedModel(
  turns: readonly ScriptedTurnSource[] | ScriptedTurnSource,
  options: ScriptedModelOptions = {},
): ScriptedModel {
  const script = Array.isArray(turns) ? (turns as readonly ScriptedTurnSource[]) : [turns as ScriptedTurnSource]
  const { delayMs = 0, chunkSize = Number.POSITIVE_INFINITY, contextTokens = 8192, clock = systemClock } = options
  if (!(chunkSize >= 1)) {
    throw new AlcoveError('invalid-argument', `scriptedModel: expected a chunkSize of at least 1, got ${chunkSize}`)
  }
  const requests: ModelRequest[] = []
  const ids = { next: 1 }
  const countTokens = async (request: ModelRequest) => await (options.countTokens ?? estimateTokens)(request)

  async function* answer(request: ModelRequest, place: number, signal: AbortSignal): AsyncGenerator<ModelPart> {
    const source = script[place]
    if (source === undefined) {
      throw new AlcoveError('invalid-argument', `scriptedModel: got request ${place + 1}, expected ${script.length}`)
    }
    const given = typeof source === 'function' ? await source(request) : source
    const turn = typeof given === 'string' ? { text: given } : given
    for (const part of turnParts(turn, chunkSize, ids)) {
      if (delayMs > 0) await clock.sleep(delayMs, signal)
      throwIfAborted(signal)
      yield part
    }
    if (turn.error !== undefined) throw scriptedError(turn.error)
    const completionTokens = tokensOf(`${turn.reasoning ?? ''}${turn.text ?? ''}${callsText(turn)}`)
    yield { type: 'model-usage', usage: { promptTokens: await countTokens(request), completionTokens } }
    yield { type: 'model-finish', reason: turn.toolCalls?.length ? 'tool-calls' : 'stop' }
  }

  return {
    id: options.id ?? 'scripted',
    contextTokens,
    capabilities: {
      tools: 'native',
      grammar: 'none',
      inputs: ['text', 'image', 'audio'],
      prefixReuse: false,
      trust: options.trust ?? 'answer',
    },
    requests,
    load: async (load) => throwIfAborted(load?.signal),
    stream(request, { signal } = {}) {
      const place = requests.length
      requests.push(request)
      return streamOf((inner) => answer(request, place, inner), { signal })
    },
    countTokens,
    dispose: async () => {},
  }
}

function* turnParts(turn: ScriptedTurn, chunkSize: number, ids: { next: number }): Generator<ModelPart> {
  for (const text of chunks(turn.reasoning ?? '', chunkSize)) yield { type: 'reasoning-delta', text }
  for (const text of chunks(turn.text ?? '', chunkSize)) yield { type: 'text-delta', text }
  for (const { name, input = {}, callId = `call-${ids.next++}` } of turn.toolCalls ?? []) {
    for (const text of chunks(JSON.stringify(input) ?? '', chunkSize)) {
      yield { type: 'tool-input-delta', callId, name, text }
    }
    yield { type: 'tool-call', callId, name, input }
  }
}

/** The text in pieces of so many code points. */
function* chunks(text: string, size: number): Generator<string> {
  if (text === '') return
  if (size === Number.POSITIVE_INFINITY) {
    yield text
    return
  }
  let piece = ''
  let length = 0
  for (const character of text) {
    piece += character
    if (++length < size) continue
    yield piece
    piece = ''
    length = 0
  }
  if (piece !== '') yield piece
}

function scriptedError(error: unknown): AlcoveError {
  return isAlcoveError(error) ? error : toAlcoveError(error, 'model-load-failed')
}

function estimateTokens(request: ModelRequest): number {
  const texts = request.messages.map(({ content }) =>
    typeof content === 'string'
      ? content
      : content
          .map((part) => {
            if (part.type === 'text' || part.type === 'reasoning') return part.text
            if (part.type === 'tool-call') return `${part.name}${JSON.stringify(part.input) ?? ''}`
            if (part.type === 'tool-result') return outputText(part.output)
            return ''
          })
          .join(''),
  )
  if (request.tools !== undefined && request.tools.length > 0) texts.push(JSON.stringify(request.tools))
  return tokensOf(texts.join(''))
}

function outputText(output: unknown): string {
  return typeof output === 'string' ? output : (JSON.stringify(output) ?? '')
}

function callsText(turn: ScriptedTurn): string {
  return turn.toolCalls?.length ? JSON.stringify(turn.toolCalls) : ''
}

function tokensOf(text: string): number {
  return Math.ceil(new TextEncoder().encode(text).length / 4)
}
