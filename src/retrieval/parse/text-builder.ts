import { type Heading, parseLimits, tooLarge } from './document.js'

/** Joins the blocks of a document to readable text, and remembers where its headings stand. */
export interface TextBuilder {
  /** A block of its own, with a blank line before it. White space at its ends is dropped; an empty one is nothing. */
  paragraph(text: string): void
  /** A line of a list or table: a blank line before it only when the block before was another kind or list. */
  line(text: string, group: string): void
  heading(level: number, title: string): void
  /** UTF-16 code units so far. */
  length(): number
  finish(): { text: string; headings: Heading[] }
}

/** The text without blank lines before and white space behind it; its first line keeps its indentation. */
function withoutBlankEnds(text: string): string {
  const end = text.trimEnd()
  const blank = end.length - end.trimStart().length
  return end.slice(end.lastIndexOf('\n', blank - 1) + 1)
}

/** A builder, which throws `too-large` past the limit of a text; `paragraph` is kept as it is inside, so lines of code keep their indentation. */
export function createTextBuilder(): TextBuilder {
  const pieces: string[] = []
  const headings: Heading[] = []
  let length = 0
  let lastGroup: string | undefined

  const append = (text: string, group: string | undefined): void => {
    const separator = length === 0 ? '' : group !== undefined && group === lastGroup ? '\n' : '\n\n'
    pieces.push(separator, text)
    length += separator.length + text.length
    if (length > parseLimits.textCharacters) {
      throw tooLarge('The text of a document', length, parseLimits.textCharacters, 'characters')
    }
    lastGroup = group
  }
  return {
    paragraph(text) {
      const trimmed = withoutBlankEnds(text)
      if (trimmed !== '') append(trimmed, undefined)
    },
    line(text, group) {
      const trimmed = text.trimEnd()
      if (trimmed !== '') append(trimmed, group)
    },
    heading(level, title) {
      const trimmed = title.replace(/\s+/g, ' ').trim()
      if (trimmed === '') return
      append(trimmed, undefined)
      headings.push({ level, title: trimmed, start: length - trimmed.length })
    },
    length: () => length,
    finish: () => ({ text: pieces.join(''), headings }),
  }
}

/** A row of a table as a line: `cell | cell`. Rows without any text are empty. */
export function joinCells(cells: readonly string[]): string {
  const clean = cells.map((cell) => cell.replace(/\s+/g, ' ').trim())
  return clean.some((cell) => cell !== '') ? clean.join(' | ').trim() : ''
}
