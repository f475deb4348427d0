import { afterEach, describe, expect, test } from 'vitest'
import { AlcoveError } from '../../../src/protocol/error.js'
import { readOne, readPort, servePort, serveRequest } from '../../../src/rpc/port-stream.js'

const ports: MessagePort[] = []
function channel(): [MessagePort, MessagePort] {
  const { port1, port2 } = new MessageChannel()
  ports.push(port1, port2)
  return [port1, port2]
}
afterEach(() => {
  for (const port of ports.splice(0)) port.close()
})

const settle = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms))

async function collect<T>(stream: ReadableStream<T>): Promise<T[]> {
  const parts: T[] = []
  for await (const part of stream) parts.push(part)
  return parts
}

/** Counts what it was asked for. */
function counter(total = Number.POSITIVE_INFINITY) {
  const seen = { produced: 0, cleanedUp: false, aborted: false }
  async function* produce(signal: AbortSignal) {
    signal.addEventListener('abort', () => {
      seen.aborted = true
    })
    try {
      while (seen.produced < total) {
        const part = { index: seen.produced }
        seen.produced += 1
        yield part
      }
    } finally {
      seen.cleanedUp = true
    }
  }
  return { seen, produce }
}

describe('a stream over a port', () => {
  test('brings all parts in order, then ends', async () => {
    const [here, there] = channel()
    const served = servePort(there, counter(1000).produce)
    const parts = await collect(readPort<{ index: number }>(here))
    expect(parts.map((part) => part.index)).toEqual(Array.from({ length: 1000 }, (_, index) => index))
    await served
  })

  test('serves a ReadableStream too', async () => {
    const [here, there] = channel()
    void servePort(
      there,
      () =>
        new ReadableStream<number>({
          start(controller) {
            controller.enqueue(1)
            controller.enqueue(2)
            controller.close()
          },
        }),
    )
    expect(await collect(readPort<number>(here))).toEqual([1, 2])
  })

  test('a reader that sleeps stops the producer at the credit window', async () => {
    const [here, there] = channel()
    const { seen, produce } = counter()
    void servePort(there, produce)
    const reader = readPort<{ index: number }>(here).getReader()
    await settle()
    expect(seen.produced).toBe(32)
    for (let index = 0; index < 40; index += 1) expect((await reader.read()).value).toEqual({ index })
    await settle()
    expect(seen.produced).toBeGreaterThan(40)
    expect(seen.produced).toBeLessThanOrEqual(40 + 32)
    await reader.cancel()
  })

  test('one credit at a time works', async () => {
    const [here, there] = channel()
    void servePort(there, counter(5).produce)
    expect(await collect(readPort(here, { credits: 1 }))).toHaveLength(5)
  })

  test('a burst shares frames, and a part after a pause goes at once', async () => {
    const [here, there] = channel()
    const sizes: number[] = []
    const post = there.postMessage.bind(there)
    there.postMessage = (frame: { type: string; parts?: unknown[] }) => {
      if (frame.type === 'chunk') sizes.push(frame.parts?.length ?? 0)
      post(frame)
    }
    void servePort(there, async function* () {
      yield* Array.from({ length: 20 }, (_, index) => index)
      await settle(10)
      yield 'late'
    })
    expect(await collect(readPort(here))).toHaveLength(21)
    expect(sizes).toEqual([1, 19, 1])
  })

  test('credits go back in few messages, not one for each part', async () => {
    const [here, there] = channel()
    let pulls = 0
    const post = here.postMessage.bind(here)
    here.postMessage = (frame: { type: string }) => {
      pulls += 1
      post(frame)
    }
    void servePort(there, counter(1000).produce)
    expect(await collect(readPort(here))).toHaveLength(1000)
    expect(pulls).toBeLessThan(100)
  })

  test('cancelling stops the producer, cleans it up and closes the port', async () => {
    const [here, there] = channel()
    const { seen, produce } = counter()
    const served = servePort(there, produce)
    const reader = readPort(here).getReader()
    await reader.read()
    await reader.cancel()
    await served
    expect(seen).toMatchObject({ cleanedUp: true, aborted: true })
    const after = seen.produced
    await settle()
    expect(seen.produced).toBe(after)
  })

  test('frames on their way when the reader cancels are ignored', async () => {
    const [here, there] = channel()
    const stream = readPort<number>(here)
    await new Promise((resolve) => {
      there.onmessage = resolve
    })
    there.postMessage({ type: 'chunk', parts: [1] })
    there.postMessage({ type: 'error', error: { code: 'network', message: 'x', hint: 'y', retryable: true } })
    await stream.cancel()
    await settle()
    expect(here.onmessage).toBeNull()
  })

  test('leaving the loop while the producer is busy settles at once and reaches the producer', async () => {
    const [here, there] = channel()
    let aborted: unknown
    void servePort(there, async function* (signal) {
      yield 1
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          aborted = signal.reason
          resolve()
        })
      })
    })
    for await (const part of readPort<number>(here)) {
      expect(part).toBe(1)
      break
    }
    await settle()
    expect(aborted).toMatchObject({ code: 'aborted' })
  })

  test('aborting settles the reader at once with the reason, though the producer hangs', async () => {
    const [here, there] = channel()
    let producerAborted = false
    void servePort(there, async function* (signal) {
      signal.addEventListener('abort', () => {
        producerAborted = true
      })
      yield 1
      await new Promise(() => {})
    })
    const controller = new AbortController()
    const reader = readPort(here, { signal: controller.signal }).getReader()
    await reader.read()
    const waiting = reader.read()
    controller.abort(new AlcoveError('worker-crashed', 'gone'))
    await expect(waiting).rejects.toMatchObject({ code: 'worker-crashed' })
    await settle()
    expect(producerAborted).toBe(true)
  })

  test('a signal that has aborted before errors the stream and starts nothing', async () => {
    const [here, there] = channel()
    const { seen, produce } = counter()
    const stream = readPort(here, { signal: AbortSignal.abort() })
    await expect(collect(stream)).rejects.toMatchObject({ code: 'aborted' })
    await servePort(there, produce)
    expect(seen.produced).toBe(0)
  })

  test('an error comes typed, after every part before it, however slow the reader', async () => {
    const [here, there] = channel()
    void servePort(there, async function* () {
      yield* [1, 2, 3]
      throw new AlcoveError('context-overflow', 'too long', { hint: 'Shorten it.', details: { tokens: 9 } })
    })
    const reader = readPort<number>(here).getReader()
    await settle()
    expect([(await reader.read()).value, (await reader.read()).value, (await reader.read()).value]).toEqual([1, 2, 3])
    await expect(reader.read()).rejects.toMatchObject({
      name: 'AlcoveError',
      code: 'context-overflow',
      message: 'too long',
      hint: 'Shorten it.',
      retryable: false,
      details: { tokens: 9 },
    })
  })

  test('an error of the function itself, before it gave anything, comes too', async () => {
    const [here, there] = channel()
    void servePort(there, () => {
      throw new AlcoveError('not-found', 'no such model')
    })
    await expect(collect(readPort(here))).rejects.toMatchObject({ code: 'not-found' })
  })

  test('a part that cannot be cloned is a typed error, not silence', async () => {
    const [here, there] = channel()
    const { seen, produce } = counter()
    const served = servePort<unknown>(there, async function* (signal) {
      yield* [1, 2]
      yield () => {}
      yield* produce(signal)
    })
    await expect(collect(readPort(here))).rejects.toMatchObject({ code: 'invalid-argument' })
    await served
    expect(seen.cleanedUp || seen.produced === 0).toBe(true)
  })

  test('both ports are closed at the end', async () => {
    const [here, there] = channel()
    const closed: string[] = []
    here.addEventListener('close', () => closed.push('here'))
    there.addEventListener('close', () => closed.push('there'))
    let ends = 0
    const served = servePort(there, counter(3).produce)
    await collect(
      readPort(here, {
        onEnd: () => {
          ends += 1
        },
      }),
    )
    await served
    await settle()
    expect(closed.sort()).toEqual(['here', 'there'])
    expect(ends).toBe(1)
  })
})

describe('a request over a port', () => {
  test('brings its one result', async () => {
    const [here, there] = channel()
    void serveRequest(there, async () => ({ hits: [1, 2] }))
    expect(await readOne(readPort(here))).toEqual({ hits: [1, 2] })
  })

  test('aborting it aborts the work', async () => {
    const [here, there] = channel()
    const controller = new AbortController()
    let worked: AbortSignal | undefined
    void serveRequest(there, async (signal) => {
      worked = signal
      await new Promise(() => {})
    })
    const result = readOne(readPort(here, { signal: controller.signal }))
    await settle()
    controller.abort()
    await expect(result).rejects.toMatchObject({ code: 'aborted' })
    await settle()
    expect(worked?.aborted).toBe(true)
  })
})
