import { describe, expect, it } from 'vitest'
import { createLoadOnce, type LoadOnceOptions } from '../../../src/runtime/load-once.js'

interface Opening {
  readonly signal: AbortSignal
  report(progress: number): void
  finish(value: string): void
  fail(error: Error): void
}

/** A load whose end the test decides. */
function gated(options: Pick<LoadOnceOptions<string, number>, 'isUsable' | 'closeLate'> = {}) {
  const opened: Opening[] = []
  const loads = createLoadOnce<string, number>({
    open: ({ signal, report }) =>
      new Promise((finish, fail) => {
        opened.push({ signal, report, finish, fail })
      }),
    ...options,
  })
  return { loads, opened, last: () => opened.at(-1) as Opening }
}

const settle = () => new Promise((resolve) => setTimeout(resolve))
const codeOf = (promise: Promise<unknown>) => promise.then(String, (error: { code?: string }) => error.code)

describe('createLoadOnce', () => {
  it('loads once for all callers, tells each the progress, and late ones where it is', async () => {
    const { loads, opened, last } = gated()
    const told: number[][] = [[], []]
    const first = loads.load({ onProgress: (progress) => told[0]?.push(progress) })
    last().report(1)
    const second = loads.load({ onProgress: (progress) => told[1]?.push(progress) })
    last().report(2)
    expect(loads.value).toBeUndefined()
    last().finish('model')
    expect(await Promise.all([first, second, loads.load()])).toEqual(['model', 'model', 'model'])
    expect(told).toEqual([
      [1, 2],
      [1, 2],
    ])
    expect([loads.value, opened.length]).toEqual(['model', 1])
  })

  it('lets each caller leave alone, and aborts the load with the last one', async () => {
    const { loads, opened, last } = gated()
    const [one, two] = [new AbortController(), new AbortController()]
    const first = codeOf(loads.load({ signal: one.signal }))
    const second = codeOf(loads.load({ signal: two.signal }))
    one.abort()
    expect(await first).toBe('aborted')
    expect(last().signal.aborted).toBe(false)
    two.abort()
    expect(await second).toBe('aborted')
    expect(last().signal.aborted).toBe(true)
    const again = loads.load()
    expect(opened).toHaveLength(2)
    last().finish('anew')
    expect(await again).toBe('anew')
  })

  it('tries anew after a failure, and each caller has the error', async () => {
    const { loads, opened, last } = gated()
    const both = [loads.load(), loads.load()]
    last().fail(new Error('no such file'))
    for (const one of both) await expect(one).rejects.toThrow('no such file')
    const again = loads.load()
    last().finish('model')
    expect(await again).toBe('model')
    expect(opened).toHaveLength(2)
  })

  it('gives what it had when it is unloaded, and loads anew', async () => {
    const { loads, last } = gated()
    const first = loads.load()
    last().finish('one')
    await first
    expect(loads.unload()).toBe('one')
    expect([loads.value, loads.unload()]).toEqual([undefined, undefined])
    const second = loads.load()
    last().finish('two')
    expect(await second).toBe('two')
  })

  it('replaces what cannot be used any more', async () => {
    let isBroken = false
    const { loads, last } = gated({ isUsable: () => !isBroken })
    const first = loads.load()
    last().finish('one')
    await first
    isBroken = true
    const second = loads.load()
    isBroken = false
    last().finish('two')
    expect(await second).toBe('two')
    expect(loads.value).toBe('two')
  })

  it('closes what is opened for nobody, where it is told how', async () => {
    const closed: string[] = []
    const { loads, opened, last } = gated({ closeLate: async (value) => void closed.push(value) })
    const leaving = new AbortController()
    const left = codeOf(loads.load({ signal: leaving.signal }))
    leaving.abort()
    expect(await left).toBe('aborted')
    last().finish('left')
    await settle()
    const unloaded = codeOf(loads.load())
    loads.unload()
    const next = loads.load()
    expect(opened).toHaveLength(3)
    opened[1]?.finish('unloaded')
    expect(await unloaded).toBe('aborted')
    last().finish('kept')
    expect(await next).toBe('kept')
    expect([closed, loads.value]).toEqual([['left', 'unloaded'], 'kept'])
  })

  it('keeps what came late otherwise: the next caller has it at once', async () => {
    const { loads, opened, last } = gated()
    const leaving = new AbortController()
    const left = codeOf(loads.load({ signal: leaving.signal }))
    leaving.abort()
    await left
    last().finish('late')
    await settle()
    expect(await loads.load()).toBe('late')
    expect(opened).toHaveLength(1)
  })
})
