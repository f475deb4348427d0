import type { ParsedDocument, ParseInput, ParseOptions } from './document.js'
import { readSourceText } from './source-text.js'
import { looksLikeCsv, looksLikeHtml, looksLikeJson, looksLikeMarkdown } from './text-shape.js'

/** Kinds that a parser is there for. */
export type DocumentKind =
  | 'pdf'
  | 'docx'
  | 'pptx'
  | 'xlsx'
  | 'epub'
  | 'html'
  | 'markdown'
  | 'csv'
  | 'notebook'
  | 'json'
  | 'text'

/** The beginning of a text of which no binary kind is known. */
export interface TextStart {
  readonly text: string
  /** Whether it is all of it. */
  readonly isWhole: boolean
  /** Whether it comes from a file, which is one of some program; else it is a text that a caller has in hand. */
  readonly isFile: boolean
}

/** How a kind is told and read. */
export interface KindEntry {
  readonly kind: DocumentKind
  /** Its own, and others that it goes by. */
  readonly mediaTypes: readonly [string, ...string[]]
  /** Endings of file names with the media type they stand for: a hint, which content of a plain other kind overrules. */
  readonly extensions?: Readonly<Record<string, string>>
  /** Whether a file begins like it; `start` has a character for each of its first 1,024 bytes. */
  readonly begins?: (start: string) => boolean
  /** A name in a zip archive that only this kind has. */
  readonly inZip?: RegExp
  /** Whether text looks like it although nothing says so. */
  readonly looksLike?: (start: TextStart) => boolean
  /** Kinds that text may be named as and yet is this one, when it looks like this one. */
  readonly overrules?: readonly DocumentKind[]
  /** Reads it. What it needs is loaded only now. */
  parse(input: ParseInput, mediaType: string, options: ParseOptions): Promise<ParsedDocument>
}

const toBytes = ({ data }: ParseInput): Uint8Array => (typeof data === 'string' ? new TextEncoder().encode(data) : data)

/** Reads the text of an input, and says with the result how it was read. */
async function parseSource(
  input: ParseInput,
  parse: (text: string) => ParsedDocument | Promise<ParsedDocument>,
): Promise<ParsedDocument> {
  const { text, ...read } = readSourceText(input)
  return { ...(await parse(text)), ...read }
}

/**
 * All kinds, the plainest to tell first: a new one is a file and a line here. The last takes all other text. Where
 * several could be it, content goes before media type, media type before name.
 */
export const documentKinds: readonly KindEntry[] = [
  {
    kind: 'pdf',
    mediaTypes: ['application/pdf'],
    // PDF 1.7, appendix H: the header may come anywhere in the first 1,024 bytes. Text about PDF has no binary there.
    begins(start) {
      const at = start.indexOf('%PDF-')
      return at === 0 || (at > 0 && (at < 16 || start.includes('\0')))
    },
    parse: async (input, _, options) => (await import('./pdf.js')).parsePdf(toBytes(input), options),
  },
  {
    kind: 'docx',
    mediaTypes: ['application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
    inZip: /^word\/document\d*\.xml$/i,
    parse: async (input, _, options) => (await import('./docx.js')).parseDocx(toBytes(input), options),
  },
  {
    kind: 'pptx',
    mediaTypes: ['application/vnd.openxmlformats-officedocument.presentationml.presentation'],
    inZip: /^ppt\/presentation\.xml$/i,
    parse: async (input, _, options) => (await import('./pptx.js')).parsePptx(toBytes(input), options),
  },
  {
    kind: 'xlsx',
    mediaTypes: ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'],
    inZip: /^xl\/workbook\.xml$/i,
    parse: async (input, _, options) => (await import('./xlsx.js')).parseXlsx(toBytes(input), options),
  },
  {
    kind: 'epub',
    mediaTypes: ['application/epub+zip'],
    inZip: /^META-INF\/container\.xml$/,
    parse: async (input, _, options) => (await import('./epub.js')).parseEpub(toBytes(input), options),
  },
  {
    kind: 'html',
    mediaTypes: ['text/html', 'application/xhtml+xml'],
    extensions: { html: 'text/html', htm: 'text/html', xhtml: 'text/html' },
    looksLike: ({ text }) => looksLikeHtml(text),
    overrules: ['csv', 'json', 'notebook', 'text'],
    parse: (input) => parseSource(input, async (text) => (await import('./html.js')).parseHtml(text)),
  },
  {
    kind: 'markdown',
    mediaTypes: ['text/markdown', 'text/x-markdown'],
    extensions: { md: 'text/markdown', markdown: 'text/markdown', mdx: 'text/markdown' },
    looksLike: ({ text }) => looksLikeMarkdown(text),
    parse: (input) => parseSource(input, async (text) => (await import('./markdown.js')).parseMarkdown(text)),
  },
  {
    kind: 'csv',
    mediaTypes: ['text/csv', 'text/tab-separated-values', 'application/csv'],
    extensions: { csv: 'text/csv', tsv: 'text/tab-separated-values', tab: 'text/tab-separated-values' },
    looksLike: ({ text, isWhole, isFile }) => isFile && looksLikeCsv(text, isWhole),
    parse: (input, mediaType, options) =>
      parseSource(input, async (text) => (await import('./csv.js')).parseCsv(text, mediaType, options)),
  },
  {
    kind: 'notebook',
    mediaTypes: ['application/x-ipynb+json'],
    extensions: { ipynb: 'application/x-ipynb+json' },
    parse: (input, _, options) =>
      parseSource(input, async (text) => (await import('./notebook.js')).parseNotebook(text, options)),
  },
  {
    kind: 'json',
    mediaTypes: ['application/json', 'application/jsonl', 'application/x-ndjson', 'application/ld+json'],
    extensions: {
      json: 'application/json',
      geojson: 'application/geo+json',
      jsonl: 'application/jsonl',
      ndjson: 'application/jsonl',
    },
    looksLike: ({ text, isFile }) => isFile && looksLikeJson(text),
    parse: (input, mediaType, options) =>
      parseSource(input, async (text) => (await import('./json.js')).parseJson(text, mediaType, options)),
  },
  {
    kind: 'text',
    mediaTypes: ['text/plain'],
    parse: (input, mediaType) => parseSource(input, (text) => ({ mediaType, text, pages: [], headings: [] })),
  },
]
