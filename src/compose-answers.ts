import { type CachedAnswer, cachedAnswerVersion, cacheModel, isCachedAnswer } from './engines/cached-model.js'
import type { AnswerCacheMode } from './engines/model-front.js'
import type { AlcoveError } from './protocol/error.js'
import type { ChatModel } from './protocol/model.js'
import type { Settings } from './settings.js'
import { openStore } from './store/idb-store.js'
import { createTieredCache } from './store/tiered-cache.js'

/** The cache of answers: a page pays for it with its first request that may be cached. */
export interface Answers {
  cached(model: ChatModel, mode: AnswerCacheMode, revision: string | undefined): ChatModel
  /** Bytes of kept answers. */
  usage(): Promise<number>
  clear(): Promise<void>
  close(): Promise<void>
}

export function composeAnswers(
  storageName: string,
  limits: NonNullable<Settings['cache']>,
  onWarning: (error: AlcoveError) => void,
): Answers {
  const cache = createTieredCache<CachedAnswer>({
    ...limits,
    store: openStore(`${storageName}-answers`, { onFallback: onWarning }),
    version: cachedAnswerVersion,
    check: isCachedAnswer,
    onWarning,
  })
  return {
    cached: (model, mode, revision) => cacheModel(model, cache, { mode, revision }),
    usage: async () => (await cache.usage()).bytes,
    async clear() {
      await cache.clear()
    },
    close: () => cache.close(),
  }
}
