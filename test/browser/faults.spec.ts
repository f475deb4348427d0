import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from '@playwright/test'
import type { Alcove, Corpus } from 'alcove'
import { expect, models, origins, test } from './setup.js'

test.describe('bad input', () => {
  test('a model that is not there, broken or not for this device is one typed error with a hint', async ({ blank }) => {
    await blank.route('**/models/broken/**', (route) => {
      const { pathname } = new URL(route.request().url())
      if (pathname.endsWith('.json'))
        return route.fulfill({ contentType: 'application/json', body: '{"model_type":"llama"' })
      return route.fulfill({ contentType: 'application/octet-stream', body: 'not weights' })
    })
    await blank.route('**/models/page/**', (route) =>
      route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>hi</title>' }),
    )
    const errors = await blank.evaluate(async () => {
      const { createAlcove, isAlcoveError } = await import('/dist/index.js')
      const ask = async (options: object) => {
        try {
          const alcove = createAlcove({ allowRemoteModels: false, storage: { name: 'bad' }, ...options })
          const result = await alcove
            .agent()
            .generate('hello')
            .finally(() => alcove.close())
          return { code: 'none', message: result.text, hint: '' }
        } catch (error) {
          return isAlcoveError(error)
            ? { code: error.code, message: error.message, hint: error.hint }
            : { code: 'untyped', message: String(error), hint: '' }
        }
      }
      return {
        scheme: await ask({ model: 'nonsense:model' }),
        missing: await ask({ model: 'transformers:no-such-model' }),
        gguf: await ask({ model: 'wllama:no-such-model/file.gguf' }),
        broken: await ask({ model: 'transformers:broken', confirmDownload: () => true }),
        html: await ask({ model: 'transformers:page', confirmDownload: () => true }),
        webllm: await ask({ model: 'webllm:No-Such-Model' }),
        ladder: await ask({ model: ['transformers:no-such-model', 'wllama:no/such.gguf'] }),
        empty: await ask({ model: 'extractive' }).then(async () => {
          const alcove = createAlcove({ model: 'extractive' })
          return alcove
            .agent()
            .generate('   ')
            .then(
              () => ({ code: 'none', message: '', hint: '' }),
              (error: { code: string; message: string; hint: string }) => ({
                code: error.code,
                message: error.message,
                hint: error.hint,
              }),
            )
            .finally(() => alcove.close())
        }),
      }
    })
    expect(Object.fromEntries(Object.entries(errors).map(([name, error]) => [name, error.code]))).toEqual({
      scheme: 'invalid-argument',
      missing: 'model-not-found',
      gguf: 'model-not-found',
      broken: expect.stringMatching(/model-load-failed|integrity-failed/),
      html: expect.stringMatching(/model-not-found|integrity-failed/),
      webllm: 'model-not-found',
      ladder: 'model-not-found',
      empty: 'invalid-argument',
    })
    for (const { message, hint } of Object.values(errors)) {
      expect(message.length).toBeGreaterThan(10)
      expect(hint.length).toBeGreaterThan(10)
    }
  })

  test('a truncated model file is refused and nothing of it is kept', async ({ blank }) => {
    test.skip(!models.embedding, 'needs the small embedding model')
    await blank.route('**/all-MiniLM-L6-v2/onnx/model_quantized.onnx', async (route) => {
      if (route.request().method() === 'HEAD') return route.continue()
      const response = await route.fetch()
      const body = await response.body()
      return route.fulfill({
        response,
        body: body.subarray(0, body.length / 2),
        headers: { 'content-type': 'application/octet-stream' },
      })
    })
    const result = await blank.evaluate(async (embedder) => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model: 'extractive', embedder, allowRemoteModels: false, storage: { name: 'cut' } })
      const code = await alcove.load().then(
        () => 'loaded',
        (error: { code: string }) => error.code,
      )
      const corpus = await alcove.corpus('still')
      const added = await corpus.add({ title: 'a', text: 'The lighthouse keeper sleeps at noon.' })
      const hits = await corpus.search('lighthouse keeper')
      const { models } = await alcove.storage.usage()
      await alcove.close()
      return { code, added, hits: hits.length, models }
    }, models.embedding as string)
    expect(result.code).toMatch(/integrity-failed|model-load-failed/)
    expect(result.added.added).toBe(1)
    expect(result.hits).toBe(1)
    expect(result.models).toBeLessThan(2_000_000)
  })

  test('documents that cannot be parsed fail alone, each with its reason', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model: 'extractive', maxDownloadBytes: 0, storage: { name: 'parse' } })
      const corpus = await alcove.corpus('mixed')
      const file = (name: string, body: BlobPart, type = '') => new File([body], name, { type })
      const run = corpus.add([
        file('broken.pdf', '%PDF-1.7\nthis is no PDF at all'),
        file('good.txt', 'The ferry leaves at seven.'),
        file('empty.md', ''),
        file(
          'noise.bin',
          new Uint8Array(2000).map((_, index) => (index * 7919) % 251),
        ),
        file(
          'office.docx',
          new Uint8Array([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ...new Array(3000).fill(0)]),
        ),
      ])
      const events: string[] = []
      for await (const { type, title } of run) events.push(`${type} ${title}`)
      const added = await run
      const hits = await corpus.search('ferry')
      const list = await corpus.list()
      await alcove.close()
      return {
        events,
        added,
        hits: hits.map((hit) => hit.text),
        titles: list.map((row) => row.title),
      }
    })
    const codes = Object.fromEntries(result.added.failed.map((row) => [row.title, row.code]))
    expect(codes).toMatchObject({
      'broken.pdf': 'parse-failed',
      'empty.md': 'document-empty',
      'noise.bin': 'document-unsupported',
      'office.docx': expect.stringMatching(/document-encrypted|document-unsupported/),
    })
    expect(result.added.added).toBe(1)
    expect(result.titles).toEqual(['good.txt'])
    expect(result.hits).toEqual(['The ferry leaves at seven.'])
    expect(result.events).toContain('failed broken.pdf')
  })

  test('a text file of 100 MB gives an error or is read, and the page lives on', async ({ blank }) => {
    const result = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model: 'extractive', maxDownloadBytes: 0, storage: { name: 'large' } })
      const corpus = await alcove.corpus('large')
      const line = 'A line of ordinary text that says nothing in particular about the sea. '
      const huge = new File([line.repeat(Math.ceil(104_857_600 / line.length))], 'huge.txt', { type: 'text/plain' })
      const added = await corpus.add([huge, { title: 'small', text: 'The harbour master is called Olsen.' }])
      const hits = await corpus.search('harbour master')
      await alcove.close()
      return { added, hits: hits.map((hit) => hit.source.title) }
    })
    expect(result.added.failed).toMatchObject([{ title: 'huge.txt', code: 'too-large' }])
    expect(result.added.failed[0]?.hint.length).toBeGreaterThan(10)
    expect(result.hits).toContain('small')
  })

  test('tools that throw, hang or give something circular become short results', async ({ blank }) => {
    const parts = await blank.evaluate(async () => {
      const { createAlcove, tool } = await import('/dist/index.js')
      const { scriptedModel } = await import('/dist/testing.js')
      const circular: Record<string, unknown> = {}
      circular.self = circular
      const input = { type: 'object', properties: {} }
      const tools = [
        tool({
          name: 'throws',
          description: 'throws',
          input,
          execute: async () => Promise.reject(new Error('no such city')),
        }),
        tool({ name: 'hangs', description: 'hangs', input, timeoutMs: 50, execute: () => new Promise(() => {}) }),
        tool({ name: 'circles', description: 'circles', input, execute: async () => circular }),
      ]
      const model = scriptedModel([{ toolCalls: tools.map(({ name }) => ({ name, input: {} })) }, 'Done.'])
      const alcove = createAlcove({ model, storage: { name: 'tools' } })
      const seen = []
      for await (const part of alcove.agent({ tools }).stream('go')) seen.push(part)
      await alcove.close()
      return seen
    })
    const results = parts.filter((part) => part.type === 'tool-result')
    expect(results).toHaveLength(3)
    for (const result of results) {
      expect(result.isError).toBe(true)
      expect(JSON.stringify(result.output)).not.toMatch(/\bat .*\.js:\d+/)
    }
    expect(parts.at(-1)).toMatchObject({ type: 'finish', finish: { reason: 'stop' } })
  })
})

test.describe('storage', () => {
  test('blocked site data: everything works in memory, with one warning', async () => {
    const profile = mkdtempSync(join(tmpdir(), 'alcove-blocked-'))
    mkdirSync(join(profile, 'Default'))
    writeFileSync(
      join(profile, 'Default', 'Preferences'),
      JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }),
    )
    const { launchOptions } = test.info().project.use
    const context = await chromium.launchPersistentContext(profile, { ...launchOptions, headless: true })
    try {
      const page = await context.newPage()
      await page.goto(new URL('/pages/blank.html', origins().home).href)
      const blocked = await page.evaluate(
        () =>
          new Promise((resolve) => {
            try {
              const request = indexedDB.open('probe')
              request.onsuccess = () => resolve(false)
              request.onerror = () => resolve(true)
            } catch {
              resolve(true)
            }
          }),
      )
      expect(blocked, 'this browser was told to block site data').toBe(true)
      const result = await page.evaluate(async () => {
        const { createAlcove } = await import('/dist/index.js')
        const { scriptedModel } = await import('/dist/testing.js')
        const model = scriptedModel(['Only once.'])
        const alcove = createAlcove({ model, maxDownloadBytes: 0 })
        const corpus = await alcove.corpus('memory')
        await corpus.add({ title: 'note', text: 'The anchor weighs two tonnes.' })
        const hits = await corpus.search('anchor')
        const agent = alcove.agent({ sampling: { temperature: 0 } })
        const first = await agent.generate('once?')
        const second = await agent.generate('once?')
        const usage = await alcove.storage.usage()
        const { warnings } = await alcove.health()
        await alcove.close()
        return { hits: hits.length, first: first.text, second: second.text, cache: second.usage.cache, usage, warnings }
      })
      expect(result).toMatchObject({
        hits: 1,
        first: 'Only once.',
        second: 'Only once.',
        cache: 'hit',
        usage: { persistent: false },
      })
      expect(result.warnings.map((warning) => warning.code)).toContain('store-blocked')
    } finally {
      await context.close()
      rmSync(profile, { recursive: true, force: true })
    }
  })

  test('a full disk: the add says so, what was stored stays', async ({ blank }) => {
    const session = await blank.context().newCDPSession(blank)
    const { origin } = new URL(origins().home)
    // Before the first write: Chromium keeps the quota that it has seen.
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 400_000 })
    await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model: 'extractive', maxDownloadBytes: 0, storage: { name: 'full' } })
      const corpus = await alcove.corpus('full')
      await corpus.add({ title: 'before', text: 'The first document was here before.' })
      Object.assign(window, { alcove, corpus })
    })
    const result = await blank.evaluate(async () => {
      const { alcove, corpus } = window as unknown as { alcove: Alcove; corpus: Corpus }
      const added = await corpus.add({ title: 'after', text: 'A later document that finds no room. '.repeat(20_000) })
      const before = await corpus.search('first document')
      await alcove.close()
      return { added, before: before.map((hit) => hit.source.title) }
    })
    await session.send('Storage.overrideQuotaForOrigin', { origin })
    expect(result.added.failed).toMatchObject([{ title: 'after', code: 'quota-exceeded' }])
    expect(result.before).toContain('before')
    await blank.reload()
    const titles = await blank.evaluate(async () => {
      const { createAlcove } = await import('/dist/index.js')
      const alcove = createAlcove({ model: 'extractive', maxDownloadBytes: 0, storage: { name: 'full' } })
      const list = await (await alcove.corpus('full')).list()
      await alcove.close()
      return list.map((row) => row.title)
    })
    expect(titles).toEqual(['before'])
  })
})
