import type { Tensor } from '@huggingface/transformers'
import type { LoadOptions, Reranker } from '../../protocol/model.js'
import type { StatusPart } from '../../protocol/stream-part.js'
import { throwIfAborted } from '../../runtime/abort.js'
import { createLimiter } from '../../runtime/limiter.js'
import { createLoadOnce } from '../../runtime/load-once.js'
import type { ModelSpec, RerankEngine } from '../engine.js'
import { translateEngineError } from '../engine-errors.js'
import { nextMacrotask } from './macrotask.js'
import { repairModelFiles } from './model-files.js'
import { type Encoder, openEncoder } from './open-encoder.js'
import { throwFailure } from './runtime.js'

/** Pairs in one run of the engine, which blocks its thread. */
const BATCH_SIZE = 4
const DEFAULT_MAX_TOKENS = 512

type Loaded = Pick<Encoder, 'model' | 'tokenizer' | 'maxTokens'>

/**
 * Cross-encoders of transformers.js (ONNX, `AutoModelForSequenceClassification` with one label, or with the last of several for
 * "relevant"): on WebAssembly, or on WebGPU where the spec says so. For use in a worker.
 */
export const transformersRerank: RerankEngine = { create: (spec) => new TransformersReranker(spec) }

class TransformersReranker implements Reranker {
  readonly id: string
  readonly languages: readonly string[] | undefined
  readonly #spec: ModelSpec
  readonly #limiter = createLimiter(1)
  readonly #loads = createLoadOnce<Loaded, StatusPart>({ open: (context) => this.#open(context) })

  constructor(spec: ModelSpec) {
    this.id = spec.id
    this.languages = spec.languages
    this.#spec = spec
  }

  async load(options: LoadOptions = {}): Promise<void> {
    await this.#loads.load(options)
  }

  async score(
    query: string,
    texts: readonly string[],
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<number[]> {
    const loaded = await this.#loads.load({ signal })
    const scores: number[] = []
    for (let at = 0; at < texts.length; at += BATCH_SIZE) {
      const batch = texts.slice(at, at + BATCH_SIZE)
      scores.push(...(await this.#limiter.run(() => this.#scoreBatch(loaded, query, batch), { signal })))
      await nextMacrotask()
      throwIfAborted(signal)
    }
    return scores
  }

  async dispose(): Promise<void> {
    await this.#limiter.run(async () => {
      await this.#loads.unload()?.model.dispose()
    })
  }

  async #scoreBatch(loaded: Loaded, query: string, batch: readonly string[]): Promise<number[]> {
    try {
      return await runPairs(loaded, query, batch)
    } catch (error) {
      throw translateEngineError(error, 'model-load-failed', `'${this.id}' failed`)
    }
  }

  async #open({ signal, report }: { readonly signal: AbortSignal; report(status: StatusPart): void }): Promise<Loaded> {
    try {
      const loaded = await openEncoder(this.#spec, {
        signal,
        report,
        open: (library, folder, options) => library.AutoModelForSequenceClassification.from_pretrained(folder, options),
        mostTokens: DEFAULT_MAX_TOKENS,
      })
      // A model that gives no scores, an embedding model for one, is found out here.
      await runPairs(loaded, 'a', ['b'])
      return loaded
    } catch (error) {
      throw await repairModelFiles(this.#spec, error)
    }
  }
}

async function runPairs(
  { model, tokenizer, maxTokens }: Loaded,
  query: string,
  texts: readonly string[],
): Promise<number[]> {
  const inputs = tokenizer(
    texts.map(() => query),
    { text_pair: [...texts], padding: true, truncation: true, max_length: maxTokens },
  )
  const outputs = (await model.forward(inputs)) as Record<string, Tensor | undefined>
  throwFailure(outputs)
  const { logits } = outputs
  const labels = logits?.dims.at(-1) ?? 0
  if (logits?.dims.length !== 2 || labels < 1) {
    throw new Error(`the model gives no scores for pairs of texts, only ${Object.keys(outputs).join(', ')}`)
  }
  const values = logits.to('float32').data as Float32Array
  return texts.map((_, row) => values[row * labels + labels - 1] as number)
}
