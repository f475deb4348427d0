import { readdirSync, readFileSync } from 'node:fs'
import { chromium, type Page } from '@playwright/test'
import type { RecoverySetup, Told } from './pages/recovery.js'
import { expect, modelPath, models, origins, test } from './setup.js'

const disturb = (page: Page, setup: RecoverySetup, harm: 'crash' | 'test', maxTokens?: number) =>
  page.evaluate(async ([options, kind, limit]) => (await import('/pages/recovery.js')).disturb(options, kind, limit), [
    setup,
    harm,
    maxTokens,
  ] as const)

/** In a task of their own: a browser waits for the end of what a debugger runs in a worker, also when that is terminated. */
function freezeWorkers(page: Page): void {
  const loop = () => {
    setTimeout(() => {
      for (;;);
    })
  }
  for (const worker of page.workers()) if (worker.url().includes('llm.worker')) worker.evaluate(loop).catch(() => {})
}

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
        freezeWorkers(blank)
      })
      const hurried = { ...setup, options: { silenceMs: 1_500 } }
      const { whole, told, restarts, failures } = await disturb(blank, hurried, 'test', 400)
      expect(told.error).toBeUndefined()
      expect(told.statuses).toContain('recovered')
      expect(told.text).toBe(whole.text)
      expect({ restarts, failures }).toEqual({ restarts: 1, failures: ['worker-crashed again'] })
    })

    for (const at of ['first', 'start'] as const) {
      test(`a worker that dies in a load (${at === 'first' ? 'files' : 'start'}): the load goes on`, async ({
        blank,
      }) => {
        const result = await blank.evaluate(
          async ([options, when]) => (await import('/pages/recovery.js')).disturbLoad(options, 'crash', when),
          [setup, at] as const,
        )
        expect(result.failures).toEqual(['worker-crashed again'])
        expect(result.restarts).toBe(1)
        expect(result.messages.some((message) => message.startsWith('recovered: '))).toBe(true)
        expect(result.told).toMatchObject({ error: undefined, finish: 'length' })
        expect(result.told.text.length).toBeGreaterThan(0)
      })
    }

    test('a worker that hangs while files are fetched is replaced; a slow network is no hang', async ({ blank }) => {
      let onFile: () => void = () => {}
      await blank.route(/stories260K\/(stories260K\.gguf|config\.json)$/, async (route) => {
        if (route.request().method() === 'GET') {
          onFile()
          await new Promise((resolve) => setTimeout(resolve, 4_000))
        }
        await route.continue().catch(() => {})
      })
      const load = (cacheName: string) =>
        blank.evaluate(async (given) => (await import('/pages/recovery.js')).disturbLoad(given, 'none', 'first'), {
          ...setup,
          spec: { cacheName },
          options: { silenceMs: 1_500 },
        })
      const slow = await load('slow')
      expect(slow).toMatchObject({ restarts: 0, failures: [], told: { error: undefined } })
      expect(slow.loadMs).toBeGreaterThan(3_900)
      onFile = () => {
        onFile = () => {}
        freezeWorkers(blank)
      }
      const hung = await load('hung')
      expect(hung).toMatchObject({ restarts: 1, failures: ['worker-crashed again'], told: { error: undefined } })
    })

    test('a worker that dies between two answers costs a load, and no error', async ({ blank }) => {
      const { first, noticed, unnoticed, failures, restarts } = await blank.evaluate(
        async (options) => (await import('/pages/recovery.js')).dieBetween(options),
        setup,
      )
      for (const told of [noticed, unnoticed]) expect(told).toMatchObject({ error: undefined, text: first.text })
      expect(noticed.statuses).not.toContain('recovered')
      expect(unnoticed.statuses).toContain('recovered')
      expect({ failures, restarts }).toEqual({ failures: ['worker-crashed again'], restarts: 2 })
    })

    test('answers that wait for a worker that dies come all the same', async ({ blank }) => {
      const { alone, together, restarts } = await blank.evaluate(
        async (options) => (await import('/pages/recovery.js')).dieBefore(options),
        setup,
      )
      expect(together.map(({ error }) => error)).toEqual([undefined, undefined, undefined])
      expect(together.map(({ text }) => text)).toEqual(alone)
      expect(together.every(({ statuses }) => statuses.includes('recovered'))).toBe(true)
      expect(restarts).toBe(1)
    })

    test('a page that sleeps in the middle of an answer takes nothing for a hang', async ({ blank }) => {
      const session = await blank.context().browser()?.newBrowserCDPSession()
      const info = await session?.send('SystemInfo.getProcessInfo')
      const renderers = info?.processInfo.filter(({ type }) => type === 'renderer') ?? []
      const tell = (signal: 'SIGSTOP' | 'SIGCONT') => {
        for (const { id } of renderers) process.kill(id, signal)
      }
      await blank.exposeFunction('doHarm', () => {
        // As when a laptop is closed: the page and its workers stand still, and the clock goes on.
        tell('SIGSTOP')
        setTimeout(() => tell('SIGCONT'), 5_000)
      })
      const hurried = { ...setup, options: { silenceMs: 1_500 } }
      const began = Date.now()
      const { whole, told, restarts, failures } = await disturb(blank, hurried, 'test', 400)
      expect(Date.now() - began).toBeGreaterThan(5_000)
      expect(told).toMatchObject({ error: undefined, text: whole.text })
      expect({ restarts, failures }).toEqual({ restarts: 0, failures: [] })
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

/** A model of WebLLM in its own layout, where one was made. */
const mlc = process.env.ALCOVE_MLC_DIR
  ? readdirSync(process.env.ALCOVE_MLC_DIR).find((name) => name.endsWith('-MLC'))
  : undefined

test.describe('a failing engine: WebLLM', () => {
  test.skip(!mlc, 'needs a self-hosted model in ALCOVE_MLC_DIR')
  const setup: RecoverySetup = { id: `webllm:${mlc}` }
  /** Its tokenizer drops the space before the first word that it decodes, which after a recovery is in the middle of the text. */
  const spaceless = ({ text }: Told) => text.replaceAll(' ', '')

  test('a worker that dies without a word: the same stream goes on from its text', async ({ blank }) => {
    const { whole, told, next, failures } = await disturb(blank, setup, 'crash', 20)
    expect(told).toMatchObject({ error: undefined, finish: whole.finish })
    expect(spaceless(told)).toBe(spaceless(whole))
    expect(told.statuses).toContain('recovered')
    expect(failures).toEqual(['worker-crashed again'])
    expect(next.error).toBeUndefined()
  })

  test('a crashed GPU process: the same stream goes on from its text', async () => {
    const browser = await chromium.launch(test.info().project.use.launchOptions)
    try {
      const page = await browser.newPage()
      await page.goto(new URL('/pages/blank.html', origins().home).href)
      await page.exposeFunction('doHarm', async () => {
        const session = await browser.newBrowserCDPSession()
        await session.send('Browser.crashGpuProcess').catch(() => {})
      })
      const { whole, told, next, failures } = await disturb(page, setup, 'test', 40)
      expect(failures).toEqual(['device-lost again'])
      expect(told).toMatchObject({ error: undefined, finish: whole.finish })
      expect(spaceless(told)).toBe(spaceless(whole))
      expect(next.error).toBeUndefined()
    } finally {
      await browser.close()
    }
  })

  test('a worker that dies between two answers costs a load, and no error', async ({ blank }) => {
    const { first, noticed, unnoticed } = await blank.evaluate(
      async (options) => (await import('/pages/recovery.js')).dieBetween(options),
      setup,
    )
    for (const told of [noticed, unnoticed]) expect(told).toMatchObject({ error: undefined, text: first.text })
  })
})

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

test.describe('a GPU that crashes again', () => {
  test('leaves the model on the processor, and the same stream goes on', async () => {
    test.skip(!models.story, 'needs stories260K as ONNX in the models folder')
    // A browser of its own: it offers no GPU any more afterwards.
    const browser = await chromium.launch(test.info().project.use.launchOptions)
    try {
      const page = await browser.newPage()
      await page.goto(new URL('/pages/blank.html', origins().home).href)
      await page.exposeFunction('doHarm', async () => {
        const session = await browser.newBrowserCDPSession()
        await session.send('Browser.crashGpuProcess').catch(() => {})
      })
      const setup: RecoverySetup = { id: models.story as string, spec: { device: 'webgpu' } }
      const { whole, told, next, harms, failures, device } = await page.evaluate(
        async (options) => (await import('/pages/recovery.js')).disturbTwice(options, 5, 40),
        setup,
      )
      expect(harms).toBe(2)
      expect(told).toMatchObject({ error: undefined, finish: 'length', text: whole.text })
      expect(failures).toHaveLength(2)
      expect(device).toBe('wasm')
      expect(next).toMatchObject({ error: undefined, finish: 'length' })
    } finally {
      await browser.close()
    }
  })
})

test.describe('memory that is not there', () => {
  test('a GPU without memory for a buffer leaves the model on the processor, and the same stream goes on', async ({
    page,
  }) => {
    test.skip(!models.story, 'needs stories260K as ONNX in the models folder')
    // The browser's own refusal: from now on each buffer that is asked for is larger than any GPU has.
    const enlarge = `{
      const create = GPUDevice.prototype.createBuffer
      GPUDevice.prototype.createBuffer = function (descriptor) {
        const isLarge = globalThis.asksForTooMuch && descriptor.size >= 1024 && !descriptor.mappedAtCreation
        return create.call(this, isLarge ? { ...descriptor, size: 2 ** 36 } : descriptor)
      }
    }`
    await page.route('**/dist/workers/llm.worker.js', async (route) => {
      const body = enlarge + (await (await route.fetch()).text())
      await route.fulfill({ contentType: 'text/javascript', body })
    })
    await page.goto(new URL('/pages/blank.html', origins().home).href)
    await page.exposeFunction('doHarm', async () => {
      const worker = page.workers().find((each) => each.url().includes('llm.worker'))
      await worker?.evaluate(() => Object.assign(globalThis, { asksForTooMuch: true }))
    })
    const setup: RecoverySetup = { id: models.story as string, spec: { device: 'webgpu' } }
    const { whole, told, next, failures, device } = await disturb(page, setup, 'test', 40)
    expect(failures).toEqual(['out-of-memory smaller'])
    expect(told).toMatchObject({ error: undefined, finish: 'length', text: whole.text })
    expect(told.statuses).toContain('recovered')
    expect(device).toBe('wasm')
    expect(next).toMatchObject({ error: undefined, finish: 'length' })
  })

  test('a context that no memory holds becomes a shorter one, and the same stream goes on', async ({ blank }) => {
    const path = modelPath('stories260K/stories260K.gguf')
    test.skip(!path, 'needs stories260K as GGUF in the models folder')
    // WebAssembly has 4 GB here: the keys and values of 7 million tokens take 4.5.
    const body = readFileSync(path as string)
    body.writeUInt32LE(2 ** 25, body.indexOf('llama.context_length') + 'llama.context_length'.length + 4)
    await blank.route('**/models/large-context/**', (route) =>
      route.fulfill({ body, contentType: 'application/octet-stream', headers: { 'content-length': `${body.length}` } }),
    )
    const setup: RecoverySetup = { id: 'wllama:large-context/stories.gguf', spec: { contextTokens: 7_000_000 } }
    const { told, next, failures, contextTokens } = await blank.evaluate(
      async (options) => (await import('/pages/recovery.js')).answerOnce(options, 'Once upon a time', 20),
      setup,
    )
    expect(failures[0]).toBe('out-of-memory smaller')
    expect(told).toMatchObject({ error: undefined, finish: 'length' })
    expect(told.statuses).toContain('recovered')
    expect(next).toMatchObject({ error: undefined, finish: 'length' })
    expect(contextTokens).toBeLessThanOrEqual(3_500_000)
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
