import { describe, expect, test } from 'vitest'
import { probeDevice } from '../../../src/engines/choice/device.js'
import { createDeviceNotes } from '../../../src/engines/choice/device-memory.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import { createMemoryStore } from '../../../src/store/store.js'

const adapter = (extra: object = {}) => ({
  features: new Set(['shader-f16']),
  limits: { maxBufferSize: 4e9, maxStorageBufferBindingSize: 2e9 },
  info: { vendor: 'apple', architecture: 'metal-3', device: '', description: '' },
  ...extra,
})
const gpu = (found: unknown) => ({ requestAdapter: async () => found }) as unknown as GPU

describe('the probe', () => {
  test('asks for everything that a choice needs', async () => {
    const facts = {
      gpu: gpu(adapter()),
      deviceMemory: 8,
      hardwareConcurrency: 10,
      connection: { saveData: true },
      language: 'de-AT',
      userAgent: 'Browser/150',
      storage: { estimate: async () => ({ usage: 10, quota: 110 }) },
    }
    const page = {
      documentLanguage: 'zh-CN',
      crossOriginIsolated: true,
      languageModel: { availability: async () => 'downloadable' },
    }
    expect(await probeDevice(facts, page)).toEqual({
      webgpu: 'hardware',
      shaderF16: true,
      maxBufferBytes: 4e9,
      maxBindingBytes: 2e9,
      memoryBytes: 2 ** 33,
      cores: 10,
      crossOriginIsolated: true,
      saveData: true,
      storageBytes: 100,
      mobile: false,
      language: 'zh',
      promptApi: 'downloadable',
      fingerprint: 'apple|metal-3|||Browser/150',
    })
  })

  test('never throws, whatever the browser does', async () => {
    const refuse = async () => Promise.reject(new Error('no'))
    const facts = {
      gpu: { requestAdapter: refuse } as unknown as GPU,
      storage: { estimate: refuse },
      userAgent: 'X (iPhone)',
    }
    const found = await probeDevice(facts, { languageModel: { availability: refuse } })
    expect(found).toMatchObject({
      webgpu: 'none',
      storageBytes: undefined,
      promptApi: 'unavailable',
      mobile: true,
      cores: 1,
    })
    expect(await probeDevice(undefined, {})).toMatchObject({
      webgpu: 'none',
      memoryBytes: undefined,
      language: undefined,
    })
  })

  test('knows an adapter that computes on the processor', async () => {
    const swiftShader = adapter({ info: { architecture: 'swiftshader', description: '' } })
    expect((await probeDevice({ gpu: gpu(swiftShader) }, {})).webgpu).toBe('software')
  })
})

describe('what is remembered', () => {
  const DAY = 86_400_000
  function setUp() {
    let now = 1_000_000
    const store = createMemoryStore()
    const open = (fingerprint: string) =>
      createDeviceNotes(
        async () => store,
        fingerprint,
        () => now,
      )
    return { notes: open('card|150'), open, store, pass: (ms: number) => (now += ms) }
  }
  const error = (code: AlcoveError['code']) => new AlcoveError(code, `it was ${code}`)

  test('a failure that would come again, until it is old, and on this card and browser only', async () => {
    const { notes, open, pass } = setUp()
    await notes.failed('a', error('out-of-memory'), 4096)
    await notes.failed('b', error('network'), 4096)
    await notes.failed('c', error('model-load-failed'), undefined)
    const { failures } = await notes.read()
    expect(failures.a).toMatchObject({ code: 'out-of-memory', contextTokens: 4096 })
    expect(Object.keys(failures)).toEqual(['a', 'c'])
    expect((await open('card|151').read()).failures).toEqual({})
    pass(DAY)
    expect(Object.keys((await notes.read()).failures)).toEqual(['a'])
    pass(6 * DAY)
    expect((await notes.read()).failures).toEqual({})
  })

  test('a worker whose script could not be fetched says nothing of the model', async () => {
    const { notes } = setUp()
    const unfetched = new AlcoveError('worker-crashed', 'its script could not be loaded', {
      details: { hasStarted: false },
    })
    await notes.failed('a', unfetched, 4096)
    await notes.failed('b', new AlcoveError('worker-crashed', 'has died', { details: { hasStarted: true } }), 4096)
    expect(Object.keys((await notes.read()).failures)).toEqual(['b'])
  })

  test('a page that ended while the model was starting: once is chance, twice is a reason', async () => {
    const { notes, open, pass } = setUp()
    await notes.starting('a')
    expect((await open('card|150').read()).failures).toEqual({})
    await notes.starting('a')
    expect((await open('card|150').read()).failures.a).toMatchObject({ code: 'worker-crashed' })
    pass(8 * DAY)
    expect((await notes.read()).failures).toEqual({})
  })

  test('a start that went well clears what was, and so does a person who asks for it by name', async () => {
    const { notes } = setUp()
    await notes.starting('a')
    await notes.worked('a')
    await notes.starting('a')
    expect((await notes.read()).failures).toEqual({})
    await notes.failed('a', error('device-lost'), undefined)
    await notes.forget('a')
    expect((await notes.read()).failures).toEqual({})
  })

  test('the best speed, of what was really read', async () => {
    const { notes } = setUp()
    await notes.measured('a', { promptTokens: 100, completionTokens: 1, prefillMs: 1000 })
    await notes.measured('a', { promptTokens: 100, completionTokens: 1, prefillMs: 5000 })
    await notes.measured('a', { promptTokens: 1000, cachedTokens: 990, completionTokens: 1, prefillMs: 1 })
    await notes.measured('b', { promptTokens: 100, completionTokens: 1 })
    await notes.failed('a', error('device-lost'), undefined)
    expect((await notes.read()).rates).toEqual({ a: 100 })
  })

  test('nothing, and without a complaint, where the store is broken or has something else in it', async () => {
    const broken = createDeviceNotes(
      async () => Promise.reject(new Error('no')),
      'card',
      () => 0,
    )
    await broken.failed('a', error('device-lost'), undefined)
    expect(await broken.read()).toEqual({ rates: {}, failures: {} })
    const { notes, store } = setUp()
    await store.write({
      set: [
        ['model card|150 a', 'garbage'],
        ['model card|150 b', { failure: null, openStarts: 'x' }],
      ],
    })
    expect((await notes.read()).failures).toEqual({})
  })
})
