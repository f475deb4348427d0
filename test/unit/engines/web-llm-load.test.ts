import type { ModelRecord } from '@mlc-ai/web-llm'
import { describe, expect, test, vi } from 'vitest'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { isGpuEcho, translateWebLlmError } from '../../../src/engines/web-llm/errors.js'
import { nearestNames, resolveModel, weightBytes } from '../../../src/engines/web-llm/models.js'
import { progressStatus } from '../../../src/engines/web-llm/progress.js'
import type { AlcoveError } from '../../../src/protocol/error.js'

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
    ['load', new TypeError("Failed to execute 'add' on 'Cache': Request failed"), 'model-not-found'],
    ['load', new TypeError("Failed to execute 'add' on 'Cache': Failed to fetch"), 'network'],
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
    'Fetching param cache[3/8]: 120MB fetched. 40% completed, 6 secs elapsed. It can',
    0.4,
    6,
    { loadedBytes: 125_829_120, totalBytes: 314_572_800, bytesPerSecond: 20_971_520, secondsLeft: 9 },
  ],
  [
    'Loading model from cache[8/8]: 300MB loaded. 100% completed, 2 secs elapsed.',
    1,
    2,
    { loadedBytes: 314_572_800, totalBytes: 314_572_800 },
  ],
  ['Start to fetch params', 0, 0, { message: 'Loading the model' }],
  [
    'Loading GPU shader modules[3/90]: 3% completed, 1 secs elapsed.',
    0.03,
    1,
    { message: 'Preparing the graphics card: 3 of 90 programs' },
  ],
])('progress: %s', (text, progress, timeElapsed, expected) => {
  expect(progressStatus('webllm:m', { text, progress, timeElapsed })).toMatchObject({
    type: 'status',
    status: 'loading',
    ...expected,
  })
})

const record = (model_id: string, rest: Partial<ModelRecord> = {}): ModelRecord => ({
  model: `https://hub.test/mlc-ai/${model_id}`,
  model_id,
  model_lib: `https://libs.test/${model_id}.wasm`,
  overrides: { context_window_size: 4096 },
  ...rest,
})
const LIST = ['Llama-3.2-1B-Instruct-q4f32_1-MLC', 'Qwen2.5-0.5B-Instruct-q4f16_1-MLC', 'gemma-2b-it-q4f16_1-MLC'].map(
  (id) => record(id),
)
const site = (files: Record<string, string>) =>
  vi.fn(async (input: RequestInfo | URL) => {
    const text = files[String(input)]
    return new Response(text ?? 'no', { status: text === undefined ? 404 : 200 })
  }) as unknown as typeof fetch

describe('where a model is', () => {
  const prebuilt = async () => LIST
  const config = 'https://page.test/models/mine/resolve/main/mlc-chat-config.json'

  test('self-hosted first, then the list of WebLLM', async () => {
    const found = await resolveModel(spec('webllm:mine', { baseUrl: 'https://page.test/models/' }), {
      fetch: site({ [config]: '{"context_window_size":512}' }),
      prebuilt: () => Promise.reject(new Error('not needed')),
    })
    expect(found).toEqual({
      record: {
        model: 'https://page.test/models/mine/resolve/main/',
        model_id: 'mine',
        model_lib: 'https://page.test/models/mine/resolve/main/lib.wasm',
      },
      selfHosted: true,
      contextTokens: 512,
    })
    const listed = spec(`webllm:${LIST[0]?.model_id}`, { allowRemote: true, baseUrl: 'https://page.test/models/' })
    expect((await resolveModel(listed, { fetch: site({}), prebuilt })).record).toBe(LIST[0])
    const offline = (async () => Promise.reject(new TypeError('Failed to fetch'))) as typeof fetch
    expect((await resolveModel(listed, { fetch: offline, prebuilt })).record).toBe(LIST[0])
    expect(await codeOf(resolveModel({ ...listed, allowRemote: false }, { fetch: offline, prebuilt }))).toBe('network')
  })

  test('refusals', async () => {
    const at = { baseUrl: 'https://page.test/models/' }
    const html = site({ [config]: '<!doctype html>' })
    expect(await codeOf(resolveModel(spec('webllm:mine', at), { fetch: html, prebuilt }))).toBe('model-not-found')
    const cut = site({ [config]: '{"context_' })
    expect(await codeOf(resolveModel(spec('webllm:mine', at), { fetch: cut, prebuilt }))).toBe('model-load-failed')
    expect(await codeOf(resolveModel(spec(`webllm:${LIST[0]?.model_id}`), { fetch: site({}), prebuilt }))).toBe(
      'model-not-found',
    )
    const wrong = resolveModel(spec('webllm:llama-3.2-1b-instruct-q4f16_1-mlc'), { fetch: site({}), prebuilt })
    await expect(wrong).rejects.toMatchObject({
      code: 'model-not-found',
      details: { nearest: expect.arrayContaining(['Llama-3.2-1B-Instruct-q4f32_1-MLC']) },
    })
    expect(nearestNames('gema-2b', ['qwen', 'gemma-2b', 'llama'], 1)).toEqual(['gemma-2b'])
  })

  test('the size of the weights from their list', async () => {
    const list = 'https://hub.test/mlc-ai/x/resolve/main/tensor-cache.json'
    const files = site({ [list]: '{"records":[{"nbytes":5},{"nbytes":6}]}' })
    expect(await weightBytes(record('x'), { fetch: files })).toBe(11)
    expect(await weightBytes(record('y'), { fetch: files })).toBeUndefined()
  })
})
