import type { Endpoint } from 'comlink'
import { afterEach, describe, expect, it } from 'vitest'
import { AlcoveError } from '../../../src/protocol/error.js'
import { createParseApi } from '../../../src/retrieval/parse-api.js'
import { createParsePool, type ParsePool, type ParsePoolOptions } from '../../../src/retrieval/parse-pool.js'
import { serveWorker } from '../../../src/rpc/serve-worker.js'

/** A worker in this thread: two ends of a channel, and the events that a real one would have. */
class FakeWorker extends EventTarget {
  terminated = false
  readonly inside: MessagePort
  readonly #own: MessagePort

  constructor() {
    super()
    const { port1, port2 } = new MessageChannel()
    this.#own = port1
    this.inside = port2
    port1.onmessage = ({ data, ports }) => {
      if (!this.terminated) this.dispatchEvent(new MessageEvent('message', { data, ports: [...ports] }))
    }
    port2.start()
  }

  postMessage(message: unknown, transfers: Transferable[] = []): void {
    this.#own.postMessage(message, transfers)
  }

  terminate(): void {
    this.terminated = true
    this.#own.close()
    this.inside.close()
  }
}

const pools: ParsePool[] = []
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
})

/** A pool whose workers do what a document's text says; `release` lets those that wait finish. */
function createOddPool(options: Partial<ParsePoolOptions> = {}) {
  const workers: FakeWorker[] = []
  const waiting: (() => void)[] = []
  const running = { now: 0, most: 0 }
  const open = (): Worker => {
    const worker = new FakeWorker()
    workers.push(worker)
    const api = createParseApi(async ({ data }) => {
      running.most = Math.max(running.most, ++running.now)
      try {
        if (data === 'hang') await new Promise(() => {})
        if (data === 'wait') await new Promise<void>((resolve) => waiting.push(resolve))
        if (data === 'broken') throw new AlcoveError('parse-failed', 'broken', { hint: 'Save it again.' })
        return { mediaType: 'text/plain', text: String(data), pages: [], headings: [] }
      } finally {
        running.now--
      }
    })
    serveWorker(api, worker.inside as unknown as Endpoint)
    return worker as unknown as Worker
  }
  const pool = createParsePool({ open, size: 2, ...options })
  pools.push(pool)
  const outcome = (data: string, signal?: AbortSignal): Promise<string> =>
    pool.parse({ data, name: 'a.txt' }, { signal }).then(
      ({ text }) => text,
      (error) => error.code,
    )
  return { outcome, pool, workers, running, release: () => waiting.splice(0).forEach((resolve) => void resolve()) }
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30))

describe('createParsePool', () => {
  it('starts no worker before it is needed, and never more than its size', async () => {
    const { outcome, workers, running, release } = createOddPool()
    expect(workers).toHaveLength(0)
    expect(await outcome('one')).toBe('one')
    expect(await outcome('two')).toBe('two')
    expect(workers).toHaveLength(1)
    const all = Promise.all(['wait', 'wait', 'three', 'four'].map((text) => outcome(text)))
    await settle()
    expect(running.now).toBe(2)
    release()
    expect(await all).toEqual(['wait', 'wait', 'three', 'four'])
    expect(running.most).toBe(2)
    expect(workers).toHaveLength(2)
  })

  it('gives the error of a document, with its hint, and keeps the worker', async () => {
    const { pool, workers, outcome } = createOddPool({ size: 1 })
    await expect(pool.parse({ data: 'broken' })).rejects.toMatchObject({ code: 'parse-failed', hint: 'Save it again.' })
    expect(await outcome('next')).toBe('next')
    expect(workers).toHaveLength(1)
  })

  it('does not blame the document when a worker cannot be started', async () => {
    const { outcome } = createOddPool({
      open: () => {
        throw new Error('worker-src')
      },
    })
    expect(await outcome('one')).toBe('worker-crashed')
  })

  it('ends a worker that takes too long', async () => {
    const { outcome, workers } = createOddPool({ size: 1, timeoutMs: 60 })
    expect(await outcome('hang')).toBe('timeout')
    expect(workers[0]?.terminated).toBe(true)
    expect(await outcome('next')).toBe('next')
  })

  it('settles an abort at once, in the queue without disturbing others, else with its worker', async () => {
    const { outcome, workers, release } = createOddPool({ size: 1 })
    const first = outcome('wait')
    await settle()
    const queued = new AbortController()
    const second = outcome('second', queued.signal)
    queued.abort()
    expect(await second).toBe('aborted')
    release()
    expect(await first).toBe('wait')
    expect(workers[0]?.terminated).toBe(false)
    const running = new AbortController()
    const third = outcome('hang', running.signal)
    await settle()
    running.abort()
    expect(await third).toBe('aborted')
    expect(workers[0]?.terminated).toBe(true)
    expect(await outcome('next')).toBe('next')
  })

  it('fails what runs and what comes after it was closed', async () => {
    const { outcome, pool, workers } = createOddPool()
    const running = outcome('hang')
    await settle()
    await pool.close()
    expect(await running).toBe('closed')
    expect(await outcome('next')).toBe('closed')
    expect(workers.every(({ terminated }) => terminated)).toBe(true)
  })

  it('sends a view without the buffer behind it, and leaves the bytes to their owner', async () => {
    const { pool } = createOddPool()
    const data = new Uint8Array([0, 104, 105, 0]).subarray(1, 3)
    expect((await pool.parse({ data })).text).toBe('104,105')
    expect(data).toEqual(Uint8Array.of(104, 105))
  })
})
