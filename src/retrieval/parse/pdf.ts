import type * as PdfJs from 'pdfjs-dist'
import { AlcoveError } from '../../protocol/error.js'
import { throwIfAborted } from '../../runtime/abort.js'
import {
  type Heading,
  type Page,
  type ParsedDocument,
  type ParseOptions,
  type ParseWarning,
  parseLimits,
  tooLarge,
} from './document.js'
import { groupFragments, type TextRun } from './pdf-fragments.js'
import { dropFurniture, type PageLines } from './pdf-furniture.js'
import { headingsFromOutline, headingsFromType, type OutlineEntry } from './pdf-headings.js'
import { type Line, orderLines } from './pdf-layout.js'
import { loadPdfJs } from './pdf-library.js'
import { type JoinedText, joinLines } from './pdf-paragraphs.js'
import { joinFragments } from './pdf-segments.js'
import { createFontJudge, type FontJudge } from './pdf-unreadable.js'
import { createYielder } from './yielding.js'

/** Most entries of an outline that are followed. */
const OUTLINE_ENTRIES = 20_000

/** Files that pdf.js asks for: character maps of East Asian fonts. Fonts and decoders of pictures are not needed for text. */
class BinaryData {
  async fetch({ kind, filename }: { kind: string; filename: string }): Promise<Uint8Array> {
    if (kind !== 'cMapUrl') throw new Error(`${filename} is not needed to read text`)
    const { loadCMap } = await import('./pdf-cmaps.js')
    return loadCMap(filename)
  }
}

/** Stands for what pdf.js would draw with: text needs none of it, and a worker has no DOM. */
class Nothing {
  destroy(): void {}
}

async function openPdf(bytes: Uint8Array): Promise<{ pdf: PdfJs.PDFDocumentProxy; close(): Promise<void> }> {
  const pdfjs = await loadPdfJs()
  const task = pdfjs.getDocument({
    // A copy, as pdf.js takes the buffer over; of a plain array, as it refuses those of Node.
    data: new Uint8Array(bytes),
    BinaryDataFactory: BinaryData,
    CanvasFactory: Nothing,
    FilterFactory: Nothing,
    disableFontFace: true,
    useSystemFonts: true,
    useWorkerFetch: false,
    useWasm: false,
    isOffscreenCanvasSupported: false,
    isImageDecoderSupported: false,
    verbosity: 0,
  } as Parameters<typeof pdfjs.getDocument>[0])
  const close = (): Promise<void> => task.destroy().catch(() => {})
  try {
    return { pdf: await task.promise, close }
  } catch (error) {
    await close()
    throw translateError(error)
  }
}

function translateError(error: unknown): AlcoveError {
  const { name, message } = error as { name?: string; message?: string }
  if (name === 'PasswordException') {
    return new AlcoveError('document-encrypted', 'The PDF is protected with a password', { cause: error })
  }
  return new AlcoveError('parse-failed', `The PDF cannot be read: ${message ?? error}`, { cause: error })
}

/**
 * Reads a PDF: its pages in reading order (columns, rotated pages), lines joined to paragraphs, rows of tables as
 * `cell | cell`, running heads and page numbers left out, headings from its outline or its type sizes.
 * Throws `document-encrypted`, `document-empty`, `parse-failed` or `too-large`.
 */
export async function parsePdf(bytes: Uint8Array, options: ParseOptions): Promise<ParsedDocument> {
  const { pdf, close } = await openPdf(bytes)
  try {
    const judge = createFontJudge()
    const { pages, warnings } = leaveOutUnreadable(await readPages(pdf, judge, options), judge)
    const joined = joinLines(dropFurniture(pages))
    const outline = await readOutline(pdf, options)
    const fromOutline = headingsFromOutline(outline, joined)
    const headings = fromOutline.length >= 2 ? fromOutline : headingsFromType(joined)
    const title = (await readTitle(pdf)) ?? titleFromHeadings(headings, joined)
    return {
      mediaType: 'application/pdf',
      ...(title === undefined ? {} : { title }),
      text: joined.text,
      pages: pageSpans(joined),
      headings,
      ...(warnings.length > 0 ? { warnings } : {}),
    }
  } catch (error) {
    throwIfAborted(options.signal)
    throw error instanceof AlcoveError ? error : translateError(error)
  } finally {
    await close()
  }
}

/** Share of a document's text in unreadable fonts beyond which the rest of it is no document. */
const UNREADABLE_SHARE = 0.5

/** Takes out lines that are gibberish, and says so. Throws `document-unsupported` where that is most of the document. */
function leaveOutUnreadable(
  pages: readonly PageLines[],
  judge: FontJudge,
): { pages: PageLines[]; warnings: ParseWarning[] } {
  const { fonts, share } = judge.judge()
  if (share > UNREADABLE_SHARE) {
    throw new AlcoveError('document-unsupported', 'The fonts of the PDF do not say which letters they draw', {
      hint: 'Its text shows, but cannot be copied. Run text recognition (OCR) on the file, or save it anew from its source.',
      details: { unreadableShare: Math.round(share * 100) / 100 },
    })
  }
  const warnings: ParseWarning[] = []
  if (fonts.size > 0) {
    const message = `${Math.ceil(share * 100)} % of the text is in fonts that do not say which letters they draw`
    warnings.push({ code: 'unreadable-fonts', message })
  }
  const blank = pages.filter(({ lines }) => lines.length === 0).length
  if (blank > 0 && blank < pages.length) {
    const message = `${blank} of ${pages.length} pages have no text: they are blank, or pictures as of a scan`
    warnings.push({ code: 'pages-without-text', message })
  }
  const readable = pages.map((page) => ({ ...page, lines: page.lines.filter(({ font }) => !fonts.has(font)) }))
  return { pages: readable, warnings }
}

async function readPages(pdf: PdfJs.PDFDocumentProxy, judge: FontJudge, options: ParseOptions): Promise<PageLines[]> {
  const yielder = createYielder(options.signal)
  const pages: PageLines[] = []
  let regions = 0
  let length = 0
  for (let number = 1; number <= pdf.numPages; number++) {
    await yielder.pause()
    const { height, lines } = await readPage(pdf, number, regions)
    regions = Math.max(regions, (lines.at(-1)?.region ?? regions) + 1)
    for (const line of lines) {
      length += line.text.length
      judge.add(line.font, line.text)
    }
    if (length > parseLimits.textCharacters) {
      throw tooLarge('The text of a document', length, parseLimits.textCharacters, 'characters')
    }
    pages.push({ page: number, height, lines })
  }
  return pages
}

async function readPage(
  pdf: PdfJs.PDFDocumentProxy,
  number: number,
  firstRegion: number,
): Promise<{ height: number; lines: Line[] }> {
  const page = await pdf.getPage(number)
  const viewport = page.getViewport({ scale: 1 })
  const { items, styles } = await page.getTextContent({ disableNormalization: true })
  page.cleanup()
  const runs = items.filter((item): item is typeof item & TextRun => 'str' in item)
  const groups = groupFragments(runs, viewport.transform, (font) => styles[font]?.vertical === true)
  const lines: Line[] = []
  for (const { fragments } of groups) {
    lines.push(...orderLines(joinFragments(fragments), (lines.at(-1)?.region ?? firstRegion - 1) + 1))
  }
  return { height: viewport.height, lines }
}

function pageSpans({ pageStarts, text }: JoinedText): Page[] {
  return pageStarts.map(({ page, start }, index) => ({
    page,
    span: [index === 0 ? 0 : start, pageStarts[index + 1]?.start ?? text.length],
  }))
}

interface OutlineNode {
  readonly title: string
  readonly dest: string | readonly unknown[] | null
  readonly items: readonly OutlineNode[]
}

async function readOutline(pdf: PdfJs.PDFDocumentProxy, options: ParseOptions): Promise<OutlineEntry[]> {
  const roots = ((await pdf.getOutline().catch(() => null)) ?? []) as readonly OutlineNode[]
  const yielder = createYielder(options.signal)
  const entries: OutlineEntry[] = []
  const waiting = roots.map((node) => ({ node, level: 1 })).reverse()
  for (let next = waiting.pop(); next && entries.length < OUTLINE_ENTRIES; next = waiting.pop()) {
    await yielder.pause()
    const { node, level } = next
    const title = node.title.replace(/\s+/g, ' ').trim()
    if (title !== '') entries.push({ title, level, page: await pageOf(pdf, node.dest) })
    for (const child of [...node.items].reverse()) waiting.push({ node: child, level: level + 1 })
  }
  return entries
}

/** The page, from 1, that a destination leads to (PDF 32000-1, 12.3.2). */
async function pageOf(pdf: PdfJs.PDFDocumentProxy, dest: OutlineNode['dest']): Promise<number | undefined> {
  try {
    const explicit = typeof dest === 'string' ? await pdf.getDestination(dest) : dest
    const target = explicit?.[0]
    if (typeof target === 'number') return target + 1
    if (typeof target !== 'object' || target === null) return undefined
    return (await pdf.getPageIndex(target as Parameters<typeof pdf.getPageIndex>[0])) + 1
  } catch {
    return undefined
  }
}

/** The title in the document's properties, unless it is what a program left there. */
async function readTitle(pdf: PdfJs.PDFDocumentProxy): Promise<string | undefined> {
  const { info } = await pdf.getMetadata().catch(() => ({ info: {} }))
  const title = (info as { Title?: unknown }).Title
  if (typeof title !== 'string') return undefined
  const clean = title.replace(/\s+/g, ' ').trim()
  return clean === '' ||
    /^untitled|^\((?:anonymous|unspecified)\)$|^microsoft word -|^slide 1$|\.(?:docx?|dvi|tex|indd|pdf|qxd|ps)$/i.test(
      clean,
    )
    ? undefined
    : clean
}

/** The largest heading on the first page. */
function titleFromHeadings(headings: readonly Heading[], { pageStarts }: JoinedText): string | undefined {
  const end = pageStarts[1]?.start ?? Number.POSITIVE_INFINITY
  const onFirst = headings.filter((heading) => heading.start < end)
  return onFirst.find((heading) => heading.level === Math.min(...onFirst.map(({ level }) => level)))?.title
}
