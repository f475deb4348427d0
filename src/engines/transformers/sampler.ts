import type { Sampling } from '../../protocol/model.js'

/** What of `Sampling` decides on one token. */
export type SamplerOptions = Pick<
  Sampling,
  'temperature' | 'topP' | 'topK' | 'seed' | 'frequencyPenalty' | 'presencePenalty' | 'repetitionPenalty'
>

/** Chooses tokens, one after the other. */
export interface Sampler {
  /**
   * The next token.
   * @param logits one number for each token of the vocabulary; changed in place by penalties
   */
  sample(logits: Float32Array): number
  /** Takes a token that was chosen without it. */
  accept(token: number): void
}

/** Uniform numbers in [0, 1) from a seed (sfc32, Chris Doty-Humphrey's Small Fast Counter). */
function seededRandom(seed: number): () => number {
  let a = seed | 0
  let b = Math.floor(seed / 2 ** 32) | 0
  let c = 0x9e3779b9 | 0
  let counter = 1
  const next = () => {
    const result = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + result
    c |= 0
    return (result >>> 0) / 2 ** 32
  }
  for (let round = 0; round < 12; round++) next()
  return next
}

function argmax(values: Float32Array): number {
  let best = 0
  let bestValue = Number.NEGATIVE_INFINITY
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number
    if (value > bestValue) {
      bestValue = value
      best = index
    }
  }
  return best
}

/** The `count`-th largest of the values; the smallest when there are fewer. */
function nthLargest(values: Float64Array, count: number): number {
  const largest: number[] = []
  for (const value of values) {
    if (largest.length === count && value <= (largest[0] as number)) continue
    let place = 0
    let end = largest.length
    while (place < end) {
      const middle = (place + end) >> 1
      if ((largest[middle] as number) < value) place = middle + 1
      else end = middle
    }
    largest.splice(place, 0, value)
    if (largest.length > count) largest.shift()
  }
  return largest[0] ?? 0
}

/** Probability of each token, not normalised: 1 for the most likely. */
function weigh(logits: Float32Array, temperature: number): Float64Array {
  const top = logits[argmax(logits)] as number
  const weights = new Float64Array(logits.length)
  for (let token = 0; token < logits.length; token++) {
    weights[token] = Math.exp(((logits[token] as number) - top) / temperature)
  }
  return weights
}

const sumOf = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0)

/** Draws a place in proportion to its weight; only the first `count` places that `order` names take part. */
function draw(weights: Float64Array, order: ArrayLike<number>, count: number, total: number, random: number): number {
  let left = random * total
  for (let place = 0; place < count; place++) {
    const token = order[place] as number
    left -= weights[token] as number
    if (left < 0) return token
  }
  return order[count - 1] as number
}

/**
 * Chooses among the `topK` most likely tokens, and of those among the ones that together hold `topP` of the probability
 * (nucleus sampling, Holtzman et al. 2019).
 */
function chooseToken(weights: Float64Array, topK: number, topP: number, random: number): number {
  const total = sumOf(weights)
  // A token below its even share of what the nucleus leaves out cannot be in the nucleus.
  const floor = topK > 0 ? nthLargest(weights, topK) : topP < 1 ? ((1 - topP) * total) / weights.length : 0
  const order: number[] = []
  for (let token = 0; token < weights.length; token++) {
    const weight = weights[token] as number
    // A forbidden token has no weight at all.
    if (weight >= floor && weight > 0) order.push(token)
  }
  if (topK <= 0 && topP >= 1) return draw(weights, order, order.length, total, random)
  order.sort((a, b) => (weights[b] as number) - (weights[a] as number) || a - b)
  if (topK > 0) order.length = Math.min(order.length, topK)
  const limit = topP * (topK > 0 ? order.reduce((sum, token) => sum + (weights[token] as number), 0) : total)
  let kept = 0
  let count = 0
  while (count < order.length && (count === 0 || kept < limit)) kept += weights[order[count++] as number] as number
  return draw(weights, order, count, kept, random)
}

/**
 * A sampler for one answer. `repetitionPenalty` counts prompt and answer (as in CTRL, Keskar et al. 2019), the other two
 * penalties the answer alone (as in the OpenAI API).
 */
export function createSampler(
  options: SamplerOptions,
  promptTokens: Iterable<number>,
  random: () => number = options.seed === undefined ? Math.random : seededRandom(options.seed),
): Sampler {
  const { temperature = 0, topP = 1, topK = 0 } = options
  const { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 } = options
  const seen = new Set<number>(repetitionPenalty === 1 ? [] : promptTokens)
  const counts = new Map<number, number>()

  const penalise = (logits: Float32Array) => {
    if (repetitionPenalty !== 1) {
      for (const token of seen) {
        const value = logits[token] as number
        logits[token] = value > 0 ? value / repetitionPenalty : value * repetitionPenalty
      }
    }
    if (frequencyPenalty === 0 && presencePenalty === 0) return
    for (const [token, count] of counts) {
      logits[token] = (logits[token] as number) - count * frequencyPenalty - presencePenalty
    }
  }

  const accept = (token: number) => {
    seen.add(token)
    counts.set(token, (counts.get(token) ?? 0) + 1)
  }

  return {
    sample(logits) {
      penalise(logits)
      const token = temperature > 0 ? chooseToken(weigh(logits, temperature), topK, topP, random()) : argmax(logits)
      accept(token)
      return token
    },
    accept,
  }
}
