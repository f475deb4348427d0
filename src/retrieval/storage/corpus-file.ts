import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import { chunkTextsOf } from '../corpus-index.js'
import { fieldCount, isSegmentData, type SegmentData } from '../keyword/segment.js'
import { isSameTokenizer, tokenizerKey } from '../keyword/tokenize.js'
import {
  type ByteRange,
  type CodesRow,
  type CorpusFileFacts,
  countChunks,
  damaged,
  type FileHeader,
  type FileLayout,
  type FileRow,
  type IndexRow,
  layOut,
  prefixBytes,
  readHeader,
  readPrefix,
  writePrefix,
} from './corpus-file-header.js'
import { type ChunkTable, type DocumentContent, type DocumentEntry, isChunkTable } from './corpus-layout.js'
import { indexVersion, isCodes, type StoredCodes } from './index-store.js'

const mediaType = 'application/vnd.alcove.corpus'

/** A document of a corpus file. */
export interface FileDocument {
  readonly entry: DocumentEntry
  readonly content: DocumentContent
}

/** The words of documents of a file, so that who imports it need not look for them. */
export interface FileIndex {
  /** Ids of the documents, in the order of their words. */
  readonly documents: readonly string[]
  readonly words: SegmentData
}

/** The codes of the vectors of documents of a file, so that it can be searched without reading the vectors. */
export interface FileCodes {
  readonly embedder: string
  readonly documents: readonly string[]
  readonly data: StoredCodes
}

/** What a file has. */
export interface CorpusFile {
  readonly documents: readonly FileDocument[]
  /** Undefined in a file of version 1, and where words were told apart otherwise than here. */
  readonly index: FileIndex | undefined
}

/** Reads bytes of a file. */
export type ReadBytes = (range: ByteRange) => Promise<ArrayBuffer>

/** A file whose header was read. */
export interface OpenFile {
  readonly header: FileHeader
  readonly layout: FileLayout
}

/**
 * Writes a corpus as one file: `ALCV`, three little-endian 32-bit numbers (version, bytes of the header, 0), the header as JSON in UTF-8; the
 * keyword index: vocabulary in UTF-8, lengths as 32-bit and words as 16- or 32-bit numbers; the codes of vectors: int8, then their scales as
 * 32-bit floats; then for each document its text in UTF-8, its spans, pages and heading paths as 32-bit numbers; then for each document
 * its vectors as 32-bit floats, all little-endian. What a search needs comes first, so that a reader by ranges reads no more than that.
 */
export async function writeCorpusFile(
  facts: CorpusFileFacts,
  entries: readonly DocumentEntry[],
  read: (entries: readonly DocumentEntry[]) => AsyncIterable<FileDocument>,
  { index, codes }: { readonly index?: FileIndex | undefined; readonly codes?: FileCodes | undefined } = {},
): Promise<Blob> {
  const rows: FileRow[] = []
  const contents: Blob[] = []
  const vectors: Blob[] = []
  for await (const { entry, content } of read(entries)) {
    const text = new TextEncoder().encode(content.text)
    const { spans, pages, headingPath, headings, pageSpans } = content.table
    rows.push({
      entry: withPlainNames(entry, String(rows.length)),
      headings,
      textBytes: text.byteLength,
      vectorBytes: content.vectors?.byteLength ?? 0,
      ...(pageSpans !== undefined && { pageSpans: [...pageSpans] }),
    })
    // A Blob of each document lets the browser keep it out of memory.
    contents.push(new Blob([text, ...[spans, pages, headingPath].map(toBytes)]))
    if (content.vectors !== undefined) vectors.push(new Blob([toBytes(content.vectors)]))
  }
  // What is gone by now is in none of the lists.
  const known = new Set(rows.map(({ entry }) => entry.id))
  const isWhole = (part: { readonly documents: readonly string[] } | undefined): boolean =>
    part?.documents.every((id) => known.has(id)) ?? false
  const [ownIndex, ownCodes] = [isWhole(index) ? index : undefined, isWhole(codes) ? codes : undefined]
  const terms = new TextEncoder().encode(ownIndex?.words.terms ?? '')
  const header = new TextEncoder().encode(
    JSON.stringify({
      product: 'alcove',
      corpus: facts,
      documents: rows,
      ...(ownIndex && { index: describeIndex(ownIndex, terms.byteLength) }),
      ...(ownCodes && { codes: describeCodes(ownCodes) }),
    } satisfies FileHeader),
  )
  const words = ownIndex ? [terms, toBytes(ownIndex.words.lengths), toBytes(ownIndex.words.sequence)] : []
  const coded = ownCodes ? [toBytes(ownCodes.data.codes), toBytes(ownCodes.data.scales)] : []
  const parts = [writePrefix(header.byteLength), header, ...words, ...coded, ...contents, ...vectors]
  return new Blob(parts, { type: mediaType })
}

/** The entry without names that a store made up: the same documents give the same file. */
function withPlainNames({ vectors, ...entry }: DocumentEntry, segment: string): DocumentEntry {
  return { ...entry, segment, ...(vectors && { vectors: { ...vectors, segment } }) }
}

/**
 * Reads a file that `writeCorpusFile` wrote; all of it is checked before any of it is given out.
 * @throws AlcoveError `parse-failed` for a file of another kind, cut short or damaged; `version-unsupported` for one of a later Alcove
 */
export async function readCorpusFile(file: Blob): Promise<CorpusFile> {
  if (!(file instanceof Blob)) {
    throw new AlcoveError(
      'invalid-argument',
      `import: expected a Blob or File, got ${file === null ? 'null' : typeof file}`,
    )
  }
  return await orDamaged(async () => {
    const read: ReadBytes = ({ start, end }) => file.slice(start, end).arrayBuffer()
    const { header, layout } = await openCorpusFile(read, file.size)
    if (layout.end > file.size) throw damaged(`it ends ${layout.end - file.size} bytes too early`)
    if (layout.end < file.size) throw damaged(`${file.size - layout.end} bytes follow its end`)
    const documents: FileDocument[] = []
    for (const [at, row] of header.documents.entries()) {
      const { entry } = row
      const content = readContent(row, await read(layout.contents[at] as ByteRange))
      const vectors = readVectors(row, await read(layout.vectors[at] as ByteRange))
      documents.push({ entry, content: vectors === undefined ? content : { ...content, vectors } })
    }
    return { documents, index: header.index && readWords(header, await read(layout.words)) }
  })
}

/**
 * Reads the header.
 * @param size bytes of the file, where they are known
 * @throws AlcoveError as `readCorpusFile`
 */
export async function openCorpusFile(read: ReadBytes, size: number | undefined): Promise<OpenFile> {
  return await orDamaged(async () => {
    const { version, headerEnd } = readPrefix(await read({ start: 0, end: prefixBytes }))
    if (size !== undefined && headerEnd > size) throw damaged('it ends within its header')
    const header = readHeader(await read({ start: prefixBytes, end: headerEnd }))
    return { header, layout: layOut(header, version, headerEnd) }
  })
}

/** Runs work on bytes that may be anything: whatever goes wrong is the file's fault. */
export async function orDamaged<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw isAlcoveError(error) ? error : damaged(error instanceof Error ? error.message : String(error), error)
  }
}

/** Text and chunk table of a document. */
export function readContent({ entry, headings, textBytes, pageSpans }: FileRow, buffer: ArrayBuffer): DocumentContent {
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(buffer.slice(0, textBytes))
  const numbers = new Uint32Array(fromLittleEndian(buffer.slice(textBytes, textBytes + entry.chunks * 16)))
  const table: ChunkTable = {
    spans: numbers.slice(0, entry.chunks * 2),
    pages: numbers.slice(entry.chunks * 2, entry.chunks * 3),
    headingPath: numbers.slice(entry.chunks * 3),
    headings,
    ...(pageSpans !== undefined && { pageSpans: Uint32Array.from(pageSpans) }),
  }
  if (!isChunkTable(table, entry.chunks, text.length)) throw damaged(`the chunks of '${entry.id}' do not fit its text`)
  if (chunkTextsOf(text, table).some((chunk) => chunk === '')) throw damaged(`'${entry.id}' has an empty chunk`)
  return { text, table }
}

function readVectors({ entry, vectorBytes }: FileRow, buffer: ArrayBuffer): Float32Array | undefined {
  if (vectorBytes === 0) return undefined
  const vectors = new Float32Array(fromLittleEndian(buffer))
  const isWhole = vectors.length === entry.chunks * (entry.vectors?.dimensions ?? 0)
  if (!isWhole || vectors.some((value) => !Number.isFinite(value)))
    throw damaged(`the vectors of '${entry.id}' are wrong`)
  return vectors
}

/** The words of a file; undefined for those of another version, or by another dictionary, which can be made anew. */
export function readWords({ index: row, documents }: FileHeader, buffer: ArrayBuffer): FileIndex | undefined {
  if (row === undefined || row.version !== indexVersion) return undefined
  const chunks = countChunks(row.documents, chunksById(documents))
  const afterTerms = row.termsBytes
  const afterLengths = afterTerms + chunks * fieldCount * 4
  const end = afterLengths + row.tokens * row.tokenBytes
  const numbers = fromLittleEndian(buffer.slice(afterLengths, end), row.tokenBytes)
  const words: SegmentData = {
    terms: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(buffer.slice(0, afterTerms)),
    lengths: new Uint32Array(fromLittleEndian(buffer.slice(afterTerms, afterLengths))),
    sequence: row.tokenBytes === 2 ? new Uint16Array(numbers) : new Uint32Array(numbers),
  }
  if (!isSameTokenizer(row.tokenizer, words.terms)) return undefined
  if (!isSegmentData(words, chunks)) throw damaged('its index does not fit its documents')
  return { documents: row.documents, words }
}

/** The codes of a file's vectors; undefined where it has none. */
export function readCodes({ codes: row, documents }: FileHeader, buffer: ArrayBuffer): FileCodes | undefined {
  if (row === undefined) return undefined
  const { embedder, dimensions } = row
  const chunks = countChunks(row.documents, chunksById(documents))
  const codes = new Int8Array(buffer.slice(0, chunks * dimensions))
  const scales = new Float32Array(fromLittleEndian(buffer.slice(chunks * dimensions)))
  const data = { dimensions, codes, scales }
  if (!isCodes(data, chunks)) throw damaged('the codes of its vectors do not fit its documents')
  return { embedder, documents: row.documents, data }
}

const chunksById = (rows: readonly FileRow[]): ReadonlyMap<string, number> =>
  new Map(rows.map(({ entry }) => [entry.id, entry.chunks]))

function describeIndex({ documents, words }: FileIndex, termsBytes: number): IndexRow {
  const { sequence } = words
  const tokenBytes = sequence.BYTES_PER_ELEMENT === 2 ? 2 : 4
  return {
    version: indexVersion,
    tokenizer: tokenizerKey(),
    documents,
    termsBytes,
    tokens: sequence.length,
    tokenBytes,
  }
}

function describeCodes({ embedder, documents, data }: FileCodes): CodesRow {
  return { embedder, dimensions: data.dimensions, documents }
}

const isLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/** The bytes of numbers, little-endian. */
function toBytes(numbers: Int8Array | Uint16Array | Uint32Array | Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(numbers.buffer as ArrayBuffer, numbers.byteOffset, numbers.byteLength)
  return isLittleEndian ? bytes : new Uint8Array(fromLittleEndian(bytes.slice().buffer, numbers.BYTES_PER_ELEMENT))
}

/** Turns numbers to this machine's order of bytes, in place. */
function fromLittleEndian(buffer: ArrayBuffer, bytesEach = 4): ArrayBuffer {
  if (isLittleEndian) return buffer
  const bytes = new Uint8Array(buffer)
  for (let at = 0; at < bytes.length; at += bytesEach) bytes.subarray(at, at + bytesEach).reverse()
  return buffer
}
