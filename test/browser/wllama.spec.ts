import { readFileSync } from 'node:fs'
import { splitGguf } from './gguf-split.js'
import { expect, modelPath, models, origins, test } from './setup.js'

test.describe('wllama', () => {
  test.skip(!models.gguf, 'needs a GGUF model in the models folder')

  /** The page makes a cache of its own for each test. */
  const setup = (cacheName: string) => ({
    id: models.gguf as string,
    baseUrl: `${origins().home}models/`,
    wasmUrl: `${origins().home}dist/workers/wllama.wasm`,
    cacheName,
  })

  test('loads, answers, constrains, stops and frees', async ({ blank }) => {
    const result = await blank.evaluate(
      async (options) => (await import('/pages/wllama.js')).answer(options),
      setup('answer'),
    )
    expect(result.estimated).toBeGreaterThanOrEqual(result.counted)
    expect(result.loads.length).toBeGreaterThan(0)
    expect(result.loads.at(-1)).toMatchObject({ status: 'loading' })
    expect(result.loads.at(-1)?.loadedBytes).toBe(result.loads.at(-1)?.totalBytes)
    expect(result.first).toMatchObject({ error: null, reason: 'length' })
    expect(result.first.text.length).toBeGreaterThan(10)
    expect(result.first.usage).toMatchObject({ promptTokens: result.counted, completionTokens: 12 })
    expect(result.again.text).toBe(result.first.text)
    expect(result.again.usage?.cachedTokens).toBeGreaterThan(0)
    expect(result.grammar.text).toMatch(/^(yes|no)$/)
    expect(JSON.parse(result.json.text)).toEqual({ a: expect.stringMatching(/^[xy]$/) })
    expect(result.stopped).toMatchObject({ reason: 'stop', text: result.first.text.split(result.cut)[0] })
    expect(result.sampled[0], 'one seed, one answer').toBe(result.sampled[1])
    expect(result.afterDispose.text).toBe(result.first.text)
    expect(result.afterDispose.statuses).toContain('loading')
  })

  test('a cancel in the queue, in an answer and by leaving: the model is free each time', async ({ blank }) => {
    const result = await blank.evaluate(
      async (options) => (await import('/pages/wllama.js')).cancel(options),
      setup('cancel'),
    )
    expect(result.read, 'no text after the abort').toBe(5)
    expect(result.codes).toMatch(/^aborted: .* then aborted$/)
    expect(result.afterAbort).toMatchObject({ error: null, reason: 'length' })
    expect(result.afterLeave).toMatchObject({ error: null, text: result.afterAbort.text })
  })

  test('what it cannot take is refused with a code, and it lives on', async ({ blank }) => {
    const { errors, after } = await blank.evaluate(
      async (options) => (await import('/pages/wllama.js')).refusals(options),
      setup('refusals'),
    )
    expect(errors).toEqual({
      overflow: expect.stringMatching(/^context-overflow: .*\d+ tokens/),
      noMessages: expect.stringMatching(/^invalid-argument: messages/),
      ebnf: expect.stringMatching(/^invalid-argument: .*GBNF/),
      badGrammar: expect.stringMatching(/^invalid-argument: .*grammar/),
      picture: expect.stringMatching(/^invalid-argument: .*image/),
    })
    expect(after).toMatchObject({ error: null, reason: 'length' })
  })

  test('files that are no model fail with a code', async ({ blank }) => {
    await blank.route('**/models/broken/*.gguf', async (route) => {
      const { pathname } = new URL(route.request().url())
      if (pathname.endsWith('page.gguf')) {
        return route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>not found</title>' })
      }
      return route.fulfill({ contentType: 'application/octet-stream', body: 'GGUF but no model at all'.repeat(100) })
    })
    const results = await blank.evaluate(
      async (options) =>
        (await import('/pages/wllama.js')).badFiles(options, [
          'wllama:broken/garbage.gguf',
          'wllama:broken/page.gguf',
          'wllama:nobody/none.gguf',
          'wllama:stories260K/config.json',
        ]),
      setup('bad'),
    )
    expect(results).toEqual({
      'wllama:broken/garbage.gguf': expect.stringMatching(/^(model-load-failed|integrity-failed): /),
      'wllama:broken/page.gguf': expect.stringMatching(/^(model-not-found|integrity-failed): /),
      'wllama:nobody/none.gguf': expect.stringMatching(/^model-not-found: /),
      'wllama:stories260K/config.json': expect.stringMatching(/^invalid-argument: /),
    })
  })

  test('a file that was no model is fetched anew when its server has the right one', async ({ blank }) => {
    const path = modelPath('stories260K/stories260K.gguf') as string
    test.skip(!path, 'needs stories260K as GGUF in the models folder')
    let isMended = false
    await blank.route('**/models/mended/model.gguf', (route) =>
      isMended
        ? route.fulfill({ contentType: 'application/octet-stream', path })
        : route.fulfill({
            contentType: 'application/octet-stream',
            body: 'version https://git-lfs.github.com/spec/v1\n',
          }),
    )
    const ask = () =>
      blank.evaluate(async () => {
        const { createAlcove } = await import('/dist/index.js')
        const model = 'wllama:mended/model.gguf'
        const alcove = createAlcove({ model, allowRemoteModels: false, storage: { name: 'mended' } })
        const agent = alcove.agent({ sampling: { maxTokens: 3, temperature: 0 } })
        const answer = agent.generate('Once').finally(() => alcove.close())
        return answer.then(
          ({ finish }) => finish.reason,
          (error: { code: string; hint: string }) => `${error.code}: ${error.hint}`,
        )
      })
    expect(await ask()).toMatch(/^model-load-failed: .*pointer/)
    isMended = true
    expect(await ask()).toBe('length')
  })

  test('a missing WebAssembly module is told', async ({ blank }) => {
    const result = await blank.evaluate(
      async (options) => (await import('/pages/wllama.js')).missingWasm(options),
      setup('wasm'),
    )
    expect(result).toMatch(/^model-load-failed: .*wllama\.wasm\.none/)
  })

  test('a context that is longer than the model’s own is cut to it', async ({ blank }) => {
    test.skip(models.gguf !== 'wllama:stories260K/stories260K.gguf', 'needs stories260K as GGUF, of 512 tokens')
    const result = await blank.evaluate(
      async (options) => (await import('/pages/wllama.js')).longContext(options, 100_000),
      setup('context'),
    )
    expect(result).toBe('loaded with 512')
  })

  test('an aborted load settles, and the next one works', async ({ blank }) => {
    const { first, second } = await blank.evaluate(
      async (options) => (await import('/pages/wllama.js')).abortLoad(options),
      setup('abort'),
    )
    expect(first).toBe('aborted')
    expect(second).toMatchObject({ error: null, reason: 'length' })
  })

  test('inspect tells what a load would fetch', async ({ blank }) => {
    const result = await blank.evaluate(
      async (options) => (await import('/pages/wllama.js')).inspect(options),
      setup('inspect'),
    )
    expect(result.before).toMatchObject({ state: 'downloadable', device: 'wasm' })
    expect(result.before.bytes).toBeGreaterThan(1_000_000)
    expect(result.after).toMatchObject({ state: 'available', bytes: 0 })
    expect(result.none).toMatchObject({ state: 'unavailable', error: { code: 'model-not-found' } })
  })

  test('a model in several files answers as the one file does', async ({ blank }) => {
    const path = modelPath('stories260K/stories260K.gguf')
    test.skip(!path, 'needs stories260K as GGUF')
    const shards = splitGguf(readFileSync(path as string), 3)
    await blank.route('**/models/split/*.gguf', (route) => {
      const [, no] = /-(\d{5})-of-00003\.gguf$/.exec(new URL(route.request().url()).pathname) ?? []
      const body = shards[Number(no) - 1]
      if (!body) return route.fulfill({ status: 404 })
      return route.fulfill({ contentType: 'application/octet-stream', body })
    })
    const ask = async (id: string) =>
      blank.evaluate(async (options) => (await import('/pages/wllama.js')).once(options), {
        ...setup(id.replaceAll(/\W/g, '')),
        id,
      })
    const split = await ask('wllama:split/model-00001-of-00003.gguf')
    expect(split).toMatchObject({ error: null, reason: 'length' })
    expect(split.text).toBe((await ask('wllama:stories260K/stories260K.gguf')).text)
    expect(shards.map((shard) => shard.length > 10_000)).toEqual([true, true, true])
    const missing = await ask('wllama:split/model-00001-of-00004.gguf')
    expect(missing.error).toMatch(/^model-not-found: .*00001-of-00004/)
  })

  test('takes more than one thread where the page is isolated, and says the same', async ({ blank }) => {
    const alone = await blank.evaluate(
      async (options) => (await import('/pages/wllama.js')).once(options),
      setup('alone'),
    )
    await blank.route('**/*', async (route) => {
      const response = await route.fetch()
      const headers = {
        ...response.headers(),
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
      }
      await route.fulfill({ response, headers })
    })
    await blank.goto(new URL('/pages/blank.html', origins().home).href)
    expect(await blank.evaluate(() => crossOriginIsolated)).toBe(true)
    const threaded = await blank.evaluate(
      async (options) => (await import('/pages/wllama.js')).once(options, 4),
      setup('threaded'),
    )
    expect(threaded).toMatchObject({ error: null, reason: 'length', text: alone.text })
    expect([alone.threads, threaded.threads]).toEqual([1, 2])
  })

  test('goes on from the beginning of an answer, and takes a bias', async ({ blank }) => {
    const { whole, begun, biased } = await blank.evaluate(
      async (options) => (await import('/pages/wllama.js')).goOn(options),
      setup('goon'),
    )
    expect(begun.text).toBe(whole.text.slice(whole.text.length - begun.text.length))
    expect(begun.text.length).toBeGreaterThan(5)
    expect(new Set(biased.text.trim().split(' ')).size, biased.text).toBe(1)
  })
})
