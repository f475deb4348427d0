import { proxy, transfer } from 'comlink'
import { createWorkerHost, type WorkerHost } from '../src/rpc/worker-host.js'
import { iterate } from '../src/runtime/stream.js'
import { type BenchContext, measureOf, type Report } from './lib/result.js'
import { sleep, takeTurns } from './lib/rounds.js'
import { summarize } from './lib/statistics.js'
import type { TextPart, TransportApi } from './transport.worker.js'

export const what = 'One small text part from a worker to the page, by our port stream and by Comlink.'

type Host = WorkerHost<TransportApi>

function openStream(host: Host, count: number, eachInItsOwnTask: boolean): ReadableStream<TextPart> {
  return host.stream<TextPart>((api, port) => api.stream(count, eachInItsOwnTask, transfer(port, [port])))
}

/** Milliseconds per part, from the call to the last part. */
async function timeStream(host: Host, count: number, eachInItsOwnTask: boolean): Promise<number> {
  const start = performance.now()
  let received = 0
  for await (const _part of iterate(openStream(host, count, eachInItsOwnTask))) received += 1
  if (received !== count) throw new Error(`expected ${count} parts, got ${received}`)
  return (performance.now() - start) / count
}

async function timeCalls(host: Host, count: number): Promise<number> {
  return host.call(async (api) => {
    const start = performance.now()
    for (let index = 0; index < count; index++) await api.next()
    return (performance.now() - start) / count
  })
}

async function timeCallBack(host: Host, count: number, awaited: boolean): Promise<number> {
  return host.call(async (api) => {
    const start = performance.now()
    await new Promise<void>((resolve, reject) => {
      let received = 0
      const receive = proxy(() => {
        received += 1
        if (received === count) resolve()
      })
      const call = awaited ? api.callBackAwaited(count, receive) : api.callBack(count, receive)
      call.catch(reject)
    })
    return (performance.now() - start) / count
  })
}

/** How many parts the producer made while the reader slept after its first part. */
async function producedWhileAsleep(host: Host, count: number): Promise<number> {
  const parts = iterate(openStream(host, count, false))
  await parts.next()
  await sleep(500)
  const produced = await host.call((api) => api.produced())
  await parts.return?.()
  return produced
}

/** Runs the benchmark in this page. */
export async function run({ quick }: BenchContext): Promise<Report> {
  const host: Host = createWorkerHost<TransportApi>({
    name: 'transport',
    open: () => new Worker(new URL('./transport.worker.ts', import.meta.url), { type: 'module' }),
  })
  const count = quick ? 2_000 : 50_000
  const calls = quick ? 500 : 5_000
  const samples = await takeTurns(
    {
      stream: () => timeStream(host, count, false),
      paced: () => timeStream(host, count / 5, true),
      call: () => timeCalls(host, calls),
      callBack: () => timeCallBack(host, count / 5, false),
      callBackAwaited: () => timeCallBack(host, calls, true),
    },
    { rounds: quick ? 2 : 7, warmUp: quick ? 1 : 2 },
  )
  const micros = (name: keyof typeof samples) => measureOf(summarize(samples[name].map((ms) => ms * 1000)))
  const asleep = await producedWhileAsleep(host, 100_000)
  await host.close()
  const baselines = [
    { what: 'Comlink, a call a part', ...micros('call') },
    { what: 'Comlink, a callback a part, awaited', ...micros('callBackAwaited') },
    { what: 'Comlink, a callback a part, not awaited (no bound on memory)', ...micros('callBack') },
  ]
  return {
    figures: [
      {
        what: 'A part from worker to page, as fast as they come',
        unit: 'µs',
        ...micros('stream'),
        baselines,
        goal: { on: 'value', most: 12 },
      },
      {
        what: 'The same, each part made in a turn of the event loop of its own (that turn included)',
        unit: 'µs',
        ...micros('paced'),
        baselines,
      },
      {
        what: 'Parts made while the reader sleeps, of 100,000',
        unit: 'parts',
        value: asleep,
        goal: { on: 'value', most: 64 },
      },
    ],
    notes: [
      `${count.toLocaleString('en')} parts {type: 'text-delta', text: 'word '} a round; ${calls.toLocaleString('en')} calls for what awaits each one.`,
    ],
  }
}
