import { AlcoveError } from '../../protocol/error.js'
import { type CharacterRange, choice, type Grammar, type Rule, reference, repeat, sequence, text } from './grammar.js'

/** More repetitions than these are refused, as by llama.cpp. */
const MAX_REPETITIONS = 2_000
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

/**
 * Reads a grammar in llama.cpp's GBNF (`grammars/README.md` there): rules `name ::= …` with texts, classes, `.`, groups, `|`, `* + ? {m,n}`
 * and `#` comments.
 * @throws AlcoveError `invalid-argument` with the place of what cannot be read, or the name of a rule that is missing
 */
export function readGbnf(grammar: string): Grammar {
  const rules = new GbnfReader(grammar).read()
  if (!rules.has('root')) throw new AlcoveError('invalid-argument', "grammar: expected a rule named 'root', got none")
  for (const rule of rules.values()) checkNames(rule, rules)
  return { rules }
}

function checkNames(rule: Rule, rules: ReadonlyMap<string, Rule>): void {
  if (rule.type === 'reference' && !rules.has(rule.name)) {
    throw new AlcoveError('invalid-argument', `grammar: there is no rule '${rule.name}'`)
  }
  const inner = rule.type === 'sequence' ? rule.items : rule.type === 'choice' ? rule.options : []
  for (const part of rule.type === 'repeat' ? [rule.item] : inner) checkNames(part, rules)
}

class GbnfReader {
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  read(): Map<string, Rule> {
    const rules = new Map<string, Rule>()
    this.#skip(true)
    while (this.#at < this.#source.length) {
      const name = this.#readName()
      this.#skip(false)
      if (!this.#take('::=')) throw this.#expected("'::='")
      this.#skip(true)
      const rule = this.#readChoice(false)
      const earlier = rules.get(name)
      rules.set(name, earlier ? choice(earlier, rule) : rule)
      this.#skip(true)
    }
    return rules
  }

  #expected(what: string): AlcoveError {
    const found = JSON.stringify(this.#source.slice(this.#at, this.#at + 20) || 'the end')
    return new AlcoveError('invalid-argument', `grammar: expected ${what} at character ${this.#at}, got ${found}`)
  }

  #take(wanted: string): boolean {
    if (!this.#source.startsWith(wanted, this.#at)) return false
    this.#at += wanted.length
    return true
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#source)
    if (match) this.#at += match[0].length
    return match
  }

  /** White space and comments; new lines end a rule outside of groups. */
  #skip(isAcrossLines: boolean): void {
    this.#match(isAcrossLines ? /(?:\s|#[^\n\r]*)*/y : /(?:[ \t]|#[^\n\r]*)*/y)
  }

  #readName(): string {
    const match = this.#match(/[\w-]+/y)
    if (!match) throw this.#expected('the name of a rule')
    return match[0]
  }

  #readChoice(isNested: boolean): Rule {
    const options = [this.#readSequence(isNested)]
    while (this.#take('|')) {
      this.#skip(true)
      options.push(this.#readSequence(isNested))
    }
    return choice(...options)
  }

  #readSequence(isNested: boolean): Rule {
    const items: Rule[] = []
    for (;;) {
      const item = this.#readItem()
      if (item === undefined) return sequence(...items)
      this.#skip(isNested)
      items.push(this.#readTimes(item, isNested))
    }
  }

  #readItem(): Rule | undefined {
    if (this.#take('"')) return this.#readText()
    if (this.#take('[')) return this.#readClass()
    if (this.#take('.')) return { type: 'characters', ranges: [], isNegated: true }
    if (this.#take('(')) {
      this.#skip(true)
      const rule = this.#readChoice(true)
      if (!this.#take(')')) throw this.#expected("')'")
      return rule
    }
    // A name before '::=' begins the next rule.
    const name = this.#match(/[\w-]+(?![\w-]|[ \t]*::=)/y)
    return name ? reference(name[0]) : undefined
  }

  #readTimes(item: Rule, isNested: boolean): Rule {
    const match = this.#match(/[*+?]|\{\s*(\d+)\s*(,?)\s*(\d*)\s*\}/y)
    if (!match) return item
    this.#skip(isNested)
    if (match[0] === '*') return repeat(item)
    if (match[0] === '+') return repeat(item, 1)
    if (match[0] === '?') return repeat(item, 0, 1)
    const min = Number(match[1])
    const max = match[2] === '' ? min : match[3] === '' ? Number.POSITIVE_INFINITY : Number(match[3])
    if (min > max || min > MAX_REPETITIONS || (max !== Number.POSITIVE_INFINITY && max > MAX_REPETITIONS)) {
      throw this.#expected(`at most ${MAX_REPETITIONS} repetitions before here`)
    }
    return repeat(item, min, max)
  }

  #readText(): Rule {
    let value = ''
    while (!this.#take('"')) value += this.#readCharacter()
    return text(value)
  }

  #readClass(): Rule {
    const isNegated = this.#take('^')
    const ranges: CharacterRange[] = []
    while (!this.#take(']')) {
      const from = this.#readCharacter().codePointAt(0) as number
      const isRange = this.#source[this.#at] === '-' && this.#source[this.#at + 1] !== ']'
      if (isRange) this.#at++
      ranges.push([from, isRange ? (this.#readCharacter().codePointAt(0) as number) : from])
    }
    return { type: 'characters', ranges, isNegated }
  }

  #readCharacter(): string {
    const point = this.#source.codePointAt(this.#at)
    if (point === undefined) throw this.#expected('the end of a text or class')
    const character = String.fromCodePoint(point)
    this.#at += character.length
    if (character !== '\\') return character
    const letter = this.#source[this.#at++] ?? ''
    const digits = HEX_DIGITS[letter]
    if (digits === undefined) return ESCAPES[letter] ?? letter
    const code = this.#source.slice(this.#at, this.#at + digits)
    const value = /^[\da-f]+$/i.test(code) && code.length === digits ? Number.parseInt(code, 16) : Number.NaN
    if (!(value <= 0x10ffff)) throw this.#expected(`${digits} hexadecimal digits of a character`)
    this.#at += digits
    return String.fromCodePoint(value)
  }
}
