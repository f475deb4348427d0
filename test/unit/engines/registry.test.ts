import { describe, expect, test, vi } from 'vitest'
import type { DeviceProfile } from '../../../src/engines/choice/device.js'
import { createDeviceNotes } from '../../../src/engines/choice/device-memory.js'
import { createModelRegistry, type ModelRegistryOptions } from '../../../src/engines/choice/model-registry.js'
import { extractiveModel } from '../../../src/engines/extractive/extractive.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import type { ChatModel } from '../../../src/protocol/model.js'
import { createMemoryStore } from '../../../src/store/store.js'
import { scriptedModel } from '../../../src/testing.js'
import { DESKTOP } from './ladder-models.js'

const QWEN_4B = 'webllm:Qwen3-4B-q4f16_1-MLC'
const PHI = 'webllm:Phi-4-mini-instruct-q4f16_1-MLC'
const LLAMA = 'webllm:Llama-3.2-3B-Instruct-q4f16_1-MLC'

interface Fakes {
  readonly device?: Partial<DeviceProfile>
  /** What loading a model with so long a context does. */
  readonly load?: (id: string, contextTokens: number | undefined) => void
  readonly more?: Partial<ModelRegistryOptions>
  readonly store?: ReturnType<typeof createMemoryStore>
}

/** A registry whose models are made up, and a log of what happens to them. */
function setUp(
  model: ModelRegistryOptions['model'],
  { device, load = () => {}, more, store = createMemoryStore() }: Fakes = {},
) {
  const log: string[] = []
  const notes = createDeviceNotes(
    async () => store,
    'card',
    () => 1_000,
  )
  const registry = createModelRegistry({
    model,
    consent: { check: async () => {}, grant: (id) => log.push(`grant ${id}`) },
    device: async () => ({ ...DESKTOP, ...device }),
    async create(id, contextTokens): Promise<ChatModel> {
      if (id === 'extractive') return extractiveModel()
      let isLoaded = false
      const scripted = scriptedModel(['ok', 'ok', 'ok'], { id, contextTokens: contextTokens ?? 4096 })
      const own: ChatModel = {
        ...scripted,
        id,
        contextTokens: contextTokens ?? 4096,
        capabilities: scripted.capabilities,
        get isLoaded() {
          return isLoaded
        },
        async load({ onProgress } = {}) {
          log.push(`load ${id}${contextTokens ? ` with ${contextTokens}` : ''}`)
          onProgress?.({ type: 'status', status: 'loading', message: 'here', loadedBytes: 5, totalBytes: 5 })
          load(id, contextTokens)
          isLoaded = true
        },
        async dispose() {
          isLoaded = false
          log.push(`dispose ${id}`)
        },
      }
      return own
    },
    inspect: async () => ({ state: 'downloadable', bytes: 1_000 }),
    remove: async () => {},
    notes: async () => notes,
    ...more,
  })
  return { registry, log, notes, store }
}

const outOfMemory = () => {
  throw new AlcoveError('out-of-memory', 'the graphics card is full')
}

describe('the walk', () => {
  test('takes half the context of the same model before a smaller model', async () => {
    const { registry, log } = setUp('auto', {
      load: (_id, contextTokens = 4096) => void (contextTokens > 2048 && outOfMemory()),
    })
    const model = await registry.resolve('chat')
    expect(model.id).toBe(QWEN_4B)
    expect(model.contextTokens).toBe(2048)
    expect(log).toEqual([`load ${QWEN_4B}`, `dispose ${QWEN_4B}`, `load ${QWEN_4B} with 2048`])
    expect(registry.report().predictions).toMatchObject([{ model: QWEN_4B, contextTokens: 2048 }])
  })

  test('a model that runs out of memory in an answer gives the next one to a smaller model', async () => {
    let isShort = false
    const failing = async (id: string): Promise<ChatModel> => {
      const turn = () => (isShort && id === QWEN_4B ? { error: new AlcoveError('out-of-memory', 'full') } : 'ok')
      return scriptedModel([turn, turn, turn], { id, contextTokens: 1_024 })
    }
    const { registry, notes } = setUp('auto', { more: { create: failing } })
    const read = async (model: ChatModel) => {
      for await (const part of model.stream({ messages: [{ role: 'user', content: 'x' }] })) void part
    }
    const first = await registry.resolve('chat')
    await read(first)
    expect((await registry.resolve('chat')).id).toBe(QWEN_4B)
    isShort = true
    await expect(read(first)).rejects.toMatchObject({ code: 'out-of-memory' })
    expect((await notes.read()).failures).toHaveProperty([QWEN_4B])
    const second = await registry.resolve('chat')
    expect(second.id).not.toBe(QWEN_4B)
    await read(second)
    expect(registry.report().refused.map(({ model }) => model)).toContain(QWEN_4B)
  })

  test('goes on to the next model when no context helps, and does not try that one again on this device', async () => {
    const load = (id: string) => void (id === QWEN_4B && outOfMemory())
    const first = setUp('auto', { load })
    expect((await first.registry.resolve('chat')).id).toBe(PHI)
    expect(first.registry.report().refused).toContainEqual(
      expect.objectContaining({ model: QWEN_4B, code: 'out-of-memory', reason: 'the graphics card is full' }),
    )
    const second = setUp('auto', { load, store: first.store })
    expect((await second.registry.resolve('chat')).id).toBe(PHI)
    expect(second.log).toEqual([`load ${PHI}`])
    // A person who asks for it by name gets it tried.
    await expect(second.registry.use('chat', QWEN_4B)).rejects.toMatchObject({ code: 'out-of-memory' })
    expect(second.log).toContain(`load ${QWEN_4B}`)
  })

  test('goes on to another engine with the same model when one engine cannot load it', async () => {
    const { registry } = setUp('auto', {
      device: { memoryBytes: 2 * 2 ** 30, language: 'zh' },
      load: (id) => {
        if (id.startsWith('webllm:')) throw new AlcoveError('model-load-failed', 'LinkError')
      },
    })
    expect((await registry.resolve('chat')).id).toBe('transformers:onnx-community/Qwen3-0.6B-ONNX')
  })

  test('does not go into a crash loop: a model under which the page ended twice is passed over', async () => {
    const { notes, store } = setUp('auto')
    await notes.starting(QWEN_4B)
    await notes.starting(QWEN_4B)
    const { registry, log } = setUp('auto', { store })
    expect((await registry.resolve('chat')).id).toBe(PHI)
    expect(log).toEqual([`load ${PHI}`])
  })

  test('asks no second time for a download of nearly the size that was declined', async () => {
    const check = vi.fn(async (id: string) => {
      if (id !== 'webllm:Qwen3-0.6B-q4f16_1-MLC') throw new AlcoveError('download-refused', `${id}: no`)
    })
    const asked: string[] = []
    const { registry } = setUp('auto', {
      more: {
        consentLimits: async () => ({ unaskedBytes: 0, canAsk: true }),
        create: async (id) =>
          id === 'extractive'
            ? extractiveModel()
            : {
                ...scriptedModel('ok', { id }),
                id,
                contextTokens: 4096,
                capabilities: scriptedModel('ok').capabilities,
                load: async () => {
                  asked.push(id)
                  await check(id)
                },
              },
      },
    })
    expect((await registry.resolve('chat')).id).toBe('webllm:Qwen3-0.6B-q4f16_1-MLC')
    // 2.3 GB, 1.0 GB and 0.4 GB: each less than half of the one that was declined before.
    expect(asked).toEqual([QWEN_4B, 'webllm:Qwen3-1.7B-q4f16_1-MLC', 'webllm:Qwen3-0.6B-q4f16_1-MLC'])
  })

  test('a download that the catalogue does not know the length of is held to the constraint by what its server says', async () => {
    const { registry, log } = setUp('auto', {
      more: {
        constraints: { maxDownloadBytes: 280_000_000 },
        inspect: async () => ({ state: 'downloadable', bytes: 400_000_000 }),
      },
    })
    const model = await registry.resolve('chat')
    // Its length is known, and fits: no server is asked.
    expect(model.id).toBe('webllm:SmolLM2-360M-Instruct-q4f16_1-MLC')
    expect(log.filter((line) => line.includes('Llama'))).toEqual([])
    expect(registry.report().refused).toContainEqual(
      expect.objectContaining({ model: 'webllm:Llama-3.2-1B-Instruct-q4f16_1-MLC', code: 'constraint-unmet' }),
    )
  })
})

describe('constraints', () => {
  test.each([
    [184_000_000, 'wllama:SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf'],
    [100_000_000, 'transformers:SmolLM2-135M-Instruct'],
  ])(
    'a model whose self-hosted copies are smaller is held to what its server says: %d bytes',
    async (bytes, chosen) => {
      const { registry } = setUp('auto', {
        device: { webgpu: 'none' },
        more: {
          constraints: { maxDownloadBytes: 150_000_000 },
          inspect: async () => ({ state: 'downloadable', bytes }),
        },
      })
      expect((await registry.resolve('chat')).id).toBe(chosen)
    },
  )

  test('each set has its model, and equal sets meet whatever the order of their fields', async () => {
    const { registry } = setUp('auto')
    const first = await registry.resolve('chat', { constraints: { languages: ['en'], maxMemoryBytes: 1e9 } })
    const same = await registry.resolve('chat', { constraints: { maxMemoryBytes: 1e9, languages: ['en'] } })
    expect(first.id).toBe('webllm:Llama-3.2-1B-Instruct-q4f16_1-MLC')
    expect(same).toBe(first)
    expect((await registry.resolve('chat')).id).toBe(QWEN_4B)
    registry.constrain({ maxMemoryBytes: 1e9 })
    expect((await registry.resolve('chat')).id).toBe(first.id)
    expect(registry.report().chosen.chat).toBe(first.id)
  })

  test('a model that is named is taken as it is', async () => {
    const { registry } = setUp(PHI, { more: { constraints: { languages: ['xx'] } } })
    expect((await registry.resolve('chat')).id).toBe(PHI)
  })
})

describe('switching', () => {
  test('unloads the old model: afterwards where both fit, beforehand where they do not', async () => {
    const roomy = setUp('extractive', { device: { memoryBytes: 32 * 2 ** 30 } })
    await roomy.registry.use('chat', LLAMA)
    await roomy.registry.use('chat', PHI)
    expect(roomy.log.filter((line) => !line.startsWith('grant'))).toEqual([
      `load ${LLAMA}`,
      `load ${PHI}`,
      `dispose ${LLAMA}`,
    ])
    const tight = setUp('extractive')
    await tight.registry.use('chat', LLAMA)
    await tight.registry.use('chat', PHI)
    expect(tight.log.filter((line) => !line.startsWith('grant'))).toEqual([
      `load ${LLAMA}`,
      `dispose ${LLAMA}`,
      `load ${PHI}`,
    ])
  })

  test('keeps a model that another task has, and one that the page’s author made', async () => {
    const own = { ...scriptedModel('ok', { id: 'mine' }), dispose: vi.fn(async () => {}) }
    const { registry, log } = setUp(own as ChatModel)
    await registry.resolve('chat')
    await registry.use('documents', LLAMA)
    await registry.use('chat', LLAMA)
    await registry.use('documents', PHI)
    expect(own.dispose).not.toHaveBeenCalled()
    expect(log).not.toContain(`dispose ${LLAMA}`)
    expect(registry.report().chosen).toMatchObject({ chat: LLAMA, documents: PHI })
  })
})

describe('availability and the list', () => {
  test('say for each task what could be used, and load nothing', async () => {
    const { registry, log } = setUp('auto', { device: { webgpu: 'none', shaderF16: false } })
    expect(await registry.availability('chat')).toBe('downloadable')
    expect(await registry.availability('documents')).toBe('available')
    expect(log).toEqual([])
    await registry.resolve('chat')
    expect(await registry.availability('chat')).toBe('available')
  })

  test('one row for a model of an engine: the build that runs here, and why it cannot where none does', async () => {
    const { registry } = setUp('auto', { device: { shaderF16: false } })
    const rows = await registry.list()
    const ids = rows.map(({ id }) => id)
    expect(ids).toContain('webllm:Qwen3-4B-q4f32_1-MLC')
    expect(ids).not.toContain(QWEN_4B)
    expect(new Set(ids).size).toBe(ids.length)
    const without = await setUp('auto', { device: { webgpu: 'none' } }).registry.list()
    expect(without.find(({ id }) => id === QWEN_4B)).toMatchObject({
      state: 'unavailable',
      refused: { code: 'webgpu-unavailable' },
      contextTokens: 4096,
    })
    expect(without.at(-1)?.kind).toBe('embedding')
    const row = (id: string) => without.find((each) => each.id === id)
    // Where it runs, what it takes with its usual context, and how long its vectors are.
    expect(row('transformers:onnx-community/Qwen3-0.6B-ONNX')).toMatchObject({ runsOn: 'webgpu', state: 'unavailable' })
    expect(row('wllama:LiquidAI/LFM2-350M-GGUF/LFM2-350M-Q4_K_M.gguf')).toMatchObject({
      runsOn: 'wasm',
      memoryBytes: 229_309_376 + 325_000_000 + 2 * 6 * 8 * 64 * 2 * 2_048,
    })
    expect(row('transformers:Xenova/bge-m3')).toMatchObject({ dimensions: 1024, memoryBytes: undefined })
  })

  test('a measured speed is noted once, for what was chosen from several', async () => {
    const { registry, notes } = setUp('auto')
    await registry.resolve('chat')
    const measured = vi.spyOn(notes, 'measured')
    await registry.measure('chat')
    expect(measured).toHaveBeenCalled()
    const single = setUp(PHI)
    await single.registry.resolve('chat')
    const never = vi.spyOn(single.notes, 'measured')
    await single.registry.measure('chat')
    expect(never).not.toHaveBeenCalled()
  })
})
