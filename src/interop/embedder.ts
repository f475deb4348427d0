import { AlcoveError } from '../protocol/error.js'
import type { EmbeddingModel } from '../protocol/model.js'
import type { InteropClient } from './client.js'

/**
 * The client's embedding model.
 *
 * @param id what the caller expects it to be; undefined for any
 * @throws AlcoveError `model-not-found` when it is another one
 */
export async function openEmbedder(
  client: InteropClient,
  id: string | undefined,
  signal: AbortSignal | undefined,
): Promise<EmbeddingModel> {
  const model = await client.embeddingModel({ signal })
  if (id === undefined || id === model.id) return model
  throw new AlcoveError('model-not-found', `The embedding model in use is '${model.id}', not '${id}'`, {
    hint: `Ask for 'auto', or take the other one with alcove.models.use('embedding', …); corpora use it too.`,
  })
}

/** Tokens of all texts; 0 where the model does not count. */
export async function countTokens(model: EmbeddingModel, texts: readonly string[]): Promise<number> {
  const counts = await model.countTokens?.(texts)
  return counts?.reduce((sum, count) => sum + count, 0) ?? 0
}
