import type { EmbeddingModel } from '../../../src/protocol/model.js'

export interface FakeEmbedder extends EmbeddingModel {
  /** Every call of `embed`, in order. */
  readonly calls: { readonly texts: readonly string[]; readonly purpose: string | undefined }[]
  failure: Error | undefined
  /** Awaited by each call before it answers. */
  gate: Promise<void> | undefined
}

export interface FakeEmbedderOptions {
  readonly id?: string
  readonly dimensions?: number
  readonly languages?: readonly string[] | undefined
  readonly countsTokens?: boolean
}

/** A bag of words and characters, hashed: like texts get like vectors, without a model. */
export function fakeEmbedder(options: FakeEmbedderOptions = {}): FakeEmbedder {
  const { id = 'fake:words', dimensions = 128, languages, countsTokens = false } = options
  const model: FakeEmbedder = {
    id,
    dimensions,
    maxTokens: 256,
    ...(languages !== undefined && { languages }),
    calls: [],
    failure: undefined,
    gate: undefined,
    async load() {
      if (model.failure) throw model.failure
    },
    async embed(texts, { purpose } = {}) {
      model.calls.push({ texts: [...texts], purpose })
      await model.gate
      if (model.failure) throw model.failure
      return texts.map((text) => hashText(text, dimensions))
    },
    async dispose() {},
  }
  if (!countsTokens) return model
  return Object.assign(model, {
    countTokens: async (texts: readonly string[]) => texts.map((text) => text.split(/\s+/).length),
  })
}

function hashText(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions)
  for (const word of text.toLowerCase().match(/\p{sc=Han}|[\p{L}\p{N}]+/gu) ?? ['-']) {
    let hash = 2166136261
    for (const character of word) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619)
    const at = (hash >>> 0) % dimensions
    vector[at] = (vector[at] ?? 0) + 1
  }
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}
