import {
  type CharacterRange,
  characters,
  choice,
  empty,
  optional,
  otherCharacters,
  type Rule,
  reference,
  repeat,
  sequence,
  text,
} from './grammar.js'

/** Rules under construction. */
export type Rules = Map<string, Rule>

/** The rule of a name, made at its first use. */
export function shared(rules: Rules, name: string, make: () => Rule): Rule {
  if (!rules.has(name)) rules.set(name, make())
  return reference(name)
}

/** The words for values that JSON and Python write differently. */
export interface Words {
  readonly true: string
  readonly false: string
  readonly null: string
}
export const JSON_WORDS: Words = { true: 'true', false: 'false', null: 'null' }
export const PYTHON_WORDS: Words = { true: 'True', false: 'False', null: 'None' }

/** A value as our grammars write it: one space after a colon or a comma, as models are trained on, and no other. */
export function writeJson(value: unknown, words = JSON_WORDS): string {
  if (Array.isArray(value)) return `[${value.map((item) => writeJson(item, words)).join(', ')}]`
  if (typeof value !== 'object' || value === null) {
    const json = JSON.stringify(value) ?? 'null'
    return Object.hasOwn(words, json) ? words[json as keyof Words] : json
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}: ${writeJson(item, words)}`).join(', ')}}`
}

/** What stands in a JSON string as it is: all but the quotation mark, the backslash and controls. */
export const PLAIN_CHARACTER = otherCharacters('"\\\0-\x1f')

/** One character of a JSON string, escaped ones too. */
export const stringCharacter = (rules: Rules) =>
  shared(rules, 'character', () =>
    choice(
      PLAIN_CHARACTER,
      sequence(text('\\'), choice(characters('"\\/bfnrt'), sequence(text('u'), repeat(characters('0-9a-fA-F'), 4, 4)))),
    ),
  )

export const anyString = (rules: Rules) => shared(rules, 'string', () => stringOf(rules, Number.POSITIVE_INFINITY))

/** A string of at most so many characters. */
export const stringOf = (rules: Rules, maxLength: number): Rule =>
  sequence(text('"'), repeat(stringCharacter(rules), 0, maxLength), text('"'))

/** Digits that every number of JavaScript keeps. */
const MAX_DIGITS = 15
const digits = (min: number, max: number) => repeat(characters('0-9'), min, max)
const wholePart = (most: number, least = 1) => {
  const positive = sequence(characters('1-9'), digits(least - 1, most - 1))
  return least > 1 ? positive : choice(text('0'), positive)
}

export const anyInteger = (rules: Rules) =>
  shared(rules, 'integer', () => sequence(optional(text('-')), wholePart(MAX_DIGITS)))

export const anyNumber = (rules: Rules) =>
  shared(rules, 'number', () => sequence(optional(text('-')), wholePart(MAX_DIGITS), fraction(), exponent()))

const fraction = () => optional(sequence(text('.'), digits(1, MAX_DIGITS)))
const exponent = () => optional(sequence(characters('eE'), optional(characters('+-')), digits(1, 2)))

/** Whole numbers of so small a range are written out. */
const MAX_LISTED = 128

/**
 * A number between two bounds. A small range is exact, but for the fraction at its ends; of a larger one the sign and the number of digits
 * are. The rest is for validation. Undefined: there is none.
 */
export function boundedNumber(rules: Rules, min: number, max: number, isInteger: boolean): Rule | undefined {
  if (min > max) return undefined
  if (min === -Infinity && max === Infinity) return isInteger ? anyInteger(rules) : anyNumber(rules)
  const [low, high] = [Math.ceil(min), Math.floor(max)]
  if (isInteger && low > high) return undefined
  if (isInteger && high - low < MAX_LISTED) {
    return choice(...Array.from({ length: high - low + 1 }, (_, index) => text(String(low + index))))
  }
  const options: Rule[] = []
  if (max >= 0) options.push(magnitude(Math.max(min, 0), max, isInteger))
  if (min < 0) options.push(sequence(text('-'), magnitude(Math.max(-max, 0), -min, isInteger)))
  return choice(...options)
}

function magnitude(from: number, to: number, isInteger: boolean): Rule {
  const [first, last] = [Math.floor(from), Math.floor(to)]
  if (isInteger || last - first >= MAX_LISTED) {
    const whole = wholePart(digitCount(to), digitCount(from))
    return isInteger ? whole : sequence(whole, fraction())
  }
  const inner = Array.from({ length: last - first + 1 }, (_, index) => text(String(first + index)))
  const end = to === last ? inner.pop() : undefined
  const options = inner.length > 0 ? [sequence(choice(...inner), fraction())] : []
  return choice(...options, ...(end ? [end] : []))
}

const digitCount = (value: number) => Math.min(String(Math.trunc(Math.min(value, 1e15))).length, MAX_DIGITS)

const two = (first: string, second = '0-9') => sequence(characters(first), characters(second))
const hex = (count: number) => repeat(characters('0-9a-f'), count, count)
const date = () =>
  sequence(
    repeat(characters('0-9'), 4, 4),
    text('-'),
    choice(two('0', '1-9'), two('1', '0-2')),
    text('-'),
    choice(two('0', '1-9'), two('12'), two('3', '01')),
  )
const time = () =>
  sequence(choice(two('01'), two('2', '0-3')), text(':'), two('0-5'), text(':'), two('0-5'), optional(seconds()))
const seconds = () => sequence(text('.'), digits(1, 6))
const zone = () =>
  choice(text('Z'), sequence(characters('+-'), choice(two('01'), two('2', '0-3')), text(':'), two('0-5')))
const octet = () =>
  choice(two('1-9'), characters('0-9'), sequence(text('1'), two('0-9')), sequence(text('2'), two('0-4')))

/** Strings of a `format` that a grammar can say. */
export const STRING_FORMATS: Readonly<Record<string, () => Rule>> = {
  date,
  time: () => sequence(time(), zone()),
  'date-time': () => sequence(date(), text('T'), time(), zone()),
  uuid: () => sequence(hex(8), text('-'), hex(4), text('-'), hex(4), text('-'), hex(4), text('-'), hex(12)),
  ipv4: () => sequence(octet(), text('.'), octet(), text('.'), octet(), text('.'), octet()),
}

/** Levels of objects and lists where a schema leaves everything open. */
const FREE_LEVELS = 3
const MAX_FREE_ITEMS = 16

/** Any JSON value of at most a few levels. */
export function anyValue(rules: Rules, levels = FREE_LEVELS): Rule {
  return shared(rules, `value-${levels}`, () => {
    const plain = [anyString(rules), anyNumber(rules), text('true'), text('false'), text('null')]
    if (levels === 0) return choice(...plain)
    return choice(...plain, anyObject(rules, levels), anyList(rules, levels))
  })
}

export const anyObject = (rules: Rules, levels = FREE_LEVELS): Rule =>
  mapOf(rules, levels > 0 ? anyValue(rules, levels - 1) : empty, 0, MAX_FREE_ITEMS)

export const anyList = (rules: Rules, levels = FREE_LEVELS): Rule =>
  listOf(anyValue(rules, Math.max(levels - 1, 0)), 0, MAX_FREE_ITEMS)

/** An object with keys of its own choice. */
export const mapOf = (rules: Rules, value: Rule, min: number, max: number): Rule =>
  bracketed('{', sequence(anyString(rules), text(': '), value), '}', min, max)

export const listOf = (item: Rule, min: number, max: number): Rule => bracketed('[', item, ']', min, max)

function bracketed(open: string, item: Rule, close: string, min: number, max: number): Rule {
  if (max <= 0) return text(open + close)
  const filled = sequence(item, repeat(sequence(text(', '), item), Math.max(min - 1, 0), max - 1))
  return sequence(text(open), min > 0 ? filled : optional(filled), text(close))
}

/** A class of characters without those that JSON escapes; undefined when none is left. */
export function plainRanges(ranges: readonly CharacterRange[]): CharacterRange[] {
  const allowed: CharacterRange[] = [
    [0x20, 0x21],
    [0x23, 0x5b],
    [0x5d, 0x10ffff],
  ]
  return ranges.flatMap(([from, to]) =>
    allowed.flatMap(([low, high]): CharacterRange[] =>
      Math.max(from, low) <= Math.min(to, high) ? [[Math.max(from, low), Math.min(to, high)]] : [],
    ),
  )
}
