import type { Agent } from '../../../src/agents/agent.js'
import { createAgent } from '../../../src/agents/agent.js'
import type { AgentOptions } from '../../../src/agents/options.js'
import type { RunState } from '../../../src/agents/run-state.js'
import { type ScriptedModel, type ScriptedTurnSource, scriptedModel } from '../../../src/engines/scripted.js'
import type { Corpus, Hit, StoredDocument } from '../../../src/protocol/corpus.js'
import type { ModelRequest } from '../../../src/protocol/model.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'

export interface Member extends Agent {
  readonly model: ScriptedModel
}

/** An agent that says what is written down, with its model beside it. */
export function member(
  name: string,
  turns: readonly ScriptedTurnSource[] | ScriptedTurnSource,
  options: Partial<AgentOptions> & { delayMs?: number; chunkSize?: number } = {},
): Member {
  const { delayMs, chunkSize, ...rest } = options
  const model = scriptedModel(turns, { delayMs, ...(chunkSize && { chunkSize }) })
  return Object.assign(createAgent({ name, model, description: `knows ${name}`, ...rest }), { model })
}

export async function collect(run: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const parts: StreamPart[] = []
  for await (const part of run) parts.push(part)
  return parts
}

export const only = <Type extends StreamPart['type']>(parts: readonly StreamPart[], type: Type) =>
  parts.filter((part): part is Extract<StreamPart, { type: Type }> => part.type === type)

/** Through storage and back, as after a reload. */
export const reload = (state: RunState | undefined): RunState => JSON.parse(JSON.stringify(structuredClone(state)))

/** All that a model was told in a request. */
export const told = (request: ModelRequest | undefined): string => JSON.stringify(request?.messages ?? [])

export const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Documents that are searched by their words, with pages of 2,000 characters. */
export function corpusOf(texts: Readonly<Record<string, string>>): Corpus {
  const stored = Object.entries(texts).map(([id, text]): StoredDocument => ({ id, title: id, text, metadata: { id } }))
  const search = async (query: string | readonly string[]): Promise<Hit[]> =>
    stored.flatMap(({ id, title, text }) => {
      const at = text.indexOf(String(query))
      if (at < 0) return []
      const source = { id, title, page: Math.floor(at / 2000) + 1, headings: ['Chapter'] }
      return [{ id: `${id}/${at}`, text: String(query), score: 1, ranks: {}, source, span: [at, at + query.length] }]
    })
  const corpus: Partial<Corpus> = {
    name: 'shelf',
    search,
    get: async (id) => stored.find((one) => one.id === id),
    list: async () =>
      stored.map(({ id, title, text, metadata }) => ({
        ...{ id, title, metadata, mediaType: 'text/plain', chunks: 1, bytes: text.length, addedAt: 0 },
      })),
    stats: async () =>
      ({ documents: stored.length, chunks: 1, bytes: 0, dimensions: 0, embedder: null, pendingVectors: 0 }) as never,
  }
  return corpus as Corpus
}
