import type { CorpusIndex } from './corpus-index.js'
import type { DocumentEntry } from './storage/corpus-layout.js'
import type { CorpusStore } from './storage/corpus-store.js'
import type { IndexKeeper } from './storage/index-keeper.js'

/** Numbers of vectors that go into the index at one time. */
const vectorBatch = 2 ** 20

/** Takes over the stored words of documents that are as they were when these were stored. */
export async function loadWords(
  entries: readonly DocumentEntry[],
  store: CorpusStore,
  index: CorpusIndex,
  keeper: IndexKeeper,
): Promise<void> {
  const bySegment = new Map(entries.map((entry) => [entry.segment, entry]))
  for await (const { name, segment } of store.readIndex()) {
    if (segment === undefined) {
      keeper.noteBroken(name)
      continue
    }
    const rows = segment.documents.map((document) => {
      const entry = bySegment.get(document.segment)
      const isSame = entry?.title === document.title && entry.chunks === document.chunks
      return { entry: isSame ? entry : undefined, chunks: document.chunks }
    })
    index.putWords(rows, segment.words)
  }
}

/** Reads the vectors of these documents into the index, many at a time. */
export async function loadVectors(
  entries: readonly DocumentEntry[],
  store: CorpusStore,
  index: CorpusIndex,
): Promise<void> {
  let rows: { entry: DocumentEntry; vectors: Float32Array }[] = []
  let size = 0
  for await (const row of store.readVectors(entries)) {
    rows.push(row)
    size += row.vectors.length
    if (size < vectorBatch) continue
    index.putVectors(rows)
    rows = []
    size = 0
  }
  index.putVectors(rows)
}
