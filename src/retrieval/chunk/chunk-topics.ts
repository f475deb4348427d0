import type { Yielder } from '../parse/yielding.js'
import { boundary } from './chunk-boundaries.js'
import type { Pieces } from './chunk-pieces.js'

/** A vector of length 1 for each text, in order. */
export type EmbedTexts = (texts: readonly string[]) => Promise<readonly Float32Array[]>

/** Sentences on each side of a gap whose mean meanings are compared: one alone says little. */
const windowSize = 2
/** A gap is a cut where its distance is over the mean of all by so many standard deviations. */
const deviations = 1
/** Fewer gaps than these tell no mean. */
const leastGaps = 6
/** Sentences that are embedded in one go. */
const embeddedAtOnce = 512

/**
 * Pieces with which the text turns to something else: the cosine distance of the sentences before and after is a local maximum, and high for
 * this document. The idea is TextTiling's (Hearst 1997), with sentence embeddings in place of word counts.
 */
export async function findTopicStarts(
  text: string,
  pieces: Pieces,
  embed: EmbedTexts,
  yielder: Yielder,
): Promise<Set<number>> {
  // Parts of a sentence over the limit have no meaning of their own.
  const sentences = pieces.starts.flatMap((start, piece) => {
    const isWhole = (pieces.boundaries[piece] ?? boundary.grapheme) <= boundary.sentence
    const sentence = text.slice(start, pieces.starts[piece + 1] ?? text.length).trim()
    return isWhole && /[\p{L}\p{N}]/u.test(sentence) ? [{ piece, sentence }] : []
  })
  const vectors: Float32Array[] = []
  for (let from = 0; from < sentences.length; from += embeddedAtOnce) {
    vectors.push(...(await embed(sentences.slice(from, from + embeddedAtOnce).map(({ sentence }) => sentence))))
    await yielder.pause()
  }
  const distances = vectors.slice(1).map((_, gap) => distanceAt(vectors, gap + 1))
  if (distances.length < leastGaps) return new Set()
  const mean = distances.reduce((sum, distance) => sum + distance, 0) / distances.length
  const variance = distances.reduce((sum, distance) => sum + (distance - mean) ** 2, 0) / distances.length
  const threshold = mean + deviations * Math.sqrt(variance)
  const starts = new Set<number>()
  for (const [index, distance] of distances.entries()) {
    const isPeak = distance >= (distances[index - 1] ?? 0) && distance > (distances[index + 1] ?? 0)
    const piece = sentences[index + 1]?.piece
    if (isPeak && distance > threshold && piece !== undefined) starts.add(piece)
  }
  return starts
}

/** One minus the cosine of the means of the sentences before a place and from it on. */
function distanceAt(vectors: readonly Float32Array[], place: number): number {
  const before = sumOf(vectors.slice(Math.max(0, place - windowSize), place))
  const after = sumOf(vectors.slice(place, place + windowSize))
  let [product, lengthBefore, lengthAfter] = [0, 0, 0]
  for (const [index, value] of before.entries()) {
    const other = after[index] ?? 0
    product += value * other
    lengthBefore += value * value
    lengthAfter += other * other
  }
  const lengths = Math.sqrt(lengthBefore * lengthAfter)
  return lengths > 0 ? 1 - product / lengths : 0
}

function sumOf(vectors: readonly Float32Array[]): Float32Array {
  const sum = new Float32Array(vectors[0]?.length ?? 0)
  for (const vector of vectors) for (const [index, value] of vector.entries()) sum[index] = (sum[index] ?? 0) + value
  return sum
}
