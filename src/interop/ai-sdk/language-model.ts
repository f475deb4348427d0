import type { Usage } from '../../protocol/stream-part.js'
import { iterate, streamOf } from '../../runtime/stream.js'
import { type CallAgentOptions, type CallEnd, type CallPart, callModel, type ModelCall } from '../call-model.js'
import { type InteropClient, readModelName } from '../client.js'
import { readAnswerSchema, readPrompt, readSampling, readToolChoice, readTools, warnings } from './prompt.js'
import { writeSource } from './source.js'
import type {
  Content,
  FinishReport,
  GenerateResult,
  LanguageModel,
  LanguageModelCallOptions,
  ModelStreamPart,
  ToolCallContent,
  UsageReport,
} from './types.js'

/** Options of a language model: what its calls share beside the prompt, such as documents to answer from. */
export interface LanguageModelOptions extends CallAgentOptions {
  /** A model id of the client. @default 'auto': the client's own for the task */
  readonly model?: string | undefined
}

/** A language model of the AI SDK over a client. Nothing is loaded until it is called. */
export function createLanguageModel(client: InteropClient, options: LanguageModelOptions = {}): LanguageModel {
  const { model, ...agent } = options

  const open = (call: LanguageModelCallOptions, isStreamed: boolean): ReadableStream<CallPart> => {
    const made: ModelCall = {
      client,
      agent,
      isStreamed,
      model: readModelName(model),
      messages: readPrompt(call.prompt),
      tools: readTools(call),
      toolChoice: readToolChoice(call),
      answer: readAnswerSchema(call),
      sampling: readSampling(call),
    }
    return streamOf((signal) => callModel(made, signal), { signal: call.abortSignal })
  }

  return {
    specificationVersion: 'v4',
    provider: 'alcove',
    modelId: model ?? 'auto',
    // Pictures at an address are fetched by the engine that can see them.
    supportedUrls: { 'image/*': [/^https?:\/\/.*$/] },
    doGenerate: async (call) => await collect(iterate(open(call, false)), call, model ?? 'auto'),
    async doStream(call) {
      const parts = iterate(open(call, true))
      const first = { type: 'stream-start' as const, warnings: warnings(call) }
      return { stream: streamOf(() => writeStream(parts, first)) }
    },
  }
}

async function collect(
  parts: AsyncIterable<CallPart>,
  call: LanguageModelCallOptions,
  modelId: string,
): Promise<GenerateResult> {
  const content: Content[] = []
  const append = (type: 'text' | 'reasoning', text: string) => {
    const last = content.at(-1)
    if (last?.type === type) last.text += text
    else content.push({ type, text })
  }
  let end: CallEnd | undefined
  for await (const part of parts) {
    if (part.type === 'text-delta') append('text', part.text)
    else if (part.type === 'reasoning-delta') append('reasoning', part.text)
    else if (part.type === 'tool-call') content.push(writeCall(part))
    else if (part.type === 'citation') content.push(writeSource(part))
    else if (part.type === 'end') end = part
  }
  return {
    content,
    finishReason: writeFinish(end?.reason ?? 'stop'),
    usage: writeUsage(end?.usage),
    warnings: warnings(call),
    response: { modelId: end?.usage.modelId ?? modelId },
  }
}

/** A block of text, reasoning or a call's input that was begun and not ended. */
interface OpenBlock {
  readonly type: 'text' | 'reasoning' | 'tool-input'
  readonly id: string
}

/** Errors are parts: the SDK tells them to its caller. */
async function* writeStream(
  parts: AsyncIterableIterator<CallPart>,
  first: Extract<ModelStreamPart, { type: 'stream-start' }>,
): AsyncGenerator<ModelStreamPart> {
  yield first
  const blocks = createBlocks()
  try {
    for await (const part of parts) {
      if (part.type === 'text-delta') yield* blocks.write('text', part.text)
      else if (part.type === 'reasoning-delta') yield* blocks.write('reasoning', part.text)
      else if (part.type === 'tool-input-delta') yield* blocks.writeInput(part.callId, part.name, part.text)
      else if (part.type === 'tool-call') {
        const call = writeCall(part)
        if (!blocks.isOpen(part.callId)) yield* blocks.writeInput(part.callId, part.name, call.input)
        yield* blocks.close()
        yield call
      } else if (part.type === 'citation') {
        yield* blocks.close()
        yield writeSource(part)
      } else if (part.type === 'end') {
        yield* blocks.close()
        if (part.usage.modelId !== undefined) yield { type: 'response-metadata', modelId: part.usage.modelId }
        yield { type: 'finish', finishReason: writeFinish(part.reason), usage: writeUsage(part.usage) }
      }
    }
  } catch (error) {
    yield { type: 'error', error }
  } finally {
    await parts.return?.()
  }
}

/** Begins and ends the blocks that deltas belong to: one at a time. */
function createBlocks() {
  let open: OpenBlock | undefined
  let texts = 0

  function* close(): Generator<ModelStreamPart> {
    if (open !== undefined) yield { type: `${open.type}-end`, id: open.id }
    open = undefined
  }

  return {
    close,
    isOpen: (id: string) => open?.id === id,
    *write(type: 'text' | 'reasoning', delta: string): Generator<ModelStreamPart> {
      if (open?.type !== type) {
        yield* close()
        open = { type, id: `${type}-${texts++}` }
        yield { type: `${type}-start`, id: open.id }
      }
      yield { type: `${type}-delta`, id: open.id, delta }
    },
    *writeInput(id: string, toolName: string, delta: string): Generator<ModelStreamPart> {
      if (open?.id !== id) {
        yield* close()
        open = { type: 'tool-input', id }
        yield { type: 'tool-input-start', id, toolName }
      }
      yield { type: 'tool-input-delta', id, delta }
    },
  }
}

function writeCall({ callId, name, input }: Extract<CallPart, { type: 'tool-call' }>): ToolCallContent {
  const written = typeof input === 'string' ? input : JSON.stringify(input ?? {})
  return { type: 'tool-call', toolCallId: callId, toolName: name, input: written }
}

function writeFinish(reason: CallEnd['reason']): FinishReport {
  return { unified: reason, raw: reason }
}

function writeUsage(usage: Usage | undefined): UsageReport {
  const { promptTokens, completionTokens, cachedTokens } = usage ?? {}
  const noCache = promptTokens === undefined ? undefined : promptTokens - (cachedTokens ?? 0)
  return {
    inputTokens: { total: promptTokens, noCache, cacheRead: cachedTokens, cacheWrite: undefined },
    outputTokens: { total: completionTokens, text: undefined, reasoning: undefined },
  }
}
