import type { StandardSchemaV1 } from '@standard-schema/spec'
import { AlcoveError } from '../protocol/error.js'
import type { JsonSchema, ModelRequest, ToolDescription } from '../protocol/model.js'
import type { StreamPart, Usage } from '../protocol/stream-part.js'
import { checkSchema, isStandardSchema, type SchemaCheck, type ToolSchema, toJsonSchema } from './schema.js'

/** What a tool is told besides its input. */
export interface ToolContext {
  /** Aborts when the run does, or when the tool's time is over. */
  readonly signal: AbortSignal
  readonly callId: string
  /** Tells the run's reader how far the work is: becomes a `tool-progress` part. */
  report(progress: unknown): void
  /** The run that the call belongs to; only agents that are tools need it. */
  readonly host?: ToolHost | undefined
}

/** A run as an agent within it sees it. */
export interface ToolHost {
  /** Names of the agents around the call, outermost first. */
  readonly agentPath: readonly string[]
  /** As whom the run's model calls wait for an engine. */
  readonly queueAs: Pick<ModelRequest, 'runId' | 'priority'>
  emit(part: StreamPart): void
  /** Resolves when the run's reader is ready for more. */
  ready(): Promise<void>
  /** Asks a person. Where nobody can be asked the answer is no. */
  askApproval(callId: string): Promise<{ readonly isApproved: boolean; readonly why?: string | undefined }>
  addUsage(usage: Usage): void
}

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
   * Does the work. Gives text, anything that JSON can say, or pictures, sounds and files: a Blob, a media part, or lists and objects that have
   * them. undefined becomes null. What it throws goes to the model as a short text; throw `fatalToolError` to end the run instead.
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
  /** How many calls of this tool a run may make; a further one gets an error. @default no own limit */
  readonly maxCalls?: number | undefined
  /**
   * `sandbox`: the text of `execute` runs in a worker inside a frame of opaque origin, without network, DOM or storage, and is ended with its
   * time. It sees nothing of where it was written, and only what can be cloned goes in and out. @default 'page'
   */
  readonly runsIn?: 'page' | 'sandbox' | undefined
  /** Address of the sandbox's script, `workers/sandbox.js` of the package. @default beside the script that was loaded */
  readonly sandboxUrl?: string | undefined
}

/** How an input came through its schema. */
export type ToolInputCheck = SchemaCheck

/** A function that a model may call. */
export interface Tool extends ToolDescription {
  readonly timeoutMs: number
  readonly retries: number
  readonly cache: boolean
  readonly maxParallel: number | undefined
  readonly maxCalls?: number | undefined
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
  const { name, description, input: schema, timeoutMs = 30_000, retries = 0, cache = false } = options
  const { maxParallel, maxCalls } = options
  if (typeof name !== 'string' || !/^[\p{L}\p{N}_.-]{1,128}$/u.test(name)) {
    throw new AlcoveError('invalid-argument', `tool: expected a name of letters, digits, _ - and ., got '${name}'`)
  }
  if (typeof options.execute !== 'function') {
    throw new AlcoveError(
      'invalid-argument',
      `tool '${name}': expected a function execute, got ${typeof options.execute}`,
    )
  }
  const counts = [maxParallel ?? 1, maxCalls ?? 1]
  if (!(timeoutMs > 0) || !(retries >= 0) || !counts.every((count) => count >= 1)) {
    throw new AlcoveError(
      'invalid-argument',
      `tool '${name}': timeoutMs, retries, maxParallel and maxCalls must be positive numbers`,
    )
  }
  const { runsIn = 'page' } = options
  if (runsIn !== 'page' && runsIn !== 'sandbox') {
    throw new AlcoveError('invalid-argument', `tool '${name}': expected page or sandbox as runsIn, got '${runsIn}'`)
  }
  const inputSchema =
    schema === undefined ? { type: 'object', properties: {} } : toJsonSchema(`tool '${name}': input`, schema)
  const needsApproval = options.needsApproval ?? false
  return {
    name,
    description: description ?? '',
    inputSchema,
    timeoutMs,
    retries,
    cache,
    maxParallel,
    maxCalls,
    needsApproval: (input) =>
      typeof needsApproval === 'function' ? needsApproval(input as ToolInput<Schema>) : needsApproval,
    async prepare() {
      const { loadValidator } = await import('./validate.js')
      if (!isStandardSchema(schema)) await loadValidator()
    },
    checkInput: async (input) => await checkSchema(isStandardSchema(schema) ? schema : inputSchema, input),
    async execute(input, context) {
      if (options.runsIn !== 'sandbox') return await options.execute(input as ToolInput<Schema>, context)
      const { runInSandbox } = await import('./sandbox.js')
      return await runInSandbox({ source: options.execute.toString(), frameUrl: options.sandboxUrl }, input, context)
    },
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
