import type { Span } from '../../protocol/corpus.js'
import { AlcoveError } from '../../protocol/error.js'

/** A heading of a document: where its title begins in the text. */
export interface Heading {
  /** 1 is the outermost. */
  readonly level: number
  readonly title: string
  /** Offset in UTF-16 code units of the document's text. */
  readonly start: number
}

/** A page of a document: the part of the text that stands on it. The spans of all pages cover the text. */
export interface Page {
  /** From 1. */
  readonly page: number
  readonly span: Span
}

/** What a parser makes of a file: readable text, and what is known of its structure. */
export interface ParsedDocument {
  /** IANA media type of the kind that the content turned out to be. */
  readonly mediaType: string
  /** The title that the document itself carries. */
  readonly title?: string
  /** What is stored, shown and cited. Every span points into it. */
  readonly text: string
  /** In order; empty where the kind has no pages. */
  readonly pages: readonly Page[]
  /** In order of `start`. */
  readonly headings: readonly Heading[]
  /** BCP 47 tag, where the document names its language. */
  readonly language?: string
  /** WHATWG name of the encoding that the bytes were read with, for kinds that are text. */
  readonly encoding?: string
  /** What of the document could not be read, where that is a part of it only. */
  readonly warnings?: readonly ParseWarning[]
}

/** A part of a document that could not be read. */
export interface ParseWarning {
  /** `unreadable-fonts`: fonts that do not say which letters they draw; `pages-without-text`: blank pages, or scans. */
  readonly code: 'unreadable-fonts' | 'pages-without-text'
  readonly message: string
}

/** What a parser is given. */
export interface ParseInput {
  readonly data: Uint8Array | string
  /** File name: a hint about the kind where the content does not tell. */
  readonly name?: string | undefined
  /** IANA media type, with its charset where there is one: a hint, too. */
  readonly mediaType?: string | undefined
}

export interface ParseOptions {
  readonly signal?: AbortSignal | undefined
}

/** Limits of what is parsed; past them the error is `too-large`. */
export const parseLimits = {
  /** Bytes of a file. */
  fileBytes: 200 * 1024 * 1024,
  /** Bytes of all parts of a zip archive that are read. */
  unzippedBytes: 500 * 1024 * 1024,
  /** Bytes of one part of a zip archive that is read whole, such as a document's XML. */
  unzippedPartBytes: 100 * 1024 * 1024,
  /** Bytes out for each byte in, for a part of a zip archive that is over 10 MB. */
  unzipRatio: 250,
  /** UTF-16 code units of text that a document may have. */
  textCharacters: 64_000_000,
  /** UTF-16 code units of JSON source: its values take some ten times as much memory. */
  jsonCharacters: 32_000_000,
  /** UTF-16 code units of HTML source: a tree of it takes some ten times as much memory. */
  htmlCharacters: 24_000_000,
} as const

/** A `too-large` error that names the limit. */
export function tooLarge(what: string, got: number, limit: number, unit: string): AlcoveError {
  return new AlcoveError(
    'too-large',
    `${what} may have at most ${limit.toLocaleString('en')} ${unit}, this one has ${got.toLocaleString('en')}`,
    { details: { limit, got } },
  )
}

/** Throws `document-empty` for a text without a visible character, `too-large` for one over the limit. */
export function checkText(text: string, hint?: string): void {
  if (text.length > parseLimits.textCharacters) {
    throw tooLarge('The text of a document', text.length, parseLimits.textCharacters, 'characters')
  }
  if (!/[^\s\p{C}]/u.test(text)) {
    throw new AlcoveError('document-empty', 'The document has no text', { hint })
  }
}
