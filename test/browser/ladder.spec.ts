import { expect, models, origins, test } from './setup.js'

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

  test('what cannot be had is named, with what comes nearest and the numbers', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const open = (options: object) =>
        createAlcove({ allowRemoteModels: false, embedder: 'auto', storage: { name: 'nearest' }, ...options })
      const failure = async (options: object) => {
        const alcove = open(options)
        const error = await alcove.load().then(
          () => undefined,
          (thrown: { code: string; hint: string; details: { nearest?: { model: string } } }) => thrown,
        )
        await alcove.close()
        return error && { code: error.code, hint: error.hint, nearest: error.details.nearest?.model }
      }
      const alcove = open({ constraints: { maxDownloadBytes: 2_000_000, languages: ['en'] } })
      const report = await alcove.load()
      const embedding = await alcove.embeddingModel().then(
        () => undefined,
        (thrown: { code: string; hint: string }) => ({ code: thrown.code, hint: thrown.hint }),
      )
      await alcove.close()
      const small = [
        'transformers:SmolLM2-135M-Instruct',
        'wllama:SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf',
      ]
      const list = await failure({ model: small, constraints: { minContextTokens: 20_000 } })
      const mixed = await failure({
        model: ['webllm:Qwen3-8B-q4f16_1-MLC', small[0]],
        constraints: { languages: ['zh'] },
      })
      return { report, embedding, list, mixed }
    })
    expect(result.report.chosen).toMatchObject({ chat: 'extractive', tools: 'extractive', embedding: null })
    expect(result.report.nearest).toEqual([
      {
        model: 'wllama:SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf',
        code: 'constraint-unmet',
        reason: 'SmolLM2 135M (GGUF) is a download of 98 MB; at most 2 MB are wanted.',
      },
      expect.objectContaining({ model: 'transformers:all-MiniLM-L6-v2' }),
    ])
    expect(result.embedding).toMatchObject({ code: 'model-not-found' })
    expect(result.embedding?.hint).toContain("The nearest is 'transformers:all-MiniLM-L6-v2'")
    expect(result.list).toMatchObject({ code: 'constraint-unmet', nearest: 'transformers:SmolLM2-135M-Instruct' })
    expect(result.list?.hint).toContain('SmolLM2 135M has a context of 8192 tokens; 20000 are asked for.')
    expect(result.mixed).toMatchObject({ code: 'model-not-found', nearest: 'transformers:SmolLM2-135M-Instruct' })
  })

  test('a small quota and a wish to save data are reasons with numbers', async ({ blank, page }) => {
    test.skip(!models.onnxChat, 'needs SmolLM2 as ONNX in the models folder')
    const session = await page.context().newCDPSession(page)
    await session.send('Storage.overrideQuotaForOrigin', { origin: origins().home, quotaSize: 60_000_000 })
    const load = (name: string, canAsk: boolean) =>
      blank.evaluate(
        async ([storage, asks]) => {
          const { createAlcove } = await import('/dist/index.js')
          const alcove = createAlcove({
            allowRemoteModels: false,
            storage: { name: storage },
            ...(asks && { confirmDownload: () => true }),
          })
          const report = await alcove.load({ constraints: { task: 'chat' } })
          await alcove.close()
          return report
        },
        [name, canAsk] as const,
      )
    const tight = await load('tight', true)
    const reasons = (report: typeof tight) =>
      new Map(report.refused.map((row: { model: string; reason: string }) => [row.model, row.reason]))
    expect(tight.chosen.chat).toBe('extractive')
    // Chromium tells pages of a made-up quota: that there is too little is found when room is taken, before anything is fetched.
    expect(tight.refused).toContainEqual(
      expect.objectContaining({ model: 'transformers:SmolLM2-135M-Instruct', code: 'quota-exceeded' }),
    )
    expect(reasons(tight).get('transformers:SmolLM2-135M-Instruct')).toMatch(/room for 100 MB/)
    await session.send('Storage.overrideQuotaForOrigin', { origin: origins().home })
    await blank.evaluate(() => {
      Object.defineProperty(navigator, 'connection', { value: { saveData: true }, configurable: true })
    })
    const saving = await load('saving', false)
    expect(saving.chosen.chat).toBe('extractive')
    expect(saving.device.saveData).toBe(true)
    expect(reasons(saving).get('transformers:SmolLM2-135M-Instruct')).toBe(
      'SmolLM2 135M needs a download of at least 102 MB; nothing is fetched unasked, as the browser asks to save data.',
    )
    expect(saving.nearest).toMatchObject([{ code: 'download-refused' }])
    for (const { reason } of saving.refused) expect(reason).not.toMatch(/\d{7,}/)
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

  test('a model that another takes the place of finishes its answer', async ({ blank }) => {
    test.skip(!models.story || !models.gguf, 'needs two small models')
    test.setTimeout(120_000)
    const answers = await blank.evaluate(
      async (ids) => {
        const { createAlcove } = await import('/dist/index.js')
        const told: { whole: string; text: string; finish: string; deltas: number; next: string | undefined }[] = []
        for (const [from, to] of [ids, [...ids].reverse()] as [string, string][]) {
          const alcove = createAlcove({
            model: from,
            allowRemoteModels: false,
            cache: false,
            storage: { name: 'over' },
          })
          const agent = alcove.agent({ sampling: { temperature: 0, maxTokens: 150 } })
          const whole = (await agent.generate('Once upon a time')).text
          const run = agent.stream('Once upon a time')
          let switched: Promise<void> | undefined
          let text = ''
          let deltas = 0
          for await (const part of run) {
            if (part.type === 'text-delta') {
              text += part.text
              deltas++
            }
            if (deltas !== 5 || switched) continue
            switched = alcove.models.use('chat', to)
            // The reader holds the answer up until the other model is there.
            await switched
          }
          const finish = (await run.finish).reason
          const next = (await agent.generate('One day')).usage.modelId
          await alcove.close()
          told.push({ whole, text, finish, deltas, next })
        }
        return told
      },
      [models.story as string, models.gguf as string],
    )
    for (const { whole, text, finish, deltas } of answers) {
      expect({ text, finish }).toEqual({ text: whole, finish: 'length' })
      expect(deltas).toBeGreaterThan(20)
    }
    expect(answers.map(({ next }) => next)).toEqual([models.gguf, models.story])
  })

  test('availability of one model, from nowhere to here and back', async ({ blank }) => {
    test.skip(!models.story, 'needs a small chat model')
    test.setTimeout(120_000)
    let release: () => void = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    await blank.exposeFunction('letGo', () => release())
    await blank.route('**/models/stories260K/onnx/model.onnx', async (route) => {
      if (route.request().method() === 'GET') await held
      await route.continue().catch(() => {})
    })
    const states = await blank.evaluate(async (model) => {
      const { createAlcove } = await import('/dist/index.js')
      const options = { allowRemoteModels: false, storage: { name: 'states' } }
      const missing = createAlcove({ ...options, model: 'transformers:no-such-model' })
      const alcove = createAlcove({ ...options, model })
      const states: Record<string, string> = { missing: await missing.availability() }
      await missing.close()
      states.before = await alcove.availability()
      const load = alcove.load({ constraints: { task: 'chat' } })
      const until = performance.now() + 20_000
      do states.during = await alcove.availability()
      while (states.during !== 'downloading' && performance.now() < until)
      await (window as unknown as { letGo(): Promise<void> }).letGo()
      await load
      states.after = await alcove.availability()
      await alcove.models.delete(model)
      states.deleted = await alcove.availability()
      const answer = await alcove.agent({ sampling: { maxTokens: 3 } }).generate('Once')
      states.again = await alcove.availability()
      await alcove.close()
      return { ...states, text: answer.text }
    }, models.story as string)
    expect(states).toMatchObject({
      missing: 'unavailable',
      before: 'downloadable',
      during: 'downloading',
      after: 'available',
      deleted: 'downloadable',
      again: 'available',
    })
    expect(states.text.length).toBeGreaterThan(0)
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
