import { AlcoveError } from '../../protocol/error.js'
import type { JsonSchema, ModelRequest, ToolChoice } from '../../protocol/model.js'
import type { WireMessage } from './messages.js'
import type { HttpModelOptions } from './options.js'

/** What a server turned out not to know, found by its refusals. */
export interface ServerQuirks {
  /** Reasoning models of OpenAI take `max_completion_tokens` alone; many others know only `max_tokens`. */
  completionTokens: boolean
  /** It refuses `stream_options`, and so tells no usage. */
  noStreamOptions: boolean
}

export const newQuirks = (): ServerQuirks => ({ completionTokens: false, noStreamOptions: false })

/** More stop texts than these are refused by some servers: the rest is cut here. */
export const MAX_WIRE_STOPS = 4

/**
 * The body of `POST /chat/completions`.
 * @throws AlcoveError `invalid-argument` for a grammar, which the protocol has no field for
 */
export function chatBody(
  model: string,
  request: ModelRequest,
  messages: readonly WireMessage[],
  options: HttpModelOptions,
  quirks: ServerQuirks,
): Record<string, unknown> {
  const { tools = [], toolChoice, output, sampling = {} } = request
  const { on, off } = options.reasoningBody ?? {
    on: { chat_template_kwargs: { enable_thinking: true } },
    off: { chat_template_kwargs: { enable_thinking: false } },
  }
  const hasTools = tools.length > 0 && options.tools !== 'none'
  const fields = {
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    [quirks.completionTokens ? 'max_completion_tokens' : 'max_tokens']: sampling.maxTokens,
    seed: sampling.seed,
    stop: sampling.stop?.some(Boolean) ? sampling.stop.filter(Boolean).slice(0, MAX_WIRE_STOPS) : undefined,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    repetition_penalty: sampling.repetitionPenalty,
    logit_bias: sampling.logitBias,
    tools: hasTools
      ? tools.map(({ name, description, inputSchema }) => ({
          type: 'function',
          function: { name, description, parameters: parametersOf(inputSchema) },
        }))
      : undefined,
    tool_choice: hasTools ? wireChoice(toolChoice) : undefined,
    response_format: output && responseFormat(output),
    stream_options: quirks.noStreamOptions ? undefined : { include_usage: true },
  }
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  const reasoning = sampling.reasoning === 'on' ? on : sampling.reasoning === 'off' ? off : {}
  return { model, messages, ...given, ...reasoning, ...options.extraBody, stream: true }
}

function wireChoice(choice: ToolChoice | undefined): unknown {
  return typeof choice === 'object' ? { type: 'function', function: { name: choice.name } } : choice
}

/** The protocol wants an object here; `true` as a schema is one that takes any fields. */
const parametersOf = (schema: JsonSchema): unknown =>
  typeof schema === 'object' ? schema : { type: 'object', additionalProperties: schema }

function responseFormat(output: NonNullable<ModelRequest['output']>): unknown {
  if (output.type === 'grammar') {
    throw new AlcoveError(
      'invalid-argument',
      `output: expected a JSON schema for a remote model, got a grammar in '${output.syntax}'`,
    )
  }
  const schema = parametersOf(output.schema)
  return { type: 'json_schema', json_schema: { name: 'answer', schema, strict: isStrict(schema) } }
}

const DEEPEST = 32

/** Whether OpenAI takes a schema as strict: each object in it names all its fields, needs them all, and takes no others. */
function isStrict(schema: unknown, depth = 0): boolean {
  if (typeof schema !== 'object' || schema === null) return true
  if (depth > DEEPEST) return false
  if (Array.isArray(schema)) return schema.every((each) => isStrict(each, depth + 1))
  const { type, properties, required, additionalProperties, ...rest } = schema as Record<string, unknown>
  const isObject = type === 'object' || (Array.isArray(type) && type.includes('object')) || properties !== undefined
  if (isObject) {
    const names = Object.keys((properties as object | undefined) ?? {})
    const needed = Array.isArray(required) ? required : []
    if (additionalProperties !== false || !names.every((name) => needed.includes(name))) return false
  }
  return [...Object.values((properties as object | undefined) ?? {}), ...Object.values(rest)].every((each) =>
    isStrict(each, depth + 1),
  )
}

/** What a refusal says of the server; undefined: nothing that could be changed. */
export function quirkOf(error: AlcoveError): keyof ServerQuirks | undefined {
  if (error.details.status !== 400 && error.details.status !== 422) return undefined
  if (/max_completion_tokens/.test(error.message) && /max_tokens/.test(error.message)) return 'completionTokens'
  if (/stream_options|include_usage/.test(error.message)) return 'noStreamOptions'
  return undefined
}
