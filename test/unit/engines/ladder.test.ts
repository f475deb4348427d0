import { describe, expect, test } from 'vitest'
import { embeddingCatalogue } from '../../../src/engines/choice/catalogue.js'
import { readConstraints } from '../../../src/engines/choice/constraints.js'
import { autoRungs } from '../../../src/engines/choice/ladder.js'
import { contextSteps, predictMemory } from '../../../src/engines/choice/memory.js'
import { nearestMiss } from '../../../src/engines/choice/nearest-miss.js'
import { type PlanInput, planLadder } from '../../../src/engines/choice/plan.js'
import { predictPrefill } from '../../../src/engines/choice/speed.js'
import { sizeText } from '../../../src/text/size-text.js'
import { CASES } from './ladder-devices.js'
import { DESKTOP, GGUF_135M, ONNX_135M } from './ladder-models.js'

const idsFor = (task: (typeof CASES)[number]['task'] = 'chat') =>
  task === 'embedding' ? embeddingCatalogue.map(({ id }) => id) : autoRungs(task)

describe(`what ${CASES.length} devices get`, () => {
  test('there are at least 40 of them, each with a name of its own', () => {
    expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length)
    expect(CASES.length).toBeGreaterThanOrEqual(40)
  })

  test.each(CASES)('$name', ({ device, input, task, first, contextTokens, refused = {} }) => {
    const plan = planLadder(idsFor(task), { isFree: true, ...input, device: { ...DESKTOP, ...device } })
    const codes = new Map(plan.refused.map(({ model, code }) => [model, code]))
    expect(plan.rungs[0]?.id).toBe(first)
    if (contextTokens !== undefined) expect(plan.rungs[0]?.prediction.contextTokens).toBe(contextTokens)
    for (const [model, code] of Object.entries(refused)) expect(codes.get(model), model).toBe(code)
    for (const { reason, model } of plan.refused) expect(reason.length, model).toBeGreaterThan(20)
    // A rung is worth a try or refused, never both; the extractive answerer is always there, and last.
    for (const { id } of plan.rungs) expect(codes.has(id), id).toBe(false)
    if (task !== 'embedding') expect(plan.rungs.at(-1)?.id).toBe('extractive')
  })

  test('the same description gives the same plan, and is left as it was', () => {
    const device = Object.freeze({ ...DESKTOP })
    const constraints = Object.freeze({ languages: Object.freeze(['zh']) })
    const plan = () => planLadder(autoRungs('chat'), { device, constraints, isFree: true })
    expect(plan()).toEqual(plan())
  })

  test('with less memory, a plan never asks for more of it', () => {
    const takes = [32, 16, 8, 6, 4, 3, 2, 1, 0.5].map((gigabytes) => {
      const device = { ...DESKTOP, memoryBytes: gigabytes * 2 ** 30 }
      return planLadder(autoRungs('chat'), { device, isFree: true }).rungs[0]?.prediction.memoryBytes ?? 0
    })
    expect(takes).toEqual([...takes].sort((first, second) => second - first))
  })
})

describe('a list of the author’s', () => {
  test('keeps its order, and what the catalogue does not know is tried', () => {
    const ids = ['transformers:my/own', ONNX_135M, 'webllm:Qwen3-4B-q4f16_1-MLC', 'http:remote', 'extractive']
    const plan = planLadder(ids, { device: { ...DESKTOP, language: 'zh' } })
    expect(plan.rungs.map(({ id }) => id)).toEqual(ids)
  })

  test('loses its remote models where they are not allowed', () => {
    const plan = planLadder(['http:remote', 'extractive'], { device: DESKTOP, constraints: { allowRemote: false } })
    expect(plan.rungs.map(({ id }) => id)).toEqual(['extractive'])
    expect(plan.refused).toMatchObject([{ model: 'http:remote', code: 'constraint-unmet' }])
  })
})

describe('predictions', () => {
  const entry = {
    id: 'wllama:a/b.gguf',
    family: 'a',
    title: 'A',
    goodFor: '',
    contextTokens: 4096,
    needs: [],
    cache: { layers: 2, kvHeads: 3, headDim: 5, bytesPerNumber: 2 },
  }

  test('memory is what is known less the cache that is not made', () => {
    const known = { ...entry, memoryBytes: 1_000_000 }
    expect(predictMemory(known, 4096)).toBe(1_000_000)
    // Keys and values: 2 × 2 layers × 3 heads × 5 numbers × 2 bytes = 120 bytes a token.
    expect(predictMemory(known, 1024)).toBe(1_000_000 - 120 * 3072)
    expect(predictMemory({ ...entry, downloadBytes: 1_000_000 }, 1000)).toBe(1_000_000 + 325_000_000 + 120_000)
    expect(predictMemory(entry, 1000)).toBeUndefined()
  })

  test('contexts are halved down to the least', () => {
    expect(contextSteps(entry, 1024, undefined)).toEqual([4096, 2048, 1024])
    expect(contextSteps(entry, 1500, undefined)).toEqual([4096, 2048, 1500])
    expect(contextSteps(entry, 1024, 2000)).toEqual([2000, 1024])
    expect(contextSteps(entry, 9000, undefined)).toEqual([])
  })

  test('speed is the measured one, else by size from another model of the engine, else unknown on a graphics card', () => {
    const small = { ...entry, id: 'wllama:a/small.gguf', downloadBytes: 100 }
    const large = { ...entry, id: 'wllama:a/large.gguf', downloadBytes: 400 }
    expect(predictPrefill(large, DESKTOP, { [large.id]: 7 }, [small, large])).toBe(7)
    expect(predictPrefill(large, DESKTOP, { [small.id]: 20 }, [small, large])).toBe(5)
    expect(predictPrefill({ ...large, needs: ['webgpu'] }, DESKTOP, {}, [small])).toBeUndefined()
    expect(predictPrefill(large, DESKTOP, { 'webllm:x': 20 }, [small])).toBeUndefined()
  })
})

describe('what comes nearest, where nothing can be had', () => {
  const NO_GPU = { ...DESKTOP, webgpu: 'none', shaderF16: false, maxBufferBytes: 0 } as const
  const nearest = (input: Omit<PlanInput, 'isFree'>, ids = autoRungs('chat')) => {
    const plan = planLadder(ids, { isFree: true, ...input })
    return nearestMiss(ids, { isFree: true, ...input }, plan.refused)
  }

  test('the smallest download, the longest context, the most languages: of what the device can run', () => {
    expect(nearest({ device: NO_GPU, constraints: { maxDownloadBytes: 50_000_000 } })).toEqual({
      model: GGUF_135M,
      code: 'constraint-unmet',
      reason: 'SmolLM2 135M (GGUF) is a download of 98 MB; at most 50 MB are wanted.',
    })
    expect(nearest({ device: NO_GPU, constraints: { minContextTokens: 20_000 } })?.model).toBe(ONNX_135M)
    expect(
      nearest({ device: DESKTOP, constraints: { languages: ['zh', 'ja'], maxDownloadBytes: 200_000_000 } })?.model,
    ).toBe('webllm:Qwen3-0.6B-q4f16_1-MLC')
    const unasked = { unaskedBytes: 10_000_000, canAsk: false }
    expect(nearest({ device: NO_GPU, consent: unasked })?.code).toBe('download-refused')
  })

  test('nothing, where the device refuses all, or there is one', () => {
    expect(
      nearest({ device: { ...NO_GPU, memoryBytes: 2 ** 28 }, constraints: { maxDownloadBytes: 1 } }),
    ).toBeUndefined()
    expect(nearest({ device: DESKTOP })).toBeUndefined()
    const ids = embeddingCatalogue.map(({ id }) => id)
    expect(nearest({ device: NO_GPU, constraints: { maxDownloadBytes: 1_000 } }, ids)?.model).toBe(
      'transformers:all-MiniLM-L6-v2',
    )
  })
})

test.each([
  [0, '0 bytes'],
  [999, '999 bytes'],
  [1_000, '1 KB'],
  [3_460, '3.5 KB'],
  [98_362_432, '98 MB'],
  [999_600_000, '1 GB'],
  [1_915_305_312, '1.9 GB'],
  [12_400_000_000, '12 GB'],
])('%d is %s', (bytes, text) => {
  expect(sizeText(bytes)).toBe(text)
})

describe('constraints', () => {
  test.each([
    [{ maxDownloadBytes: -1 }, 'maxDownloadBytes'],
    [{ minContextTokens: '4k' }, 'minContextTokens'],
    [{ languages: 'zh' }, 'languages'],
    [{ languages: ['chinese language'] }, undefined],
    [{ languages: ['中文'] }, 'languages'],
    [{ task: 'poetry' }, 'task'],
    [{ allowRemote: 'no' }, 'allowRemote'],
    [7, 'constraints'],
  ])('%j', (given, field) => {
    const read = () => readConstraints('createAlcove', given as never)
    if (field === undefined) expect(read).toThrow()
    else
      expect(read).toThrow(
        expect.objectContaining({ code: 'invalid-argument', message: expect.stringContaining(field) }),
      )
  })

  test('pass as they are where they fit', () => {
    const given = { languages: ['en', 'zh-Hans'], task: 'tools' as const, minContextTokens: 0, allowRemote: false }
    expect(readConstraints('load', given)).toBe(given)
    expect(readConstraints('load', undefined)).toEqual({})
  })
})
