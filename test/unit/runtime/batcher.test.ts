import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AlcoveError } from '../../../src/protocol/error.js'
import { type BatcherOptions, createBatcher } from '../../../src/runtime/batcher.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A batcher whose batches take 100 ms and answer each text in capitals. */
function setUp(options: Partial<BatcherOptions<string, string>> = {}) {
  const batches: string[][] = []
  const signals: AbortSignal[] = []
  const batcher = createBatcher<string, string>({
    maxBatchSize: 3,
    async run(items, signal) {
      batches.push([...items])
      signals.push(signal)
      await new Promise((resolve) => setTimeout(resolve, 100))
      return items.map((item) => item.toUpperCase())
    },
    ...options,
  })
  return { batcher, batches, signals }
}

describe('a batcher', () => {
  test('a full batch starts at once, a lone item after maxWaitMs', async () => {
    const { batcher, batches } = setUp()
    const full = Promise.all(['a', 'b', 'c'].map((item) => batcher.submit(item)))
    await vi.advanceTimersByTimeAsync(0)
    expect(batches).toEqual([['a', 'b', 'c']])
    await vi.advanceTimersByTimeAsync(100)
    expect(await full).toEqual(['A', 'B', 'C'])
    const lone = batcher.submit('d')
    await vi.advanceTimersByTimeAsync(4)
    expect([batches.length, batcher.pending]).toEqual([1, 1])
    await vi.advanceTimersByTimeAsync(1)
    expect([batches.at(-1), batcher.pending]).toEqual([['d'], 0])
    await vi.advanceTimersByTimeAsync(100)
    expect(await lone).toBe('D')
  })

  test('one batch at a time; what has waited through it goes at once', async () => {
    const { batcher, batches } = setUp()
    const first = batcher.submit('a')
    await vi.advanceTimersByTimeAsync(5)
    const rest = ['b', 'c', 'd', 'e'].map((item) => batcher.submit(item))
    await vi.advanceTimersByTimeAsync(99)
    expect(batches).toEqual([['a']])
    await vi.advanceTimersByTimeAsync(1)
    expect(batches).toEqual([['a'], ['b', 'c', 'd']])
    await vi.advanceTimersByTimeAsync(200)
    expect(batches).toHaveLength(3)
    expect(await Promise.all([first, ...rest])).toEqual(['A', 'B', 'C', 'D', 'E'])
  })

  test('higher priority goes first and alone', async () => {
    const { batcher, batches } = setUp()
    const all = [batcher.submit('a')]
    await vi.advanceTimersByTimeAsync(5)
    all.push(batcher.submit('b'), batcher.submit('query', { priority: 1 }), batcher.submit('c'))
    await vi.advanceTimersByTimeAsync(300)
    expect(batches).toEqual([['a'], ['query'], ['b', 'c']])
    await Promise.all(all)
  })

  test('a batch is made of items of like size, and the oldest is always in it', async () => {
    const { batcher, batches } = setUp({ sizeOf: (item) => item.length, maxBatchSize: () => 2 })
    const all = [batcher.submit('running')]
    await vi.advanceTimersByTimeAsync(5)
    all.push(...['xxxxx', 'y', 'zzzzzz', 'w'].map((item) => batcher.submit(item)))
    await vi.advanceTimersByTimeAsync(400)
    expect(batches).toEqual([['running'], ['xxxxx', 'zzzzzz'], ['y', 'w']])
    await Promise.all(all)
  })

  test('an error given for one item fails it alone', async () => {
    const { batcher } = setUp({
      run: async (items) => items.map((item) => (item === 'bad' ? new AlcoveError('too-large', 'bad') : item)),
    })
    const results = Promise.allSettled(['a', 'bad', 'c'].map((item) => batcher.submit(item)))
    await vi.advanceTimersByTimeAsync(10)
    expect(await results).toMatchObject([{ value: 'a' }, { reason: { code: 'too-large' } }, { value: 'c' }])
  })

  test('an item that brings its batch down is found, and fails alone', async () => {
    const tried: number[] = []
    const { batcher } = setUp({
      maxBatchSize: 8,
      async run(items) {
        tried.push(items.length)
        if (items.includes('bad')) throw new TypeError('cannot read it')
        return items
      },
    })
    const results = Promise.allSettled(['a', 'b', 'c', 'd', 'e', 'bad', 'g', 'h'].map((item) => batcher.submit(item)))
    await vi.advanceTimersByTimeAsync(10)
    expect((await results).map(({ status }) => status === 'fulfilled')).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
      true,
      true,
    ])
    expect(tried).toEqual([8, 4, 4, 2, 1, 1, 2])
  })

  test('an error of the engine is not tried again for each item', async () => {
    const run = vi.fn(async () => {
      throw new AlcoveError('worker-crashed', 'gone')
    })
    const { batcher } = setUp({ run })
    const results = Promise.allSettled(['a', 'b', 'c'].map((item) => batcher.submit(item)))
    await vi.advanceTimersByTimeAsync(10)
    expect(await results).toMatchObject(Array(3).fill({ reason: { code: 'worker-crashed' } }))
    expect(run).toHaveBeenCalledTimes(1)
  })

  test('too few results are an error, not a promise that hangs', async () => {
    const { batcher } = setUp({ run: async () => [] })
    const results = Promise.allSettled(['a', 'b'].map((item) => batcher.submit(item)))
    await vi.advanceTimersByTimeAsync(10)
    expect(await results).toMatchObject(Array(2).fill({ reason: { code: 'output-invalid' } }))
  })

  test('aborting an item takes it out, and the others go on', async () => {
    const { batcher, batches, signals } = setUp()
    const controller = new AbortController()
    const leaving = batcher.submit('a', { signal: controller.signal })
    const staying = batcher.submit('b')
    controller.abort()
    await expect(leaving).rejects.toMatchObject({ code: 'aborted' })
    await vi.advanceTimersByTimeAsync(5)
    expect(batches).toEqual([['b']])
    await vi.advanceTimersByTimeAsync(100)
    expect(await staying).toBe('B')
    expect(signals[0]?.aborted).toBe(false)
    await expect(batcher.submit('c', { signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' })
  })

  test('a running batch is aborted when its last caller has left', async () => {
    const { batcher, signals } = setUp()
    const controllers = [new AbortController(), new AbortController()]
    const runs = Promise.allSettled(controllers.map(({ signal }, index) => batcher.submit(`${index}`, { signal })))
    await vi.advanceTimersByTimeAsync(5)
    controllers[0]?.abort()
    expect(signals[0]?.aborted).toBe(false)
    controllers[1]?.abort()
    expect(signals[0]?.aborted).toBe(true)
    expect((await runs).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await vi.advanceTimersByTimeAsync(200)
  })

  test('flush starts what waits, and resolves when all is done', async () => {
    const { batcher, batches } = setUp()
    const results = ['a', 'b', 'c', 'd'].map((item) => batcher.submit(item))
    await vi.advanceTimersByTimeAsync(0)
    let flushed = false
    const flushing = batcher.flush().then(() => {
      flushed = true
    })
    await vi.advanceTimersByTimeAsync(101)
    expect([batches.length, flushed]).toEqual([2, false])
    await vi.advanceTimersByTimeAsync(100)
    await flushing
    await Promise.all(results)
    await batcher.flush()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a batch keeps to its cost, padding counted; what is larger goes alone', async () => {
    const { batcher, batches } = setUp({ sizeOf: (item) => item.length, maxBatchSize: 10, maxBatchCost: () => 12 })
    const all = [batcher.submit('running')]
    await vi.advanceTimersByTimeAsync(5)
    all.push(...['aaaa', 'bbbb', 'x'.repeat(20), 'cccc', 'dddd', 'e'].map((item) => batcher.submit(item)))
    await vi.advanceTimersByTimeAsync(600)
    expect(batches.slice(1)).toEqual([['aaaa', 'bbbb', 'cccc'], ['x'.repeat(20)], ['e', 'dddd']])
    for (const batch of batches) {
      if (batch.length > 1) expect(batch.length * Math.max(...batch.map((item) => item.length))).toBeLessThanOrEqual(12)
    }
    await Promise.all(all)
  })

  test('a batch whose cost is full starts at once', async () => {
    const { batcher, batches } = setUp({ sizeOf: (item) => item.length, maxBatchSize: 10, maxBatchCost: () => 4 })
    const all = [batcher.submit('aa'), batcher.submit('bb')]
    await vi.advanceTimersByTimeAsync(0)
    expect(batches).toEqual([['aa', 'bb']])
    await vi.advanceTimersByTimeAsync(100)
    await Promise.all(all)
  })

  test('what is held waits, whatever its age, and lets others by; wake starts it', async () => {
    let isHeld = true
    const { batcher, batches } = setUp({ isHeld: (item) => isHeld && item.startsWith('held') })
    const all = ['held 1', 'held 2', 'free'].map((item) => batcher.submit(item))
    await vi.advanceTimersByTimeAsync(1_000)
    expect([batches, batcher.pending]).toEqual([[['free']], 2])
    isHeld = false
    batcher.wake()
    await vi.advanceTimersByTimeAsync(100)
    expect(batches.at(-1)).toEqual(['held 1', 'held 2'])
    expect(await Promise.all(all)).toEqual(['HELD 1', 'HELD 2', 'FREE'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('an item may wait for less long than the others', async () => {
    const { batcher, batches } = setUp({ maxWaitMs: 50 })
    const all = [batcher.submit('patient')]
    await vi.advanceTimersByTimeAsync(10)
    all.push(batcher.submit('now', { priority: 1, maxWaitMs: 0 }))
    await vi.advanceTimersByTimeAsync(0)
    expect(batches).toEqual([['now']])
    await vi.advanceTimersByTimeAsync(200)
    expect(batches).toEqual([['now'], ['patient']])
    await Promise.all(all)
  })

  test('a hundred thousand items at once are no strain', async () => {
    vi.useRealTimers()
    let calls = 0
    const batcher = createBatcher<number, number>({
      maxBatchSize: 50_000,
      async run(items) {
        calls += 1
        return items
      },
    })
    const results = await Promise.all(Array.from({ length: 100_000 }, (_, item) => batcher.submit(item)))
    expect(results[99_999]).toBe(99_999)
    expect(calls).toBeLessThan(10)
  })

  test('as many batches run side by side as may, and more once there is room', async () => {
    let most = 2
    const { batcher, batches } = setUp({ maxRunning: () => most })
    const all = Promise.all(Array.from('abcdefghijkl', (item) => batcher.submit(item)))
    await vi.advanceTimersByTimeAsync(0)
    expect(batches).toEqual([
      ['a', 'b', 'c'],
      ['d', 'e', 'f'],
    ])
    most = 3
    batcher.wake()
    expect(batches).toHaveLength(3)
    let isIdle = false
    const idle = batcher.flush().then(() => {
      isIdle = true
    })
    await vi.advanceTimersByTimeAsync(100)
    expect([batches.length, isIdle]).toEqual([4, false])
    await vi.advanceTimersByTimeAsync(100)
    expect(await all).toEqual(Array.from('ABCDEFGHIJKL'))
    await idle
  })
})
