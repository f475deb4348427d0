import type { JsonSchema } from '../../protocol/model.js'

/** A schema that is not `true` or `false`. */
export type SchemaObject = Readonly<Record<string, unknown>>

export const isSchemaObject = (value: unknown): value is SchemaObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A schema that both fit. What cannot be joined is taken from the second; validation has the last word. */
export function mergeSchemas(first: JsonSchema, second: JsonSchema): JsonSchema {
  if (first === false || second === false) return false
  if (first === true) return second
  if (second === true) return first
  const merged: Record<string, unknown> = { ...first, ...second }
  for (const key of Object.keys(first)) {
    if (key in second) merged[key] = mergeKeyword(key, first[key], second[key])
  }
  return merged
}

function mergeKeyword(key: string, first: unknown, second: unknown): unknown {
  switch (key) {
    case 'properties':
      return mergeProperties(first, second)
    case 'required':
      return [...new Set([...listOf(first), ...listOf(second)])]
    case 'enum':
      return listOf(first).filter((value) => listOf(second).some((other) => isSame(value, other)))
    case 'type':
      return mergeTypes(listOf(first), listOf(second))
    case 'allOf':
      return [...listOf(first), ...listOf(second)]
    case 'items':
    case 'additionalProperties':
      return mergeSchemas(first as JsonSchema, second as JsonSchema)
    default:
      return typeof first === 'number' && typeof second === 'number' ? stricter(key, first, second) : second
  }
}

function mergeProperties(first: unknown, second: unknown): SchemaObject {
  const merged: Record<string, unknown> = {}
  for (const [name, schema] of [...Object.entries(first ?? {}), ...Object.entries(second ?? {})]) {
    const known = Object.hasOwn(merged, name) ? (merged[name] as JsonSchema) : true
    Object.defineProperty(merged, name, {
      value: mergeSchemas(known, schema as JsonSchema),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return merged
}

function mergeTypes(first: readonly unknown[], second: readonly unknown[]): unknown[] {
  const has = (list: readonly unknown[], type: unknown) =>
    list.includes(type) || (type === 'integer' && list.includes('number'))
  return [...new Set([...first.filter((type) => has(second, type)), ...second.filter((type) => has(first, type))])]
}

const stricter = (key: string, first: number, second: number) =>
  key.startsWith('max') || key === 'exclusiveMaximum' ? Math.min(first, second) : Math.max(first, second)

const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value]

const isSame = (first: unknown, second: unknown) => JSON.stringify(first) === JSON.stringify(second)
