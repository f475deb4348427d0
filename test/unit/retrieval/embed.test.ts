import { describe, expect, test } from 'vitest'
import { AlcoveError } from '../../../src/protocol/error.js'
import { createTextEmbedder, type VectorCache } from '../../../src/retrieval/embed.js'
import { createPace } from '../../../src/retrieval/pace.js'
import { fakeEmbedder } from './fake-embedder.js'

function memoryCache() {
  const entries = new Map<string, Float32Array>()
  const cache: VectorCache = {
    get: async (key) => entries.get(key),
    async setMany(added) {
      for (const [key, value] of added) entries.set(key, value)
    },
  }
  return { cache, entries }
}
const texts = (count: number, prefix = 'text') => Array.from({ length: count }, (_, n) => `${prefix} number ${n}`)
const settle = () => new Promise((resolve) => setTimeout(resolve, 20))

function gate() {
  let open = () => {}
  const closed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { closed, open }
}

describe('documents', () => {
  test('come as vectors in the order of the texts, in batches of at most eight', async () => {
    const model = fakeEmbedder()
    const embedder = createTextEmbedder({ model, maxBatchSize: 8 })
    const input = texts(30).map((text, n) => text.repeat((n % 5) + 1))
    const done: number[] = []
    const vectors = await embedder.documents(input, { onProgress: (count) => done.push(count) })
    const expected = await fakeEmbedder().embed(input)
    for (const [index, vector] of vectors.entries()) {
      expect([...vector].map((value) => value.toFixed(4))).toEqual(
        [...(expected[index] ?? [])].map((value) => value.toFixed(4)),
      )
    }
    expect(done).toEqual(Array.from({ length: 30 }, (_, n) => n + 1))
    expect(Math.max(...model.calls.map((call) => call.texts.length))).toBeLessThanOrEqual(8)
    expect(model.calls.every(({ purpose }) => purpose === 'document')).toBe(true)
  })

  test('a batch holds texts of like length', async () => {
    const model = fakeEmbedder()
    const input = Array.from({ length: 32 }, (_, n) => `${n} ${'x'.repeat(((n * 7) % 32) + 1)}`)
    await createTextEmbedder({ model, maxBatchSize: 8 }).documents(input)
    for (const { texts } of model.calls) {
      const lengths = texts.map((text) => text.length)
      expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(10)
    }
  })

  test('batches get small where the model is slow', async () => {
    let now = 0
    const model = fakeEmbedder()
    const embed = model.embed.bind(model)
    model.embed = async (batch, options) => {
      now += batch.length * 100
      return await embed(batch, options)
    }
    const clock = { now: () => now, wallTime: () => now, sleep: async () => {}, setTimer: () => () => {} }
    await createTextEmbedder({ model, clock }).documents(texts(40, 'a text of some length that is the same'))
    const sizes = model.calls.map((call) => call.texts.length)
    expect(sizes[0]).toBeGreaterThan(2)
    expect(Math.max(...sizes.slice(1))).toBeLessThanOrEqual(2)
  })

  test('vectors are made to length 1', async () => {
    const model = { ...fakeEmbedder(), embed: async () => [Float32Array.from({ length: 128 }, () => 3)] }
    const [vector] = await createTextEmbedder({ model }).documents(['x'])
    expect(Math.hypot(...(vector ?? []))).toBeCloseTo(1, 5)
  })
})

describe('nothing is embedded twice', () => {
  test('not what is cached, nor twice in one call, nor what is on its way', async () => {
    const { cache } = memoryCache()
    const model = fakeEmbedder()
    const embedder = createTextEmbedder({ model, cache })
    await Promise.all([embedder.documents(['a', 'b', 'a']), embedder.documents(['b', 'c'])])
    expect(model.calls.flatMap((call) => call.texts).sort()).toEqual(['a', 'b', 'c'])
    await embedder.documents(['a', 'b', 'c'])
    await createTextEmbedder({ model, cache }).documents(['c'])
    expect(model.calls.flatMap((call) => call.texts)).toHaveLength(3)
  })

  test('a query is not a document, and another model or variant is another one', async () => {
    const { cache, entries } = memoryCache()
    const model = fakeEmbedder()
    await createTextEmbedder({ model, cache }).documents(['a'])
    await createTextEmbedder({ model, cache }).query('a')
    await createTextEmbedder({ model, cache, key: 'fake:words@other' }).documents(['a'])
    expect(model.calls).toHaveLength(3)
    expect(entries.size).toBe(3)
  })

  test('a cache that fails costs time only', async () => {
    const cache: VectorCache = {
      get: () => Promise.reject(new Error('blocked')),
      setMany: () => Promise.reject(new Error('full')),
    }
    const vectors = await createTextEmbedder({ model: fakeEmbedder(), cache }).documents(['a', 'b'])
    expect(vectors).toHaveLength(2)
  })
})

describe('queries', () => {
  test('go ahead of documents that wait', async () => {
    const model = fakeEmbedder()
    const { closed, open } = gate()
    model.gate = closed
    const embedder = createTextEmbedder({ model, maxBatchSize: 8 })
    const documents = embedder.documents(texts(40))
    await settle()
    const query = embedder.query('what?')
    await settle()
    open()
    await Promise.all([documents, query])
    expect(model.calls.findIndex(({ purpose }) => purpose === 'query')).toBe(1)
    expect(model.calls.length).toBeGreaterThan(4)
  })

  test('reach the model while a batch of documents is under way, and let no more documents in', async () => {
    const model = fakeEmbedder()
    const { closed, open } = gate()
    model.gate = closed
    const embedder = createTextEmbedder({ model, maxBatchSize: 8 })
    const documents = embedder.documents(texts(40))
    await settle()
    const queries = ['what?', 'who?'].map((text) => embedder.query(text))
    await settle()
    const purposes = model.calls.map(({ purpose }) => purpose)
    open()
    await Promise.all([documents, ...queries])
    expect(purposes.filter((purpose) => purpose === 'document')).toHaveLength(1)
    expect(purposes).toContain('query')
  })
})

describe('abort and failure', () => {
  test('an abort rejects at once, drops what waits, and leaves others alone', async () => {
    const model = fakeEmbedder()
    const { closed, open } = gate()
    model.gate = closed
    const embedder = createTextEmbedder({ model, maxBatchSize: 8 })
    const controller = new AbortController()
    const first = embedder.documents(texts(20, 'mine'), { signal: controller.signal })
    const second = embedder.documents([...texts(2, 'theirs'), 'mine number 19'])
    await settle()
    controller.abort()
    await expect(first).rejects.toMatchObject({ code: 'aborted' })
    open()
    expect(await second).toHaveLength(3)
    const embedded = model.calls.flatMap((call) => call.texts)
    expect(embedded.filter((text) => text.startsWith('mine')).length).toBeLessThan(20)
    expect(embedded).toContain('mine number 19')
  })

  test('one text that the model cannot take fails alone', async () => {
    const model = fakeEmbedder()
    const embed = model.embed.bind(model)
    model.embed = async (batch, options) => {
      if (batch.includes('bad')) throw new Error('cannot take this')
      return await embed(batch, options)
    }
    const embedder = createTextEmbedder({ model })
    const results = await Promise.allSettled([
      embedder.documents(['bad']),
      embedder.documents(['good']),
      embedder.documents(['fine']),
    ])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
    expect((results[0] as PromiseRejectedResult).reason).toMatchObject({ code: 'output-invalid' })
  })

  test.each([
    ['of the wrong size', () => [new Float32Array(3).fill(1)], 'dimension-mismatch'],
    ['with a number that is not finite', () => [new Float32Array(128).fill(Number.NaN)], 'invalid-argument'],
    ['too few', () => [], 'output-invalid'],
  ])('vectors %s are refused', async (_, give, code) => {
    const model = { ...fakeEmbedder(), embed: async () => give() }
    await expect(createTextEmbedder({ model }).query('x')).rejects.toMatchObject({ code })
  })

  test('a model that cannot be loaded is not tried again for a while', async () => {
    let now = 0
    const clock = { now: () => now, wallTime: () => now, sleep: async () => {}, setTimer: () => () => {} }
    const model = fakeEmbedder()
    let loads = 0
    model.load = async () => {
      loads++
      if (now < 60_000) throw new AlcoveError('model-not-found', 'not there')
    }
    const embedder = createTextEmbedder({ model, clock })
    for (let n = 0; n < 3; n++) await expect(embedder.query(`q${n}`)).rejects.toMatchObject({ code: 'model-not-found' })
    expect(loads).toBe(1)
    now = 60_000
    expect(await embedder.query('q')).toHaveLength(128)
  })

  test('close fails what waits', async () => {
    const model = fakeEmbedder()
    const { closed, open } = gate()
    model.gate = closed
    const embedder = createTextEmbedder({ model })
    const work = embedder.documents(texts(30))
    await settle()
    embedder.close()
    await expect(work).rejects.toMatchObject({ code: 'closed' })
    await expect(embedder.query('x')).rejects.toMatchObject({ code: 'closed' })
    open()
  })
})

describe('pace', () => {
  test('a pause stops documents and not queries; resume goes on, with nothing embedded twice', async () => {
    const model = fakeEmbedder()
    const embedder = createTextEmbedder({ model, maxBatchSize: 4 })
    const pace = createPace()
    const run = embedder.documents(texts(30), {
      pace,
      onProgress: (done) => done === 8 && pace.set({ isPaused: true }),
    })
    await settle()
    const atPause = model.calls.length
    expect(atPause).toBeGreaterThan(0)
    expect(atPause).toBeLessThan(7)
    expect(await embedder.query('what?')).toHaveLength(128)
    await settle()
    expect(model.calls).toHaveLength(atPause + 1)
    pace.set({ isPaused: false })
    pace.set({ isPaused: false })
    expect(await run).toHaveLength(30)
    expect(model.calls.filter(({ purpose }) => purpose === 'document').flatMap((call) => call.texts)).toHaveLength(30)
  })

  test('what somebody else wants is not held by a pause', async () => {
    const model = fakeEmbedder()
    const embedder = createTextEmbedder({ model })
    const pace = createPace(false, true)
    const paused = embedder.documents(['shared', 'mine'], { pace })
    await settle()
    expect(model.calls).toHaveLength(0)
    expect(await embedder.documents(['shared'])).toHaveLength(1)
    expect(model.calls).toEqual([{ texts: ['shared'], purpose: 'document' }])
    pace.set({ isPaused: false })
    expect(await paused).toHaveLength(2)
    expect(model.calls.flatMap((call) => call.texts)).toEqual(['shared', 'mine'])
  })

  test('an abort ends a paused call', async () => {
    const controller = new AbortController()
    const embedder = createTextEmbedder({ model: fakeEmbedder() })
    const run = embedder.documents(texts(3), { pace: createPace(false, true), signal: controller.signal })
    await settle()
    controller.abort()
    await expect(run).rejects.toMatchObject({ code: 'aborted' })
  })

  test('gentle work makes smaller batches and rests between them; a query does not wait for the rest', async () => {
    const work = async (isGentle: boolean) => {
      const clock = fakeClock()
      const model = fakeEmbedder()
      const embed = model.embed.bind(model)
      model.embed = async (batch, options) => {
        clock.advance(batch.length * 2)
        return await embed(batch, options)
      }
      const embedder = createTextEmbedder({ model, clock })
      let isOver = false
      const run = embedder.documents(texts(120), { pace: createPace(isGentle) }).finally(() => {
        isOver = true
      })
      let restMs = 0
      let queries = 0
      for (let round = 0; !isOver && round < 2000; round++) {
        await new Promise((resolve) => setTimeout(resolve, 0))
        if (isOver || clock.timers === 0) continue
        if (queries++ < 3) expect(await embedder.query(`q${queries}`)).toHaveLength(128)
        restMs += clock.advanceToNextTimer()
      }
      await run
      const sizes = model.calls.filter(({ purpose }) => purpose === 'document').map((call) => call.texts.length)
      return { restMs, largest: Math.max(...sizes), total: sizes.reduce((sum, size) => sum + size, 0) }
    }
    const [full, gentle] = [await work(false), await work(true)]
    expect([full.total, gentle.total]).toEqual([120, 120])
    expect(gentle.largest).toBeLessThan(full.largest)
    // Each text takes 2 ms, and the rests are three times as long as the work.
    expect(gentle.restMs).toBeGreaterThan(2 * 120 * 2)
    expect(full.restMs).toBeLessThan(20)
  })
})

describe('the end of a caller', () => {
  test('what the model is at when its caller leaves is not embedded again for the next one', async () => {
    const model = fakeEmbedder()
    const { closed, open } = gate()
    model.gate = closed
    const embedder = createTextEmbedder({ model })
    const controller = new AbortController()
    const left = embedder.documents(['a'], { signal: controller.signal })
    await settle()
    controller.abort()
    await expect(left).rejects.toMatchObject({ code: 'aborted' })
    const next = embedder.documents(['a'])
    await settle()
    open()
    expect(await next).toHaveLength(1)
    expect(model.calls).toHaveLength(1)
  })

  test('thousands of texts are looked up together and none is lost', async () => {
    const { cache, entries } = memoryCache()
    let lookups = 0
    const batched: VectorCache = {
      ...cache,
      getMany: async (keys) => {
        lookups += 1
        return keys.map((key) => entries.get(key))
      },
    }
    const model = fakeEmbedder()
    const embedder = createTextEmbedder({ model, cache: batched })
    const input = texts(3000)
    expect(await embedder.documents(input)).toHaveLength(3000)
    expect(lookups).toBeLessThan(20)
    const embedded = model.calls.flatMap((call) => call.texts)
    expect([embedded.length, new Set(embedded).size]).toEqual([3000, 3000])
    await embedder.documents(input)
    expect(model.calls.flatMap((call) => call.texts)).toHaveLength(3000)
  })
})

/** A clock that stands still until it is told. */
function fakeClock() {
  let now = 0
  let timers: { at: number; run: () => void }[] = []
  const advance = (ms: number): void => {
    now += ms
  }
  return {
    now: () => now,
    wallTime: () => now,
    sleep: async () => {},
    setTimer(ms: number, run: () => void) {
      const timer = { at: now + ms, run }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    advance,
    get timers() {
      return timers.length
    },
    /** Lets the time of the next timer come; gives how long that took. */
    advanceToNextTimer(): number {
      const next = timers.toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined) return 0
      timers = timers.filter((other) => other !== next)
      const waited = Math.max(0, next.at - now)
      now += waited
      next.run()
      return waited
    },
  }
}
