import { AlcoveError } from '../../protocol/error.js'
import { fieldCount } from '../keyword/segment.js'
import type { DocumentEntry } from './corpus-layout.js'

/**
 * Version of the file form. 1: without the keyword index; 2: with it, behind the documents; 3: as described at `writeCorpusFile`, what a reader
 * by ranges needs first comes first.
 */
export const fileVersion = 3
export const prefixBytes = 16
const magic = 'ALCV'

export interface CorpusFileFacts {
  readonly name: string
  readonly chunkTokens: number
  readonly overlapTokens: number
}

/** What the header says of the index: what its numbers are, and how long they are. */
export interface IndexRow {
  readonly version: number
  readonly tokenizer: string
  readonly documents: readonly string[]
  readonly termsBytes: number
  /** Tokens in all, of 2 or 4 bytes each. */
  readonly tokens: number
  readonly tokenBytes: 2 | 4
}

/** What the header says of the codes of vectors. */
export interface CodesRow {
  /** The model that made the vectors, as `embedderKey` names it. */
  readonly embedder: string
  readonly dimensions: number
  /** Ids of the documents, in the order of their codes. */
  readonly documents: readonly string[]
}

/** What the header says of a document: its entry, its heading paths, and how long its segments are. */
export interface FileRow {
  readonly entry: DocumentEntry
  readonly headings: readonly (readonly string[])[]
  readonly textBytes: number
  /** 0 where it has none. */
  readonly vectorBytes: number
  /** Start and end of each page in turn, where it has pages. */
  readonly pageSpans?: readonly number[]
}

export interface FileHeader {
  readonly product: 'alcove'
  readonly corpus: CorpusFileFacts
  readonly documents: readonly FileRow[]
  readonly index?: IndexRow
  readonly codes?: CodesRow
}

/** A run of bytes. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Where everything stands. */
export interface FileLayout {
  /** Text and chunk table of each document, in order. */
  readonly contents: readonly ByteRange[]
  /** Vectors of each document, in order. */
  readonly vectors: readonly ByteRange[]
  readonly words: ByteRange
  readonly codes: ByteRange
  /** Bytes of the whole file. */
  readonly end: number
}

/** The first bytes of a file, for a header of so many bytes. */
export function writePrefix(headerBytes: number): ArrayBuffer {
  const prefix = new DataView(new ArrayBuffer(prefixBytes))
  for (const [index, letter] of [...magic].entries()) prefix.setUint8(index, letter.charCodeAt(0))
  prefix.setUint32(4, fileVersion, true)
  prefix.setUint32(8, headerBytes, true)
  return prefix.buffer
}

/**
 * Reads the first bytes of a file: its version, and where its header ends.
 * @throws AlcoveError `parse-failed`; `version-unsupported` for a file of a later Alcove
 */
export function readPrefix(bytes: ArrayBuffer): { readonly version: number; readonly headerEnd: number } {
  if (bytes.byteLength < prefixBytes) throw damaged('it is too short')
  const prefix = new DataView(bytes)
  const found = String.fromCharCode(...[0, 1, 2, 3].map((index) => prefix.getUint8(index)))
  if (found !== magic) throw damaged('it does not begin as one')
  const version = prefix.getUint32(4, true)
  if (version > fileVersion) {
    throw new AlcoveError(
      'version-unsupported',
      `the corpus file is of version ${version}, this Alcove reads ${fileVersion}`,
    )
  }
  return { version, headerEnd: prefixBytes + prefix.getUint32(8, true) }
}

/** @throws AlcoveError `parse-failed` */
export function readHeader(json: ArrayBuffer): FileHeader {
  const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json))
  if (!isHeader(header)) throw damaged('its header does not say what it should')
  return header
}

export function layOut(header: FileHeader, version: number, headerEnd: number): FileLayout {
  let at = headerEnd
  const take = (bytes: number): ByteRange => {
    const start = at
    at += bytes
    return { start, end: at }
  }
  const chunksOf = new Map(header.documents.map(({ entry }) => [entry.id, entry.chunks]))
  const wordBytes = header.index ? bytesOfWords(header.index, countChunks(header.index.documents, chunksOf)) : 0
  if (version < 3) {
    const both = header.documents.map((row) => [take(contentBytes(row)), take(row.vectorBytes)] as const)
    const words = take(wordBytes)
    const codes = take(0)
    return { contents: both.map(([one]) => one), vectors: both.map(([, two]) => two), words, codes, end: at }
  }
  const words = take(wordBytes)
  const { codes: row } = header
  const codes = take(row ? countChunks(row.documents, chunksOf) * (row.dimensions + 4) : 0)
  const contents = header.documents.map((one) => take(contentBytes(one)))
  const vectors = header.documents.map((one) => take(one.vectorBytes))
  return { contents, vectors, words, codes, end: at }
}

/** Chunks of documents of a file. */
export const countChunks = (ids: readonly string[], chunksOf: ReadonlyMap<string, number>): number =>
  ids.reduce((sum, id) => sum + (chunksOf.get(id) ?? 0), 0)

const bytesOfWords = ({ termsBytes, tokens, tokenBytes }: IndexRow, chunks: number): number =>
  termsBytes + chunks * fieldCount * 4 + tokens * tokenBytes

const contentBytes = ({ entry, textBytes }: FileRow): number => textBytes + entry.chunks * 16

function isHeader(value: unknown): value is FileHeader {
  const { product, documents, index, codes } = (value ?? {}) as Partial<FileHeader>
  const isKnown = product === 'alcove' && Array.isArray(documents) && documents.every(isRow)
  return isKnown && (index === undefined || isIndexRow(index)) && (codes === undefined || isCodesRow(codes))
}

const areIds = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && new Set(value).size === value.length && value.every((id) => typeof id === 'string')

function isIndexRow(value: unknown): value is IndexRow {
  const { version, tokenizer, documents, termsBytes, tokens, tokenBytes } = (value ?? {}) as Partial<IndexRow>
  return (
    isCount(version) &&
    typeof tokenizer === 'string' &&
    areIds(documents) &&
    isCount(termsBytes) &&
    isCount(tokens) &&
    (tokenBytes === 2 || tokenBytes === 4)
  )
}

function isCodesRow(value: unknown): value is CodesRow {
  const { embedder, dimensions, documents } = (value ?? {}) as Partial<CodesRow>
  return typeof embedder === 'string' && isCount(dimensions) && dimensions > 0 && areIds(documents)
}

function isRow(value: unknown): value is FileRow {
  const { entry, headings, textBytes, vectorBytes, pageSpans } = (value ?? {}) as Partial<FileRow>
  return (
    isEntry(entry) &&
    isCount(textBytes) &&
    isCount(vectorBytes) &&
    vectorBytes % 4 === 0 &&
    (pageSpans === undefined || (Array.isArray(pageSpans) && pageSpans.every(isCount))) &&
    Array.isArray(headings) &&
    headings.every((path) => Array.isArray(path) && path.every((title) => typeof title === 'string'))
  )
}

function isEntry(value: unknown): value is DocumentEntry {
  const entry = (value ?? {}) as Partial<DocumentEntry>
  const { id, title, url, mediaType, metadata, contentHash, bytes, chunks, writtenIn, pages, vectors } = entry
  const texts = [id, title, mediaType, contentHash]
  return (
    texts.every((text) => typeof text === 'string') &&
    id !== '' &&
    (url === undefined || typeof url === 'string') &&
    (pages === undefined || isCount(pages)) &&
    (vectors === undefined || (isCount(vectors?.dimensions) && typeof vectors.embedder === 'string')) &&
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

/** The error for a file that is none, or is not whole. */
export function damaged(why: string, cause?: unknown): AlcoveError {
  return new AlcoveError('parse-failed', `this is no whole Alcove corpus file: ${why}`, {
    cause,
    hint: 'Export the corpus again, or run `npx alcove index` again, and use the file that comes of it.',
  })
}
