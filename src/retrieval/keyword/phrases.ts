import { fieldCount, findTerm, type KeywordSegment } from './segment.js'

/** Two words that stand beside each other in a query. */
export interface WordPair {
  readonly first: string
  readonly second: string
  /** What it is worth when a passage has the pair as it is: the smaller of the two words' inverse document frequencies. */
  readonly weight: number
}

/** How far apart the words of a pair may stand, in tokens. */
const window = 3
/** What a pair of neighbours counts beside a word. */
const phraseWeight = 0.3

/** What a segment needs to know to look for pairs: for each term the pairs that it begins, and those that it ends. */
interface PairTerms {
  readonly begins: Map<number, number[]>
  readonly seconds: Int32Array
}

/**
 * Scores passages for words of the query that stand in them in order and near each other, after Rasolofo and Savoy 2003: each occurrence
 * of a pair counts 1 / distance², many of them saturate as words do in BM25.
 */
export function createPhraseScorer(pairs: readonly WordPair[], k: number) {
  const known = new Map<KeywordSegment, PairTerms>()

  function termsOf(segment: KeywordSegment): PairTerms {
    const terms = known.get(segment)
    if (terms !== undefined) return terms
    const begins = new Map<number, number[]>()
    const seconds = new Int32Array(pairs.length)
    for (const [index, { first, second }] of pairs.entries()) {
      const term = findTerm(segment, first)
      seconds[index] = findTerm(segment, second)
      if (term >= 0 && (seconds[index] as number) >= 0) begins.set(term, [...(begins.get(term) ?? []), index])
    }
    const made = { begins, seconds }
    known.set(segment, made)
    return made
  }

  return (segment: KeywordSegment, local: number): number => {
    const { begins, seconds } = termsOf(segment)
    if (begins.size === 0) return 0
    const nearness = new Float64Array(pairs.length)
    const { sequence, offsets } = segment
    const end = offsets[local * fieldCount + 1] as number
    for (let at = offsets[local * fieldCount] as number; at < end; at++) {
      for (const pair of begins.get(sequence[at] as number) ?? []) {
        for (let distance = 1; distance <= window && at + distance < end; distance++) {
          if (sequence[at + distance] !== seconds[pair]) continue
          nearness[pair] = (nearness[pair] as number) + 1 / distance ** 2
          break
        }
      }
    }
    let score = 0
    for (const [index, { weight }] of pairs.entries()) {
      const near = nearness[index] as number
      score += (phraseWeight * weight * near * (k + 1)) / (near + k)
    }
    return score
  }
}
