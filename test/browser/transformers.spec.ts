import type { Sampling } from 'alcove'
import { expect, models, test } from './setup.js'

const PLACES = { models: '/models/', runtime: '/dist/workers/' }
const GREEDY = { temperature: 0, maxTokens: 12 }
const ask = (content: string, sampling: Sampling = {}) => ({
  messages: [{ role: 'user' as const, content }],
  sampling: { ...GREEDY, ...sampling },
})
const ONCE = 'Once upon a time'

test.describe('transformers.js with a story model', () => {
  test.skip(!models.story, 'needs stories260K as ONNX in the models folder')
  const id = models.story as string

  test('loads with progress, answers, counts, and keeps the files', async ({ blank }) => {
    const answer = await blank.evaluate(
      async ([places, options]) => (await import('/pages/transformers.js')).chat(places, options),
      [PLACES, { id, request: ask(ONCE) }] as const,
    )
    expect(answer).toMatchObject({ finish: 'length', deltas: 12, contextTokens: 512 })
    expect(answer.error).toBeUndefined()
    expect(answer.text).toContain('there was a')
    expect(answer.usage).toMatchObject({ promptTokens: answer.promptTokens, completionTokens: 12, cachedTokens: 0 })
    const loading = answer.statuses.filter(({ status }) => status === 'loading')
    const loaded = loading.map(({ loadedBytes }) => loadedBytes ?? 0)
    expect(loaded.length).toBeGreaterThan(2)
    expect(loaded, 'bytes only grow').toEqual(loaded.toSorted((a, b) => a - b))
    expect(loading.at(-1)?.loadedBytes).toBe(loading.at(-1)?.totalBytes)
    expect(answer.before).toMatchObject({ state: 'downloadable', bytes: expect.any(Number) })
    expect(answer.after).toMatchObject({ state: 'available', bytes: 0 })
    expect(answer.stored).toBeGreaterThan(1_000_000)
  })

  test('heeds sampling: greedy and seeded answers repeat, stop texts cut, maxTokens ends', async ({ blank }) => {
    const seeded = { temperature: 1.2, seed: 7, maxTokens: 16 }
    const [first, again, sampled, same, other, stopped, one] = await blank.evaluate(
      async ([places, options]) => (await import('/pages/transformers.js')).answers(places, options),
      [
        PLACES,
        {
          id,
          requests: [
            ask(ONCE),
            ask(ONCE),
            ask(ONCE, seeded),
            ask(ONCE, seeded),
            ask(ONCE, { ...seeded, seed: 8 }),
            ask(ONCE, { stop: ['little girl'] }),
            ask(ONCE, { maxTokens: 1 }),
          ],
        },
      ] as const,
    )
    expect(again?.text).toBe(first?.text)
    expect(same?.text).toBe(sampled?.text)
    expect(other?.text).not.toBe(sampled?.text)
    expect(stopped).toMatchObject({ finish: 'stop', text: first?.text.split('little girl')[0] })
    expect(one).toMatchObject({ finish: 'length', deltas: 1 })
  })

  // What must end before what: an abort waits for nothing, and the next request only for the engine.
  for (const { stage, order } of [
    { stage: 'loading', order: ['aborted', 'next'] },
    { stage: 'prefill', order: ['aborted', 'next'] },
    { stage: 'decoding', order: ['aborted', 'next'] },
    { stage: 'queued', order: ['aborted', 'running', 'next'] },
  ] as const) {
    test(`an abort while ${stage} settles first, and the model answers the next request`, async ({ blank }) => {
      const result = await blank.evaluate(
        async ([places, options]) => (await import('/pages/transformers.js')).abortAt(places, options),
        [PLACES, { id, prompt: 'There was a boat on the sea. '.repeat(20), stage }] as const,
      )
      expect(result).toMatchObject({ code: 'aborted', order, restarts: 0 })
      expect(result.next).toMatchObject({ finish: 'length', deltas: 4 })
      expect(result.next.error).toBeUndefined()
      if (stage === 'queued') expect(result.other).toMatchObject({ deltas: 24, finish: 'length' })
    })
  }

  test('a worker that dies is replaced, and the same stream goes on as if nothing was', async ({ blank }) => {
    const [whole] = await blank.evaluate(
      async ([places, options]) => (await import('/pages/transformers.js')).answers(places, options),
      [PLACES, { id, requests: [ask(ONCE, { maxTokens: 60 })] }] as const,
    )
    for (const when of ['before-text', 'after-text'] as const) {
      const result = await blank.evaluate(
        async ([places, model, moment]) => (await import('/pages/transformers.js')).workerDies(places, model, moment),
        [PLACES, id, when] as const,
      )
      expect(result, when).toMatchObject({ text: whole?.text, restarts: 1 })
      expect(result.code, when).toBeUndefined()
      expect(result.types, when).toEqual(expect.arrayContaining(['recovered', 'model-finish']))
      expect(result.next.deltas, when).toBe(4)
    }
  })

  test('broken weights fail with a code each time, and another model runs in the same worker', async ({ blank }) => {
    await blank.route('**/models/broken/**', async (route) => {
      const { pathname } = new URL(route.request().url())
      if (pathname.endsWith('.onnx')) {
        return route.fulfill({ contentType: 'application/octet-stream', body: 'these are no weights' })
      }
      const response = await route.fetch({ url: route.request().url().replace('/broken/', '/stories260K/') })
      return route.fulfill({ response })
    })
    const result = await blank.evaluate(
      async ([places, good]) =>
        (await import('/pages/transformers.js')).brokenThenGood(places, 'transformers:broken', good),
      [PLACES, id] as const,
    )
    expect(result.broken.error).toMatch(/^(model-load-failed|integrity-failed)$/)
    expect(result.again.error).toBe(result.broken.error)
    expect(result.good).toMatchObject({ deltas: 4, finish: 'length' })
  })

  test('runs on software WebGPU when told to, and auto does not choose that', async ({ blank }) => {
    const result = await blank.evaluate(
      async ([places, model, request]) => {
        const { chat } = await import('/pages/transformers.js')
        const { createAlcove } = await import('/dist/index.js')
        const told = await chat(places, { id: model, request, spec: { device: 'webgpu' } })
        const auto = await chat(places, { id: model, request, spec: { device: 'auto' } })
        const alcove = createAlcove({ maxDownloadBytes: 0, allowRemoteModels: false, storage: { name: 'software' } })
        const report = await alcove.load()
        await alcove.close()
        return { told, auto, report }
      },
      [PLACES, id, ask(ONCE, { maxTokens: 3 })] as const,
    )
    const device = ({ statuses }: typeof result.told) =>
      statuses.find(({ message }) => /ready on/.test(message))?.message
    expect(result.told).toMatchObject({ text: result.auto.text, deltas: 3, before: { device: 'webgpu' } })
    expect(device(result.told)).toContain('webgpu')
    expect(result.auto.before).toMatchObject({ device: 'wasm' })
    expect(device(result.auto)).toContain('wasm')
    expect(result.report.device.webgpu).toBe('software')
    const webllm = result.report.refused.filter(({ model }) => model.startsWith('webllm:'))
    expect(webllm.length).toBeGreaterThan(0)
    for (const refusal of webllm) {
      expect(refusal).toMatchObject({ code: 'webgpu-unavailable', reason: expect.stringContaining('software') })
    }
  })
})

test.describe('transformers.js with SmolLM2', () => {
  test('a conversation that goes on reads only what is new, and says the same', async ({ blank }) => {
    test.skip(!models.onnxChat, 'needs SmolLM2-135M-Instruct as ONNX in the models folder')
    const { warm, cold } = await blank.evaluate(
      async ([places, id]) =>
        (await import('/pages/transformers.js')).conversation(
          places,
          id,
          ['What is the capital of France?', 'And of Italy?'],
          12,
        ),
      [PLACES, models.onnxChat as string] as const,
    )
    expect(warm[0]?.text).toContain('Paris')
    expect(warm[1]?.text).toContain('Rome')
    expect(warm[1]?.text).toBe(cold.text)
    expect(cold.usage?.cachedTokens).toBe(0)
    expect(warm[1]?.usage?.cachedTokens).toBeGreaterThan(20)
    expect(warm[1]?.usage?.promptTokens).toBe(cold.usage?.promptTokens)
  })
})

test.describe('transformers.js with MiniLM', () => {
  test('vectors are those that were published, alone and in a batch', async ({ blank }) => {
    test.skip(!models.reference, 'needs all-MiniLM-L6-v2 with its reference.json in the models folder')
    const result = await blank.evaluate(
      async ([places, id]) => (await import('/pages/transformers.js')).embedReference(places, id),
      [PLACES, models.embedding as string] as const,
    )
    expect(result.cosines.length).toBeGreaterThan(5)
    expect(Math.min(...result.cosines), 'int8 against fp32').toBeGreaterThan(0.99)
    expect(Math.min(...result.aloneCosines)).toBeGreaterThan(0.9999)
    expect(result.counts).toEqual(result.expectedCounts)
    expect(result).toMatchObject({ dimensions: 384, maxTokens: 256 })
    for (const norm of result.norms) expect(norm).toBeCloseTo(1, 5)
  })
})
