import { AlcoveError } from '../../protocol/error.js'
import type { ParseInput } from './document.js'
import { readZipDirectory, type ZipEntry } from './zip.js'

/** Kinds that a parser is there for. */
export type DocumentKind = 'pdf' | 'docx' | 'html' | 'markdown' | 'text'

export interface DetectedKind {
  readonly kind: DocumentKind
  /** IANA media type. */
  readonly mediaType: string
}

const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'

/** Beginnings of files that are no text and have no parser here. */
const SIGNATURES: readonly (readonly [bytes: string, what: string])[] = [
  ['\x89PNG', 'a PNG image'],
  ['\xff\xd8\xff', 'a JPEG image'],
  ['GIF8', 'a GIF image'],
  ['BM\x00\x00', 'a bitmap image'],
  ['II*\x00', 'a TIFF image'],
  ['MM\x00*', 'a TIFF image'],
  ['{\\rtf', 'an RTF document'],
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

const BY_MEDIA_TYPE: Readonly<Record<string, DocumentKind>> = {
  'text/html': 'html',
  'application/xhtml+xml': 'html',
  'text/markdown': 'markdown',
  'text/x-markdown': 'markdown',
}

const BY_EXTENSION: Readonly<Record<string, readonly [kind: DocumentKind, mediaType: string]>> = {
  html: ['html', 'text/html'],
  htm: ['html', 'text/html'],
  xhtml: ['html', 'text/html'],
  md: ['markdown', 'text/markdown'],
  markdown: ['markdown', 'text/markdown'],
  mdx: ['markdown', 'text/markdown'],
  csv: ['text', 'text/csv'],
  tsv: ['text', 'text/tab-separated-values'],
  json: ['text', 'application/json'],
  ipynb: ['text', 'application/x-ipynb+json'],
}

/** The first bytes as one character each, to compare with signatures. */
function beginning(bytes: Uint8Array, length: number): string {
  return String.fromCharCode(...bytes.subarray(0, length))
}

function unsupported(what: string, hint?: string): AlcoveError {
  return new AlcoveError('document-unsupported', `Expected a document with text, got ${what}`, { hint })
}

/** What a zip archive holds, told from its directory. */
function detectZip(bytes: Uint8Array): DetectedKind {
  const entries = readZipDirectory(bytes)
  const has = (test: (entry: ZipEntry) => boolean): boolean => entries.some(test)
  if (has((entry) => /^word\/document\d*\.xml$/i.test(entry.name))) return { kind: 'docx', mediaType: DOCX }
  if (has((entry) => entry.name.startsWith('ppt/'))) throw unsupported('a PowerPoint presentation')
  if (has((entry) => entry.name.startsWith('xl/'))) throw unsupported('an Excel workbook')
  if (has((entry) => entry.name === 'META-INF/container.xml')) throw unsupported('an EPUB book')
  if (has((entry) => entry.name === 'mimetype')) throw unsupported('an OpenDocument file')
  if (has((entry) => entry.name === '[Content_Types].xml')) throw unsupported('an Office file without a Word document')
  throw unsupported('a zip archive', 'Unpack it and add the documents in it.')
}

/** Old Office files and encrypted new ones share the OLE container (MS-CFB); names in it are UTF-16. */
function detectOle(bytes: Uint8Array): never {
  const names = new TextDecoder('utf-16le').decode(bytes.subarray(0, bytes.length & ~1))
  if (names.includes('EncryptedPackage') || names.includes('EncryptionInfo')) {
    throw new AlcoveError('document-encrypted', 'The Office document is protected with a password')
  }
  const what = names.includes('WordDocument')
    ? 'a Word document of the old DOC format'
    : names.includes('Workbook') || names.includes('Book')
      ? 'an Excel workbook of the old XLS format'
      : names.includes('PowerPoint Document')
        ? 'a PowerPoint presentation of the old PPT format'
        : 'an old Office file'
  throw unsupported(what)
}

function detectBinary(bytes: Uint8Array): DetectedKind | undefined {
  const start = beginning(bytes, 1024)
  const pdf = start.indexOf('%PDF-')
  // PDF 1.7, appendix H: the header may come anywhere in the first 1,024 bytes. Text about PDF has no binary there.
  if (pdf === 0 || (pdf > 0 && (pdf < 16 || start.includes('\0')))) return { kind: 'pdf', mediaType: 'application/pdf' }
  if (start.startsWith('PK\x03\x04') || start.startsWith('PK\x05\x06')) return detectZip(bytes)
  if (start.startsWith('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1')) detectOle(bytes)
  if (start.startsWith('RIFF')) throw unsupported(start.slice(8, 12) === 'WEBP' ? 'a WebP image' : 'a media file')
  if (start.slice(4, 8) === 'ftyp') throw unsupported('a video, sound or HEIF image file')
  const found = SIGNATURES.find(([signature]) => start.startsWith(signature))
  if (found) throw unsupported(found[1])
  return undefined
}

/** Whether text begins like a web page: after white space, comments and XML declarations. */
function looksLikeHtml(start: string): boolean {
  const rest = start.replace(/^(?:\ufeff|\s|<!--[\s\S]*?-->|<\?[\s\S]*?\?>)+/, '')
  return /^<(?:!doctype\s+html|html|head|body)[\s>]/i.test(rest)
}

/** Whether text has the marks of Markdown: a heading, and one other mark or a second heading. */
function looksLikeMarkdown(start: string): boolean {
  const headings = start.match(/^ {0,3}#{1,6} +\S/gm)?.length ?? 0
  if (headings === 0) return false
  const others = start.match(/^(?:```|~~~|[-*+] +\S|\d+\. +\S|\|.*\||> )|\*\*\S|\]\(\S/gm)?.length ?? 0
  return headings + others > 1
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
  const start =
    typeof input.data === 'string'
      ? input.data.slice(0, 4096)
      : new TextDecoder(startEncoding(input.data)).decode(input.data.subarray(0, 4096))
  return detectText(start, input)
}

const startEncoding = (bytes: Uint8Array): string =>
  bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8'

function detectText(start: string, input: ParseInput): DetectedKind {
  const mediaType = input.mediaType?.split(';')[0]?.trim().toLowerCase()
  const named = BY_EXTENSION[/\.([a-z0-9]+)$/i.exec(input.name ?? '')?.[1]?.toLowerCase() ?? '']
  if (mediaType && Object.hasOwn(BY_MEDIA_TYPE, mediaType)) {
    const kind = BY_MEDIA_TYPE[mediaType] ?? 'text'
    return { kind, mediaType: kind === 'html' ? 'text/html' : 'text/markdown' }
  }
  if (named?.[0] === 'markdown') return { kind: 'markdown', mediaType: named[1] }
  if (looksLikeHtml(start)) return { kind: 'html', mediaType: 'text/html' }
  if (named) return { kind: named[0], mediaType: named[1] }
  const isTextType = mediaType !== undefined && /^(?:text\/|application\/(?:.*\+)?(?:json|xml))/.test(mediaType)
  if (isTextType && mediaType !== 'text/plain') return { kind: 'text', mediaType }
  const plainName = /\.\w+$/.test(input.name ?? '')
  if (!plainName && mediaType !== 'text/plain' && looksLikeMarkdown(start)) {
    return { kind: 'markdown', mediaType: 'text/markdown' }
  }
  return { kind: 'text', mediaType: 'text/plain' }
}
