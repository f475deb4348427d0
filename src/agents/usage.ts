import type { ModelUsage } from '../protocol/model.js'
import type { Usage } from '../protocol/stream-part.js'
import type { Clock } from '../runtime/clock.js'

/** Counts and times of one run. */
export interface UsageMeter {
  /** Something of the answer is there. */
  markToken(): void
  addModelUsage(usage: ModelUsage): void
  addTime(kind: 'loadMs' | 'searchMs', milliseconds: number): void
  setModel(id: string): void
  /** Whether the model says that it is loading; the time between counts as loading. */
  setLoading(isLoading: boolean): void
  /** A model call begins: rates are measured from its first token. */
  startCall(): void
  /** Goes on from what a stored run had used. */
  restore(usage: Usage): void
  readonly totalTokens: number
  read(): Usage
}

/** @param readToolMs time that tools have taken so far */
export function createUsageMeter(clock: Clock, readToolMs: () => number): UsageMeter {
  const startedAt = clock.now()
  /** What was used before the run was stored. */
  let before: Partial<Usage> = {}
  const sums = {
    promptTokens: 0,
    completionTokens: 0,
    cachedTokens: 0,
    queueMs: 0,
    loadMs: 0,
    searchMs: 0,
    decodeMs: 0,
  }
  let firstTokenAt: number | undefined
  let callFirstTokenAt: number | undefined
  let modelId: string | undefined
  let loadingSince: number | undefined
  let cache: Usage['cache'] = 'off'

  return {
    markToken() {
      if (callFirstTokenAt !== undefined) return
      callFirstTokenAt = clock.now()
      firstTokenAt ??= callFirstTokenAt
    },
    addModelUsage({ promptTokens, completionTokens, cachedTokens = 0, queueMs = 0, decodeMs, cache: answered }) {
      // One call that had to be made is enough for the run to have missed.
      if (answered !== undefined && cache !== 'miss') cache = answered
      sums.promptTokens += promptTokens
      sums.completionTokens += completionTokens
      sums.cachedTokens += cachedTokens
      sums.queueMs += queueMs
      sums.decodeMs += decodeMs ?? clock.now() - (callFirstTokenAt ?? clock.now())
    },
    addTime(kind, milliseconds) {
      sums[kind] += milliseconds
    },
    setModel(id) {
      modelId = id
    },
    setLoading(isLoading) {
      if (isLoading) loadingSince ??= clock.now()
      else if (loadingSince !== undefined) {
        sums.loadMs += clock.now() - loadingSince
        loadingSince = undefined
      }
    },
    startCall() {
      callFirstTokenAt = undefined
    },
    restore(usage) {
      before = usage
      for (const key of [
        'promptTokens',
        'completionTokens',
        'cachedTokens',
        'queueMs',
        'loadMs',
        'searchMs',
      ] as const) {
        sums[key] = usage[key] ?? 0
      }
      if (usage.tokensPerSecond) sums.decodeMs = (sums.completionTokens / usage.tokensPerSecond) * 1000
      cache = usage.cache ?? 'off'
      modelId = usage.modelId
    },
    get totalTokens() {
      return sums.promptTokens + sums.completionTokens
    },
    read() {
      const { decodeMs, ...rest } = sums
      return {
        ...rest,
        totalTokens: sums.promptTokens + sums.completionTokens,
        timeToFirstTokenMs:
          before.timeToFirstTokenMs ?? (firstTokenAt === undefined ? undefined : firstTokenAt - startedAt),
        tokensPerSecond: decodeMs > 0 ? (sums.completionTokens / decodeMs) * 1000 : undefined,
        toolMs: (before.toolMs ?? 0) + readToolMs(),
        durationMs: (before.durationMs ?? 0) + clock.now() - startedAt,
        cache,
        modelId,
      }
    },
  }
}
