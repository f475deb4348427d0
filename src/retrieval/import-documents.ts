import type { AddResult } from '../protocol/corpus.js'
import { throwIfAborted } from '../runtime/abort.js'
import type { SegmentData } from './keyword/segment.js'
import type { CorpusFile } from './storage/corpus-file.js'
import type { DocumentContent, DocumentEntry } from './storage/corpus-layout.js'
import type { CorpusStore, NewEntry, PutResult } from './storage/corpus-store.js'

/** A document as it was stored. */
export interface StoredContent {
  readonly entry: DocumentEntry
  readonly content: DocumentContent
}

/** As `CorpusIndex.putWords` takes it. */
export interface WordRow {
  readonly entry: DocumentEntry | undefined
  readonly chunks: number
}

export interface ImportContext {
  readonly store: CorpusStore
  readonly signal: AbortSignal
  nextOrder(): number
  /** Stores a document and makes it searchable. */
  commit(entry: NewEntry, content: DocumentContent, embedder: string | undefined): Promise<PutResult['type']>
  /** Makes stored documents searchable by the words of the file. */
  show(rows: readonly WordRow[], words: SegmentData, stored: readonly StoredContent[]): Promise<void>
}

/**
 * Stores the documents of a file one by one. Those that are new, and whose words the file has, are made searchable at the end, all
 * together; those that take the place of another at once.
 */
export async function importDocuments({ documents, index }: CorpusFile, context: ImportContext): Promise<AddResult> {
  const { store, signal } = context
  const counts = { added: 0, updated: 0, unchanged: 0 }
  const stored = new Map<string, StoredContent>()
  const hasWords = new Set(index?.documents)
  for (const { entry, content } of documents) {
    throwIfAborted(signal)
    const existing = await store.readEntry(entry.id)
    if (existing?.contentHash === entry.contentHash) {
      counts.unchanged++
      continue
    }
    const { vectors, segment: _segment, addedAt: _addedAt, ...rest } = entry
    const fresh = { ...rest, order: context.nextOrder() }
    if (existing !== undefined || !hasWords.has(entry.id)) {
      counts[await context.commit(fresh, content, vectors?.embedder)]++
      continue
    }
    const put = await store.putDocument(fresh, content, vectors?.embedder)
    counts[put.type]++
    if (put.type !== 'unchanged') stored.set(entry.id, { entry: put.entry, content })
  }
  if (index !== undefined && stored.size > 0) {
    const chunksOf = new Map(documents.map(({ entry }) => [entry.id, entry.chunks]))
    const rows = index.documents.map((id) => ({ entry: stored.get(id)?.entry, chunks: chunksOf.get(id) ?? 0 }))
    await context.show(rows, index.words, [...stored.values()])
  }
  return { ids: documents.map(({ entry }) => entry.id), ...counts, failed: [] }
}
