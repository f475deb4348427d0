import type { ChatModel, LoadOptions, ModelPart, ModelRequest } from '../../protocol/model.js'
import { anySignal } from '../../runtime/abort.js'
import { type Clock, systemClock } from '../../runtime/clock.js'
import { streamOf } from '../../runtime/stream.js'
import { checkSampling } from '../sampling.js'
import { createStopCutter } from '../stop-words.js'
import { chatBody, MAX_WIRE_STOPS, newQuirks, quirkOf, type ServerQuirks } from './chat-body.js'
import { chatParts } from './chat-parts.js'
import { createRequestCounter } from './count.js'
import { wireMessages } from './messages.js'
import { type HttpSettings, httpModelName } from './options.js'
import { checkReachable } from './reach.js'
import type { Endpoint, Transport } from './transport.js'

export interface HttpChatOptions {
  readonly settings: HttpSettings
  readonly transport: Transport
  /** Ends all requests, for its reason. */
  readonly closed?: AbortSignal | undefined
  /** @default crypto.randomUUID, for calls that the server gives no id */
  readonly createId?: (() => string) | undefined
  readonly clock?: Clock | undefined
}

const USUAL_CONTEXT = 8_192

/**
 * A model behind OpenAI's chat protocol. Nothing is loaded; `load` looks whether a server is there. `countTokens` is an estimate that leans
 * on the server's own counts (see `createRequestCounter`). A request that fails before its first byte is sent again, to the next server
 * where there is one; after the first byte it is not.
 * @param id `http:<model>`
 * @throws AlcoveError `invalid-argument` for an id without a name
 */
export function createHttpChat(id: string, options: HttpChatOptions): ChatModel {
  const { settings, transport, closed, createId = () => crypto.randomUUID(), clock = systemClock } = options
  const model = httpModelName(id)
  const own = settings.modelOptions(model)
  const inputs = own.inputs ?? ['text', 'image']
  const counter = createRequestCounter()
  const quirks = new Map<Endpoint, ServerQuirks>(transport.endpoints.map((endpoint) => [endpoint, newQuirks()]))

  async function* answer(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    checkSampling(request.sampling)
    const messages = await wireMessages(request.messages, { inputs, signal, fetch: settings.fetch })
    const quirksOf = (endpoint: Endpoint) => quirks.get(endpoint) ?? newQuirks()
    const response = yield* transport.open({
      method: 'POST',
      path: 'chat/completions',
      modelId: id,
      signal,
      body: (endpoint) => chatBody(model, request, messages, own, quirksOf(endpoint)),
      adapt(error, endpoint) {
        const quirk = quirkOf(error)
        if (quirk === undefined || quirksOf(endpoint)[quirk]) return false
        quirksOf(endpoint)[quirk] = true
        return true
      },
    })
    const parts = chatParts(response, { createId, clock, startedAt: clock.now() })
    for await (const part of cutAtStops(parts, request.sampling?.stop)) {
      if (part.type === 'model-usage') counter.note(request, part.usage.promptTokens)
      yield part
    }
  }

  return {
    id,
    contextTokens: own.contextTokens ?? USUAL_CONTEXT,
    capabilities: {
      tools: own.tools ?? 'native',
      grammar: own.grammar ?? 'json-schema',
      inputs,
      prefixReuse: true,
      trust: own.trust ?? 'answer',
    },
    load: ({ signal, onProgress }: LoadOptions = {}) =>
      checkReachable(transport, id, { signal: anySignal(signal, closed), onProgress }),
    stream: (request, { signal } = {}) =>
      streamOf<ModelPart>((inner) => answer(request, anySignal(inner, closed) ?? inner), {
        signal,
        errorCode: 'network',
      }),
    countTokens: async (request) => counter.count(request),
    dispose: async () => {},
  }
}

/** Stop texts beyond those that a server takes are heeded here. */
async function* cutAtStops(parts: AsyncGenerator<ModelPart>, stop: readonly string[] = []): AsyncGenerator<ModelPart> {
  if (stop.filter(Boolean).length <= MAX_WIRE_STOPS) return yield* parts
  const cutter = createStopCutter(stop)
  for await (const part of parts) {
    if (part.type !== 'text-delta') {
      const held = part.type === 'model-finish' ? cutter.flush() : ''
      if (held !== '') yield { type: 'text-delta', text: held }
      yield part
      continue
    }
    const { text, stopped } = cutter.push(part.text)
    if (text !== '') yield { ...part, text }
    if (!stopped) continue
    yield { type: 'model-finish', reason: 'stop' }
    return
  }
}
