import { afterEach, describe, expect, test, vi } from 'vitest'
import type { DeviceProfile } from '../../../../src/engines/choice/device.js'
import { autoRungs } from '../../../../src/engines/choice/ladder.js'
import { createModelRegistry, type ModelRegistryOptions } from '../../../../src/engines/choice/model-registry.js'
import { extractiveModel } from '../../../../src/engines/extractive/extractive.js'
import { createPromptApiChat, inspectPromptApi } from '../../../../src/engines/prompt-api/chat.js'
import { AlcoveError } from '../../../../src/protocol/error.js'
import { scriptedModel } from '../../../../src/testing.js'
import { type FakeOptions, fakeLanguageModel } from './fake-language-model.js'

const DEVICE: DeviceProfile = {
  webgpu: 'none',
  shaderF16: false,
  maxBufferBytes: 0,
  memoryBytes: undefined,
  cores: 2,
  crossOriginIsolated: false,
  saveData: false,
}

/** A registry on a page whose browser has this model, and which can have no other but the extractive one and remote ones. */
function registry(model: ModelRegistryOptions['model'], browser?: FakeOptions) {
  if (browser) vi.stubGlobal('LanguageModel', fakeLanguageModel(browser))
  return createModelRegistry({
    model,
    consent: { check: async () => {}, grant: () => {} },
    device: async () => DEVICE,
    async create(id) {
      if (id === 'prompt-api') return await createPromptApiChat()
      if (id === 'extractive') return extractiveModel()
      if (id.startsWith('http:')) return scriptedModel('ok', { id })
      throw new AlcoveError('model-not-found', `no ${id}`)
    },
    inspect: async (id) =>
      id === 'prompt-api' ? await inspectPromptApi() : { state: id.startsWith('http:') ? 'available' : 'unavailable' },
    remove: async () => {},
  })
}
afterEach(() => vi.unstubAllGlobals())

describe('auto', () => {
  test('asks for the browser’s model where there is one, and never for a remote one', () => {
    expect(autoRungs('chat')).not.toContain('prompt-api')
    vi.stubGlobal('LanguageModel', fakeLanguageModel())
    for (const task of ['chat', 'documents', 'tools'] as const) {
      expect(autoRungs(task)[0]).toBe('prompt-api')
      expect(autoRungs(task).filter((id) => id.startsWith('http:'))).toEqual([])
    }
  })

  test('takes it where it is available', async () => {
    const models = registry('auto', { availability: 'available' })
    expect(await models.availability('chat')).toBe('available')
    expect((await models.resolve('chat')).id).toBe('prompt-api')
  })

  test.each([
    ['downloadable', 'download-refused'],
    ['downloading', 'download-refused'],
    ['unavailable', 'model-not-found'],
  ] as const)('passes over it where it is %s, and says why', async (availability, code) => {
    const models = registry('auto', { availability, isActive: true })
    expect((await models.resolve('chat')).id).toBe('extractive')
    expect(models.report().refused).toContainEqual(expect.objectContaining({ model: 'prompt-api', code }))
  })
})

describe('a list that names it', () => {
  test('has it fetched after a click, and goes on without one', async () => {
    const clicked = registry(['prompt-api', 'extractive'], { availability: 'downloadable', isActive: true })
    expect(await clicked.availability('chat')).toBe('downloadable')
    expect((await clicked.resolve('chat')).id).toBe('prompt-api')
    const unasked = registry(['prompt-api', 'extractive'], { availability: 'downloadable' })
    expect((await unasked.resolve('chat')).id).toBe('extractive')
    expect(unasked.report().refused).toMatchObject([{ model: 'prompt-api', code: 'permission-denied' }])
  })

  test('lists it and remote models with where they run', async () => {
    const rows = await registry(['prompt-api', 'http:tiny'], { availability: 'downloadable' }).list()
    expect(rows.find(({ id }) => id === 'prompt-api')).toMatchObject({ state: 'downloadable', runsOn: 'browser' })
    expect(rows.find(({ id }) => id === 'http:tiny')).toMatchObject({ state: 'available', runsOn: 'remote' })
  })
})
