// Runs the suite of embedding models where these live: in a worker. Signals do not cross to one.

import { embeddingModelContract } from 'alcove/testing/contracts'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { transformersEmbedding } from '../../../src/engines/transformers/embedding.js'
import { runtimeFilesIn, setRuntimeFiles } from '../../../src/engines/transformers/runtime.js'
import { serveWorker } from '../../../src/rpc/serve-worker.js'
import { expect } from '../../contract/browser-expect.js'
import { type CaseOutcome, collectCases } from '../../contract/collect-cases.js'

const api = {
  async run(spec: ModelSpec): Promise<CaseOutcome[]> {
    const model = transformersEmbedding.create(spec)
    return collectCases(expect, (runner) => embeddingModelContract(runner, async () => model))
  },
}

export type EmbeddingContractApi = typeof api

// The page names the worker after the folder of ONNX Runtime's files.
setRuntimeFiles(runtimeFilesIn((globalThis as unknown as { name: string }).name))
serveWorker(api)
