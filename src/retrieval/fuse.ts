import type { KeywordMatches } from './keyword/text-index.js'
import type { ScoredId } from './vector/top-heap.js'
import type { VectorMatches } from './vector/vector-index.js'

/** One ranking to fuse, best first. */
export interface RankedLeg {
  readonly rows: readonly ScoredId[]
  /** What this leg counts. @default 1 */
  readonly weight?: number | undefined
  /** How much a row of this leg has to say, from 0 to 1, by its score. @default 1 */
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

/** Share of an ideal passage's BM25 that is as good as all of it: questions have words that no answer repeats. */
const fullCoverage = 0.5
/** What the vector leg counts beside a keyword leg that covers the query. */
const vectorWeight = 0.35
/** How far above chance a cosine must be to say all that it can. */
const noiseMargin = 1.5

/**
 * The keyword leg. A row says as much as it covers of the query: the leg is quiet when the words that matter occur nowhere, so that rows
 * with nothing but common words do not outdo a passage that means the same in other words.
 */
export function keywordLeg({ rows, bestPossible }: KeywordMatches): RankedLeg {
  const best = rows[0]?.score ?? 0
  if (best === 0) return { rows }
  const coverage = Math.min(1, best / bestPossible / fullCoverage)
  return { rows, evidence: (score) => (coverage * score) / best }
}

/**
 * The vector leg. A row says as much as its cosine stands out: in standard deviations above the mean of all, against the highest that so
 * many chance values would come to, √(2 ln n). A model that does not understand the texts gives cosines like chance, and stays quiet.
 */
export function vectorLeg({ rows, mean, deviation, scanned }: VectorMatches): RankedLeg {
  if (!(deviation > 1e-6)) return { rows, weight: vectorWeight }
  const chance = noiseMargin * Math.sqrt(2 * Math.log(Math.max(scanned, 2)))
  // Of few values none can be far from their mean.
  const reachable = (0.8 * (scanned - 1)) / Math.sqrt(scanned)
  const full = Math.min(chance, reachable)
  const evidence = (score: number): number => Math.min(1, Math.max(0, (score - mean) / deviation / full)) ** 2
  return { rows, weight: vectorWeight, evidence }
}
