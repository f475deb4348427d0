import { joinCells, type TextBuilder } from './text-builder.js'

/** Writes a long table so that any part of it can be understood by itself. */
export interface TableWriter {
  /** A row under the header. Cells without text at its end may be missing. */
  row(cells: readonly string[]): void
}

/** Characters of rows after which the header is written again: a good part of a chunk. */
const BLOCK_CHARACTERS = 700
/** A row longer than this is written as a record, one line a cell, each with its column's name. */
const RECORD_CHARACTERS = 500

let tables = 0

/**
 * A writer of one table. Rows are `cell | cell`, in blocks that each begin with the header, so that a chunk of them says
 * what its columns are; long or sparse rows become records, `column: cell` a line. Without a header there are only rows.
 */
export function createTableWriter(builder: TextBuilder, header: readonly string[] = []): TableWriter {
  const table = tables++
  const headerLine = joinCells(header)
  const blockCharacters = Math.max(BLOCK_CHARACTERS, headerLine.length * 4)
  let block = 0
  let length = 0
  let isOpen = false
  return {
    row(cells) {
      const filled = cells.filter((cell) => cell.trim() !== '')
      if (filled.length === 0) return
      const isSparse = cells.length > 30 && filled.length * 4 < cells.length
      const size = filled.reduce((sum, cell) => sum + cell.length + 3, 0)
      if (isSparse || (size > RECORD_CHARACTERS && filled.length > 1 && headerLine !== '')) {
        isOpen = false
        builder.paragraph(recordText(header, cells))
        return
      }
      if (!isOpen || length > blockCharacters) {
        block++
        length = 0
        isOpen = true
        builder.line(headerLine, `table ${table} ${block}`)
      }
      const line = joinCells(cells.slice(0, 1 + cells.findLastIndex((cell) => cell.trim() !== '')))
      builder.line(line, `table ${table} ${block}`)
      length += line.length + 1
    },
  }
}

function recordText(header: readonly string[], cells: readonly string[]): string {
  const lines: string[] = []
  for (const [index, cell] of cells.entries()) {
    const text = cell.trim()
    const name = header[index]?.replace(/\s+/g, ' ').trim()
    if (text !== '') lines.push(name ? `${name}: ${text}` : text)
  }
  return lines.join('\n')
}
