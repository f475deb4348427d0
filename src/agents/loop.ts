import type { Hit } from '../protocol/corpus.js'
import { AlcoveError } from '../protocol/error.js'
import type { Message } from '../protocol/message.js'
import type { ChatModel, ToolChoice } from '../protocol/model.js'
import type { FinishReason } from '../protocol/stream-part.js'
import { abortable } from '../runtime/abort.js'
import type { Clock } from '../runtime/clock.js'
import type { Call, ToolRunner } from '../tools/run-tools.js'
import type { Tool } from '../tools/tool.js'
import type { Outcome } from '../tools/try-tool.js'
import type { Dialect } from './dialect/dialect.js'
import type { Documents } from './documents.js'
import { loadModel } from './load-model.js'
import { callModel, type ModelTurn } from './model-turn.js'
import type { AgentInput, AgentOptions } from './options.js'
import { lastUserText, readInput } from './read-input.js'
import { buildRequest } from './request.js'
import type { RunControl, RunRecord } from './run.js'
import type { UsageMeter } from './usage.js'

/** Everything that one run works with. */
export interface Job {
  readonly options: AgentOptions
  readonly tools: readonly Tool[]
  readonly input: AgentInput
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
  readonly onRunner: (runner: ToolRunner) => void
}

/** How often calls with an unfit input go back to the model. */
const MAX_INVALID_STEPS = 2
/** In how many steps the same call may have the same result. */
const MAX_REPEATS = 3

/** One run: documents, then model and tools in turn until the model answers. Gives the reason why it ended; throws what it failed with. */
export async function runLoop(job: Job): Promise<FinishReason> {
  const { options, control } = job
  const conversation = readInput(job.input)
  const cancelTimer = job.clock.setTimer(options.limits?.wallTimeMs ?? Number.POSITIVE_INFINITY, control.stopAtLimit)
  control.signal.addEventListener('abort', cancelTimer, { once: true })
  const searching = options.corpus && search(job, conversation)
  // Handled where it is awaited; a model that fails first would leave it unobserved.
  searching?.catch(() => {})
  const model = await resolveModel(job)
  const documents = searching && (await openDocuments(job, model, await searching, conversation))
  if (documents?.isAnswered && job.tools.length === 0) return 'stop'
  // A model that says that it is not loaded loads when it has to answer: an answer from the cache needs none.
  if (model.isLoaded !== false) await loadModel(job, model)
  return await takeSteps(job, model, documents, conversation)
}

async function search({ options, control, meter, clock }: Job, conversation: readonly Message[]): Promise<Hit[]> {
  const { corpus, retrieval: { topK = 10, mode, where } = {} } = options
  if (corpus === undefined) return []
  control.emit({ type: 'status', status: 'searching', message: `Searching ${corpus.name}` })
  const startedAt = clock.now()
  const { signal } = control
  const hits = await abortable(corpus.search(lastUserText(conversation), { topK, mode, where, signal }), signal)
  meter.addTime('searchMs', clock.now() - startedAt)
  return hits
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

async function openDocuments(
  { options, control, record, meter }: Job,
  model: ChatModel,
  hits: readonly Hit[],
  conversation: readonly Message[],
): Promise<Documents> {
  const { createDocuments } = await import('./documents.js')
  const documents = createDocuments({
    hits,
    model,
    question: lastUserText(conversation),
    passageTokens: options.retrieval?.passageTokens,
    sampling: options.sampling,
  })
  if (model.capabilities.trust === 'draft') {
    const { text, citations } = await documents.quote()
    record.text = text
    record.citations = [...citations]
    meter.markToken()
    control.emit({ type: 'text-delta', text })
    for (const citation of citations) control.emit({ type: 'citation', ...citation })
    const parts = citations.map((citation) => ({ type: 'citation' as const, ...citation }))
    record.messages = [{ role: 'assistant', content: parts.length > 0 ? [{ type: 'text', text }, ...parts] : text }]
  }
  return documents
}

/** What changes from step to step. */
interface Progress {
  /** Why the model must answer now; undefined while it may call. */
  forced?: FinishReason
  invalidSteps: number
}

async function takeSteps(
  job: Job,
  model: ChatModel,
  documents: Documents | undefined,
  given: readonly Message[],
): Promise<FinishReason> {
  const { options, control, record } = job
  const dialect = await chooseDialect(job, model)
  const { maxSteps = 20 } = options
  const conversation = [...given]
  const progress: Progress = { invalidSteps: 0 }
  let opening: Promise<ToolRunner> | undefined
  const open = () => {
    opening ??= openRunner(job)
    return opening
  }
  for (;;) {
    if (record.steps >= maxSteps) progress.forced ??= 'max-steps'
    const toolChoice = stepToolChoice(job, progress)
    const isFinal = progress.forced !== undefined
    const request = await buildRequest(job, model, { conversation, documents, dialect, toolChoice, isFinal })
    control.emit({ type: 'step-start', step: ++record.steps })
    record.openStep = record.steps
    // Loaded while the model writes. A failure shows at the first call.
    if (job.tools.length > 0) open().catch(() => {})
    const onCall = async (call: Call) => (await open()).start(call)
    const turn = await callModel(job, model, request, {
      dialect,
      isDraft: documents?.isDraft ?? false,
      onCall: toolChoice === 'none' ? undefined : onCall,
      usedIds: callIds(conversation),
    })
    const reason = await endStep(job, { turn, open, documents, conversation, progress })
    control.emit({ type: 'step-end', step: record.steps })
    record.openStep = undefined
    if (reason !== undefined) return reason
  }
}

/** Why the model chose to end, or undefined to go on. */
async function endStep(
  job: Job,
  state: {
    readonly turn: ModelTurn
    readonly open: () => Promise<ToolRunner>
    readonly documents: Documents | undefined
    readonly conversation: Message[]
    readonly progress: Progress
  },
): Promise<FinishReason | undefined> {
  const { options, record, meter } = job
  const { turn, documents, conversation, progress } = state
  if (turn.calls.length === 0) {
    await documents?.finish(job, turn)
    if (!documents?.isDraft) record.messages.push(assistantMessage(turn, record))
    record.partial = ''
    return progress.forced ?? (turn.reason === 'tool-calls' ? 'stop' : turn.reason)
  }
  const assistant = assistantMessage(turn, undefined)
  const runner = await state.open()
  const { results, waiting, isAllInvalid, mostRepeated } = await runner.settle()
  const added: Message[] = results.length > 0 ? [assistant, { role: 'tool', content: results }] : [assistant]
  record.messages.push(...added)
  record.partial = ''
  if (waiting.length > 0) return 'paused'
  progress.invalidSteps = isAllInvalid ? progress.invalidSteps + 1 : 0
  const isHopeless = progress.invalidSteps > MAX_INVALID_STEPS
  if (!isHopeless) conversation.push(...added)
  if (isHopeless || mostRepeated >= MAX_REPEATS) progress.forced = 'stop'
  const { totalTokens = Number.POSITIVE_INFINITY, toolCalls = Number.POSITIVE_INFINITY } = options.limits ?? {}
  if (meter.totalTokens >= totalTokens) return 'limit'
  if (runner.calls >= toolCalls) progress.forced = 'limit'
  const { steps, text, messages } = record
  return options.stopWhen?.({ steps, text, messages, usage: meter.read() }) ? 'tool-calls' : undefined
}

function stepToolChoice({ options, record }: Job, { forced }: Progress): ToolChoice {
  if (forced !== undefined) return 'none'
  const { toolChoice = 'auto' } = options
  return record.steps > 0 && toolChoice !== 'none' ? 'auto' : toolChoice
}

/** The text format for tools; undefined where the model takes them itself. */
async function chooseDialect({ options, tools }: Job, model: ChatModel): Promise<Dialect | undefined> {
  const { dialect: named = 'auto' } = options
  const { tools: support, dialect: own } = model.capabilities
  if (named === 'native' || (named === 'auto' && support === 'native')) return undefined
  const { loadDialect, dialectNames } = await import('./dialect/dialects.js')
  if (named === 'auto') {
    return tools.length === 0
      ? await loadDialect('none')
      : ((await loadDialect(own ?? '')) ?? (await loadDialect('hermes')))
  }
  const dialect = await loadDialect(named)
  if (dialect !== undefined) return dialect
  throw new AlcoveError(
    'invalid-argument',
    `dialect: expected auto, native or one of ${dialectNames.join(', ')}, got '${named}'`,
  )
}

async function openRunner(job: Job): Promise<ToolRunner> {
  const { options, tools, control, clock, toolCache } = job
  const { createToolRunner } = await import('../tools/run-tools.js')
  const runner = createToolRunner({
    tools,
    maxParallelCalls: options.maxParallelCalls ?? 5,
    maxCalls: options.limits?.toolCalls,
    signal: control.signal,
    clock,
    emit: control.emit,
    askApproval: job.canAskApproval ? ({ callId }) => control.askApproval(callId) : undefined,
    cache: toolCache,
  })
  job.onRunner(runner)
  return runner
}

function assistantMessage({ parts }: ModelTurn, record: RunRecord | undefined): Message {
  const content = [
    ...parts,
    ...(record?.citations.map((citation) => ({ type: 'citation' as const, ...citation })) ?? []),
  ]
  const only = content.length === 1 ? content[0] : undefined
  if (content.length === 0) return { role: 'assistant', content: '' }
  return { role: 'assistant', content: only?.type === 'text' ? only.text : content }
}

function callIds(messages: readonly Message[]): Set<string> {
  const ids = new Set<string>()
  for (const { content } of messages) {
    if (typeof content === 'string') continue
    for (const part of content) if (part.type === 'tool-call') ids.add(part.callId)
  }
  return ids
}
