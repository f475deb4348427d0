import { streamXml } from './xml.js'
import type { ZipPackage } from './zip-package.js'

/** Formats of cells that have no pattern in the file (ECMA-376 part 1, 18.8.30). Dates that depend on the country are ISO. */
const BUILT_IN: Readonly<Record<number, string>> = {
  1: '0',
  2: '0.00',
  3: '#,##0',
  4: '#,##0.00',
  9: '0%',
  10: '0.00%',
  11: '0.00E+00',
  12: '# ?/?',
  13: '# ??/??',
  14: 'yyyy-mm-dd',
  15: 'd-mmm-yy',
  16: 'd-mmm',
  17: 'mmm-yy',
  18: 'h:mm AM/PM',
  19: 'h:mm:ss AM/PM',
  20: 'h:mm',
  21: 'h:mm:ss',
  22: 'yyyy-mm-dd h:mm',
  37: '#,##0 ;(#,##0)',
  38: '#,##0 ;(#,##0)',
  39: '#,##0.00;(#,##0.00)',
  40: '#,##0.00;(#,##0.00)',
  45: 'mm:ss',
  46: '[h]:mm:ss',
  47: 'mm:ss.0',
  48: '##0.0E+0',
  49: '@',
}

/** Patterns that a program wrote; longer ones are no patterns. */
const PATTERN_CHARACTERS = 500
/** Excel allows 65,490 formats of cells. */
const MOST_FORMATS = 70_000

/** Shows a number as its cell does. */
export type NumberFormatter = (value: number, style: number) => string

/** Patterns of a workbook's cell styles, by the style's index; undefined for plain numbers. */
async function readPatterns(archive: ZipPackage, part: string): Promise<(string | undefined)[]> {
  const own = new Map<number, string>()
  const patterns: (string | undefined)[] = []
  let isInCellFormats = false
  await streamXml(archive, part, {
    open(name, attributes) {
      if (name === 'numFmt' && (attributes.formatCode ?? '').length <= PATTERN_CHARACTERS) {
        own.set(Number(attributes.numFmtId), attributes.formatCode ?? '')
      }
      if (name === 'cellXfs') isInCellFormats = true
      if (name === 'xf' && isInCellFormats && patterns.length < MOST_FORMATS) {
        const id = Number(attributes.numFmtId ?? 0)
        patterns.push(own.get(id) ?? BUILT_IN[id])
      }
    },
    close(name) {
      if (name === 'cellXfs') isInCellFormats = false
    },
  })
  return patterns
}

/** What a number is as text where nothing is said: without the noise of binary fractions. */
const plainNumber = (value: number): string =>
  String(Number.isSafeInteger(value) ? value : Number(value.toPrecision(15)))

/** A formatter for the styles of a workbook. `is1904` where its dates count from 1904. */
export async function createNumberFormatter(
  archive: ZipPackage,
  stylesPart: string,
  is1904: boolean,
): Promise<NumberFormatter> {
  const { format, isDateFormat } = await import('numfmt')
  const styles = (await readPatterns(archive, stylesPart)).map((pattern) => {
    if (pattern === undefined || /^(?:general|@)$/i.test(pattern)) return undefined
    try {
      return { pattern, isDate: isDateFormat(pattern) }
    } catch {
      return undefined
    }
  })
  return (value, style) => {
    const known = styles[style]
    if (!known) return plainNumber(value)
    try {
      const text = format(known.pattern, known.isDate && is1904 ? value + 1462 : value, { throws: true })
      return text.includes('######') ? plainNumber(value) : text.trim()
    } catch {
      return plainNumber(value)
    }
  }
}
