import type { StandardSchemaV1 } from '@standard-schema/spec'
import { AlcoveError } from '../protocol/error.js'
import type { JsonSchema } from '../protocol/model.js'

/** A JSON Schema, or a schema of a library that follows Standard Schema (such as zod, valibot or arktype). */
export type ToolSchema = JsonSchema | StandardSchemaV1

/** How a value came through a schema: `input` is what the schema's library made of it (defaults, conversions). */
export type SchemaCheck =
  | { readonly isValid: true; readonly input: unknown }
  | { readonly isValid: false; readonly problems: readonly string[] }

export function isStandardSchema(schema: unknown): schema is StandardSchemaV1 {
  return (typeof schema === 'object' || typeof schema === 'function') && schema !== null && '~standard' in schema
}

/** Checks a value with the schema's own library, or against its JSON Schema (draft 2020-12). Both are loaded when first needed. */
export async function checkSchema(schema: ToolSchema, value: unknown): Promise<SchemaCheck> {
  const { checkStandard, checkJsonSchema } = await import('./validate.js')
  return isStandardSchema(schema) ? checkStandard(schema, value) : checkJsonSchema(schema, value)
}

/** The two ways in which schema libraries give a JSON Schema: the `~standard.jsonSchema` of the spec's 1.1, and a method of their own. */
interface JsonSchemaSource {
  readonly '~standard': {
    readonly jsonSchema?: Readonly<Record<'input' | 'output', (options: { target: string }) => Record<string, unknown>>>
  }
  toJSONSchema?(): Record<string, unknown>
  toJsonSchema?(): Record<string, unknown>
}

/**
 * A schema as JSON Schema.
 *
 * @param what whose schema it is, for messages
 * @throws AlcoveError `invalid-argument` when it is no schema, or its library gives no JSON Schema
 */
export function toJsonSchema(what: string, schema: ToolSchema): JsonSchema {
  if (!isStandardSchema(schema)) {
    if (typeof schema === 'boolean' || (typeof schema === 'object' && schema !== null && !Array.isArray(schema))) {
      return schema
    }
    throw new AlcoveError('invalid-argument', `${what}: expected a schema, got ${typeof schema}`)
  }
  const source = schema as unknown as JsonSchemaSource
  try {
    const converted =
      source['~standard'].jsonSchema?.input({ target: 'draft-2020-12' }) ??
      source.toJSONSchema?.() ??
      source.toJsonSchema?.()
    if (converted !== undefined) return withoutDialect(converted)
  } catch (cause) {
    throw new AlcoveError('invalid-argument', `${what}: its schema cannot be written as JSON Schema`, { cause })
  }
  throw new AlcoveError('invalid-argument', `${what}: its schema library gives no JSON Schema`, {
    hint: 'Use a version that has StandardJSONSchemaV1 (zod 4.2 or later), or give a JSON Schema.',
  })
}

/** `$schema` only costs tokens in a prompt. */
function withoutDialect({ $schema: _, ...schema }: Record<string, unknown>): JsonSchema {
  return schema
}
