import { AlcoveError } from '../../protocol/error.js'
import type { ParseInput } from './document.js'
import { documentKinds, type KindEntry, type TextStart } from './kinds.js'
import { readZipDirectory } from './zip.js'

export interface DetectedKind {
  readonly entry: KindEntry
  /** IANA media type. */
  readonly mediaType: string
}

/** Beginnings of files that are no text and have no parser here. */
const SIGNATURES: readonly (readonly [bytes: string, what: string])[] = [
  ['\x89PNG', 'a PNG image'],
  ['\xff\xd8\xff', 'a JPEG image'],
  ['GIF8', 'a GIF image'],
  ['BM\x00\x00', 'a bitmap image'],
  ['II*\x00', 'a TIFF image'],
  ['MM\x00*', 'a TIFF image'],
  ['%!PS', 'a PostScript document'],
  ['\x1f\x8b', 'a gzip archive'],
  ['7z\xbc\xaf', 'a 7z archive'],
  ['Rar!', 'a RAR archive'],
  ['\x7fELF', 'a program'],
  ['MZ\x90', 'a program'],
  ['\x00asm', 'a WebAssembly module'],
  ['OggS', 'a sound file'],
  ['ID3', 'a sound file'],
  ['fLaC', 'a sound file'],
  ['SQLite format 3', 'a database'],
  ['wOF2', 'a font'],
  ['wOFF', 'a font'],
]

/** The first bytes as one character each, to compare with signatures. */
function beginning(bytes: Uint8Array, length: number): string {
  return String.fromCharCode(...bytes.subarray(0, length))
}

function unsupported(what: string, hint?: string): AlcoveError {
  return new AlcoveError('document-unsupported', `Expected a document with text, got ${what}`, { hint })
}

/** What a zip archive holds, told from its directory. */
function detectZip(bytes: Uint8Array): DetectedKind {
  const names = readZipDirectory(bytes).map(({ name }) => name)
  const has = (test: (name: string) => boolean): boolean => names.some(test)
  const entry = documentKinds.find(({ inZip }) => inZip && has((name) => inZip.test(name)))
  if (entry) return { entry, mediaType: entry.mediaTypes[0] }
  if (has((name) => name === 'xl/workbook.bin')) {
    throw unsupported('an Excel workbook of the binary XLSB format', 'Save it as XLSX and add that.')
  }
  if (has((name) => name === 'mimetype')) throw unsupported('an OpenDocument file', 'Save it as DOCX, XLSX or PPTX.')
  if (has((name) => name === '[Content_Types].xml')) throw unsupported('an Office file of an unknown kind')
  throw unsupported('a zip archive', 'Unpack it and add the documents in it.')
}

/** Names in old Office files, what they are, and the format to save them in. */
const OLD_OFFICE = [
  ['WordDocument', 'a Word document of the old DOC format', 'DOCX'],
  ['Workbook', 'an Excel workbook of the old XLS format', 'XLSX'],
  ['Book', 'an Excel workbook of the old XLS format', 'XLSX'],
  ['PowerPoint Document', 'a PowerPoint presentation of the old PPT format', 'PPTX'],
] as const

/** Old Office files and encrypted new ones share the OLE container (MS-CFB); names in it are UTF-16. */
function detectOle(bytes: Uint8Array): never {
  const names = new TextDecoder('utf-16le').decode(bytes.subarray(0, bytes.length & ~1))
  if (names.includes('EncryptedPackage') || names.includes('EncryptionInfo')) {
    throw new AlcoveError('document-encrypted', 'The Office document is protected with a password')
  }
  const found = OLD_OFFICE.find(([name]) => names.includes(name))
  throw unsupported(
    found?.[1] ?? 'an old Office file',
    `Save it as ${found?.[2] ?? 'DOCX, XLSX or PPTX'} and add that.`,
  )
}

function detectBinary(bytes: Uint8Array): DetectedKind | undefined {
  const start = beginning(bytes, 1024)
  const entry = documentKinds.find(({ begins }) => begins?.(start))
  if (entry) return { entry, mediaType: entry.mediaTypes[0] }
  if (start.startsWith('PK\x03\x04') || start.startsWith('PK\x05\x06')) return detectZip(bytes)
  if (start.startsWith('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1')) detectOle(bytes)
  if (start.startsWith('{\\rtf')) throw unsupported('an RTF document', 'Save it as DOCX or PDF and add that.')
  if (start.startsWith('RIFF')) throw unsupported(start.slice(8, 12) === 'WEBP' ? 'a WebP image' : 'a media file')
  if (start.slice(4, 8) === 'ftyp') throw unsupported('a video, sound or HEIF image file')
  const found = SIGNATURES.find(([signature]) => start.startsWith(signature))
  if (found) throw unsupported(found[1])
  return undefined
}

/**
 * Tells what a file is: by its content where that is plain, else by media type, then by name, then by what its text
 * looks like. Throws `document-unsupported` or `document-encrypted` for what no parser here can read.
 */
export function detectKind(input: ParseInput): DetectedKind {
  if (typeof input.data !== 'string') {
    const binary = detectBinary(input.data)
    if (binary) return binary
  }
  return detectText(readStart(input), input)
}

const START = 16_384

function readStart({ data }: ParseInput): TextStart {
  const isWhole = data.length <= START
  if (typeof data === 'string') return { text: data.slice(0, START), isWhole, isFile: false }
  const text = new TextDecoder(startEncoding(data)).decode(data.subarray(0, START))
  return { text, isWhole, isFile: true }
}

/** UTF-16 by its mark, or by the zeros of its ASCII characters; all else is ASCII where it matters here. */
function startEncoding(bytes: Uint8Array): string {
  const [first, second, third, fourth] = bytes
  if ((first === 0xff && second === 0xfe) || (second === 0 && fourth === 0)) return 'utf-16le'
  if ((first === 0xfe && second === 0xff) || (first === 0 && third === 0)) return 'utf-16be'
  return 'utf-8'
}

function detectText(start: TextStart, input: ParseInput): DetectedKind {
  const mediaType = input.mediaType?.split(';')[0]?.trim().toLowerCase()
  const extension = /\.([a-z0-9]+)$/i.exec(input.name ?? '')?.[1]?.toLowerCase()
  const declared = byMediaType(mediaType) ?? byExtension(extension)
  const plain = documentKinds.find(({ looksLike, overrules }) => overrules && looksLike?.(start))
  if (plain && (!declared || plain.overrules?.includes(declared.entry.kind))) {
    return { entry: plain, mediaType: plain.mediaTypes[0] }
  }
  if (declared) return declared
  // Markdown is also a way to write plain text, so a name of another kind of text is believed.
  const isNamed = mediaType !== undefined || extension !== undefined
  const guessed = documentKinds.find((entry) => entry.looksLike?.(start) && !(isNamed && entry.kind === 'markdown'))
  if (guessed && !isForeignText(extension)) return { entry: guessed, mediaType: guessed.mediaTypes[0] }
  const entry = documentKinds.at(-1) as KindEntry
  const isTextType = mediaType !== undefined && /^(?:text\/|application\/(?:.*\+)?xml)/.test(mediaType)
  return { entry, mediaType: isTextType ? mediaType : entry.mediaTypes[0] }
}

/** Whether a name says of a file that it is some kind of text with rules of its own, such as source code. */
const isForeignText = (extension: string | undefined): boolean =>
  extension !== undefined && !['txt', 'text', 'dat', 'log', 'asc'].includes(extension)

function byMediaType(mediaType: string | undefined): DetectedKind | undefined {
  if (mediaType === undefined || mediaType === 'text/plain') return undefined
  const entry = documentKinds.find(({ mediaTypes }) => mediaTypes.includes(mediaType))
  if (entry?.looksLike)
    return { entry, mediaType: entry.kind === 'csv' ? mediaType : (entry.mediaTypes[0] ?? mediaType) }
  const json = /\+json$/.test(mediaType) ? documentKinds.find(({ kind }) => kind === 'json') : undefined
  return json && { entry: json, mediaType }
}

function byExtension(extension: string | undefined): DetectedKind | undefined {
  if (extension === undefined) return undefined
  for (const entry of documentKinds) {
    const mediaType = entry.extensions && Object.hasOwn(entry.extensions, extension) && entry.extensions[extension]
    if (mediaType) return { entry, mediaType }
  }
  return undefined
}
