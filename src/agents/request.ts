import type { Message, MessagePart } from '../protocol/message.js'
import type { ChatModel, ModelRequest, ToolChoice } from '../protocol/model.js'
import { abortable } from '../runtime/abort.js'
import type { Dialect } from './dialect/dialect.js'
import type { Documents } from './documents.js'
import { loadModel } from './load-model.js'
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
}

/** The request of a step, within the model's context. What had to give way is gone from `conversation` too. */
export async function buildRequest(job: Job, model: ChatModel, state: RequestState): Promise<ModelRequest> {
  const { options, control } = job
  const { documents, conversation } = state
  const build = (messages: readonly Message[], passages?: number) =>
    writeRequest(job, state, documents ? documents.addTo(messages, passages) : messages)
  const { history } = await historyTools(job, state)
  const write = (messages: readonly Message[], passages?: number) => build(history(messages), passages)
  const { maxTokens } = documents?.sampling ?? options.sampling ?? {}
  const reserve = maxTokens ?? Math.min(1024, Math.floor(model.contextTokens / 4))
  const budget = model.contextTokens - reserve
  const request = write(conversation)
  if (model.isLoaded === false) {
    if (mostTokens(request) <= budget) return request
    await loadModel(job, model)
  }
  const tokens = await abortable(model.countTokens(request), control.signal)
  if (tokens <= budget) return request
  const { trimToBudget } = await import('./context.js')
  const trimmed = await abortable(
    trimToBudget({ messages: conversation, passages: documents?.passages.length ?? 0, write, model, budget, tokens }),
    control.signal,
  )
  conversation.splice(0, conversation.length, ...trimmed.messages)
  documents?.keep(trimmed.passages)
  control.emit({ type: 'context-trimmed', ...trimmed.report })
  return trimmed.request
}

/** Tokens that a chat template may add to a conversation, and to each of its messages. */
const TEMPLATE_TOKENS = 256
const MESSAGE_TOKENS = 16

/** No tokenizer makes more tokens of a request: each stands for a byte at least, and a template may write tools out widely. */
function mostTokens({ messages, tools }: ModelRequest): number {
  const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value ?? '')).length
  const own = messages.reduce((sum, message) => sum + bytes(message.content) + MESSAGE_TOKENS, TEMPLATE_TOKENS)
  return own + 3 * bytes(tools)
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
  { dialect, documents, toolChoice, isFinal }: RequestState,
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
    return { messages: dialect.format({ ...format, language }), ...common }
  }
  const canCall = described.length > 0 && options.toolChoice !== 'none'
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
