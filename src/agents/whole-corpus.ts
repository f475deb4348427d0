import type { Corpus, Hit, Span } from '../protocol/corpus.js'
import { estimateTokens } from './passages.js'

/** With more documents than this, what a search gives is enough. */
const MAX_DOCUMENTS = 50
/** No text has fewer bytes a token, as `estimateTokens` counts. */
const MOST_BYTES_PER_TOKEN = 4

/**
 * What the hits of a search leave out of a corpus that fits into a prompt whole, as hits of no score; none where it does not fit.
 *
 * @param budgetTokens tokens of all texts together
 */
export async function restOfCorpus(corpus: Corpus, hits: readonly Hit[], budgetTokens: number): Promise<Hit[]> {
  try {
    const { documents } = await corpus.stats()
    if (documents > MAX_DOCUMENTS) return []
    const listed = await corpus.list()
    const bytes = listed.reduce((sum, document) => sum + document.bytes, 0)
    if (bytes > budgetTokens * MOST_BYTES_PER_TOKEN) return []
    const stored = (await Promise.all(listed.map(({ id }) => corpus.get(id)))).filter((one) => one !== undefined)
    // Each piece is rounded up by itself.
    const pieces = 2 * hits.length + stored.length
    if (stored.reduce((sum, { text }) => sum + estimateTokens(text), pieces) > budgetTokens) return []
    return stored.flatMap(({ id, title, url, text, metadata }) => {
      const source = { id, title, ...(url !== undefined && { url }), headings: [], metadata }
      const found = hits.filter((hit) => hit.source.id === id).map(({ span }) => span)
      return gapsBetween(found, text.length).map((span) => ({
        id: `${id}#${span[0]}`,
        text: text.slice(...span),
        score: 0,
        ranks: {},
        source,
        span,
      }))
    })
  } catch {
    // What was found is there all the same.
    return []
  }
}

/** What no span covers. */
function gapsBetween(spans: readonly Span[], length: number): Span[] {
  const gaps: Span[] = []
  let at = 0
  for (const [start, end] of [...spans].sort((first, second) => first[0] - second[0])) {
    if (start > at) gaps.push([at, start])
    at = Math.max(at, end)
  }
  if (at < length) gaps.push([at, length])
  return gaps
}
