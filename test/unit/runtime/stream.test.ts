import { describe, expect, test } from 'vitest'
import { AlcoveError } from '../../../src/protocol/error.js'
import { iterate, streamOf } from '../../../src/runtime/stream.js'

const settle = (ms = 10) => new Promise((resolve) => setTimeout(resolve, ms))

async function collect<T>(source: ReadableStream<T> | AsyncIterable<T>): Promise<T[]> {
  const parts: T[] = []
  for await (const part of iterate(source)) parts.push(part)
  return parts
}

function numbers() {
  const seen = { asked: 0, cleanedUp: false, signal: undefined as AbortSignal | undefined }
  async function* produce(signal: AbortSignal) {
    seen.signal = signal
    try {
      for (;;) {
        seen.asked += 1
        yield seen.asked
      }
    } finally {
      seen.cleanedUp = true
    }
  }
  return { seen, produce }
}

describe('iterate', () => {
  test('reads a stream and an iterable alike', async () => {
    const source = () =>
      streamOf(async function* () {
        yield* [1, 2, 3]
      })
    expect(await collect(source())).toEqual([1, 2, 3])
    expect(
      await collect(
        (async function* () {
          yield* [1, 2]
        })(),
      ),
    ).toEqual([1, 2])
  })

  test('leaving early cancels a stream, with the reason unread parts gone', async () => {
    const { seen, produce } = numbers()
    for await (const part of iterate(streamOf(produce))) if (part === 3) break
    expect(seen).toMatchObject({ asked: 3, cleanedUp: true })
    expect(seen.signal?.aborted).toBe(true)
  })

  test('leaving early ends an iterable', async () => {
    const { seen, produce } = numbers()
    for await (const part of iterate(produce(new AbortController().signal))) if (part === 2) break
    expect(seen.cleanedUp).toBe(true)
  })

  test('return() settles while a next() waits, which then is done', async () => {
    const iterator = iterate(
      streamOf(async function* () {
        await new Promise(() => {})
        yield 1
      }),
    )
    const waiting = iterator.next()
    await iterator.return?.()
    expect(await waiting).toEqual({ done: true, value: undefined })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  })

  test('an error of the stream comes out of the loop', async () => {
    const failing = new ReadableStream({
      start(controller) {
        controller.error(new AlcoveError('network', 'off'))
      },
    })
    await expect(collect(failing)).rejects.toMatchObject({ code: 'network' })
  })
})

describe('streamOf', () => {
  test('asks for nothing before it is read, and for no more than is read', async () => {
    const { seen, produce } = numbers()
    const reader = streamOf(produce).getReader()
    await settle()
    expect(seen.asked).toBe(0)
    await reader.read()
    await settle()
    expect(seen.asked).toBe(1)
    await reader.cancel()
  })

  test('cancel cleans the generator up before it resolves', async () => {
    const { seen, produce } = numbers()
    const reader = streamOf(produce).getReader()
    await reader.read()
    await reader.cancel('enough')
    expect(seen.cleanedUp).toBe(true)
    expect(seen.signal?.reason).toBe('enough')
  })

  test('cancel does not wait for a generator in the middle of its work', async () => {
    let cleanedUp = false
    let finishWork = () => {}
    const reader = streamOf(async function* () {
      try {
        await new Promise<void>((resolve) => {
          finishWork = resolve
        })
        yield 1
      } finally {
        cleanedUp = true
      }
    }).getReader()
    void reader.read()
    await settle()
    await reader.cancel()
    expect(cleanedUp).toBe(false)
    finishWork()
    await settle()
    expect(cleanedUp).toBe(true)
  })

  test('abort errors the stream at once, with the reason, and stops the generator', async () => {
    const { seen, produce } = numbers()
    const controller = new AbortController()
    const reader = streamOf(produce, { signal: controller.signal }).getReader()
    await reader.read()
    controller.abort(new AlcoveError('timeout', 'late'))
    await expect(reader.read()).rejects.toMatchObject({ code: 'timeout' })
    await settle()
    expect([seen.cleanedUp, seen.signal?.aborted]).toEqual([true, true])
  })

  test('a signal that has aborted before never starts the generator', async () => {
    const { seen, produce } = numbers()
    const reader = streamOf(produce, { signal: AbortSignal.abort() }).getReader()
    await expect(reader.read()).rejects.toMatchObject({ code: 'aborted' })
    expect(seen.asked).toBe(0)
  })

  test('after its end an abort is nothing', async () => {
    const controller = new AbortController()
    const stream = streamOf(
      async function* () {
        yield 1
      },
      { signal: controller.signal },
    )
    const reader = stream.getReader()
    expect([await reader.read(), await reader.read()]).toMatchObject([{ value: 1 }, { done: true }])
    controller.abort()
    expect((await reader.read()).done).toBe(true)
  })

  test('errors come typed: AlcoveErrors as they are, others with the code of the options', async () => {
    const failing = (error: unknown) =>
      // biome-ignore lint/correctness/useYield: it fails before it gives anything
      async function* () {
        throw error
      }
    await expect(collect(streamOf(failing(new AlcoveError('device-lost', 'x'))))).rejects.toMatchObject({
      code: 'device-lost',
    })
    const typed = streamOf(failing(new TypeError('broken')), { errorCode: 'model-load-failed' })
    await expect(collect(typed)).rejects.toMatchObject({ code: 'model-load-failed', message: 'broken' })
    const thrown = streamOf(() => {
      throw new AlcoveError('closed', 'no')
    })
    await expect(collect(thrown)).rejects.toMatchObject({ code: 'closed' })
  })
})
