/** One thing that a text may consist of. Characters are Unicode code points. */
export type Rule =
  | { readonly type: 'text'; readonly text: string }
  /** One character of these ranges (both ends belong to them), or of none of them. */
  | { readonly type: 'characters'; readonly ranges: readonly CharacterRange[]; readonly isNegated: boolean }
  | { readonly type: 'sequence'; readonly items: readonly Rule[] }
  | { readonly type: 'choice'; readonly options: readonly Rule[] }
  | { readonly type: 'repeat'; readonly item: Rule; readonly min: number; readonly max: number }
  | { readonly type: 'reference'; readonly name: string }

export type CharacterRange = readonly [from: number, to: number]

/** A context-free grammar: what builders make, engines get as text, and the acceptor reads. Begins at the rule `root`. */
export interface Grammar {
  /** Names have letters, digits and `-` only. */
  readonly rules: ReadonlyMap<string, Rule>
}

export const text = (value: string): Rule => ({ type: 'text', text: value })
export const reference = (name: string): Rule => ({ type: 'reference', name })
export const empty: Rule = text('')

/** One character after the other; texts that follow each other become one. */
export function sequence(...items: readonly Rule[]): Rule {
  const joined: Rule[] = []
  for (const item of items.flatMap((rule) => (rule.type === 'sequence' ? rule.items : [rule]))) {
    const last = joined.at(-1)
    if (item.type === 'text' && item.text === '') continue
    if (item.type === 'text' && last?.type === 'text') joined[joined.length - 1] = text(last.text + item.text)
    else joined.push(item)
  }
  if (joined.length === 0) return empty
  return joined.length === 1 ? (joined[0] as Rule) : { type: 'sequence', items: joined }
}

export function choice(...options: readonly Rule[]): Rule {
  return options.length === 1 ? (options[0] as Rule) : { type: 'choice', options }
}

export function repeat(item: Rule, min = 0, max = Number.POSITIVE_INFINITY): Rule {
  if (max === 0) return empty
  return min === 1 && max === 1 ? item : { type: 'repeat', item, min, max }
}

export const optional = (item: Rule): Rule => repeat(item, 0, 1)

/** One of the characters of a text, or of its ranges written as `a-z`. */
export function characters(pattern: string): Rule {
  return { type: 'characters', ranges: rangesOf(pattern), isNegated: false }
}

/** One character that is none of these. */
export function otherCharacters(pattern: string): Rule {
  return { type: 'characters', ranges: rangesOf(pattern), isNegated: true }
}

function rangesOf(pattern: string): CharacterRange[] {
  const points = Array.from(pattern, (character) => character.codePointAt(0) as number)
  const ranges: CharacterRange[] = []
  for (let at = 0; at < points.length; at++) {
    const from = points[at] as number
    const isRange = points[at + 1] === 0x2d && at + 2 < points.length
    ranges.push([from, isRange ? (points[at + 2] as number) : from])
    if (isRange) at += 2
  }
  return ranges
}
