// Harness for workers as they are: start, death, streams and scripts of another origin. Each function returns plain data.

import { transfer } from 'comlink'
import type { AlcoveError } from '../../../src/protocol/error.js'
import { openWorker } from '../../../src/rpc/open-worker.js'
import { createWorkerHost, type WorkerHost, type WorkerHostOptions } from '../../../src/rpc/worker-host.js'
import brokenUrl from './rpc-broken.worker.ts?worker&url'
import type { PeerApi } from './rpc-peer.worker.js'
import peerUrl from './rpc-peer.worker.ts?worker&url'
import silentUrl from './rpc-silent.worker.ts?worker&url'

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

function hostOf(options: Partial<WorkerHostOptions> = {}, url = peerUrl): WorkerHost<PeerApi> {
  return createWorkerHost<PeerApi>({ name: 'peer', open: () => openWorker(url, 'peer'), ...options })
}

/** What a promise rejected with, and when. */
async function failure(promise: Promise<unknown>, since = performance.now()) {
  try {
    await promise
    return { code: 'none', message: '', hint: '', ms: performance.now() - since }
  } catch (error) {
    const { code, message, hint } = error as AlcoveError
    return { code, message, hint, ms: performance.now() - since }
  }
}

/** Asks again and again until it is so; what was asked last. Fails late enough to be no matter of speed. */
async function until<T>(ask: () => Promise<T>, isSo: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await ask()
    if (isSo(value) || tries === 200) return value
    await wait(50)
  }
}

async function countParts(stream: ReadableStream<unknown>): Promise<number> {
  const reader = stream.getReader()
  let parts = 0
  while (!(await reader.read()).done) parts += 1
  return parts
}

/** A control call, its typed error, a stream and a request. */
export async function runCalls() {
  const host = hostOf()
  try {
    const sum = await host.call((peer) => peer.add(2, 3))
    const error = (await host.call((peer) => peer.fail()).catch((thrown: unknown) => thrown)) as AlcoveError
    const { name, code, message, hint, retryable, details } = error
    const parts = await countParts(host.stream((peer, port) => peer.count(transfer(port, [port]), 1000)))
    const echoed = await host.request((peer, port) => peer.echo(transfer(port, [port]), { list: [1, 'two'] }))
    return { sum, error: { name, code, message, hint, retryable, details }, parts, echoed, state: host.state }
  } finally {
    await host.close()
  }
}

/**
 * A worker dies while a call and a stream wait: by `self.close()` in it, or by a `terminate()` that the host does not know
 * of. Then the next call must find a new worker. `withLocks` false leaves the heartbeat alone to see it.
 */
export async function runDeath(how: 'close' | 'terminate', withLocks = true) {
  const locks = Object.getOwnPropertyDescriptor(Navigator.prototype, 'locks')
  if (!withLocks) Object.defineProperty(Navigator.prototype, 'locks', { value: undefined, configurable: true })
  const workers: Worker[] = []
  const host = hostOf({
    open() {
      const worker = openWorker(peerUrl, 'peer')
      workers.push(worker)
      return worker
    },
    beatMs: 50,
    maxLostBeats: 20,
  })
  try {
    await host.call((peer) => peer.add(1, 1))
    const reader = host.stream((peer, port) => peer.drip(transfer(port, [port]), 100_000)).getReader()
    await reader.read()
    const since = performance.now()
    const draining = (async () => {
      while (!(await reader.read()).done);
    })()
    const results = Promise.all([
      failure(
        host.call((peer) => peer.hang()),
        since,
      ),
      failure(draining, since),
    ])
    if (how === 'close') host.call((peer) => peer.die()).catch(() => {})
    else workers[0]?.terminate()
    const [call, stream] = await results
    const next = await host.call((peer) => peer.add(4, 5))
    return { call, stream, next, restarts: host.restarts, workers: workers.length }
  } finally {
    await host.close()
    if (locks !== undefined) Object.defineProperty(Navigator.prototype, 'locks', locks)
  }
}

/** Without locks: a worker that is blocked for longer than several beats, and lives. */
export async function runBlocked() {
  const locks = Object.getOwnPropertyDescriptor(Navigator.prototype, 'locks')
  Object.defineProperty(Navigator.prototype, 'locks', { value: undefined, configurable: true })
  const host = hostOf({ beatMs: 50, maxLostBeats: 40 })
  try {
    return { blocked: await host.call((peer) => peer.block(800)), restarts: host.restarts, state: host.state }
  } finally {
    await host.close()
    if (locks !== undefined) Object.defineProperty(Navigator.prototype, 'locks', locks)
  }
}

/** Scripts that do not start: not there (own origin), broken, and never ready. */
export async function runBadScripts() {
  const missing = hostOf({}, new URL(/* @vite-ignore */ 'no-such.worker.js', import.meta.url).href)
  const broken = hostOf({}, brokenUrl)
  const silent = hostOf({ handshakeMs: 300 }, silentUrl)
  const add = (host: WorkerHost<PeerApi>) => failure(host.call((peer) => peer.add(1, 1)))
  const results = { missing: await add(missing), broken: await add(broken), silent: await add(silent) }
  for (const host of [missing, broken, silent]) await host.close()
  return results
}

/** The same worker from another origin; `base` is where that origin has this harness, with a trailing slash. */
export async function runCrossOrigin(base: string) {
  const url = new URL(new URL(peerUrl, location.href).pathname, base).href
  const blobUrls: string[] = []
  const revoked: string[] = []
  const create = URL.createObjectURL
  const revoke = URL.revokeObjectURL
  URL.revokeObjectURL = (blobUrl) => {
    revoked.push(blobUrl)
    revoke.call(URL, blobUrl)
  }
  URL.createObjectURL = (blob) => {
    const blobUrl = create.call(URL, blob)
    blobUrls.push(blobUrl)
    return blobUrl
  }
  const heard: number[] = []
  const host = hostOf({
    open() {
      const worker = openWorker(url, 'peer')
      worker.addEventListener('message', (event: MessageEvent<{ readonly heard?: number }>) => {
        if (event.data.heard !== undefined) heard.push(event.data.heard)
      })
      worker.postMessage({ early: 1 })
      worker.postMessage({ early: 2 })
      return worker
    },
  })
  const missing = hostOf({}, new URL('no-such.worker.js', base).href)
  try {
    const sum = await host.call((peer) => peer.add(20, 3))
    const parts = await countParts(host.stream((peer, port) => peer.count(transfer(port, [port]), 100)))
    const nested = await host.call((peer) => peer.nestedAdd(url, 5, 6))
    const since = performance.now()
    const hanging = failure(
      host.call((peer) => peer.hang()),
      since,
    )
    host.call((peer) => peer.die()).catch(() => {})
    const death = await hanging
    const isRevoked = blobUrls.length > 0 && blobUrls.every((blobUrl) => revoked.includes(blobUrl))
    const absent = await failure(missing.call((peer) => peer.add(1, 1)))
    return { sum, parts, nested, heard, death, isRevoked, missing: absent }
  } finally {
    URL.createObjectURL = create
    URL.revokeObjectURL = revoke
    await host.close()
    await missing.close()
  }
}

/** A worker with a worker of its own: a call, a stream through both, and the inner one's death. */
export async function runNested() {
  const host = hostOf()
  const url = new URL(peerUrl, location.href).href
  try {
    const sum = await host.call((peer) => peer.nestedAdd(url, 3, 4))
    const parts = await countParts(host.stream((peer, port) => peer.nestedCount(transfer(port, [port]), 500)))
    const death = await host.call((peer) => peer.nestedDeath())
    const again = await host.call((peer) => peer.nestedAdd(url, 1, 1))
    return { sum, parts, death, again }
  } finally {
    await host.close()
  }
}

/** A reader that sleeps, one that leaves, and one that aborts: what the worker saw of each. */
export async function runBackpressure() {
  const host = hostOf()
  const endless = (signal?: AbortSignal) =>
    host.stream((peer, port) => peer.count(transfer(port, [port]), Number.POSITIVE_INFINITY), { signal })
  try {
    const sleeping = endless().getReader()
    await sleeping.read()
    await wait(300)
    const produced = (await host.call((peer) => peer.seen())).produced
    await sleeping.cancel()
    const controller = new AbortController()
    const aborting = endless(controller.signal).getReader()
    await aborting.read()
    const reading = (async () => {
      while (!(await aborting.read()).done);
    })()
    await wait(20)
    const since = performance.now()
    const aborted = failure(reading, since)
    controller.abort()
    const { code, ms } = await aborted
    const after = await until(
      () => host.call((peer) => peer.seen()),
      ({ cleanedUp }) => cleanedUp === 2,
    )
    return { produced, abort: { code, ms }, after }
  } finally {
    await host.close()
  }
}

/** A stream is aborted while its worker is busy with one long synchronous call: what ends first. */
export async function runAbortWhileBlocked() {
  const host = hostOf()
  const order: string[] = []
  const controller = new AbortController()
  try {
    const reader = host
      .stream((peer, port) => peer.drip(transfer(port, [port]), 100_000), { signal: controller.signal })
      .getReader()
    await reader.read()
    const blocked = host.call((peer) => peer.block(2000)).then(() => order.push('worker free'))
    const reading = (async () => {
      while (!(await reader.read()).done);
    })()
    const aborted = failure(reading).then(({ code }) => order.push(code))
    await wait(100)
    controller.abort()
    await Promise.all([blocked, aborted])
    return { order, next: await host.call((peer) => peer.add(1, 1)), restarts: host.restarts }
  } finally {
    await host.close()
  }
}

/** Time a part from worker to page, in microseconds, in a burst and one part a macrotask. */
export async function runTransport(total: number) {
  const host = hostOf()
  const measure = async (verb: 'count', parts: number) => {
    const began = performance.now()
    const got = await countParts(host.stream((peer, port) => peer[verb](transfer(port, [port]), parts)))
    return { got, microseconds: ((performance.now() - began) * 1000) / parts }
  }
  try {
    await measure('count', 1000)
    return await measure('count', total)
  } finally {
    await host.close()
  }
}

/** An idle worker is ended, and the next call starts another. */
export async function runIdle() {
  const host = hostOf({ idleMs: 100 })
  try {
    await host.call((peer) => peer.add(1, 1))
    const before = host.state
    const after = await until(
      async () => host.state,
      (state) => state === 'idle',
    )
    return { before, after, next: await host.call((peer) => peer.add(2, 2)), restarts: host.restarts }
  } finally {
    await host.close()
  }
}
