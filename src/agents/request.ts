import type { Message, MessagePart } from '../protocol/message.js'
import type { ChatModel, ModelRequest, ToolChoice } from '../protocol/model.js'
import { abortable } from '../runtime/abort.js'
import { budgetOf, type ContextSettings } from './context/context-options.js'
import { tokensInTime } from './context/prefill-rate.js'
import { mostTokens } from './context/token-bound.js'
import type { Dialect } from './dialect/dialect.js'
import type { Documents } from './documents.js'
import type { Job } from './loop.js'
import { lastUserText } from './read-input.js'

/** What the request of a step is made of. */
export interface RequestState {
  /** Trimmed in place when it does not fit. */
  readonly conversation: Message[]
  readonly documents: Documents | undefined
  readonly dialect: Dialect | undefined
  readonly toolChoice: ToolChoice
  /** Whether this is the last call, which must answer. */
  readonly isFinal: boolean
  /** What becomes of the conversation when the model is asked without its tools, after all that was trimmed. */
  readonly rewrite?: ((messages: readonly Message[]) => readonly Message[]) | undefined
}

/** A conversation that can be no longer is counted whole at each step. */
const SHORT_TOKENS = 4096

/** The request of a step, within the model's context. What had to give way is gone from `conversation` too. */
export async function buildRequest(job: Job, model: ChatModel, state: RequestState): Promise<ModelRequest> {
  const { documents, conversation } = state
  const { history } = await historyTools(job, state)
  const write = (given: readonly Message[], passages?: number) => {
    const messages = history(given)
    const shown = documents ? documents.addTo(messages, passages) : messages
    return writeRequest(job, state, state.rewrite?.(shown) ?? shown)
  }
  const { context, sampling }: ContextSettings = job.options
  const settings = { context, sampling: documents?.sampling ?? sampling }
  const isHurried = tokensInTime(model, context?.targetFirstTokenMs) < Number.POSITIVE_INFINITY
  if (documents === undefined && !isHurried) {
    const request = write(conversation)
    const room = budgetOf(settings, model.contextTokens)
    const most = mostTokens(request)
    // An engine's tokenizer keeps to the bound. Other models are asked, here as long as that costs nothing.
    if (most <= room && model.isLoaded !== undefined) return request
    if (most <= Math.min(room, SHORT_TOKENS)) {
      if ((await abortable(model.countTokens(request), job.control.signal)) <= room) return request
    }
  }
  const { fitRequest } = await import('./context/context.js')
  return await fitRequest({ job, model, settings, conversation, documents, write })
}

/** With no tools to call at all, earlier calls become readable text; everything else stays as it is. */
async function historyTools(
  { options }: Job,
  { dialect }: RequestState,
): Promise<{ history(messages: readonly Message[]): readonly Message[] }> {
  if (dialect !== undefined || options.toolChoice !== 'none') return { history: (messages) => messages }
  const { describeCalls } = await import('./dialect/history.js')
  return { history: describeCalls }
}

function writeRequest(
  { options, tools }: Job,
  { dialect, documents, toolChoice, isFinal, rewrite }: RequestState,
  conversation: readonly Message[],
): ModelRequest {
  const messages = withInstructions(conversation.map(forModel), options.instructions)
  const described = tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }))
  const { output } = options
  const sampling = documents?.sampling ?? options.sampling
  const passages = documents?.hits
  const common = {
    ...(passages && { passages }),
    ...(output && { output }),
    ...(sampling && { sampling }),
    ...((tools.length > 0 || toolChoice !== 'auto') && { toolChoice }),
  }
  if (dialect !== undefined) {
    const language = /\p{Script=Han}/u.test(lastUserText(conversation)) ? 'zh' : 'en'
    const hasTools = described.length > 0
    const format = {
      messages,
      tools: described,
      toolChoice: hasTools ? toolChoice : 'none',
      final: hasTools && isFinal,
    }
    const request = { messages: dialect.format({ ...format, language }), ...common }
    if (!dialect.stop) return request
    return { ...request, sampling: { ...sampling, stop: [...(sampling?.stop ?? []), ...dialect.stop] } }
  }
  const canCall = described.length > 0 && options.toolChoice !== 'none' && !rewrite
  return canCall ? { messages, tools: described, ...common } : { messages, ...common }
}

/** Instructions first, in one system message with the conversation's own. */
function withInstructions(messages: readonly Message[], instructions: string | undefined): readonly Message[] {
  if (!instructions) return messages
  const [first, ...rest] = messages
  if (first?.role !== 'system') return [{ role: 'system', content: instructions }, ...messages]
  const own = typeof first.content === 'string' ? first.content : first.content.map(textOf).join('\n')
  return [{ role: 'system', content: `${instructions}\n\n${own}` }, ...rest]
}

/** What a model need not see again: its reasoning, and where its statements came from. */
function forModel(message: Message): Message {
  const { content } = message
  if (typeof content === 'string' || !content.some(({ type }) => type === 'reasoning' || type === 'citation')) {
    return message
  }
  const kept = content.filter(({ type }) => type !== 'reasoning' && type !== 'citation')
  const only = kept.length === 1 ? kept[0] : undefined
  return { ...message, content: only?.type === 'text' ? only.text : kept }
}

function textOf(part: MessagePart): string {
  return part.type === 'text' ? part.text : ''
}
