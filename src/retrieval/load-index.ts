import type { CorpusIndex } from './corpus-index.js'
import type { SegmentData } from './keyword/segment.js'
import type { DocumentEntry } from './storage/corpus-layout.js'
import type { CorpusStore } from './storage/corpus-store.js'
import type { IndexKeeper } from './storage/index-keeper.js'
import type { StoredCodes } from './storage/index-store.js'
import type { StoredIndex } from './storage/stored-index.js'

/** Numbers of vectors that go into the index at one time. */
const vectorBatch = 2 ** 20
/** The same while searches go on: some 10 ms of work. */
const refinedBatch = 2 ** 18

/** Takes over the stored words of documents that are as they were when these were stored. */
export async function loadWords(
  entries: readonly DocumentEntry[],
  stored: StoredIndex<SegmentData>,
  index: CorpusIndex,
  keeper: IndexKeeper,
): Promise<void> {
  const bySegment = new Map(entries.map((entry) => [entry.segment, entry]))
  for await (const { name, segment } of stored.read()) {
    if (segment === undefined) {
      keeper.noteBroken(name)
      continue
    }
    const rows = segment.documents.map((document) => {
      const entry = bySegment.get(document.segment)
      const isSame = entry?.title === document.title && entry?.chunks === document.chunks
      return { entry: isSame ? entry : undefined, chunks: document.chunks }
    })
    index.putWords(rows, segment.data)
  }
}

/** Takes over the stored codes of vectors of documents whose words are in the index. */
export async function loadCodes(
  entries: readonly DocumentEntry[],
  stored: StoredIndex<StoredCodes>,
  index: CorpusIndex,
  keeper: IndexKeeper,
): Promise<void> {
  const bySegment = new Map(entries.map((entry) => [entry.vectors?.segment, entry]))
  for await (const { name, segment } of stored.read()) {
    if (segment === undefined) {
      keeper.noteBroken(name)
      continue
    }
    const { dimensions } = segment.data
    const rows = segment.documents.map((document) => {
      const entry = bySegment.get(document.segment)
      const isSame = entry?.chunks === document.chunks && entry.vectors?.dimensions === dimensions
      return { entry: isSame ? entry : undefined, chunks: document.chunks }
    })
    index.putCodes(rows, segment.data)
  }
}

/** Reads the vectors of these documents into the index, many at a time. */
export async function loadVectors(
  entries: readonly DocumentEntry[],
  store: CorpusStore,
  index: CorpusIndex,
): Promise<void> {
  for await (const rows of readVectorBatches(entries, store, vectorBatch)) index.putVectors(rows)
}

/** Reads the vectors of documents that the index has codes of, so that they are scored exactly. */
export async function refineVectors(
  entries: readonly DocumentEntry[],
  store: CorpusStore,
  index: CorpusIndex,
  signal: AbortSignal,
  pause: () => Promise<void> = async () => {},
): Promise<void> {
  for await (const rows of readVectorBatches(entries, store, refinedBatch)) {
    if (signal.aborted) return
    index.refineVectors(rows)
    await pause()
  }
}

interface VectorRow {
  readonly entry: DocumentEntry
  readonly vectors: Float32Array
}

async function* readVectorBatches(
  entries: readonly DocumentEntry[],
  store: CorpusStore,
  numbers: number,
): AsyncGenerator<readonly VectorRow[]> {
  let rows: VectorRow[] = []
  let size = 0
  for await (const row of store.readVectors(entries)) {
    rows.push(row)
    size += row.vectors.length
    if (size < numbers) continue
    yield rows
    rows = []
    size = 0
  }
  yield rows
}
