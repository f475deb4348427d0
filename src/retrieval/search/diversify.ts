import { contentTerms } from '../../text/terms.js'

/** Something that was found. */
export interface Relevant {
  readonly text: string
  readonly score: number
}

/**
 * Maximal marginal relevance (Carbonell and Goldstein 1998): one row after the other, that with the most of
 * `(1 - diversity) × relevance - diversity × similarity to the nearest row chosen before`. Relevance is the score between the worst row
 * and the best, similarity the cosine of the content words, so that it works without vectors.
 *
 * @param rows best first
 * @param diversity from 0, which leaves the order, to 1
 */
export function diversify<Row extends Relevant>(rows: readonly Row[], topK: number, diversity: number): Row[] {
  if (diversity === 0 || rows.length < 2) return rows.slice(0, topK)
  const scores = rows.map(({ score }) => score)
  const least = Math.min(...scores)
  const range = Math.max(...scores) - least
  const candidates = rows.map((row) => ({
    row,
    relevance: range > 0 ? (row.score - least) / range : 1,
    terms: new Set(contentTerms(row.text).map(({ term }) => term)),
    nearest: 0,
  }))
  const chosen: Row[] = []
  while (chosen.length < topK && candidates.length > 0) {
    const marginal = candidates.map(({ relevance, nearest }) => (1 - diversity) * relevance - diversity * nearest)
    // The first of equals, which stood before the others.
    const [next] = candidates.splice(marginal.indexOf(Math.max(...marginal)), 1)
    if (next === undefined) break
    chosen.push(next.row)
    for (const other of candidates) other.nearest = Math.max(other.nearest, cosine(next.terms, other.terms))
  }
  return chosen
}

function cosine(first: ReadonlySet<string>, second: ReadonlySet<string>): number {
  if (first.size === 0 || second.size === 0) return 0
  let common = 0
  for (const term of first) if (second.has(term)) common++
  return common / Math.sqrt(first.size * second.size)
}
