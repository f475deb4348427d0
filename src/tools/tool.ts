import type { StandardSchemaV1 } from '@standard-schema/spec'
import { AlcoveError } from '../protocol/error.js'
import type { JsonSchema, ToolDescription } from '../protocol/model.js'

/** What a tool is told besides its input. */
export interface ToolContext {
  /** Aborts when the run does, or when the tool's time is over. */
  readonly signal: AbortSignal
  readonly callId: string
  /** Tells the run's reader how far the work is: becomes a `tool-progress` part. */
  report(progress: unknown): void
}

/** A JSON Schema, or a schema of a library that follows Standard Schema (such as zod or valibot). */
export type ToolSchema = JsonSchema | StandardSchemaV1

/** What a schema lets through. */
export type ToolInput<Schema> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<Schema>
  : Readonly<Record<string, unknown>>

export interface ToolOptions<Schema extends ToolSchema = JsonSchema> {
  /** What the model calls it by: letters, digits, `_`, `-` and `.`. */
  readonly name: string
  /** What it does and when to use it, for the model. */
  readonly description: string
  /** @default an object of any kind */
  readonly input?: Schema | undefined
  /**
   * Does the work. Gives text or anything that JSON can say; undefined becomes null. What it throws goes to the model as a short text;
   * throw `fatalToolError` to end the run instead.
   */
  execute(input: ToolInput<Schema>, context: ToolContext): unknown
  /** Longest time of one try. @default 30_000 */
  readonly timeoutMs?: number | undefined
  /** How often a failed try is made again. @default 0 */
  readonly retries?: number | undefined
  /** Whether a person must agree to each call, or a function that says so for an input. @default false */
  readonly needsApproval?: boolean | ((input: ToolInput<Schema>) => boolean) | undefined
  /** For pure tools: a call that was made before with the same input is not made again. @default false */
  readonly cache?: boolean | undefined
  /** How many calls of this tool may run at once. @default no own limit */
  readonly maxParallel?: number | undefined
}

/** How an input came through its schema. */
export type ToolInputCheck =
  | { readonly isValid: true; readonly input: unknown }
  | { readonly isValid: false; readonly problems: readonly string[] }

/** A function that a model may call. */
export interface Tool extends ToolDescription {
  readonly timeoutMs: number
  readonly retries: number
  readonly cache: boolean
  readonly maxParallel: number | undefined
  needsApproval(input: unknown): boolean
  /** Loads what `checkInput` needs, so that the first call need not wait for it. */
  prepare(): Promise<void>
  checkInput(input: unknown): Promise<ToolInputCheck>
  execute(input: unknown, context: ToolContext): Promise<unknown>
}

/**
 * Makes a tool for an agent.
 *
 * @throws AlcoveError `invalid-argument` for a name that models cannot write, a missing `execute`, or a schema from which no JSON Schema can be had
 */
export function tool<Schema extends ToolSchema = JsonSchema>(options: ToolOptions<Schema>): Tool {
  const { name, description, input: schema, timeoutMs = 30_000, retries = 0, cache = false, maxParallel } = options
  if (typeof name !== 'string' || !/^[\p{L}\p{N}_.-]{1,128}$/u.test(name)) {
    throw new AlcoveError('invalid-argument', `tool: expected a name of letters, digits, _ - and ., got '${name}'`)
  }
  if (typeof options.execute !== 'function') {
    throw new AlcoveError(
      'invalid-argument',
      `tool '${name}': expected a function execute, got ${typeof options.execute}`,
    )
  }
  if (!(timeoutMs > 0) || !(retries >= 0) || !(maxParallel === undefined || maxParallel >= 1)) {
    throw new AlcoveError(
      'invalid-argument',
      `tool '${name}': timeoutMs, retries and maxParallel must be positive numbers`,
    )
  }
  const inputSchema = toJsonSchema(name, schema)
  const needsApproval = options.needsApproval ?? false
  return {
    name,
    description: description ?? '',
    inputSchema,
    timeoutMs,
    retries,
    cache,
    maxParallel,
    needsApproval: (input) =>
      typeof needsApproval === 'function' ? needsApproval(input as ToolInput<Schema>) : needsApproval,
    async prepare() {
      const { loadValidator } = await import('./validate.js')
      if (!isStandardSchema(schema)) await loadValidator()
    },
    checkInput: async (input) => {
      const { checkStandard, checkJsonSchema } = await import('./validate.js')
      return isStandardSchema(schema) ? checkStandard(schema, input) : checkJsonSchema(inputSchema, input)
    },
    execute: async (input, context) => await options.execute(input as ToolInput<Schema>, context),
  }
}

/** An error that ends the run when a tool throws it, instead of going to the model. */
export function fatalToolError(
  message: string,
  options: { readonly cause?: unknown; readonly hint?: string } = {},
): AlcoveError {
  return new AlcoveError('tool-failed', message, { ...options, details: { fatal: true } })
}

/** Whether what a tool threw ends the run: made by `fatalToolError`, or any error whose `fatal` is true. */
export function isFatal(error: unknown): boolean {
  const { fatal, details } = (error ?? {}) as { fatal?: unknown; details?: { fatal?: unknown } }
  return fatal === true || details?.fatal === true
}

function isStandardSchema(schema: unknown): schema is StandardSchemaV1 {
  return (typeof schema === 'object' || typeof schema === 'function') && schema !== null && '~standard' in schema
}

/** The two ways in which schema libraries give a JSON Schema: the `~standard.jsonSchema` of the spec's 1.1, and a method of their own. */
interface JsonSchemaSource {
  readonly '~standard': { readonly jsonSchema?: { input(options: { target: string }): Record<string, unknown> } }
  toJSONSchema?(): Record<string, unknown>
  toJsonSchema?(): Record<string, unknown>
}

function toJsonSchema(name: string, schema: ToolSchema | undefined): JsonSchema {
  if (schema === undefined) return { type: 'object', properties: {} }
  if (!isStandardSchema(schema)) {
    if (typeof schema === 'boolean' || (typeof schema === 'object' && schema !== null)) return schema
    throw new AlcoveError('invalid-argument', `tool '${name}': expected a schema as input, got ${typeof schema}`)
  }
  const source = schema as unknown as JsonSchemaSource
  try {
    const converted =
      source['~standard'].jsonSchema?.input({ target: 'draft-2020-12' }) ??
      source.toJSONSchema?.() ??
      source.toJsonSchema?.()
    if (converted !== undefined) return withoutDialect(converted)
  } catch (cause) {
    throw new AlcoveError('invalid-argument', `tool '${name}': its schema cannot be written as JSON Schema`, { cause })
  }
  throw new AlcoveError('invalid-argument', `tool '${name}': its schema library gives no JSON Schema`, {
    hint: 'Use a version that has StandardJSONSchemaV1 (zod 4.2 or later), or give a JSON Schema.',
  })
}

/** `$schema` only costs tokens in a prompt. */
function withoutDialect({ $schema: _, ...schema }: Record<string, unknown>): JsonSchema {
  return schema
}
