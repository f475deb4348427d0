import type { Tensor } from '@huggingface/transformers'
import type { EmbeddingModel, EmbeddingPurpose, LoadOptions } from '../../protocol/model.js'
import type { StatusPart } from '../../protocol/stream-part.js'
import { throwIfAborted } from '../../runtime/abort.js'
import { createLimiter } from '../../runtime/limiter.js'
import { createLoadOnce } from '../../runtime/load-once.js'
import type { EmbeddingEngine, ModelSpec } from '../engine.js'
import { translateEngineError } from '../engine-errors.js'
import { inspectModel } from './inspect.js'
import { nextMacrotask } from './macrotask.js'
import { repairModelFiles } from './model-files.js'
import { openEncoder } from './open-encoder.js'
import { poolVectors } from './pooling.js'
import { type Device, type LoadedModel, type Tokenizer, type TransformersLibrary, throwFailure } from './runtime.js'

const MAX_BATCH = 64
/** One run of the engine blocks its thread, so a batch is kept to about this time. */
const BATCH_TARGET_MS = 200
/** Tokens of a first batch, before its speed is known. */
const FIRST_BATCH_TOKENS = 1_024
const DEFAULT_MAX_TOKENS = 256
/** Texts to count before the thread hears its messages. */
const COUNT_STEP = 64

interface Loaded {
  readonly library: TransformersLibrary
  readonly model: LoadedModel
  readonly tokenizer: Tokenizer
  readonly maxTokens: number
  /** Special tokens that stand after each text. */
  readonly suffix: readonly number[]
  /**
   * A batch may hold texts of one length only. On WebAssembly the size of a batch gains little, padding is computed in full, and a quantised
   * model gives a padded text another vector than it has alone (a cosine of 0.9994): then a vector would depend on its company.
   */
  readonly keepsLength: boolean
}

/** Embedding models of transformers.js (ONNX): on WebAssembly, or on WebGPU where the spec says so. For use in a worker. */
export const transformersEmbedding: EmbeddingEngine = {
  inspect: (spec, options) => inspectModel(spec, 'embedding', options),
  create: (spec) => new TransformersEmbeddingModel(spec),
}

class TransformersEmbeddingModel implements EmbeddingModel {
  readonly id: string
  readonly languages: readonly string[] | undefined
  readonly #spec: ModelSpec
  readonly #limiter = createLimiter(1)
  readonly #loads = createLoadOnce<Loaded, StatusPart>({ open: (context) => this.#open(context) })
  #dimensions = 0
  #batchTokens = FIRST_BATCH_TOKENS

  constructor(spec: ModelSpec) {
    this.id = spec.id
    this.languages = spec.languages
    this.#spec = spec
  }

  get dimensions(): number {
    return this.#dimensions
  }

  get maxTokens(): number {
    return this.#loads.value?.maxTokens ?? this.#spec.maxTokens ?? DEFAULT_MAX_TOKENS
  }

  async load(options: LoadOptions = {}): Promise<void> {
    await this.#loads.load(options)
  }

  async embed(
    texts: readonly string[],
    {
      purpose,
      signal,
    }: { readonly purpose?: EmbeddingPurpose | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Float32Array[]> {
    const loaded = await this.#loads.load({ signal })
    const prefix = (purpose === 'query' ? this.#spec.queryPrefix : this.#spec.documentPrefix) ?? ''
    const vectors = new Array<Float32Array>(texts.length)
    const items = texts.map((text, index) => ({ index, tokens: encodeText(loaded, prefix + text) }))
    // Texts of like length together, so that little is computed for padding.
    items.sort((a, b) => a.tokens.length - b.tokens.length)
    for (let at = 0; at < items.length; ) {
      const batch = takeBatch(items, at, this.#batchTokens, loaded.keepsLength)
      at += batch.length
      const priority = purpose === 'query' ? 1 : 0
      const found = await this.#limiter.run(
        () =>
          this.#embedBatch(
            loaded,
            batch.map(({ tokens }) => tokens),
          ),
        { signal, priority },
      )
      batch.forEach(({ index }, place) => {
        vectors[index] = found[place] as Float32Array
      })
      await nextMacrotask()
      throwIfAborted(signal)
    }
    return vectors
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    const { tokenizer } = await this.#loads.load({})
    const counts: number[] = []
    for (const text of texts) {
      counts.push(text === '' ? 0 : tokenizer.encode(text, { add_special_tokens: false }).length)
      if (counts.length % COUNT_STEP === 0) await nextMacrotask()
    }
    return counts
  }

  async dispose(): Promise<void> {
    await this.#limiter.run(async () => {
      await this.#loads.unload()?.model.dispose()
    })
  }

  async #embedBatch(loaded: Loaded, batch: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const began = performance.now()
    try {
      const vectors = await runBatch(loaded, batch, this.#spec.pooling)
      const tokens = batch.length * Math.max(...batch.map((ids) => ids.length))
      const wanted = (tokens * BATCH_TARGET_MS) / Math.max(performance.now() - began, 1)
      this.#batchTokens = Math.min(Math.max(Math.round((this.#batchTokens + wanted) / 2), 64), 8_192)
      return vectors
    } catch (error) {
      throw translateEngineError(error, 'model-load-failed', `'${this.id}' failed`)
    }
  }

  async #open({ signal, report }: { readonly signal: AbortSignal; report(status: StatusPart): void }): Promise<Loaded> {
    try {
      const loaded = await openModel(this.#spec, signal, report)
      const [vector] = await runBatch(loaded, [encodeText(loaded, 'a')], this.#spec.pooling)
      this.#dimensions = vector?.length ?? 0
      return loaded
    } catch (error) {
      throw await repairModelFiles(this.#spec, error)
    }
  }
}

async function openModel(spec: ModelSpec, signal: AbortSignal, report: (status: StatusPart) => void): Promise<Loaded> {
  const { library, device, model, tokenizer, maxTokens, meter } = await openEncoder(spec, {
    signal,
    report,
    open: (own, folder, options) => own.AutoModel.from_pretrained(folder, options),
    mostTokens: 8_192,
  })
  report(meter.part(`The embedding model is ready on ${describeDevice(device, library)}`))
  return { library, model, tokenizer, maxTokens, suffix: specialSuffix(tokenizer), keepsLength: device === 'wasm' }
}

/** The device, and for WebAssembly its threads. */
function describeDevice(device: Device, { env }: TransformersLibrary): string {
  const threads = env.backends.onnx.wasm?.numThreads ?? 1
  return device === 'wasm' ? `wasm, ${threads} thread${threads === 1 ? '' : 's'}` : device
}

/** The special tokens after a text: what an empty text and another one end with alike. */
function specialSuffix(tokenizer: Tokenizer): number[] {
  const plain = tokenizer.encode('a', { add_special_tokens: false })
  const full = tokenizer.encode('a')
  const last = plain.at(-1)
  const end = last === undefined ? -1 : full.lastIndexOf(last)
  return end < 0 ? [] : full.slice(end + 1)
}

/** Tokens of a text. One that is too long is cut before its closing special tokens, which the vector depends on. */
function encodeText({ tokenizer, maxTokens, suffix }: Loaded, text: string): number[] {
  const tokens = tokenizer.encode(text)
  if (tokens.length <= maxTokens) return tokens
  return [...tokens.slice(0, maxTokens - suffix.length), ...suffix]
}

/** The next texts that fit into one batch; always at least one. Sorted by length, so the last one is the longest. */
function takeBatch<Item extends { readonly tokens: readonly number[] }>(
  items: readonly Item[],
  at: number,
  budget: number,
  keepsLength: boolean,
): Item[] {
  const first = items[at]?.tokens.length ?? 0
  let count = 1
  while (count < MAX_BATCH && at + count < items.length) {
    const longest = items[at + count]?.tokens.length ?? 0
    if (longest * (count + 1) > budget || (keepsLength && longest !== first)) break
    count++
  }
  return items.slice(at, at + count)
}

async function runBatch(
  { library, model, tokenizer }: Loaded,
  batch: readonly (readonly number[])[],
  pooling: ModelSpec['pooling'],
): Promise<Float32Array[]> {
  const width = Math.max(...batch.map((tokens) => tokens.length))
  const ids = new BigInt64Array(batch.length * width).fill(BigInt(tokenizer.pad_token_id ?? 0))
  const mask = new BigInt64Array(batch.length * width)
  batch.forEach((tokens, row) => {
    tokens.forEach((token, column) => {
      ids[row * width + column] = BigInt(token)
      mask[row * width + column] = 1n
    })
  })
  const dims = [batch.length, width]
  const outputs = (await model.forward({
    input_ids: new library.Tensor('int64', ids, dims),
    attention_mask: new library.Tensor('int64', mask, dims),
  })) as Record<string, Tensor | undefined>
  throwFailure(outputs)
  const whole = pooling === undefined ? outputs.sentence_embedding : undefined
  const hidden = whole ?? outputs.last_hidden_state ?? outputs.token_embeddings ?? outputs.logits
  if (!hidden) throw new Error(`the model gives no embeddings, only ${Object.keys(outputs).join(', ')}`)
  const size = hidden.dims.at(-1) ?? 0
  return poolVectors(hidden.to('float32').data as Float32Array, {
    lengths: batch.map((tokens) => tokens.length),
    width: whole ? 1 : width,
    dimensions: size,
    pooling: whole ? 'cls' : (pooling ?? 'mean'),
  })
}
