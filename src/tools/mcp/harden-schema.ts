import type { JsonSchema } from '../../protocol/model.js'
import { type Fields, fieldsOf } from './wire.js'
import { plainWords } from './words.js'

const MAX_NODES = 2_000
const MAX_DEPTH = 24
/** Checks that one input may cost: references are followed as often as they stand, so that a short schema cannot ask for millions. */
const MAX_COST = 20_000
const TYPES = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'])

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const ONE = new Set([
  'items',
  'additionalProperties',
  'contains',
  'not',
  'if',
  'then',
  'else',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
])
const LIST = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems'])
const NAMED = new Set(['properties', '$defs', 'definitions', 'dependentSchemas'])
/** Left out: a stranger's regular expression could hold up the page for ever. The server checks them itself. */
const PATTERNS = new Set([
  'pattern',
  'patternProperties',
  '$schema',
  '$id',
  '$anchor',
  '$dynamicRef',
  '$dynamicAnchor',
  '$recursiveRef',
  '$recursiveAnchor',
  '$vocabulary',
  'examples',
])

/**
 * A stranger's JSON Schema as one that may be put before a model and checked against on the page: bounded, its words on one line, without
 * regular expressions.
 *
 * @throws Error with a sentence that says what is wrong
 */
export function hardenSchema(schema: unknown): JsonSchema {
  let nodes = 0
  const copy = (node: unknown, depth: number): unknown => {
    if (typeof node === 'boolean') return node
    if (++nodes > MAX_NODES || depth > MAX_DEPTH) throw new Error('its schema is too large')
    if (typeof node !== 'object' || node === null || Array.isArray(node)) throw new Error('a schema in it is no object')
    const made: [string, unknown][] = []
    for (const [key, value] of Object.entries(node)) {
      if (key === 'pattern' && typeof value === 'string') made.push(['x-pattern', plainWords(value, 100)])
      if (PATTERNS.has(key)) continue
      made.push([key, copyKeyword(key, value, (child) => copy(child, depth + 1))])
    }
    return Object.fromEntries(made)
  }
  const made = fieldsOf(copy(schema, 0))
  if (made.type !== undefined && made.type !== 'object') throw new Error('its schema is for no object')
  checkCost(made)
  return { type: 'object', ...made }
}

function copyKeyword(key: string, value: unknown, copy: (node: unknown) => unknown): unknown {
  if (ONE.has(key)) return Array.isArray(value) ? value.map(copy) : copy(value)
  if (LIST.has(key)) {
    if (!Array.isArray(value)) throw new Error(`${key} is no list`)
    return value.map(copy)
  }
  if (NAMED.has(key)) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${key} is no object`)
    return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, copy(child)]))
  }
  return copyPlain(key, value)
}

function copyPlain(key: string, value: unknown): unknown {
  if (key === 'type') {
    const types = Array.isArray(value) ? value : [value]
    if (!types.every((type) => TYPES.has(type))) throw new Error(`'${plainWords(String(value), 40)}' is no type`)
  }
  if (key === 'required' && !(Array.isArray(value) && value.every((name) => typeof name === 'string'))) {
    throw new Error('required is no list of names')
  }
  if (key === 'enum' && !Array.isArray(value)) throw new Error('enum is no list')
  if (key === '$ref' && !(typeof value === 'string' && /^#(?:$|\/)/.test(value))) {
    throw new Error('it refers to a schema elsewhere')
  }
  if (key === 'description' || key === 'title' || key === '$comment') return plainWords(value, 1_000)
  if (JSON.stringify(value ?? null).length > 50_000) throw new Error(`${key} is too long`)
  return value
}

/** Follows references as a check does. One that leads back into itself without going down into the input never ends. */
function checkCost(root: Fields): void {
  const known = new Map<unknown, number>()
  const open = new Set<unknown>()
  const costOf = (node: unknown): number => {
    if (typeof node !== 'object' || node === null) return 1
    const before = known.get(node)
    if (before !== undefined) return before
    // A loop: it goes on only as deep as the input does.
    if (open.has(node)) return 1
    open.add(node)
    let cost = 1
    const { $ref } = fieldsOf(node)
    if (typeof $ref === 'string') cost += costOf(resolve(root, $ref))
    for (const [key, value] of Object.entries(node)) {
      if (key === '$defs' || key === 'definitions') continue
      if (ONE.has(key) || LIST.has(key))
        for (const child of Array.isArray(value) ? value : [value]) cost += costOf(child)
      if (NAMED.has(key)) for (const child of Object.values(fieldsOf(value))) cost += costOf(child)
      if (cost > MAX_COST) throw new Error('its schema refers to itself too often')
    }
    open.delete(node)
    known.set(node, cost)
    return cost
  }
  costOf(root)
}

function resolve(root: Fields, pointer: string): unknown {
  const keys = pointer.split('/').slice(1)
  let at: unknown = root
  for (const key of keys) {
    const name = decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~')
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, name) ? (at as Fields)[name] : undefined
  }
  if (at === undefined) throw new Error(`${plainWords(pointer, 60)} is not in its schema`)
  return at
}
