import { describe, expect, test } from 'vitest'
import type { ModelSpec } from '../../../src/engines/engine.js'
import type { EmbeddingModel } from '../../../src/protocol/model.js'
import { createTextEmbedder } from '../../../src/retrieval/embed.js'
import { createEmbeddingHelpers } from '../../../src/retrieval/embedding-helpers.js'
import { createEmbeddingLanes } from '../../../src/retrieval/embedding-lanes.js'
import { type FakeEmbedder, fakeEmbedder } from './fake-embedder.js'

/** A clock that stands still until it is told; timers run when their time has come. */
function manualClock() {
  let now = 0
  let timers: { at: number; run: () => void }[] = []
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
    advance(ms: number) {
      now += ms
      const due = timers.filter(({ at }) => at <= now)
      timers = timers.filter(({ at }) => at > now)
      for (const { run } of due) run()
    },
  }
}

/** Lanes over a model and copies that know whether they were ended. */
function setUp(most = 2) {
  const clock = manualClock()
  const model = fakeEmbedder()
  const copies: (FakeEmbedder & { isEnded: boolean })[] = []
  let rooms = 0
  const open = async (): Promise<EmbeddingModel> => {
    const copy = Object.assign(fakeEmbedder(), { isEnded: false })
    copy.dispose = async () => {
      copy.isEnded = true
    }
    copies.push(copy)
    return copy
  }
  const lanes = createEmbeddingLanes({ model, helpers: { open, most }, clock, onRoom: () => rooms++ })
  /** So many batches of 10 texts, each of which takes so long. */
  const work = async (batches: number, ms: number, left = 10_000): Promise<void> => {
    for (let n = 0; n < batches; n++) {
      await lanes.embed(['a'], 'document')
      clock.advance(ms)
      lanes.record({ texts: 10, cost: 1000, left })
      await Promise.resolve()
      await Promise.resolve()
    }
  }
  return { clock, model, copies, lanes, work, rooms: () => rooms }
}

describe('copies of the model', () => {
  test('are opened one after the other, each when the last has shown its worth, while enough is left', async () => {
    const { work, lanes, copies, rooms } = setUp(2)
    await work(3, 100)
    expect([copies.length, lanes.room]).toEqual([0, 1])
    await work(3, 100)
    expect([copies.length, lanes.room, rooms()]).toEqual([1, 3, 1])
    await work(10, 50)
    expect(copies).toHaveLength(1)
    await work(30, 50)
    expect([copies.length, lanes.room]).toEqual([2, 5])
    await work(100, 35)
    expect(copies.map(({ isEnded }) => isEnded)).toEqual([false, false])
  })

  test('are not opened for little work, nor by a device that can have none', async () => {
    const { work, copies } = setUp()
    await work(50, 100, 200)
    expect(copies).toHaveLength(0)
    const alone = setUp(0)
    await alone.work(50, 100)
    expect(alone.copies).toHaveLength(0)
  })

  test('are ended when the whole is no faster with them, and not tried again for a minute', async () => {
    const { work, lanes, copies } = setUp()
    await work(6, 100)
    expect(lanes.room).toBe(3)
    await work(20, 90)
    expect([lanes.room, copies[0]?.isEnded]).toEqual([1, true])
    await work(400, 100)
    expect(copies).toHaveLength(1)
    await work(250, 100)
    expect(copies).toHaveLength(2)
  })

  test('are ended when there is nothing to do, and with the embedder', async () => {
    const { clock, work, lanes, copies } = setUp(1)
    await work(6, 100)
    clock.advance(20_000)
    expect([lanes.room, copies[0]?.isEnded]).toEqual([1, true])
    await work(6, 100)
    expect(copies).toHaveLength(2)
    lanes.close()
    expect([lanes.room, copies[1]?.isEnded]).toEqual([1, true])
  })

  test('get documents, two batches each, and no query; one that fails leaves its batch to the model', async () => {
    const { work, lanes, model, copies } = setUp(1)
    await work(6, 100)
    const [copy] = copies
    if (copy === undefined) throw new Error('no copy was opened')
    const [before, beforeCopy] = [model.calls.length, copy.calls.length]
    copy.gate = new Promise(() => {})
    void lanes.embed(['one'], 'document')
    void lanes.embed(['two'], 'document')
    expect((await lanes.embed(['three'], 'document')).isOwn).toBe(true)
    expect((await lanes.embed(['what?'], 'query')).isOwn).toBe(true)
    expect(copy.calls.slice(beforeCopy).map(({ texts }) => texts[0])).toEqual(['one', 'two'])
    expect(model.calls.slice(before).map(({ texts }) => texts[0])).toEqual(['three', 'what?'])
    const broken = setUp(1)
    await broken.work(6, 100)
    for (const one of broken.copies) one.failure = new Error('it died')
    const { vectors, isOwn } = await broken.lanes.embed(['text'], 'document')
    expect([vectors.length, isOwn, broken.lanes.room, broken.copies[0]?.isEnded]).toEqual([1, true, 1, true])
  })
})

describe('an embedder with copies', () => {
  const texts = Array.from({ length: 3000 }, (_, n) => `text number ${n}`)

  /** Takes half a millisecond a text, as a session that holds its own core would. */
  function busyModel(): FakeEmbedder {
    const model = fakeEmbedder()
    const embed = model.embed.bind(model)
    model.embed = async (batch, options) => {
      await new Promise((resolve) => setTimeout(resolve, batch.length / 2))
      return await embed(batch, options)
    }
    return model
  }

  test('embeds each text once, in both, and gives the vectors in order', async () => {
    const [model, copy] = [busyModel(), busyModel()]
    const embedder = createTextEmbedder({ model, helpers: { open: async () => copy, most: 1 } })
    // What follows makes it a long piece of work.
    const vectors = await embedder.documents(texts, { following: () => 100_000 })
    embedder.close()
    const embedded = [...model.calls, ...copy.calls].flatMap((call) => call.texts)
    expect(copy.calls.length).toBeGreaterThan(0)
    expect([embedded.length, new Set(embedded).size]).toEqual([texts.length, texts.length])
    const expected = await fakeEmbedder().embed(texts)
    expect(vectors.map((vector) => vector[5]?.toFixed(5))).toEqual(expected.map((vector) => vector[5]?.toFixed(5)))
  })

  test('loses no text when a copy dies', async () => {
    const [model, copy] = [busyModel(), busyModel()]
    const embedder = createTextEmbedder({ model, helpers: { open: async () => copy, most: 1 } })
    const work = embedder.documents(texts, { following: () => 100_000 })
    while (copy.calls.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    copy.failure = new Error('its worker died')
    expect((await work).every((vector) => vector.length === 128)).toBe(true)
    embedder.close()
  })
})

describe('how many copies a device gets', () => {
  const spec: ModelSpec = { id: 'transformers:m', allowRemote: false, hubUrl: 'https://hub/', cacheName: 'm' }
  const open = (): Worker => {
    throw new Error('not wanted here')
  }
  const mostOf = (cores: number, memory: number | undefined, threads = 1, more: Partial<ModelSpec> = {}) =>
    createEmbeddingHelpers({
      spec: { ...spec, ...more },
      open,
      inspect: async () => ({ state: 'available' }),
      device: { cores, memory, threads },
    })?.most ?? 0

  test('depends on its cores and memory, and none runs where a GPU does', () => {
    expect([mostOf(1, 8), mostOf(2, 8), mostOf(4, 8), mostOf(16, 8), mostOf(16, 4)]).toEqual([0, 1, 2, 3, 1])
    expect([mostOf(8, 2), mostOf(8, undefined)]).toEqual([0, 0])
    expect(mostOf(8, 8, 4)).toBe(1)
    expect([mostOf(8, 8, 1, { device: 'webgpu' }), mostOf(8, 8, 1, { device: 'wasm' })]).toEqual([0, 3])
  })

  test('none is opened that would have to be fetched', async () => {
    const device = { cores: 4, memory: 8, threads: 1 }
    const helpers = createEmbeddingHelpers({ spec, open, inspect: async () => ({ state: 'downloadable' }), device })
    expect(await helpers?.open()).toBeUndefined()
  })
})
