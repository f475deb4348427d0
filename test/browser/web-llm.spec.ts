import { expect, origins, test } from './setup.js'
import { mlcModel } from './web-llm-files.js'

test.describe('WebLLM', () => {
  test('says what is there, and why not, without loading', async ({ blank }) => {
    const requests: string[] = []
    blank.on('request', (request) => requests.push(request.url()))
    const found = await blank.evaluate(async () => (await import('/pages/web-llm.js')).lookups())
    const unavailable = (code: string, rest = {}) => ({ state: 'unavailable', error: { code, ...rest } })
    expect(found).toMatchObject({
      unknown: unavailable('model-not-found', { hint: expect.stringContaining('Qwen2.5-0.5B-Instruct-q4f16_1-MLC') }),
      hubOnly: unavailable('model-not-found'),
      notServed: unavailable('model-not-found', { message: expect.stringContaining('/no-such-models/') }),
      needsF16: unavailable('webgpu-unavailable', { details: { missing: ['shader-f16'] } }),
      plain: { state: 'downloadable', device: 'webgpu', bytes: expect.any(Number) },
      offline: unavailable('network', { retryable: true }),
      unreachable: unavailable('network', { retryable: true }),
      elsewhere: unavailable('download-refused'),
    })
    const away = requests.filter((url) => !url.startsWith(origins().home) && !url.startsWith('http://localhost:1/'))
    expect(away).toEqual([])
  })

  test('broken models fail with a code, WebLLM’s own errors too', async ({ blank }) => {
    const errors = await blank.evaluate(async () => (await import('/pages/web-llm.js')).loadErrors())
    const failed = (code: string, part = '') => expect.stringMatching(new RegExp(`^${code}: .*${part}`))
    expect(errors).toEqual({
      cutConfig: failed('model-load-failed', 'mlc-chat-config.json'),
      htmlConfig: failed('model-not-found'),
      cutList: failed('model-load-failed', 'tensor-cache.json'),
      strayList: failed('model-load-failed', 'tensor-cache.json'),
      noLibrary: failed('model-not-found', 'lib.wasm'),
      htmlLibrary: failed('model-not-found', 'lib.wasm'),
      brokenLibrary: failed('model-load-failed', 'lib.wasm'),
      foreignLibrary: failed('model-load-failed', 'could not be loaded'),
      noShard: failed('model-not-found', 'params_shard_0.bin'),
      failingShard: failed('http-status', 'params_shard_0.bin'),
      shortShard: failed('integrity-failed', 'params_shard_0.bin'),
    })
  })

  test('a model of its list comes from the hub, is kept once and then not asked for', async ({ blank }) => {
    const found = await blank.evaluate(async () => (await import('/pages/web-llm.js')).loadFromHub())
    const hub = 'https://hub.invalid/mlc-ai/Qwen2.5-0.5B-Instruct-q4f32_1-MLC/resolve/main/'
    const library =
      /^https:\/\/raw\.githubusercontent\.com\/mlc-ai\/.*\/Qwen2-0\.5B-Instruct-q4f32_1_cs1k-webgpu\.wasm$/
    const own = found.askedFirst.filter((url) => url.startsWith(origins().home))
    expect(
      own.map((url) => url.split('/').at(-1)),
      'one file tells whether the page has it',
    ).toEqual(['mlc-chat-config.json'])
    const fromHub = found.askedFirst.filter((url) => url.startsWith(hub)).map((url) => url.slice(hub.length))
    // What the list of weights does not tell the length of is asked for that first.
    expect(fromHub.toSorted()).toEqual([
      'mlc-chat-config.json',
      'params_shard_0.bin',
      'tensor-cache.json',
      'tokenizer.json',
      'tokenizer.json',
    ])
    const others = found.askedFirst.filter((url) => !own.includes(url) && !url.startsWith(hub))
    expect(others).toEqual([expect.stringMatching(library), expect.stringMatching(library)])
    expect(found.first).toContain('could not be loaded')
    expect(found.again).toBe(found.first)
    expect(found.askedAgain).toEqual([])
    expect(found.inspected).toMatchObject([{ state: 'downloadable' }, { state: 'available', bytes: 0 }])
    expect(found.kept).toEqual(['test-models'])
    expect(found.isRestored).toBe(true)
    expect(found.left).toBe(0)
  })

  test('pictures are made as large as a model looks at, and served under a policy that has no data: addresses', async ({
    blank,
  }) => {
    const found = await blank.evaluate(async () => (await import('/pages/web-llm.js')).readImages())
    const [large, png, jpeg, webp, fromUrl] = found.seen
    expect(large).toEqual(['1344 × 672', '255,0,0', '0,0,255'])
    expect(fromUrl).toEqual(large)
    expect(found.isSame).toBe(true)
    expect(png).toEqual(['300 × 200', '255,0,0', '0,0,255'])
    for (const lossy of [jpeg, webp]) expect(lossy?.[0]).toBe('300 × 200')
    expect(found.afterwards).toContain('Failed to fetch')
    expect(found.broken).toContain('decode')
  })

  test('an abort settles a load that would never end', async ({ blank }) => {
    const { code } = await blank.evaluate(async () => (await import('/pages/web-llm.js')).abortLoad())
    expect(code).toBe('aborted')
  })

  test('a real self-hosted model', async ({ blank }) => {
    test.skip(!mlcModel, 'needs ALCOVE_MLC_DIR: a folder with <id>/resolve/main/ of an f32 build and its lib.wasm')
    test.slow()
    const result = await blank.evaluate(
      async ([base, id]) => (await import('/pages/web-llm.js')).runRealModel(new URL(base, location.href).href, id),
      ['/models/', mlcModel as string] as const,
    )
    expect(result.before.state).toBe('downloadable')
    expect(result.after.state).toBe('available')
    expect(result.statuses.length).toBeGreaterThan(0)
    expect(result.first).toMatchObject({ last: 'model-finish', error: null })
    expect(result.first.usage).toMatchObject({ promptTokens: result.counted })
    expect(result.secondTurn.usage).toMatchObject({ promptTokens: result.countedSecond })
    // The first answer was cut at its length: WebLLM keeps its state only after one that ended by itself.
    expect(result.secondTurn.usage?.cachedTokens).toBe(0)
    expect(result.aborted).toMatchObject({ error: 'aborted' })
    expect(result.afterAbort.text).toBe(result.first.text)
    expect(result.grammar.text).toMatch(/^(yes|no)$/)
    expect(result.dollars).toBeGreaterThan(0)
    expect(result.overflow.error).toBe('context-overflow')
    expect(result.afterOverflow.text).toBe(result.first.text)
    expect(result.again.text).toBe(result.first.text)
  })
})
