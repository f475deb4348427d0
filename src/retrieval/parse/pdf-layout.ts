import { isRightToLeft, joinsWithoutSpace, type Segment } from './pdf-segments.js'
import { isTableGutter, joinSpanningCells, joinWrappedCells } from './pdf-tables.js'
import { joinCells } from './text-builder.js'

/** A line of text in reading order. */
export interface Line extends Segment {
  /** Lines of one region follow each other in one column. */
  readonly region: number
  /** Whether it is a row of cells, already joined. */
  readonly isRow: boolean
}

/** Length of a text with East Asian characters counted twice: as wide as they are. */
const weightOf = (segment: Segment): number => {
  let weight = segment.text.length
  if (!/[\u2e80-\uffef]/.test(segment.text)) return weight
  for (const character of segment.text) if (character >= '\u2e80' && character <= '\uffef') weight++
  return weight
}

/** Fewest lines, and least weight of a line, of what counts as a column of text rather than of a table's cells. */
const COLUMN_LINES = 4
const COLUMN_WEIGHT = 18

/** Whether a segment is as long as a line of text; a cell of a table seldom is. */
const isLong = (segment: Segment): boolean => weightOf(segment) >= COLUMN_WEIGHT

interface Gutter {
  readonly x: number
  readonly score: number
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

/** Places where several segments begin or end, one column's edge: a gutter can only be beside those. */
function gutterCandidates(segments: readonly Segment[], em: number): number[] {
  const edges = new Map<number, number>()
  const count = (x: number): void => {
    edges.set(Math.round(x / 2), (edges.get(Math.round(x / 2)) ?? 0) + 1)
  }
  for (const segment of segments) {
    count(segment.x0 - em * 0.3)
    count(segment.x1 + em * 0.3)
  }
  const around = (key: number): number => (edges.get(key - 1) ?? 0) + (edges.get(key) ?? 0) + (edges.get(key + 1) ?? 0)
  return [...edges.keys()]
    .filter((key) => around(key) >= COLUMN_LINES)
    .sort((a, b) => around(b) - around(a))
    .slice(0, 60)
    .map((key) => key * 2)
}

const crosses = (segment: Segment, x: number): boolean => segment.x0 < x - 1 && segment.x1 > x + 1

/** How good a gutter a place is: the weight of text on its poorer side, or undefined for none. */
function scoreGutter(segments: readonly Segment[], x: number): number | undefined {
  const crossing = segments.filter((segment) => crosses(segment, x))
  const left = segments.filter((segment) => segment.x1 <= x + 1)
  const right = segments.filter((segment) => segment.x0 >= x - 1 && segment.x1 > x + 1)
  if (left.length < COLUMN_LINES || right.length < COLUMN_LINES) return undefined
  const top = Math.max(Math.min(...left.map((s) => s.y)), Math.min(...right.map((s) => s.y)))
  const bottom = Math.min(Math.max(...left.map((s) => s.y)), Math.max(...right.map((s) => s.y)))
  const within = (side: readonly Segment[]): Segment[] =>
    side.filter((segment) => segment.y >= top - segment.size && segment.y <= bottom + segment.size)
  const [leftWeight, rightWeight] = [columnWeight(within(left)), columnWeight(within(right))]
  if (leftWeight === undefined || rightWeight === undefined) return undefined
  if (isTableGutter(within(left), within(right), isLong)) return undefined
  const crossingWeight = sum(within(crossing).map(weightOf))
  return crossingWeight > (leftWeight + rightWeight) * 0.6
    ? undefined
    : Math.min(leftWeight, rightWeight) - crossingWeight
}

/** Weight of the segments that are lines of text; undefined where they are no column: too few, or most are cells. */
function columnWeight(segments: readonly Segment[]): number | undefined {
  const weights = segments.map(weightOf)
  const lines = weights.filter((weight) => weight >= COLUMN_WEIGHT)
  return lines.length < COLUMN_LINES || sum(lines) < sum(weights) * 0.6 ? undefined : sum(lines)
}

function findGutter(segments: readonly Segment[], em: number): number | undefined {
  let best: Gutter | undefined
  for (const x of gutterCandidates(segments, em)) {
    const score = scoreGutter(segments, x)
    if (score !== undefined && score > 0 && (!best || score > best.score)) best = { x, score }
  }
  return best?.x
}

/** Fewest rows below each other that make a table over both sides of a gutter. */
const TABLE_ROWS = 3

/**
 * Whether a row may be one of a table whose columns stand on both sides of a gutter: it has at least two cells on each, or three in all, and
 * few that are as long as a line of text. In a table within one column each row has such a line of the other column beside it.
 */
function isTabularRow(row: readonly Segment[], x: number): boolean {
  const left = row.filter(({ x1 }) => x1 <= x + 1).length
  const right = row.filter(({ x0 }) => x0 >= x - 1).length
  const long = row.filter(isLong).length
  return left > 0 && right > 0 && (left > 1 && right > 1 ? long * 2 < row.length : row.length >= 3 && long === 0)
}

/** Whether each row belongs to a table over both sides of a gutter: to several such rows below each other. */
function tableRowsOver(rows: readonly (readonly Segment[])[], x: number): boolean[] {
  const isTabular = rows.map((row) => isTabularRow(row, x))
  return isTabular.map((tabular, index) => {
    if (!tabular) return false
    const above = isTabular.slice(0, index).lastIndexOf(false)
    const below = isTabular.indexOf(false, index)
    return (below < 0 ? rows.length : below) - above - 1 >= TABLE_ROWS
  })
}

/** Rows of a page, each with whether it reaches across the gutter: by text that crosses it, or as a row of a table on both sides. */
function rowsWithCrossing(segments: readonly Segment[], x: number): { row: Segment[]; isAcross: boolean }[] {
  const grouped = groupRows(segments)
  const isOfTable = tableRowsOver(grouped, x)
  const rows = grouped.map((row, index) => ({
    row,
    isAcross: isOfTable[index] === true || row.some((segment) => crosses(segment, x)),
  }))
  const em = median(segments.map(({ size }) => size))
  // One or two lines between such rows are of the same wide block: a listing, a table. So is its title.
  return rows.map(({ row, isAcross }, index) => {
    const isTitle = row.length === 1 && (row[0]?.size ?? 0) > em * 1.1 && (rows[index + 1]?.isAcross ?? false)
    const above = rows[index - 1]?.isAcross ?? false
    const below = (rows[index + 1]?.isAcross ?? false) || (rows[index + 2]?.isAcross ?? false)
    const aboveNext = above || (rows[index - 2]?.isAcross ?? false)
    const between = (above && below) || (aboveNext && (rows[index + 1]?.isAcross ?? false))
    return { row, isAcross: isAcross || isTitle || (between && row.length > 1) }
  })
}

/**
 * Splits a page into regions in reading order. A gutter with columns of text on both sides parts them; text that runs
 * across it (a title, a wide figure's caption) ends the columns above it and begins new ones below.
 */
function orderRegions(segments: readonly Segment[], em: number, rightFirst: boolean, depth = 0): Segment[][] {
  const x = depth < 5 && segments.length >= COLUMN_LINES * 2 ? findGutter(segments, em) : undefined
  if (x === undefined) return segments.length > 0 ? [[...segments]] : []
  const regions: Segment[][] = []
  let across: Segment[] = []
  let columns: { left: Segment[]; right: Segment[] } = { left: [], right: [] }
  const flushColumns = (): void => {
    const parts = rightFirst ? [columns.right, columns.left] : [columns.left, columns.right]
    for (const part of parts) regions.push(...orderRegions(part, em, rightFirst, depth + 1))
    columns = { left: [], right: [] }
  }
  for (const { row, isAcross } of rowsWithCrossing(segments, x)) {
    if (isAcross) {
      flushColumns()
      across.push(...row)
      continue
    }
    if (across.length > 0) regions.push(across)
    across = []
    for (const segment of row) (segment.x1 <= x + 1 ? columns.left : columns.right).push(segment)
  }
  flushColumns()
  if (across.length > 0) regions.push(across)
  return regions
}

/** Segments of a region that stand on one line, from left to right. */
function groupRows(segments: readonly Segment[]): Segment[][] {
  const sorted = [...segments].sort((a, b) => a.y - b.y)
  const rows: Segment[][] = []
  let baseline = Number.NEGATIVE_INFINITY
  for (const segment of sorted) {
    const row = rows.at(-1)
    const size = row ? Math.min(segment.size, row[0]?.size ?? segment.size) : segment.size
    if (row && segment.y - baseline <= size * 0.4) row.push(segment)
    else {
      rows.push([segment])
      baseline = segment.y
    }
  }
  return rows.map((row) => row.sort((a, b) => a.x0 - b.x0))
}

/** Bullets, and numbers of items, notes and sections. */
const MARKER =
  /^(?:[\u2022\u25e6\u25aa\u25ab\u25cf\u25cb\u25a0\u25a1\u2023\u2043\u2013\u2014*-]|\[?\d{1,3}[\].)]?|\(?[a-z\divx]{1,4}[.)]|\d*(?:\.\d+)+\.?)$/i

/** A row with its marker in front joined to the text behind it: the gap between them parts no cells. */
function joinMarker(row: Segment[]): Segment[] {
  const [first, second, ...rest] = row
  if (!first || !second || rest.length > 0 || !MARKER.test(first.text) || /^[\d.,%-]+$/.test(second.text)) return row
  return [{ ...second, text: `${first.text} ${second.text}`, x0: first.x0 }]
}

/** Whether a row has a cell that stands under or over a cell of another row. */
function alignsWith(row: readonly Segment[], other: readonly Segment[] | undefined, em: number): boolean {
  if (!other || other.length < 2) return false
  const near = (a: number, b: number): boolean => Math.abs(a - b) < em * 0.6
  return row.slice(1).some((cell) => other.slice(1).some((o) => near(cell.x0, o.x0) || near(cell.x1, o.x1)))
}

function joinRow(row: readonly Segment[], asCells: boolean, region: number): Line {
  const rightToLeft = isRightToLeft(row.map((segment) => segment.text).join(' '))
  const ordered = rightToLeft ? [...row].reverse() : row
  const main = [...row].sort((a, b) => weightOf(b) - weightOf(a))[0] as Segment
  let text = ordered[0]?.text ?? ''
  if (asCells) text = joinCells(ordered.map((segment) => segment.text))
  else {
    for (const segment of ordered.slice(1))
      text += joinsWithoutSpace(text, segment.text) ? segment.text : ` ${segment.text}`
  }
  return {
    text,
    x0: Math.min(...row.map((segment) => segment.x0)),
    x1: Math.max(...row.map((segment) => segment.x1)),
    y: main.y,
    size: main.size,
    font: main.font,
    region,
    isRow: asCells,
  }
}

/** Widest gap of a line of text that is no row of cells, in font sizes. */
const CELL_GAP = 2

function regionLines(segments: readonly Segment[], em: number, region: number): Line[] {
  const rows = joinWrappedCells(joinSpanningCells(groupRows(segments).map(joinMarker), em), em)
  return rows.map((row, index) => {
    if (row.length === 1) return joinRow(row, false, region)
    const wide = row.some((segment, at) => at > 0 && segment.x0 - (row[at - 1]?.x1 ?? 0) > CELL_GAP * em)
    const aligned = alignsWith(row, rows[index - 1], em) || alignsWith(row, rows[index + 1], em)
    return joinRow(row, wide || aligned, region)
  })
}

/** Lines of a page in reading order. `firstRegion` numbers its regions on from the pages before. */
export function orderLines(segments: readonly Segment[], firstRegion: number): Line[] {
  if (segments.length === 0) return []
  const em = median(
    segments.flatMap((segment) => Array.from({ length: Math.ceil(segment.text.length / 20) }, () => segment.size)),
  )
  const rightFirst = isRightToLeft(segments.map((segment) => segment.text).join(' '))
  return orderRegions(segments, em, rightFirst).flatMap((region, index) => regionLines(region, em, firstRegion + index))
}
