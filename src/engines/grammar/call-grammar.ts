import type { JsonSchema, ToolDescription } from '../../protocol/model.js'
import { choice, type Grammar, optional, type Rule, reference, repeat, sequence, text } from './grammar.js'
import type { Rules } from './json-forms.js'
import { addKeywordArguments, addSchema, type SchemaLimits } from './schema-grammar.js'

/** How a text format writes calls: everything that stands around names and arguments, to the character. */
export interface CallForm {
  /** Begins the first call. Free text must not have it. */
  readonly open: string
  /** Whether `open` counts only at the start of a line. @default false */
  readonly atLineStart?: boolean | undefined
  /** Stands between `open` and the first call. @default nothing */
  readonly afterOpen?: string | undefined
  /** Stands before a call's name. */
  readonly beforeName: string
  /** Stands between name and arguments. */
  readonly beforeArguments: string
  /** An object of JSON, or `name=value, …` as in Python. @default 'json' */
  readonly arguments?: 'json' | 'python' | undefined
  /** Ends a call. */
  readonly afterArguments: string
  /** Stands between two calls; undefined: only one call in a turn. */
  readonly between?: string | undefined
  /** Ends the last call. @default nothing */
  readonly close?: string | undefined
}

export interface CallGrammarOptions {
  /** Tools that may be called; at least one. */
  readonly tools: readonly ToolDescription[]
  readonly form: CallForm
  /** What may stand in place of calls: any text, which may also stand before the first call, or JSON that fits a schema. */
  readonly otherwise: 'text' | 'nothing' | { readonly schema: JsonSchema }
  /** @default 4 */
  readonly maxCalls?: number | undefined
  /** Most characters of a string argument whose schema sets no limit. @default no limit */
  readonly maxLength?: number | undefined
}

const DEFAULT_MAX_CALLS = 4
/** Items of a list in arguments, which are short. */
const MAX_ITEMS = 16

/**
 * Calls of tools with arguments that fit their schemas, as a grammar. After the last call the answer ends.
 * @throws AlcoveError `invalid-argument` for a schema that no arguments fit
 */
export function callGrammar(options: CallGrammarOptions): Grammar {
  const { tools, form, otherwise, maxCalls = DEFAULT_MAX_CALLS, maxLength } = options
  const limits = { maxItems: MAX_ITEMS, maxLength }
  const rules: Rules = new Map([['root', text('')]])
  rules.set('call', choice(...tools.map((tool) => callRule(rules, tool, form, limits))))
  const call = reference('call')
  const { open, atLineStart = false, afterOpen = '', between, close = '' } = form
  const more = between === undefined ? text('') : repeat(sequence(text(between), call), 0, Math.max(maxCalls - 1, 0))
  rules.set('calls', sequence(text(afterOpen), call, more, text(close)))
  const calls = sequence(text(open), reference('calls'))
  if (otherwise === 'nothing') rules.set('root', calls)
  else if (otherwise === 'text') rules.set('root', textBefore(rules, open, reference('calls'), atLineStart))
  else rules.set('root', choice(calls, addSchema(rules, otherwise.schema)))
  return { rules }
}

function callRule(rules: Rules, { name, inputSchema }: ToolDescription, form: CallForm, limits: SchemaLimits): Rule {
  const head = `${form.beforeName}${JSON.stringify(name).slice(1, -1)}${form.beforeArguments}`
  const add = form.arguments === 'python' ? addKeywordArguments : addSchema
  return sequence(text(head), add(rules, inputSchema, limits), text(form.afterArguments))
}

/**
 * Free text that ends, or goes on with `next` as soon as it has `mark`: one rule for each length of the mark that the text ends with now
 * (the automaton of Knuth, Morris and Pratt). At the start of a line the mark has the line break before it, and the text begins after one.
 */
function textBefore(rules: Rules, mark: string, next: Rule, atLineStart: boolean): Rule {
  const characters = Array.from(atLineStart ? `\n${mark}` : mark)
  const name = (length: number) => `text-${length}`
  const fallback = (length: number, character: string) => {
    const read = [...characters.slice(0, length), character]
    for (let kept = length; kept > 0; kept--) {
      if (read.slice(-kept).join('') === characters.slice(0, kept).join('')) return kept
    }
    return 0
  }
  for (let length = 0; length < characters.length; length++) {
    const wanted = characters[length] as string
    const after = length + 1 === characters.length ? next : reference(name(length + 1))
    const options: Rule[] = [sequence(text(wanted), after)]
    const told = [wanted]
    for (const character of new Set(characters)) {
      const kept = character === wanted ? 0 : fallback(length, character)
      if (kept === 0) continue
      told.push(character)
      options.push(sequence(text(character), reference(name(kept))))
    }
    const ranges = told.map((character): [number, number] => {
      const point = character.codePointAt(0) as number
      return [point, point]
    })
    options.push(sequence({ type: 'characters', ranges, isNegated: true }, reference(name(0))))
    rules.set(name(length), optional(choice(...options)))
  }
  return reference(name(atLineStart ? 1 : 0))
}
