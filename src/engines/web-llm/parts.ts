import type {
  ChatCompletionChunk,
  ChatCompletionMessageParam,
  ChatCompletionRequestStreaming,
  Completion,
  CompletionCreateParamsStreaming,
  ResponseFormat,
} from '@mlc-ai/web-llm'
import { AlcoveError } from '../../protocol/error.js'
import type { ModelFinishReason, ModelPart, ModelRequest, ModelUsage } from '../../protocol/model.js'
import { onAbort } from '../../runtime/abort.js'
import { type Clock, systemClock } from '../../runtime/clock.js'
import { flattenMessages } from '../flat-messages.js'
import { schemaGrammar } from '../grammar/schema-grammar.js'
import { writeGrammar } from '../grammar/write-grammar.js'
import { checkSampling } from '../sampling.js'
import { createStopCutter } from '../stop-words.js'
import type { PreparedImage, PreparedImages } from './images.js'
import { type ConversationTemplate, escapeReplacement } from './prompt.js'

/** The part of `MLCEngine` that answers. */
export interface WebLlmChat {
  readonly chat: {
    readonly completions: {
      create(request: ChatCompletionRequestStreaming): Promise<AsyncIterable<ChatCompletionChunk>>
    }
  }
  readonly completions?: {
    create(request: CompletionCreateParamsStreaming): Promise<AsyncIterable<Completion>>
  }
  interruptGenerate(): Promise<void>
}

/** A request in WebLLM's form: a conversation, or a prompt that is written out. */
export type WebLlmBody = ChatCompletionRequestStreaming | CompletionCreateParamsStreaming
type Chunk = ChatCompletionChunk | Completion

/**
 * Refuses what WebLLM must not see.
 * @throws AlcoveError `invalid-argument`
 */
export function checkRequest(request: ModelRequest, takesImages = false): void {
  checkSampling(request.sampling)
  const messages = flattenMessages(request.messages, takesImages)
  const last = messages.at(-1)
  if (last?.role === 'assistant' && messages.some(({ images }) => images)) throw refuseBegun('with pictures before it')
  if (last?.role === 'assistant' && request.output !== undefined) throw refuseBegun('held to a form')
  if (last?.role === 'system') {
    throw new AlcoveError('invalid-argument', 'messages: expected a user message after the system message, got none')
  }
  const { output } = request
  if (output?.type === 'grammar' && output.syntax !== 'ebnf') {
    throw new AlcoveError('invalid-argument', `output: WebLLM takes grammars in EBNF, got '${output.syntax}'`)
  }
  if (output?.type === 'json-schema') schemaGrammar(output.schema)
}

/** @throws AlcoveError `invalid-argument`: what a request that ends with an assistant message cannot be */
export function refuseBegun(why: string): AlcoveError {
  return new AlcoveError(
    'invalid-argument',
    `messages: expected the last message to be from the user, got the beginning of an answer, ${why}`,
    { hint: 'End the list with a user message.' },
  )
}

/**
 * A request that goes on from the beginning of an answer. WebLLM's chat call refuses that; its completion call takes the prompt as
 * text, reads it anew, and stops where the chat would.
 */
export function continuationBody(request: ModelRequest, prompt: string): CompletionCreateParamsStreaming {
  const { messages: _, response_format: __, extra_body: ___, ...fields } = requestBody(request)
  return { ...(fields as Omit<CompletionCreateParamsStreaming, 'prompt'>), prompt }
}

/** A request in WebLLM's form. `topK` has no counterpart and is not in it (`top-k.ts`). */
export function requestBody(
  request: ModelRequest,
  template?: ConversationTemplate,
  images?: PreparedImages,
): ChatCompletionRequestStreaming {
  const { sampling = {}, output } = request
  const isReplaced = (role: string) => (role === 'system' ? true : template?.role_templates?.[role] !== undefined)
  const messages = flattenMessages(request.messages, images !== undefined).map((message) => {
    const { role, content, images: parts = [] } = message
    const text = template && isReplaced(role) ? escapeReplacement(content) : content
    const pictures = parts.flatMap((part) => images?.get(part) ?? [])
    return { role, content: pictures.length > 0 ? [...pictures.map(imageUrlPart), textPart(text)] : text }
  }) as ChatCompletionMessageParam[]
  const fields = {
    temperature: sampling.temperature,
    top_p: sampling.topP,
    max_tokens: sampling.maxTokens,
    seed: sampling.seed,
    stop: sampling.stop?.length ? [...sampling.stop] : undefined,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    repetition_penalty: sampling.repetitionPenalty,
    logit_bias: sampling.logitBias,
    // Only `false` does something: WebLLM then begins the answer with an empty thought.
    extra_body: sampling.reasoning && { enable_thinking: sampling.reasoning === 'on' },
    response_format: output && responseFormat(output),
  }
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  return { ...given, messages, stream: true, stream_options: { include_usage: true } }
}

const imageUrlPart = ({ url }: PreparedImage) => ({ type: 'image_url' as const, image_url: { url } })
const textPart = (text: string) => ({ type: 'text' as const, text })

/** WebLLM could take a schema itself, but lets white space stand anywhere: a small model writes it for ever. */
function responseFormat(output: NonNullable<ModelRequest['output']>): ResponseFormat {
  const grammar = output.type === 'grammar' ? output.grammar : writeGrammar(schemaGrammar(output.schema))
  return { type: 'grammar', grammar }
}

/** How long an engine may go on after it was interrupted: it does so within a token, unless the GPU hangs. */
const DRAIN_MS = 3_000

export interface StreamChatOptions {
  readonly signal: AbortSignal
  /** Of the whole prompt, where counted: WebLLM's usage has only those that it had to read. */
  readonly promptTokens?: number | undefined
  /** Tokens before the prompt that WebLLM reads and does not count. @default 0 */
  readonly prefixTokens?: number | undefined
  /** Texts at which the answer ends: WebLLM stops there, but has by then shown the first tokens of the text. */
  readonly stop?: readonly string[] | undefined
  /** The whole answer as WebLLM has it at the end, without the stop text. */
  readonly finalText?: (() => string | undefined) | undefined
  /** What WebLLM's decoder took from the front of the first text. */
  readonly missingBefore?: ((firstText: string) => string) | undefined
  /** Told that the engine did not stop in time: it must not be used again. */
  readonly onStuck?: (() => void) | undefined
  /** @default 3_000 */
  readonly drainMs?: number | undefined
  readonly clock?: Clock | undefined
}

function open(engine: WebLlmChat, body: WebLlmBody): Promise<AsyncIterable<Chunk>> {
  if ('messages' in body) return engine.chat.completions.create(body)
  if (engine.completions) return engine.completions.create(body)
  throw refuseBegun('which this WebLLM cannot go on from')
}

/**
 * Streams one answer as parts. When the signal aborts it interrupts the engine and reads on to the end without giving parts, which is
 * what frees it; leaving the generator early does the same. Errors come as WebLLM throws them.
 */
export async function* streamChat(
  engine: WebLlmChat,
  body: WebLlmBody,
  options: StreamChatOptions,
): AsyncGenerator<ModelPart> {
  const { signal, onStuck, drainMs = DRAIN_MS, clock = systemClock } = options
  if (signal.aborted) return
  const chunks = createChunkReader(await open(engine, body))
  const writer = createAnswerWriter(engine, options)
  let isStuck = false
  let cancelTimer = () => {}
  let forget = () => {}
  const giveUp = () => {
    isStuck = true
    onStuck?.()
  }
  const tooLate = new Promise<undefined>((resolve) => {
    forget = onAbort(signal, () => {
      void engine.interruptGenerate()
      cancelTimer = clock.setTimer(drainMs, () => {
        giveUp()
        resolve(undefined)
      })
    })
  })
  const next = () => Promise.race([chunks.next(), tooLate])
  try {
    for (let chunk = signal.aborted ? undefined : await next(); chunk && !signal.aborted; chunk = await next()) {
      const text = writer.take(chunk)
      if (text) yield { type: 'text-delta', text }
    }
    if (!signal.aborted) yield* writer.end()
  } finally {
    forget()
    cancelTimer()
    if (!chunks.hasEnded && !isStuck) {
      await engine.interruptGenerate()
      const isFree = await Promise.race([chunks.drain().then(() => true), clock.sleep(drainMs).then(() => false)])
      if (!isFree) giveUp()
    }
  }
}

/** What of an answer is shown: without the beginning of a stop text, with what the decoder took from its front. */
function createAnswerWriter(
  engine: WebLlmChat,
  { promptTokens, prefixTokens = 0, missingBefore, stop, finalText }: StreamChatOptions,
) {
  const cutter = createStopCutter(stop)
  let before = missingBefore
  let reason: ModelFinishReason = 'stop'
  let usage: ModelUsage | undefined
  let isCut = false

  const show = (text: string): string => {
    const lead = before?.(text) ?? ''
    before = undefined
    const shown = cutter.push(lead + text)
    if (shown.stopped && !isCut) {
      isCut = true
      void engine.interruptGenerate()
    }
    return shown.text
  }

  return {
    take(chunk: Chunk): string {
      const choice = chunk.choices[0]
      if (choice?.finish_reason) reason = reasonOf(choice.finish_reason)
      if (chunk.usage) usage = usageOf(chunk.usage, promptTokens, prefixTokens)
      const text = choice && ('delta' in choice ? choice.delta.content : choice.text)
      return text ? show(text) : ''
    },
    *end(): Generator<ModelPart> {
      const held = cutter.flush()
      const whole = finalText?.()
      if (held && (whole === undefined || whole.endsWith(held))) yield { type: 'text-delta', text: held }
      if (usage) yield { type: 'model-usage', usage }
      yield { type: 'model-finish', reason: isCut ? 'stop' : reason }
    },
  }
}

/** Reads an answer of WebLLM to its end, also after nobody wants it any more. */
function createChunkReader(source: AsyncIterable<Chunk>) {
  const chunks = source[Symbol.asyncIterator]()
  let hasStarted = false
  let hasEnded = false
  const next = async (): Promise<Chunk | undefined> => {
    hasStarted = true
    try {
      const { done, value } = await chunks.next()
      hasEnded = done === true
      return hasEnded ? undefined : (value as Chunk)
    } catch (error) {
      hasEnded = true
      throw error
    }
  }
  return {
    next,
    get hasEnded() {
      return hasEnded
    },
    async drain() {
      if (!hasStarted) await chunks.return?.()
      else while (!hasEnded) await next().catch(() => {})
    },
  }
}

function reasonOf(reason: string): ModelFinishReason {
  return reason === 'length' ? 'length' : 'stop'
}

function usageOf(
  usage: NonNullable<Chunk['usage']>,
  promptTokens: number | undefined,
  prefixTokens: number,
): ModelUsage {
  const { extra } = usage
  const decodeSeconds = usage.completion_tokens > 1 ? extra.time_per_output_token_s * (usage.completion_tokens - 1) : 0
  const notRead = Math.max(0, (promptTokens ?? 0) - usage.prompt_tokens)
  return {
    promptTokens: Math.max(promptTokens ?? 0, usage.prompt_tokens),
    completionTokens: usage.completion_tokens,
    // Of a prompt that is read anew, WebLLM's figure lacks the prefix: that alone is not the cache.
    ...(promptTokens !== undefined && { cachedTokens: notRead > prefixTokens ? notRead : 0 }),
    prefillMs: extra.time_to_first_token_s * 1_000,
    decodeMs: decodeSeconds * 1_000,
  }
}
