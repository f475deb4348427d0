import type { DocumentSummary, Metadata, Span, StoredDocument } from '../../protocol/corpus.js'
import type { WrittenIn } from '../../text/script.js'

/**
 * Version of what a corpus store writes; a later one is not touched. 1: documents only, the keyword index was made at each opening;
 * 2: with index segments beside them.
 */
export const layoutVersion = 2

/** What is kept of a corpus besides its documents. */
export interface CorpusMeta {
  readonly version: number
  readonly name: string
  /** Changes when the corpus is deleted and made again. */
  readonly incarnation: string
  /** Counts the changes, so that another tab sees that there was one. */
  readonly revision: number
  readonly chunkTokens: number
  readonly overlapTokens: number
  /** Absent in a corpus of before there was this option: false. */
  readonly contextHeader?: boolean
  /** Absent: by structure. */
  readonly chunking?: 'structure' | 'semantic'
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

/** Names the segments of one document: what has no entry is not in the corpus. */
export interface DocumentEntry {
  readonly id: string
  readonly title: string
  readonly url?: string
  readonly mediaType: string
  readonly metadata: Metadata
  readonly pages?: number
  /** Hash of all that the stored form depends on: bytes, metadata, parser version, chunk options. */
  readonly contentHash: string
  /** Bytes of the text in UTF-8. */
  readonly bytes: number
  readonly chunks: number
  /** Milliseconds since the epoch. */
  readonly addedAt: number
  /** Place in the corpus: first come, first. An update keeps it. */
  readonly order: number
  readonly writtenIn: WrittenIn
  /** Whether the chunks were measured with an embedding model's tokenizer, or by estimate. */
  readonly tokensCounted: 'model' | 'estimate'
  /** Longest context header before each chunk's text in its embedding, in UTF-16 code units; absent: there is none. */
  readonly headerLength?: number
  /** Key of the text and of the chunk table. */
  readonly segment: string
  /** The vectors, once there are some: of which model, and under which key. */
  readonly vectors?: { readonly segment: string; readonly embedder: string; readonly dimensions: number }
}

/** Where the chunks of a document stand: one row each, in order. Binary, as there may be many. */
export interface ChunkTable {
  /** Start and end of each chunk, in UTF-16 code units of the text. */
  readonly spans: Uint32Array
  /** Page of each chunk; 0 for none. */
  readonly pages: Uint32Array
  /** Index into `headings` of each chunk. */
  readonly headingPath: Uint32Array
  /** The heading paths that occur. */
  readonly headings: readonly (readonly string[])[]
  /**
   * Start and end of each page in turn, from page 1 on, in UTF-16 code units of the text; absent where there are no pages, and in
   * documents of before there was this.
   */
  readonly pageSpans?: Uint32Array | undefined
}

/** A document's segments. */
export interface DocumentContent {
  readonly text: string
  readonly table: ChunkTable
  /** One after the other; undefined while there are none. */
  readonly vectors?: Float32Array | undefined
}

/** The segments as they should be, without vectors that do not fit; undefined when text or chunks are missing or do not fit. */
export function checkContent(
  entry: DocumentEntry,
  text: unknown,
  table: unknown,
  vectors: unknown,
): DocumentContent | undefined {
  if (typeof text !== 'string' || !isChunkTable(table, entry.chunks, text.length)) return undefined
  return { text, table, vectors: isVectorsOf(entry, vectors) ? vectors : undefined }
}

/** Whether a value can be the vectors that an entry names. */
export function isVectorsOf({ chunks, vectors: named }: DocumentEntry, value: unknown): value is Float32Array {
  return value instanceof Float32Array && named !== undefined && value.length === chunks * named.dimensions
}

/** Whether a value is a table of so many chunks of a text of that length. */
export function isChunkTable(value: unknown, chunks: number, textLength: number): value is ChunkTable {
  const { spans, pages, headingPath, headings, pageSpans } = (value ?? {}) as Partial<ChunkTable>
  if (!(spans instanceof Uint32Array && pages instanceof Uint32Array && headingPath instanceof Uint32Array))
    return false
  if (spans.length !== chunks * 2 || pages.length !== chunks || headingPath.length !== chunks) return false
  if (!Array.isArray(headings) || headingPath.some((index) => index >= headings.length)) return false
  if (pageSpans !== undefined && !(pageSpans instanceof Uint32Array && pageSpans.length % 2 === 0)) return false
  return areSpans(spans, textLength) && (pageSpans === undefined || areSpans(pageSpans, textLength))
}

function areSpans(spans: Uint32Array, textLength: number): boolean {
  for (let index = 0; index < spans.length; index += 2) {
    if ((spans[index] as number) > (spans[index + 1] as number) || (spans[index + 1] as number) > textLength)
      return false
  }
  return true
}

/** A document as `corpus.get` gives it. */
export function presentDocument(entry: DocumentEntry, { text, table }: DocumentContent): StoredDocument {
  const { id, title, url, metadata, pages } = entry
  const { pageSpans } = table
  return {
    id,
    title,
    ...(url !== undefined && { url }),
    text,
    metadata: { ...metadata },
    ...(pages !== undefined && { pages }),
    ...(pageSpans !== undefined && { pageSpans: pairsOf(pageSpans) }),
  }
}

const pairsOf = (numbers: Uint32Array): Span[] =>
  Array.from({ length: numbers.length / 2 }, (_, at) => [numbers[at * 2] ?? 0, numbers[at * 2 + 1] ?? 0])

/** An entry as `corpus.list` gives it. */
export function summarizeEntry(entry: DocumentEntry): DocumentSummary {
  const { id, title, url, mediaType, pages, chunks, bytes, addedAt, metadata } = entry
  return {
    id,
    title,
    ...(url !== undefined && { url }),
    mediaType,
    ...(pages !== undefined && { pages }),
    chunks,
    bytes,
    addedAt,
    metadata: { ...metadata },
  }
}

/** Bytes that a document takes in the store: text, chunk table and vectors. */
export function bytesOf({ bytes, chunks, vectors }: DocumentEntry): number {
  return bytes + chunks * 16 + (vectors === undefined ? 0 : chunks * vectors.dimensions * 4)
}

/** Names a state of a corpus: another one after each change. */
export function revisionOf({ incarnation, revision }: CorpusMeta): string {
  return `${incarnation}/${revision}`
}
