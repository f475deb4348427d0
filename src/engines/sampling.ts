import { AlcoveError } from '../protocol/error.js'
import type { Sampling } from '../protocol/model.js'

type Numeric =
  | 'temperature'
  | 'topP'
  | 'topK'
  | 'maxTokens'
  | 'seed'
  | 'frequencyPenalty'
  | 'presencePenalty'
  | 'repetitionPenalty'

interface Range {
  readonly least: number
  readonly most: number
  /** `least` itself is not in it. */
  readonly above?: boolean
  readonly whole?: boolean
}

const RANGES: Readonly<Record<Numeric, Range>> = {
  temperature: { least: 0, most: 2 },
  topP: { least: 0, most: 1, above: true },
  topK: { least: 1, most: 1_000_000, whole: true },
  maxTokens: { least: 1, most: 10_000_000, whole: true },
  seed: { least: Number.MIN_SAFE_INTEGER, most: Number.MAX_SAFE_INTEGER, whole: true },
  frequencyPenalty: { least: -2, most: 2 },
  presencePenalty: { least: -2, most: 2 },
  repetitionPenalty: { least: 0, most: 10, above: true },
}
/** Most entries that a bias may have: OpenAI takes so many. */
const MAX_BIASES = 1_024

/**
 * Refuses values that no engine takes.
 * @throws AlcoveError `invalid-argument` that names the field, its range and what was got
 */
export function checkSampling(sampling: Sampling | undefined): void {
  if (sampling === undefined) return
  for (const name of Object.keys(RANGES) as Numeric[]) {
    const value = sampling[name]
    const { least, most, above = false, whole = false } = RANGES[name]
    if (value === undefined) continue
    const fits = typeof value === 'number' && value <= most && (above ? value > least : value >= least)
    if (fits && (!whole || Number.isInteger(value))) continue
    const range = `${whole ? 'a whole number' : 'a number'} ${above ? 'above' : 'from'} ${least} to ${most}`
    throw new AlcoveError('invalid-argument', `sampling.${name}: expected ${range}, got ${String(value)}`)
  }
  const { stop = [], reasoning } = sampling
  if (!Array.isArray(stop) || stop.some((text: unknown) => typeof text !== 'string'))
    throw new AlcoveError('invalid-argument', `sampling.stop: expected a list of texts, got ${String(stop)}`)
  if (reasoning !== undefined && reasoning !== 'on' && reasoning !== 'off')
    throw new AlcoveError('invalid-argument', `sampling.reasoning: expected 'on' or 'off', got ${String(reasoning)}`)
  checkLogitBias(sampling.logitBias)
}

function checkLogitBias(logitBias: Sampling['logitBias']): void {
  const entries = Object.entries(logitBias ?? {})
  const wrong = entries.find(([token, bias]) => !/^\d+$/.test(token) || !(bias >= -100 && bias <= 100))
  if (wrong) {
    throw new AlcoveError(
      'invalid-argument',
      `sampling.logitBias: expected numbers of tokens with a bias from -100 to 100, got ${wrong[0]}: ${String(wrong[1])}`,
    )
  }
  if (entries.length > MAX_BIASES) {
    throw new AlcoveError(
      'invalid-argument',
      `sampling.logitBias: expected at most ${MAX_BIASES} tokens, got ${entries.length}`,
    )
  }
}
