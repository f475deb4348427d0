import { isSchemaObject, type SchemaObject } from './schema-merge.js'

const JSON_TYPES = ['string', 'number', 'boolean', 'null', 'array', 'object']
/** Keywords that say nothing about what fits. */
export const ANNOTATIONS = new Set([
  ...['title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', 'discriminator'],
  ...['$schema', '$id', '$anchor', '$comment', '$defs', 'definitions'],
])

/** The types of a schema; without `type`, those that its other keywords speak of. */
export function typesOf(schema: SchemaObject): readonly string[] {
  const { type } = schema
  const named = typeof type === 'string' ? [type] : Array.isArray(type) ? (type as string[]) : undefined
  if (named !== undefined) return schema.nullable === true && !named.includes('null') ? [...named, 'null'] : named
  const has = (...keys: readonly string[]) => keys.some((key) => key in schema)
  if (has('properties', 'required', 'additionalProperties', 'patternProperties', 'minProperties')) return ['object']
  if (has('items', 'prefixItems', 'minItems', 'maxItems')) return ['array']
  if (has('pattern', 'minLength', 'maxLength', 'format')) return ['string']
  if (has('minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf')) return ['number']
  return JSON_TYPES
}

/** Whether a value has a type of JSON Schema. */
export function isOfType(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return isSchemaObject(value)
  return typeof value === type
}

/** Least and greatest number that a schema takes; exclusive bounds of fractions are rounded outwards. */
export function boundsOf(schema: SchemaObject, isInteger: boolean): [min: number, max: number] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  const step = isInteger ? 1 : 0
  const above = typeof exclusiveMinimum === 'number' ? Math.floor(exclusiveMinimum) + step : undefined
  const below = typeof exclusiveMaximum === 'number' ? Math.ceil(exclusiveMaximum) - step : undefined
  return [
    Math.max(numberOf(minimum, -Infinity), above ?? -Infinity),
    Math.min(numberOf(maximum, Infinity), below ?? Infinity),
  ]
}

const numberOf = (value: unknown, otherwise: number) => (typeof value === 'number' ? value : otherwise)
/** A count of items or characters. */
export const countOf = (value: unknown, otherwise: number) =>
  typeof value === 'number' && value >= 0 ? Math.floor(value) : otherwise
