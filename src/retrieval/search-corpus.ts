import type { Hit, Metadata, SearchMode, SearchOptions } from '../protocol/corpus.js'
import { AlcoveError, toAlcoveError } from '../protocol/error.js'
import { abortable, throwIfAborted } from '../runtime/abort.js'
import { isServed, writtenIn } from '../text/script.js'
import type { CorpusIndex, DocumentFilter, Passage } from './corpus-index.js'
import { filterByMetadata } from './corpus-index.js'
import { checkMetadata } from './document-input.js'
import type { TextEmbedder } from './embed.js'
import { fuseRankings, keywordLeg, type RankedLeg, vectorLeg } from './fuse.js'
import type { DocumentEntry } from './storage/corpus-layout.js'

export interface CheckedSearch {
  readonly query: string
  readonly topK: number
  readonly mode: SearchMode
  readonly where: Metadata | undefined
}

const modes: readonly SearchMode[] = ['hybrid', 'keyword', 'vector']
const maxTopK = 1000

/** @throws AlcoveError `invalid-argument` that names the option */
export function checkSearch(query: string, options: SearchOptions): CheckedSearch {
  const { topK = 10, mode = 'hybrid', where } = options
  if (typeof query !== 'string') {
    throw new AlcoveError('invalid-argument', `query: expected a text, got ${query === null ? 'null' : typeof query}`)
  }
  if (!(Number.isInteger(topK) && topK >= 1 && topK <= maxTopK)) {
    throw new AlcoveError('invalid-argument', `topK: expected a whole number from 1 to ${maxTopK}, got ${topK}`)
  }
  if (!modes.includes(mode)) {
    throw new AlcoveError('invalid-argument', `mode: expected 'hybrid', 'keyword' or 'vector', got '${mode}'`)
  }
  if (where !== undefined) checkMetadata(where, 'where')
  return { query, topK, mode, where }
}

export interface SearchContext {
  readonly index: CorpusIndex
  readonly embedder: TextEmbedder | undefined
  readonly signal?: AbortSignal | undefined
  /** Told why a leg of a hybrid search failed while the other one answered. */
  readonly onWarning: (error: AlcoveError) => void
}

/**
 * Both legs at once, each deeper than `topK`, fused, and cut out of the documents. Passages with the same text come once. A hybrid search
 * leaves the vector leg out where it has nothing to say: when the embedding model does not serve what the query is written in, or none of
 * the documents; documents that it does not serve do not take part in that leg.
 */
export async function searchCorpus(search: CheckedSearch, context: SearchContext): Promise<Hit[]> {
  const { query, topK, mode, where } = search
  throwIfAborted(context.signal)
  if (query.trim() === '') return []
  const depth = Math.max(50, topK * 3)
  const filter = filterByMetadata(where)
  const hasKeywords = mode !== 'vector'
  const hasVectors = mode === 'vector' || (mode === 'hybrid' && canUseVectors(query, context))
  const [keyword, vector] = await Promise.allSettled([
    hasKeywords ? runKeywords(query, depth, filter, context) : undefined,
    hasVectors ? runVectors(search, depth, filter, context) : undefined,
  ])
  throwIfAborted(context.signal)
  const failures = [keyword, vector].filter((leg) => leg.status === 'rejected')
  const asked = Number(hasKeywords) + Number(hasVectors)
  if (failures[0] !== undefined) {
    const error = toAlcoveError(failures[0].reason, 'output-invalid', 'the search failed')
    if (failures.length === asked) throw error
    context.onWarning(error)
  }
  const legs = [keyword, vector].map((leg) => (leg.status === 'fulfilled' ? leg.value : undefined) ?? { rows: [] })
  return await collectHits(legs, topK, mode, context.index)
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
): Promise<RankedLeg> {
  return keywordLeg(index.searchText(query, depth, filter))
}

async function runVectors(
  { query, mode }: CheckedSearch,
  depth: number,
  filter: DocumentFilter | undefined,
  { embedder, index, signal }: SearchContext,
): Promise<RankedLeg> {
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
  const matches = index.searchVectors(vector, depth, mode === 'vector' ? filter : isUnderstood)
  if (matches === undefined) return { rows: [] }
  return mode === 'vector' ? { rows: matches.rows } : vectorLeg(matches)
}

async function collectHits(
  legs: readonly RankedLeg[],
  topK: number,
  mode: SearchMode,
  index: CorpusIndex,
): Promise<Hit[]> {
  const hits: Hit[] = []
  const seen = new Set<string>()
  const fused = fuseRankings(legs, (a, b) => index.compareChunks(a, b))
  let passages: ReadonlyMap<number, Passage> = new Map()
  for (const [at, { id, score, ranks }] of fused.entries()) {
    // A few more than are wanted, as some have the same text; then the next ones.
    if (at % (topK * 2) === 0) passages = await index.readPassages(fused.slice(at, at + topK * 2).map((row) => row.id))
    const passage = passages.get(id)
    if (passage === undefined || seen.has(passage.text)) continue
    seen.add(passage.text)
    const [keyword, vector] = ranks
    hits.push({
      ...passage,
      score:
        mode === 'hybrid'
          ? score
          : (legs[mode === 'keyword' ? 0 : 1]?.rows[(keyword ?? vector ?? 1) - 1]?.score ?? score),
      ranks: { ...(keyword !== undefined && { keyword }), ...(vector !== undefined && { vector }) },
    })
    if (hits.length === topK) break
  }
  return hits
}
