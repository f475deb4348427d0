import type { Message } from '../protocol/message.js'
import type { ChatModel } from '../protocol/model.js'
import type { FinishReason } from '../protocol/stream-part.js'
import type { OnPause, ToolRunner } from '../tools/run-tools.js'
import type { ToolHost } from '../tools/tool.js'
import type { Dialect } from './dialect/dialect.js'
import type { Course, Job } from './loop.js'
import type { ModelTurn } from './model-turn.js'
import type { RunRecord } from './run.js'
import type { RunState } from './run-state.js'

/** How often calls with an unfit input go back to the model. */
const MAX_INVALID_STEPS = 2
/** In how many steps the same call may have the same result. */
const MAX_REPEATS = 3

/** Why the run ends after this turn of the model, or undefined to go on. */
export async function finishTurn(course: Course, turn: ModelTurn): Promise<FinishReason | undefined> {
  if (turn.calls.length === 0) return await finishAnswer(course, turn)
  return await finishCalls(course, assistantMessage(turn, undefined))
}

/** The step in which the run had paused. */
export async function resumeStep(course: Course, { step, messages, toolCalls }: RunState) {
  const runner = await course.open()
  return async () => {
    runner.restore({ messages, calls: step.calls, made: toolCalls })
    return await finishCalls(course, step.message)
  }
}

/** Why the run ends with this answer, or undefined to have another one. */
async function finishAnswer(course: Course, turn: ModelTurn): Promise<FinishReason | undefined> {
  const { job, documents, structured, conversation, progress } = course
  const { record, control } = job
  const answer = await structured?.read(turn.text, turn.reason)
  if (answer && 'again' in answer) {
    conversation.push(assistantMessage(turn, undefined), answer.again)
    record.partial = ''
    progress.forced ??= 'stop'
    return undefined
  }
  if (!structured && isMute(course, turn)) {
    record.partial = ''
    const { askWithResults, resultsAsAnswer } = await import('./answer-again.js')
    if (progress.rewrite === undefined) {
      progress.rewrite = askWithResults
      progress.forced ??= 'stop'
      return undefined
    }
    const answered = resultsAsAnswer(conversation, record.messages)
    const text = record.text.trim() === '' ? answered : `\n\n${answered}`
    record.text += text
    control.emit({ type: 'text-delta', text })
    record.messages.push({ role: 'assistant', content: answered })
    return progress.forced ?? 'stop'
  }
  record.object = answer && { value: answer.object }
  await documents?.finish(job, turn)
  if (!documents?.isDraft) record.messages.push(assistantMessage(turn, record))
  record.partial = ''
  return progress.forced ?? (turn.reason === 'tool-calls' ? 'stop' : turn.reason)
}

/** Whether the model has nothing to say to what its tools gave. */
function isMute({ job, documents }: Course, { text, reason }: ModelTurn): boolean {
  if (text.trim() !== '' || documents?.isDraft || reason === 'content-filter') return false
  return job.record.messages.some(({ role }) => role === 'tool')
}

/** Why the run ends after these calls, or undefined to go on. */
async function finishCalls(course: Course, message: Message): Promise<FinishReason | undefined> {
  const { job, conversation, progress, open } = course
  const { options, record, meter } = job
  const runner = await open()
  const { results, waiting, isAllInvalid, mostRepeated } = await runner.settle(pauser(course, message, runner))
  const added: Message[] = results.length > 0 ? [message, { role: 'tool', content: results }] : [message]
  record.messages.push(...added)
  record.partial = ''
  if (waiting.length > 0) return 'paused'
  record.state = undefined
  progress.invalidSteps = isAllInvalid ? progress.invalidSteps + 1 : 0
  const isHopeless = progress.invalidSteps > MAX_INVALID_STEPS
  if (!isHopeless) conversation.push(...(await forModel(added, course.model, course.dialect)))
  if (isHopeless || mostRepeated >= MAX_REPEATS) progress.forced = 'stop'
  const { totalTokens = Number.POSITIVE_INFINITY, toolCalls = Number.POSITIVE_INFINITY } = options.limits ?? {}
  if (meter.totalTokens >= totalTokens) return 'limit'
  if (runner.calls >= toolCalls) progress.forced = 'limit'
  const { steps, text, messages } = record
  return options.stopWhen?.({ steps, text, messages, usage: meter.read() }) ? 'tool-calls' : undefined
}

/** Makes the run's state available while calls wait for a person. */
function pauser({ job, conversation, documents, progress }: Course, message: Message, runner: ToolRunner): OnPause {
  const { record, meter } = job
  return async (calls) => {
    const { writeState } = await import('./run-state.js')
    const { text, draft, steps } = record
    const kept = {
      conversation: [...conversation],
      messages: [...record.messages],
      citations: [...record.citations],
      ...(documents && { hits: documents.hits }),
      ...{ text, draft, steps, toolCalls: runner.calls, invalidSteps: progress.invalidSteps },
    }
    record.state = () => writeState({ ...kept, step: { message, calls: calls() }, usage: meter.read() })
    return job.canAskApproval
  }
}

/** Messages as the model can take them: results of tools may have pictures. */
export async function forModel(
  messages: readonly Message[],
  model: ChatModel,
  dialect: Dialect | undefined,
): Promise<readonly Message[]> {
  const hasObjects = messages.some(
    ({ role, content }) =>
      role === 'tool' &&
      typeof content !== 'string' &&
      content.some((part) => part.type === 'tool-result' && typeof part.output === 'object' && part.output !== null),
  )
  if (!hasObjects) return messages
  const { showMedia } = await import('./tool-media.js')
  return showMedia(messages, model.capabilities.inputs, dialect !== undefined)
}

/** Runs the calls of a run. */
export async function openRunner(job: Job): Promise<ToolRunner> {
  const { options, tools, control, clock, toolCache, onRunner } = job
  const { createToolRunner } = await import('../tools/run-tools.js')
  const runner = createToolRunner({
    tools,
    maxParallelCalls: options.maxParallelCalls ?? 5,
    maxCalls: options.limits?.toolCalls,
    signal: control.signal,
    clock,
    emit: control.emit,
    askApproval: ({ callId }) => control.askApproval(callId),
    onFatal: control.fail,
    host: hostOf(job),
    cache: toolCache,
  })
  onRunner(runner)
  return runner
}

/** The run as agents see it that are tools of it. */
function hostOf({ control, meter, agentPath, queueAs, canAskApproval }: Job): ToolHost {
  return {
    agentPath,
    queueAs,
    emit: control.emit,
    ready: control.ready,
    askApproval: async (callId) =>
      canAskApproval ? await control.askApproval(callId) : { isApproved: false, why: 'nobody can be asked here' },
    addUsage({ modelId, loadMs, searchMs, tokensPerSecond, ...usage }) {
      const decodeMs = tokensPerSecond ? (usage.completionTokens / tokensPerSecond) * 1000 : 0
      meter.addModelUsage({ ...usage, decodeMs, cache: usage.cache === 'off' ? undefined : usage.cache })
      meter.addTime('loadMs', loadMs)
      meter.addTime('searchMs', searchMs)
    },
  }
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
