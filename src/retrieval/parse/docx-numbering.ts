import { streamXml, type XmlAttributes } from './xml.js'
import type { ZipPackage } from './zip-package.js'

/** A level of a list (ECMA-376 part 1, 17.9.6). */
interface Level {
  start: number
  format: string
  /** Such as `%1.%2`. */
  text: string
  /** Style whose paragraphs are of this level. */
  style: string | undefined
  /** Whether all numbers in it are shown as decimals. */
  isLegal: boolean
}

interface List {
  readonly abstractId: string
  readonly starts: Map<number, number>
}

interface Numbering {
  readonly abstract: ReadonlyMap<string, readonly Level[]>
  readonly lists: ReadonlyMap<string, List>
}

/** What a style says of its paragraphs. */
interface Style {
  name: string
  basedOn: string | undefined
  listId: string | undefined
  level: number | undefined
}

/** Word has nine levels. */
const LEVELS = 9

export const ownValue = (attributes: XmlAttributes): string => attributes['w:val'] ?? ''

async function readNumbering(archive: ZipPackage, part: string): Promise<Numbering> {
  const abstract = new Map<string, Level[]>()
  const lists = new Map<string, List>()
  let levels: Level[] = []
  let level: Level | undefined
  let list: { id: string; overridden: number } | undefined
  await streamXml(archive, part, {
    open(name, attributes) {
      const value = ownValue(attributes)
      if (name === 'abstractNum') {
        levels = []
        abstract.set(attributes['w:abstractNumId'] ?? '', levels)
      } else if (name === 'lvl' && !list) {
        level = { start: 1, format: 'decimal', text: '', style: undefined, isLegal: false }
        const index = Number(attributes['w:ilvl'])
        if (index >= 0 && index < LEVELS) levels[index] = level
      } else if (name === 'num') list = { id: attributes['w:numId'] ?? '', overridden: 0 }
      else if (name === 'abstractNumId' && list) lists.set(list.id, { abstractId: value, starts: new Map() })
      else if (name === 'lvlOverride' && list) list.overridden = Number(attributes['w:ilvl'])
      else if (name === 'startOverride' && list) lists.get(list.id)?.starts.set(list.overridden, Number(value))
      else if (level && !list) setLevel(level, name, value)
    },
    close(name) {
      if (name === 'num') list = undefined
      if (name === 'lvl') level = undefined
    },
  })
  return { abstract, lists }
}

function setLevel(level: Level, name: string, value: string): void {
  if (name === 'start') level.start = Number(value) || 0
  else if (name === 'numFmt') level.format = value
  else if (name === 'lvlText') level.text = value.slice(0, 100)
  else if (name === 'pStyle') level.style = value
  else if (name === 'isLgl') level.isLegal = value !== '0' && value !== 'false'
}

async function readStyles(archive: ZipPackage, part: string): Promise<ReadonlyMap<string, Style>> {
  const styles = new Map<string, Style>()
  let style: Style | undefined
  await streamXml(archive, part, {
    open(name, attributes) {
      if (name === 'style') {
        style = { name: '', basedOn: undefined, listId: undefined, level: undefined }
        styles.set(attributes['w:styleId'] ?? '', style)
      } else if (!style) return
      else if (name === 'name') style.name = ownValue(attributes)
      else if (name === 'basedOn') style.basedOn = ownValue(attributes)
      else if (name === 'numId') style.listId = ownValue(attributes)
      else if (name === 'ilvl') style.level = Number(ownValue(attributes))
    },
    close(name) {
      if (name === 'style') style = undefined
    },
  })
  return styles
}

/** What a paragraph says of itself. */
export interface NumberedParagraph {
  style: string | undefined
  listId: string | undefined
  level: number | undefined
}

/** Numbers paragraphs as Word does, in the order of the document. */
export interface Numberer {
  /** The number of the next paragraph, such as `2.1.`, when it is a heading that has one. */
  next(paragraph: NumberedParagraph): string | undefined
}

export async function createNumberer(
  archive: ZipPackage,
  parts: { readonly numbering: string; readonly styles: string },
): Promise<Numberer> {
  const numbering = await readNumbering(archive, parts.numbering)
  const styles = await readStyles(archive, parts.styles)
  const counters = new Map<string, (number | undefined)[]>()
  const begun = new Set<string>()
  return {
    next(paragraph) {
      const place = placeOf(paragraph, styles, numbering)
      if (!place) return undefined
      const { list, levels, level } = place
      const counts = counters.get(list.abstractId) ?? []
      counters.set(list.abstractId, counts)
      const override = list.starts.get(level)
      const key = `${place.listId} ${level}`
      const isRestart = override !== undefined && !begun.has(key)
      begun.add(key)
      const last = counts[level]
      counts[level] = isRestart ? override : last === undefined ? (levels[level]?.start ?? 1) : last + 1
      counts.length = level + 1
      return /^(?:heading \d|title$)/i.test(place.styleName) ? numberText(levels, level, counts) : undefined
    },
  }
}

interface Place {
  readonly listId: string
  readonly list: List
  readonly levels: readonly Level[]
  readonly level: number
  readonly styleName: string
}

function placeOf(
  { style: styleId, listId: ownList, level: ownLevel }: NumberedParagraph,
  styles: ReadonlyMap<string, Style>,
  { abstract, lists }: Numbering,
): Place | undefined {
  let listId = ownList
  let level = ownLevel
  const styleName = styles.get(styleId ?? '')?.name ?? ''
  // A style may be based on another, and hostile ones on each other.
  let id = styleId
  for (let depth = 0; depth < 20 && id !== undefined && listId === undefined; depth++) {
    const style = styles.get(id)
    listId = style?.listId
    level ??= style?.level
    id = style?.basedOn
  }
  const list = listId === undefined ? undefined : lists.get(listId)
  const levels = list && abstract.get(list.abstractId)
  if (listId === undefined || !list || !levels) return undefined
  const ofStyle = levels.findIndex((candidate) => candidate?.style !== undefined && candidate.style === styleId)
  const index = level ?? Math.max(0, ofStyle)
  return index >= 0 && index < LEVELS ? { listId, list, levels, level: index, styleName } : undefined
}

function numberText(
  levels: readonly Level[],
  level: number,
  counts: readonly (number | undefined)[],
): string | undefined {
  const own = levels[level]
  if (!own || own.format === 'bullet' || own.format === 'none') return undefined
  const text = own.text.replace(/%([1-9])/g, (_, digit: string) => {
    const index = Number(digit) - 1
    const count = counts[index] ?? levels[index]?.start ?? 1
    return formatNumber(count, own.isLegal ? 'decimal' : (levels[index]?.format ?? 'decimal'))
  })
  return text.trim() || undefined
}

const ROMAN: readonly (readonly [number, string])[] = [
  [1000, 'M'],
  [900, 'CM'],
  [500, 'D'],
  [400, 'CD'],
  [100, 'C'],
  [90, 'XC'],
  [50, 'L'],
  [40, 'XL'],
  [10, 'X'],
  [9, 'IX'],
  [5, 'V'],
  [4, 'IV'],
  [1, 'I'],
]

function toRoman(value: number): string {
  let rest = value
  let text = ''
  for (const [size, letters] of ROMAN) {
    while (rest >= size) {
      text += letters
      rest -= size
    }
  }
  return text
}

/** `a` to `z`, then `aa`, `bb`: as Word does it. */
const toLetters = (value: number): string => String.fromCharCode(97 + ((value - 1) % 26)).repeat(Math.ceil(value / 26))

const CHINESE = '〇一二三四五六七八九'

/** Numbers from 1 to 99 in Chinese; larger ones digit by digit. */
function toChinese(value: number): string {
  const [tens, ones] = [Math.floor(value / 10), value % 10]
  if (value > 99) return [...String(value)].map((digit) => CHINESE[Number(digit)]).join('')
  return `${tens > 1 ? CHINESE[tens] : ''}${tens > 0 ? '十' : ''}${ones > 0 ? CHINESE[ones] : ''}`
}

/** A count in a format of ECMA-376 part 1, 17.18.59; in digits for formats that are not known, and beyond reason. */
function formatNumber(value: number, format: string): string {
  if (!Number.isInteger(value) || value < 1 || value > 1000) return String(value)
  switch (format) {
    case 'upperRoman':
      return toRoman(value)
    case 'lowerRoman':
      return toRoman(value).toLowerCase()
    case 'upperLetter':
      return toLetters(value).toUpperCase()
    case 'lowerLetter':
      return toLetters(value)
    case 'decimalZero':
      return String(value).padStart(2, '0')
    case 'chineseCounting':
    case 'chineseCountingThousand':
    case 'taiwaneseCountingThousand':
    case 'japaneseCounting':
    case 'ideographDigital':
      return toChinese(value)
    default:
      return String(value)
  }
}
