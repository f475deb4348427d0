import { afterEach, describe, expect, test } from 'vitest'
import type { AddProgress } from '../../../src/protocol/corpus.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import { followBattery } from '../../../src/retrieval/battery.js'
import { type CorpusHost, type CorpusHostOptions, createCorpusHost } from '../../../src/retrieval/corpus.js'
import { createPace } from '../../../src/retrieval/pace.js'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { createWorkerCorpora } from '../../../src/retrieval/worker-corpus.js'
import { createMemoryStore } from '../../../src/store/store.js'
import { type FakeEmbedder, fakeEmbedder } from './fake-embedder.js'
import { createFakeRetrieval } from './fake-worker.js'

const hosts: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close()
})

function openHost(options: Partial<CorpusHostOptions> = {}): { host: CorpusHost; warnings: AlcoveError[] } {
  const warnings: AlcoveError[] = []
  const onWarning = (error: AlcoveError) => warnings.push(error)
  const host = createCorpusHost({ store: createMemoryStore(), parse: parseDocument, onWarning, ...options })
  hosts.push(host)
  return { host, warnings }
}

const settle = (ms = 30) => new Promise((resolve) => setTimeout(resolve, ms))
const documents = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ id: `doc${n}`, text: `Note ${n} speaks of subject${n}.` }))
const embeddedTexts = (model: FakeEmbedder) =>
  model.calls.filter(({ purpose }) => purpose === 'document').flatMap(({ texts }) => texts)

async function until(check: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 400; round++) {
    if (await check()) return
    await settle(5)
  }
  throw new Error('it never came to be')
}

/** A model that takes so long for a call. */
function slowEmbedder(ms: number, options = {}): FakeEmbedder {
  const model = fakeEmbedder(options)
  const embed = model.embed.bind(model)
  model.embed = async (texts, given) => {
    await settle(ms)
    return await embed(texts, given)
  }
  return model
}

describe('many tiny documents', () => {
  test('share batches, and ten thousand of them all get in', async () => {
    const model = fakeEmbedder()
    const { host } = openHost({ embedder: model })
    const corpus = await host.open('c')
    expect(await corpus.add(documents(10_000))).toMatchObject({ added: 10_000, failed: [] })
    expect(await corpus.stats()).toMatchObject({ documents: 10_000, pendingVectors: 0 })
    const texts = embeddedTexts(model)
    expect([texts.length, new Set(texts).size]).toEqual([10_000, 10_000])
    expect(model.calls.length).toBeLessThan(2_500)
  }, 120_000)

  test('behind a large one go on, also when they are unchanged or bad', async () => {
    // The bad ones keep the readers busy until the large one takes all the room.
    const parse: CorpusHostOptions['parse'] = async (input, options) => {
      if (input.data !== 'bad') return await parseDocument(input, options)
      await settle(150)
      throw new AlcoveError('parse-failed', 'bad')
    }
    const { host } = openHost({ embedder: slowEmbedder(20), parse })
    const corpus = await host.open('c', { chunkTokens: 16, overlapTokens: 0 })
    await corpus.add(documents(60))
    const sentences = Array.from({ length: 900 }, (_, n) => `Sentence ${n} of the large one has some words.`)
    const result = await corpus.add([
      { id: 'large', text: sentences.join(' ') },
      ...Array.from({ length: 20 }, (_, n) => ({ id: `bad${n}`, text: 'bad' })),
      ...documents(60),
    ])
    expect(result).toMatchObject({ added: 1, unchanged: 60 })
    expect(result.failed).toHaveLength(20)
  })

  test('are embedded together in the background, too', async () => {
    const model = fakeEmbedder()
    const { host } = openHost()
    const corpus = await host.open('c')
    await corpus.add(documents(200))
    await host.setEmbedder(model)
    await until(async () => (await corpus.stats()).pendingVectors === 0)
    expect(embeddedTexts(model)).toHaveLength(200)
    expect(model.calls.length).toBeLessThan(100)
  })

  test('one that cannot be embedded does not keep the others from it in the background', async () => {
    const model = fakeEmbedder()
    const embed = model.embed.bind(model)
    model.embed = async (texts, given) => {
      if (texts.some((text) => text.includes('subject7.'))) throw new Error('cannot take this')
      return await embed(texts, given)
    }
    const { host, warnings } = openHost()
    const corpus = await host.open('c')
    await corpus.add(documents(20))
    await host.setEmbedder(model)
    await until(async () => (await corpus.stats()).pendingVectors === 1)
    await until(async () => warnings.length > 0)
    expect(warnings[0]).toMatchObject({ code: 'output-invalid' })
  })
})

describe('progress', () => {
  test('of embedding comes at most some ten times a second, with the rate and the time left', async () => {
    const { host } = openHost({ embedder: slowEmbedder(40) })
    const corpus = await host.open('c', { chunkTokens: 16, overlapTokens: 0 })
    const texts = Array.from({ length: 12 }, (_, n) => ({
      id: `long${n}`,
      text: Array.from({ length: 120 }, (_, at) => `Sentence ${at} of text ${n} has its own words.`).join(' '),
    }))
    const began = performance.now()
    const seen: AddProgress[] = []
    for await (const progress of corpus.add(texts)) seen.push(progress)
    const elapsedMs = performance.now() - began
    const embedding = seen.filter(({ type }) => type === 'embedding')
    const { chunks } = await corpus.stats()
    expect(chunks).toBeGreaterThan(500)
    expect(embedding.length).toBeGreaterThan(1)
    expect(embedding.length).toBeLessThanOrEqual(Math.ceil(elapsedMs / 100) + 1)
    const last = embedding.at(-1)
    expect(last?.chunksPerSecond).toBeGreaterThan(0)
    expect(last?.secondsLeft).toBeGreaterThanOrEqual(0)
    expect(last?.secondsLeft).toBeLessThan(elapsedMs / 1000 + 1)
    expect(seen.filter(({ type }) => type === 'ready')).toHaveLength(12)
    for (const { type, chunksDone, chunksTotal } of seen) if (type === 'ready') expect(chunksDone).toBe(chunksTotal)
  })
})

describe('pause and resume', () => {
  const openings = {
    'in one thread': async (model: FakeEmbedder) => openHost({ embedder: model }).host.open('c'),
    'through a worker': async (model: FakeEmbedder) => {
      const host = createFakeRetrieval()
      hosts.push(host)
      return await createWorkerCorpora({ host, storageName: 'app', embedder: model }).open('c')
    },
  }
  for (const [where, open] of Object.entries(openings)) {
    test(`${where}: nothing is embedded while paused, searches go on, and all is there in the end`, async () => {
      const model = slowEmbedder(2)
      const corpus = await open(model)
      const run = corpus.add(documents(600))
      await until(async () => embeddedTexts(model).length > 20)
      run.pause()
      expect(run.isPaused).toBe(true)
      // The batch that was under way comes to its end, on a busy machine late.
      await until(async () => {
        const before = embeddedTexts(model).length
        await settle(60)
        return embeddedTexts(model).length === before
      })
      const atPause = embeddedTexts(model).length
      expect(atPause).toBeLessThan(600)
      await settle(60)
      expect(embeddedTexts(model)).toHaveLength(atPause)
      expect((await corpus.search('subject1')).length).toBeGreaterThan(0)
      run.resume()
      expect(await run).toMatchObject({ added: 600, failed: [] })
      expect(new Set(embeddedTexts(model)).size).toBe(embeddedTexts(model).length)
      expect(await corpus.stats()).toMatchObject({ pendingVectors: 0 })
    })

    test(`${where}: paused from the start, and aborted while paused`, async () => {
      const model = fakeEmbedder()
      const corpus = await open(model)
      const controller = new AbortController()
      const run = corpus.add(documents(5), { signal: controller.signal })
      run.pause()
      await settle(60)
      expect(embeddedTexts(model).length).toBeLessThanOrEqual(5)
      controller.abort()
      await expect(run).rejects.toMatchObject({ code: 'aborted' })
    })
  }
})

describe('vectors in the background', () => {
  test('the add is over when its documents are found by keyword; their vectors follow', async () => {
    const model = fakeEmbedder()
    let open = (): void => {}
    model.gate = new Promise((resolve) => {
      open = resolve
    })
    const { host } = openHost({ embedder: model })
    const corpus = await host.open('c')
    expect(await corpus.add(documents(5), { vectors: 'background' })).toMatchObject({ added: 5 })
    expect((await corpus.search('subject3', { mode: 'keyword' }))[0]?.source.id).toBe('doc3')
    expect(await corpus.stats()).toMatchObject({ pendingVectors: 5 })
    open()
    await until(async () => (await corpus.stats()).pendingVectors === 0)
    expect(embeddedTexts(model)).toHaveLength(5)
  })

  test('a corpus that uses no vectors embeds nothing, also not what was added before', async () => {
    const model = fakeEmbedder()
    const { host } = openHost({ embedder: model })
    const corpus = await host.open('c', { usesVectors: false })
    await corpus.add(documents(5))
    expect((await corpus.search('subject3'))[0]?.source.id).toBe('doc3')
    await settle()
    expect(model.calls).toEqual([])
    await host.open('c', { usesVectors: true })
    await until(async () => (await corpus.stats()).pendingVectors === 0)
    expect(embeddedTexts(model)).toHaveLength(5)
  })
})

describe('the context header', () => {
  const text = `# Herons\n\n${'The heron waits in shallow water for fish. '.repeat(20)}\n\n## Nests\n\n${'It nests in trees. '.repeat(40)}`
  const document = { id: 'birds', title: 'Birds of the lake', mediaType: 'text/markdown', text }

  test('is embedded before each text and not stored; within the limit; the same in the background', async () => {
    const model = fakeEmbedder({ countsTokens: true })
    const { host } = openHost({ embedder: model })
    const options = { contextHeader: true, chunkTokens: 60, overlapTokens: 5 }
    const corpus = await host.open('c', options)
    await corpus.add(document)
    const texts = embeddedTexts(model)
    expect(texts.length).toBeGreaterThan(3)
    for (const embedded of texts) {
      expect(embedded).toMatch(/^Birds( of the |.*> )/)
      expect(embedded.split(/\s+/).length).toBeLessThanOrEqual(60)
    }
    const hits = await corpus.search('heron', { mode: 'keyword' })
    expect(hits[0]?.text).toMatch(/^# Herons|^The heron/)
    const later = fakeEmbedder({ id: 'fake:later', countsTokens: true })
    await host.setEmbedder(later)
    await until(async () => (await corpus.stats()).pendingVectors === 0)
    expect(embeddedTexts(later).sort()).toEqual([...texts].sort())
  })

  test('taking it or leaving it out changes a document that is added again, once', async () => {
    const { host } = openHost({ embedder: fakeEmbedder() })
    const corpus = await host.open('c')
    await corpus.add(document)
    await host.open('c', { contextHeader: true })
    expect(await corpus.add(document)).toMatchObject({ updated: 1 })
    expect(await corpus.add(document)).toMatchObject({ unchanged: 1 })
    await host.open('c', { contextHeader: false })
    expect(await corpus.add(document)).toMatchObject({ updated: 1 })
  })
})

describe('semantic chunking', () => {
  test('cuts where the subject changes, and embeds no sentence into the cache', async () => {
    const kept: string[] = []
    const cache = {
      get: async () => undefined,
      async setMany(entries: readonly (readonly [string, Float32Array])[]) {
        kept.push(...entries.map(([key]) => key))
      },
    }
    const about = (subject: string) =>
      Array.from({ length: 8 }, (_, n) => `The ${subject} of the ${subject} is a ${subject} number ${n}.`).join(' ')
    const text = `${about('heron')} ${about('engine')}`
    const { host } = openHost({ embedder: fakeEmbedder({ countsTokens: true }), cache })
    const corpus = await host.open('c', { chunking: 'semantic', chunkTokens: 130, overlapTokens: 0 })
    await corpus.add({ id: 'two', text })
    const hits = await corpus.search('heron engine', { mode: 'keyword', topK: 10 })
    const texts = hits.map((hit) => hit.text)
    expect(texts.some((one) => one.includes('heron') && one.includes('engine'))).toBe(false)
    expect(texts.length).toBeGreaterThan(1)
    expect(kept).toHaveLength((await corpus.stats()).chunks)
  })

  test('is refused by another name', async () => {
    const { host } = openHost()
    await expect(host.open('c', { chunking: 'magic' as 'semantic' })).rejects.toMatchObject({
      code: 'invalid-argument',
    })
  })
})

describe('bad input', () => {
  test('storage that gets full in the middle fails the rest alone, and what was stored stays whole', async () => {
    const inner = createMemoryStore()
    let writes = 0
    const store = {
      ...inner,
      async write(changes: Parameters<typeof inner.write>[0]) {
        const texts = (changes.set ?? []).filter(([key]) => key.endsWith('/text')).length
        if (writes + texts > 10) throw new AlcoveError('quota-exceeded', 'full')
        writes += texts
        await inner.write(changes)
      },
    }
    const { host } = openHost({ embedder: fakeEmbedder(), store })
    const corpus = await host.open('c')
    const result = await corpus.add(documents(30))
    expect(result.added).toBe(10)
    expect(result.failed).toHaveLength(20)
    expect(new Set(result.failed.map(({ code }) => code))).toEqual(new Set(['quota-exceeded']))
    const reopened = openHost({ embedder: fakeEmbedder(), store: inner }).host
    const again = await reopened.open('c')
    expect(await again.stats()).toMatchObject({ documents: 10, pendingVectors: 0 })
    expect(await again.add(documents(30))).toMatchObject({ added: 20, unchanged: 10, failed: [] })
  })

  test('an endless word, lone surrogates and an empty text: the bad one alone fails', async () => {
    const { host } = openHost({ embedder: fakeEmbedder({ countsTokens: true }) })
    const corpus = await host.open('c')
    const result = await corpus.add([
      { id: 'endless', text: 'x'.repeat(200_000) },
      { id: 'lone', text: '\ud800 and \udfff stand alone \ud800' },
      { id: 'empty', text: ' \n ' },
      { id: 'good', text: 'A good text.' },
    ])
    expect(result.ids).toEqual(['endless', 'lone', 'good'])
    expect(result.failed).toMatchObject([{ code: 'document-empty' }])
    const stored = await corpus.get('lone')
    for (const { source, span, text } of await corpus.search('stand alone', { mode: 'keyword' })) {
      if (source.id === 'lone') expect(stored?.text.slice(...span)).toBe(text)
    }
  })
})

describe('the battery', () => {
  test('makes the pace gentle while it is in use, and no longer when told to stop', async () => {
    const battery = Object.assign(new EventTarget(), { charging: false })
    const pace = createPace()
    const stop = followBattery(pace, { getBattery: async () => battery })
    await settle(5)
    expect(pace.isGentle).toBe(true)
    battery.charging = true
    battery.dispatchEvent(new Event('chargingchange'))
    expect(pace.isGentle).toBe(false)
    stop()
    battery.charging = false
    battery.dispatchEvent(new Event('chargingchange'))
    expect(pace.isGentle).toBe(false)
  })

  test('that nobody may ask about changes nothing', async () => {
    const pace = createPace()
    followBattery(pace, { getBattery: () => Promise.reject(new Error('forbidden')) })
    followBattery(pace, {})
    await settle(5)
    expect(pace.isGentle).toBe(false)
  })
})

describe('what the parser tells', () => {
  const parsed = {
    mediaType: 'application/pdf',
    text: 'First page.\n\nThird page.',
    pages: [
      { page: 1, span: [0, 13] as const },
      { page: 3, span: [13, 24] as const },
    ],
    headings: [],
    warnings: [{ code: 'pages-without-text' as const, message: '1 of 3 pages have no text' }],
  }

  test('of what it could not read comes with the progress and with the result', async () => {
    const { host } = openHost({ parse: async () => parsed })
    const corpus = await host.open('c')
    const run = corpus.add({ id: 'scan', title: 'Scan', data: new Blob(['x']) })
    const told: AddProgress[] = []
    for await (const progress of run) told.push(progress)
    expect(told.find(({ type }) => type === 'ready')?.warnings).toEqual(parsed.warnings)
    expect((await run).warnings).toEqual([{ ...parsed.warnings[0], id: 'scan', title: 'Scan' }])
    expect(await corpus.add({ id: 'scan', title: 'Scan', data: new Blob(['x']) })).not.toHaveProperty('warnings')
  })

  test('of pages is kept, and is in a file of the corpus', async () => {
    const { host } = openHost({ parse: async () => parsed })
    const corpus = await host.open('c')
    await corpus.add({ id: 'scan', data: new Blob(['x']) })
    // Of the second page nothing is known.
    const spans = [
      [0, 13],
      [0, 0],
      [13, 24],
    ]
    expect((await corpus.get('scan'))?.pageSpans).toEqual(spans)
    const copy = await host.open('copy')
    await copy.import(await corpus.export())
    expect((await copy.get('scan'))?.pageSpans).toEqual(spans)
  })
})
