import { expose, type Remote, wrap } from 'comlink'
import type { EmbeddingModel, EmbeddingPurpose } from '../protocol/model.js'

/** What is known of an embedding model, as plain data. */
export interface EmbedderFacts {
  readonly id: string
  readonly dimensions: number
  readonly maxTokens: number
  readonly languages?: readonly string[] | undefined
  readonly countsTokens: boolean
}

/** An embedding model of the page, as the worker calls it. */
interface PageEmbedder {
  load(): Promise<EmbedderFacts>
  embed(texts: readonly string[], purpose: EmbeddingPurpose): Promise<Float32Array[]>
  countTokens(texts: readonly string[]): Promise<number[]>
}

/** The facts of a model as they are now. */
export function describeEmbedder({ id, dimensions, maxTokens, languages, countTokens }: EmbeddingModel): EmbedderFacts {
  const countsTokens = countTokens !== undefined
  return { id, dimensions, maxTokens, countsTokens, ...(languages !== undefined && { languages: [...languages] }) }
}

/** Offers a model of this thread over a port, which is to be handed to the other thread. */
export function exposeEmbedder(model: EmbeddingModel): MessagePort {
  const { port1, port2 } = new MessageChannel()
  const api: PageEmbedder = {
    async load() {
      await model.load()
      return describeEmbedder(model)
    },
    embed: (texts, purpose) => model.embed(texts, { purpose }),
    countTokens: async (texts) => (await model.countTokens?.(texts)) ?? [],
  }
  expose(api, port1)
  return port2
}

/** A model at the other end of a port. Its texts and vectors are copied between the threads: a model in the worker is faster. */
export function connectEmbedder(port: MessagePort, known: EmbedderFacts): EmbeddingModel {
  const remote: Remote<PageEmbedder> = wrap<PageEmbedder>(port)
  let facts = known
  return {
    id: known.id,
    get dimensions() {
      return facts.dimensions
    },
    get maxTokens() {
      return facts.maxTokens
    },
    languages: known.languages,
    async load() {
      facts = await remote.load()
    },
    embed: (texts, { purpose = 'document' } = {}) => remote.embed(texts, purpose),
    ...(known.countsTokens && { countTokens: (texts: readonly string[]) => remote.countTokens(texts) }),
    async dispose() {
      port.close()
    },
  }
}
