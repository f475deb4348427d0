import type { Usage } from '../../protocol/stream-part.js'
import { anySignal } from '../../runtime/abort.js'
import { iterate, streamOf } from '../../runtime/stream.js'
import { type CallEnd, type CallPart, callModel, type ModelCall } from '../call-model.js'
import { type InteropClient, type ModelNames, readModelName } from '../client.js'
import { toApiError } from './errors.js'
import { checkParams, readAnswerSchema, readMessages, readSampling, readToolChoice, readTools } from './messages.js'
import type {
  CallOptions,
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionDelta,
  ChatCompletionParams,
  ChatFinishReason,
  ChunkStream,
  CompletionUsage,
  FunctionToolCall,
} from './types.js'

/** What the answers are made with. */
export interface ChatSettings {
  readonly client: InteropClient
  readonly models: ModelNames
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly createId: () => string
}

const FINISH_REASONS: Readonly<Record<CallEnd['reason'], ChatFinishReason>> = {
  stop: 'stop',
  length: 'length',
  'tool-calls': 'tool_calls',
  'content-filter': 'content_filter',
}

function readCall(settings: ChatSettings, params: ChatCompletionParams): ModelCall {
  checkParams(params)
  return {
    client: settings.client,
    model: readModelName(params.model, settings.models),
    messages: readMessages(params.messages),
    tools: readTools(params),
    toolChoice: readToolChoice(params),
    maxCalls: params.parallel_tool_calls === false ? 1 : undefined,
    answer: readAnswerSchema(params),
    sampling: readSampling(params),
    isStreamed: params.stream === true,
  }
}

function openParts(call: ModelCall, signal: AbortSignal | undefined): AsyncIterableIterator<CallPart> {
  return iterate(streamOf((own) => callModel(call, own), { signal }))
}

/** The head that all chunks of an answer share. */
function head(settings: ChatSettings, params: ChatCompletionParams) {
  return {
    id: `chatcmpl-${settings.createId()}`,
    created: Math.floor(settings.now() / 1000),
    model: params.model,
  }
}

/** @throws ApiError what the call failed with */
export async function completeChat(
  settings: ChatSettings,
  params: ChatCompletionParams,
  options: CallOptions,
): Promise<ChatCompletion> {
  try {
    return await readCompletion(settings, params, options)
  } catch (error) {
    throw toApiError(error)
  }
}

async function readCompletion(
  settings: ChatSettings,
  params: ChatCompletionParams,
  { signal }: CallOptions,
): Promise<ChatCompletion> {
  const call = readCall(settings, params)
  let content = ''
  let reasoning = ''
  const calls: FunctionToolCall[] = []
  let end: CallEnd | undefined
  for await (const part of openParts(call, signal ?? undefined)) {
    if (part.type === 'text-delta') content += part.text
    else if (part.type === 'reasoning-delta') reasoning += part.text
    else if (part.type === 'tool-call') calls.push(writeCall(part))
    else if (part.type === 'end') end = part
  }
  const { id, created, model } = head(settings, params)
  const message = {
    role: 'assistant' as const,
    content: content === '' && calls.length > 0 ? null : content,
    refusal: null,
    ...(reasoning !== '' && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  }
  const reason = FINISH_REASONS[end?.reason ?? 'stop']
  return {
    id,
    object: 'chat.completion',
    created,
    model: end?.usage.modelId ?? model,
    choices: [{ index: 0, message, finish_reason: reason, logprobs: null }],
    usage: writeUsage(end?.usage),
  }
}

/**
 * The answer while it is written. What is wrong with the parameters is thrown at once, what goes wrong later when it is read.
 *
 * @throws ApiError `invalid-argument`
 */
export function streamChat(settings: ChatSettings, params: ChatCompletionParams, { signal }: CallOptions): ChunkStream {
  const controller = new AbortController()
  const call = read()
  const parts = openParts(call, anySignal(controller.signal, signal ?? undefined))
  const chunks = writeChunks(parts, head(settings, params), params.stream_options?.include_usage === true)

  function read(): ModelCall {
    try {
      return readCall(settings, params)
    } catch (error) {
      throw toApiError(error)
    }
  }

  return {
    controller,
    [Symbol.asyncIterator]: () => chunks,
    toReadableStream() {
      const encoder = new TextEncoder()
      return streamOf(async function* () {
        for await (const chunk of chunks) yield encoder.encode(`${JSON.stringify(chunk)}\n`)
      })
    },
  }
}

async function* writeChunks(
  parts: AsyncIterableIterator<CallPart>,
  { id, created, model }: ReturnType<typeof head>,
  withUsage: boolean,
): AsyncGenerator<ChatCompletionChunk> {
  const shared = { id, object: 'chat.completion.chunk' as const, created }
  let answeredBy = model
  const chunk = (delta: ChatCompletionDelta, reason: ChatFinishReason | null = null): ChatCompletionChunk => ({
    ...shared,
    model: answeredBy,
    choices: [{ index: 0, delta, finish_reason: reason, logprobs: null }],
    ...(withUsage && { usage: null }),
  })
  let calls = 0
  try {
    yield chunk({ role: 'assistant', content: '' })
    for await (const part of parts) {
      if (part.type === 'text-delta') yield chunk({ content: part.text })
      else if (part.type === 'reasoning-delta') yield chunk({ reasoning_content: part.text })
      else if (part.type === 'tool-call') yield chunk({ tool_calls: [{ index: calls++, ...writeCall(part) }] })
      else if (part.type === 'end') {
        answeredBy = part.usage.modelId ?? model
        yield chunk({}, FINISH_REASONS[part.reason])
        if (withUsage) yield { ...shared, model: answeredBy, choices: [], usage: writeUsage(part.usage) }
      }
    }
  } catch (error) {
    throw toApiError(error)
  } finally {
    await parts.return?.()
  }
}

function writeCall({ callId, name, input }: Extract<CallPart, { type: 'tool-call' }>): FunctionToolCall {
  const written = typeof input === 'string' ? input : JSON.stringify(input ?? {})
  return { id: callId, type: 'function', function: { name, arguments: written } }
}

function writeUsage(usage: Usage | undefined): CompletionUsage {
  return {
    prompt_tokens: usage?.promptTokens ?? 0,
    completion_tokens: usage?.completionTokens ?? 0,
    total_tokens: usage?.totalTokens ?? 0,
    prompt_tokens_details: { cached_tokens: usage?.cachedTokens ?? 0 },
  }
}
