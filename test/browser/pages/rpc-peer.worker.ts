// The worker of the rpc harness: it calculates, streams, fails and dies when told to, and hosts a worker of its own.

import { transfer } from 'comlink'
import { AlcoveError } from '../../../src/protocol/error.js'
import { openWorker } from '../../../src/rpc/open-worker.js'
import { servePort, serveRequest } from '../../../src/rpc/port-stream.js'
import { serveWorker } from '../../../src/rpc/serve-worker.js'
import { createWorkerHost, type WorkerHost } from '../../../src/rpc/worker-host.js'

const seen = { produced: 0, aborted: 0, cleanedUp: 0 }
let inner: WorkerHost<PeerApi> | undefined

async function* count(total: number, signal: AbortSignal) {
  signal.addEventListener('abort', () => {
    seen.aborted += 1
  })
  try {
    for (let index = 0; index < total; index += 1) {
      seen.produced += 1
      yield { type: 'text-delta', text: ` word ${index}` }
    }
  } finally {
    seen.cleanedUp += 1
  }
}

const api = {
  async add(a: number, b: number) {
    return a + b
  },
  async fail() {
    throw new AlcoveError('quota-exceeded', 'full', { hint: 'Delete it.', details: { bytes: 5 }, retryable: true })
  },
  async hang() {
    await new Promise(() => {})
  },
  /** Blocks this thread, as a prefill on wasm does. */
  async block(ms: number) {
    const end = performance.now() + ms
    while (performance.now() < end);
    return ms
  },
  async die() {
    ;(globalThis as unknown as { close(): void }).close()
  },
  async seen() {
    return { ...seen }
  },
  async count(port: MessagePort, total: number) {
    await servePort(port, (signal) => count(total, signal))
  },
  /** One part a macrotask, as an engine gives tokens. */
  async drip(port: MessagePort, total: number) {
    await servePort(port, async function* (signal) {
      for await (const part of count(total, signal)) {
        await new Promise((resolve) => setTimeout(resolve, 1))
        yield part
      }
    })
  },
  async echo(port: MessagePort, value: unknown) {
    await serveRequest(port, async () => value)
  },
  /** Starts a worker of this worker's own and asks it. */
  async nestedAdd(url: string, a: number, b: number): Promise<number> {
    inner ??= createWorkerHost<PeerApi>({ name: 'nested', open: () => openWorker(url, 'nested') })
    return await inner.call((remote) => remote.add(a, b))
  },
  /** Lets the worker of this worker die while a call waits: what that call rejects with. */
  async nestedDeath(): Promise<string> {
    const waiting = inner?.call((remote) => remote.hang())
    inner?.call((remote) => remote.die()).catch(() => {})
    return await Promise.resolve(waiting).then(
      () => 'none',
      (error: AlcoveError) => error.code,
    )
  },
  async nestedCount(port: MessagePort, total: number) {
    const host = inner
    if (host === undefined) throw new AlcoveError('invalid-argument', 'Call nestedAdd first')
    await servePort(port, (signal) =>
      host.stream((remote, own) => remote.count(transfer(own, [own]), total), { signal }),
    )
  },
}

export type PeerApi = typeof api

addEventListener('message', (event: MessageEvent<{ readonly early?: number } | undefined>) => {
  if (event.data?.early !== undefined) postMessage({ heard: event.data.early })
})
serveWorker(api)
