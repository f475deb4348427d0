import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import { chunkTextsOf } from '../corpus-index.js'
import { fieldCount, isSegmentData, type SegmentData } from '../keyword/segment.js'
import { tokenizerKey } from '../keyword/tokenize.js'
import { type ChunkTable, type DocumentContent, type DocumentEntry, isChunkTable } from './corpus-layout.js'
import { indexVersion } from './index-store.js'

/** Version of the file form. 1: without the keyword index; 2: as described at `writeCorpusFile`. */
const fileVersion = 2
const magic = 'ALCV'
const prefixBytes = 16
const mediaType = 'application/vnd.alcove.corpus'

export interface CorpusFileFacts {
  readonly name: string
  readonly chunkTokens: number
  readonly overlapTokens: number
}

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

/** What a file has. */
export interface CorpusFile {
  readonly documents: readonly FileDocument[]
  /** Undefined in a file of version 1, and where words were told apart otherwise than here. */
  readonly index: FileIndex | undefined
}

/** What the header says of the index: what its numbers are, and how long they are. */
interface IndexRow {
  readonly version: number
  readonly tokenizer: string
  readonly documents: readonly string[]
  readonly termsBytes: number
  /** Tokens in all, of 2 or 4 bytes each. */
  readonly tokens: number
  readonly tokenBytes: 2 | 4
}

/** What the header says of a document: its entry, its heading paths, and how long its segments are. */
interface FileRow {
  readonly entry: DocumentEntry
  readonly headings: readonly (readonly string[])[]
  readonly textBytes: number
  /** 0 where it has none. */
  readonly vectorBytes: number
}

interface FileHeader {
  readonly product: 'alcove'
  readonly corpus: CorpusFileFacts
  readonly documents: readonly FileRow[]
  readonly index?: IndexRow
}

/**
 * Writes a corpus as one file: `ALCV`, three little-endian 32-bit numbers (version, bytes of the header, 0), the header as JSON in UTF-8, then
 * for each document its text in UTF-8, its spans, pages and heading paths as 32-bit numbers, and its vectors as 32-bit floats; then the
 * keyword index: vocabulary in UTF-8, lengths as 32-bit and words as 16- or 32-bit numbers, all little-endian. None of these go through JSON.
 */
export async function writeCorpusFile(
  facts: CorpusFileFacts,
  entries: readonly DocumentEntry[],
  read: (entries: readonly DocumentEntry[]) => AsyncIterable<FileDocument>,
  index?: FileIndex,
): Promise<Blob> {
  const rows: FileRow[] = []
  const parts: BlobPart[] = []
  for await (const { entry, content } of read(entries)) {
    const text = new TextEncoder().encode(content.text)
    const { spans, pages, headingPath, headings } = content.table
    rows.push({ entry, headings, textBytes: text.byteLength, vectorBytes: content.vectors?.byteLength ?? 0 })
    // A Blob of each document lets the browser keep it out of memory.
    const segments = [text, ...[spans, pages, headingPath, content.vectors ?? new Float32Array()].map(toBytes)]
    parts.push(new Blob(segments))
  }
  const known = new Set(rows.map(({ entry }) => entry.id))
  const isWhole = index?.documents.every((id) => known.has(id)) ?? false
  const terms = new TextEncoder().encode(index?.words.terms ?? '')
  if (index !== undefined && isWhole)
    parts.push(new Blob([terms, ...[index.words.lengths, index.words.sequence].map(toBytes)]))
  const header = new TextEncoder().encode(
    JSON.stringify({
      product: 'alcove',
      corpus: facts,
      documents: rows,
      ...(index !== undefined && isWhole && { index: describeIndex(index, terms.byteLength) }),
    } satisfies FileHeader),
  )
  const prefix = new DataView(new ArrayBuffer(prefixBytes))
  for (const [index, letter] of [...magic].entries()) prefix.setUint8(index, letter.charCodeAt(0))
  prefix.setUint32(4, fileVersion, true)
  prefix.setUint32(8, header.byteLength, true)
  return new Blob([prefix.buffer, header, ...parts], { type: mediaType })
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
  try {
    const { header, start } = await readHeader(file)
    const documents: FileDocument[] = []
    let at = start
    for (const row of header.documents) {
      const bytes = segmentBytes(row)
      if (at + bytes > file.size) throw damaged(`it ends within document ${documents.length + 1}`)
      documents.push(readDocument(row, await file.slice(at, at + bytes).arrayBuffer()))
      at += bytes
    }
    const indexBytes = header.index === undefined ? 0 : bytesOfIndex(header.index, documents)
    if (at + indexBytes > file.size) throw damaged('it ends within its index')
    if (at + indexBytes < file.size) throw damaged(`${file.size - at - indexBytes} bytes follow its end`)
    const index = header.index && readIndex(header.index, documents, await file.slice(at).arrayBuffer())
    return { documents, index }
  } catch (error) {
    throw isAlcoveError(error) ? error : damaged(error instanceof Error ? error.message : String(error), error)
  }
}

async function readHeader(file: Blob): Promise<{ header: FileHeader; start: number }> {
  if (file.size < prefixBytes) throw damaged('it is too short')
  const prefix = new DataView(await file.slice(0, prefixBytes).arrayBuffer())
  const found = String.fromCharCode(...[0, 1, 2, 3].map((index) => prefix.getUint8(index)))
  if (found !== magic) throw damaged('it does not begin as one')
  const version = prefix.getUint32(4, true)
  if (version > fileVersion) {
    throw new AlcoveError(
      'version-unsupported',
      `the corpus file is of version ${version}, this Alcove reads ${fileVersion}`,
    )
  }
  const start = prefixBytes + prefix.getUint32(8, true)
  if (start > file.size) throw damaged('it ends within its header')
  const header: unknown = JSON.parse(await file.slice(prefixBytes, start).text())
  if (!isHeader(header)) throw damaged('its header does not say what it should')
  return { header, start }
}

function readDocument(row: FileRow, buffer: ArrayBuffer): FileDocument {
  const { entry, headings, textBytes, vectorBytes } = row
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(buffer.slice(0, textBytes))
  const numbers = new Uint32Array(fromLittleEndian(buffer.slice(textBytes, textBytes + entry.chunks * 16)))
  const table: ChunkTable = {
    spans: numbers.slice(0, entry.chunks * 2),
    pages: numbers.slice(entry.chunks * 2, entry.chunks * 3),
    headingPath: numbers.slice(entry.chunks * 3),
    headings,
  }
  if (!isChunkTable(table, entry.chunks, text.length)) throw damaged(`the chunks of '${entry.id}' do not fit its text`)
  if (chunkTextsOf(text, table).some((chunk) => chunk === '')) throw damaged(`'${entry.id}' has an empty chunk`)
  if (vectorBytes === 0) return { entry, content: { text, table } }
  const vectors = new Float32Array(fromLittleEndian(buffer.slice(buffer.byteLength - vectorBytes)))
  const isWhole = vectors.length === entry.chunks * (entry.vectors?.dimensions ?? 0)
  if (!isWhole || vectors.some((value) => !Number.isFinite(value)))
    throw damaged(`the vectors of '${entry.id}' are wrong`)
  return { entry, content: { text, table, vectors } }
}

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

/** Chunks of the documents that an index speaks of. */
function countChunks(index: IndexRow, documents: readonly FileDocument[]): number {
  const chunksOf = new Map(documents.map(({ entry }) => [entry.id, entry.chunks]))
  return index.documents.reduce((sum, id) => sum + (chunksOf.get(id) ?? 0), 0)
}

function bytesOfIndex(index: IndexRow, documents: readonly FileDocument[]): number {
  return index.termsBytes + countChunks(index, documents) * fieldCount * 4 + index.tokens * index.tokenBytes
}

/** The index of a file; undefined for one of another version, or by another dictionary, which can be made anew. */
function readIndex(row: IndexRow, documents: readonly FileDocument[], buffer: ArrayBuffer): FileIndex | undefined {
  if (row.version !== indexVersion || row.tokenizer !== tokenizerKey()) return undefined
  const chunks = countChunks(row, documents)
  const afterTerms = row.termsBytes
  const afterLengths = afterTerms + chunks * fieldCount * 4
  const end = afterLengths + row.tokens * row.tokenBytes
  const numbers = fromLittleEndian(buffer.slice(afterLengths, end), row.tokenBytes)
  const words: SegmentData = {
    terms: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(buffer.slice(0, afterTerms)),
    lengths: new Uint32Array(fromLittleEndian(buffer.slice(afterTerms, afterLengths))),
    sequence: row.tokenBytes === 2 ? new Uint16Array(numbers) : new Uint32Array(numbers),
  }
  if (!isSegmentData(words, chunks)) throw damaged('its index does not fit its documents')
  return { documents: row.documents, words }
}

function segmentBytes({ entry, textBytes, vectorBytes }: FileRow): number {
  return textBytes + entry.chunks * 16 + vectorBytes
}

function isHeader(value: unknown): value is FileHeader {
  const { product, documents, index } = (value ?? {}) as Partial<FileHeader>
  const isKnown = product === 'alcove' && Array.isArray(documents) && documents.every(isRow)
  return isKnown && (index === undefined || isIndexRow(index))
}

function isIndexRow(value: unknown): value is IndexRow {
  const { version, tokenizer, documents, termsBytes, tokens, tokenBytes } = (value ?? {}) as Partial<IndexRow>
  return (
    isCount(version) &&
    typeof tokenizer === 'string' &&
    Array.isArray(documents) &&
    new Set(documents).size === documents.length &&
    documents.every((id) => typeof id === 'string') &&
    isCount(termsBytes) &&
    isCount(tokens) &&
    (tokenBytes === 2 || tokenBytes === 4)
  )
}

function isRow(value: unknown): value is FileRow {
  const { entry, headings, textBytes, vectorBytes } = (value ?? {}) as Partial<FileRow>
  return (
    isEntry(entry) &&
    isCount(textBytes) &&
    isCount(vectorBytes) &&
    vectorBytes % 4 === 0 &&
    Array.isArray(headings) &&
    headings.every((path) => Array.isArray(path) && path.every((title) => typeof title === 'string'))
  )
}

function isEntry(value: unknown): value is DocumentEntry {
  const {
    id,
    title,
    url,
    mediaType: type,
    metadata,
    contentHash,
    bytes,
    chunks,
    writtenIn,
    pages,
  } = (value ?? {}) as Partial<DocumentEntry>
  const texts = [id, title, type, contentHash]
  return (
    texts.every((text) => typeof text === 'string') &&
    id !== '' &&
    (url === undefined || typeof url === 'string') &&
    (pages === undefined || isCount(pages)) &&
    isCount(bytes) &&
    isCount(chunks) &&
    typeof metadata === 'object' &&
    metadata !== null &&
    Object.values(metadata).every((one) => one === null || ['string', 'number', 'boolean'].includes(typeof one)) &&
    typeof writtenIn?.scripts === 'object' &&
    writtenIn.scripts !== null
  )
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const isLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1

/** The bytes of numbers, little-endian. */
function toBytes(numbers: Uint16Array | Uint32Array | Float32Array): Uint8Array<ArrayBuffer> {
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

function damaged(why: string, cause?: unknown): AlcoveError {
  return new AlcoveError('parse-failed', `this is no whole Alcove corpus file: ${why}`, {
    cause,
    hint: 'Export the corpus again, and import the file that comes of it.',
  })
}
