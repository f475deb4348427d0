import type { AgentOptions } from '../agents/agent.js'
import type { AgentRun } from '../agents/run.js'
import type { Citation } from '../protocol/corpus.js'
import { type AlcoveError, isAlcoveError } from '../protocol/error.js'
import type { Message } from '../protocol/message.js'
import type { JsonSchema, Sampling, ToolChoice, ToolDescription } from '../protocol/model.js'
import type { FinishReason, StatusPart, StreamPart, Usage } from '../protocol/stream-part.js'
import { type Tool, tool } from '../tools/tool.js'
import type { InteropClient } from './client.js'
import { createJsonCutter } from './json-cutter.js'

/** Options of an agent that a call may take over. */
export type CallAgentOptions = Pick<
  AgentOptions,
  'instructions' | 'corpus' | 'retrieval' | 'context' | 'dialect' | 'limits'
>

/** One call of a model whose tools the caller runs. */
export interface ModelCall {
  readonly client: InteropClient
  /** @default the client's own for the task */
  readonly model: string | undefined
  readonly messages: readonly Message[]
  readonly tools?: readonly ToolDescription[] | undefined
  readonly toolChoice?: ToolChoice | undefined
  /** Most calls that are handed out. @default no limit */
  readonly maxCalls?: number | undefined
  /** What the answer has to fit, as JSON and nothing else. @default text */
  readonly answer?: JsonSchema | undefined
  readonly sampling?: Sampling | undefined
  /** Whether text is wanted while it is written: an answer that does not fit is then not asked for again. */
  readonly isStreamed: boolean
  readonly agent?: CallAgentOptions | undefined
  readonly signal?: AbortSignal | undefined
}

/** How a call ended. */
export interface CallEnd {
  readonly type: 'end'
  readonly reason: 'stop' | 'length' | 'tool-calls' | 'content-filter'
  readonly usage: Usage
}

/** What a call gives, in order; `end` is the last. Text is plain text, or JSON where an answer has to fit. */
export type CallPart =
  | Extract<StreamPart, { readonly type: 'text-delta' | 'reasoning-delta' | 'tool-input-delta' | 'tool-call' }>
  | ({ readonly type: 'citation' } & Citation)
  | StatusPart
  | CallEnd

/**
 * Calls a model once, through an agent whose calls nobody runs: with its dialect where the engine has no tools, held to the tools' schemas
 * where the engine can, trimmed to the context, and with the client's answer cache. Inputs of calls are handed out as the model wrote them.
 *
 * @throws AlcoveError what the call failed with, `aborted` when it was aborted
 */
export async function* callModel(call: ModelCall, signal: AbortSignal): AsyncGenerator<CallPart> {
  const { client, model, messages, tools = [], toolChoice, sampling, answer, isStreamed } = call
  const agent = client.agent({
    ...call.agent,
    model,
    sampling,
    tools: tools.map(handOut),
    ...(tools.length > 0 && { toolChoice }),
    maxSteps: 1,
    stopWhen: () => true,
  })
  const run = agent.stream(messages, { signal, schema: answer, repairs: isStreamed ? 0 : 1 })
  const text = answer === undefined ? createPlainText() : isStreamed ? createGrowingJson() : createWholeJson()
  yield* readRun(run, text, call.maxCalls ?? Number.POSITIVE_INFINITY)
}

/** A tool that is described to the model, and whose calls come to nothing here: every input is let through. */
function handOut({ name, description, inputSchema }: ToolDescription): Tool {
  const made = tool({ name, description, input: inputSchema as Exclude<JsonSchema, boolean>, execute: () => null })
  return { ...made, prepare: async () => {}, checkInput: async (input) => ({ isValid: true, input }) }
}

async function* readRun(run: AgentRun<unknown>, text: AnswerText, maxCalls: number): AsyncGenerator<CallPart> {
  let calls = 0
  let usage: Usage | undefined
  for await (const part of run) {
    if (part.type === 'text-delta') {
      if (part.role !== 'draft') yield* shown(text.push(part.text))
    } else if (part.type === 'step-start') text.restart()
    else if (part.type === 'tool-call') {
      if (calls++ < maxCalls) yield part
    } else if (part.type === 'tool-input-delta') {
      if (calls < maxCalls) yield part
    } else if (part.type === 'reasoning-delta' || part.type === 'citation' || part.type === 'status') yield part
    else if (part.type === 'usage') usage = part.usage
    else if (part.type === 'finish') {
      const reason = yield* readEnd(run, text, calls > 0, part.finish.reason)
      if (usage !== undefined) yield { type: 'end', reason, usage }
    }
  }
}

/** The rest of the text, and why the call ended. */
async function* readEnd(
  run: AgentRun<unknown>,
  text: AnswerText,
  hasCalls: boolean,
  reason: FinishReason,
): AsyncGenerator<CallPart, CallEnd['reason']> {
  if (!text.isJson || hasCalls) {
    await run.text
    yield* shown(text.end(undefined))
    return hasCalls ? 'tool-calls' : reason === 'length' || reason === 'content-filter' ? reason : 'stop'
  }
  try {
    yield* shown(text.end({ value: await run.object }))
    return reason === 'length' || reason === 'content-filter' ? reason : 'stop'
  } catch (error) {
    // The caller has asked for JSON and sees that this is none: how it goes on is the caller's to say.
    if (!isAlcoveError(error, 'output-invalid')) throw error
    yield* shown(text.end(undefined))
    return readReason(error)
  }
}

function readReason({ details }: AlcoveError): CallEnd['reason'] {
  return details.reason === 'length' || details.reason === 'content-filter' ? details.reason : 'stop'
}

function* shown(text: string): Generator<CallPart> {
  if (text !== '') yield { type: 'text-delta', text }
}

/** What of an answer's text is told, and when. */
interface AnswerText {
  readonly isJson: boolean
  /** What is to be told now. */
  push(text: string): string
  /** What came before is not the answer. */
  restart(): void
  /** What is left to be told, given the answer as an object where there is one. */
  end(object: { readonly value: unknown } | undefined): string
}

function createPlainText(): AnswerText {
  return { isJson: false, push: (text) => text, restart: () => {}, end: () => '' }
}

/** Told at the end, so that it can be mended before. */
function createWholeJson(): AnswerText {
  let all = ''
  return {
    isJson: true,
    push: (text) => {
      all += text
      return ''
    },
    restart: () => {
      all = ''
    },
    end: (object) => (object === undefined ? all : JSON.stringify(object.value)),
  }
}

/** Told as it grows where it begins as JSON, up to the end of that; else at the end, without what stands around it. */
function createGrowingJson(): AnswerText {
  const cutter = createJsonCutter()
  let held = ''
  let isGrowing = false
  return {
    isJson: true,
    push(text) {
      if (isGrowing) return cutter.push(text)
      held += text
      isGrowing = /^\s*[{[]/.test(held)
      return isGrowing ? cutter.push(held) : ''
    },
    restart: () => {},
    end: (object) => (isGrowing ? '' : object === undefined ? held : JSON.stringify(object.value)),
  }
}
