// Harness for the stored index of corpora: several pages on one corpus, and workers that die while it is stored. Each function returns plain data.

import type { Corpus } from '../../../src/protocol/corpus.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import type { RetrievalApi } from '../../../src/retrieval/serve-corpus.js'
import { createWorkerCorpora } from '../../../src/retrieval/worker-corpus.js'
import { openWorker } from '../../../src/rpc/open-worker.js'
import { createWorkerHost } from '../../../src/rpc/worker-host.js'
import workerUrl from './corpus.worker.ts?worker&url'

const options = { chunkTokens: 16, overlapTokens: 0 }
const perDocument = 20

async function open(storageName: string) {
  const warnings: string[] = []
  const host = createWorkerHost<RetrievalApi>({ name: 'retrieval', open: () => openWorker(workerUrl, '') })
  const corpora = createWorkerCorpora({ host, storageName, onWarning: ({ code }) => warnings.push(code) })
  return { host, warnings, corpus: await corpora.open('shared', options) }
}

const opened = new Map<string, ReturnType<typeof open>>()

/** The corpus of this page, which stays open from call to call. */
function corpusOf(storageName: string): ReturnType<typeof open> {
  const known = opened.get(storageName) ?? open(storageName)
  opened.set(storageName, known)
  return known
}

const documents = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, n) => ({
    id: `${prefix}${n}`,
    title: `Title ${prefix}`,
    text: Array.from({ length: perDocument }, (_, at) => `Sentence ${at} speaks of ${prefix}${n}x here.`).join(' '),
  }))

/** Adds documents to the corpus that other pages may be adding to as well. */
export async function add(storageName: string, prefix: string, count: number) {
  const { corpus } = await corpusOf(storageName)
  const { added, failed } = await corpus.add(documents(prefix, count))
  return { added, failed }
}

/** Ids that a search for each document's own word gives first. */
async function findEach(corpus: Corpus, prefixes: readonly string[], count: number): Promise<string[]> {
  const found: string[] = []
  for (const prefix of prefixes) {
    for (let n = 0; n < count; n++) {
      const [hit] = await corpus.search(`${prefix}${n}x `, { mode: 'keyword', topK: 1 })
      const text = hit === undefined ? undefined : (await corpus.get(hit.source.id))?.text
      if (hit !== undefined && text?.slice(...hit.span) === hit.text) found.push(hit.source.id)
    }
  }
  return found
}

/** What this page sees of the corpus. */
export async function look(storageName: string, prefixes: readonly string[], count: number) {
  const { corpus, warnings } = await corpusOf(storageName)
  const { documents: all } = await corpus.stats()
  return { documents: all, found: await findEach(corpus, prefixes, count), warnings }
}

export async function change(storageName: string, id: string, to: { id?: string; title?: string }) {
  const { corpus } = await corpusOf(storageName)
  return await corpus.update(id, to)
}

export async function search(storageName: string, query: string) {
  const { corpus } = await corpusOf(storageName)
  const hits = await corpus.search(query, { mode: 'keyword', topK: 1 })
  return hits.map(({ source }) => [source.id, source.title])
}

/** Keys of the corpus database that end so. */
export async function keysEnding(storageName: string, ending: string): Promise<string[]> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(`${storageName}-corpora`)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  const keys = await new Promise<IDBValidKey[]>((resolve, reject) => {
    const request = database.transaction('entries').objectStore('entries').getAllKeys()
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  database.close()
  return keys.map(String).filter((key) => key.endsWith(ending))
}

/** Kills the worker some time after an add is over, while it stores the index, and looks at what is there then. */
export async function killWhileStoring(storageName: string, delaysMs: readonly number[]) {
  const seen: { documents: number; found: number; warnings: string[] }[] = []
  for (const [round, delayMs] of delaysMs.entries()) {
    const { host, corpus } = await open(storageName)
    await corpus.add(documents(`round${round}n`, 30))
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
    host.kill(new AlcoveError('worker-crashed', 'killed by the harness'))
    await host.close()
    const after = await open(storageName)
    const prefixes = Array.from({ length: round + 1 }, (_, at) => `round${at}n`)
    const found = await findEach(after.corpus, prefixes, 30)
    seen.push({
      documents: (await after.corpus.stats()).documents,
      found: new Set(found).size,
      warnings: after.warnings,
    })
    await after.host.close()
  }
  return seen
}
