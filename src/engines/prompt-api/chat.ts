import { AlcoveError } from '../../protocol/error.js'
import type { ChatModel, ChatModelCapabilities, ModelPart, ModelRequest } from '../../protocol/model.js'
import type { StatusPart } from '../../protocol/stream-part.js'
import { toErrorInfo } from '../../rpc/error-wire.js'
import { abortable, abortError } from '../../runtime/abort.js'
import { type Clock, systemClock } from '../../runtime/clock.js'
import type { ModelInspection } from '../engine.js'
import { checkSampling } from '../sampling.js'
import { createSessionModel, type ModelSession, type OpenContext } from '../session-model.js'
import { createStopCutter } from '../stop-words.js'
import { type Conversation, createConversations } from './conversations.js'
import { createDeltaReader } from './deltas.js'
import { overflowError, translatePromptError } from './errors.js'
import { findLanguageModel, type LanguageModelStatic, measure, usageOf, windowOf } from './language-model.js'
import { answerTurn, promptMessages } from './messages.js'

export interface PromptApiOptions {
  /** @default the browser's own */
  readonly languageModel?: LanguageModelStatic | undefined
  readonly clock?: Clock | undefined
}

const ID = 'prompt-api'
const USUAL_CONTEXT = 4_096

function required(languageModel: LanguageModelStatic | undefined): LanguageModelStatic {
  if (languageModel) return languageModel
  throw new AlcoveError('model-not-found', 'this browser offers no model of its own (no LanguageModel on the page)', {
    hint: 'It takes a browser with the Prompt API and a secure page. Use another model.',
  })
}

/** What the browser says of its model. Loads nothing. */
export async function inspectPromptApi({
  languageModel = findLanguageModel(),
}: PromptApiOptions = {}): Promise<ModelInspection> {
  try {
    const state = await required(languageModel).availability()
    if (state === 'unavailable') throw unavailable()
    return state === 'available' ? { state, bytes: 0 } : { state }
  } catch (error) {
    return { state: 'unavailable', error: toErrorInfo(translatePromptError(error, 'load'), 'model-load-failed') }
  }
}

/**
 * Passes where the browser's model can be used at once.
 * @throws AlcoveError why not: a download that nobody named is `download-refused`
 */
export async function requireAvailable(options: PromptApiOptions = {}): Promise<void> {
  const { state, error } = await inspectPromptApi(options)
  if (state === 'available') return
  throw error
    ? new AlcoveError(error.code, error.message, error)
    : new AlcoveError('download-refused', `the browser's own model is ${state}, and nobody named it`, {
        hint: "Name 'prompt-api' as the model, and call alcove.load() in a click handler.",
      })
}

/**
 * The model that the browser brings. Temperature and the like are the browser's to choose for pages, so they are not heeded; `maxTokens` and
 * `stop` end the answer here, `maxTokens` by the number of pieces. The browser counts tokens itself.
 */
export async function createPromptApiChat(options: PromptApiOptions = {}): Promise<ChatModel> {
  const languageModel = options.languageModel ?? findLanguageModel()
  const inputs = await supportedInputs(languageModel)
  return createSessionModel({
    // On the page no worker's end frees a session that hangs.
    disposesAtOnce: true,
    id: ID,
    contextTokens: USUAL_CONTEXT,
    capabilities: { tools: 'none', grammar: 'json-schema', inputs, prefixReuse: true, trust: 'answer' },
    check: (request) => checkRequest(request, inputs),
    open: (context) => open(required(languageModel), inputs, context, options.clock ?? systemClock),
  })
}

async function supportedInputs(
  languageModel: LanguageModelStatic | undefined,
): Promise<ChatModelCapabilities['inputs']> {
  const takes = async (type: 'image' | 'audio') => {
    const state = await languageModel
      ?.availability({ expectedInputs: [{ type: 'text' }, { type }] })
      .catch(() => 'unavailable')
    return state !== undefined && state !== 'unavailable'
  }
  const [image, audio] = await Promise.all([takes('image'), takes('audio')])
  return ['text', ...(image ? (['image'] as const) : []), ...(audio ? (['audio'] as const) : [])]
}

function checkRequest({ messages, output, sampling }: ModelRequest, inputs: ChatModelCapabilities['inputs']): void {
  checkSampling(sampling)
  promptMessages(messages, inputs)
  if (output?.type === 'grammar') {
    throw new AlcoveError(
      'invalid-argument',
      `output: expected a JSON schema for the browser's model, got a grammar in '${output.syntax}'`,
    )
  }
}

function unavailable(): AlcoveError {
  return new AlcoveError('model-not-found', "the browser's own model is unavailable on this device", {
    hint: 'The browser asks for free storage, memory and a graphics card of its own choice. Use another model.',
  })
}

async function open(
  languageModel: LanguageModelStatic,
  inputs: ChatModelCapabilities['inputs'],
  { signal, report }: OpenContext,
  clock: Clock,
): Promise<ModelSession> {
  try {
    if ((await languageModel.availability()) === 'unavailable') throw unavailable()
    const conversations = createConversations(async (parts, own) => {
      const monitor = (target: EventTarget) => watchDownload(target, report)
      return await languageModel.create({ ...parts, signal: own, monitor })
    })
    // The first session is what may need a download, so it is made now: the person sees how it goes.
    const { session } = await conversations.peek({ system: undefined, turns: [], media: [] }, signal)
    return createSession(conversations, inputs, windowOf(session), clock)
  } catch (error) {
    throw signal.aborted ? abortError(signal) : translatePromptError(error, 'load')
  }
}

/** `loaded` is a share of 1 by the specification, and was in bytes before. */
function watchDownload(target: EventTarget, report: (status: StatusPart) => void): void {
  target.addEventListener('downloadprogress', (event) => {
    const { loaded = 0, total = 1 } = event as Event & { readonly loaded?: number; readonly total?: number }
    const inBytes = total > 1
    const share = Math.round((100 * loaded) / (total || 1))
    report({
      type: 'status',
      status: 'loading',
      message: share >= 100 ? "Preparing the browser's model" : `The browser fetches its model: ${share} %`,
      modelId: ID,
      ...(inBytes && { loadedBytes: loaded, totalBytes: total }),
    })
  })
}

function createSession(
  conversations: ReturnType<typeof createConversations>,
  inputs: ChatModelCapabilities['inputs'],
  contextTokens: number,
  clock: Clock,
): ModelSession {
  return {
    contextTokens,
    spent: false,
    async *generate(request, signal): AsyncGenerator<ModelPart> {
      const messages = promptMessages(request.messages, inputs)
      yield { type: 'status', status: 'prefill', message: 'Reading the prompt', modelId: ID }
      let conversation: Conversation | undefined
      let isKept = false
      try {
        conversation = await conversations.open(messages, signal)
        const answer = yield* prompt(conversation, request, signal, clock)
        // An answer that was begun for the model is not in the session as the caller will write it.
        isKept = answer !== undefined && messages.turns.at(-1)?.message.role !== 'assistant'
        if (isKept) conversation.keep(messages.turns, answerTurn(answer ?? ''))
      } catch (error) {
        if (signal.aborted) return
        throw translatePromptError(error, 'run')
      } finally {
        if (!isKept) conversation?.drop()
      }
    },
    async countTokens(request) {
      const { signal } = new AbortController()
      const { session, news } = await conversations.peek(promptMessages(request.messages, inputs), signal)
      const added = await measure(
        session,
        news.map(({ message }) => message),
      )
      return usageOf(session) + (added ?? 0)
    },
    close: async () => conversations.destroy(),
  }
}

/** Asks for one answer. Gives its text, or undefined when it was cut off, so that the session cannot be used on. */
async function* prompt(
  { session, news }: Conversation,
  { output, sampling = {} }: ModelRequest,
  signal: AbortSignal,
  clock: Clock,
): AsyncGenerator<ModelPart, string | undefined> {
  const input = news.map(({ message }) => message)
  const schema = output?.type === 'json-schema' ? { responseConstraint: toObject(output.schema) } : {}
  const cachedTokens = usageOf(session)
  const promptTokens = cachedTokens + ((await measure(session, input, schema)) ?? 0)
  if (promptTokens > windowOf(session)) throw overflowError(promptTokens, windowOf(session))
  const inner = new AbortController()
  const startedAt = clock.now()
  let firstAt: number | undefined
  const reader = session
    .promptStreaming(input, { ...schema, signal: AbortSignal.any([signal, inner.signal]) })
    .getReader()
  const deltas = createDeltaReader()
  const cutter = createStopCutter(sampling.stop)
  const maxPieces = sampling.maxTokens ?? Number.POSITIVE_INFINITY
  let text = ''
  let pieces = 0
  let cut: 'stop' | 'length' | undefined
  try {
    while (cut === undefined) {
      const { done, value } = await abortable(reader.read(), signal)
      firstAt ??= clock.now()
      const delta = done ? deltas.end() : deltas.push(String(value))
      const shown = cutter.push(delta)
      const piece = done && !shown.stopped ? shown.text + cutter.flush() : shown.text
      text += piece
      if (piece !== '') yield { type: 'text-delta', text: piece }
      if (shown.stopped) cut = 'stop'
      else if (done) break
      else if (delta !== '' && ++pieces >= maxPieces) cut = 'length'
    }
  } finally {
    if (cut !== undefined || signal.aborted) inner.abort(new DOMException('The answer is long enough', 'AbortError'))
    await reader.cancel().catch(() => {})
  }
  const written = cut === undefined ? Math.max(0, Math.round(usageOf(session) - promptTokens)) : 0
  yield {
    type: 'model-usage',
    usage: {
      promptTokens,
      completionTokens: written || pieces,
      cachedTokens,
      prefillMs: (firstAt ?? clock.now()) - startedAt,
      decodeMs: clock.now() - (firstAt ?? clock.now()),
    },
  }
  yield { type: 'model-finish', reason: cut ?? 'stop' }
  return cut === undefined ? text : undefined
}

/** The browser takes an object as its constraint. */
const toObject = (schema: boolean | object): object => (typeof schema === 'object' ? schema : { type: 'object' })
