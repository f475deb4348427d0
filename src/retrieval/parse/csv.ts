import { AlcoveError } from '../../protocol/error.js'
import type { ParsedDocument, ParseOptions } from './document.js'
import { looksLikeHeader } from './header-row.js'
import { createTableWriter, type TableWriter } from './table-text.js'
import { createTextBuilder, joinCells } from './text-builder.js'
import { createYielder } from './yielding.js'

/** Separators that are looked for, the likeliest first. */
const SEPARATORS = [',', '\t', ';', '|'] as const
/** Rows that the separator and the header are told from. */
const SAMPLE_ROWS = 30
const SAMPLE_CHARACTERS = 64 * 1024
/** Source that is parsed at once, so that the thread gets air and memory stays bounded. */
const SLICE_CHARACTERS = 1024 * 1024
/** A row longer than this is an open quote that nobody closed. */
const ROW_CHARACTERS = 16 * 1024 * 1024

type Rows = readonly (readonly string[])[]
type Parse = (text: string, delimiter: string, isLast: boolean) => { rows: Rows; used: number }

async function loadParser(): Promise<Parse> {
  const module = await import('papaparse')
  const papa = module.default ?? module
  return (text, delimiter, isLast) => {
    const parser = new papa.Parser({ delimiter, newline: '\n' }) as unknown as {
      parse(input: string, base: number, ignoreLastRow: boolean): { data: string[][]; meta: { cursor: number } }
    }
    const { data, meta } = parser.parse(text, 0, !isLast)
    return { rows: data, used: meta.cursor }
  }
}

/** How well rows fit a table: the share with several columns, and that with as many as most have; 0 for no table. */
function fitOf(rows: Rows): number {
  const counts = new Map<number, number>()
  const full = rows.filter((row) => row.length > 1 || (row[0] ?? '').trim() !== '')
  const several = full.filter((row) => row.length > 1)
  for (const row of several) counts.set(row.length, (counts.get(row.length) ?? 0) + 1)
  const [columns, count] = [...counts].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0] ?? [0, 0]
  if (several.length < full.length * 0.3) return 0
  return several.length / full.length + count / full.length + Math.min(columns, 10) / 100
}

function findSeparator(parse: Parse, text: string): string | undefined {
  const isWhole = text.length <= SAMPLE_CHARACTERS
  let best: { separator: string; score: number } | undefined
  for (const separator of SEPARATORS) {
    const rows = parse(text.slice(0, SAMPLE_CHARACTERS), separator, isWhole).rows.slice(0, SAMPLE_ROWS)
    const score = fitOf(rows)
    if (score > (best?.score ?? 0)) best = { separator, score }
  }
  return best?.separator
}

/**
 * Reads a table of separated values (RFC 4180, any of four separators, found out). The first row is taken for the
 * columns' names when it has only words. Text without a separator is kept as it is.
 * Throws `parse-failed` for a quote that is never closed, `too-large`, or what the signal says.
 */
export async function parseCsv(text: string, mediaType: string, options: ParseOptions = {}): Promise<ParsedDocument> {
  const parse = await loadParser()
  const named = /^(?:\ufeff)?sep=(.)\n/i.exec(text)
  const body = named ? text.slice(named[0].length) : text
  const separator = named?.[1] ?? findSeparator(parse, body)
  if (separator === undefined) return { mediaType, text, pages: [], headings: [] }
  const builder = createTextBuilder()
  let writer: TableWriter | undefined
  let header: readonly string[] = []
  let titles = 0
  for await (const row of readRows(parse, body, separator, options)) {
    if (writer) writer.row(row)
    else if (row.length === 1 && titles < 10) {
      // Lines above the table say what it is about.
      builder.paragraph(row[0] ?? '')
      titles++
    } else {
      header = looksLikeHeader(row) ? row : []
      writer = createTableWriter(builder, header)
      if (header.length === 0) writer.row(row)
    }
  }
  if (builder.length() === 0) builder.paragraph(joinCells(header))
  return { mediaType, pages: [], ...builder.finish() }
}

async function* readRows(
  parse: Parse,
  text: string,
  separator: string,
  { signal }: ParseOptions,
): AsyncGenerator<readonly string[]> {
  const yielder = createYielder(signal)
  let size = SLICE_CHARACTERS
  for (let start = 0; start < text.length; ) {
    const isLast = start + size >= text.length
    const { rows, used } = parse(text.slice(start, start + size), separator, isLast)
    yield* rows
    await yielder.pause()
    if (isLast) return
    if (used > 0) size = SLICE_CHARACTERS
    else if (size >= ROW_CHARACTERS) throw openQuote()
    else size *= 2
    start += used
  }
}

function openQuote(): AlcoveError {
  return new AlcoveError('parse-failed', `A row of the table is longer than ${ROW_CHARACTERS.toLocaleString('en')}`, {
    hint: 'A quotation mark may be open. Check the file in a spreadsheet program and save it again.',
  })
}
