import { readFileSync } from 'node:fs'
import { prebuiltAppConfig } from '@mlc-ai/web-llm'
import { describe, expect, test } from 'vitest'
// @ts-expect-error A script of Node, without types.
import { checkForm, checkLocal, checkSources, checkWebLlm, checkWritten } from '../../../scripts/catalogue.mjs'
import {
  chatCatalogue,
  embeddingCatalogue,
  findEntry,
  nearestIds,
  webLlmVersion,
} from '../../../src/engines/choice/catalogue.js'
import { cacheBytesPerToken } from '../../../src/engines/choice/memory.js'
import { createModelSpec } from '../../../src/engines/choice/model-spec.js'

const catalogue = { chat: chatCatalogue, embedding: embeddingCatalogue }
const change = (id: string, fields: object) => ({
  chat: chatCatalogue.map((entry) => (entry.id === id ? { ...entry, ...fields } : entry)),
  embedding: embeddingCatalogue,
})
const QWEN = 'webllm:Qwen3-4B-q4f16_1-MLC'
const SOURCES = { baseUrl: undefined, allowRemote: true, hubUrl: 'https://hub/', cacheName: 'c' }

describe('the catalogue', () => {
  test('says what WebLLM’s installed list says', () => {
    const { version } = JSON.parse(readFileSync('node_modules/@mlc-ai/web-llm/package.json', 'utf8'))
    expect(webLlmVersion).toBe(version)
    expect(checkWebLlm(catalogue, prebuiltAppConfig.model_list)).toEqual([])
  })

  test('is whole in itself, and what is written from it is up to date', () => {
    expect(checkForm(catalogue)).toEqual([])
    expect(checkWritten(catalogue)).toEqual([])
  })

  test('each looked-up fact has a source, and each source a fact', () => {
    expect(checkSources(catalogue)).toEqual([])
    const found = change('webllm:Llama-3.2-1B-Instruct-q4f16_1-MLC', { downloadBytes: 700_000_000 })
    expect(checkSources(found)).toEqual(['webllm:Llama-3.2-1B-Instruct-q4f16_1-MLC: downloadBytes has no source'])
    expect(checkSources(change(QWEN, { downloadBytes: undefined }))).toEqual([
      `${QWEN}: a source for downloadBytes, which it has not`,
    ])
    expect(checkSources(catalogue, { sources: {}, families: {}, builds: { x: {} } }).at(-1)).toBe(
      'x: has sources, but is not in the catalogue',
    )
  })

  test('each family of small chat models runs with and without a graphics card, and by two engines at least', () => {
    const engines = (family: string) =>
      new Set(chatCatalogue.filter((entry) => entry.family === family).map(({ id }) => id.slice(0, id.indexOf(':'))))
    for (const family of ['qwen3-1.7b', 'qwen3-0.6b', 'qwen2.5-1.5b', 'qwen2.5-0.5b', 'smollm2-360m', 'llama-3.2-1b']) {
      expect([...engines(family)], family).toEqual(expect.arrayContaining(['webllm', 'wllama']))
    }
    expect(engines('qwen3-0.6b')).toContain('transformers')
    // What has a tool-call format of its own has a model.
    const dialects = new Set(chatCatalogue.map(({ dialect }) => dialect))
    expect([...dialects].sort()).toEqual(['gemma', 'hermes', 'lfm2', 'llama3', 'mistral', 'phi'])
  })

  const folder = process.env.ALCOVE_MODELS_DIR
  test.skipIf(!folder)('says what the configurations of the models here say (needs ALCOVE_MODELS_DIR)', () => {
    const { problems, checked } = checkLocal(catalogue, folder)
    expect(problems).toEqual([])
    expect(checked).toContain('transformers:SmolLM2-135M-Instruct')
  })

  test('the checks see what is wrong', () => {
    const list = prebuiltAppConfig.model_list
    expect(checkWebLlm(change(QWEN, { memoryBytes: 1 }), list)).toHaveLength(1)
    expect(checkWebLlm(change(QWEN, { needs: ['webgpu'] }), list)).toEqual([`${QWEN}: needs shader-f16`])
    expect(checkWebLlm(change(QWEN, { id: 'webllm:Qwen9' }), list)).toEqual(["webllm:Qwen9: not in WebLLM's list"])
    expect(checkWebLlm(change(QWEN, { contextTokens: 8192 }), list)).toEqual([
      `${QWEN}: contextTokens is 8192, WebLLM's list says 4096`,
    ])
    expect(checkWebLlm(change(QWEN, { needs: ['webgpu', 'shader-f16', 'subgroups'] }), list)).toEqual([
      `${QWEN}: does not need subgroups, by WebLLM's list and its name`,
    ])
    expect(checkWebLlm(change(QWEN, { lowResource: undefined }), list)).toHaveLength(1)
    expect(
      checkWebLlm(change(QWEN, { cache: { layers: 36, kvHeads: 8, headDim: 128, bytesPerNumber: 4 } }), list),
    ).toEqual([`${QWEN}: its cache has numbers of 2 bytes`])
    const asChat = { chat: [...chatCatalogue, ...embeddingCatalogue], embedding: [] }
    expect(checkWebLlm(asChat, list)).toHaveLength(1)
    expect(checkForm(change(QWEN, { licence: undefined }))).toEqual([`${QWEN}: has no licence`])
    expect(checkForm(change(QWEN, { revision: 'main' }))).toEqual([`${QWEN}: its revision is no commit`])
    expect(checkForm(change(QWEN, { family: undefined }))).toEqual([`${QWEN}: has no family`])
    expect(checkWritten(change(QWEN, { trust: 'draft' }))).toHaveLength(1)
  })

  test('spans from under 100 MB to 8 B: chat, reasoning and embedding, English, Chinese and many languages', () => {
    const bytes = chatCatalogue.map(({ downloadBytes }) => downloadBytes ?? Number.NaN)
    expect(Math.min(...bytes.filter(Number.isFinite))).toBeLessThan(100_000_000)
    expect(findEntry('webllm:Qwen3-8B-q4f16_1-MLC')?.reasoning).toBe(true)
    for (const kind of [chatCatalogue, embeddingCatalogue]) {
      for (const language of ['en', 'zh', 'mul']) {
        expect(
          kind.some(({ languages }) => languages?.includes(language)),
          language,
        ).toBe(true)
      }
    }
  })

  test('the shape of Gemma 2 is that by which WebLLM’s own figures of it differ between two contexts', () => {
    const memory = (id: string) =>
      prebuiltAppConfig.model_list.find(({ model_id }) => model_id === id)?.vram_required_MB ?? 0
    const { id, ...entry } = findEntry('webllm:gemma-2-2b-it-q4f16_1-MLC') as NonNullable<ReturnType<typeof findEntry>>
    // These two figures of the list are in MiB, those of Llama 3.1 in MB.
    const perToken = ((memory(id.slice(7)) - memory(`${id.slice(7)}-1k`)) * 2 ** 20) / 3072
    expect(perToken).toBeCloseTo(cacheBytesPerToken({ id, ...entry }) as number, 0)
  })

  test('its cache sizes are those by which WebLLM’s own figures differ between two contexts', () => {
    // The list has one model of ours in two contexts: not in the catalogue, but of the same shape as Llama 3.2 3B's larger sister.
    const memory = (id: string) =>
      prebuiltAppConfig.model_list.find(({ model_id }) => model_id === id)?.vram_required_MB ?? 0
    const perToken =
      ((memory('Llama-3.1-8B-Instruct-q4f16_1-MLC') - memory('Llama-3.1-8B-Instruct-q4f16_1-MLC-1k')) * 1e6) / 3072
    const shape = { layers: 32, kvHeads: 8, headDim: 128, bytesPerNumber: 2 }
    const entry = { ...(findEntry(QWEN) as NonNullable<ReturnType<typeof findEntry>>), cache: shape }
    expect(Math.abs(perToken / (cacheBytesPerToken(entry) as number) - 1)).toBeLessThan(0.001)
  })
})

describe('what engines are told', () => {
  test('is what the catalogue says and they do not assume', () => {
    expect(createModelSpec('transformers:SmolLM2-135M-Instruct', SOURCES)).toMatchObject({
      trust: 'draft',
      contextTokens: 8192,
      hubRepo: 'HuggingFaceTB/SmolLM2-135M-Instruct',
      dtype: 'q4',
    })
    expect(createModelSpec('transformers:Xenova/multilingual-e5-small', SOURCES)).toMatchObject({
      pooling: 'mean',
      queryPrefix: 'query: ',
      documentPrefix: 'passage: ',
      maxTokens: 512,
    })
    // E5 serves more languages than are named: to the search that means none is ruled out.
    expect(createModelSpec('transformers:Xenova/multilingual-e5-small', SOURCES).languages).toBeUndefined()
    expect(createModelSpec('transformers:all-MiniLM-L6-v2', SOURCES).languages).toEqual(['en'])
    expect(createModelSpec('webllm:Llama-3.2-3B-Instruct-q4f16_1-MLC', SOURCES).dialect).toBe('llama3')
  })

  test.each(['gpt-4', 'SmolLM2-135M-Instruct', 'openai:gpt', 'toString', 'wllama:onlyrepo'])('%s is no id', (id) => {
    expect(() => createModelSpec(id, SOURCES)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })
})

describe('nearest ids', () => {
  test.each([
    ['SmolLM2-135M-Instruct', 'transformers:SmolLM2-135M-Instruct'],
    ['webllm:Qwen3-4b-q4f16', 'webllm:Qwen3-4B-q4f16_1-MLC'],
    ['transformers:all-MiniLM-L6', 'transformers:all-MiniLM-L6-v2'],
    ['multilingual-e5-smal', 'transformers:Xenova/multilingual-e5-small'],
  ])('%s', (wrong, right) => {
    expect(nearestIds(wrong)[0]).toBe(right)
  })

  test('none where nothing is like it', () => {
    expect(nearestIds('x')).toEqual([])
    expect(nearestIds('wllama:somebody/quite-another-repository/file.gguf')).toEqual([])
  })
})
