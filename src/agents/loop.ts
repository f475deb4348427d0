import type { Message } from '../protocol/message.js'
import type { ChatModel, ModelRequest, ToolChoice } from '../protocol/model.js'
import type { FinishReason } from '../protocol/stream-part.js'
import { abortable } from '../runtime/abort.js'
import type { Clock } from '../runtime/clock.js'
import type { Call, ToolRunner } from '../tools/run-tools.js'
import type { Tool } from '../tools/tool.js'
import type { Outcome } from '../tools/try-tool.js'
import type { Dialect } from './dialect/dialect.js'
import type { Documents } from './documents.js'
import { loadModel } from './load-model.js'
import { callModel } from './model-turn.js'
import type { AgentInput, AgentOptions, AnswerSchema } from './options.js'
import { readInput } from './read-input.js'
import { buildRequest } from './request.js'
import type { RunControl, RunRecord } from './run.js'
import type { RunState } from './run-state.js'
import type { StructuredAnswer } from './structured.js'
import type { UsageMeter } from './usage.js'

/** Everything that one run works with. */
export interface Job {
  readonly options: AgentOptions
  readonly tools: readonly Tool[]
  readonly input: AgentInput
  /** What is to be gone on from, as it was given, instead of `input`. */
  readonly resumed: { readonly state: unknown } | undefined
  /** What the answer has to fit. */
  readonly schema: AnswerSchema
  /** How often an answer that does not fit is asked for again. @default 1 */
  readonly repairs?: number | undefined
  /** What the run was asked to do about the answer cache. */
  readonly cache: boolean | undefined
  readonly control: RunControl
  readonly record: RunRecord
  readonly meter: UsageMeter
  readonly clock: Clock
  readonly createId: () => string
  /** Stored results of pure tools, shared by the agent's runs. */
  readonly toolCache: Map<string, Promise<Outcome>>
  /** Whether somebody can answer approval requests while the run waits. */
  readonly canAskApproval: boolean
  readonly onRunner: (runner: Pick<ToolRunner, 'busyMs'>) => void
  /** Names of the agents around the run, outermost first, its own last. */
  readonly agentPath: readonly string[]
  /** As whom its model calls wait for an engine. */
  readonly queueAs: QueueAs
}

/** As whom model calls wait for an engine: runs take turns, those in the background last. */
export type QueueAs = Pick<ModelRequest, 'runId' | 'priority'>

/** One run: documents, then model and tools in turn until the model answers. Gives the reason why it ended; throws what it failed with. */
export async function runLoop(job: Job): Promise<FinishReason> {
  const { options, control, record, meter } = job
  const state = job.resumed && (await import('./run-state.js')).restoreRun(record, meter, job.resumed.state)
  const given = state?.conversation ?? readInput(job.input)
  const timeLeftMs = (options.limits?.wallTimeMs ?? Number.POSITIVE_INFINITY) - (state?.usage.durationMs ?? 0)
  const cancelTimer = job.clock.setTimer(timeLeftMs, control.stopAtLimit)
  control.signal.addEventListener('abort', cancelTimer, { once: true })
  const structured = job.schema === undefined ? undefined : await openStructured(job.schema, job.repairs)
  const resolving = resolveModel(job)
  const retrieving = options.corpus && retrieve(job, given, state, resolving)
  // Handled where it is awaited; a model that fails first would leave it unobserved.
  retrieving?.catch(() => {})
  const model = await resolving
  const documents = await (await retrieving)?.(model)
  if (documents?.isAnswered && job.tools.length === 0) return 'stop'
  // A model that says that it is not loaded loads when it has to answer: an answer from the cache needs none.
  if (model.isLoaded !== false) await loadModel(job, model)
  const dialect = await openDialect(job, model)
  const shown = hasResults(given) ? await (await loadFinishing()).forModel(given, model, dialect) : given
  const conversation = state === undefined && structured ? structured.addTo(shown) : [...shown]
  const usedIds = callIds(given)
  const progress = { invalidSteps: state?.invalidSteps ?? 0 }
  let runner: Promise<ToolRunner> | undefined
  const open = () => {
    runner ??= loadFinishing().then(({ openRunner }) => openRunner(job))
    return runner
  }
  return await takeSteps({ job, model, documents, dialect, structured, conversation, usedIds, progress, open }, state)
}

/** What comes after a model's turn: loaded while the model writes its first. */
const loadFinishing = () => import('./finish-step.js')

function hasResults(messages: readonly Message[]): boolean {
  return messages.some(({ role }) => role === 'tool')
}

async function openStructured(schema: NonNullable<AnswerSchema>, repairs: number | undefined) {
  const { createStructuredAnswer } = await import('./structured.js')
  return createStructuredAnswer(schema, repairs)
}

/** Searches at once; the documents are made when the model is known. */
async function retrieve(
  job: Job,
  conversation: readonly Message[],
  state: RunState | undefined,
  resolving: Promise<ChatModel>,
) {
  const { searchDocuments, openDocuments } = await import('./retrieve.js')
  const hits = state?.hits ?? (await searchDocuments(job, conversation, resolving))
  return (model: ChatModel) => openDocuments(job, { model, hits, conversation, isResumed: state !== undefined })
}

async function resolveModel({ options, tools, cache, control, meter }: Job): Promise<ChatModel> {
  const { model: given, corpus } = options
  const task = corpus ? 'documents' : tools.length > 0 ? 'tools' : 'chat'
  const { signal } = control
  const model =
    typeof given === 'function'
      ? await abortable(given(task, { signal, onProgress: control.emit, cache }), signal)
      : given
  meter.setModel(model.id)
  return model
}

/** What the steps of a run share. */
export interface Course {
  readonly job: Job
  readonly model: ChatModel
  readonly documents: Documents | undefined
  readonly dialect: Dialect | undefined
  readonly structured: StructuredAnswer | undefined
  /** What the model is given; trimmed in place. */
  readonly conversation: Message[]
  /** Call ids of the whole conversation. */
  readonly usedIds: Set<string>
  readonly progress: {
    /** Why the model must answer now; undefined while it may call. */
    forced?: FinishReason
    /** How the conversation is written when a model that had nothing to say is asked again, without tools. */
    rewrite?: (messages: readonly Message[]) => readonly Message[]
    invalidSteps: number
  }
  /** Loads what runs tools; the same one at each call. */
  open(): Promise<ToolRunner>
}

async function takeSteps(course: Course, state: RunState | undefined): Promise<FinishReason> {
  const { control, record } = course.job
  for (let stored = state; ; stored = undefined) {
    const run = stored ? await (await loadFinishing()).resumeStep(course, stored) : await prepareStep(course)
    control.emit({ type: 'step-start', step: record.steps })
    record.openStep = record.steps
    const reason = await run()
    control.emit({ type: 'step-end', step: record.steps })
    record.openStep = undefined
    if (reason !== undefined) return reason
  }
}

async function prepareStep(course: Course) {
  const { job, model, documents, dialect, conversation, progress, usedIds, open } = course
  const { options, record } = job
  if (record.steps >= (options.maxSteps ?? 20)) progress.forced ??= 'max-steps'
  const { forced, rewrite } = progress
  const isFinal = forced !== undefined && !rewrite
  const asked = { conversation, documents, dialect, toolChoice: stepToolChoice(job, forced), isFinal, rewrite }
  // Most answers have no form.
  const mayHold = model.capabilities.grammar !== 'none' && (job.tools.length > 0 || course.structured !== undefined)
  const held = mayHold ? await (await import('./hold-step.js')).holdStep(course, asked, buildRequest) : undefined
  const { toolChoice, dialect: reader } = held?.state ?? asked
  const request = await buildRequest(held?.job ?? job, model, held?.state ?? asked)
  record.steps++
  return async () => {
    if (job.tools.length > 0) open().catch(() => {})
    const onCall = toolChoice === 'none' ? undefined : async (call: Call) => (await open()).start(call)
    const isDraft = documents?.isDraft ?? false
    // What comes next is loaded while the model writes, not before. A failure shows where it is awaited.
    const onText = () => void loadFinishing().catch(() => {})
    const turn = await callModel(job, model, request, {
      dialect: held?.reader ?? reader,
      isDraft,
      onCall,
      onText,
      usedIds,
    })
    return await (await loadFinishing()).finishTurn(course, turn)
  }
}

function stepToolChoice({ options, record }: Job, forced: FinishReason | undefined): ToolChoice {
  if (forced !== undefined) return 'none'
  const { toolChoice = 'auto' } = options
  return record.steps > 0 && toolChoice !== 'none' ? 'auto' : toolChoice
}

/** The text format for tools; undefined where the model takes them itself. */
async function openDialect({ options, tools }: Job, { capabilities }: ChatModel): Promise<Dialect | undefined> {
  const { dialect: named = 'auto' } = options
  if (named === 'native' || (named === 'auto' && capabilities.tools === 'native')) return undefined
  const { chooseDialect } = await import('./choose-dialect.js')
  // What an engine that knows schemas only can hold a model to is read as JSON.
  const usual = capabilities.grammar === 'json-schema' ? 'json' : 'hermes'
  return await chooseDialect(named, tools.length > 0, capabilities.dialect ?? usual)
}

function callIds(messages: readonly Message[]): Set<string> {
  const ids = new Set<string>()
  for (const { content } of messages) {
    if (typeof content === 'string') continue
    for (const part of content) if (part.type === 'tool-call') ids.add(part.callId)
  }
  return ids
}
