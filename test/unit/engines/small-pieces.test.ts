import { describe, expect, it } from 'vitest'
import { parseModelId } from '../../../src/engines/engine.js'
import { isFatalToEngine, isFileBroken, translateEngineError } from '../../../src/engines/engine-errors.js'
import { nextMacrotask } from '../../../src/engines/transformers/macrotask.js'
import { poolVectors } from '../../../src/engines/transformers/pooling.js'
import { createLoadMeter } from '../../../src/engines/weights/load-meter.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import type { StatusPart } from '../../../src/protocol/stream-part.js'
import type { Clock } from '../../../src/runtime/clock.js'
import { createSharedTask } from '../../../src/runtime/shared-task.js'
import { createTurnQueue } from '../../../src/runtime/turn-queue.js'

const turn = () => new Promise((resolve) => setTimeout(resolve, 2))

describe('parseModelId', () => {
  it('takes ids apart', () => {
    expect(parseModelId('transformers:all-MiniLM-L6-v2')).toEqual({ scheme: 'transformers', repo: 'all-MiniLM-L6-v2' })
    expect(parseModelId('wllama:owner/name/a.gguf')).toEqual({ scheme: 'wllama', repo: 'owner/name', file: 'a.gguf' })
    expect(parseModelId('wllama:name/a.gguf')).toEqual({ scheme: 'wllama', repo: 'name', file: 'a.gguf' })
    expect(parseModelId('wllama:o/n/q4/a.gguf')).toEqual({ scheme: 'wllama', repo: 'o/n', file: 'q4/a.gguf' })
  })

  it('refuses what is no id', () => {
    for (const id of ['', 'model', ':x', 'a:', 'a:../b', 'a:/b', 'a:b//c', 'a:b?c', 'a:https://x']) {
      expect(() => parseModelId(id)).toThrowError(expect.objectContaining({ code: 'invalid-argument' }))
    }
  })
})

describe('translateEngineError', () => {
  it('tells what engines mean', () => {
    const codeOf = (error: unknown) => translateEngineError(error, 'model-load-failed', 'loading').code
    const ortRun = (reason: string) =>
      new Error(
        `failed to call OrtRun(). ERROR_CODE: 1, ERROR_MESSAGE: core/providers/webgpu/buffer_manager.cc:643\n${reason}`,
      )
    const invalid =
      "Failed to execute 'mapAsync' on 'GPUBuffer': [Invalid Buffer (unlabeled)] is invalid due to a previous error."
    expect(codeOf(ortRun(invalid))).toBe('out-of-memory')
    expect(codeOf(ortRun('Device is lost'))).toBe('device-lost')
    expect(codeOf(ortRun('something else'))).toBe('device-lost')
    expect(codeOf(new Error('std::bad_alloc'))).toBe('out-of-memory')
    expect(codeOf(new WebAssembly.RuntimeError('memory access out of bounds'))).toBe('out-of-memory')
    expect(codeOf(new RangeError('Array buffer allocation failed'))).toBe('out-of-memory')
    expect(codeOf('Aborted(). Build with -sASSERTIONS for more info.')).toBe('out-of-memory')
    expect(codeOf(38_291_344)).toBe('out-of-memory')
    expect(codeOf(new Error('mapAsync: A valid external Instance reference no longer exists.'))).toBe('device-lost')
    expect(codeOf(new Error('The GPU device was lost'))).toBe('device-lost')
    expect(codeOf(new Error('protobuf parsing failed'))).toBe('model-load-failed')
    expect(codeOf(new DOMException('Aborted by the user', 'AbortError'))).toBe('aborted')
    expect(codeOf(new AlcoveError('network', 'x'))).toBe('network')
  })

  it('says which errors leave an engine of no use', () => {
    expect(isFatalToEngine(new AlcoveError('out-of-memory', ''))).toBe(true)
    expect(isFatalToEngine(new AlcoveError('network', ''))).toBe(false)
    const noRuntime = new Error(
      'no available backend found. ERR: [wasm] Failed to fetch dynamically imported module: x',
    )
    const translated = translateEngineError(noRuntime, 'model-load-failed', 'loading')
    expect([translated.code, isFatalToEngine(translated), isFileBroken(translated)]).toEqual(['network', true, false])
  })

  it('says when a kept file is to be fetched again', () => {
    const broken = translateEngineError(new Error('protobuf parsing failed'), 'model-load-failed', 'loading')
    expect(isFileBroken(broken)).toBe(true)
    expect(isFileBroken(new AlcoveError('model-load-failed', 'unknown operator'))).toBe(false)
  })
})

describe('createLoadMeter', () => {
  it('gives bytes, rate and time left, and not a part for each chunk', () => {
    let now = 0
    const clock = { now: () => now } as Clock
    const parts: StatusPart[] = []
    const meter = createLoadMeter('m', (part) => parts.push(part), { expectedBytes: 1_000_000, clock })
    for (let loaded = 0; loaded <= 1_000_000; loaded += 10_000) {
      meter.update('w', loaded, 1_000_000, true)
      now += 10
    }
    expect(parts.length).toBeLessThan(20)
    const middle = parts[6]
    expect(middle?.totalBytes).toBe(1_000_000)
    expect(middle?.bytesPerSecond).toBeCloseTo(1_000_000, -5)
    expect(middle?.secondsLeft).toBeCloseTo((1_000_000 - (middle?.loadedBytes ?? 0)) / 1_000_000, 0)
    expect(parts.at(-1)).toMatchObject({ loadedBytes: 1_000_000, message: 'Starting the model' })
  })

  it('counts what was kept of a download that goes on as loaded, but not for the rate', () => {
    let now = 0
    const parts: StatusPart[] = []
    const meter = createLoadMeter('m', (part) => parts.push(part), { clock: { now: () => now } as Clock })
    meter.update('small', 1_000, 1_000, false)
    for (let loaded = 40_000_000; loaded <= 42_000_000; loaded += 200_000) {
      meter.update('w', loaded, 100_000_000, true)
      now += 100
    }
    const told = parts.filter(({ bytesPerSecond }) => bytesPerSecond !== undefined)
    meter.say('The connection broke off')
    expect(parts.at(-1)).toMatchObject({
      status: 'retrying',
      message: 'The connection broke off',
      loadedBytes: 42_001_000,
    })
    expect(parts.at(-1)).not.toHaveProperty('bytesPerSecond')
    expect(told.length).toBeGreaterThan(5)
    for (const { bytesPerSecond = 0, loadedBytes = 0, secondsLeft = 0 } of told) {
      expect(bytesPerSecond).toBeLessThan(2_500_000)
      expect(secondsLeft).toBeGreaterThan((100_000_000 - loadedBytes) / 2_500_000)
    }
  })

  it('counts kept files as loaded, but not for the rate', () => {
    let now = 0
    const parts: StatusPart[] = []
    const meter = createLoadMeter('m', (part) => parts.push(part), { clock: { now: () => now } as Clock })
    meter.update('kept', 500, 500, false)
    now = 1_000
    meter.update('other', 500, 500, false)
    expect(parts.at(-1)).toMatchObject({ loadedBytes: 1_000, totalBytes: 1_000 })
    expect(parts.at(-1)?.bytesPerSecond).toBeUndefined()
  })
})

describe('createTurnQueue', () => {
  it('lets one in at a time, in order, and says places', async () => {
    const queue = createTurnQueue()
    const first = await queue.enter()
    const places: number[] = []
    const order: string[] = []
    const second = queue.enter().then((end) => {
      order.push('second')
      return end
    })
    const third = queue.enter({ onPosition: (position) => places.push(position) }).then((end) => {
      order.push('third')
      return end
    })
    await turn()
    expect(order).toEqual([])
    first()
    first()
    await turn()
    expect(order).toEqual(['second'])
    ;(await second)()
    ;(await third)()
    expect(places).toEqual([2, 1])
    expect(await Promise.race([queue.enter().then(() => 'in'), turn()])).toBe('in')
  })

  it('lets one leave who waits', async () => {
    const queue = createTurnQueue()
    const end = await queue.enter()
    const controller = new AbortController()
    const leaving = queue.enter({ signal: controller.signal })
    const next = queue.enter()
    controller.abort()
    await expect(leaving).rejects.toMatchObject({ code: 'aborted' })
    end()
    await expect(next).resolves.toBeTypeOf('function')
  })
})

describe('createSharedTask', () => {
  it('runs once, tells all, and aborts when the last one leaves', async () => {
    let runs = 0
    let signal: AbortSignal | undefined
    let left = 0
    const task = createSharedTask<string, number>(
      async (context) => {
        runs++
        signal = context.signal
        context.report(1)
        await new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason)))
        return 'never'
      },
      () => {
        left++
      },
    )
    const controllers = [new AbortController(), new AbortController()]
    const seen: number[] = []
    const joined = controllers.map((controller) =>
      task.join({ signal: controller.signal, onProgress: (value) => seen.push(value) }),
    )
    controllers[0]?.abort()
    await expect(joined[0]).rejects.toMatchObject({ code: 'aborted' })
    expect([signal?.aborted, left]).toEqual([false, 0])
    controllers[1]?.abort()
    await expect(joined[1]).rejects.toMatchObject({ code: 'aborted' })
    expect([signal?.aborted, left, runs]).toEqual([true, 1, 1])
    expect(seen).toEqual([1, 1])
  })

  it('is cancelled for all who wait, with the reason', async () => {
    let signal: AbortSignal | undefined
    let left = 0
    const task = createSharedTask<string, number>(
      async (context) => {
        signal = context.signal
        return new Promise<string>(() => {})
      },
      () => {
        left++
      },
    )
    const joined = [task.join(), task.join({ signal: new AbortController().signal })]
    task.cancel(new AlcoveError('closed', 'over'))
    for (const one of joined) await expect(one).rejects.toMatchObject({ code: 'closed', message: 'over' })
    expect([signal?.aborted, left]).toEqual([true, 1])
  })
})

describe('poolVectors', () => {
  const hidden = Float32Array.from([3, 0, 0, 4, 9, 9, 1, 0, 1, 0, 1, 0])
  const shape = { lengths: [2, 3], width: 3, dimensions: 2 }
  const pool = (pooling: 'mean' | 'cls' | 'last') => poolVectors(hidden, { ...shape, pooling }).map((v) => [...v])

  it('leaves padding out and scales to length 1', () => {
    const [first, second] = pool('mean')
    expect(first?.[0]).toBeCloseTo(0.6)
    expect(first?.[1]).toBeCloseTo(0.8)
    expect(second).toEqual([1, 0])
    expect(pool('cls')[0]).toEqual([1, 0])
    expect(pool('last')[0]).toEqual([0, 1])
  })

  it('leaves a zero vector alone', () => {
    const options = { lengths: [1], width: 1, dimensions: 2, pooling: 'mean' } as const
    expect([...(poolVectors(new Float32Array(2), options)[0] ?? [])]).toEqual([0, 0])
  })
})

describe('nextMacrotask', () => {
  it('lets messages through in between', async () => {
    const { port1, port2 } = new MessageChannel()
    let heard = false
    port1.onmessage = () => {
      heard = true
      port1.close()
    }
    port2.postMessage('x')
    for (let round = 0; round < 50 && !heard; round++) await Promise.all([nextMacrotask(), nextMacrotask()])
    expect(heard).toBe(true)
  })
})
