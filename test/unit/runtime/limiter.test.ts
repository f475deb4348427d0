import { describe, expect, test } from 'vitest'
import { createLimiter } from '../../../src/runtime/limiter.js'

/** Tasks that end when told to. */
function board() {
  const started: string[] = []
  const finish = new Map<string, () => void>()
  const task = (name: string) => () => {
    started.push(name)
    return new Promise<string>((resolve) => finish.set(name, () => resolve(name)))
  }
  return { started, task, end: (name: string) => finish.get(name)?.() }
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 0))

describe('a limiter', () => {
  test('runs no more than max at once, the others in order', async () => {
    const { started, task, end } = board()
    const limiter = createLimiter(2)
    const all = Promise.all(['a', 'b', 'c', 'd'].map((name) => limiter.run(task(name))))
    await tick()
    expect([started, limiter.active, limiter.pending]).toEqual([['a', 'b'], 2, 2])
    end('b')
    await tick()
    expect(started).toEqual(['a', 'b', 'c'])
    end('a')
    end('c')
    await tick()
    end('d')
    expect(await all).toEqual(['a', 'b', 'c', 'd'])
    expect([limiter.active, limiter.pending]).toEqual([0, 0])
  })

  test('higher priority first, equal ones in the order they came', async () => {
    const { started, task, end } = board()
    const limiter = createLimiter(1)
    void limiter.run(task('first'))
    for (const [name, priority] of [
      ['low', -1],
      ['a', 0],
      ['high', 5],
      ['b', 0],
      ['high2', 5],
    ] as const) {
      void limiter.run(task(name), { priority })
    }
    for (const name of ['first', 'high', 'high2', 'a', 'b', 'low']) {
      await tick()
      expect(started.at(-1)).toBe(name)
      end(name)
    }
  })

  test('a task that fails, also at once, frees its place', async () => {
    const limiter = createLimiter(1)
    await expect(
      limiter.run(() => {
        throw new Error('now')
      }),
    ).rejects.toThrow('now')
    const failing = limiter.run(async () => {
      throw new Error('later')
    })
    const next = limiter.run(async () => 'fine')
    await expect(failing).rejects.toThrow('later')
    expect(await next).toBe('fine')
  })

  test('aborting a task that waits leaves the others alone', async () => {
    const { started, task, end } = board()
    const limiter = createLimiter(1)
    const controller = new AbortController()
    const running = limiter.run(task('running'), { signal: controller.signal })
    const leaving = limiter.run(task('leaving'), { signal: controller.signal })
    const staying = limiter.run(task('staying'))
    controller.abort()
    await expect(leaving).rejects.toMatchObject({ code: 'aborted' })
    expect([limiter.active, limiter.pending]).toEqual([1, 1])
    end('running')
    expect(await running).toBe('running')
    await tick()
    end('staying')
    expect(await staying).toBe('staying')
    expect(started).toEqual(['running', 'staying'])
    await expect(limiter.run(task('late'), { signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' })
    expect(started).not.toContain('late')
  })
})
