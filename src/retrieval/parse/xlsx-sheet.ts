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
 * table are its caption, and a first row of words names its columns. A sheet without a cell writes nothing.
 */
export function createSheetWriter(builder: TextBuilder, name: string): SheetWriter {
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
      const filled = [...cells].filter(([, text]) => text.trim() !== '')
      if (filled.length === 0) return
      if (!isTitled) builder.heading(1, name)
      isTitled = true
      if (number > lastNumber + 1) close()
      lastNumber = number
      const columns = filled.map(([column]) => column)
      const first = Math.min(...columns)
      if (Math.max(...columns) - first >= WIDEST) {
        close()
        builder.paragraph(filled.map(([, text]) => text).join(' | '))
      } else if (table && first >= table.first) write(table, spread(cells, table.first))
      else if (!table && filled.length === 1) {
        builder.paragraph(filled[0]?.[1] ?? '')
        previous = undefined
      } else {
        close()
        open(cells, first)
      }
    },
    end: close,
  }
}

/** The cells of a row from its first column on, with empty ones between them. */
function spread(cells: ReadonlyMap<number, string>, first: number): string[] {
  const last = Math.max(...cells.keys())
  return Array.from({ length: Math.min(WIDEST, last - first + 1) }, (_, index) => cells.get(first + index) ?? '')
}
