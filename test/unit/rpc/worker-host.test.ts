import { type Endpoint, transfer } from 'comlink'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { AlcoveError } from '../../../src/protocol/error.js'
import { servePort, serveRequest } from '../../../src/rpc/port-stream.js'
import { serveWorker } from '../../../src/rpc/serve-worker.js'
import { createWorkerHost, type WorkerHostOptions } from '../../../src/rpc/worker-host.js'

/** A worker in this thread: two ends of a channel, and the events that a real one would have. */
class FakeWorker extends EventTarget {
  terminated = false
  readonly #own: MessagePort
  readonly inside: MessagePort

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

  /** Silent, as the death of a real one is. */
  terminate(): void {
    this.terminated = true
    this.#own.close()
    this.inside.close()
  }
}

const api = {
  async add(a: number, b: number) {
    return a + b
  },
  async fail() {
    throw new AlcoveError('quota-exceeded', 'full', {
      hint: 'Delete something.',
      details: { bytes: 5 },
      retryable: true,
    })
  },
  async bug() {
    ;(undefined as unknown as { x: number }).x = 1
  },
  async hang() {
    await new Promise(() => {})
  },
  async count(port: MessagePort, total: number) {
    await servePort(port, async function* () {
      for (let index = 0; index < total; index += 1) yield index
    })
  },
  async drip(port: MessagePort) {
    await servePort(port, async function* () {
      yield 'first'
      await new Promise(() => {})
    })
  },
  async ask(port: MessagePort) {
    await serveRequest(port, async (signal) => {
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
  },
  async refuse(_port: MessagePort) {
    throw new AlcoveError('not-found', 'no such stream')
  },
}

const settle = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms))
const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
  vi.unstubAllGlobals()
})

function start(options: Partial<WorkerHostOptions> & { serve?: (worker: FakeWorker) => void } = {}) {
  const { serve = (worker) => serveWorker(api, worker.inside as unknown as Endpoint), ...rest } = options
  const workers: FakeWorker[] = []
  const states: string[] = []
  const host = createWorkerHost<typeof api>({
    name: 'test',
    open() {
      const worker = new FakeWorker()
      workers.push(worker)
      serve(worker)
      return worker as unknown as Worker
    },
    onState: (state) => states.push(state),
    ...rest,
  })
  cleanups.push(() => host.close())
  return { host, workers, states }
}

/** Web Locks within one thread, with a way to let a holder die. */
function stubLocks() {
  const held = new Map<string, (() => void)[]>()
  const request = (name: string, options: unknown, callback?: unknown) => {
    const run = (callback ?? options) as () => Promise<unknown>
    const waiting = held.get(name)
    if (waiting === undefined) {
      held.set(name, [])
      return run()
    }
    return new Promise((resolve) => waiting.push(() => resolve(run())))
  }
  vi.stubGlobal('navigator', { locks: { request } })
  return {
    /** Releases every lock, as the death of its holder does. */
    release() {
      for (const waiting of held.values()) for (const grant of waiting.splice(0)) grant()
    },
  }
}

describe('calls', () => {
  test('the worker starts with the first call, and serves all of them', async () => {
    const { host, workers, states } = start()
    expect([host.state, workers.length]).toEqual(['idle', 0])
    expect(
      await Promise.all([host.call((remote) => remote.add(1, 2)), host.call((remote) => remote.add(3, 4))]),
    ).toEqual([3, 7])
    expect([host.state, workers.length, host.restarts]).toEqual(['ready', 1, 0])
    expect(states).toEqual(['starting', 'ready'])
  })

  test('an error keeps its code, hint, details and retryable', async () => {
    const { host } = start()
    await expect(host.call((remote) => remote.fail())).rejects.toMatchObject({
      name: 'AlcoveError',
      code: 'quota-exceeded',
      message: 'full',
      hint: 'Delete something.',
      details: { bytes: 5 },
      retryable: true,
    })
  })

  test('a bug in the worker comes as an AlcoveError with its message', async () => {
    const { host } = start()
    await expect(host.call((remote) => remote.bug())).rejects.toMatchObject({
      name: 'AlcoveError',
      message: expect.stringContaining('undefined'),
    })
  })

  test('an argument that cannot be cloned rejects that call alone', async () => {
    const { host } = start()
    const bad = (() => {}) as unknown as number
    await expect(host.call((remote) => remote.add(bad, 1))).rejects.toMatchObject({ code: 'invalid-argument' })
    expect(await host.call((remote) => remote.add(1, 1))).toBe(2)
  })

  test('abort rejects at once and leaves the worker to the others', async () => {
    const { host, workers } = start()
    const controller = new AbortController()
    const hanging = host.call((remote) => remote.hang(), { signal: controller.signal })
    const other = host.call((remote) => remote.add(2, 2))
    controller.abort()
    await expect(hanging).rejects.toMatchObject({ code: 'aborted' })
    expect(await other).toBe(4)
    expect(workers).toHaveLength(1)
  })

  test('a signal that has aborted starts no worker', async () => {
    const { host, workers } = start()
    const signal = AbortSignal.abort()
    await expect(host.call((remote) => remote.add(1, 1), { signal })).rejects.toMatchObject({ code: 'aborted' })
    const stream = host.stream<number>((remote, port) => remote.count(transfer(port, [port]), 1), { signal })
    await expect(stream.getReader().read()).rejects.toMatchObject({ code: 'aborted' })
    expect(workers).toHaveLength(0)
  })
})

describe('streams', () => {
  test('bring their parts', async () => {
    const { host } = start()
    const parts: number[] = []
    for await (const part of host.stream<number>((remote, port) => remote.count(transfer(port, [port]), 100))) {
      parts.push(part)
    }
    expect(parts).toHaveLength(100)
  })

  test('fail as their start fails', async () => {
    const { host } = start()
    const stream = host.stream((remote, port) => remote.refuse(transfer(port, [port])))
    await expect(stream.getReader().read()).rejects.toMatchObject({ code: 'not-found' })
  })

  test('a request can be cancelled', async () => {
    const { host } = start()
    const controller = new AbortController()
    const asked = host.request((remote, port) => remote.ask(transfer(port, [port])), { signal: controller.signal })
    await settle()
    controller.abort(new AlcoveError('timeout', 'too slow'))
    await expect(asked).rejects.toMatchObject({ code: 'timeout' })
  })

  test('cancelling before the worker is ready never starts the stream', async () => {
    let serve = () => {}
    const { host } = start({
      serve: (worker) => {
        serve = () => serveWorker(api, worker.inside as unknown as Endpoint)
      },
    })
    const begin = vi.fn(async () => {})
    const stream = host.stream(begin)
    await stream.cancel()
    serve()
    expect(await host.call((remote) => remote.add(1, 1))).toBe(2)
    expect(begin).not.toHaveBeenCalled()
  })
})

describe('death', () => {
  test('a script that does not load fails what waits, with a hint', async () => {
    const { host, workers } = start({ serve: () => {} })
    const call = host.call((remote) => remote.add(1, 1))
    workers[0]?.dispatchEvent(new Event('error', { cancelable: true }))
    await expect(call).rejects.toMatchObject({
      code: 'worker-crashed',
      hint: expect.stringContaining('JavaScript'),
      details: { hasStarted: false },
    })
    expect([host.state, workers[0]?.terminated]).toEqual(['idle', true])
  })

  test('a script that does not load while the device is offline says that', async () => {
    vi.stubGlobal('navigator', { onLine: false })
    const { host, workers } = start({ serve: () => {} })
    const call = host.call((remote) => remote.add(1, 1))
    workers[0]?.dispatchEvent(new Event('error', { cancelable: true }))
    await expect(call).rejects.toMatchObject({ code: 'worker-crashed', hint: expect.stringContaining('offline') })
    vi.unstubAllGlobals()
  })

  test('a worker that the browser refuses to open fails the call', async () => {
    const { host } = start({
      open() {
        throw new DOMException('blocked by policy', 'SecurityError')
      },
    })
    await expect(host.call((remote) => remote.add(1, 1))).rejects.toMatchObject({
      code: 'worker-crashed',
      message: expect.stringContaining('blocked by policy'),
    })
    expect(host.state).toBe('idle')
  })

  test('a script that never gets ready fails what waits after handshakeMs', async () => {
    const { host, workers } = start({ serve: () => {}, handshakeMs: 20 })
    await expect(host.call((remote) => remote.add(1, 1))).rejects.toMatchObject({
      code: 'worker-crashed',
      message: expect.stringContaining('20 ms'),
    })
    expect(workers[0]?.terminated).toBe(true)
  })

  test('an error of a running script is no death', async () => {
    const { host, workers } = start()
    await host.call((remote) => remote.add(1, 1))
    workers[0]?.dispatchEvent(new Event('error'))
    expect(await host.call((remote) => remote.add(1, 2))).toBe(3)
    expect(workers).toHaveLength(1)
  })

  test('a silent death, seen by the lock, fails every call and stream; the next call starts a new worker', async () => {
    const locks = stubLocks()
    const { host, workers, states } = start()
    const call = host.call((remote) => remote.hang())
    const reader = host.stream((remote, port) => remote.drip(transfer(port, [port]))).getReader()
    expect((await reader.read()).value).toBe('first')
    const reading = reader.read()
    workers[0]?.terminate()
    locks.release()
    await expect(call).rejects.toMatchObject({ code: 'worker-crashed' })
    await expect(reading).rejects.toMatchObject({ code: 'worker-crashed' })
    expect(await host.call((remote) => remote.add(2, 3))).toBe(5)
    expect([workers.length, host.restarts]).toEqual([2, 1])
    expect(states).toEqual(['starting', 'ready', 'idle', 'starting', 'ready'])
  })

  test('without locks silence is death, but only while something is pending', async () => {
    const { host, workers } = start({ beatMs: 10, maxLostBeats: 3 })
    await host.call((remote) => remote.add(1, 1))
    workers[0]?.terminate()
    await settle(100)
    expect(host.state).toBe('ready')
    await expect(host.call((remote) => remote.hang())).rejects.toMatchObject({ code: 'worker-crashed' })
    expect(await host.call((remote) => remote.add(1, 1))).toBe(2)
  })

  test('with locks a worker that is alive and does not answer is replaced too: a loop without end holds its lock', async () => {
    stubLocks()
    const { host, workers } = start({ beatMs: 10, maxLostBeats: 3 })
    await host.call((remote) => remote.add(1, 1))
    // Deaf, with its lock held.
    workers[0]?.terminate()
    await expect(host.call((remote) => remote.hang())).rejects.toMatchObject({
      code: 'worker-crashed',
      message: expect.stringContaining('hangs'),
    })
    expect(await host.call((remote) => remote.add(1, 1))).toBe(2)
    expect([workers.length, host.starts, host.restarts]).toEqual([2, 2, 1])
  })

  test('without locks a worker that answers lives, however long its call takes', async () => {
    const { host, workers } = start({ beatMs: 5, maxLostBeats: 2 })
    const controller = new AbortController()
    const call = host.call((remote) => remote.hang(), { signal: controller.signal })
    await settle(150)
    expect([host.state, workers.length]).toEqual(['ready', 1])
    controller.abort()
    await expect(call).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe('ending it', () => {
  test('kill fails what is pending with the reason, and the next call starts a new worker', async () => {
    const { host, workers } = start()
    await host.call((remote) => remote.add(1, 1))
    const call = host.call((remote) => remote.hang())
    host.kill(new AlcoveError('out-of-memory', 'too big'))
    await expect(call).rejects.toMatchObject({ code: 'out-of-memory' })
    expect(workers[0]?.terminated).toBe(true)
    expect(await host.call((remote) => remote.add(1, 1))).toBe(2)
    expect(host.restarts).toBe(1)
  })

  test('an idle worker is ended, which is no restart', async () => {
    const { host, workers } = start({ idleMs: 30 })
    const stream = host.stream<string>((remote, port) => remote.drip(transfer(port, [port])))
    const reader = stream.getReader()
    await reader.read()
    await settle(80)
    expect(host.state).toBe('ready')
    await reader.cancel()
    await settle(80)
    expect([host.state, workers[0]?.terminated]).toEqual(['idle', true])
    expect(await host.call((remote) => remote.add(1, 1))).toBe(2)
    expect([workers.length, host.restarts]).toEqual([2, 0])
  })

  test('rest ends a worker that is not in use, and leaves one that is', async () => {
    const { host, workers } = start()
    host.rest()
    expect(host.state).toBe('idle')
    const reader = host.stream<string>((remote, port) => remote.drip(transfer(port, [port]))).getReader()
    await reader.read()
    host.rest()
    expect([host.state, workers[0]?.terminated]).toEqual(['ready', false])
    await reader.cancel()
    await settle(10)
    host.rest()
    expect([host.state, workers[0]?.terminated]).toEqual(['idle', true])
    expect(await host.call((remote) => remote.add(1, 1))).toBe(2)
    expect([workers.length, host.restarts]).toEqual([2, 0])
  })

  test('close fails what is pending and every later call', async () => {
    const { host, workers } = start()
    await host.call((remote) => remote.add(1, 1))
    const call = host.call((remote) => remote.hang())
    await host.close()
    await expect(call).rejects.toMatchObject({ code: 'closed' })
    await expect(host.call((remote) => remote.add(1, 1))).rejects.toMatchObject({ code: 'closed' })
    const stream = host.stream((remote, port) => remote.drip(transfer(port, [port])))
    await expect(stream.getReader().read()).rejects.toMatchObject({ code: 'closed' })
    expect([host.state, workers.length, workers[0]?.terminated]).toEqual(['closed', 1, true])
  })

  test('a listener that throws breaks nothing', async () => {
    const { host } = start({
      onState() {
        throw new Error('listener')
      },
    })
    expect(await host.call((remote) => remote.add(1, 1))).toBe(2)
  })
})
