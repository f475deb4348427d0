import { type CharacterRange, choice, type Rule, repeat, sequence, text } from './grammar.js'
import { PLAIN_CHARACTER, plainRanges, type Rules, stringCharacter } from './json-forms.js'

/** Repetitions beyond this are left to validation. */
const MAX_REPETITIONS = 256

/**
 * What a regular expression of a schema matches, as the content of a JSON string; characters that JSON would escape are only taken where
 * the expression names them. Undefined for one that a grammar cannot say (look-around, back references, word boundaries).
 */
export function patternRule(rules: Rules, pattern: string): Rule | undefined {
  try {
    return new PatternReader(rules, pattern).read()
  } catch (error) {
    if (error === UNSAID) return undefined
    throw error
  }
}

const UNSAID = Symbol('a grammar cannot say this')

const DIGIT: readonly CharacterRange[] = [[0x30, 0x39]]
const WORD: readonly CharacterRange[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]
const SPACE: readonly CharacterRange[] = [[0x20, 0x20]]
const CLASSES: Readonly<Record<string, readonly CharacterRange[]>> = { d: DIGIT, w: WORD, s: SPACE }
const CONTROLS: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f', v: '\v', 0: '\0' }

class PatternReader {
  readonly #rules: Rules
  readonly #points: readonly string[]
  #at = 0

  constructor(rules: Rules, pattern: string) {
    this.#rules = rules
    this.#points = Array.from(pattern)
  }

  read(): Rule {
    const rule = this.#readChoice(true)
    if (this.#at < this.#points.length) throw UNSAID
    return rule
  }

  #take(wanted: string): boolean {
    if (this.#points[this.#at] !== wanted) return false
    this.#at++
    return true
  }

  #readChoice(isOuter: boolean): Rule {
    const options = [this.#readSequence(isOuter)]
    while (this.#take('|')) options.push(this.#readSequence(isOuter))
    return choice(...options)
  }

  /** Outside of groups, what has no anchor may stand anywhere in the string. */
  #readSequence(isOuter: boolean): Rule {
    const items: Rule[] = []
    const anything = () => repeat(stringCharacter(this.#rules))
    if (isOuter && !this.#take('^')) items.push(anything())
    for (;;) {
      const next = this.#points[this.#at]
      if (next === undefined || next === '|' || next === ')') {
        if (isOuter) items.push(anything())
        return sequence(...items)
      }
      if (isOuter && next === '$') {
        this.#at++
        const after = this.#points[this.#at]
        if (after !== undefined && after !== '|') throw UNSAID
        return sequence(...items)
      }
      items.push(this.#readTimes(this.#readItem()))
    }
  }

  #readTimes(item: Rule): Rule {
    let rule = item
    if (this.#take('*')) rule = repeat(item)
    else if (this.#take('+')) rule = repeat(item, 1)
    else if (this.#take('?')) rule = repeat(item, 0, 1)
    else {
      const rest = this.#points.slice(this.#at, this.#at + 16).join('')
      const match = /^\{(\d+)(,(\d*))?\}/.exec(rest)
      if (!match) return item
      this.#at += match[0].length
      const min = Number(match[1])
      const max = match[2] === undefined ? min : match[3] === '' ? Number.POSITIVE_INFINITY : Number(match[3])
      if (min > max || min > MAX_REPETITIONS) throw UNSAID
      rule = repeat(item, min, max > MAX_REPETITIONS ? Number.POSITIVE_INFINITY : max)
    }
    this.#take('?')
    return rule
  }

  #readItem(): Rule {
    const character = this.#points[this.#at++] as string
    if (character === '(') return this.#readGroup()
    if (character === '[') return this.#readClass()
    if (character === '.') return PLAIN_CHARACTER
    if (character === '\\') return this.#readEscape()
    if ('^$*+?{'.includes(character)) throw UNSAID
    return literal(character)
  }

  #readGroup(): Rule {
    if (this.#take('?')) {
      if (this.#take('<')) {
        while (/\w/.test(this.#points[this.#at] ?? '')) this.#at++
        if (!this.#take('>')) throw UNSAID
      } else if (!this.#take(':')) {
        throw UNSAID
      }
    }
    const rule = this.#readChoice(false)
    if (!this.#take(')')) throw UNSAID
    return rule
  }

  #readEscape(): Rule {
    const letter = this.#points[this.#at++] ?? ''
    const known = CLASSES[letter.toLowerCase()]
    if (known !== undefined) return characterRule(known, letter !== letter.toLowerCase())
    return literal(this.#escaped(letter))
  }

  #escaped(letter: string): string {
    const control = CONTROLS[letter]
    if (control !== undefined) return control
    const digits = letter === 'x' ? 2 : letter === 'u' ? 4 : 0
    if (digits === 0 && /[a-z\d]/i.test(letter)) throw UNSAID
    if (digits === 0) return letter
    const code = this.#points.slice(this.#at, this.#at + digits).join('')
    if (!/^[\da-f]+$/i.test(code) || code.length < digits) throw UNSAID
    this.#at += digits
    return String.fromCodePoint(Number.parseInt(code, 16))
  }

  #readClass(): Rule {
    const isNegated = this.#take('^')
    const ranges: CharacterRange[] = []
    while (!this.#take(']')) {
      const from = this.#classItem()
      if (typeof from !== 'string') {
        ranges.push(...from)
        continue
      }
      const first = from.codePointAt(0) as number
      if (this.#points[this.#at] === '-' && this.#points[this.#at + 1] !== ']') {
        this.#at++
        const to = this.#classItem()
        if (typeof to !== 'string') throw UNSAID
        ranges.push([first, to.codePointAt(0) as number])
      } else {
        ranges.push([first, first])
      }
    }
    return characterRule(ranges, isNegated)
  }

  #classItem(): string | readonly CharacterRange[] {
    const character = this.#points[this.#at++]
    if (character === undefined) throw UNSAID
    if (character !== '\\') return character
    const letter = this.#points[this.#at++] ?? ''
    const known = CLASSES[letter]
    if (known !== undefined) return known
    if (letter === 'b') return '\b'
    return this.#escaped(letter)
  }
}

/** A character as it stands in a JSON string. */
const literal = (character: string) => text(JSON.stringify(character).slice(1, -1))

function characterRule(ranges: readonly CharacterRange[], isNegated: boolean): Rule {
  if (isNegated) {
    const escaped: CharacterRange[] = [
      [0x22, 0x22],
      [0x5c, 0x5c],
      [0, 0x1f],
    ]
    return { type: 'characters', ranges: [...escaped, ...ranges], isNegated: true }
  }
  const plain = plainRanges(ranges)
  const escaped = ['"', '\\', '\n', '\r', '\t'].filter((character) => {
    const point = character.codePointAt(0) as number
    return ranges.some(([from, to]) => from <= point && point <= to)
  })
  const options: Rule[] = escaped.map(literal)
  if (plain.length > 0) options.unshift({ type: 'characters', ranges: plain, isNegated: false })
  if (options.length === 0) throw UNSAID
  return choice(...options)
}
