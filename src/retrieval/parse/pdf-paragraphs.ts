import type { PageLines } from './pdf-furniture.js'
import type { Line } from './pdf-layout.js'
import { joinsWithoutSpace } from './pdf-segments.js'

/** Lines that belong together, and where they stand in the text. */
export interface Paragraph {
  readonly start: number
  readonly end: number
  readonly page: number
  readonly lines: readonly Line[]
}

export interface JoinedText {
  readonly text: string
  readonly paragraphs: readonly Paragraph[]
  /** Where each page's first line begins, by page in order. */
  readonly pageStarts: readonly { readonly page: number; readonly start: number }[]
}

type Separator = 'none' | 'space' | 'dehyphenate' | 'line' | 'paragraph'

/** What is usual in a region: its edges, and the distance between its lines. */
interface RegionShape {
  readonly left: number
  readonly right: number
  readonly pitch: number
}

const BULLET = /^[\u2022\u25e6\u25aa\u25ab\u25cf\u25cb\u25a0\u25a1\u2023\u2043]\s*/
const DASH_BULLET = /^[-\u2013\u2014*]\s+(?=\S)/
const NUMBERED = /^(?:\(?(?:\d{1,3}|[a-z]|[ivx]{1,5})[.)]|\[\d{1,3}\]|\.\d{1,2})\s+\S/i
/** An entry of a table of contents: dots lead to a page. */
const DOT_LEADER = /(?:\. ?){4,}\s*[\divxlc]{1,5}$/
const ENDS_SENTENCE = /[.!?:;。！？：；…][)\]"'”’»）」』]*$/
const STARTS_NEW = /^[\p{Lu}\p{Lo}\p{N}"'“‘«([•\-–]/u

/** The end of a line: patterns that look for an end are slow on a line without one. */
const endingOf = (line: Line): string => line.text.slice(-120)

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

function shapeOf(lines: readonly Line[]): RegionShape {
  const ascending = (numbers: number[]): number[] => numbers.sort((a, b) => a - b)
  const gaps: number[] = []
  for (let index = 1; index < lines.length; index++) {
    const gap = (lines[index]?.y ?? 0) - (lines[index - 1]?.y ?? 0)
    if (gap > 1 && gap < (lines[index]?.size ?? 0) * 2.6) gaps.push(gap)
  }
  return {
    left: percentile(ascending(lines.map((line) => line.x0)), 0.1),
    right: percentile(ascending(lines.map((line) => line.x1)), 0.95),
    pitch: percentile(ascending(gaps), 0.4),
  }
}

const isListStart = (text: string): boolean => BULLET.test(text) || DASH_BULLET.test(text) || NUMBERED.test(text)

/** Whether the next line's first word would have had room on this one, so that the break was meant. */
function endsEarly(line: Line, next: Line, shape: RegionShape): boolean {
  if (/\p{L}[-\u2010\u00ad]$/u.test(line.text) && /^\p{Ll}/u.test(next.text)) return false
  const character = (next.x1 - next.x0) / Math.max(1, next.text.length)
  const word = /^\S+/.exec(next.text)?.[0].length ?? 0
  return line.x1 + (Math.min(word, 30) + 1) * character + line.size * 0.5 < shape.right
}

/** The open paragraph, and the list that it is in. */
interface OpenParagraph {
  readonly lines: Line[]
  readonly isItem: boolean
}

function separatorInRegion(open: OpenParagraph, line: Line, after: Line | undefined, shape: RegionShape): Separator {
  const previous = open.lines.at(-1) as Line
  const first = open.lines[0] as Line
  if (DOT_LEADER.test(endingOf(previous))) return 'line'
  const em = Math.max(line.size, previous.size)
  const gap = line.y - previous.y
  if (gap < 0 || gap > Math.max(shape.pitch * 1.3, shape.pitch + em * 0.3, em * 1.25)) {
    return open.isItem && isListStart(line.text) && gap > 0 && gap < shape.pitch * 2.2 ? 'line' : 'paragraph'
  }
  const early = endsEarly(previous, line, shape)
  const isDone = early || ENDS_SENTENCE.test(endingOf(previous))
  if (isListStart(line.text) && (isDone || open.isItem || BULLET.test(line.text)))
    return open.isItem ? 'line' : 'paragraph'
  if (previous.font !== line.font && early) return 'paragraph'
  const indented = line.x0 > previous.x0 + em * 0.8
  if (indented && !open.isItem && isDone && (!after || after.region !== line.region || after.x0 < line.x0 - em * 0.5)) {
    return 'paragraph'
  }
  const hanging = previous.x0 > first.x0 + em * 0.8 && Math.abs(line.x0 - first.x0) < em * 0.5
  if (hanging && isDone)
    return open.isItem && !isListStart(line.text) ? 'paragraph' : open.isItem ? 'line' : 'paragraph'
  if (early) return ENDS_SENTENCE.test(endingOf(previous)) && STARTS_NEW.test(line.text) ? 'paragraph' : 'line'
  return 'space'
}

/** Whether a paragraph goes on in the next column or on the next page. */
function continuesElsewhere(previous: Line, line: Line, shape: RegionShape): boolean {
  if (isListStart(line.text) || ENDS_SENTENCE.test(endingOf(previous))) return false
  if (previous.x1 < shape.right - (shape.right - shape.left) * 0.2) return false
  return (
    /^\p{Ll}/u.test(line.text) ||
    /[\p{L}][-\u2010\u00ad]$|,$/u.test(previous.text) ||
    joinsWithoutSpace(previous.text, line.text)
  )
}

/** How a line is joined to the one before, which ends in the middle of a sentence or word. */
function joinWithin(previous: string, next: string, words: ReadonlySet<string>): Separator {
  if (/\u00ad$/.test(previous)) return 'dehyphenate'
  const before = /(\p{L}[\p{L}\p{M}'’]*)[-\u2010]$/u.exec(previous.slice(-100))?.[1]?.toLowerCase()
  if (before !== undefined) {
    const after = /^\p{L}[\p{L}\p{M}]*/u.exec(next)?.[0]
    return after !== undefined && isBrokenWord(before, after, words) ? 'dehyphenate' : 'none'
  }
  return joinsWithoutSpace(previous, next) ? 'none' : 'space'
}

/** Whether two halves are one word that the line's end broke, by the other words of the document. */
function isBrokenWord(before: string, after: string, words: ReadonlySet<string>): boolean {
  const second = after.toLowerCase()
  if (words.has(`${before}${second}`)) return true
  if (words.has(`${before}-${second}`) || after !== second) return false
  return !(before.length > 2 && words.has(before) && words.has(second))
}

/** All words of the document, with their inner hyphens; halves at a line's end are none. */
function findWords(pages: readonly PageLines[]): ReadonlySet<string> {
  const words = new Set<string>()
  for (const { lines } of pages) {
    for (const line of lines) {
      const isBroken = /[-\u2010\u00ad]$/.test(endingOf(line))
      const whole = isBroken ? line.text.slice(0, line.text.lastIndexOf(' ') + 1) : line.text
      for (const [word] of whole.matchAll(/\p{L}[\p{L}\p{M}]*(?:-\p{L}[\p{L}\p{M}]*)*/gu)) words.add(word.toLowerCase())
    }
  }
  return words
}

function chooseSeparator(
  open: OpenParagraph,
  line: Line,
  after: Line | undefined,
  shape: RegionShape,
  words: ReadonlySet<string>,
): Separator {
  const previous = open.lines.at(-1) as Line
  const sameRegion = previous.region === line.region
  if (previous.isRow || line.isRow) return sameRegion && previous.isRow && line.isRow ? 'line' : 'paragraph'
  if (Math.abs(previous.size - line.size) > Math.max(previous.size, line.size) * 0.08) return 'paragraph'
  if (!sameRegion) {
    return continuesElsewhere(previous, line, shape) ? joinWithin(previous.text, line.text, words) : 'paragraph'
  }
  const separator = separatorInRegion(open, line, after, shape)
  return separator === 'space' ? joinWithin(previous.text, line.text, words) : separator
}

const SEPARATORS: Readonly<Record<Separator, string>> = {
  none: '',
  space: ' ',
  dehyphenate: '',
  line: '\n',
  paragraph: '\n\n',
}

/** Shapes of all regions, from their lines. */
function findShapes(pages: readonly PageLines[]): Map<number, RegionShape> {
  const regions = new Map<number, Line[]>()
  for (const { lines } of pages) {
    for (const line of lines) {
      const region = regions.get(line.region) ?? []
      regions.set(line.region, region)
      region.push(line)
    }
  }
  return new Map([...regions].map(([region, lines]) => [region, shapeOf(lines)]))
}

/** Joins the lines of all pages to paragraphs, list items and rows of tables. */
export function joinLines(pages: readonly PageLines[]): JoinedText {
  const words = findWords(pages)
  const shapes = findShapes(pages)
  const pieces: string[] = []
  const paragraphs: Paragraph[] = []
  const pageStarts: { page: number; start: number }[] = []
  let length = 0
  let open: OpenParagraph | undefined
  let start = 0
  let startPage = 1
  const close = (): void => {
    if (open) paragraphs.push({ start, end: length, page: startPage, lines: open.lines })
  }
  for (const { page, lines } of pages) {
    for (const [index, line] of lines.entries()) {
      const previous = open?.lines.at(-1)
      const shape = previous && shapes.get(previous.region)
      const separator = open && shape ? chooseSeparator(open, line, lines[index + 1], shape, words) : 'paragraph'
      if (separator === 'dehyphenate') {
        const last = pieces.at(-1) ?? ''
        pieces[pieces.length - 1] = last.slice(0, -1)
        length--
      }
      const space = length === 0 ? '' : SEPARATORS[separator]
      const beginsBlock = !open || separator === 'paragraph' || separator === 'line'
      if (beginsBlock) close()
      const isItem = beginsBlock ? isListStart(line.text) : (open?.isItem ?? false)
      const text = isItem && beginsBlock ? line.text.replace(BULLET, '- ').replace(DASH_BULLET, '- ') : line.text
      pieces.push(space, text)
      length += space.length
      if (index === 0) pageStarts.push({ page, start: length })
      if (beginsBlock) {
        open = { lines: [line], isItem }
        start = length
        startPage = page
      } else open?.lines.push(line)
      length += text.length
    }
    if (lines.length === 0) pageStarts.push({ page, start: length })
  }
  close()
  return { text: pieces.join(''), paragraphs, pageStarts }
}
