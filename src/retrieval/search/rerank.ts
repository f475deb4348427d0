import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import type { Reranker } from '../../protocol/model.js'
import { abortable, throwIfAborted } from '../../runtime/abort.js'
import { isServed, writtenIn } from '../../text/script.js'

/** Fewest hits that are read again. */
const minReread = 20

export interface RerankContext {
  readonly reranker: Reranker
  readonly signal?: AbortSignal | undefined
  /** Told why the order stayed as it was. */
  readonly onWarning: (error: AlcoveError) => void
}

/**
 * Rows in the order of a cross-encoder: the first `topK` (20 at least) by its scores, the others behind them as they were. They stay as they
 * are where the model does not serve the query's language, and, behind a warning, where it fails.
 *
 * @param rows best first
 */
export async function rerankRows<Row extends { readonly text: string; readonly score: number }>(
  query: string,
  rows: readonly Row[],
  topK: number,
  { reranker, signal, onWarning }: RerankContext,
): Promise<readonly Row[]> {
  if (rows.length < 2 || !isServed(writtenIn(query), reranker.languages)) return rows
  const read = rows.slice(0, Math.max(topK, minReread))
  try {
    await abortable(reranker.load({ signal }), signal)
    const texts = read.map(({ text }) => text)
    const scores = await abortable(reranker.score(query, texts, { signal }), signal)
    if (scores.length !== read.length || !scores.every(Number.isFinite)) {
      throw new AlcoveError(
        'output-invalid',
        `expected ${read.length} finite scores, '${reranker.id}' gave ${scores.length}`,
      )
    }
    return read
      .map((row, place) => ({ ...row, score: scores[place] as number }))
      .sort((first, second) => second.score - first.score)
  } catch (error) {
    throwIfAborted(signal)
    onWarning(
      toAlcoveError(error, 'model-load-failed', `'${reranker.id}' cannot rerank, so the search goes on without`),
    )
    return rows
  }
}
