import type { MLCEngine } from '@mlc-ai/web-llm'
import { AlcoveError } from '../../protocol/error.js'
import type { EmbeddingModel, EmbeddingPurpose, LoadOptions } from '../../protocol/model.js'
import type { StatusPart } from '../../protocol/stream-part.js'
import { abortable, throwIfAborted } from '../../runtime/abort.js'
import { createLimiter } from '../../runtime/limiter.js'
import { createLoadOnce } from '../../runtime/load-once.js'
import type { EmbeddingEngine, ModelSpec } from '../engine.js'
import { isFatalToWebLlm, translateWebLlmError } from './errors.js'
import { createTools, inspectWebLlm, openWebLlm, type Tools, type WebLlmOptions } from './load.js'
import { isLoaded, tokenizerOf } from './session.js'

/** The built-in embedding models take so many tokens, special ones included. */
const USUAL_MAX_TOKENS = 512
/** The smallest batch that a library is compiled for; WebLLM itself splits what is more. */
const BATCH = 4
/** Texts that are looked through for others of the same length. */
const WINDOW = 64
/** What the authors of this family train queries with. */
const ARCTIC_QUERY = 'Represent this sentence for searching relevant passages: '

/** Embedding models compiled for WebGPU, run by WebLLM in this thread. */
export function createWebLlmEmbedding(options: WebLlmOptions = {}): EmbeddingEngine {
  const tools = createTools('embedding', options)
  return {
    inspect: (spec, inspectOptions) => inspectWebLlm(spec, tools, inspectOptions),
    create: (spec) => new WebLlmEmbeddingModel(spec, tools),
  }
}

/** The engine as it is used. */
export const webLlmEmbedding: EmbeddingEngine = createWebLlmEmbedding()

class WebLlmEmbeddingModel implements EmbeddingModel {
  readonly id: string
  readonly languages: readonly string[] | undefined
  readonly maxTokens: number
  readonly #spec: ModelSpec
  readonly #tools: Tools
  readonly #limiter = createLimiter(1)
  /** WebLLM unloads a model by itself when its device is lost, and the engine is then of no use. */
  readonly #engines = createLoadOnce<MLCEngine, StatusPart>({
    open: (context) => this.#open(context),
    isUsable: isLoaded,
  })
  #modelId = ''
  #dimensions = 0

  constructor(spec: ModelSpec, tools: Tools) {
    this.id = spec.id
    this.languages = spec.languages
    this.maxTokens = spec.maxTokens ?? USUAL_MAX_TOKENS
    this.#spec = spec
    this.#tools = tools
  }

  get dimensions(): number {
    return this.#dimensions
  }

  async load(options: LoadOptions = {}): Promise<void> {
    await this.#engines.load(options)
  }

  async embed(
    texts: readonly string[],
    options: { readonly purpose?: EmbeddingPurpose | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Float32Array[]> {
    const { purpose = 'document', signal } = options
    throwIfAborted(signal)
    const vectors: Float32Array[] = []
    const priority = purpose === 'query' ? 1 : 0
    for (let at = 0; at < texts.length; at += WINDOW) {
      const engine = await this.#engines.load({ signal })
      const inputs = texts.slice(at, at + WINDOW).map((text) => this.#encode(engine, text, purpose))
      for (const places of batchesOf(inputs)) {
        const batch = places.map((place) => inputs[place] as number[] | string)
        const run = this.#limiter.run(() => this.#embedBatch(engine, batch), { signal, priority })
        const found = await abortable(run, signal)
        places.forEach((place, index) => {
          vectors[at + place] = found[index] as Float32Array
        })
      }
    }
    return vectors
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    const tokenizer = tokenizerOf(await this.#engines.load({}), this.#modelId)
    return texts.map((text) => tokenizer?.encode(text).length ?? new TextEncoder().encode(text).length)
  }

  async dispose(): Promise<void> {
    await this.#limiter.run(async () => {
      await this.#engines
        .unload()
        ?.unload()
        .catch(() => {})
    })
  }

  /**
   * Tokens of a text between the special ones that its tokenizer has: WebLLM adds none. One that is too long is cut before the last of them.
   * Without the tokenizer, which is private to WebLLM, the text itself.
   */
  #encode(engine: MLCEngine, text: string, purpose: EmbeddingPurpose): number[] | string {
    const { queryPrefix = this.id.includes('snowflake-arctic-embed') ? ARCTIC_QUERY : '', documentPrefix = '' } =
      this.#spec
    const prefixed = (purpose === 'query' ? queryPrefix : documentPrefix) + text
    const tokenizer = tokenizerOf(engine, this.#modelId)
    if (!tokenizer) return `[CLS] ${prefixed} [SEP]`
    const special = (name: string) => (tokenizer.encode(name).length === 1 ? [...tokenizer.encode(name)] : [])
    const [first, last] = [special('[CLS]'), special('[SEP]')]
    const room = this.maxTokens - first.length - last.length
    const tokens = [...first, ...tokenizer.encode(prefixed).slice(0, room), ...last]
    // WebLLM refuses an input without tokens.
    return tokens.length > 0 ? tokens : [...tokenizer.encode(' ')]
  }

  async #embedBatch(engine: MLCEngine, batch: readonly (number[] | string)[]): Promise<Float32Array[]> {
    try {
      const input = batch as string[] | number[][]
      const { data } = await engine.embeddings.create({ input, model: this.#modelId })
      const vectors = data.map(({ embedding }) => normalise(embedding))
      if (vectors.length === batch.length && vectors.every((vector) => vector !== undefined)) return vectors
      throw new AlcoveError(
        'output-invalid',
        `${this.id}: expected ${batch.length} vectors of finite numbers, got others`,
      )
    } catch (error) {
      const failure = translateWebLlmError(error, this.id, 'run')
      if (isFatalToWebLlm(failure) && this.#engines.value === engine) this.#engines.unload()
      throw failure
    }
  }

  async #open(context: { readonly signal: AbortSignal; report(status: StatusPart): void }): Promise<MLCEngine> {
    const { engine, record } = await openWebLlm(this.#spec, this.#tools, context)
    this.#modelId = record.model_id
    const [vector] = await this.#embedBatch(engine, [this.#encode(engine, 'a', 'document')])
    this.#dimensions = vector?.length ?? 0
    return engine
  }
}

/**
 * Places of inputs that go to the engine together: of one length only. Libraries fill the shorter ones up and then read the filling as
 * text, so that a vector would depend on what else is in its batch.
 */
function batchesOf(inputs: readonly (number[] | string)[]): number[][] {
  const byLength = new Map<number | string, number[]>()
  inputs.forEach((input, place) => {
    const key = typeof input === 'string' ? `text ${place}` : input.length
    byLength.set(key, [...(byLength.get(key) ?? []), place])
  })
  return [...byLength.values()].flatMap((places) =>
    Array.from({ length: Math.ceil(places.length / BATCH) }, (_, index) =>
      places.slice(index * BATCH, (index + 1) * BATCH),
    ),
  )
}

/** Scaled to length 1; undefined where that cannot be. */
function normalise(values: readonly number[]): Float32Array | undefined {
  const length = Math.hypot(...values)
  return Number.isFinite(length) && length > 0 ? Float32Array.from(values, (value) => value / length) : undefined
}
