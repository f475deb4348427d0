import type { KeywordMatches } from './keyword/text-index.js'
import type { ScoredId } from './vector/top-heap.js'
import type { VectorMatches } from './vector/vector-index.js'

/** One ranking to fuse, best first. */
export interface RankedLeg {
  readonly rows: readonly ScoredId[]
  /** What this leg counts. @default 1 */
  readonly weight?: number | undefined
  /** How much a row of this leg has to say, by its score: 0 is nothing. @default 1 */
  readonly evidence?: ((score: number) => number) | undefined
}

/** A row of the fused ranking. */
export interface FusedRow {
  readonly id: number
  readonly score: number
  /** Rank in each leg, from 1; undefined where the leg has not found it. */
  readonly ranks: readonly (number | undefined)[]
}

/** The constant of reciprocal rank fusion, as in Cormack, Clarke and Büttcher 2009. */
const rankConstant = 60

/**
 * Reciprocal rank fusion: the sum over the legs of `weight × evidence / (60 + rank)`, ranks from 1; without evidence it is the plain one.
 * Rows that come to 0 are left out.
 * @param compare orders rows of equal score
 */
export function fuseRankings(legs: readonly RankedLeg[], compare: (a: number, b: number) => number): FusedRow[] {
  const fused = new Map<number, { score: number; ranks: (number | undefined)[] }>()
  for (const [leg, { rows, weight = 1, evidence }] of legs.entries()) {
    for (const [index, { id, score }] of rows.entries()) {
      const row = fused.get(id) ?? { score: 0, ranks: legs.map(() => undefined) }
      row.score += (weight * (evidence?.(score) ?? 1)) / (rankConstant + index + 1)
      row.ranks[leg] = index + 1
      fused.set(id, row)
    }
  }
  return [...fused]
    .map(([id, { score, ranks }]) => ({ id, score, ranks }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || compare(a.id, b.id))
}

/**
 * The keyword leg, by BM25 with Lucene's inverse document frequency. A word's is about `-ln` of the share of passages that have it, so a row's
 * score is about how surprising it would be, in nats, for a passage to have these words by chance (Robertson 2004). Rows with nothing but
 * common words have little to say and cannot outdo a passage that means the same in other words.
 */
export function keywordLeg({ rows }: KeywordMatches, weight = 1): RankedLeg {
  return { rows, weight, evidence: (score) => score }
}

/**
 * The vector leg, in the same nats: how surprising the row's cosine is among those of all passages. What is not relevant has scores with
 * an exponential upper tail (Manmatha, Rath and Feng 2001), for which `-ln P(more than z standard deviations above the mean)` is `√2 z`.
 * Among `n` values nothing rarer than 1 in `n + 1` can be seen, so the best row says `ln(n + 1)` at most, and the others in proportion.
 * A model that does not understand the texts gives cosines that hardly differ, and has little to say.
 */
export function vectorLeg({ rows, mean, deviation, scanned }: VectorMatches, weight = 1): RankedLeg {
  const flat = !(deviation > 1e-6)
  const surprise = (score: number): number => (Math.SQRT2 * Math.max(0, score - mean)) / deviation
  const scale = flat ? 1 : Math.min(1, Math.log(scanned + 1) / Math.max(surprise(rows[0]?.score ?? 0), 1e-6))
  // Nothing tells the rows apart: less than one nat for each, in their order.
  return { rows, weight, evidence: (score) => (flat ? 0.5 : scale * surprise(score)) }
}
