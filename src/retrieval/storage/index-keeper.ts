import { type AlcoveError, toAlcoveError } from '../../protocol/error.js'
import type { Locks } from '../../runtime/locks.js'
import type { IndexedDocument } from './index-store.js'
import type { StoredIndex } from './stored-index.js'

/** A document of the index in memory, as an index segment would list it. */
export interface KeptDocument {
  readonly id: string
  readonly row: IndexedDocument
}

export interface IndexKeeperOptions<Data> {
  readonly stored: StoredIndex<Data>
  /** What the index in memory has at this moment; undefined when it is about something else by now. */
  readonly documents: () => readonly KeptDocument[] | undefined
  /** The words, or codes, of these documents. */
  readonly extract: (ids: readonly string[]) => Data
  readonly locks: Locks
  /** One tab writes at a time. */
  readonly lockName: string
  readonly signal: AbortSignal
  readonly onWarning: (error: AlcoveError) => void
}

/** Stores the index in the background, so that the next opening reads it. */
export interface IndexKeeper {
  /** Tells of a document that was made searchable by itself. Saves when there are many. */
  note(document: { readonly chunks: number }): void
  /** Tells of a stored segment that could not be read: it is replaced with the next save, which need not wait for more. */
  noteBroken(name: string): void
  /** Saves if enough was noted to be worth it. */
  save(): void
}

/** So many chunks are indexed anew at an opening rather than stored: it takes some 20 ms. */
const leastChunks = 512
/** While documents keep coming, the index is stored whenever so many chunks came. */
const manyChunks = 8192
/** A segment of so many chunks is not merged any more. */
const mostChunks = 32_768

export function createIndexKeeper<Data>(options: IndexKeeperOptions<Data>): IndexKeeper {
  const { locks, lockName, signal, onWarning } = options
  const broken = new Set<string>()
  let noted = 0
  let isSaving = false

  function save(): void {
    if (isSaving || signal.aborted || (noted < leastChunks && broken.size === 0)) return
    isSaving = true
    noted = 0
    locks
      .ifFree(lockName, () => saveIndex(options, broken))
      .catch((error: unknown) => {
        if (!signal.aborted) onWarning(toAlcoveError(error, 'store-blocked', 'the index was not stored'))
      })
      .finally(() => {
        isSaving = false
        if (noted >= manyChunks) save()
      })
  }

  return {
    note({ chunks }) {
      noted += chunks
      if (noted >= manyChunks) save()
    },
    noteBroken: (name) => void broken.add(name),
    save,
  }
}

/**
 * Writes one segment with the documents that no stored segment has, and with those of the stored segments that are not larger than it, or
 * that are mostly about documents which are gone: in the manner of a log-structured merge tree, a document is written again only when
 * its segment doubles.
 */
async function saveIndex<Data>(
  { stored, documents: listDocuments, extract, signal }: IndexKeeperOptions<Data>,
  broken: Set<string>,
): Promise<void> {
  const listed = await stored.readListed()
  if (signal.aborted) return
  // From here to `extract` nothing is waited for: what is extracted is of these documents.
  const kept = listDocuments()?.filter(({ row }) => row.chunks > 0)
  if (kept === undefined) return
  const keyOf = ({ segment, title = '', chunks }: IndexedDocument) => `${segment}/${chunks}/${title}`
  const living = new Set(kept.map(({ row }) => keyOf(row)))
  const segments = listed.map(({ name, documents }) => {
    const alive = documents.filter((document) => !broken.has(name) && living.has(keyOf(document)))
    return { name, alive, all: countChunks(documents), chunks: countChunks(alive) }
  })
  const covered = new Set(segments.flatMap(({ alive }) => alive.map(keyOf)))
  let chunks = countChunks(kept.map(({ row }) => row).filter((row) => !covered.has(keyOf(row))))
  const replaced = new Set<string>()
  for (const segment of segments.sort((a, b) => a.chunks - b.chunks)) {
    const isSmall = segment.chunks <= chunks * 2 && segment.chunks < mostChunks
    if (!isSmall && segment.chunks * 2 >= segment.all) continue
    replaced.add(segment.name)
    chunks += segment.chunks
    for (const document of segment.alive) covered.delete(keyOf(document))
  }
  if (chunks < leastChunks && replaced.size === 0) return
  const missing = kept.filter(({ row }) => !covered.has(keyOf(row)))
  const data = extract(missing.map(({ id }) => id))
  await stored.replace([...replaced], { documents: missing.map(({ row }) => row), data })
  broken.clear()
}

const countChunks = (documents: readonly { readonly chunks: number }[]): number =>
  documents.reduce((sum, { chunks }) => sum + chunks, 0)
