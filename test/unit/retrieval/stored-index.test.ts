import { afterEach, describe, expect, test } from 'vitest'
import type { Corpus } from '../../../src/protocol/corpus.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import { type CorpusHost, type CorpusHostOptions, createCorpusHost } from '../../../src/retrieval/corpus.js'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { createMemoryStore, type Store, type StoreChanges } from '../../../src/store/store.js'
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

async function until(check: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 400; round++) {
    if (await check()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('it never came to be')
}

/** Documents of twenty chunks or so each. */
const documents = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => ({
    id: `doc${from + at}`,
    title: `Title${from + at}`,
    text: Array.from({ length: 20 }, (_, n) => `Sentence ${n} of ours speaks of subject${from + at} here.`).join(' '),
  }))
const options = { chunkTokens: 16, overlapTokens: 0 }
const indexKeys = async (store: Store) => (await store.keys('segment/')).filter((key) => key.endsWith('/words'))
const hasIndex = async (store: Store) => (await indexKeys(store)).length > 0

/** A store with forty documents, and the index beside them. */
async function fill(): Promise<Store> {
  const store = createMemoryStore()
  const corpus = await openHost({ store, embedder: fakeEmbedder() }).host.open('c', options)
  await corpus.add(documents(0, 40))
  expect((await corpus.stats()).chunks).toBeGreaterThan(512)
  await until(() => hasIndex(store))
  return store
}

/** A store that tells what is read, and does what it is told at each write. */
function watch(inner: Store, onWrite: (changes: StoreChanges) => void = () => {}) {
  const read: (readonly string[])[] = []
  const store: Store = {
    ...inner,
    async getMany(keys) {
      read.push(keys)
      return await inner.getMany(keys)
    },
    async write(changes) {
      onWrite(changes)
      await inner.write(changes)
    },
  }
  return { store, read }
}

async function expectWhole(corpus: Corpus, count: number): Promise<void> {
  const list = await corpus.list()
  expect(list).toHaveLength(count)
  for (const { id } of list) {
    const [hit] = await corpus.search(id.replace('doc', 'subject'), { mode: 'keyword', topK: 1 })
    expect(hit?.source.id).toBe(id)
    const document = await corpus.get(id)
    expect(document?.text.slice(...(hit?.span ?? [0, 0]))).toBe(hit?.text)
  }
}

describe('opening', () => {
  test('reads the stored index, and of the texts only those of the hits', async () => {
    const inner = await fill()
    const { store, read } = watch(inner)
    const corpus = await openHost({ store }).host.open('c')
    const [hit] = await corpus.search('subject7', { mode: 'keyword', topK: 1 })
    expect(hit?.source.id).toBe('doc7')
    expect(read.flat().filter((key) => key.endsWith('/words'))).toHaveLength((await indexKeys(inner)).length)
    // The first texts that are read are those of two passages; had the index been made anew, all would have come before.
    const texts = read.map((keys) => keys.filter((key) => key.endsWith('/text'))).find((keys) => keys.length > 0)
    expect(texts?.length).toBeLessThanOrEqual(2)
    await expectWhole(corpus, 40)
  })

  test('gives the same hits as the index that was never stored', async () => {
    const store = await fill()
    const fresh = await openHost({ embedder: fakeEmbedder() }).host.open('c', options)
    await fresh.add(documents(0, 40))
    const stored = await openHost({ store, embedder: fakeEmbedder() }).host.open('c')
    for (const mode of ['keyword', 'vector'] as const) {
      for (const query of ['subject12', 'sentence of subject3', 'title9 speaks']) {
        // Passages of one score come in the order of the index, which is that of the stores' entries or of the add.
        const scores = async (corpus: Corpus) =>
          (await corpus.search(query, { mode, topK: 40 })).map(({ score }) => score.toFixed(4))
        expect(await scores(stored)).toEqual(await scores(fresh))
      }
    }
  })

  test('takes documents that came, changed and went since the index was stored', async () => {
    const store = await fill()
    const corpus = await openHost({ store }).host.open('c')
    await corpus.add({ id: 'doc13', title: 'Title13', text: 'Now it tells of herons.' })
    await corpus.add({ id: 'new', title: 'New', text: 'A kingfisher by the water.' })
    await corpus.remove('doc15')
    await corpus.update('doc16', { title: 'Swallows' })
    const reopened = await openHost({ store }).host.open('c')
    const found = async (query: string) =>
      (await reopened.search(query, { mode: 'keyword' })).map(({ source }) => source.id)
    expect(await found('herons')).toEqual(['doc13'])
    expect(await found('kingfisher')).toEqual(['new'])
    expect((await found('swallows'))[0]).toBe('doc16')
    expect(await found('subject15 ')).toEqual([])
    expect(await found('subject13 ')).toEqual([])
    expect(await found('title16 ')).toEqual([])
  })

  test('searches vectors by their stored codes, reads those of what it finds, and the others when it has answered', async () => {
    const inner = await fill()
    await until(async () => (await inner.keys('segment/')).some((key) => key.endsWith('/codes')))
    const fresh = await openHost({ embedder: fakeEmbedder() }).host.open('c', options)
    await fresh.add(documents(0, 40))
    let isWithheld = true
    const { store, read } = watch(inner)
    const withheld: Store = {
      ...store,
      async getMany<T>(keys: readonly string[]) {
        const values = await store.getMany<T>(keys)
        return isWithheld ? values.map((value, at) => (keys[at]?.endsWith('/vectors') ? undefined : value)) : values
      },
    }
    const corpus = await openHost({ store: withheld, embedder: fakeEmbedder() }).host.open('c')
    const search = async (one: Corpus) =>
      (await one.search('title9 speaks', { mode: 'vector', topK: 2 })).map(({ score }) => score)
    const exact = await search(fresh)
    const coded = await search(corpus)
    // Vectors that are gone leave their codes.
    expect(coded).not.toEqual(exact)
    for (const [at, score] of coded.entries()) expect(Math.abs(score - (exact[at] ?? 0))).toBeLessThan(0.01)
    isWithheld = false
    read.length = 0
    const close = (await search(corpus)).map((score, at) => Math.abs(score - (exact[at] ?? 0)))
    expect(Math.max(...close)).toBeLessThan(1e-6)
    const vectorKeys = () => new Set(read.flat().filter((key) => key.endsWith('/vectors')))
    await until(async () => vectorKeys().size === 40)
  })

  test('codes that are broken, gone, or of other vectors are made anew from the vectors', async () => {
    for (const damage of ['codes', 'coded', 'missing', 'manifest', 'model'] as const) {
      const store = await fill()
      const coded = async () => (await store.keys('segment/')).filter((key) => key.endsWith('/codes'))
      await until(async () => (await coded()).length > 0)
      const [key = ''] = await coded()
      const before = await coded()
      if (damage === 'codes') await store.write({ set: [[key, { dimensions: 128, codes: new Int8Array(3) }]] })
      if (damage === 'coded') await store.write({ set: [[key.replace('/codes', '/coded'), [{ segment: 5 }]]] })
      if (damage === 'missing') await store.write({ delete: [key] })
      if (damage === 'manifest') await store.write({ set: [['codes/c', 'nonsense']] })
      if (damage === 'model') {
        const manifest = await store.get<object>('codes/c')
        await store.write({ set: [['codes/c', { ...manifest, stamp: 'another model' }]] })
      }
      const { host, warnings } = openHost({ store, embedder: fakeEmbedder() })
      const corpus = await host.open('c')
      const [hit] = await corpus.search('speaks of subject12 here', { mode: 'vector', topK: 1 })
      expect(hit?.source.id, damage).toBe('doc12')
      expect(await corpus.stats()).toMatchObject({ pendingVectors: 0 })
      expect(warnings).toEqual([])
      await until(async () => (await coded()).some((one) => !before.includes(one)))
    }
  })

  test('a document that changes while it is known by its codes keeps what it was changed to', async () => {
    const store = await fill()
    await until(async () => (await store.keys('segment/')).some((key) => key.endsWith('/codes')))
    const corpus = await openHost({ store, embedder: fakeEmbedder() }).host.open('c')
    const find = async (query: string) => (await corpus.search(query, { mode: 'vector', topK: 1 }))[0]?.source.id
    await find('anything')
    await corpus.add({ id: 'doc13', title: 'Title13', text: 'Now it tells of herons.' })
    await corpus.remove('doc12')
    for (let round = 0; round < 5; round++) {
      expect(await find('it tells of herons')).toBe('doc13')
      expect(await find('speaks of subject12 here')).not.toBe('doc12')
    }
  })

  test('a broken or missing segment of the index is made anew', async () => {
    for (const damage of ['words', 'indexed', 'missing', 'manifest'] as const) {
      const store = await fill()
      const [key = ''] = await indexKeys(store)
      const other = key.replace('/words', '/indexed')
      if (damage === 'words') await store.write({ set: [[key, { terms: 'a', lengths: 5 }]] })
      if (damage === 'indexed') await store.write({ set: [[other, [{ segment: 5 }]]] })
      if (damage === 'missing') await store.write({ delete: [key] })
      if (damage === 'manifest') await store.write({ set: [['index/c', 'nonsense']] })
      const { host, warnings } = openHost({ store })
      const corpus = await host.open('c')
      await expectWhole(corpus, 40)
      expect(warnings).toEqual([])
      await until(async () => {
        const keys = await indexKeys(store)
        const manifest = await store.get<{ segments?: string[] }>('index/c')
        return keys.some((one) => manifest?.segments?.some((name) => one.includes(name) && one !== key))
      })
    }
  })

  test('a corpus of layout 1 is opened, and gets an index', async () => {
    const store = await fill()
    const old = await store.get<Record<string, unknown>>('corpus/c')
    const index = (await store.keys('segment/')).filter((key) => /\/(words|indexed)$/.test(key))
    await store.write({ set: [['corpus/c', { ...old, version: 1 }]], delete: [...index, 'index/c'] })
    const corpus = await openHost({ store, embedder: fakeEmbedder() }).host.open('c')
    await expectWhole(corpus, 40)
    expect(await corpus.stats()).toMatchObject({ documents: 40, pendingVectors: 0 })
    await until(() => hasIndex(store))
    expect(await store.get('corpus/c')).toMatchObject({ version: 2 })
  })

  test('small segments are merged into larger ones as documents come', async () => {
    const store = createMemoryStore()
    const corpus = await openHost({ store }).host.open('c', options)
    for (let round = 0; round < 6; round++) {
      const before = await store.get('index/c')
      await corpus.add(documents(round * 30, round * 30 + 30))
      await until(async () => JSON.stringify(await store.get('index/c')) !== JSON.stringify(before))
    }
    expect((await indexKeys(store)).length).toBeLessThanOrEqual(3)
    await expectWhole(await openHost({ store }).host.open('c'), 180)
  })

  test('what is removed and cleared leaves nothing of the index', async () => {
    const store = await fill()
    const { host } = openHost({ store })
    const corpus = await host.open('c')
    const parts = (await corpus.list()).reduce((sum, { bytes, chunks }) => sum + bytes + chunks * (16 + 128 * 4), 0)
    expect((await corpus.stats()).bytes).toBeGreaterThan(parts + 4000)
    await corpus.clear()
    expect((await corpus.stats()).bytes).toBe(0)
    expect(await store.keys('segment/')).toEqual([])
    expect(await store.keys('index/')).toEqual([])
    await host.delete('c')
    expect(await store.keys()).toEqual([])
  })
})

describe('a file', () => {
  test('carries the index: an import does not look for the words, and finds the same', async () => {
    const source = await openHost({ store: await fill(), embedder: fakeEmbedder() }).host.open('c')
    const file = await source.export()
    const { host } = openHost({ embedder: fakeEmbedder() })
    const copy = await host.open('copy')
    await copy.add({ id: 'own', title: 'Own', text: 'A kingfisher by the water.' })
    expect(await copy.import(file)).toMatchObject({ added: 40, failed: [] })
    expect((await copy.search('kingfisher', { mode: 'keyword' }))[0]?.source.id).toBe('own')
    expect((await copy.search('subject17 ', { mode: 'keyword' }))[0]?.source.id).toBe('doc17')
    const only = await host.open('only')
    expect(await only.import(file)).toMatchObject({ added: 40 })
    await expectWhole(only, 40)
    for (const mode of ['keyword', 'vector'] as const) {
      const scores = async (corpus: Corpus) =>
        (await corpus.search('sentence of subject3', { mode, topK: 40 })).map(({ score }) => score.toFixed(4))
      expect(await scores(only)).toEqual(await scores(source))
    }
    expect(await only.stats()).toMatchObject({ documents: 40, pendingVectors: 0 })
    expect((await only.export()).size).toBeGreaterThan(file.size * 0.9)
  })

  test('whose index is by another dictionary is imported from its texts; one that is damaged is refused', async () => {
    const source = await openHost({ store: await fill() }).host.open('c')
    const bytes = new Uint8Array(await (await source.export()).arrayBuffer())
    const headerBytes = new DataView(bytes.buffer).getUint32(8, true)
    const header = new TextDecoder().decode(bytes.slice(16, 16 + headerBytes))
    const rewrite = (text: string) => {
      const encoded = new TextEncoder().encode(text)
      const prefix = bytes.slice(0, 16)
      new DataView(prefix.buffer).setUint32(8, encoded.length, true)
      return new Blob([prefix, encoded, bytes.slice(16 + headerBytes)])
    }
    expect(header).toMatch(/"tokenizer":"2:/)
    const other = await openHost().host.open('other')
    expect(await other.import(rewrite(header.replace('"tokenizer":"2:', '"tokenizer":"9:')))).toMatchObject({
      added: 40,
    })
    await expectWhole(other, 40)
    const refused = await openHost().host.open('refused')
    const wrong = [
      rewrite(header.replace(/"tokens":\d+/, '"tokens":7')),
      rewrite(header.replace(/"tokenBytes":2/, '"tokenBytes":3')),
      rewrite(header.replace(/"index":\{"version":1/, '"index":{"version":-1')),
      new Blob([bytes.slice(0, -1)]),
      new Blob([bytes.slice(0, -2), Uint8Array.of(255, 255)]),
    ]
    for (const file of wrong) await expect(refused.import(file)).rejects.toMatchObject({ code: 'parse-failed' })
    expect(await refused.list()).toEqual([])
  })
})

describe('a crash', () => {
  test('at any write of an add, an update, a move and of storing the index loses no more than the document in hand', async () => {
    const full = await fill()
    const entries = await Promise.all((await full.keys()).map(async (key) => [key, await full.get(key)] as const))
    let crashes = 0
    for (let at = 0; ; at++) {
      const inner = createMemoryStore()
      await inner.write({ set: entries })
      let writes = 0
      const { store } = watch(inner, () => {
        if (writes++ >= at) throw new AlcoveError('store-blocked', 'the worker is gone')
      })
      const { host } = openHost({ store, embedder: fakeEmbedder() })
      const corpus = await host.open('c').catch(() => undefined)
      const work = async () => {
        const results = [
          await corpus?.add([...documents(100, 130), { id: 'doc1', title: 'Title1', text: 'Of subject1, anew.' }]),
          await corpus?.update('doc2', { id: 'doc200', title: 'Title200' }).catch(() => undefined),
        ]
        await corpus?.remove('doc3').catch(() => {})
        return results
      }
      await work()
      await new Promise((resolve) => setTimeout(resolve, 20))
      await host.close()
      const reopened = await openHost({ store: inner, embedder: fakeEmbedder() }).host.open('c')
      const ids = (await reopened.list()).map(({ id }) => id)
      for (let n = 4; n < 40; n++) expect(ids).toContain(`doc${n}`)
      expect(ids.filter((id) => id === 'doc2' || id === 'doc200')).toHaveLength(1)
      expect((await reopened.get('doc1'))?.text).toMatch(/subject1/)
      for (const id of ids.filter((one) => one !== 'doc200').slice(-3)) {
        expect((await reopened.search(`${id.replace('doc', 'subject')} `, { mode: 'keyword' }))[0]?.source.id).toBe(id)
      }
      expect(await reopened.stats()).toMatchObject({ documents: ids.length })
      if (writes <= at) break
      crashes++
    }
    expect(crashes).toBeGreaterThan(20)
  }, 60_000)

  test('in a group of documents that are written together loses none that was told to be ready', async () => {
    for (let at = 2; at < 24; at++) {
      const inner = createMemoryStore()
      let writes = 0
      const { store } = watch(inner, () => {
        if (writes++ >= at) throw new AlcoveError('store-blocked', 'the worker is gone')
      })
      const { host } = openHost({ store, embedder: fakeEmbedder() })
      const corpus = await host.open('c', options)
      const told: string[] = []
      const run = corpus.add(documents(0, 30))
      for await (const { type, id = '' } of run) {
        if (type !== 'ready') continue
        // At this moment, not at the end.
        expect(await inner.get(`document/c/${id}`), id).toBeDefined()
        told.push(id)
      }
      const { added, ids } = await run
      expect(added).toBe(told.length)
      await host.close()
      const list = await (await openHost({ store: inner }).host.open('c')).list()
      expect(list.map(({ id }) => id)).toEqual(expect.arrayContaining([...told, ...ids]))
    }
  })

  test('storage that is full when the index is stored costs the index only', async () => {
    const inner = createMemoryStore()
    const { store } = watch(inner, ({ set = [] }) => {
      if (set.some(([key]) => key.endsWith('/words'))) throw new AlcoveError('quota-exceeded', 'full')
    })
    const { host, warnings } = openHost({ store })
    const corpus = await host.open('c', options)
    expect(await corpus.add(documents(0, 40))).toMatchObject({ added: 40, failed: [] })
    await until(async () => warnings.length > 0)
    expect(warnings.map(({ code }) => code)).toEqual(['quota-exceeded'])
    await expectWhole(corpus, 40)
    await expectWhole(await openHost({ store: inner }).host.open('c'), 40)
  })

  test('storage that is full in the middle of an add leaves what was stored whole', async () => {
    const inner = createMemoryStore()
    let room = 150
    const { store } = watch(inner, ({ set = [] }) => {
      room -= set.filter(([key]) => key.startsWith('document/c/')).length
      if (room < 0) throw new AlcoveError('quota-exceeded', 'full')
    })
    const corpus = await openHost({ store }).host.open('c', options)
    const { added, failed } = await corpus.add(documents(0, 300))
    expect(added).toBeGreaterThan(5)
    expect(added + failed.length).toBe(300)
    expect(new Set(failed.map(({ code }) => code))).toEqual(new Set(['quota-exceeded']))
    await expectWhole(corpus, added)
    await expectWhole(await openHost({ store: inner }).host.open('c'), added)
  })
})

describe('two tabs', () => {
  test('that store the index at once agree on one, and both find all', async () => {
    const store = createMemoryStore()
    const open = async () => await openHost({ store }).host.open('c', options)
    const [left, right] = [await open(), await open()]
    await Promise.all([left.add(documents(0, 40)), right.add(documents(40, 80))])
    await until(() => hasIndex(store))
    await expectWhole(left, 80)
    await expectWhole(right, 80)
    await left.update('doc7', { id: 'moved', title: 'Moved subject99' })
    expect((await right.search('moved', { mode: 'keyword' }))[0]?.source).toMatchObject({
      id: 'moved',
      title: 'Moved subject99',
    })
    expect(await right.get('doc7')).toBeUndefined()
  })
})
