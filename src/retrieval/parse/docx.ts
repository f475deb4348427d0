import { AlcoveError } from '../../protocol/error.js'
import type { ParsedDocument, ParseOptions } from './document.js'
import { findParts, prepareMain, readComments, readFurniture } from './docx-parts.js'
import { parseContentHtml } from './html.js'
import { readCoreTitle } from './xml.js'
import { openZipPackage } from './zip-package.js'

const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'

/** Parts that text comes from. Pictures, fonts and embedded files are never unpacked. */
const NEEDED =
  /^(?:\[Content_Types\]\.xml|docProps\/core\.xml|(?:.*\/)?_rels\/.*\.rels|word\/[^/]*\.xml|.*document\d*\.xml)$/i

/** Styles that stand for headings besides Word's own `Heading 1` to `Heading 6`, which mammoth knows. */
const STYLE_MAP = [
  "p[style-name='Title'] => h1:fresh",
  "p[style-name='Subtitle'] => p:fresh",
  "p[style-name='Heading 7'] => h6:fresh",
  "p[style-name='Heading 8'] => h6:fresh",
  "p[style-name='Heading 9'] => h6:fresh",
  'comment-reference => !',
]

/** The archive again with only the parts that are needed, unpacked under our limits, and what mammoth leaves out. */
async function repack(
  bytes: Uint8Array,
  options: ParseOptions,
): Promise<{ archive: Uint8Array; title: string | undefined; extra: string[] }> {
  const source = openZipPackage(bytes, options)
  const found = await findParts(source)
  const parts: Record<string, Uint8Array> = {}
  for (const name of source.names) {
    if (!NEEDED.test(name)) continue
    const part = await source.read(name)
    if (part) parts[name] = part
  }
  const main = parts[found.main]
  const prepared = main && (await prepareMain(source, found, main))
  if (prepared) parts[found.main] = prepared.part
  const extra = [
    ...(await readComments(source, found.comments, prepared?.commented ?? new Map())),
    ...(await readFurniture(source, found.headers)).map((text) => `Page header: ${text}`),
    ...(await readFurniture(source, found.footers)).map((text) => `Page footer: ${text}`),
  ]
  const { zipSync } = await import('fflate')
  return { archive: zipSync(parts, { level: 0 }), title: await readCoreTitle(source), extra }
}

/** Links back from a note to its place in the text: an arrow that says nothing. */
const withoutBackLinks = (html: string): string => html.replace(/<a href="#[^"]*">↑<\/a>/g, '')

/**
 * Reads a Word document: headings with the numbers that Word makes for them, paragraphs, lists, tables and notes; then,
 * at its end, comments with what they are about, and what the pages' heads and feet say. Deleted text is left out.
 * Throws `parse-failed`, `document-encrypted`, `document-empty`, `too-large`, or what the signal says.
 */
export async function parseDocx(bytes: Uint8Array, options: ParseOptions = {}): Promise<ParsedDocument> {
  const { archive, title: ownTitle, extra } = await repack(bytes, options)
  const html = await convertToHtml(archive)
  const { text: body, headings } = await parseContentHtml(withoutBackLinks(html))
  const text = [body, ...extra].filter((part) => part !== '').join('\n\n')
  const title = ownTitle ?? headings.find((heading) => heading.level === 1)?.title
  return { mediaType: DOCX, ...(title === undefined ? {} : { title }), text, pages: [], headings }
}

async function convertToHtml(archive: Uint8Array): Promise<string> {
  const module = await import('mammoth')
  const mammoth = module.default ?? module
  try {
    const arrayBuffer = archive.slice().buffer
    const { value } = await mammoth.convertToHtml(
      // The build for Node takes `buffer`, the one for browsers `arrayBuffer`.
      { arrayBuffer, ...(typeof Buffer === 'undefined' ? {} : { buffer: Buffer.from(arrayBuffer) }) },
      {
        styleMap: STYLE_MAP,
        convertImage: mammoth.images.imgElement(async () => ({ src: '' })),
        externalFileAccess: false,
      },
    )
    return value
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new AlcoveError('parse-failed', `The Word document cannot be read: ${reason}`, { cause: error })
  }
}
