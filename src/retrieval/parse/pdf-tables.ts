import { joinsWithoutSpace, type Segment } from './pdf-segments.js'

/** Widest distance of lines of one paragraph, from baseline to baseline, in font sizes. */
const LEADING = 1.55
/** Least distance of lines that are rows of a table rather than lines of a text. */
const ROW_DISTANCE = 1.7

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

const sizeOf = (segments: readonly Segment[]): number => median(segments.map(({ size }) => size)) || 1

/** Baselines of a column from its top down, each once. */
function baselines(segments: readonly Segment[]): number[] {
  const tolerance = sizeOf(segments) * 0.4
  const lines: number[] = []
  for (const y of segments.map((segment) => segment.y).sort((a, b) => a - b)) {
    if (y - (lines.at(-1) ?? Number.NEGATIVE_INFINITY) > tolerance) lines.push(y)
  }
  return lines
}

const distances = (lines: readonly number[]): number[] => lines.slice(1).map((y, index) => y - (lines[index] ?? y))

/** Share of texts that begin as a cell does and a line in the middle of a sentence seldom: not with a small letter. */
function beginShare(segments: readonly Segment[]): number {
  return segments.filter(({ text }) => !/^\p{Ll}/u.test(text)).length / Math.max(1, segments.length)
}

/**
 * Whether text on both sides of a gutter is one table and not two columns: the lines of one side stand apart as rows do,
 * begin as cells do, and nearly each has a line of the other side beside it. How they begin is asked of the long ones alone: the cells
 * of a table above or below two columns say nothing of these.
 */
export function isTableGutter(
  left: readonly Segment[],
  right: readonly Segment[],
  isLong: (segment: Segment) => boolean,
): boolean {
  const sides = [left, right].map((segments) => ({ segments, lines: baselines(segments), size: sizeOf(segments) }))
  return sides.some(({ segments, lines, size }, index) => {
    const other = sides[1 - index]
    if (!other || lines.length < 3 || median(distances(lines)) < ROW_DISTANCE * size) return false
    const aligned = lines.filter((y) => other.lines.some((line) => Math.abs(line - y) < size * 0.3)).length
    return aligned >= lines.length * 0.8 && beginShare(segments.filter(isLong)) >= 0.6
  })
}

const near = (a: number, b: number, em: number): boolean => Math.abs(a - b) < em * 0.6

/** The cell of a row that each segment goes on, when all of them go on cells behind the first one; else undefined. */
function continuedCells(head: readonly Segment[], row: readonly Segment[], em: number): number[] | undefined {
  // A number is not broken over lines.
  if (row.some(({ text }) => /^[\d.,%+\-\u2013\u2212\p{Sc}\s]+$/u.test(text))) return undefined
  const cells = row.map((segment) => head.findIndex((cell) => near(cell.x0, segment.x0, em)))
  return cells.every((cell) => cell > 0) ? cells : undefined
}

const yOf = (row: readonly Segment[] | undefined): number => Math.max(...(row ?? []).map(({ y }) => y))

interface OpenRow {
  readonly cells: Segment[]
  /** Baseline of its last line, and of its first. */
  bottom: number
  readonly top: number
}

/** Whether lines of so small a distance are of one row: those of the rows around are farther apart. */
function isWithinRow(gap: number, before: number | undefined, after: number | undefined): boolean {
  return (before === undefined || gap < before * 0.87) && (after === undefined || gap * 1.15 <= after)
}

/** Whether no segment of one row stands above or below one of the other. */
function isBeside(row: readonly Segment[], other: readonly Segment[]): boolean {
  return row.every((a) => other.every((b) => a.x1 <= b.x0 + 1 || b.x1 <= a.x0 + 1))
}

/** Rows with cells that span two of them, which stand between the two, put before the cells of the upper one. */
export function joinSpanningCells(rows: readonly (readonly Segment[])[], em: number): Segment[][] {
  const joined: Segment[][] = []
  for (const [index, row] of rows.entries()) {
    const above = joined.at(-1)
    const below = rows[index + 1]
    const isSpanning =
      above !== undefined &&
      below !== undefined &&
      above.length > 1 &&
      below.length > 1 &&
      yOf(below) - yOf(rows[index - 1]) <= LEADING * em &&
      isBeside(row, above) &&
      isBeside(row, below)
    if (isSpanning) above.push(...row)
    else joined.push([...row])
  }
  return joined.map((row) => row.sort((a, b) => a.x0 - b.x0))
}

/** Rows of a table with the wrapped lines of their cells joined to them; all other rows stay as they are. */
export function joinWrappedCells(rows: readonly (readonly Segment[])[], em: number): Segment[][] {
  const joined: OpenRow[] = []
  for (const [index, row] of rows.entries()) {
    const head = joined.at(-1)
    const cells = head && head.cells.length > 1 ? continuedCells(head.cells, row, em) : undefined
    if (head && cells) {
      const gap = yOf(row) - head.bottom
      const previous = joined.at(-2)
      const before = previous && previous.cells.length > 1 ? head.top - previous.bottom : undefined
      if (gap <= LEADING * em && isWithinRow(gap, before, gapAfter(rows, index, head.cells, em))) {
        for (const [at, cell] of cells.entries()) extendCell(head.cells, cell, row[at])
        head.bottom = yOf(row)
        continue
      }
    }
    joined.push({ cells: [...row], top: yOf(row), bottom: yOf(row) })
  }
  return joined.map(({ cells }) => cells)
}

/** Distance from the last line that may go on a row to the one after it; undefined at the end. */
function gapAfter(
  rows: readonly (readonly Segment[])[],
  index: number,
  head: readonly Segment[],
  em: number,
): number | undefined {
  let last = index
  while (last + 1 < rows.length && yOf(rows[last + 1]) - yOf(rows[last]) <= LEADING * em) {
    if (!continuedCells(head, rows[last + 1] ?? [], em)) break
    last++
  }
  return last + 1 < rows.length ? yOf(rows[last + 1]) - yOf(rows[last]) : undefined
}

function extendCell(cells: Segment[], index: number, next: Segment | undefined): void {
  const cell = cells[index]
  if (!cell || !next) return
  const separator = joinsWithoutSpace(cell.text, next.text) ? '' : ' '
  cells[index] = { ...cell, text: `${cell.text}${separator}${next.text}`, x1: Math.max(cell.x1, next.x1) }
}
