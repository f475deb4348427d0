import { AlcoveError } from '../../protocol/error.js'
import { type ParsedDocument, type ParseOptions, parseLimits, tooLarge } from './document.js'
import { createTableWriter } from './table-text.js'
import { createTextBuilder, type TextBuilder } from './text-builder.js'
import { createYielder, type Yielder } from './yielding.js'

type JsonObject = Readonly<Record<string, unknown>>

/** Values nested deeper than this are no data that a person would read. */
const DEEPEST = 200
/** Records with more fields, or with longer ones, read better one after the other than in a table. */
const TABLE_COLUMNS = 12
const CELL_CHARACTERS = 120
/** Records that the form of all is told from. */
const SAMPLE_RECORDS = 200

/** Values of a list that stand on one line. */
const LINE_VALUES = 20

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isScalar = (value: unknown): boolean => typeof value !== 'object' || value === null
const isScalarList = (value: unknown): value is readonly unknown[] =>
  Array.isArray(value) && value.length <= LINE_VALUES && value.every(isScalar)

/** A lone surrogate, which an escape can write, cannot be stored. */
const scalarText = (value: unknown): string => {
  const text = value === null ? '' : String(value)
  return text.isWellFormed?.() === false ? text.toWellFormed() : text
}

const cellText = (value: unknown): string =>
  value === undefined ? '' : isScalarList(value) ? value.map(scalarText).join(', ') : scalarText(value)

const step = (path: string, key: string): string => {
  if (!/^[\p{L}\p{N}_$-]+$/u.test(key)) return `${path}[${JSON.stringify(key)}]`
  return path === '' ? key : `${path}.${key}`
}

/** Columns of a list that is a table of short, flat records; undefined for any other. */
function columnsOf(list: readonly unknown[]): string[] | undefined {
  if (list.length < 2) return undefined
  const columns = new Set<string>()
  for (const record of list.slice(0, SAMPLE_RECORDS)) {
    if (!isObject(record)) return undefined
    for (const [key, value] of Object.entries(record)) {
      if (!isScalar(value) && !isScalarList(value)) return undefined
      if (cellText(value).length > CELL_CHARACTERS) return undefined
      columns.add(key)
      if (columns.size > TABLE_COLUMNS) return undefined
    }
  }
  return columns.size > 1 ? [...columns] : undefined
}

/** What is still to be written; `undefined` values never occur in JSON. */
interface Waiting {
  readonly value: unknown
  readonly path: string
  readonly depth: number
  /** Lines of one group stand together without blank lines. */
  readonly group: string
}

interface Writing {
  readonly builder: TextBuilder
  readonly yielder: Yielder
  groups: number
}

/** Writes a value as `path: value` lines, in order. Not recursive. */
async function writeValue(writing: Writing, root: Waiting): Promise<void> {
  const waiting: Waiting[] = [root]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    if (writing.yielder.due()) await writing.yielder.pause()
    if (isScalar(next.value) || isScalarList(next.value)) writeLine(writing.builder, next)
    else if (next.depth >= DEEPEST) throw tooDeep()
    else if (Array.isArray(next.value) && next.value.every(isScalar)) await writeScalars(writing, next, next.value)
    else if (Array.isArray(next.value)) await writeList(writing, next, next.value, waiting)
    else pushReversed(waiting, children(writing, next, next.value as JsonObject))
  }
}

function writeLine(builder: TextBuilder, { path, value, group }: Waiting): void {
  const text = cellText(value)
  if (text.trim() === '') return
  const line = path === '' ? text : `${path}: ${text}`
  if (text.includes('\n') || text.length > 500) builder.paragraph(line)
  else builder.line(line, group)
}

/** Values without names, some on a line. */
async function writeScalars({ builder, yielder }: Writing, { path, group }: Waiting, list: readonly unknown[]) {
  for (let start = 0; start < list.length; start += LINE_VALUES) {
    if (yielder.due()) await yielder.pause()
    const some = list.slice(start, start + LINE_VALUES)
    const at = `${path}[${start}${some.length > 1 ? `–${start + some.length - 1}` : ''}]`
    writeLine(builder, { path: at, value: some, depth: 0, group: `${group} ${path}` })
  }
}

async function writeList(writing: Writing, { path, depth }: Waiting, list: readonly unknown[], waiting: Waiting[]) {
  const columns = columnsOf(list)
  const rest: Waiting[] = []
  const writer = columns ? createTableWriter(writing.builder, columns) : undefined
  if (columns && depth > 1) writing.builder.paragraph(`${path}:`)
  for (const [index, value] of list.entries()) {
    if (writing.yielder.due()) await writing.yielder.pause()
    const at = `${path}[${index}]`
    // Later records of a table may be of another form.
    if (writer && columns && isObject(value) && fits(value, columns)) {
      writer.row(columns.map((column) => cellText(value[column])))
    } else rest.push({ value, path: at, depth: depth + 1, group: `record ${writing.groups++}` })
  }
  pushReversed(waiting, rest)
}

const fits = (record: JsonObject, columns: readonly string[]): boolean =>
  Object.entries(record).every(([key, value]) => columns.includes(key) && (isScalar(value) || isScalarList(value)))

/** Not `push(...items)`: with a million items the arguments overflow the stack. */
function pushReversed<Item>(stack: Item[], items: readonly Item[]): void {
  for (let index = items.length - 1; index >= 0; index--) stack.push(items[index] as Item)
}

function children(writing: Writing, { path, depth, group }: Waiting, object: JsonObject): Waiting[] {
  const own = depth <= 1 ? `record ${writing.groups++}` : group
  return Object.entries(object).map(([key, value]) => ({ value, path: step(path, key), depth: depth + 1, group: own }))
}

function tooDeep(): AlcoveError {
  return new AlcoveError('parse-failed', `The JSON document nests values more than ${DEEPEST} deep`, {
    hint: 'Add the part of it that matters, less deeply nested.',
  })
}

const createWriting = (signal: AbortSignal | undefined): Writing => ({
  builder: createTextBuilder(),
  yielder: createYielder(signal),
  groups: 0,
})

/** Reads a value; its outermost objects and lists are sections with their key as heading. */
async function writeDocument(writing: Writing, value: unknown): Promise<string | undefined> {
  if (!isObject(value)) {
    await writeValue(writing, { value, path: '', depth: 0, group: 'root' })
    return undefined
  }
  for (const [key, child] of Object.entries(value)) {
    if (!isScalar(child) && !isScalarList(child)) writing.builder.heading(1, key.slice(0, 200))
    await writeValue(writing, { value: child, path: step('', key), depth: 1, group: 'root' })
  }
  const title = value.title ?? value.name
  return typeof title === 'string' && title.length <= 200 ? scalarText(title) : undefined
}

/**
 * Reads JSON as text that a person could read: `path: value` lines, a list of flat records as a table whose header is
 * repeated, outer keys as headings. Several values, one a line (JSON Lines), are read as a list; what is no JSON stays
 * as it is. Throws `too-large`, `parse-failed` for values nested beyond reason, or what the signal says.
 */
export async function parseJson(
  text: string,
  mediaType: string,
  { signal }: ParseOptions = {},
): Promise<ParsedDocument> {
  const values = readJson(text) ?? readJsonLines(text)
  if (!values) return { mediaType: 'text/plain', text, pages: [], headings: [] }
  const writing = createWriting(signal)
  const title =
    values.length === 1
      ? await writeDocument(writing, values[0])
      : await writeValue(writing, { value: values, path: '', depth: 0, group: 'root' }).then(() => undefined)
  return { mediaType, ...(title === undefined ? {} : { title }), pages: [], ...writing.builder.finish() }
}

/** The one value of a text, in a list; undefined when it is no JSON. */
function readJson(text: string): readonly unknown[] | undefined {
  checkSize(text)
  try {
    return [JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text)]
  } catch {
    return undefined
  }
}

function checkSize(text: string): void {
  if (text.length <= parseLimits.jsonCharacters) return
  throw tooLarge('The JSON source of a document', text.length, parseLimits.jsonCharacters, 'characters')
}

/** Values of JSON Lines; undefined when a line is no JSON. */
function readJsonLines(text: string): readonly unknown[] | undefined {
  const values: unknown[] = []
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    const line = text.slice(start, end).trim()
    start = end + 1
    if (line === '') continue
    try {
      values.push(JSON.parse(line))
    } catch {
      return undefined
    }
  }
  return values.length > 0 && values.some((value) => !isScalar(value)) ? values : undefined
}
