import { describe, expect, test, vi } from 'vitest'
import {
  createDeviceChoices,
  createMeasuredDevices,
  type DeviceTiming,
  decideDevice,
  isMeasurable,
  type MeasuredDevice,
} from '../../../src/engines/choice/measured-device.js'
import { createModelSpec } from '../../../src/engines/choice/model-spec.js'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import { createMemoryStore } from '../../../src/store/store.js'
import { fakeClock } from '../../../src/testing/fake-clock.js'
import { DESKTOP } from './ladder-models.js'

const SOURCES = { baseUrl: undefined, allowRemote: true, hubUrl: 'https://hub/', cacheName: 'c' }
const MINILM = createModelSpec('transformers:all-MiniLM-L6-v2', SOURCES)
const vector = (...values: number[]) => {
  const length = Math.hypot(...values)
  return Float32Array.from(values, (value) => value / length)
}
const took = (ms: number, ...vectors: Float32Array[]): DeviceTiming => ({ ms, vectors })

describe('the decision', () => {
  const same = vector(1, 2, 3)

  test('WebGPU has to be clearly faster', () => {
    expect(decideDevice('m', took(100, same), took(50, same))).toMatchObject({
      device: 'webgpu',
      reason: 'WebGPU is faster: 50 ms on WebGPU, 100 ms on the processor',
      wasmMs: 100,
      webgpuMs: 50,
    })
    expect(decideDevice('m', took(100, same), took(90, same))).toMatchObject({ device: 'wasm' })
    expect(decideDevice('m', took(12.34, same), took(7_000, same)).reason).toBe(
      'WebGPU is not clearly faster: 7000 ms on WebGPU, 12 ms on the processor',
    )
  })

  test('vectors that differ are not mixed, however fast', () => {
    const near = vector(1, 2, 3.05)
    const far = vector(1, 2, 3.5)
    expect(decideDevice('m', took(100, same), took(1, near))).toMatchObject({ device: 'webgpu' })
    const other = decideDevice('m', took(100, same, same), took(1, same, far))
    expect(other.device).toBe('wasm')
    expect(other.cosine).toBeLessThan(0.999)
    expect(other.reason).toContain('other vectors (cosine 0.99')
    expect(decideDevice('m', took(100, same), took(1, vector(1, 2))).device).toBe('wasm')
    expect(decideDevice('m', took(100, same), took(1, vector(Number.NaN, 1, 1))).device).toBe('wasm')
    // A chat model has no vectors to compare.
    expect(decideDevice('m', { ms: 100 }, { ms: 10 })).toMatchObject({ device: 'webgpu' })
  })

  test('what fails has lost', () => {
    const error = new AlcoveError('device-lost', 'the GPU has gone')
    expect(decideDevice('m', took(100, same), error)).toEqual({
      model: 'm',
      device: 'wasm',
      reason: 'WebGPU failed: the GPU has gone',
      wasmMs: 100,
    })
    expect(decideDevice('m', error, took(1, same))).toMatchObject({ device: 'wasm' })
  })
})

describe('whether there is a choice', () => {
  test('not without a graphics card, where data is saved, for other engines, or where the build depends on the device', () => {
    expect(isMeasurable(MINILM, DESKTOP)).toBe(true)
    expect(isMeasurable(MINILM, { ...DESKTOP, webgpu: 'software' })).toBe(false)
    expect(isMeasurable(MINILM, { ...DESKTOP, webgpu: 'none' })).toBe(false)
    expect(isMeasurable(MINILM, { ...DESKTOP, saveData: true })).toBe(false)
    expect(isMeasurable({ ...MINILM, dtype: undefined }, DESKTOP)).toBe(false)
    expect(isMeasurable({ ...MINILM, dtype: 'q4f16' }, DESKTOP)).toBe(false)
    expect(isMeasurable({ ...MINILM, device: 'wasm' }, DESKTOP)).toBe(false)
    const arctic = createModelSpec('webllm:snowflake-arctic-embed-s-q0f32-MLC-b4', SOURCES)
    expect(isMeasurable({ ...arctic, dtype: 'q8' }, DESKTOP)).toBe(false)
  })
})

function setUp({
  time = async (_spec: ModelSpec, device: MeasuredDevice) => took(device === 'webgpu' ? 5 : 50, vector(1, 2)),
  isStored = true,
  store = createMemoryStore(),
  profile = DESKTOP,
  fingerprint = 'card',
}: {
  time?: (spec: ModelSpec, device: MeasuredDevice, signal: AbortSignal) => Promise<DeviceTiming>
  isStored?: boolean
  store?: ReturnType<typeof createMemoryStore>
  profile?: typeof DESKTOP
  fingerprint?: string
} = {}) {
  const clock = fakeClock()
  const asked = vi.fn(time)
  const choices = createDeviceChoices(async () => store, fingerprint)
  const devices = createMeasuredDevices({ profile, choices, time: asked, isStored: async () => isStored, clock })
  return { clock, asked, devices, store, order: () => asked.mock.calls.map(([, device]) => device) }
}

describe('a measurement', () => {
  test('runs once, later, and is remembered for this card, this model and this build', async () => {
    const { clock, devices, store, order } = setUp()
    expect(await devices.choiceOf(MINILM)).toBeUndefined()
    const measuring = Promise.all([devices.measure(MINILM), devices.measure(MINILM)])
    await clock.advance(1_999)
    expect(order()).toEqual([])
    await clock.advance(1)
    await measuring
    expect(order()).toEqual(['wasm', 'webgpu'])
    expect(await devices.choiceOf(MINILM)).toMatchObject({ device: 'webgpu' })
    expect(devices.known).toHaveLength(1)

    const later = setUp({ store })
    expect(await later.devices.choiceOf(MINILM)).toMatchObject({ device: 'webgpu', webgpuMs: 5 })
    await later.devices.measure(MINILM)
    expect(later.order()).toEqual([])
    expect(await later.devices.choiceOf({ ...MINILM, revision: 'a'.repeat(40) })).toBeUndefined()
    expect(await later.devices.choiceOf({ ...MINILM, dtype: 'fp32' })).toBeUndefined()
    expect(await setUp({ store, fingerprint: 'new driver' }).devices.choiceOf(MINILM)).toBeUndefined()
    // What was remembered of a card says nothing when the browser has none now.
    const none = setUp({ store, profile: { ...DESKTOP, webgpu: 'none' } })
    expect(await none.devices.choiceOf(MINILM)).toBeUndefined()
  })

  test('is bounded in time: a device that does not come to an end has lost', async () => {
    const signals: AbortSignal[] = []
    const { clock, devices } = setUp({
      time: (_spec, device, signal) => {
        if (device === 'wasm') return Promise.resolve(took(50, vector(1, 2)))
        signals.push(signal)
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        })
      },
    })
    const measuring = devices.measure(MINILM)
    await clock.advance(2_000)
    await clock.advance(29_000)
    expect(devices.known).toEqual([])
    await clock.advance(1_000)
    await measuring
    expect(signals[0]?.aborted).toBe(true)
    expect(devices.known[0]).toMatchObject({ device: 'wasm', reason: 'WebGPU failed: it took longer than 30 s' })
  })

  test('downloads nothing', async () => {
    const { clock, devices, order } = setUp({ isStored: false })
    const measuring = devices.measure(MINILM)
    await clock.advance(60_000)
    await measuring
    expect(order()).toEqual([])
    expect(devices.known).toEqual([])
  })

  test('ends with the client, and notes nothing then', async () => {
    const { clock, devices, store } = setUp({
      time: (_spec, _device, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
    })
    const measuring = devices.measure(MINILM)
    await clock.advance(2_000)
    devices.close()
    await measuring
    expect(await store.keys()).toEqual([])
  })

  test('a failure at work is noted, and what is stored otherwise is no choice', async () => {
    const { devices, store } = setUp()
    await devices.failed(MINILM, new AlcoveError('device-lost', 'gone'))
    expect(await setUp({ store }).devices.choiceOf(MINILM)).toMatchObject({
      device: 'wasm',
      reason: 'WebGPU failed: gone',
    })
    const [key = ''] = await store.keys()
    await store.write({ set: [[key, { device: 'abacus' }]] })
    expect(await setUp({ store }).devices.choiceOf(MINILM)).toBeUndefined()
  })

  test('a store that cannot be used stops nothing', async () => {
    const clock = fakeClock()
    const choices = createDeviceChoices(() => Promise.reject(new AlcoveError('store-blocked', 'no')), 'card')
    const time = async () => took(50, vector(1, 2))
    const devices = createMeasuredDevices({ profile: DESKTOP, choices, time, isStored: async () => true, clock })
    const measuring = devices.measure(MINILM)
    await clock.advance(2_000)
    await measuring
    expect(devices.known).toHaveLength(1)
  })
})
