import { AlcoveError } from '../../protocol/error.js'
import { type ParsedDocument, type ParseOptions, parseLimits, tooLarge } from './document.js'
import { createTextBuilder } from './text-builder.js'
import { createSheetWriter, type SheetWriter } from './xlsx-sheet.js'
import { createNumberFormatter, type NumberFormatter } from './xlsx-styles.js'
import { readCoreTitle, readRelationships, streamXml, type XmlVisitor } from './xml.js'
import { openZipPackage, resolvePart, type ZipPackage } from './zip-package.js'

export const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'

interface Workbook {
  readonly sheets: readonly { readonly name: string; readonly part: string }[]
  readonly sharedStrings: string | undefined
  readonly styles: string | undefined
  readonly is1904: boolean
}

async function findWorkbook(archive: ZipPackage): Promise<string> {
  const main = (await readRelationships(archive, '')).find(({ type }) => type === 'officeDocument')
  return main ? resolvePart('', main.target) : 'xl/workbook.xml'
}

async function readWorkbook(archive: ZipPackage): Promise<Workbook> {
  const part = await findWorkbook(archive)
  const relationships = await readRelationships(archive, part)
  const targets = new Map(relationships.map(({ id, target }) => [id, resolvePart(part, target)]))
  const ofType = (type: string): string | undefined => {
    const found = relationships.find((relationship) => relationship.type === type)
    return found && resolvePart(part, found.target)
  }
  const sheets: { name: string; part: string; isHidden: boolean }[] = []
  let is1904 = false
  const exists = await streamXml(archive, part, {
    open(name, attributes) {
      if (name === 'workbookPr') is1904 = /^(?:1|true)$/.test(attributes.date1904 ?? '')
      if (name !== 'sheet') return
      const id = Object.entries(attributes).find(([key]) => key.endsWith(':id'))?.[1] ?? ''
      const target = targets.get(id)
      if (target)
        sheets.push({
          name: attributes.name ?? '',
          part: target,
          isHidden: 'state' in attributes && attributes.state !== 'visible',
        })
    },
  })
  if (!exists) throw new AlcoveError('parse-failed', 'The Excel workbook has no list of its sheets')
  const shown = sheets.filter(({ isHidden }) => !isHidden)
  return {
    sheets: shown.length > 0 ? shown : sheets,
    sharedStrings: ofType('sharedStrings'),
    styles: ofType('styles'),
    is1904,
  }
}

/** Texts that cells share (ECMA-376 part 1, 18.4); readings aids of Japanese are left out. */
async function readSharedStrings(archive: ZipPackage, part: string): Promise<string[]> {
  const strings: string[] = []
  let text = ''
  let total = 0
  let isText = false
  let phonetic = 0
  await streamXml(archive, part, {
    open(name) {
      if (name === 'si') text = ''
      else if (name === 'rPh') phonetic++
      isText = name === 't' && phonetic === 0
    },
    text(piece) {
      if (!isText) return
      text += piece
      total += piece.length
      if (total > parseLimits.textCharacters)
        throw tooLarge('The text of a document', total, parseLimits.textCharacters, 'characters')
    },
    close(name) {
      isText = false
      if (name === 'rPh') phonetic--
      if (name === 'si') strings.push(text)
    },
  })
  return strings
}

/** Column of a cell's reference such as `AB12`, from 0; undefined without letters. */
function columnOf(reference: string | undefined): number | undefined {
  const letters = /^[A-Za-z]{1,3}/.exec(reference ?? '')?.[0]
  if (!letters) return undefined
  let column = 0
  for (const letter of letters.toUpperCase()) column = column * 26 + letter.charCodeAt(0) - 64
  return column - 1
}

interface CellSource {
  readonly strings: readonly string[]
  readonly formatNumber: NumberFormatter
}

function cellText(type: string, value: string, style: number, { strings, formatNumber }: CellSource): string {
  if (type === 's') return strings[Number(value)] ?? ''
  if (type === 'b') return value === '1' ? 'TRUE' : value === '0' ? 'FALSE' : value
  if (type === 'd') return value.replace(/T00:00:00(?:\.0+)?Z?$/, '')
  if (type === 'n' && value.trim() !== '' && Number.isFinite(Number(value))) return formatNumber(Number(value), style)
  return value
}

/** Reads a sheet's XML (ECMA-376 part 1, 18.3) row by row. */
function createSheetVisitor(writer: SheetWriter, source: CellSource): XmlVisitor {
  let row = new Map<number, string>()
  let rowNumber = 0
  let column = -1
  let type = 'n'
  let style = 0
  let value = ''
  let isValue = false
  let phonetic = 0
  return {
    open(name, attributes) {
      if (name === 'row') {
        row = new Map()
        rowNumber = Number(attributes.r ?? rowNumber + 1)
        column = -1
      } else if (name === 'c') {
        column = columnOf(attributes.r) ?? column + 1
        type = attributes.t ?? 'n'
        style = Number(attributes.s ?? 0)
        value = ''
      } else if (name === 'rPh') phonetic++
      // `f` holds the formula, whose last result is in `v`.
      isValue = (name === 'v' || name === 't') && phonetic === 0
    },
    text(piece) {
      if (isValue) value += piece
    },
    close(name) {
      isValue = false
      if (name === 'rPh') phonetic--
      else if (name === 'c' && value !== '') row.set(column, cellText(type, value, style, source))
      else if (name === 'row') writer.row(rowNumber, row)
    },
  }
}

/**
 * Reads a workbook (XLSX, XLSM): each sheet is a section with its name as heading, its rows are `cell | cell` under a
 * header that is written again and again; numbers and dates as their cells show them. Formulas are their last results.
 * Hidden sheets, charts and pictures are left out.
 * Throws `parse-failed`, `document-encrypted`, `document-empty`, `too-large`, or what the signal says.
 */
export async function parseXlsx(bytes: Uint8Array, options: ParseOptions = {}): Promise<ParsedDocument> {
  const archive = openZipPackage(bytes, options)
  const { sheets, sharedStrings, styles, is1904 } = await readWorkbook(archive)
  const source: CellSource = {
    strings: sharedStrings ? await readSharedStrings(archive, sharedStrings) : [],
    formatNumber: await createNumberFormatter(archive, styles ?? '', is1904),
  }
  const builder = createTextBuilder()
  for (const { name, part } of sheets) {
    const writer = createSheetWriter(builder, name)
    await streamXml(archive, part, createSheetVisitor(writer, source))
    writer.end()
  }
  const title = await readCoreTitle(archive)
  return { mediaType: XLSX, ...(title === undefined ? {} : { title }), pages: [], ...builder.finish() }
}
