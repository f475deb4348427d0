import type { Page } from '@playwright/test'
import type { AgentRun, Alcove } from 'alcove'
import { test as base, expect, origins } from './setup.js'
import { type ServedFile, type SlowServer, startSlowServer } from './slow-server.js'
import { emptyModel, mlcModel } from './web-llm-files.js'

interface Harness {
  alcove: Alcove
  run: AgentRun
  /** How the run ended: its error's code and message. */
  ended: Promise<string>
  status: { bytes: number; total: number; rate: boolean; messages: string[] }
}
declare global {
  interface Window {
    webLlm: Harness
  }
}

const ID = 'webllm:made-up'
const FOLDER = '/models/made-up/resolve/main/'
const SHARDS = [6_000_000, 5_000_000, 1_000]
/** What the real WebLLM says when it has read all of the model, whose library then turns out to have nothing in it. */
const READ = 'Loading the model onto the graphics card: 100 %'
const NOTHING_IN_IT = /^model-load-failed: .*getFunction/

const test = base.extend<{ slow: SlowServer; page: Page }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the parameter's pattern
  slow: async ({}, use) => {
    const slow = await startSlowServer(origins().home)
    serve(slow, emptyModel(SHARDS))
    await use(slow)
    await slow.close()
  },
  page: async ({ page, slow }, use) => {
    await page.goto(new URL('/pages/blank.html', slow.url).href)
    await use(page)
  },
})

const serve = (slow: SlowServer, files: ReadonlyMap<string, ServedFile>) => {
  slow.files.clear()
  for (const [name, file] of files) slow.files.set(FOLDER + name, file)
}

/** Begins a run of the model; how it goes is in `webLlm`. */
const begin = (page: Page, options: { readonly maxDownloadBytes?: number } = {}, model = ID) =>
  page.evaluate(
    async ([id, given]) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({
        model: id,
        allowRemoteModels: false,
        cache: false,
        storage: { name: 'web-llm-files' },
        ...given,
      })
      const status: Harness['status'] = { bytes: 0, total: 0, rate: false, messages: [] }
      const run = alcove.agent({ sampling: { temperature: 0, maxTokens: 8 } }).stream('Once upon a time')
      const read = async () => {
        for await (const part of run) {
          if (part.type !== 'status') continue
          status.bytes = part.loadedBytes ?? status.bytes
          status.total = part.totalBytes ?? status.total
          status.rate ||= (part.bytesPerSecond ?? 0) > 0 && (part.secondsLeft ?? -1) >= 0
          status.messages.push(part.message)
        }
        const { error, reason } = await run.finish
        return error ? `${error.code}: ${error.message}` : reason
      }
      Object.assign(window, { webLlm: { alcove, run, ended: read(), status } })
    },
    [model, options] as const,
  )

const ended = (page: Page) => page.evaluate(() => window.webLlm.ended)
const status = (page: Page) => page.evaluate(() => window.webLlm.status)
const waitForBytes = (page: Page, bytes: number) =>
  expect.poll(async () => (await status(page)).bytes, { intervals: [50] }).toBeGreaterThan(bytes)
const asked = (slow: SlowServer, name = '', method = 'GET') =>
  slow.asked.filter((each) => each.method === method && each.path.startsWith(FOLDER) && each.path.endsWith(name))
const bytesOf = (slow: SlowServer) =>
  [...slow.files.values()].reduce<number>((sum, file) => sum + (Buffer.isBuffer(file) ? file.byteLength : 0), 0)

/** Files on this device as long as this. */
const changeKept = (page: Page, length: number, change: 'cut' | 'overwrite') =>
  page.evaluate(
    async ([bytes, how]) => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('web-llm-files-models')
      let changed = 0
      for await (const handle of (folder as unknown as { values(): AsyncIterable<FileSystemFileHandle> }).values()) {
        if ((await handle.getFile()).size !== bytes) continue
        const writable = await handle.createWritable({ keepExistingData: true })
        if (how === 'cut') await writable.truncate(bytes - 1_000)
        else await writable.write({ type: 'write', position: 10, data: new Uint8Array(100) })
        await writable.close()
        changed++
      }
      return changed
    },
    [length, change] as const,
  )

/** One file of weights that is broken off behind its first pieces: to fetch it anew would cost more than may be lost. */
const LARGE = [12_000_000]
const BROKEN_OFF_AT = 7_000_000
/** A piece, and what the connection held. */
const LOST_BYTES = 5_500_000

test.describe('the files of a WebLLM model', () => {
  test('come once, are kept once, and then WebLLM reads them without a network', async ({ page, slow }) => {
    slow.bytesPerSecond = 10_000_000
    await begin(page)
    expect(await ended(page)).toMatch(NOTHING_IN_IT)
    const first = await status(page)
    expect(first.messages).toContain(READ)
    expect(first).toMatchObject({ bytes: bytesOf(slow), total: bytesOf(slow), rate: true })
    for (const path of slow.files.keys()) expect(asked(slow, path), path).toHaveLength(1)
    expect(slow.sent).toBeLessThan(bytesOf(slow) + 100_000)
    expect(await page.evaluate(() => caches.keys())).not.toContainEqual(expect.stringContaining('webllm'))
    expect(await page.evaluate(async () => (await window.webLlm.alcove.storage.usage()).models)).toBe(bytesOf(slow))
    await page.reload()
    slow.files.clear()
    slow.asked.length = 0
    await begin(page)
    expect(await ended(page)).toMatch(NOTHING_IN_IT)
    expect((await status(page)).messages).toContain(READ)
    expect(asked(slow)).toEqual([])
  })

  test('go on when the connection comes back, in the same load', async ({ page, slow }) => {
    slow.bytesPerSecond = 2_000_000
    await begin(page)
    await waitForBytes(page, 5_000_000)
    slow.isDown = true
    await page.waitForTimeout(1_000)
    slow.isDown = false
    slow.bytesPerSecond = 1e9
    expect(await ended(page)).toMatch(NOTHING_IN_IT)
    expect((await status(page)).messages).toContain(READ)
    expect(asked(slow, '.bin').some(({ range }) => range !== undefined)).toBe(true)
    expect(slow.sent, 'of the begun pieces too').toBeLessThan(bytesOf(slow) + 2_500_000)
  })

  test('go on after a reload of the page', async ({ page, slow }) => {
    serve(slow, emptyModel(LARGE))
    slow.bytesPerSecond = 4_000_000
    await begin(page)
    await waitForBytes(page, BROKEN_OFF_AT)
    await page.reload()
    slow.bytesPerSecond = 1e9
    await begin(page)
    expect(await ended(page)).toMatch(NOTHING_IN_IT)
    expect((await status(page)).messages).toContain(READ)
    expect(asked(slow, '.bin').some(({ range }) => range !== undefined)).toBe(true)
    expect(slow.sent).toBeLessThan(bytesOf(slow) + LOST_BYTES)
  })

  test('stop coming when the load is aborted, and the next one goes on', async ({ page, slow }) => {
    serve(slow, emptyModel(LARGE))
    slow.bytesPerSecond = 4_000_000
    await begin(page)
    await waitForBytes(page, BROKEN_OFF_AT)
    await page.evaluate(() => window.webLlm.run.abort())
    expect(await ended(page)).toMatch(/^aborted/)
    await page.waitForTimeout(300)
    const sent = slow.sent
    await page.waitForTimeout(700)
    expect(slow.sent - sent).toBeLessThan(300_000)
    slow.bytesPerSecond = 1e9
    await begin(page)
    expect(await ended(page)).toMatch(NOTHING_IN_IT)
    expect(slow.sent).toBeLessThan(bytesOf(slow) + LOST_BYTES)
  })

  test('that two pages want come once', async ({ page, context, slow }) => {
    slow.bytesPerSecond = 8_000_000
    const other = await context.newPage()
    await other.goto(page.url())
    await Promise.all([begin(page), begin(other)])
    expect(await ended(page)).toMatch(NOTHING_IN_IT)
    expect(await ended(other)).toMatch(NOTHING_IN_IT)
    for (const name of ['shard_0.bin', 'shard_1.bin']) expect(asked(slow, name), name).toHaveLength(1)
  })

  test('that were cut short or changed on this device are mended, not all of them fetched', async ({ page, slow }) => {
    await begin(page)
    await ended(page)
    await page.evaluate(() => window.webLlm.alcove.close())
    expect(await changeKept(page, 5_000_000, 'cut')).toBe(1)
    expect(await changeKept(page, 6_000_000, 'overwrite')).toBe(1)
    await page.reload()
    slow.asked.length = 0
    await begin(page)
    expect(await ended(page)).toMatch(NOTHING_IN_IT)
    expect(asked(slow).map(({ path, range }) => [path.slice(FOLDER.length), range])).toEqual([
      ['params_shard_1.bin', 'bytes=4194304-'],
      // Its length is right: only that the model does not work lets its bytes be looked at.
      ['params_shard_0.bin', 'bytes=0-4194303'],
    ])
  })

  test('count as those of all models: room, consent, list, pin and delete', async ({ page, slow }) => {
    serve(slow, emptyModel([9_000_000, 9_000_000]))
    await begin(page, { maxDownloadBytes: 18_000_000 })
    expect(await ended(page)).toMatch(/^download-refused/)
    const session = await page.context().newCDPSession(page)
    const { origin } = new URL(slow.url)
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 9_000_000 })
    await begin(page)
    expect(await ended(page)).toMatch(/^quota-exceeded/)
    expect(asked(slow, '.bin')).toEqual([])
    await session.send('Storage.overrideQuotaForOrigin', { origin })
    await page.evaluate(async () => {
      // As an earlier version left them.
      const model = await caches.open('webllm/model')
      await model.put('https://hub.invalid/mlc-ai/made-up/resolve/main/a.bin', new Response('old'))
      await (await caches.open('webllm/wasm')).put('https://libs.invalid/a.wasm', new Response('old'))
    })
    await begin(page)
    expect(await ended(page)).toMatch(NOTHING_IN_IT)
    const found = await page.evaluate(async (id) => {
      const { alcove } = window.webLlm
      const row = async () => (await alcove.models.list()).find((each) => each.id === id)
      await alcove.models.pin(id)
      const pinned = await row()
      await alcove.models.unpin(id)
      await alcove.models.delete(id)
      return { pinned, deleted: await row(), caches: await caches.keys() }
    }, ID)
    expect(found.pinned).toMatchObject({ state: 'available', pinned: true, bytes: 0, usedAt: expect.any(Number) })
    expect(found.pinned?.storedBytes).toBeGreaterThan(18_000_000)
    expect(found.deleted).toMatchObject({ state: 'downloadable' })
    expect(found.deleted?.bytes).toBeGreaterThan(18_000_000)
    // The listing itself reads small files of what it lists.
    expect(found.deleted?.storedBytes).toBeLessThan(10_000)
    expect(found.caches.filter((name) => name.startsWith('webllm'))).toEqual([])
  })

  test('that are not what the list of weights says are refused, and a list that is of another time is read anew', async ({
    page,
    slow,
  }) => {
    const good = new Map(slow.files)
    slow.files.set(`${FOLDER}params_shard_2.bin`, Buffer.alloc(1_000))
    await begin(page)
    expect(await ended(page)).toMatch(/^integrity-failed: expected the MD5 \w{32} of .*params_shard_2\.bin/)
    // Now the whole model is another one, of which the list and two files are kept from before.
    serve(slow, emptyModel(SHARDS))
    expect(slow.files.get(`${FOLDER}tensor-cache.json`)).not.toEqual(good.get(`${FOLDER}tensor-cache.json`))
    await page.reload()
    await begin(page)
    expect(await ended(page)).toMatch(NOTHING_IN_IT)
  })

  test('a library that was replaced on its server is fetched anew', async ({ page, slow }) => {
    const library = slow.files.get(`${FOLDER}lib.wasm`) as ServedFile
    for (const [file, code] of [
      ['html', /^model-not-found: .*lib\.wasm/],
      [404, /^model-not-found: .*lib\.wasm/],
      [Buffer.from('\0asm\u0001\0\0\0cut'), /^model-load-failed: .*lib\.wasm/],
      [importingLibrary(), /^model-load-failed: .*(?:import|instantiate)/i],
      [library, NOTHING_IN_IT],
    ] as const) {
      slow.files.set(`${FOLDER}lib.wasm`, file)
      await begin(page)
      expect(await ended(page)).toMatch(code)
    }
    expect(asked(slow, 'shard_0.bin')).toHaveLength(1)
  })
})

test('a real WebLLM model answers from files that came through the loader, also when they were mended', async ({
  page,
  slow,
}) => {
  test.skip(!mlcModel, 'needs ALCOVE_MLC_DIR: a folder with <id>/resolve/main/ of an f32 build and its lib.wasm')
  test.setTimeout(600_000)
  const asked = () => slow.asked.filter(({ path, method }) => method === 'GET' && path.includes(`/${mlcModel}/`))
  const answer = async () => {
    await begin(page, {}, `webllm:${mlcModel}`)
    expect(await ended(page)).toMatch(/^(?:stop|length)$/)
    return page.evaluate(() => window.webLlm.run.text)
  }
  const first = await answer()
  expect(first.length).toBeGreaterThan(5)
  const names = asked().map(({ path }) => path.split('/').at(-1))
  expect(names.toSorted(), 'each file once').toEqual([...new Set(names)].toSorted())
  const library = await page.evaluate(async () => {
    await window.webLlm.alcove.close()
    const kept = await (await navigator.storage.getDirectory()).getDirectoryHandle('web-llm-files-models')
    for await (const handle of (kept as unknown as { values(): AsyncIterable<FileSystemFileHandle> }).values()) {
      const file = await handle.getFile()
      if ((await file.slice(0, 4).text()) === '\0asm') return file.size
    }
    return 0
  })
  expect(await changeKept(page, library, 'overwrite')).toBe(1)
  await page.reload()
  slow.asked.length = 0
  expect(await answer()).toBe(first)
  expect(
    asked().map(({ path }) => path.split('/').at(-1)),
    'what was broken, and no more',
  ).toEqual(['lib.wasm'])
})

/** A valid module that wants what WebLLM does not have, as a library for another version does. */
function importingLibrary(): Buffer {
  const name = (text: string) => [text.length, ...Buffer.from(text)]
  const imports = [1, ...name('env'), ...name('of_another_version'), 0, 0]
  return Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 2, imports.length, ...imports])
}
