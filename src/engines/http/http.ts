import { AlcoveError } from '../../protocol/error.js'
import type { ChatModel, EmbeddingModel } from '../../protocol/model.js'
import { toErrorInfo } from '../../rpc/error-wire.js'
import type { ModelInspection } from '../engine.js'
import { createHttpChat } from './chat.js'
import { createHttpEmbedding } from './embedding.js'
import { type HttpOptions, type HttpScope, readHttpOptions } from './options.js'
import { checkReachable } from './reach.js'
import { createTransport, type TransportOptions } from './transport.js'

/** The remote models of one client: they share connections and what is known of their servers. */
export interface HttpEngine {
  /** @throws AlcoveError `invalid-argument` for an id without a name */
  chat(id: string): ChatModel
  embedding(id: string): EmbeddingModel
  /** Whether a server is there, by one small request. A remote model has nothing to download. */
  inspect(id: string): Promise<ModelInspection>
  /** Ends what is in flight with `closed`, and refuses what comes after. */
  close(): void
}

/**
 * Opens the remote models that a page's author configured.
 * @param options undefined: none are
 * @throws AlcoveError `invalid-argument`, `permission-denied`, see `readHttpOptions`
 */
export function createHttpEngine(
  options: HttpOptions | undefined,
  scope: HttpScope,
  parts: Omit<TransportOptions, 'settings'> & { readonly createId?: (() => string) | undefined } = {},
): HttpEngine {
  if (options === undefined) {
    throw new AlcoveError(
      'invalid-argument',
      "model: expected createAlcove's http.baseUrl to be set for a model of 'http:', got none",
      {
        hint: "Write createAlcove({ http: { baseUrl: 'https://host/v1' }, model: 'http:<model>' }).",
      },
    )
  }
  const settings = readHttpOptions(options, scope)
  const transport = createTransport({ settings, clock: parts.clock, random: parts.random })
  const closing = new AbortController()
  const closed = closing.signal
  return {
    close: () => closing.abort(new AlcoveError('closed', 'This client was closed')),
    chat: (id) => createHttpChat(id, { settings, transport, closed, createId: parts.createId, clock: parts.clock }),
    embedding: (id) => createHttpEmbedding(id, { settings, transport, closed }),
    async inspect(id) {
      try {
        await checkReachable(transport, id, {}, 1)
        return { state: 'available', bytes: 0 }
      } catch (error) {
        return { state: 'unavailable', error: toErrorInfo(error, 'network') }
      }
    },
  }
}
