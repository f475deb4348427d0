import type { CharacterRange, Grammar, Rule } from './grammar.js'

/**
 * A grammar as text that llama.cpp (GBNF) and xgrammar (its EBNF) both read: what is written here is where the two agree. Times that a
 * thing may stand are `{m,n}`; characters beyond ASCII and controls are `\uNNNN` or `\UNNNNNNNN` (xgrammar's `\x` takes any number of digits).
 */
export function writeGrammar({ rules }: Grammar): string {
  const lines = [...rules].map(([name, rule]) => `${name} ::= ${writeChoice(rule)}`)
  return lines.join('\n')
}

function writeChoice(rule: Rule): string {
  return rule.type === 'choice' ? rule.options.map(writeSequence).join(' | ') : writeSequence(rule)
}

function writeSequence(rule: Rule): string {
  if (rule.type === 'sequence') return rule.items.map(writeItem).join(' ')
  return writeItem(rule)
}

function writeItem(rule: Rule): string {
  switch (rule.type) {
    case 'text':
      return `"${Array.from(rule.text, (character) => escapeText(character)).join('')}"`
    case 'characters':
      return `[${rule.isNegated ? '^' : ''}${rule.ranges.map(writeRange).join('')}]`
    case 'reference':
      return rule.name
    case 'repeat':
      return writeItem(rule.item) + writeTimes(rule.min, rule.max)
    default:
      return `(${writeChoice(rule)})`
  }
}

function writeTimes(min: number, max: number): string {
  if (max === Number.POSITIVE_INFINITY) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`
  if (min === 0 && max === 1) return '?'
  return min === max ? `{${min}}` : `{${min},${max}}`
}

const writeRange = ([from, to]: CharacterRange) =>
  from === to ? escapeClass(from) : `${escapeClass(from)}-${escapeClass(to)}`

function escapeText(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  return escapePoint(character.codePointAt(0) as number)
}

function escapeClass(point: number): string {
  // A hyphen, a bracket or a caret means something inside a class.
  return '"\\]-^['.includes(String.fromCodePoint(point)) ? hex('u', point, 4) : escapePoint(point)
}

function escapePoint(point: number): string {
  if (point === 0x0a) return '\\n'
  if (point === 0x0d) return '\\r'
  if (point === 0x09) return '\\t'
  if (point >= 0x20 && point < 0x7f) return String.fromCodePoint(point)
  return point <= 0xffff ? hex('u', point, 4) : hex('U', point, 8)
}

const hex = (letter: string, point: number, digits: number) => `\\${letter}${point.toString(16).padStart(digits, '0')}`
