import { AlcoveError } from '../../protocol/error.js'
import type { JsonSchema } from '../../protocol/model.js'
import { choice, type Grammar, optional, type Rule, reference, repeat, sequence, text } from './grammar.js'
import {
  anyList,
  anyObject,
  anyString,
  anyValue,
  boundedNumber,
  JSON_WORDS,
  listOf,
  mapOf,
  PYTHON_WORDS,
  type Rules,
  STRING_FORMATS,
  shared,
  stringCharacter,
  stringOf,
  type Words,
  writeJson,
} from './json-forms.js'
import { patternRule } from './pattern-grammar.js'
import { ANNOTATIONS, boundsOf, countOf, isOfType, typesOf } from './schema-keywords.js'
import { isSchemaObject, mergeSchemas, type SchemaObject } from './schema-merge.js'
import { MAX_RECURSIONS, resolveReference, SchemaReferences } from './schema-references.js'

/** Items of a list, or entries of a map, whose schema sets no limit: a small model would go on for ever. */
const MAX_ITEMS = 64
const MOST_ITEMS = 256
/** A longer string is held to its length by validation: a grammar needs a rule for each character. */
const MAX_COUNTED = 256
const MAX_RULES = 20_000

/** Limits where a schema sets none. */
export interface SchemaLimits {
  /** Items of a list, entries of a map. @default 64 */
  readonly maxItems?: number | undefined
  /** Characters of a string, at most 256. @default no limit */
  readonly maxLength?: number | undefined
}

/**
 * The JSON texts that fit a schema (draft 2020-12, and `definitions` of older ones) as a grammar. Keys stand in the order of the
 * schema, and the only white space is one space after each colon and comma. What a grammar cannot say (such as `not`, `uniqueItems`,
 * `multipleOf`, keys beside the declared ones) is left to validation; lists, recursion and the digits of numbers are bounded.
 * @throws AlcoveError `invalid-argument` for a schema that nothing fits, that refers to nowhere, or that is too large
 */
export function schemaGrammar(schema: JsonSchema): Grammar {
  const rules: Rules = new Map()
  // First, so that it is the first line of the text.
  rules.set('root', text(''))
  rules.set('root', addSchema(rules, schema))
  return { rules }
}

/**
 * Adds what a schema needs to the rules of a larger grammar.
 * @returns the rule for one value
 * @throws AlcoveError as `schemaGrammar`
 */
export function addSchema(rules: Rules, schema: JsonSchema, limits: SchemaLimits = {}): Rule {
  const rule = new SchemaWriter(rules, schema, limits).write(schema, 0)
  if (rule === undefined) {
    throw new AlcoveError('invalid-argument', 'schema: nothing fits it', {
      hint: 'Look for `false`, an empty `enum`, or limits that exclude each other.',
    })
  }
  return rule
}

/**
 * Adds the arguments of a call in Python, `city="Paris", days=3`, without the brackets. Values that a schema leaves open are JSON.
 * @throws AlcoveError as `schemaGrammar`, and for a schema that is not an object of named arguments
 */
export function addKeywordArguments(rules: Rules, schema: JsonSchema, limits: SchemaLimits = {}): Rule {
  const rule = new SchemaWriter(rules, schema, limits, PYTHON_WORDS).writeKeywords()
  if (rule !== undefined) return rule
  throw new AlcoveError('invalid-argument', 'schema: expected an object whose keys can be names of arguments')
}

const IDENTIFIER = /^[A-Za-z_]\w*$/

/** Writes one document. Undefined stands for a value that cannot be. */
class SchemaWriter {
  readonly #rules: Rules
  readonly #document: JsonSchema
  readonly #words: Words
  readonly #maxItems: number
  readonly #maxLength: number
  readonly #references: SchemaReferences
  /** Rules of schemas that were met, by how often recursion was entered before. */
  readonly #known: Map<SchemaObject, Rule | undefined>[] = []

  constructor(rules: Rules, document: JsonSchema, limits: SchemaLimits, words = JSON_WORDS) {
    this.#rules = rules
    this.#document = document
    this.#references = new SchemaReferences(document)
    this.#words = words
    this.#maxItems = limits.maxItems ?? MAX_ITEMS
    this.#maxLength =
      limits.maxLength === undefined ? Number.POSITIVE_INFINITY : Math.min(limits.maxLength, MAX_COUNTED)
  }

  /** The entries of the document's object as `name=value`. */
  writeKeywords(): Rule | undefined {
    const schema = this.#references.resolve(this.#document)
    if (!isSchemaObject(schema) || !typesOf(schema).includes('object')) return undefined
    const entries = this.#entriesOf(schema, 0)
    if (entries === undefined || entries.some(({ name }) => !IDENTIFIER.test(name))) return undefined
    return entries.length === 0 ? text('') : this.#writeEntries(entries, (name) => `${name}=`)
  }

  write(schema: JsonSchema, recursions: number): Rule | undefined {
    if (schema === false) return undefined
    if (!isSchemaObject(schema)) return anyValue(this.#rules)
    this.#known[recursions] ??= new Map()
    const known = this.#known[recursions] as Map<SchemaObject, Rule | undefined>
    if (!known.has(schema)) known.set(schema, this.#name(this.#writeNew(schema, recursions)))
    return known.get(schema)
  }

  /** Long rules get a name, so that they stand once however often they are used. */
  #name(rule: Rule | undefined): Rule | undefined {
    if (rule === undefined || rule.type === 'text' || rule.type === 'reference') return rule
    if (this.#rules.size > MAX_RULES) {
      throw new AlcoveError('invalid-argument', `schema: expected at most ${MAX_RULES} rules, and it needs more`, {
        hint: 'Make the schema simpler, or split the tool.',
      })
    }
    const name = `r${this.#rules.size}`
    this.#rules.set(name, rule)
    return reference(name)
  }

  #writeNew(schema: SchemaObject, recursions: number): Rule | undefined {
    const { $ref, allOf, anyOf, oneOf, ...rest } = schema
    if (typeof $ref === 'string')
      return this.#writeReference($ref, { ...rest, ...pick({ allOf, anyOf, oneOf }) }, recursions)
    if (Array.isArray(allOf)) {
      const next = recursions + (allOf.some((part) => this.#references.refersBack(part)) ? 1 : 0)
      if (next > MAX_RECURSIONS) return undefined
      const joined = allOf
        .map((part) => this.#references.resolve(part))
        .reduce(mergeSchemas, { ...rest, ...pick({ anyOf, oneOf }) })
      return this.write(joined, next)
    }
    const options = Array.isArray(anyOf) ? anyOf : Array.isArray(oneOf) ? oneOf : undefined
    if (options !== undefined) {
      const also = anyOf && oneOf ? { oneOf } : {}
      return this.#choose(options.map((option) => this.#joinOption(option, { ...rest, ...also }, recursions)))
    }
    if ('const' in schema) return text(writeJson(schema.const, this.#words))
    if (Array.isArray(schema.enum)) return this.#writeEnum(schema.enum, schema)
    return this.#choose(typesOf(schema).map((type) => this.#writeType(type, schema, recursions)))
  }

  #choose(options: readonly (Rule | undefined)[]): Rule | undefined {
    const possible = options.filter((option) => option !== undefined)
    return possible.length === 0 ? undefined : choice(...possible)
  }

  /** An option of a union, with what holds for all of them. An option alone keeps its identity, by which recursion is known. */
  #joinOption(option: unknown, rest: SchemaObject, recursions: number): Rule | undefined {
    const own = option as JsonSchema
    const keys = Object.keys(rest).filter((key) => !ANNOTATIONS.has(key))
    if (keys.length === 0) return this.write(own, recursions)
    const next = recursions + (this.#references.refersBack(own) ? 1 : 0)
    return next > MAX_RECURSIONS ? undefined : this.write(mergeSchemas(rest, this.#references.resolve(own)), next)
  }

  #writeReference(target: string, rest: SchemaObject, recursions: number): Rule | undefined {
    const next = this.#references.isRecursive(target) ? recursions + 1 : recursions
    if (next > MAX_RECURSIONS) return undefined
    const resolved = resolveReference(this.#document, target)
    const hasMore = Object.keys(rest).some((key) => !ANNOTATIONS.has(key))
    return this.write(hasMore ? mergeSchemas(this.#references.resolve(resolved), rest) : resolved, next)
  }

  #writeEnum(values: readonly unknown[], schema: SchemaObject): Rule | undefined {
    const types = schema.type === undefined ? undefined : typesOf(schema)
    const fitting = values.filter((value) => types === undefined || types.some((type) => isOfType(value, type)))
    return this.#choose([...new Set(fitting.map((value) => writeJson(value, this.#words)))].map(text))
  }

  #writeType(type: string, schema: SchemaObject, recursions: number): Rule | undefined {
    switch (type) {
      case 'string':
        return this.#writeString(schema)
      case 'integer':
      case 'number':
        return boundedNumber(this.#rules, ...boundsOf(schema, type === 'integer'), type === 'integer')
      case 'boolean':
        return choice(text(this.#words.true), text(this.#words.false))
      case 'null':
        return text(this.#words.null)
      case 'array':
        return this.#writeList(schema, recursions)
      case 'object':
        return this.#writeObject(schema, recursions)
      default:
        throw new AlcoveError('invalid-argument', `schema: expected a JSON type, got '${type}'`)
    }
  }

  #writeString(schema: SchemaObject): Rule | undefined {
    const { pattern, format } = schema
    const form =
      typeof format === 'string' && Object.hasOwn(STRING_FORMATS, format) ? STRING_FORMATS[format] : undefined
    const byPattern = typeof pattern === 'string' ? patternRule(this.#rules, pattern) : undefined
    const content = byPattern ?? form?.()
    if (content !== undefined) return sequence(text('"'), content, text('"'))
    const min = Math.min(countOf(schema.minLength, 0), MAX_COUNTED)
    const max = countOf(schema.maxLength, Math.max(this.#maxLength, min))
    if (min > max) return undefined
    const limit = max <= MAX_COUNTED ? max : Number.POSITIVE_INFINITY
    if (min === 0 && limit === Number.POSITIVE_INFINITY) return anyString(this.#rules)
    if (min === 0) return shared(this.#rules, `string-${limit}`, () => stringOf(this.#rules, limit))
    return sequence(text('"'), repeat(stringCharacter(this.#rules), min, limit), text('"'))
  }

  #writeList(schema: SchemaObject, recursions: number): Rule | undefined {
    const { prefixItems, items: given } = schema
    const isTuple = Array.isArray(prefixItems) || Array.isArray(given)
    const first = (Array.isArray(prefixItems) ? prefixItems : Array.isArray(given) ? given : []) as JsonSchema[]
    const rest = (Array.isArray(given) ? (schema.additionalItems ?? true) : (given ?? true)) as JsonSchema
    const min = Math.min(countOf(schema.minItems, 0), MOST_ITEMS)
    const max = Math.max(Math.min(countOf(schema.maxItems, this.#maxItems), MOST_ITEMS), min)
    if (countOf(schema.minItems, 0) > countOf(schema.maxItems, Number.POSITIVE_INFINITY)) return undefined
    if (isTuple && first.length > 0) {
      const least = schema.minItems === undefined ? Math.min(first.length, max) : min
      // As with keys: what is not described is not written, though it may be there.
      const isOpen = (Array.isArray(given) ? schema.additionalItems : given) !== undefined || min > first.length
      return this.#writeTuple(first, isOpen ? rest : false, { min, least, max, recursions })
    }
    if (rest === true || (isSchemaObject(rest) && Object.keys(rest).length === 0)) {
      return min === 0 && schema.maxItems === undefined ? anyList(this.#rules) : listOf(anyValue(this.#rules), min, max)
    }
    const item = this.write(rest, recursions)
    if (item === undefined) return min > 0 ? undefined : text('[]')
    return listOf(item, min, max)
  }

  #writeTuple(
    first: readonly JsonSchema[],
    rest: JsonSchema,
    { min, least, max, recursions }: TupleLimits,
  ): Rule | undefined {
    const items = first.slice(0, max).map((schema) => this.write(schema, recursions))
    const possible = items.includes(undefined) ? items.indexOf(undefined) : items.length
    if (possible < min && possible < items.length) return undefined
    const more = possible === items.length && max > items.length ? this.write(rest, recursions) : undefined
    if (more === undefined && min > possible) return undefined
    let tail: Rule =
      more === undefined ? text('') : repeat(sequence(text(', '), more), Math.max(min - possible, 0), max - possible)
    for (let at = possible - 1; at >= 0; at--) {
      const inner = sequence(at > 0 ? text(', ') : text(''), items[at] as Rule, tail)
      tail = at >= Math.min(least, possible) ? optional(inner) : inner
    }
    return sequence(text('['), tail, text(']'))
  }

  #writeObject(schema: SchemaObject, recursions: number): Rule | undefined {
    // A tool that takes nothing is often described by no properties, without a word on others.
    const isOpen = schema.properties === undefined || schema.additionalProperties !== undefined
    const hasKeys = [schema.properties, schema.required].some((keys) => Object.keys(keys ?? {}).length > 0)
    if (!hasKeys && isOpen) {
      return this.#writeMap(schema, (schema.additionalProperties ?? true) as JsonSchema, recursions)
    }
    const entries = this.#entriesOf(schema, recursions)
    if (entries === undefined) return undefined
    if (entries.length === 0) return text('{}')
    return sequence(
      text('{'),
      this.#writeEntries(entries, (name) => `${JSON.stringify(name)}: `),
      text('}'),
    )
  }

  /** The declared keys that can be, in order; undefined when one that is required cannot. */
  #entriesOf(schema: SchemaObject, recursions: number): Entry[] | undefined {
    const properties = new Map(Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>))
    const required = new Set(Array.isArray(schema.required) ? (schema.required as string[]) : [])
    const more = (schema.additionalProperties ?? true) as JsonSchema
    for (const name of required) if (!properties.has(name)) properties.set(name, more)
    const entries: Entry[] = []
    for (const [name, property] of properties) {
      const value = this.write(property, recursions)
      if (value !== undefined) entries.push({ name, value, isRequired: required.has(name) })
      else if (required.has(name)) return undefined
    }
    return entries
  }

  #writeMap(schema: SchemaObject, value: JsonSchema, recursions: number): Rule | undefined {
    const min = Math.min(countOf(schema.minProperties, 0), MOST_ITEMS)
    const max = Math.max(Math.min(countOf(schema.maxProperties, this.#maxItems), MOST_ITEMS), min)
    const patterns = isSchemaObject(schema.patternProperties) ? Object.entries(schema.patternProperties) : []
    const [byPattern] = patterns
    if (value === true && byPattern === undefined && min === 0) return anyObject(this.#rules)
    if (byPattern !== undefined) return this.#writePatternMap(byPattern, { min, max, recursions })
    const rule = this.write(value, recursions)
    if (rule === undefined) return min > 0 ? undefined : text('{}')
    return mapOf(this.#rules, rule, min, max)
  }

  #writePatternMap(
    [pattern, schema]: readonly [string, unknown],
    { min, max, recursions }: { readonly min: number; readonly max: number; readonly recursions: number },
  ): Rule | undefined {
    const value = this.write(schema as JsonSchema, recursions)
    const key = patternRule(this.#rules, pattern)
    if (value === undefined) return min > 0 ? undefined : text('{}')
    if (key === undefined) return mapOf(this.#rules, value, min, max)
    const entry = sequence(text('"'), key, text('": '), value)
    const filled = sequence(entry, repeat(sequence(text(', '), entry), Math.max(min - 1, 0), max - 1))
    return sequence(text('{'), min > 0 ? filled : optional(filled), text('}'))
  }

  /** Keys in order; a comma stands before every one but the first that is there. */
  #writeEntries(entries: readonly Entry[], writeKey: (name: string) => string): Rule {
    const written = entries.map(({ name, value }) => sequence(text(writeKey(name)), value))
    const tails: Rule[] = []
    let tail: Rule = text('')
    for (let at = entries.length - 1; at >= 0; at--) {
      tails[at] = tail
      const next = sequence(text(', '), written[at] as Rule)
      const isRequired = entries[at]?.isRequired === true
      tail = this.#name(sequence(isRequired ? next : optional(next), tail)) as Rule
    }
    const firstRequired = entries.findIndex(({ isRequired }) => isRequired)
    const starts = firstRequired < 0 ? entries.length : firstRequired + 1
    const options = written.slice(0, starts).map((entry, at) => sequence(entry, tails[at] as Rule))
    return firstRequired < 0 ? optional(choice(...options)) : choice(...options)
  }
}

interface TupleLimits {
  readonly min: number
  /** Items that are always written: all that are described, unless the schema says from how many on it fits. */
  readonly least: number
  readonly max: number
  readonly recursions: number
}

interface Entry {
  readonly name: string
  readonly value: Rule
  readonly isRequired: boolean
}

const pick = (fields: SchemaObject) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
