import type { EmbeddingPurpose } from '../../protocol/model.js'
import { type InteropClient, type ModelNames, readModelName } from '../client.js'
import { countTokens, openEmbedder } from '../embedder.js'
import { writeBase64 } from '../media.js'
import { refuse } from './messages.js'
import type { EmbeddingList, EmbeddingParams } from './types.js'

/** @throws AlcoveError `invalid-argument`, `model-not-found`, or what the model failed with */
export async function embedTexts(
  client: InteropClient,
  params: EmbeddingParams,
  options: {
    readonly models: ModelNames
    readonly purpose: EmbeddingPurpose
    readonly signal: AbortSignal | undefined
  },
): Promise<EmbeddingList<number[] | string>> {
  const { purpose, signal } = options
  const texts = readTexts(params.input)
  const model = await openEmbedder(client, readModelName(params.model, options.models), signal)
  const { dimensions = model.dimensions } = params
  if (dimensions !== model.dimensions) {
    refuse('dimensions', `expected ${model.dimensions}, which is what '${model.id}' gives, got ${dimensions}`)
  }
  const [vectors, tokens] = await Promise.all([model.embed(texts, { purpose, signal }), countTokens(model, texts)])
  const isBase64 = params.encoding_format === 'base64'
  const data = vectors.map((vector, index) => ({
    object: 'embedding' as const,
    index,
    embedding: isBase64 ? writeBase64(vector) : [...vector],
  }))
  return { object: 'list', model: model.id, data, usage: { prompt_tokens: tokens, total_tokens: tokens } }
}

function readTexts(input: EmbeddingParams['input']): string[] {
  const texts: readonly unknown[] = Array.isArray(input) ? input : [input]
  if (texts.length === 0) refuse('input', 'expected at least one text')
  return texts.map((text) => (typeof text === 'string' ? text : refuse('input', 'expected texts, got tokens')))
}
