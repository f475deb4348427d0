import type { Hit, Metadata, Source } from '../protocol/corpus.js'
import { isServed } from '../text/script.js'
import type { SegmentData } from './keyword/segment.js'
import { createTextIndex, type KeywordMatches, type TextIndex } from './keyword/text-index.js'
import { type CachedContent, type ContentCache, createContentCache } from './storage/content-cache.js'
import type { ChunkTable, DocumentContent, DocumentEntry } from './storage/corpus-layout.js'
import type { StoredCodes } from './storage/index-store.js'
import { createVectorIndex, type VectorIndex, type VectorMatches } from './vector/vector-index.js'

/** A document that can be found. */
interface LoadedDocument {
  entry: DocumentEntry
  /** Number of its first chunk; the others follow. */
  readonly firstChunk: number
}

/** Which documents a search may find. */
export type DocumentFilter = (entry: DocumentEntry) => boolean

/** What a caller gets to see of a chunk, without its score. */
export type Passage = Omit<Hit, 'score' | 'ranks'>

/** Reads texts and chunk tables; documents that are gone are left out. */
export type ReadContents = (
  entries: readonly DocumentEntry[],
) => AsyncIterable<{ readonly entry: DocumentEntry; readonly content: DocumentContent }>

/** Texts and tables that stay in memory, in bytes. */
const contentBudgetBytes = 128 * 2 ** 20
/** Documents that are read at one time, before they are wanted. */
const warmUpBatch = 32

/**
 * What is searched, in memory: text index, vector index and the entries of the documents. The documents' texts are read when a passage is
 * cut from them, and kept while there is room. Chunks are numbered as documents come, and no number is used twice. Every change is done at
 * once: a search sees a document whole, or not at all.
 */
export class CorpusIndex {
  readonly #read: ReadContents
  readonly #contents: ContentCache
  readonly #documents = new Map<string, LoadedDocument>()
  /** The document of each chunk number. */
  readonly #documentOf = new Map<number, LoadedDocument>()
  #text: TextIndex = createTextIndex()
  #vectors: VectorIndex | undefined
  /** Those whose vectors are known by their codes alone. */
  readonly #coded = new Set<LoadedDocument>()
  #nextChunk = 0

  constructor(read: ReadContents, contents: ContentCache = createContentCache(contentBudgetBytes)) {
    this.#read = read
    this.#contents = contents
  }

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

  /** Text and chunks of a document; undefined when it is gone. */
  async contentOf(id: string): Promise<CachedContent | undefined> {
    const document = this.#documents.get(id)
    if (document === undefined) return undefined
    return (await this.#contentsOf([document.entry])).get(document.entry.segment)
  }

  /** Puts a document in, in place of the one of the same id. */
  put(entry: DocumentEntry, content: DocumentContent): void {
    this.remove(entry.id)
    const { text, table } = content
    const numbers = chunkNumbers(this.#enter(entry))
    this.#contents.put(entry.segment, { text, table })
    this.#text.add(
      numbers.map((id, index) => ({
        id,
        text: text.slice(...spanOf(table, index)),
        title: entry.title,
        headings: headingsOf(table, index),
      })),
    )
    if (content.vectors !== undefined) this.putVectors([{ entry, vectors: content.vectors }])
  }

  /** Puts documents in by their words as `extractWords` gave them, in that order; `undefined` stands for one that is not wanted. */
  putWords(
    documents: readonly { readonly entry: DocumentEntry | undefined; readonly chunks: number }[],
    words: SegmentData,
  ): void {
    const first = this.#nextChunk
    const unwanted: number[] = []
    for (const { entry, chunks } of documents) {
      const start = this.#nextChunk
      if (entry === undefined || this.#documents.has(entry.id)) {
        this.#nextChunk += chunks
        for (let number = start; number < this.#nextChunk; number++) unwanted.push(number)
      } else this.#enter(entry)
    }
    this.#text.addSegment(
      words,
      Uint32Array.from({ length: this.#nextChunk - first }, (_, index) => first + index),
    )
    this.#text.remove(unwanted)
  }

  /** The words of these documents, as they can be stored. */
  extractWords(ids: readonly string[]): SegmentData {
    const documents = ids.map((id) => this.#documents.get(id)).filter((document) => document !== undefined)
    return this.#text.extract(documents.flatMap(chunkNumbers))
  }

  /** Takes another entry for a document whose words and vectors stay as they are. */
  putEntry(id: string, entry: DocumentEntry): void {
    const document = this.#documents.get(id)
    if (document === undefined || document.entry.segment !== entry.segment) return
    document.entry = entry
    if (entry.id === id) return
    this.#documents.delete(id)
    this.#documents.set(entry.id, document)
  }

  /** Adds the vectors of documents that are there; the entries are theirs from now on. */
  putVectors(rows: readonly { readonly entry: DocumentEntry; readonly vectors: Float32Array }[]): void {
    const known = rows.filter(({ entry }) => {
      const document = this.#documents.get(entry.id)
      return document !== undefined && document.entry.segment === entry.segment && entry.chunks > 0
    })
    const dimensions = known.map(({ entry, vectors }) => vectors.length / entry.chunks)[0]
    if (dimensions === undefined) return
    if (this.#vectors?.dimensions !== dimensions) this.#vectors = createVectorIndex({ dimensions })
    const numbers: number[] = []
    const fitting = known.filter(({ entry, vectors }) => vectors.length === entry.chunks * dimensions)
    for (const { entry } of fitting) {
      const document = this.#documents.get(entry.id) as LoadedDocument
      document.entry = entry
      this.#coded.delete(document)
      numbers.push(...chunkNumbers(document))
    }
    this.#vectors.add(numbers, joinArrays(fitting.map(({ vectors }) => vectors)))
  }

  /** Puts vectors in by their codes alone, of documents in that order; `undefined` stands for one that is not wanted. */
  putCodes(
    documents: readonly { readonly entry: DocumentEntry | undefined; readonly chunks: number }[],
    { dimensions, codes, scales }: StoredCodes,
  ): void {
    const ids: number[] = []
    const rows: number[] = []
    let row = 0
    for (const { entry, chunks } of documents) {
      const document = entry && this.#documents.get(entry.id)
      if (document !== undefined && document.entry.segment === entry?.segment && chunks === document.entry.chunks) {
        for (let at = 0; at < chunks; at++) rows.push(row + at)
        ids.push(...chunkNumbers(document))
        this.#coded.add(document)
      }
      row += chunks
    }
    if (ids.length === 0) return
    if (this.#vectors?.dimensions !== dimensions) this.#vectors = createVectorIndex({ dimensions })
    const isWhole = rows.length === scales.length
    this.#vectors.addSegment({
      ids: Uint32Array.from(ids),
      vectors: undefined,
      codes: isWhole ? codes : selectRows(codes, rows, dimensions),
      scales: isWhole ? scales : selectRows(scales, rows, 1),
    })
  }

  get hasCoded(): boolean {
    return this.#coded.size > 0
  }

  /** Documents whose vectors are known by their codes alone. */
  get codedEntries(): DocumentEntry[] {
    return [...this.#coded].map(({ entry }) => entry)
  }

  /** The documents of these chunks whose vectors are known by their codes alone. */
  codedAmong(rows: readonly { readonly id: number }[]): DocumentEntry[] {
    const documents = new Set(rows.map(({ id }) => this.#documentOf.get(id)))
    return [...documents].flatMap((one) => (one !== undefined && this.#coded.has(one) ? [one.entry] : []))
  }

  /** Takes the vectors of documents that are known by their codes; what was changed meanwhile is let be. */
  refineVectors(rows: readonly { readonly entry: DocumentEntry; readonly vectors: Float32Array }[]): void {
    for (const { entry, vectors } of rows) {
      const document = this.#documents.get(entry.id)
      if (document === undefined || !this.#coded.has(document)) continue
      if (document.entry.vectors?.segment !== entry.vectors?.segment) continue
      this.#vectors?.refine(chunkNumbers(document), vectors)
      this.#coded.delete(document)
    }
  }

  /** The codes of documents that have vectors here, as they can be stored. */
  extractCodes(ids: readonly string[]): StoredCodes {
    const documents = ids.map((id) => this.#documents.get(id)).filter((document) => document !== undefined)
    const numbers = documents.flatMap(chunkNumbers)
    const { codes, scales } = this.#vectors?.extract(numbers) ?? { codes: new Int8Array(), scales: new Float32Array() }
    return { dimensions: this.dimensions, codes, scales }
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
    this.#coded.clear()
  }

  remove(id: string): boolean {
    const document = this.#documents.get(id)
    if (document === undefined) return false
    const numbers = chunkNumbers(document)
    this.#text.remove(numbers)
    this.#vectors?.remove(numbers)
    this.#coded.delete(document)
    for (const number of numbers) this.#documentOf.delete(number)
    this.#documents.delete(id)
    this.#contents.delete(document.entry.segment)
    return true
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

  /** Chunks as a caller gets to see them, by number; those that are gone are missing. */
  async readPassages(chunks: readonly number[]): Promise<ReadonlyMap<number, Passage>> {
    const documents = new Map(chunks.map((chunk) => [chunk, this.#documentOf.get(chunk)]))
    const entries = new Set([...documents.values()].map((document) => document?.entry))
    const contents = await this.#contentsOf([...entries].filter((entry) => entry !== undefined))
    const passages = new Map<number, Passage>()
    for (const [chunk, document] of documents) {
      const content = document === undefined ? undefined : contents.get(document.entry.segment)
      if (document === undefined || content === undefined) continue
      passages.set(chunk, cutPassage(document.entry, content, chunk - document.firstChunk))
    }
    return passages
  }

  /** Reads texts while there is room for them, so that later searches need not. */
  async warmUp(signal: AbortSignal, pause: () => Promise<void>): Promise<void> {
    const documents = [...this.#documents.values()]
    for (let start = 0; start < documents.length; start += warmUpBatch) {
      const batch = documents.slice(start, start + warmUpBatch).map(({ entry }) => entry)
      const bytes = batch.reduce((sum, entry) => sum + entry.bytes * 2 + entry.chunks * 16, 0)
      if (signal.aborted || !this.#contents.hasRoom(bytes)) return
      await this.#contentsOf(batch.filter((entry) => this.#documents.get(entry.id)?.entry === entry))
      await pause()
    }
  }

  /** Contents by segment: those that are kept, the others from the store. */
  async #contentsOf(entries: readonly DocumentEntry[]): Promise<Map<string, CachedContent>> {
    const found = new Map<string, CachedContent>()
    const missing: DocumentEntry[] = []
    for (const entry of entries) {
      const content = this.#contents.get(entry.segment)
      if (content === undefined) missing.push(entry)
      else found.set(entry.segment, content)
    }
    for await (const { entry, content } of this.#read(missing)) {
      const { text, table } = content
      found.set(entry.segment, { text, table })
      this.#contents.put(entry.segment, { text, table })
    }
    return found
  }

  #enter(entry: DocumentEntry): LoadedDocument {
    const document: LoadedDocument = { entry, firstChunk: this.#nextChunk }
    this.#nextChunk += entry.chunks
    this.#documents.set(entry.id, document)
    for (const number of chunkNumbers(document)) this.#documentOf.set(number, document)
    return document
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

function cutPassage(entry: DocumentEntry, { text, table }: CachedContent, index: number): Passage {
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

/** Some rows of an array of rows of `size` numbers. */
function selectRows<Numbers extends Int8Array | Float32Array>(from: Numbers, rows: readonly number[], size: number) {
  const to = from.slice(0, rows.length * size) as Numbers
  for (const [at, row] of rows.entries()) to.set(from.subarray(row * size, (row + 1) * size), at * size)
  return to
}

function joinArrays(arrays: readonly Float32Array[]): Float32Array {
  if (arrays.length === 1) return arrays[0] as Float32Array
  const joined = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const array of arrays) {
    joined.set(array, at)
    at += array.length
  }
  return joined
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
