import type { OutputUnit, Schema, Validator } from '@cfworker/json-schema'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { JsonSchema } from '../protocol/model.js'
import type { SchemaCheck } from './schema.js'

const MAX_PROBLEMS = 5
/** Checks that only say that something inside failed. */
const WRAPPERS = new Set([
  'properties',
  'items',
  'prefixItems',
  '$ref',
  'allOf',
  'additionalProperties',
  'if',
  'then',
  'else',
])

/** Checks an input with the schema's own library; the input that comes out is the one the library made (defaults, conversions). */
export async function checkStandard(schema: StandardSchemaV1, input: unknown): Promise<SchemaCheck> {
  const result = await schema['~standard'].validate(input)
  if (result.issues === undefined) return { isValid: true, input: result.value }
  const problems = result.issues.slice(0, MAX_PROBLEMS).map(({ message, path = [] }) => {
    const keys = path.map((segment) => (typeof segment === 'object' ? segment.key : segment))
    return `${pathText(keys)}: ${message} (got ${describeValue(valueAt(input, keys))})`
  })
  return { isValid: false, problems }
}

/** Checks an input against a JSON Schema (draft 2020-12), without `eval`. */
export async function checkJsonSchema(schema: JsonSchema, input: unknown): Promise<SchemaCheck> {
  const { valid, errors } = (await validatorFor(schema)).validate(input)
  if (valid) return { isValid: true, input }
  const telling = errors.filter(({ keyword }) => !WRAPPERS.has(keyword))
  const problems = (telling.length > 0 ? telling : errors).map((error) => describeError(error, input))
  return { isValid: false, problems: [...new Set(problems)].slice(0, MAX_PROBLEMS) }
}

/** The library that checks JSON Schemas, loaded when it is first needed. */
export async function loadValidator() {
  return await import('@cfworker/json-schema')
}

const validators = new WeakMap<object, Validator>()

async function validatorFor(schema: JsonSchema): Promise<Validator> {
  const known = typeof schema === 'object' ? validators.get(schema) : undefined
  if (known !== undefined) return known
  const { Validator } = await loadValidator()
  // Its type wants a mutable object; it does not change what it is given.
  const made = new Validator(schema as Schema | boolean, '2020-12', false)
  if (typeof schema === 'object') validators.set(schema, made)
  return made
}

function describeError({ instanceLocation, keyword, error }: OutputUnit, input: unknown): string {
  const keys = instanceLocation
    .split('/')
    .slice(1)
    .map((key) => decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~'))
  const got = `got ${describeValue(valueAt(input, keys))}`
  const expected = /Expected "([^"]+)"/.exec(error)?.[1]
  if (keyword === 'type' && expected !== undefined) return `${pathText(keys)}: expected ${expected}, ${got}`
  const missing = keyword === 'required' ? /property "([^"]+)"/.exec(error)?.[1] : undefined
  if (missing !== undefined) return `${pathText([...keys, missing])}: expected a value, got nothing`
  const unknown = keyword === 'false' && keys.length > 0
  return unknown ? `${pathText(keys)}: not expected here` : `${pathText(keys)}: ${error} (${got})`
}

function pathText(keys: readonly PropertyKey[]): string {
  return keys.length === 0 ? 'input' : keys.map(String).join('.')
}

function valueAt(input: unknown, keys: readonly PropertyKey[]): unknown {
  return keys.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key], input)
}

/** A value in a few characters. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
