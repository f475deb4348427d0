import type { Heading, ParsedDocument } from './document.js'

const FENCE = /^ {0,3}(`{3,}|~{3,})([^\n]*)$/
const ATX = /^ {0,3}(#{1,6})(?=[ \t]|$)/
const SETEXT = /^ {0,3}(=+|-+)[ \t]*$/
/** Lines that are no paragraph, so that a rule under them is no setext underline. */
const NOT_PARAGRAPH = /^(?: {4}|\t| {0,3}(?:[-*+>|]|\d{1,9}[.)] |<[a-z/!]))/i

/** A heading's title without its marks: emphasis, code, links, anchors. */
function plainTitle(markdown: string): string {
  return markdown
    .replace(/\s*\{#[^}]*\}\s*$/, '')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/!?\[([^\]]*)\]\[[^\]]*\]/g, '$1')
    .replace(/<[^>]+>/g, '')
    .replace(/(\*\*|__|\*|`+|~~)(?=\S)(.*?\S)\1/g, '$2')
    .replace(/\\([!-/:-@[-`{-~])/g, '$1')
    .replace(/\s+/g, ' ')
    .trim()
}

/** The `title` of a YAML front matter, and where the front matter ends. */
function readFrontMatter(text: string): { end: number; title?: string } {
  const found = /^---[ \t]*\r?\n([\s\S]{0,20000}?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|$)/.exec(text)
  if (!found) return { end: 0 }
  const title = /^title:[ \t]*(.+?)[ \t]*$/im.exec(found[1] ?? '')?.[1]?.replace(/^(["'])(.*)\1$/, '$2')
  return { end: found[0].length, ...(title ? { title } : {}) }
}

interface Scan {
  fence: string | undefined
  /** Where the open paragraph's last line began and what it says, for a setext underline below it. */
  paragraph: { start: number; lines: string } | undefined
  headings: Heading[]
}

function scanLine(scan: Scan, line: string, start: number): void {
  const fence = FENCE.exec(line)
  if (scan.fence !== undefined) {
    if (fence?.[1]?.startsWith(scan.fence) && fence[2]?.trim() === '') scan.fence = undefined
    return
  }
  if (fence?.[1] && !(fence[1][0] === '`' && fence[2]?.includes('`'))) {
    scan.fence = fence[1]
    scan.paragraph = undefined
    return
  }
  const atx = ATX.exec(line)
  if (atx?.[1]) {
    const title = line.slice(atx[0].length, 1000).trim()
    addHeading(scan, atx[1].length, title.replace(/(?:^|[ \t])#+$/, ''), start)
    return
  }
  const setext = scan.paragraph ? SETEXT.exec(line) : null
  if (scan.paragraph && setext?.[1]) {
    addHeading(scan, setext[1][0] === '=' ? 1 : 2, scan.paragraph.lines, scan.paragraph.start)
    return
  }
  if (line.trim() === '' || (!scan.paragraph && NOT_PARAGRAPH.test(line))) scan.paragraph = undefined
  else if (scan.paragraph) scan.paragraph.lines += ` ${line.slice(0, 500)}`
  else scan.paragraph = { start, lines: line.slice(0, 500) }
  // A long paragraph is no heading, and must not be gathered for ever.
  if (scan.paragraph && scan.paragraph.lines.length > 2000) scan.paragraph.lines = ''
}

function addHeading(scan: Scan, level: number, markdown: string, start: number): void {
  const title = plainTitle(markdown.slice(0, 1000))
  if (title !== '') scan.headings.push({ level, title, start })
  scan.paragraph = undefined
}

/** Headings of Markdown source (CommonMark 0.31, 4.2 and 4.3) at the top level of the document, in linear time. */
export function findMarkdownHeadings(text: string, from = 0): Heading[] {
  const scan: Scan = { fence: undefined, paragraph: undefined, headings: [] }
  for (let start = from; start < text.length; ) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    const line = text.slice(start, Math.min(end, start + 10_000))
    scanLine(scan, line.endsWith('\r') ? line.slice(0, -1) : line, start)
    start = end + 1
  }
  return scan.headings
}

/**
 * Markdown: the stored text is the source, which reads well, and into which every span points exactly; its headings are
 * found by their marks. The title is the front matter's, else the first heading of level 1.
 */
export function parseMarkdown(text: string): ParsedDocument {
  const front = readFrontMatter(text)
  const headings = findMarkdownHeadings(text, front.end)
  const title = front.title ?? headings.find((heading) => heading.level === 1)?.title
  return {
    mediaType: 'text/markdown',
    ...(title === undefined ? {} : { title }),
    text,
    pages: [],
    headings,
  }
}
