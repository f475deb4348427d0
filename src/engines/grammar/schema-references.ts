import { AlcoveError } from '../../protocol/error.js'
import type { JsonSchema } from '../../protocol/model.js'
import { isSchemaObject, mergeSchemas } from './schema-merge.js'

/** How deep a schema that refers to itself is followed. */
export const MAX_RECURSIONS = 4

/** The references of one document. */
export class SchemaReferences {
  readonly #document: JsonSchema
  readonly #recursive = new Map<string, boolean>()

  constructor(document: JsonSchema) {
    this.#document = document
  }

  /** A schema without a reference at its top. */
  resolve(schema: unknown, steps = 0): JsonSchema {
    if (!isSchemaObject(schema) || typeof schema.$ref !== 'string') return schema as JsonSchema
    const { $ref, ...rest } = schema
    if (steps > MAX_RECURSIONS) throw endless($ref)
    return mergeSchemas(this.resolve(resolveReference(this.#document, $ref), steps + 1), rest)
  }

  /** Whether following a reference leads back to it. */
  isRecursive(target: string): boolean {
    const known = this.#recursive.get(target)
    if (known !== undefined) return known
    const reached = new Set<string>()
    const open = [target]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const inner of referencesIn(resolveReference(this.#document, at))) {
        if (reached.has(inner)) continue
        reached.add(inner)
        open.push(inner)
      }
    }
    this.#recursive.set(target, reached.has(target))
    return reached.has(target)
  }

  /** Whether a schema is such a reference. */
  refersBack(schema: unknown): boolean {
    return isSchemaObject(schema) && typeof schema.$ref === 'string' && this.isRecursive(schema.$ref)
  }
}

/**
 * What a `$ref` points to in its document: a JSON pointer, or an `$anchor`.
 * @throws AlcoveError `invalid-argument` when there is no such place
 */
export function resolveReference(document: JsonSchema, target: string): JsonSchema {
  const found = target.startsWith('#') ? lookUp(document, decode(target.slice(1))) : undefined
  if (typeof found === 'boolean' || isSchemaObject(found)) return found
  throw new AlcoveError('invalid-argument', `schema: expected $ref to point into the schema, got '${target}'`, {
    hint: "References must stay in the same schema, such as '#/$defs/Address'.",
  })
}

function decode(target: string): string {
  try {
    return decodeURIComponent(target)
  } catch {
    return target
  }
}

function lookUp(document: unknown, pointer: string): unknown {
  if (pointer !== '' && !pointer.startsWith('/')) return findAnchor(document, pointer)
  let place: unknown = document
  for (const step of pointer.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
    place =
      typeof place === 'object' && place !== null && Object.hasOwn(place, key) ? Reflect.get(place, key) : undefined
  }
  return place
}

function findAnchor(place: unknown, name: string): unknown {
  if (typeof place !== 'object' || place === null) return undefined
  if (Reflect.get(place, '$anchor') === name) return place
  for (const inner of Object.values(place)) {
    const found = findAnchor(inner, name)
    if (found !== undefined) return found
  }
  return undefined
}

/** Every `$ref` inside a schema. */
function referencesIn(schema: unknown, found: Set<string> = new Set()): Set<string> {
  if (typeof schema !== 'object' || schema === null) return found
  for (const [key, value] of Object.entries(schema)) {
    if (key === '$ref' && typeof value === 'string') found.add(value)
    else if (key !== '$defs' && key !== 'definitions') referencesIn(value, found)
  }
  return found
}

function endless(target: string): AlcoveError {
  return new AlcoveError('invalid-argument', `schema: '${target}' refers to itself and to nothing else`)
}
