import type { ChatModel, ModelRequest } from '../protocol/model.js'
import { iterate, streamOf } from '../runtime/stream.js'

/** `auto`: only where the request is deterministic, so at temperature 0 or with a seed. */
export type AnswerCacheMode = 'auto' | 'always' | 'off'

/** Whether an answer to this request may come from the cache. */
export function isCacheable({ sampling }: ModelRequest, mode: AnswerCacheMode): boolean {
  return mode === 'always' || (mode === 'auto' && (sampling?.temperature === 0 || sampling?.seed !== undefined))
}

/** The model as it is at any time, with another way to stream. */
export function frontOf(model: ChatModel, stream: ChatModel['stream']): ChatModel {
  return {
    id: model.id,
    get contextTokens() {
      return model.contextTokens
    },
    get capabilities() {
      return model.capabilities
    },
    get isLoaded() {
      return model.isLoaded
    },
    get device() {
      return model.device
    },
    load: (loadOptions) => model.load(loadOptions),
    stream,
    countTokens: (request) => model.countTokens(request),
    dispose: () => model.dispose(),
  }
}

/** The model with its answers cached by what `open` gives, which is opened with the first request that may be cached. */
export function cacheWhenAsked(model: ChatModel, mode: AnswerCacheMode, open: () => Promise<ChatModel>): ChatModel {
  return frontOf(model, (request, { signal } = {}) => {
    if (!isCacheable(request, mode)) return model.stream(request, { signal })
    return streamOf(
      async function* (inner) {
        yield* iterate((await open()).stream(request, { signal: inner }))
      },
      { signal },
    )
  })
}
