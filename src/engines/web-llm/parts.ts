import type { ChatCompletionChunk, ChatCompletionRequestStreaming, ResponseFormat } from '@mlc-ai/web-llm'
import { AlcoveError } from '../../protocol/error.js'
import type { ModelFinishReason, ModelPart, ModelRequest, ModelUsage } from '../../protocol/model.js'
import { onAbort } from '../../runtime/abort.js'
import { flattenMessages } from '../flat-messages.js'
import { schemaGrammar } from '../grammar/schema-grammar.js'
import { writeGrammar } from '../grammar/write-grammar.js'
import { checkSampling } from '../sampling.js'
import { type ConversationTemplate, escapeReplacement } from './prompt.js'

/** The part of `MLCEngine` that answers. */
export interface WebLlmChat {
  readonly chat: {
    readonly completions: {
      create(request: ChatCompletionRequestStreaming): Promise<AsyncIterable<ChatCompletionChunk>>
    }
  }
  interruptGenerate(): Promise<void>
}

/**
 * Refuses what WebLLM must not see.
 * @throws AlcoveError `invalid-argument`
 */
export function checkRequest(request: ModelRequest): void {
  checkSampling(request.sampling)
  const last = flattenMessages(request.messages).at(-1)
  if (last?.role === 'assistant') {
    throw new AlcoveError(
      'invalid-argument',
      'messages: expected the last message to be from the user, got one of the assistant',
      {
        hint: 'WebLLM cannot go on from the beginning of an answer. End the list with a user message.',
      },
    )
  }
  if (last?.role === 'system') {
    throw new AlcoveError('invalid-argument', 'messages: expected a user message after the system message, got none')
  }
  const { output } = request
  if (output?.type === 'grammar' && output.syntax !== 'ebnf') {
    throw new AlcoveError('invalid-argument', `output: WebLLM takes grammars in EBNF, got '${output.syntax}'`)
  }
  if (output?.type === 'json-schema') schemaGrammar(output.schema)
}

/** A request in WebLLM's form. `topK` has no counterpart and is left out. */
export function requestBody(request: ModelRequest, template?: ConversationTemplate): ChatCompletionRequestStreaming {
  const { sampling = {}, output } = request
  const isReplaced = (role: string) => (role === 'system' ? true : template?.role_templates?.[role] !== undefined)
  const messages = flattenMessages(request.messages).map(({ role, content }) => ({
    role,
    content: template && isReplaced(role) ? escapeReplacement(content) : content,
  }))
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

/** WebLLM could take a schema itself, but lets white space stand anywhere: a small model writes it for ever. */
function responseFormat(output: NonNullable<ModelRequest['output']>): ResponseFormat {
  const grammar = output.type === 'grammar' ? output.grammar : writeGrammar(schemaGrammar(output.schema))
  return { type: 'grammar', grammar }
}

/**
 * Streams one answer as parts. When `signal` aborts it interrupts the engine and reads on to the end without giving parts, which is
 * what frees it; leaving the generator early does the same. Errors come as WebLLM throws them.
 * @param promptTokens of the whole prompt, where counted: WebLLM's usage has only those that it had to read
 */
export async function* streamChat(
  engine: WebLlmChat,
  body: ChatCompletionRequestStreaming,
  signal: AbortSignal,
  promptTokens?: number,
): AsyncGenerator<ModelPart> {
  if (signal.aborted) return
  const chunks = (await engine.chat.completions.create(body))[Symbol.asyncIterator]()
  let hasEnded = false
  let hasStarted = false
  let reason: ModelFinishReason = 'stop'
  let usage: ModelUsage | undefined
  const next = async () => {
    hasStarted = true
    try {
      const { done, value } = await chunks.next()
      hasEnded = done === true
      return hasEnded ? undefined : (value as ChatCompletionChunk)
    } catch (error) {
      hasEnded = true
      throw error
    }
  }
  const forget = onAbort(signal, () => void engine.interruptGenerate())
  try {
    for (let chunk = signal.aborted ? undefined : await next(); chunk && !signal.aborted; chunk = await next()) {
      const choice = chunk.choices[0]
      if (choice?.finish_reason) reason = reasonOf(choice.finish_reason)
      if (chunk.usage) usage = usageOf(chunk.usage, promptTokens)
      if (choice?.delta.content) yield { type: 'text-delta', text: choice.delta.content }
    }
    if (signal.aborted) return
    if (usage) yield { type: 'model-usage', usage }
    yield { type: 'model-finish', reason }
  } finally {
    forget()
    if (!hasStarted) await chunks.return?.()
    else if (!hasEnded) {
      await engine.interruptGenerate()
      while (!hasEnded) await next().catch(() => {})
    }
  }
}

function reasonOf(reason: string): ModelFinishReason {
  return reason === 'length' ? 'length' : 'stop'
}

function usageOf(usage: NonNullable<ChatCompletionChunk['usage']>, promptTokens: number | undefined): ModelUsage {
  const { extra } = usage
  const decodeSeconds = usage.completion_tokens > 1 ? extra.time_per_output_token_s * (usage.completion_tokens - 1) : 0
  return {
    promptTokens: Math.max(promptTokens ?? 0, usage.prompt_tokens),
    completionTokens: usage.completion_tokens,
    ...(promptTokens !== undefined && { cachedTokens: Math.max(0, promptTokens - usage.prompt_tokens) }),
    prefillMs: extra.time_to_first_token_s * 1_000,
    decodeMs: decodeSeconds * 1_000,
  }
}
