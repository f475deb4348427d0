import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type * as Transformers from '@huggingface/transformers'
import { createModelSpec } from '../src/engines/choice/model-spec.js'
import { type ModelSpec, parseModelId } from '../src/engines/engine.js'
import { AlcoveError, toAlcoveError } from '../src/protocol/error.js'
import type { EmbeddingModel } from '../src/protocol/model.js'
import { embedderKey } from '../src/retrieval/serve-corpus.js'

/** A model, and what its vectors are known by: the same as in a page. */
export interface NodeEmbedder {
  readonly model: EmbeddingModel
  readonly key: string
}

/**
 * Opens an embedding model of transformers.js in Node.
 * @param given an id, `transformers:<repo>`, or a folder with a model's files, which is known by its name
 * @throws AlcoveError `model-load-failed` where transformers.js is not installed, or the model cannot be loaded; `invalid-argument`
 */
export async function openNodeEmbedder(given: string, onProgress: (line: string) => void): Promise<NodeEmbedder> {
  const isFolder = existsSync(join(given, 'config.json'))
  const id = isFolder ? `transformers:${basename(resolve(given))}` : given
  const { scheme, repo } = parseModelId(id)
  if (scheme !== 'transformers') {
    throw new AlcoveError('invalid-argument', `--model: expected transformers:<repo> or a folder, got '${given}'`)
  }
  const spec = createModelSpec(id, { baseUrl: undefined, allowRemote: true, hubUrl: '', cacheName: '' })
  const library = await loadLibrary()
  library.env.allowLocalModels = isFolder
  library.env.allowRemoteModels = !isFolder
  if (isFolder) library.env.localModelPath = dirname(resolve(given))
  onProgress(`Loading ${id} …`)
  try {
    const extract = await library.pipeline(
      'feature-extraction',
      isFolder ? basename(resolve(given)) : (spec.hubRepo ?? repo),
      { device: 'cpu', dtype: (spec.dtype ?? 'q8') as 'q8' },
    )
    return { model: wrapPipeline(spec, extract), key: embedderKey(spec) }
  } catch (error) {
    throw toAlcoveError(error, 'model-load-failed', `'${given}' cannot be loaded`)
  }
}

async function loadLibrary(): Promise<typeof Transformers> {
  try {
    return await import('@huggingface/transformers')
  } catch (cause) {
    throw new AlcoveError('model-load-failed', 'embedding in Node needs the package @huggingface/transformers', {
      cause,
      hint: 'Run `npm install --save-dev @huggingface/transformers`, or index with --no-vectors.',
    })
  }
}

/** One text at a time: what is beside a text in a batch would show in the last bits of its vector. */
function wrapPipeline(spec: ModelSpec, extract: Transformers.FeatureExtractionPipeline): EmbeddingModel {
  const { id, languages, maxTokens = 256, pooling = 'mean', queryPrefix = '', documentPrefix = '' } = spec
  const config = extract.model.config as { readonly hidden_size?: number }
  return {
    id,
    languages,
    maxTokens,
    dimensions: config.hidden_size ?? 0,
    async load() {},
    async embed(texts, { purpose } = {}) {
      const vectors: Float32Array[] = []
      for (const text of texts) {
        const prefix = purpose === 'query' ? queryPrefix : documentPrefix
        const output = await extract(prefix + text, { pooling: pooling as 'mean', normalize: true })
        vectors.push(Float32Array.from(output.data as Float32Array))
      }
      return vectors
    },
    async countTokens(texts) {
      return texts.map((text) => extract.tokenizer.encode(text, { add_special_tokens: false }).length)
    },
    async dispose() {
      await extract.dispose()
    },
  }
}
