import type { Hit, Metadata, Source } from '../protocol/corpus.js'
import { isServed } from '../text/script.js'
import { createTextIndex, type KeywordMatches, type TextIndex } from './keyword/text-index.js'
import type { ChunkTable, DocumentContent, DocumentEntry } from './storage/corpus-layout.js'
import { createVectorIndex, type VectorIndex, type VectorMatches } from './vector/vector-index.js'

/** A document in memory. */
interface LoadedDocument {
  entry: DocumentEntry
  readonly text: string
  readonly table: ChunkTable
  /** Number of its first chunk; the others follow. */
  readonly firstChunk: number
}

/** Which documents a search may find. */
export type DocumentFilter = (entry: DocumentEntry) => boolean

/**
 * What is searched, in memory: text index, vector index and the documents that hits are cut from. Chunks are numbered as documents come,
 * and no number is used twice. Everything here is done at once: a search sees a document whole, or not at all.
 */
export class CorpusIndex {
  readonly #documents = new Map<string, LoadedDocument>()
  /** The document of each chunk number. */
  readonly #documentOf = new Map<number, LoadedDocument>()
  #text: TextIndex = createTextIndex()
  #vectors: VectorIndex | undefined
  #nextChunk = 0

  /** All entries, in document order. */
  get entries(): DocumentEntry[] {
    const entries = [...this.#documents.values()].map(({ entry }) => entry)
    return entries.sort((a, b) => a.order - b.order || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  }

  get size(): number {
    return this.#documents.size
  }

  /** Numbers in a vector; 0 while there are none. */
  get dimensions(): number {
    return this.#vectors?.dimensions ?? 0
  }

  entryOf(id: string): DocumentEntry | undefined {
    return this.#documents.get(id)?.entry
  }

  textOf(id: string): string | undefined {
    return this.#documents.get(id)?.text
  }

  /** What is embedded for each chunk of a document, in order. @param write says what that is */
  embeddedTexts(
    id: string,
    write: (entry: DocumentEntry, content: Pick<DocumentContent, 'text' | 'table'>) => string[],
  ): string[] {
    const document = this.#documents.get(id)
    return document === undefined ? [] : write(document.entry, document)
  }

  /** Puts a document in, in place of the one of the same id. */
  put(entry: DocumentEntry, content: DocumentContent): void {
    this.remove(entry.id)
    const { text, table } = content
    const document: LoadedDocument = { entry, text, table, firstChunk: this.#nextChunk }
    this.#nextChunk += entry.chunks
    this.#documents.set(entry.id, document)
    const numbers = chunkNumbers(document)
    for (const number of numbers) this.#documentOf.set(number, document)
    this.#text.add(
      numbers.map((id, index) => ({
        id,
        text: text.slice(...spanOf(table, index)),
        title: entry.title,
        headings: headingsOf(table, index),
      })),
    )
    if (content.vectors !== undefined) this.putVectors(entry, content.vectors)
  }

  /** Adds the vectors of a document that is there; `entry` is its entry from now on. */
  putVectors(entry: DocumentEntry, vectors: Float32Array): void {
    const document = this.#documents.get(entry.id)
    if (document === undefined || document.entry.segment !== entry.segment || entry.chunks === 0) return
    document.entry = entry
    const dimensions = vectors.length / entry.chunks
    if (this.#vectors?.dimensions !== dimensions) this.#vectors = createVectorIndex({ dimensions })
    this.#vectors.add(chunkNumbers(document), vectors)
  }

  /** Whether all chunks of a document have a vector here. */
  hasVectors(id: string): boolean {
    const document = this.#documents.get(id)
    if (document === undefined) return false
    return document.entry.chunks === 0 || (this.#vectors?.has(document.firstChunk) ?? false)
  }

  /** Forgets all vectors, as another model is used from now on. */
  clearVectors(): void {
    this.#vectors = undefined
  }

  remove(id: string): boolean {
    const document = this.#documents.get(id)
    if (document === undefined) return false
    const numbers = chunkNumbers(document)
    this.#text.remove(numbers)
    this.#vectors?.remove(numbers)
    for (const number of numbers) this.#documentOf.delete(number)
    this.#documents.delete(id)
    return true
  }

  clear(): void {
    this.#documents.clear()
    this.#documentOf.clear()
    this.#text = createTextIndex()
    this.#vectors = undefined
  }

  /** The best chunks by BM25. */
  searchText(query: string, limit: number, filter?: DocumentFilter): KeywordMatches {
    return this.#text.search(query, limit, this.#allow(filter))
  }

  /** The best chunks by cosine; undefined while there are no vectors. */
  searchVectors(vector: Float32Array, limit: number, filter?: DocumentFilter): VectorMatches | undefined {
    return this.#vectors?.search(vector, limit, this.#allow(filter))
  }

  /** Whether a model for these languages has documents here that it understands. */
  isServed(languages: readonly string[] | undefined): boolean {
    for (const { entry } of this.#documents.values()) {
      if (isServed(entry.writtenIn, languages)) return true
    }
    return false
  }

  /** Document order of two chunks. */
  compareChunks(a: number, b: number): number {
    const [documentA, documentB] = [this.#documentOf.get(a), this.#documentOf.get(b)]
    return (documentA?.entry.order ?? 0) - (documentB?.entry.order ?? 0) || a - b
  }

  /** What a caller gets to see of a chunk, without its score; undefined when it is gone. */
  passageOf(chunk: number): Omit<Hit, 'score' | 'ranks'> | undefined {
    const document = this.#documentOf.get(chunk)
    if (document === undefined) return undefined
    const { entry, text, table, firstChunk } = document
    const index = chunk - firstChunk
    const span = spanOf(table, index)
    const page = table.pages[index]
    const source: Source = {
      id: entry.id,
      title: entry.title,
      ...(entry.url !== undefined && { url: entry.url }),
      ...(page !== undefined && page > 0 && { page }),
      headings: [...headingsOf(table, index)],
      ...(Object.keys(entry.metadata).length > 0 && { metadata: { ...entry.metadata } }),
    }
    return { id: `${entry.id}#${index}`, text: text.slice(...span), source, span }
  }

  #allow(filter: DocumentFilter | undefined): ((chunk: number) => boolean) | undefined {
    if (filter === undefined) return undefined
    const verdicts = new Map<LoadedDocument, boolean>()
    return (chunk) => {
      const document = this.#documentOf.get(chunk)
      if (document === undefined) return false
      let verdict = verdicts.get(document)
      if (verdict === undefined) {
        verdict = filter(document.entry)
        verdicts.set(document, verdict)
      }
      return verdict
    }
  }
}

/** The text of each chunk. */
export function chunkTextsOf(text: string, table: ChunkTable): string[] {
  return Array.from(table.pages, (_, index) => text.slice(...spanOf(table, index)))
}

/** A filter for documents that carry all of these values; undefined when there are none to ask for. */
export function filterByMetadata(where: Metadata | undefined): DocumentFilter | undefined {
  const wanted = Object.entries(where ?? {}).filter(([, value]) => value !== undefined)
  if (wanted.length === 0) return undefined
  return ({ metadata }) => wanted.every(([key, value]) => Object.hasOwn(metadata, key) && metadata[key] === value)
}

function chunkNumbers({ firstChunk, entry }: LoadedDocument): number[] {
  return Array.from({ length: entry.chunks }, (_, index) => firstChunk + index)
}

function spanOf({ spans }: ChunkTable, index: number): readonly [number, number] {
  return [spans[index * 2] ?? 0, spans[index * 2 + 1] ?? 0]
}

function headingsOf({ headings, headingPath }: ChunkTable, index: number): readonly string[] {
  return headings[headingPath[index] ?? 0] ?? []
}
