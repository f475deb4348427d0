import type { Wllama } from '@wllama/wllama/esm/index.js'
import { AlcoveError } from '../../protocol/error.js'
import type { ModelPart, ModelRequest } from '../../protocol/model.js'
import { onAbort } from '../../runtime/abort.js'
import { createPartQueue } from '../../runtime/part-queue.js'
import { estimateTokens, flattenMessages } from '../flat-messages.js'
import type { ModelSession } from '../session-model.js'
import { isFatal, overflowOf, requestError } from './errors.js'
import {
  chatBody,
  completionBody,
  createChunkReader,
  promptOf,
  type WllamaChunk,
  type WllamaCompletion,
  type WllamaOutcome,
} from './request.js'

/** A loaded wllama instance and what is known about it. */
export interface WllamaHandle {
  readonly modelId: string
  readonly wllama: Wllama
  readonly contextTokens: number
  readonly controlToken: string | undefined
  readonly cacheBytesPerToken: number
  /** The last error lines of llama.cpp. */
  readonly lines: string[]
  /** Rejects when the worker under wllama dies: wllama itself would wait for ever. */
  readonly died: Promise<never>
  /** Ends the worker and makes `died` reject. */
  end(reason: AlcoveError): void
}

/**
 * llama.cpp keeps the state of earlier prompts in memory, up to 8 GB, with no way to set a limit from here. Over this, the instance is
 * replaced before the next request.
 */
const MAX_PROMPT_CACHE_BYTES = 256 * 2 ** 20

/** Serves requests from one instance. */
export function createWllamaSession(handle: WllamaHandle): ModelSession {
  const { wllama, modelId, lines, died } = handle
  const hasTemplate = wllama.getChatTemplate() !== null
  const promptCache = createPromptCacheMeter(handle.cacheBytesPerToken)
  let dead = false

  /** Runs to the end even after `signal`: wllama frees its slot only then. */
  async function run(request: ModelRequest, signal: AbortSignal, onData: (chunk: WllamaChunk) => void): Promise<void> {
    const options = { stream: true as const, onData, abortSignal: signal }
    lines.length = 0
    try {
      const answer = hasTemplate
        ? wllama.createChatCompletion({ ...chatBody(request), ...options })
        : wllama.createCompletion({ ...completionBody(request), ...options })
      await Promise.race([answer, died])
    } catch (error) {
      dead ||= isFatal(error)
      throw requestError(modelId, lines, error)
    }
  }

  async function* generate(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    const stop = new AbortController()
    const chunks = createPartQueue<WllamaChunk>()
    const outcome: WllamaOutcome = { usage: undefined, reason: 'stop' }
    const read = createChunkReader(outcome, hasTemplate ? givenAnswer(request) : '')
    const done = run(request, stop.signal, chunks.push).then(chunks.end, chunks.fail)
    const forget = onAbort(signal, () => stop.abort())
    try {
      yield { type: 'status', status: 'prefill', message: 'Reading the prompt', modelId }
      for await (const chunk of chunks) yield* read(chunk)
      if (outcome.usage) {
        promptCache.note(outcome.usage)
        yield { type: 'model-usage', usage: outcome.usage }
      }
      yield { type: 'model-finish', reason: outcome.reason }
    } finally {
      forget()
      stop.abort()
      await done
    }
  }

  /** Tokens of a prompt, by the refusal of one that is too long: no other call of wllama tokenizes. */
  async function countByRefusal(request: ModelRequest): Promise<number | undefined> {
    const { controlToken, contextTokens } = handle
    if (controlToken === undefined) return undefined
    const padding = controlToken.repeat(contextTokens)
    const body = hasTemplate ? chatBody(padLastTurn(request, padding)) : padPrompt(request, padding)
    try {
      const options = { ...body, max_tokens: 1, stream: true as const, onData: () => {} }
      const answer = 'messages' in options ? wllama.createChatCompletion(options) : wllama.createCompletion(options)
      await Promise.race([answer, died])
      return undefined
    } catch (error) {
      dead ||= isFatal(error)
      const refusal = overflowOf(error instanceof Error ? error.message : '')
      return refusal && refusal.promptTokens >= contextTokens ? refusal.promptTokens - contextTokens : undefined
    }
  }

  return {
    contextTokens: handle.contextTokens,
    get spent() {
      return dead || promptCache.full
    },
    generate,
    countTokens: async (request) => (await countByRefusal(request)) ?? estimateTokens(request),
    async close() {
      dead = true
      handle.end(new AlcoveError('aborted', `${modelId} was disposed of while it was answering`))
    },
  }
}

/** The text of a last assistant message: llama.cpp goes on from it. */
function givenAnswer(request: ModelRequest): string {
  const last = flattenMessages(request.messages).at(-1)
  return last?.role === 'assistant' ? last.content : ''
}

function padLastTurn(request: ModelRequest, padding: string): ModelRequest {
  const messages = flattenMessages(request.messages)
  const last = messages.findLastIndex((message) => message.role !== 'assistant')
  const padded =
    last < 0
      ? [{ role: 'user' as const, content: padding }, ...messages]
      : messages.map((message, index) =>
          index === last ? { ...message, content: message.content + padding } : message,
        )
  return { messages: padded }
}

function padPrompt(request: ModelRequest, padding: string): WllamaCompletion {
  return completionBody({
    messages: [{ role: 'user', content: promptOf(flattenMessages(request.messages)) + padding }],
  })
}

/**
 * Adds up what llama.cpp may keep: the state of a prompt is put aside when the next one has less than half of it in common
 * (`get_available_slot` in its server). An upper bound, since one that is taken up again is counted twice.
 */
export function createPromptCacheMeter(bytesPerToken: number, maxBytes = MAX_PROMPT_CACHE_BYTES) {
  let keptTokens = 0
  let lastTokens = 0
  return {
    note(usage: {
      readonly promptTokens: number
      readonly completionTokens: number
      readonly cachedTokens?: number | undefined
    }) {
      if ((usage.cachedTokens ?? 0) < lastTokens / 2) keptTokens += lastTokens
      lastTokens = usage.promptTokens + usage.completionTokens
    },
    get full() {
      return keptTokens * bytesPerToken > maxBytes
    },
  }
}
