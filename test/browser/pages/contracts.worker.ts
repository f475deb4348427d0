// Runs the suites of models in the thread that the engine is in: a worker. Signals do not cross to one.

import { chatModelContract, embeddingModelContract } from 'alcove/testing/contracts'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { transformersChat } from '../../../src/engines/transformers/chat.js'
import { transformersEmbedding } from '../../../src/engines/transformers/embedding.js'
import { runtimeFilesIn, setRuntimeFiles } from '../../../src/engines/transformers/runtime.js'
import { createWllamaChat } from '../../../src/engines/wllama/chat.js'
import { serveWorker } from '../../../src/rpc/serve-worker.js'
import { expect } from '../../contract/browser-expect.js'
import { type CaseOutcome, collectCases } from '../../contract/collect-cases.js'

/** The page names the worker after the folder of the engines' own files. */
const folder = (globalThis as unknown as { name: string }).name

const api = {
  async run(spec: ModelSpec): Promise<CaseOutcome[]> {
    const model = transformersEmbedding.create(spec)
    return collectCases(expect, (runner) => embeddingModelContract(runner, async () => model))
  },
  async runChat(spec: ModelSpec, maxTokens: number): Promise<CaseOutcome[]> {
    const wllama = createWllamaChat({ wasmUrl: `${folder}wllama.wasm` })
    const model = (spec.id.startsWith('wllama:') ? wllama : transformersChat).create(spec)
    try {
      return await collectCases(expect, (runner) => chatModelContract(runner, async () => model, { maxTokens }))
    } finally {
      await model.dispose()
    }
  },
}

export type ModelContractApi = typeof api

setRuntimeFiles(runtimeFilesIn(folder))
serveWorker(api)
