/** A number in a text, however it is written. */
export interface NumberInText {
  /** UTF-16 code units. */
  readonly start: number
  readonly end: number
  /** The values that it can mean, as plain decimals: `1.234` is 1.234 or 1234. */
  readonly values: readonly string[]
  /** What it counts, where a sign or a unit of the list below stands beside it: `%`, `$`, `kg`. */
  readonly unit: string | undefined
  readonly form: 'digits' | 'words' | 'han'
}

const SMALL = (
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen ' +
  'eighteen nineteen'
).split(' ')
const TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ')
const SCALES: Readonly<Record<string, number>> = {
  hundred: 100,
  thousand: 1e3,
  million: 1e6,
  billion: 1e9,
  trillion: 1e12,
  万: 1e4,
  萬: 1e4,
  亿: 1e8,
  億: 1e8,
  千: 1e3,
  百: 100,
}
const HAN_DIGITS = '〇一二三四五六七八九'
const HAN_VALUES: Readonly<Record<string, number>> = {
  零: 0,
  两: 2,
  兩: 2,
  十: 10,
  百: 100,
  千: 1000,
  万: 1e4,
  亿: 1e8,
}
const ORDINALS = 'zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth'.split(' ')

const UNITS: readonly (readonly [unit: string, pattern: string])[] = [
  ['%', '%|％|per ?cent\\b|percent\\b'],
  ['km', 'km\\b|kilomet(?:er|re)s?\\b|公里|千米'],
  ['m', 'm\\b|met(?:er|re)s?\\b|米'],
  ['cm', 'cm\\b|centimet(?:er|re)s?\\b|厘米'],
  ['kg', 'kg\\b|kilo(?:gram)?s?\\b|公斤|千克'],
  ['g', 'g\\b|grams?\\b|克'],
  ['min', 'min(?:ute)?s?\\b|分钟'],
  ['h', 'h\\b|hours?\\b|小时'],
  ['s', 'seconds?\\b|秒'],
  ['day', 'days?\\b|天'],
  ['week', 'weeks?\\b|周'],
  ['month', 'months?\\b|个月'],
  ['€', '€|euros?\\b|EUR\\b|欧元'],
  ['$', '\\$|dollars?\\b|USD\\b|美元'],
  ['£', '£|pounds?\\b|GBP\\b|英镑'],
  ['°C', '°C'],
  ['°F', '°F'],
]
const UNIT_AFTER = UNITS.map(([unit, pattern]) => [unit, new RegExp(`^[\\s-]{0,2}(?:${pattern})`, 'iu')] as const)
const SIGNS: Readonly<Record<string, string>> = { $: '$', '€': '€', '£': '£' }

const DIGITS = /(?<![\p{Script=Latin}\p{N}_.])\d+(?:[.,\u00a0\u202f ](?=\d{3}(?!\d))\d{3})*(?:[.,]\d+)*/gu
const SCALE_AFTER = /^(?:\s?-?(hundred|thousand|million|billion|trillion)\b|([百千万萬亿億]+))/iu
const WORD = `(?:${[...SMALL, ...TENS, 'hundred', 'thousand', 'million', 'billion', 'trillion'].join('|')})`
const WORDS = new RegExp(`\\b${WORD}(?:(?:[\\s-]+and)?[\\s-]+${WORD})*\\b`, 'giu')
const HAN = /[〇零一二三四五六七八九十百千万亿两兩]+/gu
const ORDINAL = new RegExp(`\\b(?:${ORDINALS.slice(1).join('|')})\\b`, 'giu')
/** Chinese words that are written with number characters and count nothing. */
const NO_NUMBERS = new Set(['十分', '千万', '万一', '一一', '万千', '百千万'])

/** The numbers of a text, in its order: digits in any grouping, English words, Chinese characters, each with its scale and unit. */
export function findNumbers(text: string): NumberInText[] {
  const found: NumberInText[] = []
  const add = (start: number, length: number, values: readonly string[], form: NumberInText['form']): void => {
    const end = start + length
    if (values.length === 0 || found.some((other) => start < other.end && other.start < end)) return
    found.push({ start, end, values, unit: unitAt(text, start, end), form })
  }
  for (const { index, 0: digits } of text.matchAll(DIGITS)) {
    const rest = text.slice(index + digits.length, index + digits.length + 12)
    const [scaled = '', word = '', signs = ''] = SCALE_AFTER.exec(rest) ?? []
    const scale =
      word === '' ? [...signs].reduce((all, sign) => all * (SCALES[sign] ?? 1), 1) : SCALES[word.toLowerCase()]
    add(
      index,
      digits.length + scaled.length,
      readingsOf(digits).map((value) => plainDecimal(value * (scale ?? 1))),
      'digits',
    )
  }
  for (const { index, 0: words } of text.matchAll(WORDS)) add(index, words.length, readWords(words), 'words')
  for (const { index, 0: characters } of text.matchAll(HAN)) add(index, characters.length, readHan(characters), 'han')
  return found.sort((first, second) => first.start - second.start)
}

/** Values of ordinals that are written as words, `third` for 3. */
export function ordinalValues(text: string): string[] {
  return [...text.matchAll(ORDINAL)].map(([word]) => String(ORDINALS.indexOf(word.toLowerCase())))
}

/** The number that Chinese characters write: `二十五`, `三百`, `一九九八`; undefined where they write none. */
export function parseHan(characters: string): number | undefined {
  const plain = characters.replaceAll('零', '〇').replaceAll(/[两兩]/g, '二')
  if (/^[〇一二三四五六七八九]+$/.test(plain)) {
    return Number([...plain].map((digit) => HAN_DIGITS.indexOf(digit)).join(''))
  }
  let total = 0
  let section = 0
  let digit: number | undefined
  for (const character of plain) {
    const value = HAN_DIGITS.indexOf(character)
    if (value >= 0) {
      digit = value
      continue
    }
    const scale = HAN_VALUES[character] ?? 0
    if (scale < 1e4) section += (digit ?? 1) * scale
    else {
      total = (total + section + (digit ?? 0)) * scale
      section = 0
    }
    digit = undefined
  }
  return total + section + (digit ?? 0)
}

/** What digits with separators can mean: one before exactly three digits groups them or is the decimal point. */
function readingsOf(digits: string): number[] {
  const plain = digits.replaceAll(/[\u00a0\u202f ]/gu, '')
  const separators = plain.match(/[.,]/g) ?? []
  const last = separators.at(-1)
  if (last === undefined) return [Number(plain)]
  const isMixed = new Set(separators).size > 1
  const tail = plain.length - plain.lastIndexOf(last) - 1
  const whole = Number(plain.replaceAll(/[.,]/g, ''))
  const cut = plain.length - tail - 1
  const decimal = Number(`${plain.slice(0, cut).replaceAll(/[.,]/g, '')}.${plain.slice(cut + 1)}`)
  if (isMixed) return [decimal]
  if (separators.length > 1) return [whole]
  return tail === 3 && !plain.startsWith('0') ? [whole, decimal] : [decimal]
}

function readWords(words: string): string[] {
  let total = 0
  let section = 0
  const all = words.toLowerCase().split(/[\s-]+/)
  for (const word of all) {
    const small = SMALL.indexOf(word)
    const ten = TENS.indexOf(word)
    if (small >= 0) section += small
    else if (ten >= 0) section += (ten + 2) * 10
    else if (word === 'hundred') section = Math.max(section, 1) * 100
    else if (word !== 'and') {
      total += Math.max(section, 1) * (SCALES[word] ?? 1)
      section = 0
    }
  }
  const isScaleOnly = all.length === 1 && (SCALES[all[0] ?? ''] ?? 0) > 0
  return isScaleOnly ? [] : [plainDecimal(total + section)]
}

function readHan(characters: string): string[] {
  const value = NO_NUMBERS.has(characters) ? undefined : parseHan(characters)
  return value === undefined ? [] : [plainDecimal(value)]
}

/** At most six decimals, so that `3.3 million` is 3300000 whatever the arithmetic. */
function plainDecimal(value: number): string {
  return String(Number(value.toFixed(6)))
}

function unitAt(text: string, start: number, end: number): string | undefined {
  const before = text[start - 1] === ' ' ? text[start - 2] : text[start - 1]
  const sign = SIGNS[before ?? '']
  if (sign !== undefined) return sign
  const after = text.slice(end, end + 14)
  return UNIT_AFTER.find(([, pattern]) => pattern.test(after))?.[0]
}
