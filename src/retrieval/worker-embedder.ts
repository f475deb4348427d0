import type { EmbeddingModel } from '../protocol/model.js'
import type { CorpusCalls } from './serve-corpus.js'

/** Makes one call of the retrieval worker. */
export type WorkerCall = <Name extends 'embedder' | 'embed' | 'countTokens'>(
  name: Name,
  input: Parameters<CorpusCalls[Name]>,
  options?: { readonly signal?: AbortSignal | undefined },
) => Promise<Awaited<ReturnType<CorpusCalls[Name]>>>

/** Texts in one call: bounds what crosses at once, and after how many an abort is seen. */
const TEXTS_AT_ONCE = 16

/** The retrieval worker's embedding model, from the page. Corpora share it, so that disposing of it here does nothing. */
export async function connectWorkerEmbedder(call: WorkerCall): Promise<EmbeddingModel> {
  const { id, dimensions, maxTokens, languages, countsTokens } = await call('embedder', [])

  async function inBatches<Value>(texts: readonly string[], run: (batch: readonly string[]) => Promise<Value[]>) {
    const values: Value[] = []
    for (let at = 0; at < texts.length; at += TEXTS_AT_ONCE) {
      values.push(...(await run(texts.slice(at, at + TEXTS_AT_ONCE))))
    }
    return values
  }

  return {
    id,
    dimensions,
    maxTokens,
    languages,
    load: async () => {},
    embed: (texts, { purpose = 'document', signal } = {}) =>
      inBatches(texts, (batch) => call('embed', [batch, purpose], { signal })),
    ...(countsTokens && {
      countTokens: (texts: readonly string[]) => inBatches(texts, (batch) => call('countTokens', [batch])),
    }),
    dispose: async () => {},
  }
}
