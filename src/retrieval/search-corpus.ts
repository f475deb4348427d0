import type { Hit } from '../protocol/corpus.js'
import { AlcoveError, toAlcoveError } from '../protocol/error.js'
import type { Reranker } from '../protocol/model.js'
import { abortable, throwIfAborted } from '../runtime/abort.js'
import { isServed, writtenIn } from '../text/script.js'
import type { CorpusIndex, DocumentFilter } from './corpus-index.js'
import { filterByMetadata } from './corpus-index.js'
import type { TextEmbedder } from './embed.js'
import { fuseRankings, keywordLeg, vectorLeg } from './fuse.js'
import type { KeywordMatches } from './keyword/text-index.js'
import type { CheckedSearch } from './search/check-search.js'
import { createDuplicateFilter } from './search/near-duplicates.js'
import type { DocumentEntry } from './storage/corpus-layout.js'
import type { VectorMatches } from './vector/vector-index.js'

export interface SearchContext {
  readonly index: CorpusIndex
  readonly embedder: TextEmbedder | undefined
  /** Reads the best hits again. @default none */
  readonly reranker?: Reranker | undefined
  readonly signal?: AbortSignal | undefined
  /** Reads the vectors of documents that the index knows by their codes alone. @default none: they are ranked by their codes */
  readonly refine?: ((entries: readonly DocumentEntry[]) => Promise<void>) | undefined
  /** Told why a leg of a hybrid search failed while the other one answered. */
  readonly onWarning: (error: AlcoveError) => void
}

/** Rows of a ranking that are looked at beyond those wanted: some repeat others, and the legs differ. */
const minDepth = 50
/** Rows by their codes that may turn out to be among the best by their vectors. */
const extraCandidates = 32

/**
 * Each query in both legs at once, deeper than `topK`, fused, and cut out of the documents. Passages that say the same come once. A hybrid
 * search leaves the vector leg out where it has nothing to say: when the embedding model does not serve what the query is written in, or
 * none of the documents; documents that it does not serve do not take part in that leg.
 */
export async function searchCorpus(search: CheckedSearch, context: SearchContext): Promise<Hit[]> {
  const { queries, topK, diversity } = search
  const { reranker, signal, onWarning } = context
  throwIfAborted(signal)
  if (queries[0]?.trim() === '') return []
  const rankings = await Promise.all(queries.map((query) => rankPassages(query, search, context)))
  throwIfAborted(signal)
  const isChosenFrom = reranker !== undefined || diversity > 0
  const wanted = isChosenFrom ? Math.max(minDepth, topK) : topK
  const hits = await collectHits(joinRankings(rankings, context.index), wanted, context.index)
  if (!isChosenFrom) return hits
  const { rerankRows } = await import('./search/rerank.js')
  const ordered = reranker ? await rerankRows(queries[0] ?? '', hits, topK, { reranker, signal, onWarning }) : hits
  const { diversify } = await import('./search/diversify.js')
  return diversify(ordered, topK, diversity)
}

/** A passage in the ranking of a query. */
interface RankedPassage {
  readonly id: number
  readonly score: number
  readonly ranks: Hit['ranks']
}

/** The ranking of one query: both legs at once. One that fails leaves the other, behind a warning. */
async function rankPassages(query: string, search: CheckedSearch, context: SearchContext): Promise<RankedPassage[]> {
  const { topK, mode, where, weights } = search
  const { index, onWarning } = context
  const depth = Math.max(minDepth, topK * 3)
  const filter = filterByMetadata(where)
  const isHybrid = mode === 'hybrid'
  const hasKeywords = isHybrid ? weights.keyword > 0 : mode === 'keyword'
  const hasVectors = isHybrid ? weights.vector > 0 && canUseVectors(query, context) : mode === 'vector'
  const [keyword, vector] = await Promise.allSettled([
    hasKeywords ? runKeywords(query, depth, filter, context) : undefined,
    hasVectors ? runVectors(query, depth, filter, search, context) : undefined,
  ])
  throwIfAborted(context.signal)
  const failures = [keyword, vector].filter((leg) => leg.status === 'rejected')
  if (failures[0] !== undefined) {
    const error = toAlcoveError(failures[0].reason, 'output-invalid', 'the search failed')
    if (failures.length === Number(hasKeywords) + Number(hasVectors)) throw error
    onWarning(error)
  }
  const legs = [
    keywordLeg((keyword.status === 'fulfilled' && keyword.value) || { rows: [] }, weights.keyword),
    vectorLeg((vector.status === 'fulfilled' && vector.value) || noMatches, weights.vector),
  ]
  // A leg that was asked for alone gives its own scores.
  if (!isHybrid)
    return legs.flatMap(({ rows }) => rows.map(({ id, score }, at) => ({ id, score, ranks: { [mode]: at + 1 } })))
  return fuseRankings(legs, (a, b) => index.compareChunks(a, b)).map(
    ({ id, score, ranks: [inKeywords, inVectors] }) => ({
      id,
      score,
      ranks: {
        ...(inKeywords !== undefined && { keyword: inKeywords }),
        ...(inVectors !== undefined && { vector: inVectors }),
      },
    }),
  )
}

const noMatches: VectorMatches = { rows: [], mean: 0, deviation: 0, scanned: 0 }

/** The rankings of several queries as one, by plain reciprocal rank fusion; that of one query as it is. */
function joinRankings(rankings: readonly (readonly RankedPassage[])[], index: CorpusIndex): readonly RankedPassage[] {
  if (rankings.length < 2) return rankings[0] ?? []
  const ranks = new Map<number, Hit['ranks']>()
  for (const row of rankings.flat()) ranks.set(row.id, bestRanks(ranks.get(row.id), row.ranks))
  const legs = rankings.map((rows) => ({ rows }))
  const fused = fuseRankings(legs, (a, b) => index.compareChunks(a, b))
  return fused.map(({ id, score }) => ({ id, score, ranks: ranks.get(id) ?? {} }))
}

function bestRanks(known: Hit['ranks'] = {}, ranks: Hit['ranks']): Hit['ranks'] {
  const least = (first?: number, second?: number) =>
    Math.min(first ?? Number.POSITIVE_INFINITY, second ?? Number.POSITIVE_INFINITY)
  const [keyword, vector] = [least(known.keyword, ranks.keyword), least(known.vector, ranks.vector)]
  return { ...(Number.isFinite(keyword) && { keyword }), ...(Number.isFinite(vector) && { vector }) }
}

function canUseVectors(query: string, { embedder, index }: SearchContext): boolean {
  if (embedder === undefined || index.dimensions === 0) return false
  const { languages } = embedder.model
  return isServed(writtenIn(query), languages) && index.isServed(languages)
}

async function runKeywords(
  query: string,
  depth: number,
  filter: DocumentFilter | undefined,
  { index }: SearchContext,
): Promise<KeywordMatches> {
  return index.searchText(query, depth, filter)
}

async function runVectors(
  query: string,
  depth: number,
  filter: DocumentFilter | undefined,
  { mode }: CheckedSearch,
  { embedder, index, signal, refine }: SearchContext,
): Promise<VectorMatches | undefined> {
  if (embedder === undefined) {
    throw new AlcoveError('model-not-found', 'a vector search needs an embedding model, and there is none', {
      hint: "Search with mode 'hybrid' or 'keyword', or configure an embedder and let it load.",
    })
  }
  const vector = await abortable(embedder.query(query, { signal }), signal)
  const { languages } = embedder.model
  const isUnderstood = (entry: DocumentEntry): boolean =>
    isServed(entry.writtenIn, languages) && (filter === undefined || filter(entry))
  // Asked for alone, the leg answers for all documents, well or badly.
  const allowed = mode === 'vector' ? filter : isUnderstood
  if (refine !== undefined && index.hasCoded) {
    const candidates = index.searchVectors(vector, depth + extraCandidates, allowed)?.rows ?? []
    await abortable(refine(index.codedAmong(candidates)), signal)
  }
  return index.searchVectors(vector, depth, allowed)
}

async function collectHits(rows: readonly RankedPassage[], topK: number, index: CorpusIndex): Promise<Hit[]> {
  const hits: Hit[] = []
  const duplicates = createDuplicateFilter()
  // A few more than are wanted, as some have the same text; then the next ones.
  const batch = topK * 2
  for (let start = 0; start < rows.length; start += batch) {
    const looked = rows.slice(start, start + batch)
    const passages = await index.readPassages(looked.map(({ id }) => id))
    for (const { id, score, ranks } of looked) {
      const passage = passages.get(id)
      if (passage === undefined || duplicates.isRepeated(passage.text)) continue
      hits.push({ ...passage, score, ranks })
      if (hits.length === topK) return hits
    }
  }
  return hits
}
