import type { ChatModel, ModelUsage } from '../../protocol/model.js'

/** Fewer tokens say little about how fast a model reads: most of their time is what any call takes. */
const MIN_TOKENS = 16
/** How much a slower measurement counts. A faster one counts whole: what else the engine does only ever adds to the time. */
const SLOWER_SHARE = 0.25
/** The first is no measure by itself: an engine may have compiled its kernels in it. */
const MIN_MEASUREMENTS = 2
/** A device on which a model reads more slowly than this, in milliseconds a token, is slow: less than 200 tokens a second. */
const SLOW_MS_PER_TOKEN = 5
const SLOW_TARGET_MS = 5_000

const rates = new WeakMap<ChatModel, { readonly msPerToken: number; readonly measurements: number }>()

/** Learns from a model's usage how fast it reads here. */
export function notePrefill(model: ChatModel, { promptTokens, cachedTokens = 0, prefillMs, cache }: ModelUsage): void {
  const read = promptTokens - cachedTokens
  if (prefillMs === undefined || !(prefillMs > 0) || read < MIN_TOKENS || cache === 'hit') return
  const rate = prefillMs / read
  const { msPerToken, measurements } = rates.get(model) ?? { msPerToken: rate, measurements: 0 }
  const slower = Math.max(0, rate - msPerToken) * SLOWER_SHARE
  rates.set(model, { msPerToken: Math.min(rate, msPerToken + slower), measurements: measurements + 1 })
}

/** How many tokens the model reads within the time that an agent allows; `Infinity` where that is not known or does not matter. */
export function tokensInTime(model: ChatModel, targetFirstTokenMs: number | undefined): number {
  const rate = rates.get(model)
  if (rate === undefined || rate.measurements < MIN_MEASUREMENTS) return Number.POSITIVE_INFINITY
  const usual = rate.msPerToken > SLOW_MS_PER_TOKEN ? SLOW_TARGET_MS : Number.POSITIVE_INFINITY
  return Math.floor((targetFirstTokenMs ?? usual) / rate.msPerToken)
}
