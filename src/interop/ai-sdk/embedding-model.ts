import { AlcoveError } from '../../protocol/error.js'
import { type InteropClient, readModelName } from '../client.js'
import { countTokens, openEmbedder } from '../embedder.js'
import type { EmbeddingModelAdapter } from './types.js'

export interface EmbeddingModelOptions {
  /** The id that the client's embedding model is expected to have. @default any */
  readonly model?: string | undefined
}

/** Texts in one call: a bound for what crosses to a worker and what is lost by an abort. */
const TEXTS_PER_CALL = 256

/** An embedding model of the AI SDK: the client's own. Nothing is loaded until it is called. */
export function createEmbeddingModel(
  client: InteropClient,
  options: EmbeddingModelOptions = {},
): EmbeddingModelAdapter {
  const { model: id } = options
  return {
    specificationVersion: 'v4',
    provider: 'alcove',
    modelId: id ?? 'auto',
    maxEmbeddingsPerCall: TEXTS_PER_CALL,
    supportsParallelCalls: false,
    async doEmbed({ values, dimensions, abortSignal: signal, providerOptions }) {
      const model = await openEmbedder(client, readModelName(id), signal)
      if (dimensions !== undefined && dimensions !== model.dimensions) {
        const got = `dimensions: expected ${model.dimensions}, which is what '${model.id}' gives, got ${dimensions}`
        throw new AlcoveError('invalid-argument', got)
      }
      const purpose = providerOptions?.alcove?.purpose === 'query' ? 'query' : 'document'
      const vectors = await model.embed(values, { purpose, signal })
      const tokens = await countTokens(model, values)
      return { embeddings: vectors.map((vector) => [...vector]), usage: { tokens }, warnings: [] }
    },
  }
}
