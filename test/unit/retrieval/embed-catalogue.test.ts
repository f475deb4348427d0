import { describe, expect, test } from 'vitest'
import { embeddingCatalogue } from '../../../src/engines/choice/catalogue.js'
import { createModelSpec } from '../../../src/engines/choice/model-spec.js'

const sources = { baseUrl: undefined, allowRemote: true, hubUrl: 'https://hub.test/', cacheName: 'models' }

describe('the embedding models of the catalogue', () => {
  test.each(embeddingCatalogue.filter(({ pooling }) => pooling))('$id is run as it was trained', (entry) => {
    const { id, contextTokens, pooling, queryPrefix, documentPrefix } = entry
    const spec = createModelSpec(id, sources)
    expect(spec).toMatchObject({ maxTokens: contextTokens, pooling })
    expect([spec.queryPrefix, spec.documentPrefix]).toEqual([queryPrefix, documentPrefix])
  })

  test('EmbeddingGemma pools by itself, with the prompts of its card, and is not cut at the limit of its tokenizer', () => {
    const spec = createModelSpec('transformers:onnx-community/embeddinggemma-300m-ONNX', sources)
    expect(spec).toMatchObject({ maxTokens: 2048, dtype: 'q4', queryPrefix: 'task: search result | query: ' })
    expect(spec.pooling).toBeUndefined()
    expect(spec.contextTokens).toBeUndefined()
  })

  test('MiniLM is cut at the 256 tokens of its sentence_bert_config.json, mean-pooled, without prefixes', () => {
    // 1_Pooling/config.json of sentence-transformers/all-MiniLM-L6-v2: pooling_mode_mean_tokens. Its tokenizer would take 512.
    const spec = createModelSpec('transformers:all-MiniLM-L6-v2', sources)
    expect(spec).toMatchObject({ maxTokens: 256, pooling: 'mean' })
    expect(spec.queryPrefix).toBeUndefined()
  })
})
