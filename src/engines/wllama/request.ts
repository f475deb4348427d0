import type {
  ChatCompletionChunk,
  ChatCompletionParams,
  RawCompletionChunk,
  RawCompletionParams,
} from '@wllama/wllama/esm/index.js'
import { AlcoveError } from '../../protocol/error.js'
import type { ModelFinishReason, ModelPart, ModelRequest, ModelUsage } from '../../protocol/model.js'
import { type FlatMessage, flattenMessages } from '../flat-messages.js'
import { schemaGrammar } from '../grammar/schema-grammar.js'
import { writeGrammar } from '../grammar/write-grammar.js'
import { checkSampling } from '../sampling.js'

/** Fields of the llama.cpp server that wllama's types leave out and its JSON passes on. */
interface ServerFields {
  readonly stop?: readonly string[]
  readonly repeat_penalty?: number
  readonly chat_template_kwargs?: { readonly enable_thinking: boolean }
  readonly stream_options: { readonly include_usage: true }
}
export type WllamaChat = ChatCompletionParams & ServerFields
export type WllamaCompletion = RawCompletionParams & ServerFields
export type WllamaChunk = ChatCompletionChunk | RawCompletionChunk

/**
 * Refuses what llama.cpp must not see. It would take the request and read it in its own way.
 * @throws AlcoveError `invalid-argument`
 */
export function checkRequest(request: ModelRequest): void {
  checkSampling(request.sampling)
  flattenMessages(request.messages)
  const { output } = request
  if (output?.type === 'grammar' && output.syntax !== 'gbnf') {
    throw new AlcoveError('invalid-argument', `output: this model takes grammars in GBNF, got '${output.syntax}'`)
  }
  if (output?.type === 'json-schema') schemaGrammar(output.schema)
}

/** A request for a model with a chat template. */
export function chatBody(request: ModelRequest): WllamaChat {
  const { reasoning } = request.sampling ?? {}
  // Templates of models that can think before an answer know this name; the others ignore it.
  const template = reasoning && { chat_template_kwargs: { enable_thinking: reasoning === 'on' } }
  return { ...commonFields(request), ...template, messages: wellFormed(request) }
}

/** A request for a model without one: it continues the texts of the messages. */
export function completionBody(request: ModelRequest): WllamaCompletion {
  return { ...commonFields(request), prompt: promptOf(wellFormed(request)) }
}

/** llama.cpp's JSON reader refuses a request with half a surrogate pair in it, which a text that was cut may end with. */
function wellFormed({ messages }: ModelRequest): FlatMessage[] {
  return flattenMessages(messages).map((message) => ({
    ...message,
    content: message.content.toWellFormed?.() ?? message.content,
  }))
}

/** llama.cpp could take a schema itself, but lets white space stand anywhere: a small model writes it for ever. */
function grammarOf(output: ModelRequest['output']): string | undefined {
  if (output?.type === 'json-schema') return writeGrammar(schemaGrammar(output.schema))
  return output?.grammar
}

/** The prompt of a model that knows no turns. A last message of the assistant is the beginning of the answer. */
export function promptOf(messages: readonly FlatMessage[]): string {
  const last = messages.at(-1)
  const begun = last?.role === 'assistant' ? last.content : ''
  const turns = last?.role === 'assistant' ? messages.slice(0, -1) : messages
  return turns.map((message) => message.content).join('\n\n') + begun
}

function commonFields({ sampling = {}, output }: ModelRequest) {
  const fields = {
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    max_tokens: sampling.maxTokens,
    seed: sampling.seed,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    repeat_penalty: sampling.repetitionPenalty,
    stop: sampling.stop?.length ? [...sampling.stop] : undefined,
    grammar: grammarOf(output),
    // wllama's two request types disagree about its form; llama.cpp takes pairs.
    logit_bias: sampling.logitBias && Object.entries(sampling.logitBias).map(([token, bias]) => [Number(token), bias]),
  }
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Field in Exclude<keyof typeof fields, 'logit_bias'>]?: NonNullable<(typeof fields)[Field]>
  }
  return { ...given, cache_prompt: true, return_progress: true, stream_options: { include_usage: true } as const }
}

/** What llama.cpp told of a request, besides its text. */
export interface WllamaOutcome {
  usage: ModelUsage | undefined
  reason: ModelFinishReason
}

/**
 * Turns chunks into parts: text, and `prefill` status while the prompt is read. Usage and reason are put into `outcome`, because the
 * reason comes before the usage and must go out after it. `echo` is the beginning of an answer that the request gave: llama.cpp
 * writes it again.
 */
export function createChunkReader(outcome: WllamaOutcome, echo = ''): (chunk: WllamaChunk) => ModelPart[] {
  let toSkip = echo
  return (chunk) => {
    const parts: ModelPart[] = []
    const { prompt_progress: progress, usage, timings } = chunk
    const choice = chunk.choices[0]
    if (progress && progress.processed > progress.cache && progress.processed < progress.total) {
      const message = `Reading the prompt: ${progress.processed} of ${progress.total} tokens`
      parts.push({ type: 'status', status: 'prefill', message })
    }
    const text = (choice && ('delta' in choice ? choice.delta.content : choice.text)) ?? ''
    const fresh = toSkip.startsWith(text) ? '' : text.startsWith(toSkip) ? text.slice(toSkip.length) : text
    toSkip = fresh === '' ? toSkip.slice(text.length) : ''
    if (fresh) parts.push({ type: 'text-delta', text: fresh })
    if (choice?.finish_reason) outcome.reason = reasonOf(choice.finish_reason)
    if (usage) {
      outcome.usage = {
        promptTokens: usage.prompt_tokens,
        completionTokens: usage.completion_tokens,
        cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
        ...(timings && { prefillMs: timings.prompt_ms, decodeMs: timings.predicted_ms }),
      }
    }
    return parts
  }
}

function reasonOf(reason: string): ModelFinishReason {
  if (reason === 'length') return 'length'
  return reason === 'content_filter' ? 'content-filter' : 'stop'
}
