import type { OutputConstraint } from '../protocol/model.js'
import { abortable } from '../runtime/abort.js'
import { callSchema, nameSchema } from './call-schema.js'
import { constrainCalls } from './constrain.js'
import type { Dialect } from './dialect/dialect.js'
import { jsonDialect } from './dialect/json.js'
import type { Course, Job } from './loop.js'
import type { buildRequest, RequestState } from './request.js'

/** A step whose engine holds the model to a form. */
export interface HeldStep {
  /** With the form as its output. */
  readonly job: Job
  readonly state: RequestState
  /** What reads the calls; undefined: the dialect that the tools are described in. */
  readonly reader?: Dialect | undefined
}

/**
 * What the engine can hold the model to in this step: calls that fit their tools, and an answer that fits its schema.
 *
 * @param build makes the request of a step (given, so that this file needs no part of what every answer loads)
 */
export async function holdStep(course: Course, state: RequestState, build: typeof buildRequest): Promise<HeldStep> {
  const { job, model, dialect, structured } = course
  const { options, tools } = job
  const { toolChoice } = state
  const { grammar, trust } = model.capabilities
  if (options.output && !structured) return { job, state }
  if (tools.length === 0 || toolChoice === 'none' || dialect === undefined) {
    return { job: withOutput(job, structured?.output), state }
  }
  if (grammar === 'json-schema')
    return toolChoice === 'auto' ? { job, state } : await holdToSchema(course, state, build)
  const answer = structured?.output.schema
  const isWeak = trust === 'draft'
  const output = constrainCalls({ tools, toolChoice, dialect: dialect.name, grammar, answer, isWeak })
  return { job: withOutput(job, output), state }
}

/** One call, as JSON that fits a schema. Where there are several tools, the name comes first and then the arguments under that one's schema. */
async function holdToSchema(course: Course, state: RequestState, build: typeof buildRequest): Promise<HeldStep> {
  const { job } = course
  const { toolChoice } = state
  const [only, ...others] = job.tools
  const isNamed = typeof toolChoice === 'object'
  const name = isNamed ? toolChoice.name : others.length === 0 ? only?.name : await chooseTool(course, state, build)
  const tool = job.tools.find((one) => one.name === name)
  if (tool === undefined) return { job, state }
  return {
    job: withOutput(job, callSchema(tool)),
    state: { ...state, toolChoice: { name: tool.name } },
    reader: jsonDialect,
  }
}

/** Which tool the model wants to call; undefined when it does not say. */
async function chooseTool({ job, model }: Course, state: RequestState, build: typeof buildRequest) {
  const { control, meter, tools, queueAs } = job
  const request = await build(withOutput(job, nameSchema(tools)), model, state)
  let text = ''
  meter.startCall()
  const reader = model.stream({ ...request, ...queueAs }, { signal: control.signal }).getReader()
  try {
    for (;;) {
      const { done, value: part } = await abortable(reader.read(), control.signal)
      if (done) break
      if (part.type === 'text-delta') text += part.text
      else if (part.type === 'status') control.emit(part)
      else if (part.type === 'model-usage') meter.addModelUsage(part.usage)
    }
  } finally {
    void reader.cancel().catch(() => {})
  }
  return tools.find(({ name }) => text.includes(JSON.stringify(name)))?.name
}

function withOutput(job: Job, output: OutputConstraint | undefined): Job {
  return output ? { ...job, options: { ...job.options, output } } : job
}
