import { AlcoveError } from '../../protocol/error.js'
import { type ParsedDocument, type ParseOptions, parseLimits, tooLarge } from './document.js'
import { parseContentHtml } from './html.js'
import { readZipDirectory, unzipEntry } from './zip.js'

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

/** The archive again with only the parts that are needed, unpacked under our limits. */
async function repack(bytes: Uint8Array): Promise<{ archive: Uint8Array; title: string | undefined }> {
  const entries = readZipDirectory(bytes)
  const parts: Record<string, Uint8Array> = {}
  let total = 0
  for (const entry of entries) {
    if (!NEEDED.test(entry.name)) continue
    const part = await unzipEntry(bytes, entry)
    total += part.length
    if (total > parseLimits.unzippedBytes) {
      throw tooLarge('The unpacked document', total, parseLimits.unzippedBytes, 'bytes')
    }
    parts[entry.name] = part
  }
  const { zipSync } = await import('fflate')
  return { archive: zipSync(parts, { level: 0 }), title: coreTitle(parts['docProps/core.xml']) }
}

function coreTitle(part: Uint8Array | undefined): string | undefined {
  if (!part) return undefined
  const found = /<dc:title[^>]*>([^<]*)<\/dc:title>/.exec(new TextDecoder().decode(part.subarray(0, 100_000)))?.[1]
  const title = found
    ?.replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&apos;/g, "'")
    .replace(/&amp;/g, '&')
    .trim()
  return title || undefined
}

/** Links back from a note to its place in the text: an arrow that says nothing. */
const withoutBackLinks = (html: string): string => html.replace(/<a href="#[^"]*">↑<\/a>/g, '')

/**
 * Reads a Word document: headings, paragraphs, lists, tables, notes. Numbers that Word makes for headings, comments,
 * page heads and feet and deleted text are left out.
 * Throws `parse-failed`, `document-encrypted`, `document-empty` or `too-large`.
 */
export async function parseDocx(bytes: Uint8Array, _options: ParseOptions = {}): Promise<ParsedDocument> {
  const { archive, title: ownTitle } = await repack(bytes)
  const html = await convertToHtml(archive)
  const { text, headings } = await parseContentHtml(withoutBackLinks(html))
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
