import type { DocumentInput, Metadata, TextDocument } from '../protocol/corpus.js'
import { AlcoveError } from '../protocol/error.js'
import { canonicalJson, sha256Hex } from '../text/hash.js'
import { hashText } from '../text/hash-text.js'

/** A document to add, checked, with all that does not need its content read. */
export interface PreparedInput {
  /** Position in the caller's list. */
  readonly index: number
  /** The text itself, or the file. */
  readonly source: string | Blob
  /** The id, where it does not come from the content. */
  readonly id: string | undefined
  /** The title that the caller gave. */
  readonly title: string | undefined
  /** What to call it until it has been read. */
  readonly name: string
  readonly fileName: string | undefined
  readonly url: string | undefined
  readonly mediaType: string | undefined
  readonly metadata: Metadata
}

/** The content of an input, and what it is known by. */
export interface ReadInput {
  readonly data: Uint8Array | string
  readonly id: string
  readonly contentHash: string
}

const untitled = 'Untitled'

/**
 * Checks what a caller wants to add, all of it before anything is added.
 * @throws AlcoveError `invalid-argument` that names the input and the field
 */
export function prepareInputs(input: DocumentInput | readonly DocumentInput[]): PreparedInput[] {
  const inputs = Array.isArray(input) ? (input as readonly DocumentInput[]) : [input as DocumentInput]
  return inputs.map((one, index) => (isBlob(one) ? prepareBlob(one, index) : prepareDocument(one, index)))
}

function prepareBlob(blob: Blob, index: number): PreparedInput {
  const fileName = fileNameOf(blob)
  return {
    index,
    source: blob,
    id: fileName,
    title: undefined,
    name: fileName ?? untitled,
    fileName,
    url: undefined,
    mediaType: blob.type || undefined,
    metadata: {},
  }
}

function prepareDocument(document: TextDocument, index: number): PreparedInput {
  const where = `documents[${index}]`
  if (typeof document !== 'object' || document === null) fail(where, 'a Blob, a File or { text } or { data }', document)
  const { text, data, metadata = {} } = document
  if (text !== undefined && typeof text !== 'string') fail(`${where}.text`, 'a string', text)
  if (data !== undefined && !isBlob(data)) fail(`${where}.data`, 'a Blob or File', data)
  const source = data ?? text
  if (source === undefined) fail(where, 'a Blob, a File or { text } or { data }', document)
  const [id, title, url, mediaType] = (['id', 'title', 'url', 'mediaType'] as const).map((field) => {
    const value = document[field]
    if (value !== undefined && typeof value !== 'string') fail(`${where}.${field}`, 'a string', value)
    // An empty one is what lists and forms give where there is none.
    return value === '' ? undefined : value
  })
  checkMetadata(metadata, `${where}.metadata`)
  const fileName = typeof source === 'string' ? undefined : fileNameOf(source)
  return {
    index,
    source,
    id: id ?? url ?? title ?? fileName,
    title,
    name: title ?? fileName ?? url ?? id ?? untitled,
    fileName,
    url,
    mediaType: mediaType ?? (typeof source === 'string' ? undefined : source.type || undefined),
    metadata: Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined)),
  }
}

/** @throws AlcoveError `invalid-argument` for values that `where` could not be compared with */
export function checkMetadata(metadata: unknown, where: string): asserts metadata is Metadata {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    fail(where, 'an object of plain values', metadata)
  }
  for (const [key, value] of Object.entries(metadata)) {
    const isPlain =
      value === null || value === undefined || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value)
    if (!isPlain) fail(`${where}.${key}`, 'a string, a finite number, a boolean or null', value)
  }
}

/**
 * Reads an input's content and says what it is known by. A document that has no id, url or name is known by its content.
 * @param form what the stored form depends on besides the document: parser version and chunk options
 */
export async function readInput(input: PreparedInput, form: Readonly<Record<string, number>>): Promise<ReadInput> {
  const data = typeof input.source === 'string' ? input.source : new Uint8Array(await input.source.arrayBuffer())
  const dataHash = typeof data === 'string' ? await hashText(data) : await sha256Hex(data)
  const { title, url, fileName, mediaType, metadata } = input
  const kind = typeof data === 'string' ? 'text' : 'bytes'
  const facts = { kind, dataHash, title, url, fileName, mediaType, metadata, form }
  return { data, id: input.id ?? `sha256-${dataHash.slice(0, 32)}`, contentHash: await hashText(canonicalJson(facts)) }
}

/** What to call a document: as given, else its own title, else its file name or url, else how it begins. */
export function titleOf(input: PreparedInput, parsed: { readonly title?: string; readonly text: string }): string {
  const firstLine = parsed.text.slice(0, 400).trim().split('\n', 1)[0] ?? ''
  const beginning = firstLine.length > 60 ? `${firstLine.slice(0, 59).trimEnd()}…` : firstLine
  return input.title ?? (parsed.title?.trim() || input.fileName || input.url || beginning || untitled)
}

function fileNameOf(blob: Blob): string | undefined {
  const { name, webkitRelativePath } = blob as Partial<File>
  return webkitRelativePath || name || undefined
}

/** Also a Blob of another realm, such as a frame's. */
function isBlob(value: unknown): value is Blob {
  return (
    value instanceof Blob ||
    (typeof value === 'object' && value !== null && typeof (value as Partial<Blob>).arrayBuffer === 'function')
  )
}

function fail(where: string, expected: string, got: unknown): never {
  const shown = typeof got === 'object' && got !== null ? `{ ${Object.keys(got).join(', ')} }` : String(got)
  throw new AlcoveError('invalid-argument', `${where}: expected ${expected}, got ${shown}`)
}
