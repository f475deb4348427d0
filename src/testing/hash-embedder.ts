import { AlcoveError } from '../protocol/error.js'
import type { EmbeddingModel } from '../protocol/model.js'
import { throwIfAborted } from '../runtime/abort.js'

export interface HashEmbedderOptions {
  /** @default 64 */
  readonly dimensions?: number | undefined
  /** @default 256 */
  readonly maxTokens?: number | undefined
  /** @default 'hash' */
  readonly id?: string | undefined
}

/**
 * An embedding model without weights: each word, and each three letters of it, is hashed to a direction, and a text is their sum. Texts that
 * share words are near each other. Deterministic on every machine; a text without words gets a fixed direction.
 *
 * @throws AlcoveError `invalid-argument` for dimensions that are no positive whole number
 */
export function hashEmbedder(options: HashEmbedderOptions = {}): EmbeddingModel {
  const { dimensions = 64, maxTokens = 256, id = 'hash' } = options
  if (!Number.isInteger(dimensions) || dimensions < 1) {
    throw new AlcoveError('invalid-argument', `hashEmbedder: expected dimensions of at least 1, got ${dimensions}`)
  }
  return {
    id,
    dimensions,
    maxTokens,
    load: async (load) => throwIfAborted(load?.signal),
    async embed(texts, { signal } = {}) {
      throwIfAborted(signal)
      return texts.map((text) => embedText(wordsOf(text).slice(0, maxTokens), dimensions))
    },
    countTokens: async (texts) => texts.map((text) => wordsOf(text).length),
    dispose: async () => {},
  }
}

/** Words, and single characters of scripts that are written without spaces. */
function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|[\p{L}\p{N}\p{M}]+/gu) ?? []
  )
}

function embedText(words: readonly string[], dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions)
  for (const word of words) {
    add(vector, word, 1)
    for (let at = 0; at + 3 <= word.length; at++) add(vector, `#${word.slice(at, at + 3)}`, 0.3)
  }
  const length = Math.hypot(...vector)
  if (length === 0) vector[0] = 1
  else for (let at = 0; at < dimensions; at++) vector[at] = (vector[at] ?? 0) / length
  return vector
}

function add(vector: Float32Array, feature: string, weight: number): void {
  const hash = hashOf(feature)
  const at = (hash >>> 1) % vector.length
  vector[at] = (vector[at] ?? 0) + (hash & 1 ? weight : -weight)
}

/** FNV-1a, 32 bits, with a final mix so that the low bits are good too. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) >>> 0
}
