import type {
  AddOptions,
  AddProgress,
  AddResult,
  CorpusOptions,
  CorpusStats,
  DocumentChanges,
  DocumentInput,
  DocumentSummary,
  Hit,
  SearchOptions,
  StoredDocument,
} from '../protocol/corpus.js'
import { AlcoveError } from '../protocol/error.js'
import type { Reranker } from '../protocol/model.js'
import { anySignal, throwIfAborted } from '../runtime/abort.js'
import type { Locks } from '../runtime/locks.js'
import { type CommitDocument, type CommittedDocument, createCommits, createEntryReader } from './commit-documents.js'
import { CorpusIndex } from './corpus-index.js'
import { checkChanges } from './document-changes.js'
import { prepareInputs } from './document-input.js'
import type { TextEmbedder } from './embed.js'
import { exportCorpus } from './export-corpus.js'
import { importDocuments, type StoredContent, type WordRow } from './import-documents.js'
import { embeddedTextsOf, ingestDocuments, joinVectors, type Parse } from './ingest.js'
import { createCodeKeeper, createWordKeeper, type KeepOptions } from './keep-indexes.js'
import type { SegmentData } from './keyword/segment.js'
import { loadCodes, loadVectors, loadWords, refineVectors } from './load-index.js'
import type { Pace } from './pace.js'
import { createYielder } from './parse/yielding.js'
import { checkSearch } from './search/check-search.js'
import { searchCorpus } from './search-corpus.js'
import { readCorpusFile } from './storage/corpus-file.js'
import {
  bytesOf,
  type CorpusMeta,
  type DocumentContent,
  type DocumentEntry,
  presentDocument,
  revisionOf,
  summarizeEntry,
} from './storage/corpus-layout.js'
import type { CorpusStore, NewEntry, PutResult } from './storage/corpus-store.js'
import type { IndexKeeper } from './storage/index-keeper.js'
import { createTidyUp } from './tidy-corpus.js'
import { createVectorBackfill, embedEach, type VectorBackfill } from './vector-backfill.js'

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
  readonly #index: CorpusIndex
  readonly #stop = new AbortController()
  #meta: CorpusMeta
  #embedder: TextEmbedder | undefined
  /** The model of the host, used or not. */
  #offered: TextEmbedder | undefined
  #usesVectors = true
  /** Revision that the index shows; undefined before it was read. */
  #shown: string | undefined
  #nextOrder = 0
  /** Whether a document went in without vectors of the current model since the last look for such. */
  #hasNewPending = false
  /** The end of the line of changes to the index. */
  #line: Promise<unknown> = Promise.resolve()
  readonly #backfill: VectorBackfill
  readonly #kept: KeepOptions
  readonly #keeper: IndexKeeper
  #codeKeeper: IndexKeeper | undefined
  readonly #commitDocument: CommitDocument
  readonly #tidyUp: () => void

  static async open(options: OpenCorpusOptions): Promise<OpenCorpus> {
    const meta = await options.store.open({})
    const corpus = new OpenCorpus(options, meta)
    corpus.#startBackfill()
    return corpus
  }

  private constructor(options: OpenCorpusOptions, meta: CorpusMeta) {
    this.name = options.name
    this.#options = options
    this.#store = options.store
    this.#embedder = options.embedder
    this.#offered = options.embedder
    this.#meta = meta
    this.#index = new CorpusIndex((entries) => options.store.readContents(entries, () => false))
    const { name, store, locks, onWarning } = options
    this.#kept = { name, store, locks, onWarning, index: this.#index, signal: this.#stop.signal }
    this.#keeper = createWordKeeper(this.#kept)
    this.#codeKeeper = this.#createCodeKeeper()
    this.#tidyUp = createTidyUp({ store, onWarning, index: this.#index, signal: this.#stop.signal })
    this.#commitDocument = createCommits({
      store: options.store,
      inLine: (work) =>
        this.#change(async () => {
          throwIfAborted(this.#stop.signal)
          return await work()
        }),
      show: (stored) => this.#show(stored),
    })
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

  /** @param options those that are given are taken from now on; without `usesVectors` the corpus is searched by keyword alone */
  async configure({
    usesVectors,
    ...options
  }: CorpusOptions & { readonly usesVectors?: boolean | undefined }): Promise<void> {
    if (usesVectors !== undefined && usesVectors !== this.#usesVectors) {
      this.#usesVectors = usesVectors
      await this.useEmbedder(this.#offered)
    }
    if (Object.values(options).every((value) => value === undefined)) return
    this.#meta = await this.#store.open(options)
  }

  /** Stops adds and background work, for this reason. */
  close(reason: AlcoveError): void {
    this.#stop.abort(reason)
    this.#backfill.stop(reason)
  }

  async useEmbedder(offered: TextEmbedder | undefined): Promise<void> {
    this.#offered = offered
    const embedder = this.#usesVectors ? offered : undefined
    this.#backfill.stop(new AlcoveError('aborted', 'another embedding model is used from now on'))
    const before = this.#embedder
    this.#embedder = embedder
    if (before?.key !== embedder?.key) {
      await this.#change(async () => {
        this.#codeKeeper = this.#createCodeKeeper()
        this.#index.clearVectors()
        if (this.#shown !== undefined) await this.#loadVectors()
      })
    }
    this.#startBackfill()
  }

  async add(
    input: DocumentInput | readonly DocumentInput[],
    report: (progress: AddProgress) => void,
    { signal, pace, vectors = 'wait' }: { signal: AbortSignal; pace: Pace; vectors?: AddOptions['vectors'] },
  ): Promise<AddResult> {
    const inputs = prepareInputs(input)
    await this.#refresh()
    const firstOrder = this.#nextOrder
    this.#nextOrder += inputs.length
    const { chunkTokens, overlapTokens, contextHeader = false, chunking = 'structure' } = this.#meta
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
        contextHeader,
        chunking,
        vectors,
        pace,
        firstOrder,
        get embedder() {
          return currentEmbedder()
        },
        signal: work,
        entryOf: createEntryReader(this.#store),
        commit: (entry, content, embedder) => this.#commit(entry, content, embedder, work),
      })
    } finally {
      if (this.#hasNewPending) this.#startBackfill()
      this.#saveIndexes()
      this.#tidyUp()
    }
  }

  /** Changes what is known of a document; true when there is one. Its passages and vectors stay. */
  async update(id: string, changes: DocumentChanges): Promise<boolean> {
    const change = checkChanges(id, changes)
    await this.#refresh()
    return await this.#change(async () => {
      throwIfAborted(this.#stop.signal)
      const changed = await this.#store.changeEntry(id, change)
      if (changed === undefined) return false
      await this.#showEntry(id, changed)
      await this.#noteOwnChange()
      return true
    })
  }

  async search(query: string | readonly string[], options: SearchOptions, reranker?: Reranker): Promise<Hit[]> {
    const search = checkSearch(query, options)
    throwIfAborted(options.signal)
    await this.#refresh()
    const { onWarning } = this.#options
    try {
      return await searchCorpus(search, {
        index: this.#index,
        embedder: this.#embedder,
        reranker,
        signal: options.signal,
        refine: (entries) => refineVectors(entries, this.#store, this.#index, this.#stop.signal),
        onWarning,
      })
    } finally {
      this.#tidyUp()
    }
  }

  async get(id: string): Promise<StoredDocument | undefined> {
    await this.#refresh()
    const entry = this.#index.entryOf(id)
    const content = await this.#index.contentOf(id)
    if (entry === undefined || content === undefined) return undefined
    return presentDocument(entry, content)
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
      bytes: total(bytesOf) + (await this.#store.readIndexBytes()),
      dimensions: embedder === undefined ? 0 : embedder.model.dimensions || this.#index.dimensions,
      embedder: embedder?.model.id ?? null,
      pendingVectors: total((entry) => (this.#isCurrent(entry) ? 0 : entry.chunks)),
    }
  }

  async export(): Promise<Blob> {
    await this.#refresh()
    const { chunkTokens, overlapTokens } = this.#meta
    const facts = { name: this.name, chunkTokens, overlapTokens }
    return await exportCorpus({ facts, index: this.#index, store: this.#store, embedder: this.#embedder?.key })
  }

  async import(file: Blob): Promise<AddResult> {
    const read = await readCorpusFile(file)
    await this.#refresh()
    const result = await importDocuments(read, {
      signal: this.#stop.signal,
      store: this.#store,
      nextOrder: () => this.#nextOrder++,
      commit: (entry, content, embedder) => this.#commit(entry, content, embedder),
      show: (rows, words, stored) => this.#change(async () => this.#showImported(rows, words, stored)),
    })
    await this.#refresh()
    this.#startBackfill()
    this.#saveIndexes()
    return result
  }

  #showImported(rows: readonly WordRow[], words: SegmentData, stored: readonly StoredContent[]): void {
    this.#index.putWords(rows, words)
    for (const { entry, content } of stored) {
      this.#keeper.note(entry)
      const { vectors } = this.#searchable(entry, content)
      if (vectors === undefined) continue
      this.#index.putVectors([{ entry, vectors }])
      this.#codeKeeper?.note(entry)
    }
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
    return await this.#commitDocument({ entry, content, embedder }, signal)
  }

  /** Shows documents that were stored just now. */
  async #show(stored: readonly CommittedDocument[]): Promise<void> {
    for (const { entry, content } of stored) {
      this.#index.put(entry, this.#searchable(entry, content))
      this.#hasNewPending ||= !this.#isCurrent(entry)
    }
    await this.#noteOwnChange()
    for (const { entry } of stored) {
      this.#keeper.note(entry)
      if (this.#isCurrent(entry)) this.#codeKeeper?.note(entry)
    }
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

  /** Brings the index in line with the entries: first from the stored index, then from the documents that it does not have. */
  async #load(): Promise<void> {
    const entries = await this.#store.readEntries()
    const stored = new Map(entries.map((entry) => [entry.id, entry]))
    for (const entry of this.#index.entries) {
      const now = stored.get(entry.id)
      if (now?.segment !== entry.segment || now.title !== entry.title) this.#index.remove(entry.id)
      else this.#index.putEntry(entry.id, now)
    }
    if (this.#index.size === 0) await loadWords(entries, this.#store.words, this.#index, this.#keeper)
    const missing = entries.filter(({ id }) => this.#index.entryOf(id) === undefined)
    const yielder = createYielder()
    for await (const { entry, content } of this.#store.readContents(missing, () => false)) {
      this.#index.put(entry, content)
      this.#keeper.note(entry)
      await yielder.pause()
    }
    await this.#loadVectors(entries)
    this.#nextOrder = Math.max(this.#nextOrder, (entries.at(-1)?.order ?? -1) + 1)
    this.#saveIndexes()
  }

  /** Reads vectors of the current model that the index does not have yet. */
  async #loadVectors(entries?: readonly DocumentEntry[]): Promise<void> {
    const key = this.#embedder?.key
    const keeper = this.#codeKeeper
    if (key === undefined || keeper === undefined) return
    const current = (entries ?? (await this.#store.readEntries())).filter(({ vectors }) => vectors?.embedder === key)
    if (this.#index.dimensions === 0) await loadCodes(current, this.#store.codes(key), this.#index, keeper)
    const missing = current.filter(({ id }) => !this.#index.hasVectors(id))
    await loadVectors(missing, this.#store, this.#index)
    for (const entry of missing) keeper.note(entry)
    if (missing.length > 0) keeper.save()
  }

  #createCodeKeeper(): IndexKeeper | undefined {
    const key = this.#embedder?.key
    return key === undefined ? undefined : createCodeKeeper(this.#kept, key, () => this.#embedder?.key === key)
  }

  #saveIndexes(): void {
    this.#keeper.save()
    this.#codeKeeper?.save()
  }

  /** Shows a changed entry: only a new title changes the words, and then text and vectors are read, not made. */
  async #showEntry(id: string, changed: DocumentEntry): Promise<void> {
    if (this.#index.entryOf(id)?.title === changed.title) {
      this.#index.putEntry(id, changed)
      return
    }
    this.#index.remove(id)
    for await (const { entry, content } of this.#store.readContents([changed], (one) => this.#isCurrent(one))) {
      this.#index.put(entry, content)
      this.#keeper.note(entry)
    }
  }

  #startBackfill(): void {
    this.#hasNewPending = false
    if (this.#embedder !== undefined && !this.isClosed) this.#backfill.start(this.#embedder)
  }

  async #embedMissing(embedder: TextEmbedder, signal: AbortSignal): Promise<void> {
    const entries = await this.#store.readEntries()
    const missing = entries.filter(({ vectors }) => vectors?.embedder !== embedder.key)
    try {
      await embedEach(missing, ({ id }) => this.#embedDocument(id, embedder, signal), signal)
    } finally {
      this.#codeKeeper?.save()
    }
  }

  async #embedDocument(id: string, embedder: TextEmbedder, signal: AbortSignal): Promise<void> {
    await this.#refresh()
    const entry = this.#index.entryOf(id)
    const content = await this.#index.contentOf(id)
    if (entry === undefined || content === undefined || entry.vectors?.embedder === embedder.key) return
    const vectors = joinVectors(await embedder.documents(embeddedTextsOf(entry, content), { signal }))
    await this.#change(async () => {
      throwIfAborted(signal)
      const named = await this.#store.putVectors(entry, vectors, embedder.key)
      if (named === undefined) return
      this.#index.putVectors([{ entry: named, vectors }])
      this.#codeKeeper?.note(named)
      await this.#noteOwnChange()
    })
  }
}
