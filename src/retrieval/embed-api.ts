import { transfer } from 'comlink'
import { type EmbeddingEngine, type ModelSpec, parseModelId } from '../engines/engine.js'
import { AlcoveError } from '../protocol/error.js'
import type { EmbeddingModel, EmbeddingPurpose } from '../protocol/model.js'
import { serveRequest } from '../rpc/port-stream.js'
import { createWorkerHost } from '../rpc/worker-host.js'
import { describeEmbedder, type EmbedderFacts } from './page-embedder.js'

/** What an embedding worker offers: one copy of one model. */
export interface EmbedApi {
  /** One `EmbedderFacts`. */
  load(spec: ModelSpec, port: MessagePort): Promise<void>
  /** One list of vectors. `load` comes first. */
  embed(texts: readonly string[], purpose: EmbeddingPurpose, port: MessagePort): Promise<void>
}

/** How to come to the engine of each scheme. */
export type EmbeddingEngines = Readonly<Record<string, () => Promise<EmbeddingEngine>>>

/** The worker's side. */
export function createEmbedApi(engines: EmbeddingEngines): EmbedApi {
  let model: EmbeddingModel | undefined
  return {
    load: (spec, port) =>
      serveRequest<EmbedderFacts>(port, async (signal) => {
        const { scheme } = parseModelId(spec.id)
        const engine = Object.hasOwn(engines, scheme) ? engines[scheme] : undefined
        if (engine === undefined) throw new AlcoveError('model-not-found', `no engine here for '${spec.id}'`)
        model ??= (await engine()).create(spec)
        await model.load({ signal })
        return describeEmbedder(model)
      }),
    embed: (texts, purpose, port) =>
      serveRequest<Float32Array[]>(port, async (signal) => {
        if (model === undefined) throw new AlcoveError('invalid-argument', 'the embedding worker has no model yet')
        return await model.embed(texts, { purpose, signal })
      }),
  }
}

/**
 * A model in a worker that `open` starts, loaded. Disposing of it ends the worker; what it is at then fails.
 * @throws AlcoveError what loading it throws, and `worker-crashed`
 */
export async function openEmbeddingWorker(open: () => Worker, spec: ModelSpec): Promise<EmbeddingModel> {
  const host = createWorkerHost<EmbedApi>({ name: 'alcove-embed', open })
  try {
    const facts = await host.request<EmbedderFacts>((api, port) => api.load(spec, transfer(port, [port])))
    const { id, dimensions, maxTokens, languages } = facts
    return {
      id,
      dimensions,
      maxTokens,
      languages,
      load: async () => {},
      embed: (texts, { purpose = 'document', signal } = {}) =>
        host.request<Float32Array[]>((api, port) => api.embed(texts, purpose, transfer(port, [port])), { signal }),
      dispose: () => host.close(),
    }
  } catch (error) {
    await host.close()
    throw error
  }
}
