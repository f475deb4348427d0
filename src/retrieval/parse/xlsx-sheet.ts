import { looksLikeHeader } from './header-row.js'
import { createTableWriter, type TableWriter } from './table-text.js'
import { joinCells, type TextBuilder } from './text-builder.js'

/** Writes the rows of a sheet, of which it may have several tables. */
export interface SheetWriter {
  /** A row: its number from 1, and its cells that are not empty by their column from 0. */
  row(number: number, cells: ReadonlyMap<number, string>): void
  end(): void
}

/** A sheet of a million rows that are empty but for a format has no table in it; wider ones are never written out. */
const WIDEST = 1000

interface OpenTable {
  readonly writer: TableWriter
  readonly first: number
  readonly header: readonly string[] | undefined
  rows: number
}

/**
 * A writer of a sheet: its name is a heading, a blank row ends a table unless the same columns go on, lone cells above a
 * table are its caption, and a first row of words names its columns. Tables side by side are written one after the other. A sheet without a cell writes nothing.
 */
export function createSheetWriter(builder: TextBuilder, name: string): SheetWriter {
  return createPartWriter(builder, name, 0)
}

type Cell = readonly [column: number, text: string]

/** Tables side by side that are told apart; cells of further ones stay in the rows of the last. */
const MOST_BESIDE = 10

const isHeaderRow = (cells: readonly Cell[]): boolean =>
  cells.length > 1 && looksLikeHeader(cells.map(([, text]) => text))

/**
 * The column where a table begins beside another: behind an empty column, with a header of two cells or more. A lone
 * cell out there is a remark on its row. `last` is the last column of the table that is open.
 */
function findBeside(cells: readonly Cell[], last: number | undefined): number | undefined {
  if (last !== undefined) {
    const beyond = cells.filter(([column]) => column > last + 1)
    return isHeaderRow(beyond) ? beyond[0]?.[0] : undefined
  }
  const gap = cells.findIndex(([column], index) => index > 0 && column > (cells[index - 1]?.[0] ?? 0) + 1)
  return gap > 0 && isHeaderRow(cells.slice(0, gap)) && isHeaderRow(cells.slice(gap)) ? cells[gap]?.[0] : undefined
}

function createPartWriter(builder: TextBuilder, name: string, depth: number): SheetWriter {
  /** Rows of what stands beside the tables: written when these are. */
  const aside: { readonly number: number; readonly cells: ReadonlyMap<number, string> }[] = []
  let besideFrom: number | undefined
  let table: OpenTable | undefined
  /** What a blank row ended: rows of the same columns after it go on with it. */
  let previous: OpenTable | undefined
  let lastNumber = 0
  let isTitled = false

  const close = (): void => {
    if (table?.header && table.rows === 0) builder.paragraph(joinCells(table.header))
    previous = table ?? previous
    table = undefined
  }
  const open = (cells: ReadonlyMap<number, string>, first: number): void => {
    const row = spread(cells, first)
    const columns = previous?.header?.length ?? 0
    const isHeader = looksLikeHeader(row)
    if (previous?.first === first && (row.length === columns || (row.length < columns && !isHeader))) {
      table = previous
      write(table, row)
      return
    }
    const header = isHeader ? row : undefined
    table = { writer: createTableWriter(builder, header), first, header, rows: 0 }
    if (!header) write(table, row)
  }
  const write = (into: OpenTable, row: readonly string[]): void => {
    into.rows++
    into.writer.row(row)
  }
  return {
    row(number, cells) {
      const all = [...cells].filter(([, text]) => text.trim() !== '').sort(([a], [b]) => a - b)
      if (all.length === 0) return
      if (!isTitled && depth === 0) builder.heading(1, name)
      isTitled = true
      if (number > lastNumber + 1) {
        close()
        besideFrom = undefined
      }
      lastNumber = number
      // What a table without a header consists of is not known.
      const last = table?.header && table.first + table.header.length - 1
      if (depth < MOST_BESIDE && (!table || last !== undefined)) besideFrom ??= findBeside(all, last)
      const from = besideFrom ?? Number.POSITIVE_INFINITY
      const filled = all.filter(([column]) => column < from)
      if (filled.length < all.length) aside.push({ number, cells: new Map(all.filter(([column]) => column >= from)) })
      if (filled.length === 0) return
      const own = new Map(filled)
      const columns = filled.map(([column]) => column)
      const first = Math.min(...columns)
      if (Math.max(...columns) - first >= WIDEST) {
        close()
        builder.paragraph(filled.map(([, text]) => text).join(' | '))
      } else if (table && first >= table.first) write(table, spread(own, table.first))
      else if (!table && filled.length === 1) {
        builder.paragraph(filled[0]?.[1] ?? '')
        previous = undefined
      } else {
        close()
        open(own, first)
      }
    },
    end() {
      close()
      if (aside.length === 0) return
      const beside = createPartWriter(builder, name, depth + 1)
      for (const { number, cells } of aside) beside.row(number, cells)
      beside.end()
    },
  }
}

/** The cells of a row from its first column on, with empty ones between them. */
function spread(cells: ReadonlyMap<number, string>, first: number): string[] {
  const last = Math.max(...cells.keys())
  return Array.from({ length: Math.min(WIDEST, last - first + 1) }, (_, index) => cells.get(first + index) ?? '')
}
