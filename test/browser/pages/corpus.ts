// Harness for corpora as a page has them: a worker, IndexedDB, and a real embedding model where asked. Each function returns plain data.

import type { ModelSpec } from '../../../src/engines/engine.js'
import type { AddResult, Corpus, Hit, SearchMode } from '../../../src/protocol/corpus.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import type { EmbeddingModel } from '../../../src/protocol/model.js'
import type { RetrievalApi } from '../../../src/retrieval/serve-corpus.js'
import { createWorkerCorpora, type WorkerCorpora } from '../../../src/retrieval/worker-corpus.js'
import { openWorker } from '../../../src/rpc/open-worker.js'
import { createWorkerHost, type WorkerHost } from '../../../src/rpc/worker-host.js'
import workerUrl from './corpus.worker.ts?worker&url'

interface Opened {
  readonly host: WorkerHost<RetrievalApi>
  readonly corpora: WorkerCorpora
  readonly warnings: string[]
}

/** Opens the worker with a storage name of its own. */
function open(storageName: string, embedder?: ModelSpec | EmbeddingModel, runtimeFolder = ''): Opened {
  const warnings: string[] = []
  const host = createWorkerHost<RetrievalApi>({ name: 'retrieval', open: () => openWorker(workerUrl, runtimeFolder) })
  const onWarning = ({ code }: AlcoveError) => warnings.push(code)
  return { host, warnings, corpora: createWorkerCorpora({ host, storageName, embedder, onWarning }) }
}

function minilm(modelBaseUrl: string): ModelSpec {
  return {
    id: 'transformers:all-MiniLM-L6-v2',
    baseUrl: new URL(modelBaseUrl, location.href).href,
    allowRemote: false,
    hubUrl: 'https://huggingface.co/',
    cacheName: 'corpus-harness-models',
    languages: ['en'],
    maxTokens: 256,
    device: 'wasm',
  }
}

const embedded = { texts: 0 }

/** A model of the page: words hashed to numbers. Counts the texts that it was given. */
const wordModel: EmbeddingModel = {
  id: 'page:words',
  dimensions: 64,
  maxTokens: 256,
  async load() {},
  async embed(texts) {
    embedded.texts += texts.length
    return texts.map((text) => {
      const vector = new Float32Array(64)
      for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ['-']) {
        let hash = 7
        for (const character of word) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003
        vector[hash % 64] = (vector[hash % 64] ?? 0) + 1
      }
      return vector
    })
  },
  async dispose() {},
}

async function spansHold(corpus: Corpus, hits: readonly Hit[]): Promise<boolean> {
  for (const { source, span, text } of hits) {
    if ((await corpus.get(source.id))?.text.slice(...span) !== text) return false
  }
  return hits.length > 0
}

async function failure(promise: PromiseLike<unknown>): Promise<{ code: string; ms: number }> {
  const began = performance.now()
  try {
    await promise
    return { code: 'none', ms: performance.now() - began }
  } catch (error) {
    return { code: (error as AlcoveError).code, ms: performance.now() - began }
  }
}

const notes = Array.from({ length: 20 }, (_, n) => ({
  id: `note${n}`,
  text: `Note ${n} is about subject${n}. `.repeat(3),
}))

/** Adds documents of several kinds and looks for them. */
export async function basics(storageName: string) {
  const { host, corpora, warnings } = open(storageName, wordModel)
  const corpus = await corpora.open('handbook')
  const page = '<html><body><main><h1>Herons</h1><p>The heron waits in shallow water for fish.</p></main></body></html>'
  const result: AddResult = await corpus.add([
    ...notes,
    new File([page], 'herons.html', { type: 'text/html' }),
    { title: '茶', text: '绿茶不经过发酵。红茶是全发酵茶，产于福建。' },
    new File(['%PDF-1.4 broken'], 'broken.pdf'),
  ])
  const english = await corpus.search('where does the heron wait')
  const chinese = await corpus.search('红茶产于哪里')
  const found = {
    result,
    warnings,
    english: english[0]?.source.id,
    chinese: chinese[0]?.source.id,
    spansHold: (await spansHold(corpus, english)) && (await spansHold(corpus, chinese)),
    stats: await corpus.stats(),
    usage: await corpora.usage(),
  }
  await host.close()
  return found
}

/** Looks at what an earlier page load has stored: run `basics` before. */
export async function afterReload(storageName: string) {
  embedded.texts = 0
  const { host, corpora } = open(storageName, wordModel)
  const corpus = await corpora.open('handbook')
  const hits = await corpus.search('where does the heron wait')
  const found = {
    names: await corpora.list(),
    best: hits[0]?.source.id,
    ranks: hits[0]?.ranks,
    spansHold: await spansHold(corpus, hits),
    again: await corpus.add(notes),
    documents: (await corpus.stats()).documents,
    /** The query, and nothing else. */
    embeddedTexts: embedded.texts,
  }
  await host.close()
  return found
}

/** Kills the worker in an add, and does the add again. */
export async function killInAdd(storageName: string) {
  const { host, corpora } = open(storageName, wordModel)
  const corpus = await corpora.open('handbook')
  const documents = Array.from({ length: 300 }, (_, n) => ({ id: `d${n}`, text: `Document ${n}. `.repeat(40) }))
  const run = corpus.add(documents)
  const watch = async () => {
    for await (const part of run) {
      if (part.type === 'ready') host.kill(new AlcoveError('worker-crashed', 'killed by the harness'))
    }
  }
  const killed = await failure(watch())
  const kept = (await corpus.list()).length
  const { added, unchanged, updated } = await corpus.add(documents)
  const found = { killed: killed.code, kept, all: added + unchanged + updated, stats: await corpus.stats() }
  await host.close()
  return found
}

/** Aborts an add and a search, and says how long they took to settle. */
export async function abort(storageName: string) {
  const { host, corpora } = open(storageName, wordModel)
  const corpus = await corpora.open('handbook')
  const controller = new AbortController()
  const documents = Array.from({ length: 500 }, (_, n) => ({ id: `d${n}`, text: `Document ${n}. `.repeat(200) }))
  const run = corpus.add(documents, { signal: controller.signal })
  for await (const part of run) if (part.type === 'ready') break
  controller.abort()
  const add = await failure(run)
  const other = new AbortController()
  const search = corpus.search('document', { signal: other.signal })
  other.abort()
  const found = { add, search: await failure(search), kept: (await corpus.list()).length }
  await host.close()
  return found
}

export interface JudgedSet {
  readonly documents: readonly { readonly id: string; readonly title: string; readonly text: string }[]
  readonly queries: readonly { readonly text: string; readonly relevant: readonly string[] }[]
}

/** nDCG@10 of each mode over a judged set, with the real model in the worker. */
export async function judge(storageName: string, modelBaseUrl: string, runtimeFolder: string, set: JudgedSet) {
  const { host, corpora, warnings } = open(
    storageName,
    minilm(modelBaseUrl),
    new URL(runtimeFolder, location.href).href,
  )
  const corpus = await corpora.open('judged')
  const statuses: string[] = []
  await corpora.loadEmbedder({ onProgress: ({ status }) => statuses.push(status) })
  const began = performance.now()
  const added = await corpus.add(set.documents)
  const addMs = performance.now() - began
  const scores: Record<string, number> = {}
  const times: Record<string, number> = {}
  for (const mode of ['keyword', 'vector', 'hybrid'] as const) {
    const started = performance.now()
    scores[mode] = await scoreMode(corpus, mode, set)
    times[mode] = (performance.now() - started) / set.queries.length
  }
  const found = {
    added: added.added,
    addMs,
    statuses: statuses.length,
    scores,
    times,
    warnings,
    stats: await corpus.stats(),
  }
  await host.close()
  return found
}

/** Mean nDCG@10 over documents: the best passage of each counts. */
async function scoreMode(corpus: Corpus, mode: SearchMode, { queries }: JudgedSet): Promise<number> {
  let sum = 0
  for (const { text, relevant } of queries) {
    const hits = await corpus.search(text, { mode, topK: 30 })
    const ids = [...new Set(hits.map(({ source }) => source.id))].slice(0, 10)
    const gain = ids.reduce((total, id, rank) => total + (relevant.includes(id) ? 1 / Math.log2(rank + 2) : 0), 0)
    const ideal = relevant.reduce((total, _, rank) => total + 1 / Math.log2(rank + 2), 0)
    sum += gain / ideal
  }
  return sum / queries.length
}

/** Fills a corpus with many chunks from the words of `texts`, then opens it anew, and says how long things took in milliseconds. */
export async function measure(storageName: string, texts: readonly string[], documents: number, chunksEach: number) {
  const first = open(storageName, wordModel)
  const corpus = await first.corpora.open('large', { chunkTokens: 220, overlapTokens: 0 })
  const words = texts.join(' ').split(' ')
  let at = 0
  const make = (n: number) => {
    const paragraphs = Array.from({ length: chunksEach }, () => {
      at = (at * 31 + 97) % (words.length - 120)
      return words.slice(at, at + 110).join(' ')
    })
    return { id: `doc${n}`, text: paragraphs.join('\n\n') }
  }
  const began = performance.now()
  await corpus.add(Array.from({ length: documents }, (_, n) => make(n)))
  const addMs = performance.now() - began
  const { chunks } = await corpus.stats()
  await first.host.close()
  const second = open(storageName, wordModel)
  const reopening = performance.now()
  const reopened = await second.corpora.open('large')
  await reopened.search('the first search after a reload', { mode: 'keyword' })
  const reopenMs = performance.now() - reopening
  const timings: number[] = []
  for (const text of texts.slice(0, 100)) {
    const started = performance.now()
    await reopened.search(text.slice(0, 80))
    timings.push(performance.now() - started)
  }
  timings.sort((a, b) => a - b)
  const found = { chunks, addMs, reopenMs, searchMs: timings[50], searchP95Ms: timings[95] }
  await second.host.close()
  return found
}
