import type { Tensor } from '@huggingface/transformers'
import { type LoadedModel, type TransformersLibrary, throwFailure } from './runtime.js'

/** A decoder with the keys and values of the tokens that it has read. */
export interface Decoder {
  /** Takes up what was read before: keeps the longest common beginning, which it returns, and forgets the rest. */
  rewind(prompt: readonly number[]): number
  /** Reads tokens; the answer is what comes next: one number for each token of the vocabulary, free to be changed. */
  feed(tokens: readonly number[]): Promise<Float32Array>
  /** Whether reading in several steps costs no more than in one. */
  readonly readsInSteps: boolean
  /** Forgets all that was read. */
  reset(): Promise<void>
}

type Cache = Record<string, Tensor> & { update(entries: Record<string, Tensor>): void; dispose(): Promise<void> }

/** The parts of the library's model class that are used here; its own types say `any`. */
interface RawModel {
  readonly config: { readonly is_encoder_decoder?: boolean }
  readonly sessions: Readonly<Record<string, { readonly inputNames: readonly string[] }>>
  prepare_inputs_for_generation(ids: bigint[][], inputs: object, config: object): object
  forward(inputs: object): Promise<Record<string, Tensor>>
}

/** An output's name as the input of the next run; the same rules as in transformers.js. */
const inputName = (output: string) =>
  output.replace(/^present(?:_(ssm|conv|recurrent|compressor|indexer))?/, (_, kind?: string) =>
    kind ? `past_${kind}` : 'past_key_values',
  )

/** Fewer kept tokens than this are read again rather than cut out of the cache. */
const MIN_KEPT_TOKENS = 8

/** A decoder for a loaded causal language model. Not for use by two callers at a time. */
export function createDecoder(library: TransformersLibrary, model: LoadedModel): Decoder {
  const raw = model as unknown as RawModel
  const names = Object.values(raw.sessions).flatMap((session) => session.inputNames)
  const keepsCache = names.some((name) => name.startsWith('past'))
  const newCache = () => new library.DynamicCache() as unknown as Cache
  const toTensor = (tokens: readonly number[]) =>
    new library.Tensor('int64', BigInt64Array.from(tokens, BigInt), [1, tokens.length])
  let read: number[] = []
  let cache = newCache()

  /** Shortens the cache; false where its tensors are on the GPU or are states that cannot be shortened. */
  const cut = (length: number): boolean => {
    const entries = Object.entries(cache) as [string, Tensor][]
    const canCut = entries.every(
      ([name, { dims, location }]) =>
        /^past_key_values\..*(?:key|value)$/.test(name) && location === 'cpu' && dims[2] === read.length,
    )
    if (!canCut || entries.length === 0) return false
    cache.update(Object.fromEntries(entries.map(([name, tensor]) => [name, tensor.slice(null, null, [0, length])])))
    return true
  }

  const reset = async () => {
    const old = cache
    read = []
    cache = newCache()
    await old.dispose()
  }

  /** Runs the model on tokens that come after what the cache has. */
  const run = async (tokens: readonly number[], past: number): Promise<Record<string, Tensor>> => {
    const inputs = raw.prepare_inputs_for_generation(
      [Array.from(tokens, BigInt)],
      {
        input_ids: toTensor(tokens),
        attention_mask: library.ones([1, past + tokens.length]),
        ...(keepsCache && { past_key_values: cache }),
      },
      {},
    )
    const outputs = await raw.forward(inputs)
    throwFailure(outputs)
    return outputs
  }

  const keep = (outputs: Record<string, Tensor>) => {
    const present = Object.entries(outputs).filter(([name]) => name.startsWith('present'))
    cache.update(Object.fromEntries(present.map(([name, tensor]) => [inputName(name), tensor])))
  }

  return {
    readsInSteps: keepsCache,
    rewind(prompt) {
      let common = 0
      // The last token is always read again: what comes after it is the question.
      const limit = Math.min(read.length, prompt.length - 1)
      while (common < limit && read[common] === prompt[common]) common++
      if (common < read.length && (common < MIN_KEPT_TOKENS || !keepsCache || !cut(common))) common = 0
      if (common === 0) void reset()
      read = read.slice(0, common)
      return common
    },
    async feed(tokens) {
      try {
        const all = keepsCache ? tokens : [...read, ...tokens]
        const outputs = await run(all, keepsCache ? read.length : 0)
        if (keepsCache) keep(outputs)
        read.push(...tokens)
        const logits = outputs.logits as Tensor
        return logits.slice(null, -1, null).to('float32').data as Float32Array
      } catch (error) {
        await reset().catch(() => {})
        throw error
      }
    },
    reset,
  }
}
