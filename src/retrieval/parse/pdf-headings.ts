import type { Heading } from './document.js'
import type { JoinedText, Paragraph } from './pdf-paragraphs.js'

/** An entry of a PDF's outline. */
export interface OutlineEntry {
  readonly title: string
  /** From 1. */
  readonly level: number
  /** Where it leads, from 1; undefined where that is not known. */
  readonly page: number | undefined
}

const LONGEST_HEADING = 200

/** Letters and digits only: outline and page often differ in spaces, dashes and case. */
const bare = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '')

/** Headings of the outline, each at the paragraph of its page that says the same, in the order of the text. */
export function headingsFromOutline(outline: readonly OutlineEntry[], joined: JoinedText): Heading[] {
  const byPage = new Map<number, { bare: string; paragraph: Paragraph }[]>()
  for (const paragraph of joined.paragraphs) {
    const list = byPage.get(paragraph.page) ?? []
    byPage.set(paragraph.page, list)
    list.push({
      bare: bare(joined.text.slice(paragraph.start, Math.min(paragraph.end, paragraph.start + 400))),
      paragraph,
    })
  }
  const used = new Set<Paragraph>()
  const headings: Heading[] = []
  for (const { title, level, page } of outline) {
    if (page === undefined) continue
    const wanted = bare(title)
    const candidates = [page, page + 1].flatMap((number) => byPage.get(number) ?? [])
    const free = candidates.filter(({ paragraph }) => !used.has(paragraph))
    // A number of the section may stand before the title on the page, or in the outline only.
    const found =
      free.find((candidate) => candidate.bare === wanted) ??
      free.find((candidate) => wanted !== '' && candidate.bare.startsWith(wanted)) ??
      free.find((candidate) => wanted.length > 3 && candidate.bare.slice(0, wanted.length + 6).endsWith(wanted)) ??
      free.find((candidate) => candidate.bare.length > 3 && wanted.endsWith(candidate.bare))
    const start = found?.paragraph.start ?? joined.pageStarts.find((entry) => entry.page === page)?.start
    if (start === undefined) continue
    if (found) used.add(found.paragraph)
    headings.push({ level, title, start })
  }
  return headings.sort((a, b) => a.start - b.start)
}

/** The font and size of most of the text. */
function bodyStyle(paragraphs: readonly Paragraph[]): { size: number; font: string } {
  const sizes = new Map<number, number>()
  const fonts = new Map<string, number>()
  for (const { lines } of paragraphs) {
    for (const line of lines) {
      const size = Math.round(line.size * 2) / 2
      sizes.set(size, (sizes.get(size) ?? 0) + line.text.length)
      fonts.set(line.font, (fonts.get(line.font) ?? 0) + line.text.length)
    }
  }
  const most = <Key>(map: Map<Key, number>): Key | undefined => [...map].sort((a, b) => b[1] - a[1])[0]?.[0]
  return { size: most(sizes) ?? 0, font: most(fonts) ?? '' }
}

const NUMBER =
  /^(?:\d+(?:\.\d+)*\.?|[A-Z](?:\.\d+)+\.?|[IVX]+\.|(?:Chapter|Section|Part|Appendix|Kapitel|Chapitre|第)\s*\S+)\s+[\p{Lu}\p{Lo}]/u

/** Whether a paragraph of the body's size is a heading by its own font: numbered, or in capitals, and no sentence. */
function looksLikeRunningHeading(text: string, paragraph: Paragraph, bodyFont: string): boolean {
  if (paragraph.lines.length > 2 || text.length > 100 || /[.,;:]$/.test(text)) return false
  if (paragraph.lines.some((line) => line.font === bodyFont || line.isRow)) return false
  return NUMBER.test(text) || (/\p{Lu}{3}/u.test(text) && text === text.toUpperCase() && !/\d{3}/.test(text))
}

/** Headings told by their type: larger than the body's text, or numbered lines in a font of their own. */
export function headingsFromType(joined: JoinedText): Heading[] {
  const { paragraphs, text } = joined
  const body = bodyStyle(paragraphs)
  const candidates: { size: number; title: string; start: number }[] = []
  for (const paragraph of paragraphs) {
    const title = text.slice(paragraph.start, paragraph.end).replace(/\s+/g, ' ').trim()
    const [line] = paragraph.lines
    if (!line || line.isRow || title.length > LONGEST_HEADING || paragraph.lines.length > 4) continue
    if (!/\p{L}.*\p{L}/u.test(title)) continue
    const size = Math.round(line.size * 2) / 2
    if (size >= body.size * 1.12 && size >= body.size + 1) candidates.push({ size, title, start: paragraph.start })
    else if (size >= body.size * 0.95 && looksLikeRunningHeading(title, paragraph, body.font)) {
      candidates.push({ size: body.size, title, start: paragraph.start })
    }
  }
  // A page of large type has no headings: more than a fifth of the text in them means that the measure does not fit.
  const share = candidates.reduce((total, { title }) => total + title.length, 0) / Math.max(1, text.length)
  if (share > 0.35) return []
  const levels = levelsOfSizes(candidates.map((candidate) => candidate.size))
  return candidates.map(({ size, title, start }) => ({ level: levels.get(size) ?? 1, title, start }))
}

/** Levels by size, the largest first; sizes that differ by little are one level. */
function levelsOfSizes(sizes: readonly number[]): Map<number, number> {
  const levels = new Map<number, number>()
  let level = 0
  let largest = Number.POSITIVE_INFINITY
  for (const size of [...new Set(sizes)].sort((a, b) => b - a)) {
    if (size < largest * 0.93) {
      level = Math.min(6, level + 1)
      largest = size
    }
    levels.set(size, level)
  }
  return levels
}
