import { expect, models, test } from './setup.js'

test.describe('the ladder', () => {
  test('walks down to a model that runs, remembers its speed, and gives the same report after a reload', async ({
    blank,
  }) => {
    test.skip(!models.onnxChat, 'needs SmolLM2 as ONNX in the models folder')
    test.setTimeout(240_000)
    const load = () =>
      blank.evaluate(async () => {
        const { createAlcove } = await import('/dist/index.js')
        const alcove = createAlcove({ allowRemoteModels: false, storage: { name: 'walk' }, embedder: 'auto' })
        const before = await alcove.availability('chat')
        const report = await alcove.load({ constraints: { task: 'chat' } })
        const databases = (await indexedDB.databases()).map(({ name }) => name)
        await alcove.close()
        return { before, report, databases }
      })
    const first = await load()
    expect(first.before).toBe('downloadable')
    expect(first.report.chosen).toMatchObject({ chat: models.onnxChat, documents: null, tools: null, embedding: null })
    expect(first.report.device).toMatchObject({ cores: expect.any(Number), crossOriginIsolated: expect.any(Boolean) })
    expect(first.report.device.storageBytes).toBeGreaterThan(0)
    const codes = new Map(first.report.refused.map((row: { model: string; code: string }) => [row.model, row.code]))
    expect(codes.get('webllm:Qwen3-4B-q4f16_1-MLC')).toBe('webgpu-unavailable')
    expect(first.databases).toContain('walk-devices')
    const [prediction] = first.report.predictions ?? []
    expect(prediction).toMatchObject({ model: models.onnxChat, contextTokens: 8192 })
    expect(prediction?.memoryBytes).toBe(1_500_000_000)
    await blank.reload()
    const second = await load()
    expect(second.before).toBe('available')
    expect(second.report.chosen).toEqual(first.report.chosen)
    // Now by what was measured here, and no more by what was measured elsewhere.
    expect(second.report.predictions?.[0]?.firstTokenMs).toBeGreaterThan(0)
    expect(second.report.predictions?.[0]?.firstTokenMs).not.toBe(prediction?.firstTokenMs)
  })

  test('a worker whose script could not be fetched once is not held against the model', async ({ blank }) => {
    test.skip(!models.onnxChat, 'needs SmolLM2 as ONNX in the models folder')
    const load = () =>
      blank.evaluate(async (model) => {
        const { createAlcove } = await import('/dist/index.js')
        const alcove = createAlcove({
          model: [model, 'extractive'],
          allowRemoteModels: false,
          storage: { name: 'unfetched' },
        })
        const { chosen, refused } = await alcove.load({ constraints: { task: 'chat' } })
        await alcove.close()
        return { chat: chosen.chat, refused: refused.map(({ code }) => code) }
      }, models.onnxChat as string)
    await blank.route('**/dist/workers/llm.worker.js', (route) => route.abort())
    expect(await load()).toEqual({ chat: 'extractive', refused: ['worker-crashed'] })
    await blank.unrouteAll()
    await blank.reload()
    expect(await load()).toEqual({ chat: models.onnxChat, refused: [] })
  })

  test('constraints: per client, per load and per agent; wrong ones are named', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const caught = (work: Promise<unknown>) =>
        work.then(
          () => 'fine',
          (error: { code: string; message: string; hint: string }) => `${error.code}: ${error.message} ${error.hint}`,
        )
      const alcove = createAlcove({
        allowRemoteModels: false,
        maxDownloadBytes: 0,
        constraints: { languages: ['zh'] },
        storage: { name: 'constraints' },
      })
      const chinese = await alcove.load({ constraints: { task: 'chat' } })
      const short = await alcove.load({ constraints: { task: 'chat', languages: ['en'], minContextTokens: 40_000 } })
      const wrongCall = await caught(alcove.load({ constraints: { minContextTokens: -1 } }))
      const answer = await alcove.agent({ constraints: { languages: ['fr'] } }).generate('Bonjour ?')
      const wrongAgent = await caught(alcove.agent({ constraints: { task: 'poetry' as never } }).generate('x'))
      await alcove.close()
      const wrong = createAlcove({ constraints: { languages: 'zh' as never }, storage: { name: 'wrong' } })
      const wrongClient = await caught(wrong.load())
      return { chinese, short, wrongCall, wrongAgent, wrongClient, model: answer.usage.modelId }
    })
    const reason = (report: typeof result.chinese, model: string) =>
      report.refused.find((row) => row.model === model)?.reason
    expect(result.chinese.chosen.chat).toBe('extractive')
    expect(reason(result.chinese, 'transformers:SmolLM2-135M-Instruct')).toContain('not made for zh')
    expect(reason(result.short, 'transformers:SmolLM2-135M-Instruct')).toContain('40000 are asked for')
    expect(result.wrongCall).toMatch(/^invalid-argument: load: constraints.minContextTokens/)
    expect(result.wrongAgent).toMatch(/^invalid-argument: agent: constraints.task/)
    expect(result.wrongClient).toMatch(/^invalid-argument: createAlcove: constraints.languages/)
    expect(result.model).toBe('extractive')
  })

  test('a wrong id is answered with the nearest ones, of each engine', async ({ blank }) => {
    const errors = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const found: Record<string, { code: string; hint: string }> = {}
      for (const model of [
        'SmolLM2-135M-Instruct',
        'transformers:SmolLM2-135M-Instuct',
        'wllama:SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_0.gguf',
        'gpt-4o',
      ]) {
        const alcove = createAlcove({ model, allowRemoteModels: false, storage: { name: 'names' } })
        await alcove
          .agent()
          .generate('hello')
          .catch((error: { code: string; hint: string }) => {
            found[model] = { code: error.code, hint: error.hint }
          })
        await alcove.close()
      }
      return found
    })
    expect(errors['SmolLM2-135M-Instruct']).toMatchObject({ code: 'invalid-argument' })
    expect(errors['SmolLM2-135M-Instruct']?.hint).toContain("'transformers:SmolLM2-135M-Instruct'")
    expect(errors['transformers:SmolLM2-135M-Instuct']).toMatchObject({ code: 'model-not-found' })
    expect(errors['transformers:SmolLM2-135M-Instuct']?.hint).toContain("'transformers:SmolLM2-135M-Instruct'")
    expect(Object.values(errors)[2]?.hint).toContain("'wllama:SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf'")
    expect(errors['gpt-4o']).toMatchObject({ code: 'invalid-argument' })
  })

  test('models are switched without a reload, and the old one is unloaded', async ({ blank }) => {
    test.skip(!models.story || !models.gguf, 'needs two small models')
    test.setTimeout(120_000)
    const result = await blank.evaluate(
      async ([first, second]) => {
        const { createAlcove } = await import('/dist/index.js')
        const alcove = createAlcove({ model: 'extractive', allowRemoteModels: false, storage: { name: 'switch' } })
        const loaded = async () =>
          (await alcove.models.list()).filter((row) => row.loaded && row.id !== 'extractive').map(({ id }) => id)
        const ask = () => alcove.agent({ sampling: { temperature: 0, maxTokens: 4 } }).generate('Once')
        await alcove.models.use('chat', first)
        const one = { model: (await ask()).usage.modelId, loaded: await loaded() }
        await alcove.models.use('chat', second)
        const two = { model: (await ask()).usage.modelId, loaded: await loaded() }
        await alcove.models.use('chat', first)
        const three = { model: (await ask()).usage.modelId, loaded: await loaded() }
        await alcove.close()
        return { one, two, three }
      },
      [models.story as string, models.gguf as string] as const,
    )
    expect(result.one).toEqual({ model: models.story, loaded: [models.story] })
    expect(result.two).toEqual({ model: models.gguf, loaded: [models.gguf] })
    expect(result.three).toEqual({ model: models.story, loaded: [models.story] })
  })

  test('answers and prompts are preloaded', async ({ blank }) => {
    test.skip(!models.story, 'needs a small chat model')
    test.setTimeout(120_000)
    const result = await blank.evaluate(async (model) => {
      const { createAlcove, tool } = await import('/dist/index.js')
      const alcove = createAlcove({ model, allowRemoteModels: false, storage: { name: 'preload' } })
      const agent = alcove.agent({ instructions: 'Tell a story.', sampling: { maxTokens: 6 } })
      const statuses: string[] = []
      await agent.preload()
      const cold = await agent.generate('Once')
      await agent.preload(['Once upon a time'])
      const run = agent.stream('Once upon a time', { cache: true })
      for await (const part of run) if (part.type === 'status') statuses.push(part.status)
      const request = { messages: [{ role: 'user' as const, content: 'The end' }], sampling: { maxTokens: 4 } }
      await alcove.preload([request])
      const busy = alcove.agent({
        tools: [tool({ name: 'now', description: 'The time', input: { type: 'object' }, execute: async () => 'noon' })],
      })
      const refused = await busy.preload(['x']).catch((error: { code: string }) => error.code)
      const answers = (await alcove.storage.usage()).answers
      const embedding = await alcove.availability('embedding')
      await alcove.close()
      return { cold: cold.usage, statuses, refused, answers, embedding }
    }, models.story as string)
    expect(result.cold.cachedTokens).toBeGreaterThan(0)
    expect(result.statuses).toContain('cached')
    expect(result.refused).toBe('invalid-argument')
    expect(result.answers).toBeGreaterThan(0)
    expect(['downloadable', 'available', 'unavailable']).toContain(result.embedding)
  })
})
