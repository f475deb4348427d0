// Harness for adds that are killed, paused and resumed, and for what the embedding engine does with threads. Each function returns plain data.

import type { ModelSpec } from '../../../src/engines/engine.js'
import type { Corpus } from '../../../src/protocol/corpus.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import type { EmbeddingModel } from '../../../src/protocol/model.js'
import type { RetrievalApi } from '../../../src/retrieval/serve-corpus.js'
import { readCorpusFile } from '../../../src/retrieval/storage/corpus-file.js'
import { createWorkerCorpora } from '../../../src/retrieval/worker-corpus.js'
import { openWorker } from '../../../src/rpc/open-worker.js'
import { createWorkerHost } from '../../../src/rpc/worker-host.js'
import workerUrl from './embedding.worker.ts?worker&url'

function open(storageName: string, embedder: ModelSpec | EmbeddingModel, workerName = '') {
  const host = createWorkerHost<RetrievalApi>({ name: 'retrieval', open: () => openWorker(workerUrl, workerName) })
  return { host, corpora: createWorkerCorpora({ host, storageName, embedder }) }
}

const miniLm = (): ModelSpec => ({
  id: 'transformers:all-MiniLM-L6-v2',
  baseUrl: new URL('/models/', location.href).href,
  allowRemote: false,
  hubUrl: 'https://huggingface.co/',
  cacheName: 'embedding-harness-models',
  languages: ['en'],
  maxTokens: 256,
  pooling: 'mean',
})

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Where the counts are kept that outlast the page: how often each text was embedded. */
const countsKey = (storageName: string) => `embedded/${storageName}`
const readCounts = (storageName: string): Record<string, number> =>
  JSON.parse(localStorage.getItem(countsKey(storageName)) ?? '{}')

/** A model of the page that hashes words, takes its time, and counts each text when it gives its vector. */
function countingModel(storageName: string): EmbeddingModel {
  return {
    id: 'page:counting',
    dimensions: 64,
    maxTokens: 256,
    async load() {},
    async embed(texts, { purpose } = {}) {
      await sleep(10)
      const counts = readCounts(storageName)
      if (purpose === 'document') for (const text of texts) counts[text] = (counts[text] ?? 0) + 1
      localStorage.setItem(countsKey(storageName), JSON.stringify(counts))
      return texts.map((text) => {
        const vector = new Float32Array(64)
        for (const word of text.match(/\w+/g) ?? ['-']) vector[word.length % 64] = (vector[word.length % 64] ?? 0) + 1
        return vector
      })
    },
    async dispose() {},
  }
}

/** Two hundred documents of some chunks each, no two texts alike. */
const documents = Array.from({ length: 200 }, (_, n) => ({
  id: `d${n}`,
  text: Array.from({ length: 8 }, (_, at) => `Sentence ${at} of document ${n} is about subject${n}x${at}.`).join(' '),
}))
const options = { chunkTokens: 40, overlapTokens: 0 }

async function inspect(corpus: Corpus, storageName: string) {
  const counts = Object.values(readCounts(storageName))
  const found = await corpus.search('subject150x3', { mode: 'keyword', topK: 3 })
  return {
    stats: await corpus.stats(),
    texts: counts.length,
    twice: counts.filter((count) => count > 1).length,
    best: found[0]?.source.id,
  }
}

/** Starts an add and comes back when some documents are in; the page is expected to be closed then. */
export async function beginAdd(storageName: string) {
  const { corpora } = open(storageName, countingModel(storageName))
  const corpus = await corpora.open('notes', options)
  let ready = 0
  for await (const { type } of corpus.add(documents)) {
    if (type === 'ready' && ++ready >= 40) return { ready, embedded: Object.keys(readCounts(storageName)).length }
  }
  throw new Error('the add was over before it could be left')
}

/** Adds the same documents after the page was closed in the middle of adding them. */
export async function finishAdd(storageName: string) {
  const { host, corpora } = open(storageName, countingModel(storageName))
  const corpus = await corpora.open('notes', options)
  const before = (await corpus.list()).length
  const { added, unchanged, failed } = await corpus.add(documents)
  const found = { before, added, unchanged, failed: failed.length, ...(await inspect(corpus, storageName)) }
  await host.close()
  return found
}

/** Kills the worker in the middle of an add, and adds again. */
export async function killWorker(storageName: string) {
  const { host, corpora } = open(storageName, countingModel(storageName))
  const corpus = await corpora.open('notes', options)
  let ready = 0
  let code = 'none'
  try {
    for await (const { type } of corpus.add(documents)) {
      if (type === 'ready' && ++ready === 40) host.kill(new AlcoveError('worker-crashed', 'killed by the harness'))
    }
  } catch (error) {
    code = (error as AlcoveError).code
  }
  const atKill = Object.keys(readCounts(storageName)).length
  const before = (await corpus.list()).length
  const { added, unchanged, failed } = await corpus.add(documents)
  const found = {
    code,
    atKill,
    before,
    added,
    unchanged,
    failed: failed.length,
    ...(await inspect(corpus, storageName)),
  }
  await host.close()
  return found
}

/** Pauses an add over the border of the worker, looks whether it stands still, and lets it go on. */
export async function pauseAdd(storageName: string) {
  const { host, corpora } = open(storageName, countingModel(storageName))
  const corpus = await corpora.open('notes', options)
  const run = corpus.add(documents)
  let ready = 0
  const counts: number[] = []
  let hits = 0
  for await (const { type } of run) {
    if (type !== 'ready' || ++ready !== 40) continue
    run.pause()
    await sleep(300)
    counts.push(Object.keys(readCounts(storageName)).length)
    hits = (await corpus.search('subject1x1')).length
    await sleep(300)
    counts.push(Object.keys(readCounts(storageName)).length)
    run.resume()
  }
  const { added } = await run
  const found = { counts, hits, added, ...(await inspect(corpus, storageName)) }
  await host.close()
  return found
}

/**
 * Adds notes until the worker has opened a copy of its model and that has had time to work, searching meanwhile. Says how the stored vectors
 * compare with those that the model gives each text alone.
 */
export async function addWithCopies(storageName: string, runtimeFolder: string) {
  const spec = miniLm()
  const { host, corpora } = open(storageName, spec, `${new URL(runtimeFolder, location.href).href} 2`)
  let opened = 0
  const copies = new BroadcastChannel('embedding-copies')
  copies.onmessage = () => opened++
  await corpora.loadEmbedder()
  const corpus = await corpora.open('notes')
  const notes = Array.from({ length: 1200 }, (_, n) => ({
    id: `n${n}`,
    text: `Note ${n}: the ${['heron', 'engine', 'harbour', 'violin'][n % 4]} of place ${n * 7} ${'and its old keeper '.repeat(n % 4)}`,
  }))
  const adding = corpus.add(notes)
  const waits: number[] = []
  let isOver = false
  void adding.then(() => {
    isOver = true
  })
  while (!isOver) {
    const began = performance.now()
    await corpus.search(`where is the heron ${waits.length}`, { mode: 'vector' })
    waits.push(performance.now() - began)
    await sleep(200)
  }
  const { added, failed } = await adding
  const model = await corpora.loadedEmbedder()
  const { documents: stored } = await readCorpusFile(await corpus.export())
  const cosines: number[] = []
  for (const { entry, content } of stored.filter((_, index) => index % 20 === 0)) {
    const [alone] = await model.embed([content.text.trim()])
    cosines.push(
      (alone ?? new Float32Array()).reduce((sum, value, at) => sum + value * (content.vectors?.[at] ?? 0), 0),
    )
    if (entry.chunks !== 1) throw new Error(`expected one chunk, got ${entry.chunks}`)
  }
  copies.close()
  const found = {
    added,
    failed: failed.length,
    opened,
    waits,
    worst: Math.min(...cosines),
    stats: await corpus.stats(),
  }
  await host.close()
  return found
}

/** Loads MiniLM in a worker that believes in so many cores; says what it reported, its threads, and a vector. */
export async function loadWithCores(storageName: string, runtimeFolder: string, cores: number, device?: 'auto') {
  const spec = { ...miniLm(), ...(device && { device }) }
  const workerName = `${new URL(runtimeFolder, location.href).href} ${cores}`
  const { host, corpora } = open(storageName, spec, workerName)
  const messages: string[] = []
  await corpora.loadEmbedder({ onProgress: ({ message }) => messages.push(message ?? '') })
  const corpus = await corpora.open('notes')
  await corpus.add([
    { id: 'heron', text: 'The heron waits in shallow water for fish.' },
    { id: 'engine', text: 'The engine of the car needs new oil.' },
  ])
  const hits = await corpus.search('a bird that hunts in a pond', { mode: 'vector' })
  const found = { isIsolated: crossOriginIsolated, messages, best: hits[0]?.source.id, stats: await corpus.stats() }
  await host.close()
  return found
}

/** Opens and uses corpora through the client, and counts how often the person is asked about the model's download. */
export async function askedToDownload(storageName: string) {
  const library: typeof import('../../../src/index.js') = await import(
    /* @vite-ignore */ `${location.origin}/dist/index.js`
  )
  let asked = 0
  const alcove = library.createAlcove({
    storage: { name: storageName },
    modelBaseUrl: new URL('/models/', location.href).href,
    allowRemoteModels: false,
    embedder: 'transformers:all-MiniLM-L6-v2',
    maxDownloadBytes: 0,
    confirmDownload: () => {
      asked += 1
      return true
    },
  })
  const note = { id: 'heron', text: 'The heron waits in shallow water for fish.' }
  const counts: Record<string, number> = {}
  const plain = await alcove.corpus('plain', { vectors: 'none' })
  await plain.add(note)
  const [hit] = await plain.search('heron')
  counts.none = asked
  const corpus = await alcove.corpus('notes')
  await corpus.list()
  await sleep(500)
  counts.opened = asked
  const run = corpus.add(note)
  run.pause()
  const isPaused = run.isPaused
  await sleep(200)
  run.resume()
  const { added } = await run
  counts.added = asked
  const stats = await corpus.stats()
  const plainStats = await plain.stats()
  await alcove.close()
  return { counts, isPaused, added, hit: hit?.source.id, stats, plainStats }
}
