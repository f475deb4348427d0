import type { CorpusIndex } from './corpus-index.js'
import { writeCorpusFile } from './storage/corpus-file.js'
import type { CorpusFileFacts } from './storage/corpus-file-header.js'
import type { DocumentEntry } from './storage/corpus-layout.js'
import type { CorpusStore } from './storage/corpus-store.js'

export interface ExportOptions {
  readonly facts: CorpusFileFacts
  readonly index: CorpusIndex
  readonly store: CorpusStore
  /** The model whose vectors are in the index. */
  readonly embedder: string | undefined
}

/** Writes what the index has as one file, with its words and codes, so that who reads it need not make them. */
export async function exportCorpus({ facts, index, store, embedder }: ExportOptions): Promise<Blob> {
  const { entries } = index
  const hasCodes = ({ id, vectors }: DocumentEntry) => vectors?.embedder === embedder && index.hasVectors(id)
  const written = entries.filter(({ chunks }) => chunks > 0)
  const ids = written.map(({ id }) => id)
  const coded = embedder === undefined ? [] : written.filter(hasCodes).map(({ id }) => id)
  // Nothing is waited for in between: words and codes are those of these entries.
  const words = { documents: ids, words: index.extractWords(ids) }
  const codes =
    embedder === undefined || coded.length === 0
      ? undefined
      : { embedder, documents: coded, data: index.extractCodes(coded) }
  const read = (batch: readonly DocumentEntry[]) => store.readContents(batch, () => true)
  return await writeCorpusFile(facts, entries, read, { index: words, codes })
}
