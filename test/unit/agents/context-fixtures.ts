import { type AgentOptions, createAgent } from '../../../src/agents/agent.js'
import type { ContextOptions } from '../../../src/agents/context/context-options.js'
import type { Job } from '../../../src/agents/loop.js'
import { type ScriptedTurnSource, scriptedModel } from '../../../src/engines/scripted.js'
import type { Corpus, Hit } from '../../../src/protocol/corpus.js'
import type { Message, MessagePart } from '../../../src/protocol/message.js'
import type { ModelRequest } from '../../../src/protocol/model.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'

/** `AgentOptions` with the context's, whichever of them has them already. */
export type Options = AgentOptions & { readonly context?: ContextOptions }

export type Trimmed = Extract<StreamPart, { type: 'context-trimmed' }> & { readonly droppedPassages?: number }

export const agentOf = (options: Options) => createAgent(options)

/** A small seeded generator (Park and Miller). */
export function random(seed: number) {
  let state = seed
  return (below: number) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

export const partsOf = ({ content }: Message): readonly MessagePart[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : content

export const textOf = (message: Message | undefined): string =>
  message
    ? partsOf(message)
        .map((part) => (part.type === 'text' ? part.text : ''))
        .join('\n')
    : ''

export function idsOf(messages: readonly Message[], type: 'tool-call' | 'tool-result'): string[] {
  return messages.flatMap(partsOf).flatMap((part) => (part.type === type ? [(part as { callId: string }).callId] : []))
}

export function hitOf(at: number, words = 20, score = 1): Hit {
  const text = `Passage ${at}. ${'fact '.repeat(words)}`
  return {
    id: `${at}`,
    text,
    score,
    ranks: {},
    source: { id: `${at}`, title: `T${at}`, headings: [] },
    span: [0, text.length],
  }
}

export const corpusOf = (search: (query: string) => readonly Hit[]) =>
  ({ name: 'c', search: async (query: string) => search(query) }) as unknown as Corpus

/** A chat of so many question and answer pairs. */
export const chatOf = (turns: number, characters = 80): Message[] =>
  Array.from({ length: turns }, (_, at): Message[] => [
    { role: 'user', content: `question ${at} ${'x'.repeat(characters)}` },
    { role: 'assistant', content: `answer ${at} ${'y'.repeat(characters)}` },
  ]).flat()

export async function collect(run: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = []
  for await (const part of run) parts.push(part)
  return parts
}

export const trimmedIn = (parts: readonly StreamPart[]) =>
  parts.filter((part): part is Trimmed => part.type === 'context-trimmed')

/** A model that writes down how many messages it has counted at each call. */
export function countingModel(turns: readonly ScriptedTurnSource[], options: { contextTokens: number }) {
  const inner = scriptedModel(turns, options)
  const counted: number[] = []
  // Its own count for `usage` is no count of ours.
  const model = {
    ...inner,
    countTokens: async (request: ModelRequest) => {
      counted.push(request.messages.length)
      return await inner.countTokens(request)
    },
  }
  return { model, counted, requests: inner.requests, count: inner.countTokens }
}

export type Counter = (request: ModelRequest) => number
export const sizeOfPart = (part: MessagePart) => ('data' in part ? 0 : JSON.stringify(part).length)
export const sizes = new WeakMap<Message, number>()
export function sizeOf(message: Message): number {
  const size = sizes.get(message) ?? partsOf(message).reduce((sum, part) => sum + sizeOfPart(part), 0)
  sizes.set(message, size)
  return size
}
/** Very different ideas of what a token is; all are cheap. */
export const COUNTERS: readonly Counter[] = [
  ({ messages, tools }) => Math.ceil(messages.reduce((sum, one) => sum + sizeOf(one), (tools?.length ?? 0) * 60) / 4),
  ({ messages }) => messages.length * 37,
  ({ messages }) =>
    messages.reduce((sum, one) => sum + Math.ceil(sizeOf(one) / (one.role === 'tool' ? 1.5 : 6)) + 9, 11),
]

export function jobOf(options: Options, parts: StreamPart[] = []): Job {
  const control = { signal: new AbortController().signal, emit: (part: StreamPart) => parts.push(part) }
  return { options, tools: options.tools ?? [], control, toolCache: new Map() } as unknown as Job
}

export const STEP = { dialect: undefined, toolChoice: 'auto', isFinal: false } as const
