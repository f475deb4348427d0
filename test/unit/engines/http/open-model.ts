import { onTestFinished } from 'vitest'
import { createHttpEngine } from '../../../../src/engines/http/http.js'
import type { HttpOptions } from '../../../../src/engines/http/options.js'
import { type AlcoveError, isAlcoveError } from '../../../../src/protocol/error.js'
import type { ChatModel, ModelPart, ModelRequest } from '../../../../src/protocol/model.js'
import type { Clock } from '../../../../src/runtime/clock.js'
import { iterate } from '../../../../src/runtime/stream.js'
import { type Behaviour, type ProtocolServer, startProtocolServer } from './protocol-server.js'

export const ask = (content = 'Hello', rest: Partial<ModelRequest> = {}): ModelRequest => ({
  messages: [{ role: 'user', content }],
  ...rest,
})

const SCOPE = { allowRemote: true, pageUrl: undefined }

/** A server that is closed after the test. */
export async function serve(behave: Behaviour, models?: Behaviour): Promise<ProtocolServer> {
  const server = await startProtocolServer(behave, models)
  onTestFinished(() => server.close())
  return server
}

export interface OpenOptions extends Partial<HttpOptions> {
  readonly clock?: Clock
}

/** Remote models at these servers: no wait between tries unless a test sets one. */
export function openEngine(servers: ProtocolServer | readonly ProtocolServer[], options: OpenOptions = {}) {
  const { clock, ...http } = options
  const list = 'url' in servers ? [servers] : servers
  let ids = 0
  return createHttpEngine({ baseUrl: list.map(({ url }) => url), retry: { baseDelayMs: 1 }, ...http }, SCOPE, {
    random: () => 0.5,
    createId: () => `made-${++ids}`,
    ...(clock && { clock }),
  })
}

export const openModel = (servers: ProtocolServer | readonly ProtocolServer[], options: OpenOptions = {}): ChatModel =>
  openEngine(servers, options).chat('http:tiny')

/** All parts, and the error that the stream ended with. */
export async function readParts(
  model: ChatModel,
  request: ModelRequest = ask(),
  options: { readonly signal?: AbortSignal; onPart?(part: ModelPart): void } = {},
): Promise<{ parts: ModelPart[]; text: string; error: AlcoveError | undefined }> {
  const parts: ModelPart[] = []
  let error: AlcoveError | undefined
  try {
    for await (const part of iterate(model.stream(request, { signal: options.signal }))) {
      parts.push(part)
      options.onPart?.(part)
    }
  } catch (thrown) {
    if (!isAlcoveError(thrown)) throw thrown
    error = thrown
  }
  const text = parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('')
  return { parts, text, error }
}

export const ofType = <Type extends ModelPart['type']>(parts: readonly ModelPart[], type: Type) =>
  parts.filter((part): part is Extract<ModelPart, { type: Type }> => part.type === type)
