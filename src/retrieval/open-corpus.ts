import type {
  AddProgress,
  AddResult,
  CorpusOptions,
  CorpusStats,
  DocumentInput,
  DocumentSummary,
  Hit,
  SearchOptions,
  StoredDocument,
} from '../protocol/corpus.js'
import { AlcoveError } from '../protocol/error.js'
import type { Reranker } from '../protocol/model.js'
import { anySignal, throwIfAborted } from '../runtime/abort.js'
import { CorpusIndex } from './corpus-index.js'
import { prepareInputs } from './document-input.js'
import type { TextEmbedder } from './embed.js'
import { ingestDocuments, joinVectors, type Parse } from './ingest.js'
import { createYielder } from './parse/yielding.js'
import { checkSearch } from './search/check-search.js'
import { searchCorpus } from './search-corpus.js'
import { readCorpusFile, writeCorpusFile } from './storage/corpus-file.js'
import {
  bytesOf,
  type CorpusMeta,
  type DocumentContent,
  type DocumentEntry,
  summarizeEntry,
} from './storage/corpus-layout.js'
import type { Locks } from './storage/corpus-locks.js'
import type { CorpusStore, NewEntry, PutResult } from './storage/corpus-store.js'
import { createVectorBackfill, type VectorBackfill } from './vector-backfill.js'

export interface OpenCorpusOptions {
  readonly name: string
  readonly store: CorpusStore
  readonly parse: Parse
  readonly embedder: TextEmbedder | undefined
  readonly locks: Locks
  readonly onWarning: (error: AlcoveError) => void
}

/**
 * One corpus in one thread: its store, and its index in memory. The index is read at the first use, and read again where another tab has
 * changed the corpus, which the revision tells. What changes the index waits in line; a search does not, as each change is one step.
 */
export class OpenCorpus {
  readonly name: string
  readonly #options: OpenCorpusOptions
  readonly #store: CorpusStore
  readonly #index = new CorpusIndex()
  readonly #stop = new AbortController()
  #meta: CorpusMeta
  #embedder: TextEmbedder | undefined
  /** Revision that the index shows; undefined before it was read. */
  #shown: string | undefined
  #nextOrder = 0
  /** Whether a document went in without vectors of the current model since the last look for such. */
  #hasNewPending = false
  /** The end of the line of changes to the index. */
  #line: Promise<unknown> = Promise.resolve()
  readonly #backfill: VectorBackfill

  static async open(options: OpenCorpusOptions): Promise<OpenCorpus> {
    const meta = await options.store.open({})
    await options.store.sweep()
    const corpus = new OpenCorpus(options, meta)
    corpus.#startBackfill()
    return corpus
  }

  private constructor(options: OpenCorpusOptions, meta: CorpusMeta) {
    this.name = options.name
    this.#options = options
    this.#store = options.store
    this.#embedder = options.embedder
    this.#meta = meta
    this.#backfill = createVectorBackfill({
      locks: options.locks,
      lockName: `alcove-corpus-embedding/${encodeURIComponent(options.name)}`,
      embedMissing: (embedder, signal) => this.#embedMissing(embedder, signal),
      onWarning: options.onWarning,
    })
  }

  get isClosed(): boolean {
    return this.#stop.signal.aborted
  }

  async configure(options: CorpusOptions): Promise<void> {
    const { chunkTokens, overlapTokens } = options
    if (chunkTokens === undefined && overlapTokens === undefined) return
    this.#meta = await this.#store.open(options)
  }

  /** Stops adds and background work, for this reason. */
  close(reason: AlcoveError): void {
    this.#stop.abort(reason)
    this.#backfill.stop(reason)
  }

  async useEmbedder(embedder: TextEmbedder | undefined): Promise<void> {
    this.#backfill.stop(new AlcoveError('aborted', 'another embedding model is used from now on'))
    const before = this.#embedder
    this.#embedder = embedder
    if (before?.key !== embedder?.key) {
      await this.#change(async () => {
        this.#index.clearVectors()
        if (this.#shown !== undefined) await this.#loadVectors()
      })
    }
    this.#startBackfill()
  }

  async add(
    input: DocumentInput | readonly DocumentInput[],
    report: (progress: AddProgress) => void,
    signal: AbortSignal,
  ): Promise<AddResult> {
    const inputs = prepareInputs(input)
    await this.#refresh()
    const firstOrder = this.#nextOrder
    this.#nextOrder += inputs.length
    const { chunkTokens, overlapTokens } = this.#meta
    const { parse, onWarning } = this.#options
    const work = anySignal(signal, this.#stop.signal) ?? signal
    throwIfAborted(work)
    const currentEmbedder = (): TextEmbedder | undefined => this.#embedder
    try {
      return await ingestDocuments(inputs, {
        parse,
        onWarning,
        report,
        chunkTokens,
        overlapTokens,
        firstOrder,
        get embedder() {
          return currentEmbedder()
        },
        signal: work,
        entryOf: (id) => this.#store.readEntry(id),
        commit: (entry, content, embedder) => this.#commit(entry, content, embedder, work),
      })
    } finally {
      if (this.#hasNewPending) this.#startBackfill()
    }
  }

  async search(query: string | readonly string[], options: SearchOptions, reranker?: Reranker): Promise<Hit[]> {
    const search = checkSearch(query, options)
    throwIfAborted(options.signal)
    await this.#refresh()
    const { onWarning } = this.#options
    return await searchCorpus(search, {
      index: this.#index,
      embedder: this.#embedder,
      reranker,
      signal: options.signal,
      onWarning,
    })
  }

  async get(id: string): Promise<StoredDocument | undefined> {
    await this.#refresh()
    const entry = this.#index.entryOf(id)
    const text = this.#index.textOf(id)
    if (entry === undefined || text === undefined) return undefined
    const { title, url, metadata, pages } = entry
    return {
      id,
      title,
      ...(url !== undefined && { url }),
      text,
      metadata: { ...metadata },
      ...(pages !== undefined && { pages }),
    }
  }

  async list(): Promise<DocumentSummary[]> {
    return (await this.#entries()).map(summarizeEntry)
  }

  async remove(id: string): Promise<boolean> {
    const removed = await this.#store.removeDocument(id)
    await this.#refresh()
    return removed
  }

  async clear(): Promise<void> {
    await this.#store.removeAll()
    await this.#refresh()
  }

  async stats(): Promise<CorpusStats> {
    const entries = await this.#entries()
    const embedder = this.#embedder
    const total = (countOf: (entry: DocumentEntry) => number): number =>
      entries.reduce((sum, entry) => sum + countOf(entry), 0)
    return {
      documents: entries.length,
      chunks: total(({ chunks }) => chunks),
      bytes: total(bytesOf),
      dimensions: embedder === undefined ? 0 : embedder.model.dimensions || this.#index.dimensions,
      embedder: embedder?.model.id ?? null,
      pendingVectors: total((entry) => (this.#isCurrent(entry) ? 0 : entry.chunks)),
    }
  }

  async export(): Promise<Blob> {
    const entries = await this.#store.readEntries()
    const { chunkTokens, overlapTokens } = this.#meta
    return await writeCorpusFile({ name: this.name, chunkTokens, overlapTokens }, entries, (batch) =>
      this.#store.readContents(batch, () => true),
    )
  }

  async import(file: Blob): Promise<AddResult> {
    const documents = await readCorpusFile(file)
    const counts = { added: 0, updated: 0, unchanged: 0 }
    const ids: string[] = []
    await this.#refresh()
    for (const { entry, content } of documents) {
      throwIfAborted(this.#stop.signal)
      const existing = await this.#store.readEntry(entry.id)
      ids.push(entry.id)
      if (existing?.contentHash === entry.contentHash) counts.unchanged++
      else {
        const { vectors, segment: _segment, addedAt: _addedAt, ...rest } = entry
        const type = await this.#commit({ ...rest, order: this.#nextOrder++ }, content, vectors?.embedder)
        counts[type]++
      }
    }
    this.#startBackfill()
    return { ids, ...counts, failed: [] }
  }

  /** One change of the index after the other. */
  async #change<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#line.then(work)
    this.#line = turn.catch(() => {})
    return await turn
  }

  async #commit(
    entry: NewEntry,
    content: DocumentContent,
    embedder: string | undefined,
    signal: AbortSignal = this.#stop.signal,
  ): Promise<PutResult['type']> {
    return await this.#change(async () => {
      throwIfAborted(signal)
      const stored = await this.#store.putDocument(entry, content, embedder)
      if (stored.type === 'unchanged') return stored.type
      this.#index.put(stored.entry, this.#searchable(stored.entry, content))
      this.#hasNewPending ||= !this.#isCurrent(stored.entry)
      await this.#noteOwnChange()
      return stored.type
    })
  }

  /** Whether a document has vectors of the current model. */
  #isCurrent({ vectors }: DocumentEntry): boolean {
    return this.#embedder !== undefined && vectors?.embedder === this.#embedder.key
  }

  /** The content without vectors that another model made. */
  #searchable(entry: DocumentEntry, content: DocumentContent): DocumentContent {
    return this.#isCurrent(entry) ? content : { ...content, vectors: undefined }
  }

  /** The entries; does not read the index in if that was not needed so far. */
  async #entries(): Promise<readonly DocumentEntry[]> {
    if (this.#shown === undefined) return await this.#store.readEntries()
    await this.#refresh()
    return this.#index.entries
  }

  /** Makes the index show what the store has, if it does not. */
  async #refresh(): Promise<void> {
    const meta = await this.#readMeta()
    if (revisionOf(meta) === this.#shown) return
    await this.#change(async () => {
      const now = await this.#readMeta()
      if (revisionOf(now) === this.#shown) return
      await this.#load()
      this.#shown = revisionOf(now)
    })
  }

  /** The meta entry as stored; a corpus that another tab has deleted is made again, empty. */
  async #readMeta(): Promise<CorpusMeta> {
    const meta = (await this.#store.readMeta()) ?? (await this.#store.open(this.#meta))
    this.#meta = meta
    return meta
  }

  /** Our own write came on top of what the index shows, unless another tab wrote in between: then it is read anew. */
  async #noteOwnChange(): Promise<void> {
    const before = this.#meta
    const meta = await this.#readMeta()
    const isOnTop = this.#shown === revisionOf(before) && meta.incarnation === before.incarnation
    if (isOnTop && meta.revision === before.revision + 1) this.#shown = revisionOf(meta)
  }

  /** Brings the index in line with the entries: only documents that are new or changed are read. */
  async #load(): Promise<void> {
    const entries = await this.#store.readEntries()
    const stored = new Map(entries.map((entry) => [entry.id, entry]))
    for (const entry of this.#index.entries) {
      if (stored.get(entry.id)?.segment !== entry.segment) this.#index.remove(entry.id)
    }
    const missing = entries.filter(({ id }) => this.#index.entryOf(id) === undefined)
    const yielder = createYielder()
    for await (const { entry, content } of this.#store.readContents(missing, (one) => this.#isCurrent(one))) {
      this.#index.put(entry, content)
      await yielder.pause()
    }
    await this.#loadVectors(entries)
    this.#nextOrder = Math.max(this.#nextOrder, (entries.at(-1)?.order ?? -1) + 1)
  }

  /** Reads vectors of the current model that the index does not have yet. */
  async #loadVectors(entries?: readonly DocumentEntry[]): Promise<void> {
    const key = this.#embedder?.key
    if (key === undefined) return
    const missing = (entries ?? (await this.#store.readEntries())).filter(
      ({ id, vectors }) => vectors?.embedder === key && !this.#index.hasVectors(id),
    )
    for await (const { entry, content } of this.#store.readContents(missing, () => true)) {
      if (content.vectors !== undefined) this.#index.putVectors(entry, content.vectors)
    }
  }

  #startBackfill(): void {
    this.#hasNewPending = false
    if (this.#embedder !== undefined && !this.isClosed) this.#backfill.start(this.#embedder)
  }

  async #embedMissing(embedder: TextEmbedder, signal: AbortSignal): Promise<void> {
    for (const entry of await this.#store.readEntries()) {
      throwIfAborted(signal)
      if (entry.vectors?.embedder !== embedder.key) await this.#embedDocument(entry.id, embedder, signal)
    }
  }

  async #embedDocument(id: string, embedder: TextEmbedder, signal: AbortSignal): Promise<void> {
    await this.#refresh()
    const entry = this.#index.entryOf(id)
    if (entry === undefined || entry.vectors?.embedder === embedder.key) return
    const vectors = joinVectors(await embedder.documents(this.#index.chunkTexts(id), { signal }))
    await this.#change(async () => {
      throwIfAborted(signal)
      const named = await this.#store.putVectors(entry, vectors, embedder.key)
      if (named === undefined) return
      this.#index.putVectors(named, vectors)
      await this.#noteOwnChange()
    })
  }
}

function revisionOf({ incarnation, revision }: CorpusMeta): string {
  return `${incarnation}/${revision}`
}
