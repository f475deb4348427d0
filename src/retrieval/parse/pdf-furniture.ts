import type { Line } from './pdf-layout.js'

/** A page's lines in reading order. */
export interface PageLines {
  readonly page: number
  readonly height: number
  readonly lines: readonly Line[]
}

/** Most lines at the top or bottom of a page that can be running heads or feet. */
const OUTER_LINES = 4
/** How far a repeated line may be from its place on other pages, in points. */
const TOLERANCE = 4
/** Least distance of a running head from the text, in font sizes: lines of a text stand closer. */
const LEAST_GAP = 1.5

/** What stays the same in a running head from page to page: its words, but not its numbers. */
function patternOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/\b[ivxlc]{1,7}\b(?=\s*$)|^\s*\b[ivxlc]{1,7}\b|\d+/g, '#')
    .replace(/\s+/g, ' ')
    .trim()
}

type Edge = 'top' | 'bottom'

/** Lines of a page from its edge inward. */
function fromEdge(page: PageLines, edge: Edge): Line[] {
  return [...page.lines].sort((a, b) => (edge === 'top' ? a.y - b.y : b.y - a.y))
}

/** Counts on how many pages a line of a pattern stands at a place: its distance from the edge. */
function createPlaces(): {
  note(pattern: string, distance: number, page: number): void
  count(pattern: string, distance: number): number
} {
  const places = new Map<string, { distance: number; pages: Set<number> }[]>()
  const find = (pattern: string, distance: number) =>
    places.get(pattern)?.find((place) => Math.abs(place.distance - distance) <= TOLERANCE)
  return {
    note(pattern, distance, page) {
      const place = find(pattern, distance) ?? { distance, pages: new Set<number>() }
      place.pages.add(page)
      const all = places.get(pattern) ?? []
      if (!all.includes(place)) places.set(pattern, [...all, place])
    },
    count: (pattern, distance) => find(pattern, distance)?.pages.size ?? 0,
  }
}

/** How many lines from the edge are running heads or feet: repeated ones, up to a gap to the text. */
function countFurniture(lines: readonly Line[], isRepeated: (line: Line) => boolean): number {
  let count = 0
  while (count < Math.min(OUTER_LINES, lines.length) && isRepeated(lines[count] as Line)) count++
  while (count > 0) {
    const [last, next] = [lines[count - 1], lines[count]]
    if (!last || !next || Math.abs(next.y - last.y) >= LEAST_GAP * Math.max(last.size, next.size)) return count
    count--
  }
  return count
}

/**
 * Takes out running heads and feet and page numbers: lines at the edge of a page, apart from the text, that come again
 * but for their numbers at the same place on at least three pages (on both, when there are two). The head of a long
 * table stays on its first page.
 */
export function dropFurniture(pages: readonly PageLines[]): PageLines[] {
  const needed = Math.max(2, Math.min(3, pages.filter((page) => page.lines.length > 0).length))
  const dropped = new Set<Line>()
  for (const edge of ['top', 'bottom'] as const) {
    const distance = (line: Line, page: PageLines): number => (edge === 'top' ? line.y : page.height - line.y)
    const places = createPlaces()
    const ordered = pages.map((page) => fromEdge(page, edge))
    for (const [index, page] of pages.entries()) {
      for (const line of (ordered[index] ?? []).slice(0, OUTER_LINES)) {
        places.note(patternOf(line.text), distance(line, page), page.page)
      }
    }
    const tableHeads = new Set<string>()
    for (const [index, page] of pages.entries()) {
      const lines = ordered[index] ?? []
      const isRepeated = (line: Line): boolean => places.count(patternOf(line.text), distance(line, page)) >= needed
      for (const line of lines.slice(0, countFurniture(lines, isRepeated))) {
        const isTableHead = line.text.split(' | ').length > 2 && !tableHeads.has(patternOf(line.text))
        if (isTableHead) tableHeads.add(patternOf(line.text))
        else dropped.add(line)
      }
    }
  }
  const kept = pages.map((page) => ({ ...page, lines: page.lines.filter((line) => !dropped.has(line)) }))
  // Pages that are all alike have no text but what looks like furniture.
  return kept.some(({ lines }) => lines.length > 0) ? kept : [...pages]
}
