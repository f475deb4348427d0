import { afterEach, expect, test, vi } from 'vitest'
import { createModelSpec } from '../../../src/engines/choice/model-spec.js'
import { storedModels } from '../../../src/engines/choice/stored-models.js'
import { createWeightLoader } from '../../../src/engines/weights/weights.js'
import { fakeCaches } from './fake-caches.js'

afterEach(() => vi.unstubAllGlobals())

const sources = { baseUrl: undefined, allowRemote: true, hubUrl: 'https://hub.test/', cacheName: 'models' }

test('models are stored of which there is more than a question about them leaves', async () => {
  vi.stubGlobal('caches', fakeCaches().caches)
  const keep = async (id: string, file: string, bytes: number) => {
    const fetch = async () => new Response(new Uint8Array(bytes), { headers: { 'content-length': String(bytes) } })
    await createWeightLoader(createModelSpec(id, sources), { fetch }).open(file)
  }
  await keep('webllm:asked-MLC', 'tensor-cache.json', 400_000)
  await keep('webllm:begun-MLC', 'params_shard_0.bin', 3_000_000)
  await keep('transformers:own/model', 'model.onnx', 3_000_000)
  const ids = ['webllm:asked-MLC', 'webllm:begun-MLC', 'webllm:begun-MLC-1k', 'webllm:other-MLC', 'extractive']
  expect([...(await storedModels([...ids, 'transformers:own/model'], sources))]).toEqual([
    'webllm:begun-MLC',
    // Another library for the same weights.
    'webllm:begun-MLC-1k',
    'transformers:own/model',
  ])
})
