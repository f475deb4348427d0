import { parseHan } from './numbers.js'

/** A day, month or year, as far as a text says it. */
export interface DateReading {
  readonly year?: number
  /** From 1. */
  readonly month?: number
  readonly day?: number
}

/** A date in a text, with all that it can mean: `03/05/2024` is in May or in March. */
export interface DateInText {
  /** UTF-16 code units. */
  readonly start: number
  readonly end: number
  readonly readings: readonly DateReading[]
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')
const MONTH =
  '(?:january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)'
const HAN_NUMBER = '[〇零一二三四五六七八九十]'
const DAY = '(\\d{1,2})(?:st|nd|rd|th)?'

type Reader = (...groups: (string | undefined)[]) => DateReading[]

const FORMS: readonly (readonly [RegExp, Reader])[] = [
  [
    new RegExp(`\\b(${MONTH})\\.? ${DAY}(?!\\d)(?:,? (\\d{4}))?\\b`, 'giu'),
    (month, day, year) => [dateOf(year, monthOf(month), day)],
  ],
  [
    new RegExp(`\\b${DAY} (?:of )?(${MONTH})\\b\\.?(?:,? (\\d{4})\\b)?`, 'giu'),
    (day, month, year) => [dateOf(year, monthOf(month), day)],
  ],
  [new RegExp(`\\b(${MONTH})\\.?,? (\\d{4})\\b`, 'giu'), (month, year) => [dateOf(year, monthOf(month), undefined)]],
  [/\b(\d{4})-(\d{2})-(\d{2})\b/gu, (year, month, day) => [dateOf(year, month, day)]],
  [
    /\b(\d{1,2})[/.](\d{1,2})[/.](\d{4}|\d{2})\b/gu,
    (first, second, year) =>
      [dateOf(year, second, first), dateOf(year, first, second)].filter(({ month = 0 }) => month >= 1 && month <= 12),
  ],
  [
    new RegExp(
      `(\\d{2,4}|${HAN_NUMBER}{4})年(?:(\\d{1,2}|${HAN_NUMBER}{1,3})月(?:(\\d{1,2}|${HAN_NUMBER}{1,3})[日号])?)?`,
      'gu',
    ),
    (year, month, day) => [dateOf(year, month, day)],
  ],
  [
    new RegExp(`(\\d{1,2}|${HAN_NUMBER}{1,3})月(\\d{1,2}|${HAN_NUMBER}{1,3})[日号]`, 'gu'),
    (month, day) => [dateOf(undefined, month, day)],
  ],
]

/** The dates of a text, those that say most first; none inside another. */
export function findDates(text: string): DateInText[] {
  const found: DateInText[] = []
  for (const [pattern, read] of FORMS) {
    for (const match of text.matchAll(pattern)) {
      const [start, end] = [match.index, match.index + match[0].length]
      if (found.some((other) => start < other.end && other.start < end)) continue
      const readings = read(...match.slice(1))
      if (readings.length > 0) found.push({ start, end, readings })
    }
  }
  return found
}

/** Whether `known` says all that `wanted` says. */
export function includesDate(known: DateReading, wanted: DateReading): boolean {
  const parts = ['year', 'month', 'day'] as const
  return parts.every((part) => wanted[part] === undefined || wanted[part] === known[part])
}

function dateOf(year: string | undefined, month: string | undefined, day: string | undefined): DateReading {
  const numbers = [year, month, day].map((text) => (text === undefined ? undefined : numberOf(text)))
  const [years, months, days] = numbers
  const full = years !== undefined && year?.length === 2 ? years + (years < 70 ? 2000 : 1900) : years
  return {
    ...(full !== undefined && { year: full }),
    ...(months !== undefined && { month: months }),
    ...(days !== undefined && { day: days }),
  }
}

function numberOf(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : parseHan(text)
}

function monthOf(name: string | undefined): string | undefined {
  const at = MONTHS.indexOf((name ?? '').slice(0, 3).toLowerCase())
  return at < 0 ? undefined : String(at + 1)
}
