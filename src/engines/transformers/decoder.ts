import type { Tensor } from '@huggingface/transformers'
import { createPrefixSlots, type PrefixSlot, type SlotStore } from './prefix-slots.js'
import { type LoadedModel, type TransformersLibrary, throwFailure } from './runtime.js'

/** A decoder with the keys and values of the tokens that it has read, for the last few prompts. */
export interface Decoder {
  /** Takes up what was read before: keeps the longest common beginning with any earlier prompt, and says how long it is. */
  rewind(prompt: readonly number[]): Promise<number>
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

/** Keys and values by token, in the third dimension; other states have no length that could be cut. */
const KEY_OR_VALUE = /^past_key_values\..*(?:key|value)$/

const tensorsOf = (cache: Cache) => Object.entries(cache) as [string, Tensor][]

/** A decoder for a loaded causal language model. Not for use by two callers at a time. */
export function createDecoder(library: TransformersLibrary, model: LoadedModel): Decoder {
  const raw = model as unknown as RawModel
  const names = Object.values(raw.sessions).flatMap((session) => session.inputNames)
  const keepsCache = names.some((name) => name.startsWith('past'))
  const toTensor = (tokens: readonly number[]) =>
    new library.Tensor('int64', BigInt64Array.from(tokens, BigInt), [1, tokens.length])

  /** The keys or values of the first tokens, copied; also from the GPU. */
  const firstTokens = async (tensor: Tensor, length: number): Promise<Tensor> => {
    const [batch = 1, heads = 1, tokens = 0, size = 1] = tensor.dims
    const { ort_tensor: own } = tensor as unknown as { ort_tensor: { getData(): Promise<unknown> } }
    const data = (await own.getData()) as Float32Array
    const kept = new (data.constructor as Float32ArrayConstructor)(batch * heads * length * size)
    for (let head = 0; head < batch * heads; head++) {
      const from = head * tokens * size
      kept.set(data.subarray(from, from + length * size), head * length * size)
    }
    return new library.Tensor(tensor.type, kept, [batch, heads, length, size])
  }

  const store: SlotStore<Cache> = {
    create: () => new library.DynamicCache() as unknown as Cache,
    canCopy: (cache, tokens) =>
      keepsCache &&
      tensorsOf(cache).every(([name, { dims }]) => KEY_OR_VALUE.test(name) && dims[2] === tokens) &&
      tensorsOf(cache).length > 0,
    async copy(cache, length) {
      const copied = new library.DynamicCache() as unknown as Cache
      for (const [name, tensor] of tensorsOf(cache)) {
        copied.update({ [name]: await firstTokens(tensor, length) })
      }
      return copied
    },
    bytes: (cache) =>
      tensorsOf(cache).reduce((sum, [, { size, type }]) => sum + size * (type === 'float16' ? 2 : 4), 0),
    dispose: (cache) => cache.dispose(),
  }
  const slots = createPrefixSlots(store)
  let current: PrefixSlot<Cache> = slots.open()

  /** Runs the model on tokens that come after what the cache has. */
  const run = async (tokens: readonly number[], past: number): Promise<Record<string, Tensor>> => {
    const inputs = raw.prepare_inputs_for_generation(
      [Array.from(tokens, BigInt)],
      {
        input_ids: toTensor(tokens),
        attention_mask: library.ones([1, past + tokens.length]),
        ...(keepsCache && { past_key_values: current.cache }),
      },
      {},
    )
    const outputs = await raw.forward(inputs)
    throwFailure(outputs)
    return outputs
  }

  const keep = (outputs: Record<string, Tensor>) => {
    const present = Object.entries(outputs).filter(([name]) => name.startsWith('present'))
    current.cache.update(Object.fromEntries(present.map(([name, tensor]) => [inputName(name), tensor])))
  }

  return {
    readsInSteps: keepsCache,
    async rewind(prompt) {
      current = await slots.take(prompt)
      return current.tokens.length
    },
    async feed(tokens) {
      try {
        const read = current.tokens
        const outputs = await run(keepsCache ? tokens : [...read, ...tokens], keepsCache ? read.length : 0)
        if (keepsCache) keep(outputs)
        current.tokens.push(...tokens)
        const logits = outputs.logits as Tensor
        return logits.slice(null, -1, null).to('float32').data as Float32Array
      } catch (error) {
        await slots.drop(current).catch(() => {})
        current = slots.open()
        throw error
      }
    },
    async reset() {
      await slots.clear()
      current = slots.open()
    },
  }
}
