import type { Span } from '../../protocol/corpus.js'

const FENCE = /^ {0,3}(`{3,}|~{3,})/
/** Longest line that is looked at: one that is longer is no row that somebody reads. */
const LONGEST_ROW = 4_000

/**
 * Spans of what had better stay whole: fenced code (CommonMark 4.5) and tables of two rows or more. In order, none within another.
 * Linear in the length of the text.
 */
export function findBlocks(text: string): Span[] {
  const blocks: Span[] = []
  let fence: { readonly marker: string; readonly start: number } | undefined
  let table: { start: number; rows: number } | undefined
  const endTable = (end: number): void => {
    if (table !== undefined && table.rows > 1) blocks.push([table.start, end])
    table = undefined
  }
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline + 1
    const line = text.slice(start, Math.min(end, start + LONGEST_ROW)).trimEnd()
    const marker = FENCE.exec(line)?.[1]
    if (fence !== undefined) {
      const isClosed = marker?.startsWith(fence.marker) && line.trim() === marker
      if (isClosed) {
        blocks.push([fence.start, end])
        fence = undefined
      }
    } else if (marker !== undefined) {
      endTable(start)
      fence = { marker, start }
    } else if (end - start <= LONGEST_ROW && isTableRow(line)) {
      table ??= { start, rows: 0 }
      table.rows++
    } else endTable(start)
    start = end
  }
  endTable(text.length)
  return blocks
}

/** A line of cells between bars, or between tabs. */
function isTableRow(line: string): boolean {
  const bar = line.indexOf('|')
  return (bar >= 0 && line.includes('|', bar + 1)) || line.trim().includes('\t')
}
