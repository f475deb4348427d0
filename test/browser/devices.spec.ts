import type { Browser } from '@playwright/test'
import type { Alcove, Corpus } from '../../src/index.js'
import { expect, models, origins, test } from './setup.js'

test.describe('where an embedding model runs', () => {
  test.skip(!models.embedding, 'needs all-MiniLM-L6-v2 in the models folder')
  let ownBrowser: Browser | undefined

  test.afterEach(async () => {
    await ownBrowser?.close()
    ownBrowser = undefined
  })

  test('is measured once on each device: a software adapter loses, freezes nothing, and gives the same vectors', async ({
    blank,
  }) => {
    test.setTimeout(180_000)
    const result = await blank.evaluate(async (embedder) => {
      // The page takes the software adapter for a graphics card, so that it is measured; workers see what it is.
      Object.defineProperty(GPUAdapter.prototype, 'info', { get: () => ({ vendor: 'test', architecture: 'card' }) })
      const { createAlcove } = await import('/dist/index.js')
      const options = { model: 'extractive', embedder, allowRemoteModels: false, storage: { name: 'measured' } }
      const alcove = createAlcove(options)
      const before = await alcove.load({ constraints: { task: 'embedding' } })
      const rowOf = async (client: typeof alcove) => (await client.models.list()).find(({ id }) => id === embedder)
      const first = await rowOf(alcove)
      const corpus = await alcove.corpus('birds')
      await corpus.add([{ title: 'a', text: 'The heron stands still in the water and waits for a fish.' }])
      let longestMs = 0
      let searchMs = 0
      let row = await rowOf(alcove)
      const began = performance.now()
      while (!row?.runsOnReason && performance.now() - began < 120_000) {
        const at = performance.now()
        await new Promise((resolve) => setTimeout(resolve, 20))
        longestMs = Math.max(longestMs, performance.now() - at)
        const asked = performance.now()
        const hits = await corpus.search('a bird that catches fish', { mode: 'vector' })
        if (hits.length !== 1) throw new Error('the search found nothing')
        searchMs = Math.max(searchMs, performance.now() - asked)
        row = await rowOf(alcove)
      }
      const after = await alcove.load({ constraints: { task: 'embedding' } })
      await alcove.close()

      const second = createAlcove(options)
      const remembered = await second.load({ constraints: { task: 'embedding' } })
      const workers: string[] = []
      const Original = Worker
      globalThis.Worker = class extends Original {
        constructor(url: string | URL, given?: WorkerOptions) {
          super(url, given)
          workers.push(given?.name ?? '')
        }
      } as typeof Worker
      await new Promise((resolve) => setTimeout(resolve, 4_000))
      await second.close()
      return { before, first, row, after, remembered, workers, longestMs, searchMs }
    }, models.embedding as string)
    expect(result.before.device.webgpu).toBe('hardware')
    expect(result.before.runsOn).toEqual([])
    expect(result.first).toMatchObject({ runsOn: 'wasm' })
    expect(result.first?.runsOnReason).toBeUndefined()
    expect(result.row).toMatchObject({ runsOn: 'wasm' })
    const [choice] = result.after.runsOn ?? []
    expect(choice).toMatchObject({ model: models.embedding, device: 'wasm', reason: result.row?.runsOnReason })
    const { longestMs, searchMs } = result
    test.info().annotations.push({ type: 'figures', description: JSON.stringify({ choice, longestMs, searchMs }) })
    expect(choice?.wasmMs).toBeGreaterThan(0)
    expect(choice?.webgpuMs).toBeGreaterThan(choice?.wasmMs as number)
    expect(choice?.cosine).toBeGreaterThan(0.999)
    // Remembered: nothing is measured in the next page.
    expect(result.remembered.runsOn).toEqual([choice])
    expect(result.workers).toEqual([])
  })

  test('is the graphics card where that was faster, with the same vectors, and the processor again when the card fails', async ({
    playwright,
    launchOptions,
  }) => {
    test.setTimeout(180_000)
    // A browser of its own: a second crash would leave other tests without an adapter.
    const browser = await playwright.chromium.launch(launchOptions)
    ownBrowser = browser
    const page = await browser.newPage()
    await page.goto(new URL('/pages/blank.html', origins().home).href)
    const before = await page.evaluate(async (embedder) => {
      Object.defineProperty(GPUAdapter.prototype, 'info', { get: () => ({ vendor: 'test', architecture: 'card' }) })
      const { createAlcove } = await import('/dist/index.js')
      const base = { model: 'extractive', embedder, allowRemoteModels: false }
      const plain = createAlcove({ ...base, storage: { name: 'plain' } })
      const { device } = await plain.load({ constraints: { task: 'embedding' } })
      const text = 'The heron waits for a fish.'
      const [first] = await (await plain.embeddingModel()).embed([text])
      await plain.close()
      // As if this card had been measured to be faster.
      const opening = indexedDB.open('card-devices')
      opening.onupgradeneeded = () => opening.result.createObjectStore('entries')
      await new Promise((resolve) => {
        opening.onsuccess = resolve
      })
      const transaction = opening.result.transaction('entries', 'readwrite')
      const choice = {
        model: embedder,
        device: 'webgpu',
        reason: 'WebGPU is faster: 1 ms and 2 ms',
        wasmMs: 2,
        webgpuMs: 1,
      }
      transaction.objectStore('entries').put(choice, `runs ${device.fingerprint} ${embedder}@|q8`)
      await new Promise((resolve) => {
        transaction.oncomplete = resolve
      })
      opening.result.close()

      const messages: (string | undefined)[] = []
      const alcove = createAlcove({ ...base, storage: { name: 'card' } })
      const report = await alcove.load({
        constraints: { task: 'embedding' },
        onProgress: ({ message }) => void messages.push(message),
      })
      const [second] = await (await alcove.embeddingModel()).embed([text])
      const corpus = await alcove.corpus('birds')
      await corpus.add([{ title: 'a', text }])
      Object.assign(globalThis, { alcove, corpus })
      const cosine = Array.from(first ?? []).reduce((sum, value, at) => sum + value * (second?.[at] ?? 0), 0)
      return { report, messages, cosine }
    }, models.embedding as string)
    expect(before.report.runsOn).toMatchObject([{ model: models.embedding, device: 'webgpu' }])
    expect(before.messages.at(-1)).toContain('ready on webgpu')
    expect(before.cosine).toBeGreaterThan(0.999)

    const session = await browser.newBrowserCDPSession()
    await session.send('Browser.crashGpuProcess')
    const after = await page.evaluate(async (embedder) => {
      const { alcove, corpus } = globalThis as unknown as {
        alcove: Alcove
        corpus: Corpus
      }
      // By keyword, while the vectors are away.
      const during = await corpus.search('a heron and its fish')
      const rowOf = async () => (await alcove.models.list()).find(({ id }) => id === embedder)
      const began = performance.now()
      while ((await rowOf())?.runsOn !== 'wasm' && performance.now() - began < 30_000)
        await new Promise((resolve) => setTimeout(resolve, 100))
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      const hits = await corpus.search('a bird that catches something in water', { mode: 'vector' })
      const row = await rowOf()
      const { warnings } = await alcove.health()
      await alcove.close()
      return { during: during.length, hits: hits.length, row, warnings }
    }, models.embedding as string)
    expect(after.during).toBe(1)
    expect(after.hits).toBe(1)
    expect(after.row).toMatchObject({ runsOn: 'wasm', runsOnReason: expect.stringContaining('WebGPU failed') })
    expect(after.warnings.length).toBeGreaterThan(0)
  })

  test('is not asked where the adapter is a software one', async ({ blank }) => {
    const result = await blank.evaluate(async (embedder) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({
        model: 'extractive',
        embedder,
        allowRemoteModels: false,
        storage: { name: 'soft' },
      })
      const report = await alcove.load({ constraints: { task: 'embedding' } })
      const loaded = performance.getEntriesByType('resource').map(({ name }) => name)
      await alcove.close()
      return { report, loaded }
    }, models.embedding as string)
    expect(result.report.device.webgpu).toBe('software')
    expect(result.report.runsOn).toEqual([])
    expect(result.loaded.filter((name) => name.includes('compose-devices'))).toEqual([])
  })
})
