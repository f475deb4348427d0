import type { ModelRecord } from '@mlc-ai/web-llm'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { isGpuEcho, translateWebLlmError } from '../../../src/engines/web-llm/errors.js'
import { createFileFeed, inspectFiles, readModelFiles } from '../../../src/engines/web-llm/files.js'
import { nearestNames, resolveModel } from '../../../src/engines/web-llm/models.js'
import { removeOldCaches } from '../../../src/engines/web-llm/old-caches.js'
import { startMessage } from '../../../src/engines/web-llm/progress.js'
import { serveFiles } from '../../../src/engines/web-llm/serve-files.js'
import { weightFolder } from '../../../src/engines/weights/kept-weights.js'
import type { LoadMeter } from '../../../src/engines/weights/load-meter.js'
import { createWeightLoader } from '../../../src/engines/weights/weights.js'
import type { AlcoveError } from '../../../src/protocol/error.js'
import { fakeCaches } from './fake-caches.js'
import { EMPTY_LIBRARY, MODEL_FILES, webLlmSite } from './web-llm-site.js'

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error) => (error as AlcoveError).code,
  )
const spec = (id: string, rest: Partial<ModelSpec> = {}): ModelSpec => ({
  id,
  allowRemote: false,
  hubUrl: 'https://hub.test/',
  cacheName: 'models',
  ...rest,
})

describe('errors', () => {
  const named = (name: string, message: string) => Object.assign(new Error(message), { name })
  test.each([
    ['load', new Error('Cannot fetch https://alcove.invalid/a'), 'model-not-found'],
    ['load', new TypeError('Failed to fetch'), 'network'],
    ['load', new TypeError('Failed to fetch'), 'network'],
    ['load', named('CompileError', 'WebAssembly.instantiate(): expected magic word'), 'model-load-failed'],
    ['load', named('LinkError', 'import object field is not a Function'), 'model-load-failed'],
    ['load', new SyntaxError('Unexpected end of JSON input'), 'model-load-failed'],
    ['load', named('QuotaExceededError', 'Quota exceeded.'), 'quota-exceeded'],
    ['load', named('IntegrityError', 'Integrity verification failed'), 'integrity-failed'],
    ['load', named('ShaderF16SupportError', 'x'), 'webgpu-unavailable'],
    ['load', new Error('Unable to find a compatible GPU. This issue'), 'webgpu-unavailable'],
    ['load', named('DeviceLostError', 'The WebGPU device was lost while loading'), 'device-lost'],
    ['load', new Error('Tokenizer instance already deleted'), 'device-lost'],
    ['run', named('AbortError', "Failed to execute 'mapAsync' on 'GPUBuffer'"), 'device-lost'],
    ['run', named('ModelNotLoadedError', 'Model not loaded before'), 'device-lost'],
    ['run', named('MessageOrderError', 'Last message should be from'), 'invalid-argument'],
    ['run', named('GrammarMatcherInitError', 'Failed to initialize'), 'invalid-argument'],
    ['run', named('RangeError', 'Make sure 0 < top_p <= 1.'), 'invalid-argument'],
    ['run', named('RuntimeError', 'unreachable'), 'worker-crashed'],
  ] as const)('%s: %s → %s', (phase, error, code) => {
    const translated = translateWebLlmError(error, 'webllm:m', phase)
    expect(translated.code).toBe(code)
    expect(translated.cause).toBe(error)
  })

  test('over the context, with both numbers', () => {
    const error = named(
      'ContextWindowSizeExceededError',
      'Prompt tokens exceed context window size: number of prompt tokens: 5000; context window size: 4096\nConsider',
    )
    expect(translateWebLlmError(error, 'webllm:m', 'run')).toMatchObject({
      code: 'context-overflow',
      details: { promptTokens: 5000, contextTokens: 4096 },
    })
  })

  test('only echoes of a lost GPU are contained', () => {
    expect(isGpuEcho(named('AbortError', "Failed to execute 'mapAsync' on 'GPUBuffer'"))).toBe(true)
    expect(isGpuEcho(named('AbortError', 'signal is aborted without reason'))).toBe(false)
    expect(isGpuEcho(new TypeError('x is not a function'))).toBe(false)
  })
})

test.each([
  [
    'Loading model from cache[3/8]: 120MB loaded. 40% completed, 6 secs elapsed.',
    'Loading the model onto the graphics card: 40 %',
  ],
  [
    'Fetching param cache[3/8]: 120MB fetched. 40% completed, 6 secs elapsed. It can take a while',
    'Loading the model onto the graphics card: 40 %',
  ],
  ['Start to fetch params', 'Starting the model'],
  ['Loading GPU shader modules[3/90]: 3% completed, 1 secs elapsed.', 'Preparing the graphics card: 3 of 90 programs'],
  ['Finish loading on WebGPU - x', 'The model is ready'],
])('progress: %s', (text, message) => {
  expect(startMessage({ text })).toBe(message)
})

const record = (model_id: string): ModelRecord => ({
  model: `https://hub.test/mlc-ai/${model_id}`,
  model_id,
  model_lib: `https://libs.test/v1/${model_id}-webgpu.wasm`,
  overrides: { context_window_size: 4096 },
})
const LIST = ['Llama-3.2-1B-Instruct-q4f32_1-MLC', 'Qwen2.5-0.5B-Instruct-q4f16_1-MLC', 'gemma-2b-it-q4f16_1-MLC'].map(
  record,
)
const LISTED = `webllm:${LIST[0]?.model_id}`
const BASE = 'https://page.test/models/'

/** @param isThere whether there is something at an address */
function setUp(files: Parameters<typeof webLlmSite>[0] = {}, isThere?: (url: string) => boolean) {
  const { fetch, asked } = webLlmSite(files, isThere)
  const { caches, entries } = fakeCaches()
  const loaderOf = (own: ModelSpec) =>
    createWeightLoader(own, { fetch, caches, locks: null, origin: 'https://page.test' })
  const kept = () => entries('models').filter((key) => !key.includes('?'))
  return { asked, loaderOf, kept, caches, context: { loaderOf, prebuilt: async () => LIST } }
}

describe('where a model is', () => {
  const atHome = (url: string) => url.startsWith(BASE)

  test('self-hosted first', async () => {
    const { context } = setUp({}, atHome)
    const found = await resolveModel(spec('webllm:mine', { baseUrl: BASE }), context)
    expect(found.record).toMatchObject({ model_id: 'mine' })
    expect(found.record).not.toHaveProperty('overrides')
    expect(found).toMatchObject({ library: 'lib.wasm', spec: { selfHostedOnly: true } })
    const listed = await resolveModel(spec(LISTED, { baseUrl: BASE, allowRemote: true }), context)
    expect(listed.record.overrides, 'what its authors say of it').toEqual({ context_window_size: 4096 })
    expect(listed.spec.selfHostedOnly).toBe(true)
  })

  test('then the list of WebLLM, where one answer tells that the page has not the model', async () => {
    const { context, asked } = setUp({}, (url) => !atHome(url))
    const found = await resolveModel(spec(LISTED, { baseUrl: BASE, allowRemote: true }), context)
    expect(asked).toEqual([`${BASE}${LIST[0]?.model_id}/resolve/main/mlc-chat-config.json`])
    expect(found.record).toBe(LIST[0])
    expect(found.spec).toMatchObject({ files: { [found.library]: { url: LIST[0]?.model_lib } } })
    expect(found.spec).not.toHaveProperty('baseUrl')
  })

  test('the hub also where the page itself cannot be asked, unless that is all that may be', async () => {
    const { context } = setUp({
      'mlc-chat-config.json': () => {
        throw new TypeError('Failed to fetch')
      },
    })
    const listed = spec(LISTED, { baseUrl: BASE, allowRemote: true })
    expect((await resolveModel(listed, context)).record).toBe(LIST[0])
    expect(await codeOf(resolveModel({ ...listed, allowRemote: false }, context))).toBe('network')
  })

  test('what is kept of the hub serves also when it may not be asked any more', async () => {
    const { context } = setUp()
    const { spec: own } = await resolveModel(spec(LISTED, { allowRemote: true }), context)
    await context.loaderOf(own).open('mlc-chat-config.json')
    expect((await resolveModel(spec(LISTED), context)).record).toBe(LIST[0])
  })

  test('refusals', async () => {
    const { context } = setUp({}, () => false)
    expect(await codeOf(resolveModel(spec('webllm:mine', { baseUrl: BASE }), context))).toBe('model-not-found')
    expect(await codeOf(resolveModel(spec(LISTED), context))).toBe('model-not-found')
    expect(await codeOf(resolveModel(spec('webllm:../mine', { baseUrl: BASE }), context))).toBe('invalid-argument')
    const wrong = resolveModel(spec('webllm:llama-3.2-1b-instruct-q4f16_1-mlc'), context)
    await expect(wrong).rejects.toMatchObject({
      code: 'model-not-found',
      details: { nearest: expect.arrayContaining(['Llama-3.2-1B-Instruct-q4f32_1-MLC']) },
    })
    expect(nearestNames('gema-2b', ['qwen', 'gemma-2b', 'llama'], 1)).toEqual(['gemma-2b'])
  })
})

test('all of WebLLM’s models lie where the weight loader looks for them', async () => {
  const { prebuiltAppConfig } = await import('@mlc-ai/web-llm')
  const hub = { allowRemote: true, hubUrl: 'https://huggingface.co/' }
  const strays = prebuiltAppConfig.model_list.filter(
    ({ model, model_id }) =>
      weightFolder(spec(`webllm:${model_id}`, hub)) !== `${model.replace(/\/$/, '')}/resolve/main/`,
  )
  expect(prebuiltAppConfig.model_list.length).toBeGreaterThan(100)
  expect(strays.map(({ model }) => model)).toEqual([])
})

describe('the files of a model', () => {
  const resolve = (context: ReturnType<typeof setUp>['context'], rest: Partial<ModelSpec> = {}) =>
    resolveModel(spec(LISTED, { allowRemote: true, ...rest }), context)

  test('are those that its list names, with their lengths and hashes, under one folder', async () => {
    const { context, loaderOf, kept, asked } = setUp()
    const resolved = await resolve(context, { mirrors: ['https://mirror.test/'] })
    const files = await readModelFiles(resolved, loaderOf)
    expect(files.shards.map(({ name, bytes }) => [name, bytes])).toEqual([
      ['params_shard_0.bin', 5],
      ['params_shard_1.bin', 3],
    ])
    expect(files.small).toEqual(['mlc-chat-config.json', 'tensor-cache.json', resolved.library, 'tokenizer.json'])
    await files.loader.open(resolved.library)
    expect(asked.at(-1)).toBe(`https://mirror.test/mlc-ai/${LIST[0]?.model_id}/resolve/main/${resolved.library}`)
    const folder = `https://hub.test/mlc-ai/${LIST[0]?.model_id}/resolve/main/`
    expect(kept().every((key) => key.startsWith(folder))).toBe(true)
    expect(kept()).toHaveLength(3)
  })

  test('a library of another version is another file', async () => {
    const { context, loaderOf, asked } = setUp()
    const resolved = await resolve(context)
    const open = async (url: string) => {
      const own = { ...resolved.spec, files: { [resolved.library]: { url } } }
      await loaderOf(own).open(resolved.library)
      return (await loaderOf(own).head(resolved.library, { keptOnly: true }))?.stored
    }
    expect(await open('https://libs.test/v1/a.wasm')).toBe(true)
    await open('https://libs.test/v1/a.wasm')
    expect(await open('https://libs.test/v2/a.wasm')).toBe(true)
    expect(asked).toEqual(['https://libs.test/v1/a.wasm', 'https://libs.test/v2/a.wasm'])
  })

  test.each([
    ['of another length', 'hell', /expected the length 5 .*got 4/],
    ['of another hash', 'hallo', /expected the MD5 5d41402abc4b2a76b9719d911017c592 .*got [0-9a-f]{32}/],
  ])('weights %s are refused and not kept', async (_, bytes, message) => {
    const { context, loaderOf, kept } = setUp({ 'params_shard_0.bin': bytes })
    const { loader } = await readModelFiles(await resolve(context), loaderOf)
    await expect(loader.open('params_shard_0.bin')).rejects.toMatchObject({
      code: 'integrity-failed',
      message: expect.stringMatching(message),
    })
    expect(kept()).not.toContainEqual(expect.stringContaining('params_shard_0'))
  })

  test.each([
    ['cut', '{"records":['],
    ['no object', '7'],
    ['no list', '{"records":{}}'],
    ['a name that leads elsewhere', '{"records":[{"dataPath":"../../other/x.bin","nbytes":1}]}'],
    ['an address', '{"records":[{"dataPath":"https://x.test/y","nbytes":1}]}'],
    ['no length', '{"records":[{"dataPath":"x.bin","nbytes":"1"}]}'],
    ['nothing', '{"records":[null]}'],
  ])('a list of weights with %s is refused', async (_, list) => {
    const { context, loaderOf } = setUp({ 'tensor-cache.json': list })
    const files = resolve(context).then((resolved) => readModelFiles(resolved, loaderOf))
    await expect(files).rejects.toMatchObject({ code: 'model-load-failed' })
  })

  test('a kept file that is no JSON any more is fetched anew', async () => {
    const { context, loaderOf, caches, asked } = setUp()
    const resolved = await resolve(context)
    await readModelFiles(resolved, loaderOf)
    const cache = await caches.open('models')
    for (const { url } of await cache.keys()) {
      if (!url.includes('tensor-cache.json?')) continue
      const { byteLength } = await ((await cache.match(url)) as Response).arrayBuffer()
      await cache.put(url, new Response('x'.repeat(byteLength), { headers: { 'content-length': String(byteLength) } }))
    }
    asked.length = 0
    expect((await readModelFiles(resolved, loaderOf)).shards).toHaveLength(2)
    expect(asked).toEqual([`https://hub.test/mlc-ai/${LIST[0]?.model_id}/resolve/main/tensor-cache.json`])
  })

  test('what a load would fetch: less what is kept', async () => {
    const { context, loaderOf } = setUp()
    const files = await readModelFiles(await resolve(context), loaderOf)
    const small = EMPTY_LIBRARY.byteLength + (MODEL_FILES['tokenizer.json'] as string).length
    expect(await inspectFiles(files)).toEqual({ isWhole: false, missingBytes: small + 8 })
    await files.loader.open('params_shard_0.bin')
    expect(await inspectFiles(files)).toEqual({ isWhole: false, missingBytes: small + 3 })
    for (const name of [...files.small, 'params_shard_1.bin']) await files.loader.open(name)
    expect(await inspectFiles(files)).toEqual({ isWhole: true, missingBytes: 0 })
  })

  test('a library that is not served is named in the refusal', async () => {
    const { context, loaderOf } = setUp({ wasm: 404 })
    const files = await readModelFiles(await resolve(context), loaderOf)
    await expect(inspectFiles(files)).rejects.toMatchObject({
      code: 'model-not-found',
      hint: expect.stringContaining('lib.wasm'),
    })
  })
})

describe('the feed of files', () => {
  const meter = { update: vi.fn(), say: vi.fn(), part: vi.fn() } as unknown as LoadMeter
  const { signal } = new AbortController()
  const library = `${LIST[0]?.model_id}-webgpu.wasm`

  test('where nothing can be kept, weights come one after the other, and not before WebLLM asks', async () => {
    const { fetch, asked } = webLlmSite()
    const loaderOf = (own: ModelSpec) => createWeightLoader(own, { fetch, caches: null, directory: null, locks: null })
    const resolved = await resolveModel(spec(LISTED, { allowRemote: true }), { loaderOf, prebuilt: async () => LIST })
    const feed = createFileFeed(await readModelFiles(resolved, loaderOf), { library, meter, signal })
    asked.length = 0
    await feed.fetchAll()
    expect(asked.filter((url) => url.endsWith('.bin'))).toEqual([])
    // As WebLLM does: it asks whether there is a file, and then for the file.
    for (const name of feed.names.filter((each) => each.endsWith('.bin'))) {
      await feed.open(name)
      expect((await (await feed.open(name)).text()).length).toBeGreaterThan(2)
    }
    expect(asked.filter((url) => url.endsWith('.bin'))).toHaveLength(2)
  })

  test('one file that fails ends the transfer of the others', async () => {
    const ended: boolean[] = []
    const { context, loaderOf } = setUp({
      'params_shard_0.bin': 500,
      'params_shard_1.bin': () =>
        new Response(new ReadableStream({ cancel: () => void ended.push(true) }), {
          headers: { 'content-length': '3' },
        }),
    })
    const resolved = await resolveModel(spec(LISTED, { allowRemote: true }), context)
    const feed = createFileFeed(await readModelFiles(resolved, loaderOf), { library, meter, signal })
    await expect(feed.fetchAll()).rejects.toMatchObject({ code: 'http-status' })
    await vi.waitFor(() => expect(ended).toEqual([true]))
  })
})

describe('the view that WebLLM has of the caches', () => {
  afterEach(() => vi.unstubAllGlobals())
  const files = { names: ['a.json', 'b.bin'], open: async (name: string) => new Response(`the ${name}`) }

  test('answers for what is served, and is gone afterwards', async () => {
    const before = globalThis.caches
    const first = serveFiles(files)
    const second = serveFiles({ names: ['c'], open: async () => new Response('other') })
    const cache = await caches.open('webllm/model')
    expect(await (await cache.match(`${first.folder}a.json`))?.text()).toBe('the a.json')
    expect(await (await cache.match(new Request(`${second.folder}c`)))?.text()).toBe('other')
    expect((await cache.keys()).map(({ url }) => url)).toEqual([
      `${first.folder}a.json`,
      `${first.folder}b.bin`,
      `${second.folder}c`,
    ])
    await cache.add(`${first.folder}a.json`)
    expect(await cache.delete(`${first.folder}a.json`)).toBe(false)
    first.end()
    expect(await (await (await caches.open('webllm/model')).match(`${second.folder}c`))?.text()).toBe('other')
    second.end()
    expect(globalThis.caches).toBe(before)
    expect(new URL(first.folder).hostname).toMatch(/\.invalid$/)
  })

  test('leaves everything else to the caches that are there', async () => {
    const { caches: real } = fakeCaches()
    vi.stubGlobal('caches', real)
    const { folder, end } = serveFiles(files)
    await (await caches.open('other')).put('https://x.test/', new Response('mine'))
    const cache = await caches.open('webllm/model')
    await cache.put('https://x.test/b', new Response('WebLLM of the page itself'))
    await cache.put(`${folder}a.json`, new Response('not kept twice'))
    end()
    expect(globalThis.caches).toBe(real)
    expect(await (await (await real.open('other')).match('https://x.test/'))?.text()).toBe('mine')
    expect((await (await real.open('webllm/model')).keys()).map(({ url }) => url)).toEqual(['https://x.test/b'])
  })
})

test('old caches of WebLLM go with the last model in them', async () => {
  const stored = new Map([
    ['webllm/model', new Set(['https://h.test/mlc-ai/one/resolve/main/a', 'https://h.test/mlc-ai/two/resolve/main/a'])],
    ['webllm/wasm', new Set(['https://l.test/one.wasm'])],
  ])
  const caches = {
    has: async (name: string) => stored.has(name),
    open: async (name: string) => ({
      keys: async () => [...(stored.get(name) ?? [])].map((url) => ({ url })),
      delete: async ({ url }: { url: string }) => stored.get(name)?.delete(url),
    }),
    delete: async (name: string) => stored.delete(name),
  } as unknown as CacheStorage
  await removeOldCaches(spec('webllm:one'), caches)
  expect([...(stored.get('webllm/model') ?? [])]).toEqual(['https://h.test/mlc-ai/two/resolve/main/a'])
  await removeOldCaches(spec('webllm:two'), caches)
  expect([...stored.keys()]).toEqual([])
})
