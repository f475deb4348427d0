import type { Page } from '@playwright/test'
import type { RecoverySetup } from './pages/recovery.js'
import { expect, models, test } from './setup.js'

const disturb = (page: Page, setup: RecoverySetup, harm: 'crash' | 'test', maxTokens?: number) =>
  page.evaluate(async ([options, kind, limit]) => (await import('/pages/recovery.js')).disturb(options, kind, limit), [
    setup,
    harm,
    maxTokens,
  ] as const)

const engines = [
  { name: 'transformers.js', id: models.story },
  { name: 'wllama', id: models.gguf },
] as const

for (const { name, id } of engines) {
  test.describe(`a failing engine: ${name}`, () => {
    test.skip(!id, 'needs stories260K in the models folder')
    const setup: RecoverySetup = { id: id as string }

    test('a worker that dies without a word: the same stream goes on from its text', async ({ blank }) => {
      const { whole, told, next, restarts, failures } = await disturb(blank, setup, 'crash')
      expect(whole).toMatchObject({ finish: 'length' })
      expect(told.error).toBeUndefined()
      expect(told.statuses).toContain('recovered')
      expect(told.text).toBe(whole.text)
      expect(told.usage?.completionTokens).toBe(60)
      expect({ restarts, failures }).toEqual({ restarts: 1, failures: ['worker-crashed again'] })
      expect(next).toMatchObject({ finish: 'length' })
    })

    test('a worker in a loop without end is found, replaced, and the stream goes on', async ({ blank }) => {
      await blank.exposeFunction('doHarm', async () => {
        const worker = blank.workers().find((each) => each.url().includes('llm.worker'))
        // Never answers: the worker ends first.
        void worker
          ?.evaluate(() => {
            for (;;);
          })
          .catch(() => {})
      })
      const hurried = { ...setup, options: { silenceMs: 1_500 } }
      const { whole, told, restarts, failures } = await disturb(blank, hurried, 'test', 400)
      expect(told.error).toBeUndefined()
      expect(told.statuses).toContain('recovered')
      expect(told.text).toBe(whole.text)
      expect({ restarts, failures }).toEqual({ restarts: 1, failures: ['worker-crashed again'] })
    })

    test('waiting answers tell their place, one leaves alone, and the background goes last', async ({ blank }) => {
      const { all, order, alone } = await blank.evaluate(
        async (options) => (await import('/pages/recovery.js')).crowd(options),
        setup,
      )
      const [running, background, left, urgent] = all
      expect(running).toMatchObject({ finish: 'length', positions: [] })
      expect(left).toMatchObject({ error: 'aborted', text: '' })
      expect(order).toEqual(['left', 'running', 'urgent', 'background'])
      expect(urgent?.positions.at(-1)).toBe(1)
      expect(background?.positions.at(-1)).toBe(1)
      expect(Math.max(...(background?.positions ?? []))).toBeGreaterThan(1)
      expect([background?.text, urgent?.text]).toEqual(alone.map(({ text }) => text))
    })

    test('conversations that share instructions read them once, and equal ones almost nothing', async ({ blank }) => {
      const instructions = 'You tell stories of a little girl and her dog in the big park. '.repeat(6)
      const usages = await blank.evaluate(
        async ([options, text]) =>
          (await import('/pages/recovery.js')).share(options, text, ['Tell one of rain.', 'Say who runs.']),
        [setup, instructions] as const,
      )
      const [first, second, firstAgain, secondAgain] = usages
      expect(first?.cachedTokens).toBe(0)
      expect(second?.cachedTokens).toBeGreaterThan((second?.promptTokens ?? 0) * 0.7)
      for (const again of [firstAgain, secondAgain]) {
        expect(again?.cachedTokens).toBeGreaterThan((again?.promptTokens ?? 0) * 0.7)
      }
    })
  })
}

test.describe('a failing GPU', () => {
  test('a crashed GPU process ends in a recovered stream or one typed error', async ({ blank }) => {
    test.skip(!models.story, 'needs stories260K as ONNX in the models folder')
    await blank.exposeFunction('doHarm', async () => {
      const session = await blank.context().browser()?.newBrowserCDPSession()
      await session?.send('Browser.crashGpuProcess').catch(() => {})
    })
    const setup: RecoverySetup = { id: models.story as string, spec: { device: 'webgpu' } }
    const { whole, told, failures } = await disturb(blank, setup, 'test', 40)
    expect(whole).toMatchObject({ finish: 'length' })
    expect(failures.length).toBeGreaterThan(0)
    if (told.error === undefined) {
      expect(told.statuses).toContain('recovered')
      expect(told.text).toBe(whole.text)
    } else {
      expect(told.error).toMatch(/^(device-lost|webgpu-unavailable)$/)
    }
  })
})

test.describe('a state on the GPU', () => {
  test('is shortened too: an equal prompt and shared instructions are read once', async ({ blank }) => {
    test.skip(!models.story, 'needs stories260K as ONNX in the models folder')
    const setup: RecoverySetup = { id: models.story as string, spec: { device: 'webgpu' } }
    const instructions = 'You tell stories of a little girl and her dog in the big park. '
    const usages = await blank.evaluate(
      async ([options, text]) => (await import('/pages/recovery.js')).share(options, text, ['Rain.', 'Sun.']),
      [setup, instructions] as const,
    )
    expect(usages[0]?.cachedTokens).toBe(0)
    for (const usage of usages.slice(1)) {
      expect(usage?.cachedTokens).toBeGreaterThan((usage?.promptTokens ?? 0) * 0.6)
    }
  })
})

test.describe('an idle model', () => {
  test('is unloaded after a time and comes back when asked', async ({ blank }) => {
    test.skip(!models.story, 'needs stories260K as ONNX in the models folder')
    const result = await blank.evaluate(async (model) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model, allowRemoteModels: false, modelIdleMs: 300, storage: { name: 'idle' } })
      const agent = alcove.agent({ sampling: { temperature: 0, maxTokens: 4 } })
      const first = await agent.generate('Once upon a time')
      const before = (await alcove.health()).workers.llm.state
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      const after = (await alcove.health()).workers.llm.state
      const statuses: string[] = []
      let text = ''
      for await (const part of agent.stream('One day')) {
        if (part.type === 'status') statuses.push(part.status)
        if (part.type === 'text-delta') text += part.text
      }
      await alcove.close()
      return { first: first.text, before, after, statuses, text }
    }, models.story as string)
    expect(result.first.length).toBeGreaterThan(0)
    expect([result.before, result.after]).toEqual(['ready', 'idle'])
    expect(result.statuses).toContain('loading')
    expect(result.text.length).toBeGreaterThan(0)
  })
})
