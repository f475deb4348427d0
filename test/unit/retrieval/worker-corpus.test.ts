import { afterEach, expect, test } from 'vitest'
import type { EmbeddingEngine, ModelSpec } from '../../../src/engines/engine.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import type { StatusPart } from '../../../src/protocol/stream-part.js'
import type { RetrievalApi, RetrievalParts } from '../../../src/retrieval/serve-corpus.js'
import { createWorkerCorpora, type WorkerCorporaOptions } from '../../../src/retrieval/worker-corpus.js'
import type { WorkerHost } from '../../../src/rpc/worker-host.js'
import type { Store } from '../../../src/store/store.js'
import { type FakeEmbedder, fakeEmbedder } from './fake-embedder.js'
import { createFakeRetrieval } from './fake-worker.js'

const hosts: WorkerHost<RetrievalApi>[] = []
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close()
})

const spec: ModelSpec = {
  id: 'fake:model',
  allowRemote: false,
  hubUrl: 'https://hub.test/',
  cacheName: 'models',
  languages: ['en'],
}

function fakeEngine() {
  const models: FakeEmbedder[] = []
  let failure: AlcoveError | undefined
  const engine: EmbeddingEngine = {
    inspect: async () => ({ state: 'downloadable', bytes: 5 }),
    create({ id }) {
      const model = fakeEmbedder({ id, languages: ['en'] })
      model.load = async ({ onProgress } = {}) => {
        if (failure !== undefined) throw failure
        for (const loadedBytes of [1, 5]) {
          onProgress?.({
            type: 'status',
            status: 'loading',
            message: 'Loading',
            modelId: id,
            loadedBytes,
            totalBytes: 5,
          })
        }
      }
      models.push(model)
      return model
    },
  }
  return {
    models,
    engines: { fake: async () => engine },
    fail(error: AlcoveError | undefined) {
      failure = error
    },
  }
}

function open(
  options: Partial<WorkerCorporaOptions> = {},
  parts: Partial<RetrievalParts> = {},
  stores = new Map<string, Store>(),
) {
  const host = createFakeRetrieval(stores, parts)
  hosts.push(host)
  return { host, stores, corpora: createWorkerCorpora({ host, storageName: 'app', ...options }) }
}

const note = { id: 'note', text: 'The heron waits in shallow water.' }

async function until(check: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 200; round++) {
    if (await check()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('it never came to be')
}

test('a model of the worker is loaded only when asked, with progress, and then gives what waits its vectors', async () => {
  const { models, engines } = fakeEngine()
  const { corpora } = open({ embedder: spec }, { engines })
  const corpus = await corpora.open('c')
  await corpus.add(note)
  expect(models).toHaveLength(0)
  expect(await corpus.stats()).toMatchObject({ embedder: null, pendingVectors: 1 })
  const progress: StatusPart[] = []
  await corpora.loadEmbedder({ onProgress: (part) => progress.push(part) })
  expect(progress.map(({ loadedBytes }) => loadedBytes)).toEqual([1, 5])
  await until(async () => (await corpus.stats()).pendingVectors === 0)
  expect(await corpus.stats()).toMatchObject({ embedder: 'fake:model', dimensions: 128 })
  expect((await corpus.search('heron', { mode: 'vector' }))[0]?.source.id).toBe('note')
})

test('a load that fails says why, and keyword search goes on', async () => {
  const { engines, fail } = fakeEngine()
  fail(new AlcoveError('integrity-failed', 'not the published file', { hint: 'Again.' }))
  const { corpora } = open({ embedder: spec }, { engines })
  const corpus = await corpora.open('c')
  await expect(corpora.loadEmbedder()).rejects.toMatchObject({ code: 'integrity-failed', hint: 'Again.' })
  await corpus.add(note)
  expect((await corpus.search('heron'))[0]?.ranks).toEqual({ keyword: 1 })
  fail(undefined)
  await corpora.loadEmbedder()
  await until(async () => (await corpus.stats()).pendingVectors === 0)
})

test('no engine, or no model, is a typed error', async () => {
  await expect(open().corpora.loadEmbedder()).rejects.toMatchObject({ code: 'model-not-found' })
  const { corpora } = open({ embedder: spec })
  await expect(corpora.loadEmbedder()).rejects.toMatchObject({ code: 'model-not-found' })
  await expect(corpora.inspectEmbedder(spec)).rejects.toMatchObject({ code: 'model-not-found' })
  const { engines } = fakeEngine()
  expect(await open({}, { engines }).corpora.inspectEmbedder(spec)).toEqual({ state: 'downloadable', bytes: 5 })
})

test('a worker that dies is replaced: corpora, settings and the loaded model are there again', async () => {
  const { models, engines } = fakeEngine()
  const { host, corpora } = open({ embedder: spec }, { engines })
  const corpus = await corpora.open('c')
  await corpora.loadEmbedder()
  await corpus.add(note)
  const pending = corpus.stats()
  host.kill(new AlcoveError('worker-crashed', 'killed by the test'))
  await expect(pending).rejects.toMatchObject({ code: 'worker-crashed' })
  const [hit] = await corpus.search('heron')
  expect(hit).toMatchObject({ source: { id: 'note' }, ranks: { keyword: 1, vector: 1 } })
  expect(models).toHaveLength(2)
  expect(models[1]?.calls.filter(({ purpose }) => purpose === 'document')).toEqual([])
  expect(host.restarts).toBe(1)
})

test('an add that the worker dies under fails, and what was finished is kept', async () => {
  const { host, corpora } = open({ embedder: fakeEmbedder() })
  const corpus = await corpora.open('c')
  const documents = Array.from({ length: 200 }, (_, n) => ({ id: `d${n}`, text: `Text ${n}` }))
  const run = corpus.add(documents)
  const watch = async () => {
    for await (const part of run) {
      if (part.type === 'ready') host.kill(new AlcoveError('worker-crashed', 'killed by the test'))
    }
  }
  await expect(watch()).rejects.toMatchObject({ code: 'worker-crashed' })
  const result = await corpus.add(documents)
  expect(result.added + result.unchanged + result.updated).toBe(200)
})

test('a model of the page is asked through a port', async () => {
  const model = fakeEmbedder({ countsTokens: true })
  const { corpora } = open({ embedder: model })
  const corpus = await corpora.open('c')
  await corpus.add(note)
  expect(await corpus.stats()).toMatchObject({ embedder: 'fake:words', dimensions: 128, pendingVectors: 0 })
  expect((await corpus.search('heron'))[0]?.ranks).toEqual({ keyword: 1, vector: 1 })
  expect(model.calls.map(({ purpose }) => purpose)).toEqual(['document', 'query'])
})

test('another model takes the place of the first', async () => {
  const { engines } = fakeEngine()
  const { corpora } = open({ embedder: fakeEmbedder() }, { engines })
  const corpus = await corpora.open('c')
  await corpus.add(note)
  await corpora.setEmbedder(spec)
  expect(await corpus.stats()).toMatchObject({ embedder: null })
  await corpora.loadEmbedder()
  await until(async () => (await corpus.stats()).pendingVectors === 0)
  expect(await corpus.stats()).toMatchObject({ embedder: 'fake:model' })
  await corpora.setEmbedder(undefined)
  expect((await corpus.search('heron'))[0]?.ranks).toEqual({ keyword: 1 })
})

test('the same text is embedded once, whatever corpus it is in, until the cache is cleared', async () => {
  const model = fakeEmbedder()
  const { corpora } = open({ embedder: model })
  const [one, two] = [await corpora.open('one'), await corpora.open('two')]
  await one.add(note)
  await two.add(note)
  expect(model.calls).toHaveLength(1)
  expect(await corpora.usage()).toMatchObject({
    corpora: { entries: 2 },
    embeddings: { entries: 1 },
    isPersistent: false,
  })
  await corpora.clear('embeddings')
  expect((await corpora.usage()).embeddings.entries).toBe(0)
  await corpora.clear('corpora')
  expect(await corpora.list()).toEqual([])
  await one.add(note)
  expect(model.calls).toHaveLength(2)
})

test('what goes wrong without stopping anything is told', async () => {
  const warnings: AlcoveError[] = []
  const { corpora } = open(
    { onWarning: (error) => warnings.push(error) },
    {
      async openStore(_, onFallback) {
        onFallback(new AlcoveError('store-blocked', 'no site data', { hint: 'Allow it.' }))
        return (await import('../../../src/store/store.js')).createMemoryStore()
      },
    },
  )
  await corpora.open('c')
  await until(async () => warnings.length > 0)
  expect(warnings.map(({ code, hint }) => [code, hint])).toEqual([['store-blocked', 'Allow it.']])
})

test('an error of a model of the page keeps its code, its hint and its details on its way', async () => {
  const warnings: AlcoveError[] = []
  const model = fakeEmbedder({ id: 'page:words' })
  model.failure = new AlcoveError('quota-exceeded', 'no more today', { hint: 'Come back.', details: { left: 0 } })
  const { corpora } = open({ embedder: model, onWarning: (error) => warnings.push(error) })
  const corpus = await corpora.open('c')
  await corpus.add(note)
  await until(async () => warnings.length > 0)
  expect(warnings[0]).toMatchObject({ code: 'quota-exceeded', hint: 'Come back.', details: { left: 0 } })
  await expect(corpus.search('heron', { mode: 'vector' })).rejects.toMatchObject({ code: 'quota-exceeded' })
})

test('files of a folder cross with their paths, and what would change a file on a server is refused there', async () => {
  const { corpora } = open()
  const corpus = await corpora.open('c')
  const file = (path: string, text: string) =>
    Object.defineProperty(new File([text], path.split('/').at(-1) ?? ''), 'webkitRelativePath', { value: path })
  expect(await corpus.sync([file('docs/a/x.md', '# Ants'), file('docs/b/x.md', '# Bees')])).toMatchObject({
    ids: ['docs/a/x.md', 'docs/b/x.md'],
    removed: 0,
  })
  expect((await corpus.sync([file('docs/b/x.md', '# Bees')])).removed).toBe(1)
})
