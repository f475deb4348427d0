import type { Page } from '@playwright/test'
import type { Alcove } from 'alcove'
import { test as base, expect, models, origins } from './setup.js'
import { type SlowServer, startSlowServer } from './slow-server.js'

interface Harness {
  alcove: Alcove
  load: Promise<string>
  loaded: { bytes: number; total: number; rate: boolean; messages: string[] }
  workers: Worker[]
}
declare global {
  interface Window {
    harness: Harness
  }
}

const test = base.extend<{ slow: SlowServer; open: (page: Page) => Promise<Page> }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the parameter's pattern
  slow: async ({}, use) => {
    const slow = await startSlowServer(origins().home)
    await use(slow)
    await slow.close()
  },
  open: async ({ slow }, use) => {
    await use(async (page) => {
      await page.addInitScript(() => {
        const workers: Worker[] = []
        Object.assign(globalThis, { harness: { workers } })
        const Original = Worker
        globalThis.Worker = class extends Original {
          constructor(url: string | URL, options?: WorkerOptions) {
            super(url, options)
            workers.push(this)
          }
        }
      })
      await page.goto(new URL('/pages/blank.html', slow.url).href)
      return page
    })
  },
})

/** Begins to load the embedding model; how it ends is in `harness.load`. */
const beginLoad = (page: Page, embedder = models.embedding as string) =>
  page.evaluate(async (id) => {
    const { createAlcove } = await import('/dist/index.js')
    const alcove = createAlcove({
      model: 'extractive',
      embedder: id,
      allowRemoteModels: false,
      storage: { name: 'loading' },
    })
    const loaded = { bytes: 0, total: 0, rate: false, messages: [] as string[] }
    const load = alcove.load({
      onProgress(part) {
        loaded.bytes = part.loadedBytes ?? loaded.bytes
        loaded.total = part.totalBytes ?? loaded.total
        loaded.rate ||= (part.bytesPerSecond ?? 0) > 0 && (part.secondsLeft ?? -1) >= 0
        loaded.messages.push(part.message)
      },
    })
    const ended = load.then(
      (report) => String(report.chosen.embedding),
      (error: { code: string }) => `failed: ${error.code}`,
    )
    Object.assign(window.harness, { alcove, loaded, load: ended })
  }, embedder)

const loadedBytes = (page: Page) => page.evaluate(() => window.harness.loaded.bytes)
const endOfLoad = (page: Page) => page.evaluate(() => window.harness.load)
const waitForBytes = (page: Page, bytes: number) =>
  expect.poll(() => loadedBytes(page), { intervals: [50] }).toBeGreaterThan(bytes)
const askedForWeights = ({ asked }: SlowServer) =>
  asked.filter(({ path, method }) => path.endsWith('.onnx') && method === 'GET')

/** What a worker may lose when it is killed, and what the connection held. */
const LOST_BYTES = 6_000_000

test.describe('a download', () => {
  test.skip(!models.embedding, 'needs the small embedding model')
  const id = models.embedding as string
  let fileBytes = 0

  test.beforeAll(async ({ playwright }) => {
    const request = await playwright.request.newContext()
    const url = new URL('/models/all-MiniLM-L6-v2/onnx/model_quantized.onnx', origins().home)
    fileBytes = Number((await request.head(url.href)).headers()['content-length'])
    expect(fileBytes).toBeGreaterThan(10_000_000)
    await request.dispose()
  })

  test('goes on when the connection comes back, in the same load', async ({ page, slow, open }) => {
    slow.bytesPerSecond = 10_000_000
    await open(page)
    await beginLoad(page)
    await waitForBytes(page, 8_000_000)
    slow.isDown = true
    await page.waitForTimeout(1_500)
    slow.isDown = false
    slow.bytesPerSecond = 1e9
    expect(await endOfLoad(page)).toBe(id)
    expect(slow.sent).toBeLessThan(fileBytes + LOST_BYTES)
    expect(askedForWeights(slow).length).toBeGreaterThan(1)
    expect(await page.evaluate(() => window.harness.loaded.rate)).toBe(true)
  })

  test('goes on after a reload of the page, and then asks for nothing at all', async ({ page, slow, open }) => {
    slow.bytesPerSecond = 10_000_000
    await open(page)
    await beginLoad(page)
    await waitForBytes(page, 10_000_000)
    await page.reload()
    slow.bytesPerSecond = 1e9
    await beginLoad(page)
    expect(await endOfLoad(page)).toBe(id)
    expect(slow.sent).toBeLessThan(fileBytes + LOST_BYTES)
    expect(askedForWeights(slow).at(-1)?.range).toMatch(/^bytes=[1-9]\d+-$/)
    await page.reload()
    slow.asked.length = 0
    await beginLoad(page)
    expect(await endOfLoad(page)).toBe(id)
    expect(slow.asked, 'all of it is kept, and what is nowhere is remembered').toEqual([])
  })

  test('goes on after its worker was killed', async ({ page, slow, open }) => {
    slow.bytesPerSecond = 10_000_000
    await open(page)
    await beginLoad(page)
    await waitForBytes(page, 10_000_000)
    await page.evaluate(() => {
      for (const worker of window.harness.workers) worker.terminate()
    })
    await endOfLoad(page)
    slow.bytesPerSecond = 1e9
    await beginLoad(page)
    expect(await endOfLoad(page)).toBe(id)
    expect(slow.sent).toBeLessThan(fileBytes + LOST_BYTES)
  })

  test('that two pages want is made once', async ({ page, context, slow, open }) => {
    slow.bytesPerSecond = 10_000_000
    const other = await context.newPage()
    await open(page)
    await open(other)
    await Promise.all([beginLoad(page), beginLoad(other)])
    expect(await endOfLoad(page)).toBe(id)
    expect(await endOfLoad(other)).toBe(id)
    expect(askedForWeights(slow)).toHaveLength(1)
    expect(slow.sent).toBeLessThan(fileBytes + 3_000_000)
  })

  test('without room is refused before it begins', async ({ page, slow, open }) => {
    await open(page)
    const session = await page.context().newCDPSession(page)
    const { origin } = new URL(slow.url)
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 9_000_000 })
    await beginLoad(page)
    expect(await endOfLoad(page)).toBe('failed: quota-exceeded')
    expect(askedForWeights(slow)).toEqual([])
    await session.send('Storage.overrideQuotaForOrigin', { origin })
    await beginLoad(page)
    expect(await endOfLoad(page)).toBe(id)
  })

  test('repairs a file that was cut short on this device', async ({ page, slow, open }) => {
    await open(page)
    await beginLoad(page)
    expect(await endOfLoad(page)).toBe(id)
    await page.evaluate(() => window.harness.alcove.close())
    const cut = await page.evaluate(async () => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('loading-models')
      for await (const [name, handle] of folder as unknown as AsyncIterable<[string, FileSystemFileHandle]>) {
        const { size } = await handle.getFile()
        if (size < 10_000_000) continue
        const writable = await handle.createWritable({ keepExistingData: true })
        await writable.truncate(size - 1_000_000)
        await writable.close()
        return name
      }
      return undefined
    })
    expect(cut).toBeDefined()
    await page.reload()
    const before = slow.sent
    await beginLoad(page)
    expect(await endOfLoad(page)).toBe(id)
    expect(askedForWeights(slow)).toHaveLength(2)
    expect(slow.sent - before).toBeLessThan(LOST_BYTES)
  })

  test('can be listed, pinned and deleted', async ({ page, slow, open }) => {
    await open(page)
    await beginLoad(page)
    expect(await endOfLoad(page)).toBe(id)
    const result = await page.evaluate(async (own) => {
      const { alcove } = window.harness
      const row = async () => (await alcove.models.list()).find((each) => each.id === own)
      const usage = async () => (await alcove.storage.usage()).models
      await alcove.models.pin(own)
      const pinned = await row()
      await alcove.models.unpin(own)
      const unpinned = await row()
      const bytes = await usage()
      await alcove.models.delete(own)
      return { pinned, unpinned, bytes, deleted: await row(), left: await usage() }
    }, id)
    expect(result.pinned).toMatchObject({ state: 'available', pinned: true, usedAt: expect.any(Number) })
    expect(result.pinned?.storedBytes).toBeGreaterThanOrEqual(fileBytes)
    expect(result.unpinned).toMatchObject({ pinned: false })
    expect(result.bytes).toBeGreaterThanOrEqual(result.pinned?.storedBytes as number)
    // The listing itself reads small files of what it lists.
    expect(result.deleted).toMatchObject({ state: 'downloadable' })
    expect(result.deleted?.storedBytes).toBeLessThan(10_000)
    expect(result.left).toBeLessThan(20_000)
    expect(slow.sent).toBeGreaterThan(fileBytes)
  })
})

test.describe('a model that is deleted half-way', () => {
  const sizeAfter = (page: Page) =>
    page.evaluate(async () => {
      // What was in flight when it was deleted would be written by now.
      await new Promise((resolve) => setTimeout(resolve, 700))
      return (await window.harness.alcove.storage.usage()).models
    })

  test('is not fetched to its end, and nothing of it is kept: an embedding model', async ({ page, slow, open }) => {
    const id = models.embedding
    test.skip(!id, 'needs the small embedding model')
    slow.bytesPerSecond = 4_000_000
    await open(page)
    await beginLoad(page)
    await waitForBytes(page, 3_000_000)
    await page.evaluate((own) => window.harness.alcove.models.delete(own), id as string)
    expect(await endOfLoad(page)).toBe('failed: aborted')
    expect(await sizeAfter(page)).toBe(0)
    const { sent } = slow
    expect(await sizeAfter(page)).toBe(0)
    expect(slow.sent).toBe(sent)
  })

  test('is not fetched to its end, and nothing of it is kept: a chat model', async ({ page, slow, open }) => {
    test.skip(!models.story, 'needs stories260K as ONNX in the models folder')
    slow.bytesPerSecond = 300_000
    await open(page)
    await page.evaluate(async (model) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model, allowRemoteModels: false, storage: { name: 'loading' } })
      const loaded = { bytes: 0, total: 0, rate: false, messages: [] as string[] }
      const onProgress = ({ loadedBytes = 0 }) => {
        loaded.bytes = loadedBytes
      }
      const load = alcove.load({ onProgress, constraints: { task: 'chat' } }).then(
        () => 'loaded',
        (error: { code: string }) => `failed: ${error.code}`,
      )
      Object.assign(window.harness, { alcove, loaded, load })
    }, models.story as string)
    await waitForBytes(page, 200_000)
    await page.evaluate((own) => window.harness.alcove.models.delete(own), models.story as string)
    expect(await endOfLoad(page)).toBe('failed: aborted')
    expect(await sizeAfter(page)).toBe(0)
    slow.bytesPerSecond = 1e9
    const text = await page.evaluate(async () => {
      const agent = window.harness.alcove.agent({ sampling: { maxTokens: 3, temperature: 0 } })
      return (await agent.generate('Once')).text
    })
    expect(text.length).toBeGreaterThan(0)
  })
})

test('what the page throws in onProgress stops no load, and a controller is no signal', async ({ page, open }) => {
  test.skip(!models.story, 'needs stories260K as ONNX in the models folder')
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  await open(page)
  const result = await page.evaluate(async (model) => {
    const { createAlcove } = await import('/dist/index.js')
    const alcove = createAlcove({ model, allowRemoteModels: false, storage: { name: 'mistakes' } })
    const task = { constraints: { task: 'chat' } } as const
    const onProgress = () => {
      throw new Error('a mistake of the page')
    }
    const failed = (error: { code?: string; message: string }) => [error.code, error.message]
    const wrong = await alcove.load({ signal: new AbortController() as never }).catch(failed)
    const run = () => alcove.agent().generate('Once', { signal: new AbortController() as never })
    const wrongRun = await run().catch(failed)
    const { chosen } = await alcove.load({ ...task, onProgress })
    await alcove.close()
    return { chosen, wrong, wrongRun }
  }, models.story as string)
  expect(result.chosen.chat).toBe(models.story)
  expect(result.wrong).toEqual(['invalid-argument', expect.stringContaining('AbortSignal')])
  expect(result.wrongRun).toEqual(['invalid-argument', expect.stringContaining('AbortSignal')])
  expect(new Set(errors)).toEqual(new Set(['a mistake of the page']))
})

test('availability says that a download runs', async ({ page, slow, open }) => {
  test.skip(!models.story, 'needs stories260K as ONNX in the models folder')
  slow.bytesPerSecond = 300_000
  await open(page)
  await page.evaluate(async (model) => {
    const { createAlcove } = await import('/dist/index.js')
    const alcove = createAlcove({ model, allowRemoteModels: false, storage: { name: 'loading' } })
    const load = alcove.agent().generate('Once')
    Object.assign(window.harness, { alcove, load: load.then(({ text }) => text) })
  }, models.story as string)
  const availability = () => page.evaluate(() => window.harness.alcove.availability())
  await expect.poll(availability, { intervals: [100] }).toBe('downloading')
  slow.bytesPerSecond = 1e9
  await endOfLoad(page)
  expect(await availability()).toBe('available')
})

test('a model that was primed finds its instructions read', async ({ blank }) => {
  test.skip(!models.onnxChat, 'needs SmolLM2-135M-Instruct as ONNX in the models folder')
  const cached = await blank.evaluate(async (model) => {
    const { createAlcove } = await import('/dist/index.js')
    const instructions =
      'You are the keeper of a lighthouse on a small island and answer every question in one short sentence.'
    const alcove = createAlcove({
      model,
      embedder: 'auto',
      maxDownloadBytes: 0,
      confirmDownload: ({ id }) => id === model,
    })
    await alcove.load({ prime: instructions })
    const agent = alcove.agent({ instructions, sampling: { temperature: 0, maxTokens: 2 } })
    const { usage } = await agent.generate('Hello?')
    await alcove.close()
    return usage.cachedTokens
  }, models.onnxChat as string)
  expect(cached).toBeGreaterThan(15)
})
