import { afterEach, describe, expect, test } from 'vitest'
import type { AddProgress } from '../../../src/protocol/corpus.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import { type CorpusHost, type CorpusHostOptions, createCorpusHost } from '../../../src/retrieval/corpus.js'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { createMemoryStore, type Store } from '../../../src/store/store.js'
import { fakeEmbedder } from './fake-embedder.js'

const hosts: CorpusHost[] = []
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close()
})

function openHost(options: Partial<CorpusHostOptions> = {}) {
  const warnings: AlcoveError[] = []
  const host = createCorpusHost({
    store: createMemoryStore(),
    parse: parseDocument,
    onWarning: (error) => warnings.push(error),
    ...options,
  })
  hosts.push(host)
  return { host, warnings }
}

const documents = (count: number, prefix = 'doc') =>
  Array.from({ length: count }, (_, n) => ({ id: `${prefix}${n}`, text: `${prefix} ${n} speaks of subject${n}.` }))

async function until(check: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 200; round++) {
    if (await check()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('it never came to be')
}

/** A store that fails from a write on. */
function failingStore(inner: Store, fails: (keys: readonly string[]) => AlcoveError | undefined): Store {
  return {
    ...inner,
    async write(changes) {
      const error = fails((changes.set ?? []).map(([key]) => key))
      if (error !== undefined) throw error
      await inner.write(changes)
    },
  }
}

describe('without an embedding model', () => {
  test('everything is found by keyword, and waits for its vectors', async () => {
    const { host } = openHost()
    const corpus = await host.open('c')
    expect(await corpus.add(documents(3))).toMatchObject({ added: 3, failed: [] })
    expect(await corpus.stats()).toMatchObject({ documents: 3, pendingVectors: 3, embedder: null, dimensions: 0 })
    expect((await corpus.search('subject1'))[0]).toMatchObject({ source: { id: 'doc1' }, ranks: { keyword: 1 } })
    await expect(corpus.search('subject1', { mode: 'vector' })).rejects.toMatchObject({ code: 'model-not-found' })
  })

  test('a model that comes later gives them in the background, and they are stored', async () => {
    const store = createMemoryStore()
    const { host } = openHost({ store })
    const corpus = await host.open('c')
    await corpus.add(documents(5))
    const model = fakeEmbedder()
    await host.setEmbedder(model)
    await until(async () => (await corpus.stats()).pendingVectors === 0)
    expect((await corpus.search('subject3', { mode: 'vector' }))[0]?.source.id).toBe('doc3')
    expect(model.calls.flatMap(({ texts }) => texts).filter((text) => text.startsWith('doc'))).toHaveLength(5)
    const again = fakeEmbedder()
    const reopened = await openHost({ store, embedder: again }).host.open('c')
    expect((await reopened.search('subject3', { mode: 'vector' }))[0]?.source.id).toBe('doc3')
    expect(again.calls.filter(({ purpose }) => purpose === 'document')).toEqual([])
  })

  test('a model that cannot be loaded leaves keyword search as it is, and says so', async () => {
    const model = fakeEmbedder({ countsTokens: true })
    model.failure = new AlcoveError('model-not-found', 'not served')
    const { host, warnings } = openHost({ embedder: model })
    const corpus = await host.open('c')
    const parts: AddProgress[] = []
    for await (const part of corpus.add(documents(2))) parts.push(part)
    expect(parts.filter(({ type }) => type === 'ready')).toHaveLength(2)
    expect((await corpus.search('subject1'))[0]?.source.id).toBe('doc1')
    expect(await corpus.stats()).toMatchObject({ documents: 2, pendingVectors: 2 })
    expect(warnings.map(({ code }) => code)).toContain('model-not-found')
    await expect(corpus.search('subject1', { mode: 'vector' })).rejects.toMatchObject({ code: 'model-not-found' })
  })
})

describe('another embedding model', () => {
  test('makes new vectors; the keyword leg serves meanwhile', async () => {
    const { host } = openHost({ embedder: fakeEmbedder({ id: 'fake:a', dimensions: 64 }) })
    const corpus = await host.open('c')
    await corpus.add(documents(4))
    const next = fakeEmbedder({ id: 'fake:b', dimensions: 32 })
    let open = () => {}
    next.gate = new Promise((resolve) => {
      open = resolve
    })
    await host.setEmbedder(next)
    expect(await corpus.stats()).toMatchObject({ pendingVectors: 4, embedder: 'fake:b' })
    const search = corpus.search('subject2', { mode: 'keyword' })
    expect((await search)[0]?.source.id).toBe('doc2')
    open()
    await until(async () => (await corpus.stats()).pendingVectors === 0)
    expect(await corpus.stats()).toMatchObject({ dimensions: 32 })
    expect((await corpus.search('subject2', { mode: 'vector' }))[0]?.source.id).toBe('doc2')
  })

  test('none: hybrid search goes on by keyword', async () => {
    const { host } = openHost({ embedder: fakeEmbedder() })
    const corpus = await host.open('c')
    await corpus.add(documents(2))
    await host.setEmbedder(undefined)
    expect((await corpus.search('subject1'))[0]?.ranks).toEqual({ keyword: 1 })
  })
})

describe('hybrid search', () => {
  test('leaves the vector leg out for a language that the model does not serve', async () => {
    const model = fakeEmbedder({ languages: ['en'] })
    const { host } = openHost({ embedder: model })
    const corpus = await host.open('c')
    await corpus.add([
      { id: 'zh', text: '红茶是全发酵茶，产于福建省的武夷山。' },
      { id: 'en', text: 'Black tea is fully oxidised and comes from many places.' },
    ])
    const chinese = await corpus.search('红茶产于哪里')
    expect(chinese.map(({ source }) => source.id)).toEqual(['zh'])
    expect(chinese[0]?.ranks).toEqual({ keyword: 1 })
    expect(model.calls.filter(({ purpose }) => purpose === 'query')).toEqual([])
    const english = await corpus.search('where does black tea come from')
    expect(english[0]?.ranks).toEqual({ keyword: 1, vector: 1 })
    expect(english.every(({ source, ranks }) => source.id === 'en' || ranks.vector === undefined)).toBe(true)
  })

  test('one failing leg does not fail the other', async () => {
    const model = fakeEmbedder()
    const { host, warnings } = openHost({ embedder: model })
    const corpus = await host.open('c')
    await corpus.add(documents(3))
    model.failure = new Error('the engine broke')
    expect((await corpus.search('subject2'))[0]?.source.id).toBe('doc2')
    expect(warnings).toHaveLength(1)
    await expect(corpus.search('subject2', { mode: 'vector' })).rejects.toMatchObject({ code: 'model-load-failed' })
  })

  test('a query does not wait for the documents of an add', async () => {
    const model = fakeEmbedder()
    const { host } = openHost({ embedder: model })
    const corpus = await host.open('c')
    await corpus.add({ id: 'first', text: 'the first one' })
    const slow = model.embed.bind(model)
    model.embed = async (texts, options) => {
      if (options?.purpose === 'document') await new Promise((resolve) => setTimeout(resolve, 10))
      return await slow(texts, options)
    }
    const run = corpus.add(documents(60))
    await new Promise((resolve) => setTimeout(resolve, 15))
    expect((await corpus.search('the first one')).map(({ source }) => source.id)).toContain('first')
    expect((await corpus.list()).length).toBeLessThan(61)
    expect((await run).added).toBe(60)
  })
})

describe('updates and crashes', () => {
  test('the old document serves until the new one is complete, and if that fails it stays', async () => {
    const inner = createMemoryStore()
    let isBroken = false
    const store = failingStore(inner, () => (isBroken ? new AlcoveError('quota-exceeded', 'full') : undefined))
    const { host } = openHost({ store, embedder: fakeEmbedder() })
    const corpus = await host.open('c')
    await corpus.add({ id: 'a', text: 'The old words.' })
    isBroken = true
    const result = await corpus.add({ id: 'a', text: 'The new words.' })
    expect(result).toMatchObject({ updated: 0, failed: [{ code: 'quota-exceeded' }] })
    expect((await corpus.get('a'))?.text).toBe('The old words.')
    expect((await corpus.search('old words', { mode: 'keyword' }))[0]?.text).toBe('The old words.')
    isBroken = false
    expect(await corpus.add({ id: 'a', text: 'The new words.' })).toMatchObject({ updated: 1 })
    expect((await corpus.search('new', { mode: 'keyword' }))[0]?.text).toBe('The new words.')
  })

  test('a crash between segments and name loses the document in hand, and its segments are swept', async () => {
    const inner = createMemoryStore()
    let isCrashing = false
    const store = failingStore(inner, (keys) =>
      isCrashing && keys.some((key) => key.startsWith('document/'))
        ? new AlcoveError('store-blocked', 'gone')
        : undefined,
    )
    const { host } = openHost({ store, embedder: fakeEmbedder() })
    const corpus = await host.open('c')
    await corpus.add(documents(2))
    const whole = (await inner.keys('segment/')).length
    isCrashing = true
    await corpus.add({ id: 'lost', text: 'This one is lost.' })
    expect((await inner.keys('segment/')).length).toBeGreaterThan(whole)
    const reopened = await openHost({ store: inner, embedder: fakeEmbedder() }).host.open('c')
    expect((await reopened.list()).map(({ id }) => id)).toEqual(['doc0', 'doc1'])
    expect((await reopened.search('subject1'))[0]?.source.id).toBe('doc1')
    await until(async () => (await inner.keys('segment/')).length === whole)
  })

  test('nothing is left of what is updated, removed or deleted', async () => {
    const store = createMemoryStore()
    const { host } = openHost({ store, embedder: fakeEmbedder() })
    const corpus = await host.open('c')
    await corpus.add(documents(3))
    const keys = (await store.keys()).length
    await corpus.add(documents(3).map((document) => ({ ...document, text: `${document.text} More.` })))
    expect(await store.keys()).toHaveLength(keys)
    await corpus.remove('doc0')
    await host.delete('c')
    expect(await store.keys()).toEqual([])
  })

  test('a stored document that was damaged is left out, not served', async () => {
    const store = createMemoryStore()
    const { host } = openHost({ store })
    await (await host.open('c')).add(documents(2))
    const [broken] = (await store.keys('segment/')).filter((key) => key.endsWith('/chunks'))
    await store.write({ set: [[broken ?? '', { spans: 'no' }]] })
    const reopened = await openHost({ store }).host.open('c')
    expect(await reopened.search('subject0 subject1', { mode: 'keyword' })).toHaveLength(1)
  })

  test('a corpus of a later version is not touched', async () => {
    const store = createMemoryStore()
    await (await openHost({ store }).host.open('c')).add(documents(1))
    const meta = await store.get<Record<string, unknown>>('corpus/c')
    await store.write({ set: [['corpus/c', { ...meta, version: 99 }]] })
    await expect(openHost({ store }).host.open('c')).rejects.toMatchObject({ code: 'version-unsupported' })
  })
})

describe('two tabs', () => {
  test('adding at once lose nothing, and see what the other one did', async () => {
    const store = createMemoryStore()
    const [left, right] = await Promise.all(
      [1, 2].map(async () => await openHost({ store, embedder: fakeEmbedder() }).host.open('c')),
    )
    if (left === undefined || right === undefined) throw new Error('unreachable')
    await Promise.all([
      left.add(documents(10, 'left')),
      right.add(documents(10, 'right')),
      left.add(documents(3, 'both')),
      right.add(documents(3, 'both')),
    ])
    for (const corpus of [left, right]) {
      expect(await corpus.stats()).toMatchObject({ documents: 23, pendingVectors: 0 })
      expect((await corpus.search('left subject3'))[0]?.source.id).toBe('left3')
      expect((await corpus.search('right subject3'))[0]?.source.id).toBe('right3')
    }
    await left.remove('right4')
    expect(await right.get('right4')).toBeUndefined()
    expect((await right.search('right4 subject4', { mode: 'keyword' })).map(({ source }) => source.id)).not.toContain(
      'right4',
    )
  })
})

describe('inputs', () => {
  test('ids come from what is given, else from url, title or name, else from the content', async () => {
    const { host } = openHost()
    const corpus = await host.open('c')
    const { ids } = await corpus.add([
      { id: 'given', title: 'T', url: 'https://x.test/a', text: 'a' },
      { title: 'T', url: 'https://x.test/b', text: 'b' },
      { title: 'Only a title', text: 'c' },
      new File(['d'], 'notes.txt', { type: 'text/plain' }),
      { text: 'e' },
    ])
    expect(ids.slice(0, 4)).toEqual(['given', 'https://x.test/b', 'Only a title', 'notes.txt'])
    expect(ids[4]).toMatch(/^sha256-[0-9a-f]{32}$/)
    expect((await corpus.list()).map(({ title }) => title)).toEqual(['T', 'T', 'Only a title', 'notes.txt', 'e'])
  })

  test('empty names are no names', async () => {
    const { host } = openHost()
    const { ids } = await (await host.open('c')).add({
      id: '',
      title: '',
      url: '',
      mediaType: '',
      text: 'The text itself.',
    })
    expect(ids[0]).toMatch(/^sha256-/)
    expect((await (await host.open('c')).list())[0]?.title).toBe('The text itself.')
  })

  test('the same document twice in one add: the later one stays', async () => {
    const { host } = openHost()
    const corpus = await host.open('c')
    const result = await corpus.add([
      { id: 'a', text: 'First.' },
      { id: 'a', text: 'Second.' },
    ])
    expect(result).toMatchObject({ ids: ['a'], added: 1, updated: 1 })
    expect((await corpus.get('a'))?.text).toBe('Second.')
  })

  test.each([
    ['null', null],
    ['a number', 5],
    ['a title that is no text', { text: 'x', title: 5 }],
    ['text that is none', { text: 5 }],
    ['metadata that is a list', { text: 'x', metadata: [] }],
    ['metadata with an object', { text: 'x', metadata: { a: {} } }],
  ])('%s is refused', async (_, input) => {
    const corpus = await openHost().host.open('c')
    await expect(corpus.add(input as never)).rejects.toMatchObject({ code: 'invalid-argument' })
  })

  test('chunk options are kept with the corpus, and wrong ones refused', async () => {
    const store = createMemoryStore()
    const { host } = openHost({ store })
    const long = { id: 'long', text: 'A sentence of some length about nothing at all. '.repeat(60) }
    const corpus = await host.open('c', { chunkTokens: 32, overlapTokens: 4 })
    await corpus.add(long)
    const { chunks } = await corpus.stats()
    expect(chunks).toBeGreaterThan(10)
    const again = await openHost({ store }).host.open('c')
    expect(await again.add(long)).toMatchObject({ unchanged: 1 })
    const other = await openHost({ store }).host.open('c', { chunkTokens: 128 })
    expect(await other.add(long)).toMatchObject({ updated: 1 })
    expect((await other.stats()).chunks).toBeLessThan(chunks)
    for (const options of [{ chunkTokens: 0 }, { chunkTokens: 10.5 }, { chunkTokens: 20, overlapTokens: 20 }]) {
      await expect(host.open('x', options)).rejects.toMatchObject({ code: 'invalid-argument' })
    }
  })

  test('no chunk is longer than the model takes, special tokens counted', async () => {
    const model = fakeEmbedder({ countsTokens: true })
    Object.assign(model, { maxTokens: 32 })
    const { host } = openHost({ embedder: model })
    await (await host.open('c')).add({ text: 'one two three four five six seven eight. '.repeat(40) })
    const longest = Math.max(...model.calls.flatMap(({ texts }) => texts.map((text) => text.split(/\s+/).length)))
    expect(longest).toBeLessThanOrEqual(30)
    expect(longest).toBeGreaterThan(15)
  })
})

describe('an add', () => {
  test('starts without being looked at, and can be read late and twice', async () => {
    const { host } = openHost()
    const corpus = await host.open('c')
    const run = corpus.add(documents(2))
    await until(async () => (await corpus.list()).length === 2)
    const read = async () => {
      const parts: AddProgress[] = []
      for await (const part of run) parts.push(part)
      return parts
    }
    const [first, second] = [await read(), await read()]
    expect(first.map(({ type }) => type).sort()).toEqual(['reading', 'reading', 'ready', 'ready'])
    expect(second).toEqual(first)
    expect(await run).toMatchObject({ added: 2 })
  })

  test('a reader that leaves early cancels it, unless the result is awaited', async () => {
    const { host } = openHost({ embedder: fakeEmbedder() })
    const corpus = await host.open('c')
    const left = corpus.add(documents(40, 'left'))
    for await (const part of left) if (part.type === 'ready') break
    await expect(left).rejects.toMatchObject({ code: 'aborted' })
    const awaited = corpus.add(documents(40, 'awaited'))
    const result = awaited.then((value) => value)
    for await (const part of awaited) if (part.type === 'ready') break
    expect(await result).toMatchObject({ added: 40 })
  })

  test('a signal that has aborted before adds nothing', async () => {
    const { host } = openHost()
    const corpus = await host.open('c')
    await expect(corpus.add(documents(2), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
    expect(await corpus.list()).toEqual([])
  })

  test('deleting the corpus ends it', async () => {
    const { host } = openHost({ embedder: fakeEmbedder() })
    const corpus = await host.open('c')
    const run = corpus.add(documents(60))
    const watch = async () => {
      for await (const part of run) if (part.type === 'ready') await host.delete('c')
    }
    await expect(watch()).rejects.toMatchObject({ code: 'closed' })
    await expect(run).rejects.toMatchObject({ code: 'closed' })
  })
})

test('usage is the sum of the corpora', async () => {
  const { host } = openHost({ embedder: fakeEmbedder() })
  const [one, two] = [await host.open('one'), await host.open('two')]
  await Promise.all([one.add(documents(2)), two.add(documents(3))])
  const { corpora, bytes } = await host.usage()
  expect(corpora).toBe(2)
  expect(bytes).toBe((await one.stats()).bytes + (await two.stats()).bytes)
})

test('after close every call says so', async () => {
  const { host } = openHost()
  const corpus = await host.open('c')
  await host.close()
  await expect(corpus.search('x')).rejects.toMatchObject({ code: 'closed' })
  await expect(host.open('d')).rejects.toMatchObject({ code: 'closed' })
})
