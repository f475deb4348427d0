import { AlcoveError } from '../../protocol/error.js'
import type { ModelPart, ModelRequest, Sampling } from '../../protocol/model.js'
import { throwIfAborted } from '../../runtime/abort.js'
import { type Clock, systemClock } from '../../runtime/clock.js'
import type { Constrainer, TokenConstraint } from '../grammar/constraint.js'
import { createStopCutter } from '../stop-words.js'
import type { Decoder } from './decoder.js'
import { createDetokenizer } from './detokenizer.js'
import { nextMacrotask } from './macrotask.js'
import type { TokenTexts } from './prompt.js'
import { createSampler, type Sampler, type SamplerOptions } from './sampler.js'

/** A loaded model, ready to write. */
export interface Writer {
  readonly modelId: string
  readonly decoder: Decoder
  readonly texts: TokenTexts
  readonly contextTokens: number
  readonly endTokens: ReadonlySet<number>
  /** What the model's authors recommend, for what a request leaves open. */
  readonly defaults: SamplerOptions
  /** Tokens to read in one run of the engine at first. */
  readonly firstStepTokens: number
  /** Undefined where the tokens of the model cannot be told apart by their text. */
  readonly constrainer?: (() => Constrainer | undefined) | undefined
}

/** Answers that name no `maxTokens` end here. */
const DEFAULT_MAX_TOKENS = 1_024
/** A run of the engine blocks its thread: a prompt is read in steps of about this time, between which a cancel is heard. */
const STEP_TARGET_MS = 400
const MIN_STEP_TOKENS = 16
const MAX_STEP_TOKENS = 1_024

/** What decides on tokens: a request's own values, else the model's; without either the most likely token is taken. */
function samplerOptions(sampling: Sampling, defaults: SamplerOptions): SamplerOptions {
  const { temperature, topP, topK } = sampling
  const asksForChance = topP !== undefined || topK !== undefined
  return {
    temperature: temperature ?? defaults.temperature ?? (asksForChance ? 1 : 0),
    topP: topP ?? defaults.topP,
    topK: topK ?? defaults.topK,
    seed: sampling.seed,
    frequencyPenalty: sampling.frequencyPenalty,
    presencePenalty: sampling.presencePenalty,
    repetitionPenalty: sampling.repetitionPenalty ?? defaults.repetitionPenalty,
  }
}

/**
 * Reads the prompt in steps. Yields what it is doing; returns what the model expects next.
 */
async function* readPrompt(
  { decoder, modelId, firstStepTokens }: Writer,
  prompt: readonly number[],
  from: number,
  signal: AbortSignal,
  clock: Clock,
): AsyncGenerator<ModelPart, Float32Array> {
  let step = decoder.readsInSteps ? firstStepTokens : prompt.length
  let at = from
  for (;;) {
    const message = `Reading the prompt: ${at - from} of ${prompt.length - from} tokens`
    yield { type: 'status', status: 'prefill', message, modelId }
    await nextMacrotask()
    throwIfAborted(signal)
    const began = clock.now()
    const tokens = prompt.slice(at, at + step)
    const logits = await decoder.feed(tokens)
    at += tokens.length
    if (at >= prompt.length) return logits
    const wanted = (tokens.length * STEP_TARGET_MS) / Math.max(clock.now() - began, 1)
    step = Math.round(Math.min(Math.max(wanted, MIN_STEP_TOKENS), MAX_STEP_TOKENS))
  }
}

/** Turns tokens into text that may be shown. */
function createTextWriter({ texts }: Writer, prompt: readonly number[], stop: readonly string[] | undefined) {
  const cutter = createStopCutter(stop)
  let detokenizer = createDetokenizer({ decode: texts.decode, context: prompt })
  const read = (token: number): string => {
    if (!texts.isSpecial(token)) return detokenizer.push(token)
    const spoken = texts.textOf(token)
    if (spoken === '') return ''
    const open = detokenizer.flush()
    detokenizer = createDetokenizer({ decode: texts.decode })
    return open + spoken
  }
  return {
    push(tokens: readonly number[]): { readonly text: string; readonly stopped: boolean } {
      return cutter.push(tokens.map(read).join(''))
    },
    flush(): string {
      const { text } = cutter.push(detokenizer.flush())
      return text + cutter.flush()
    },
  }
}

function startConstraint(writer: Writer, { output }: ModelRequest): TokenConstraint | undefined {
  if (output === undefined) return undefined
  const constrainer = writer.constrainer?.()
  if (constrainer !== undefined) return constrainer.start(output)
  throw new AlcoveError('invalid-argument', `output: '${writer.modelId}' cannot be held to a form`, {
    hint: 'Leave `output` out and check the answer, or use another model.',
  })
}

function addBias(logits: Float32Array, bias: Sampling['logitBias']): void {
  for (const [token, value] of Object.entries(bias ?? {})) {
    const at = Number(token)
    if (at < logits.length) logits[at] = (logits[at] ?? 0) + value
  }
}

/** The next tokens: those that the form leaves no choice in, else one by chance. At least one. */
function chooseTokens(
  logits: Float32Array,
  sampler: Sampler,
  constraint: TokenConstraint | undefined,
  limit: number,
): readonly number[] {
  const forced = constraint?.forced().slice(0, limit) ?? []
  for (const token of forced) sampler.accept(token)
  if (forced.length === 0) constraint?.restrict(logits)
  const tokens = forced.length > 0 ? forced : [sampler.sample(logits)]
  for (const token of tokens) constraint?.accept(token)
  return tokens
}

/**
 * Answers a prompt: text as it comes, then usage and the reason of the end. Between two tokens the thread hears its messages.
 * @throws AlcoveError `context-overflow` when the prompt leaves no room for an answer, `aborted`; errors of the engine as they are
 */
export async function* generateText(
  writer: Writer,
  prompt: readonly number[],
  request: ModelRequest,
  signal: AbortSignal,
  clock: Clock = systemClock,
): AsyncGenerator<ModelPart> {
  const { decoder, contextTokens, endTokens } = writer
  const sampling = request.sampling ?? {}
  const room = contextTokens - prompt.length
  if (room < 1) throw overflow(writer, prompt.length)
  const maxTokens = Math.min(sampling.maxTokens ?? DEFAULT_MAX_TOKENS, room)
  const constraint = startConstraint(writer, request)
  const began = clock.now()
  const cachedTokens = await decoder.rewind(prompt)
  let logits = yield* readPrompt(writer, prompt, cachedTokens, signal, clock)
  const read = clock.now()
  const sampler = createSampler(samplerOptions(sampling, writer.defaults), prompt)
  const text = createTextWriter(writer, prompt, sampling.stop)
  let completionTokens = 0
  let reason: 'stop' | 'length' = 'length'
  while (completionTokens < maxTokens) {
    addBias(logits, sampling.logitBias)
    const tokens = chooseTokens(logits, sampler, constraint, maxTokens - completionTokens)
    if (tokens.some((token) => endTokens.has(token))) {
      reason = 'stop'
      break
    }
    completionTokens += tokens.length
    const shown = text.push(tokens)
    if (shown.text !== '') yield { type: 'text-delta', text: shown.text }
    if (shown.stopped || constraint?.isComplete) {
      reason = 'stop'
      break
    }
    if (completionTokens >= maxTokens) break
    await nextMacrotask()
    throwIfAborted(signal)
    logits = await decoder.feed(tokens)
  }
  const rest = text.flush()
  if (rest !== '') yield { type: 'text-delta', text: rest }
  const times = { prefillMs: read - began, decodeMs: clock.now() - read }
  yield { type: 'model-usage', usage: { promptTokens: prompt.length, completionTokens, cachedTokens, ...times } }
  yield { type: 'model-finish', reason }
}

function overflow({ contextTokens, modelId }: Writer, promptTokens: number): AlcoveError {
  return new AlcoveError(
    'context-overflow',
    `expected fewer than ${contextTokens} tokens of prompt for '${modelId}', got ${promptTokens}`,
    { details: { promptTokens, contextTokens } },
  )
}
