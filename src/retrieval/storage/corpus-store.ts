import type { CorpusOptions } from '../../protocol/corpus.js'
import { AlcoveError } from '../../protocol/error.js'
import type { Locks } from '../../runtime/locks.js'
import type { Store } from '../../store/store.js'
import type { SegmentData } from '../keyword/segment.js'
import { tokenizerKey } from '../keyword/tokenize.js'
import {
  type CorpusMeta,
  checkContent,
  type DocumentContent,
  type DocumentEntry,
  isVectorsOf,
  layoutVersion,
} from './corpus-layout.js'
import { codesForm, createIndexStore, type IndexStore, type StoredCodes, wordsForm } from './index-store.js'
import { readAhead } from './read-ahead.js'
import { createStoredIndex, type StoredIndex } from './stored-index.js'

/** Without Web Locks another tab may be in the middle of an add: what it wrote is left alone for so long. */
const sweepAfterMs = 3_600_000
/** Most documents whose segments are in memory on their way from the store. */
const readBatch = 32

export interface CorpusStoreOptions {
  readonly store: Store
  readonly name: string
  readonly locks: Locks
  /** Milliseconds since the epoch. */
  readonly wallTime: () => number
  /** A new name for a segment. @default random */
  readonly createId?: (() => string) | undefined
}

/** An entry as it is before it is stored; `order` counts only where it replaces none. */
export type NewEntry = Omit<DocumentEntry, 'segment' | 'vectors' | 'addedAt'>

/** What is known of a document and can be changed without its content. */
export type EntryChange = (entry: DocumentEntry) => DocumentEntry
/** A document to store. */
export interface NewDocument {
  readonly entry: NewEntry
  readonly content: DocumentContent
  /** Which model made the vectors. */
  readonly embedder: string | undefined
}

/** What putting a document did. `entry` is the one that is stored now. */
export interface PutResult {
  readonly type: 'added' | 'updated' | 'unchanged'
  readonly entry: DocumentEntry
}

/**
 * One corpus in a `Store`. Segments are written first; one `write` then names them in the document's entry, counts the revision up
 * and deletes what the entry named before. A crash between leaves segments without a name, which the next open sweeps.
 */
export interface CorpusStore {
  readMeta(): Promise<CorpusMeta | undefined>
  /** Makes the corpus if there is none, with these options; else sets the options where they differ. */
  open(options: CorpusOptions): Promise<CorpusMeta>
  /** All entries in document order. */
  readEntries(): Promise<DocumentEntry[]>
  readEntry(id: string): Promise<DocumentEntry | undefined>
  /** The entry of each id, in order, with one read. */
  readEntriesOf(ids: readonly string[]): Promise<(DocumentEntry | undefined)[]>
  /**
   * Texts, chunks and, where they are wanted and there, the vectors. Entries whose segments are gone or broken (another tab changed
   * them) are left out.
   */
  readContents(
    entries: readonly DocumentEntry[],
    wantsVectors: (entry: DocumentEntry) => boolean,
  ): AsyncIterable<{ readonly entry: DocumentEntry; readonly content: DocumentContent }>
  /** Reads the vectors of entries that have some, in order; those that are gone or do not fit are left out. */
  readVectors(
    entries: readonly DocumentEntry[],
  ): AsyncIterable<{ readonly entry: DocumentEntry; readonly vectors: Float32Array }>
  /** Bytes that the stored indexes take. */
  readIndexBytes(): Promise<number>
  /** The stored keyword index. */
  readonly words: StoredIndex<SegmentData>
  /** The stored codes of the vectors of a model. */
  codes(embedder: string): StoredIndex<StoredCodes>
  /** Stores documents with as many writes as one takes, each unless it was stored meanwhile as it is. All of them, or none. */
  putDocuments(documents: readonly NewDocument[]): Promise<PutResult[]>
  /** Stores a document, unless it was stored meanwhile as it is. */
  putDocument(entry: NewEntry, content: DocumentContent, embedder: string | undefined): Promise<PutResult>
  /** Stores vectors for a document as it is named by `entry`; undefined when that was changed meanwhile. */
  putVectors(entry: DocumentEntry, vectors: Float32Array, embedder: string): Promise<DocumentEntry | undefined>
  /**
   * Changes what is known of a document, not its content. Undefined when there is none.
   * @throws AlcoveError `invalid-argument` when the new id is that of another document
   */
  changeEntry(id: string, change: EntryChange): Promise<DocumentEntry | undefined>
  removeDocument(id: string): Promise<boolean>
  removeAll(): Promise<void>
  /** Removes the corpus itself, too. */
  drop(): Promise<void>
  /** Deletes the segments that no entry names. Returns how many keys were deleted. */
  sweep(): Promise<number>
}

/** Most documents whose vectors are read at one time. */
const vectorBatch = 128
const metaPrefix = 'corpus/'

/** Names of all corpora in a store, in order. */
export async function listCorpusNames(store: Store): Promise<string[]> {
  const keys = await store.keys(metaPrefix)
  return keys.map((key) => decodeURIComponent(key.slice(metaPrefix.length)))
}

export function createCorpusStore(options: CorpusStoreOptions): CorpusStore {
  return new KeyedCorpusStore(options)
}

class KeyedCorpusStore implements CorpusStore {
  readonly #store: Store
  readonly #name: string
  readonly #locks: Locks
  readonly #wallTime: () => number
  readonly #createId: () => string
  readonly #metaKey: string
  readonly #entryPrefix: string
  readonly #segmentPrefix: string
  readonly #namingLock: string
  readonly #writersLock: string
  readonly #encoded: string
  readonly #wordStore: IndexStore<SegmentData>
  readonly words: StoredIndex<SegmentData>

  constructor({ store, name, locks, wallTime, createId }: CorpusStoreOptions) {
    const encoded = encodeURIComponent(name)
    this.#store = store
    this.#name = name
    this.#locks = locks
    this.#wallTime = wallTime
    this.#createId = createId ?? (() => crypto.randomUUID())
    this.#metaKey = `${metaPrefix}${encoded}`
    this.#entryPrefix = `document/${encoded}/`
    this.#segmentPrefix = `segment/${encoded}/`
    this.#namingLock = `alcove-corpus-naming/${encoded}`
    this.#writersLock = `alcove-corpus-writers/${encoded}`
    this.#encoded = encoded
    const manifestKey = `index/${encoded}`
    const segmentPrefix = this.#segmentPrefix
    this.#wordStore = createIndexStore({ store, form: wordsForm, manifestKey, segmentPrefix, stamp: tokenizerKey })
    this.words = this.#open(this.#wordStore)
  }

  async readMeta(): Promise<CorpusMeta | undefined> {
    const meta = await this.#store.get<CorpusMeta>(this.#metaKey)
    if (meta !== undefined && meta.version > layoutVersion) {
      throw new AlcoveError(
        'version-unsupported',
        `corpus '${this.#name}': it is stored in layout ${meta.version}, this Alcove knows ${layoutVersion}`,
      )
    }
    return meta
  }

  async open(options: CorpusOptions): Promise<CorpusMeta> {
    return await this.#locks.exclusive(this.#namingLock, async () => {
      const stored = await this.readMeta()
      const chunkTokens = options.chunkTokens ?? stored?.chunkTokens ?? 256
      const fallbackOverlap = Math.min(stored?.overlapTokens ?? 32, Math.floor(chunkTokens / 2))
      const overlapTokens = options.overlapTokens ?? fallbackOverlap
      const { contextHeader = stored?.contextHeader ?? false, chunking = stored?.chunking ?? 'structure' } = options
      const isAsStored =
        stored?.version === layoutVersion &&
        stored.chunkTokens === chunkTokens &&
        stored.overlapTokens === overlapTokens &&
        (stored.contextHeader ?? false) === contextHeader &&
        (stored.chunking ?? 'structure') === chunking
      if (isAsStored) return stored
      const fresh = { name: this.#name, revision: 0, createdAt: this.#wallTime() }
      const meta: CorpusMeta = {
        ...(stored ?? { ...fresh, incarnation: this.#createId() }),
        version: layoutVersion,
        chunkTokens,
        overlapTokens,
        contextHeader,
        chunking,
      }
      await this.#store.write({ set: [[this.#metaKey, meta]] })
      return meta
    })
  }

  async readEntries(): Promise<DocumentEntry[]> {
    const rows = await this.#store.entries<DocumentEntry>(this.#entryPrefix)
    return rows.map(([, entry]) => entry).sort((a, b) => a.order - b.order || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
  }

  readEntry(id: string): Promise<DocumentEntry | undefined> {
    return this.#store.get<DocumentEntry>(this.#entryPrefix + id)
  }

  readEntriesOf(ids: readonly string[]): Promise<(DocumentEntry | undefined)[]> {
    return this.#store.getMany<DocumentEntry>(ids.map((id) => this.#entryPrefix + id))
  }

  async *readContents(entries: readonly DocumentEntry[], wantsVectors: (entry: DocumentEntry) => boolean) {
    for (let start = 0; start < entries.length; start += readBatch) {
      const batch = entries.slice(start, start + readBatch)
      const wanted = batch.map((entry) => [
        this.#key(entry.segment, 'text'),
        this.#key(entry.segment, 'chunks'),
        ...(entry.vectors !== undefined && wantsVectors(entry) ? [this.#key(entry.vectors.segment, 'vectors')] : []),
      ])
      const values = await this.#store.getMany<unknown>(wanted.flat())
      let at = 0
      for (const [index, entry] of batch.entries()) {
        const [text, table, vectors] = values.slice(at, at + (wanted[index]?.length ?? 0))
        at += wanted[index]?.length ?? 0
        const content = checkContent(entry, text, table, vectors)
        if (content !== undefined) yield { entry, content }
      }
    }
  }

  async *readVectors(entries: readonly DocumentEntry[]) {
    const batches = Array.from({ length: Math.ceil(entries.length / vectorBatch) }, (_, at) =>
      entries.slice(at * vectorBatch, (at + 1) * vectorBatch),
    )
    const read = (batch: readonly DocumentEntry[]) =>
      this.#store.getMany<unknown>(batch.map(({ vectors }) => this.#key(vectors?.segment ?? '', 'vectors')))
    for await (const [batch, values] of readAhead(batches, read)) {
      for (const [index, entry] of batch.entries()) {
        const vectors = values[index]
        if (isVectorsOf(entry, vectors)) yield { entry, vectors }
      }
    }
  }

  async readIndexBytes(): Promise<number> {
    const sizes = await Promise.all(this.#indexes.map((index) => index.readBytes()))
    return sizes.reduce((sum, bytes) => sum + bytes, 0)
  }

  codes(embedder: string): StoredIndex<StoredCodes> {
    return this.#open(this.#codesOf(embedder))
  }

  async putDocument(entry: NewEntry, content: DocumentContent, embedder: string | undefined): Promise<PutResult> {
    const [result] = await this.putDocuments([{ entry, content, embedder }])
    if (result === undefined) throw new AlcoveError('internal', 'expected the result of a put, got none')
    return result
  }

  async putDocuments(documents: readonly NewDocument[]): Promise<PutResult[]> {
    const set: [string, unknown][] = []
    const fresh = documents.map(({ entry, content, embedder }): DocumentEntry => {
      const segment = this.#newSegment()
      const { vectors, table, text } = content
      set.push([this.#key(segment, 'text'), text], [this.#key(segment, 'chunks'), table])
      const named = { ...entry, segment, addedAt: this.#wallTime() }
      if (vectors === undefined || embedder === undefined || entry.chunks === 0) return named
      set.push([this.#key(segment, 'vectors'), vectors])
      return { ...named, vectors: { segment, embedder, dimensions: vectors.length / entry.chunks } }
    })
    return await this.#locks.shared(this.#writersLock, async () => {
      await this.#store.write({ set })
      return await this.#nameDocuments(fresh)
    })
  }

  async putVectors(entry: DocumentEntry, vectors: Float32Array, embedder: string): Promise<DocumentEntry | undefined> {
    const segment = this.#newSegment()
    return await this.#locks.shared(this.#writersLock, async () => {
      await this.#store.write({ set: [[this.#key(segment, 'vectors'), vectors]] })
      return await this.#locks.exclusive(this.#namingLock, async () => {
        const current = await this.readEntry(entry.id)
        const meta = await this.readMeta()
        if (current?.segment !== entry.segment || meta === undefined) {
          await this.#store.write({ delete: [this.#key(segment, 'vectors')] })
          return undefined
        }
        const next: DocumentEntry = {
          ...current,
          vectors: { segment, embedder, dimensions: vectors.length / Math.max(entry.chunks, 1) },
        }
        const old = current.vectors === undefined ? [] : [this.#key(current.vectors.segment, 'vectors')]
        await this.#store.write({ set: [[this.#entryPrefix + entry.id, next], this.#nextMeta(meta)], delete: old })
        return next
      })
    })
  }

  async changeEntry(id: string, change: EntryChange): Promise<DocumentEntry | undefined> {
    return await this.#locks.exclusive(this.#namingLock, async () => {
      const entry = await this.readEntry(id)
      const meta = await this.readMeta()
      if (entry === undefined || meta === undefined) return undefined
      const next = change(entry)
      if (next.id !== id && (await this.readEntry(next.id)) !== undefined) {
        throw new AlcoveError('invalid-argument', `'${id}' cannot be moved to '${next.id}': there is such a document`, {
          hint: 'Remove the other document first, or choose another id.',
        })
      }
      await this.#store.write({
        set: [[this.#entryPrefix + next.id, next], this.#nextMeta(meta)],
        delete: next.id === id ? [] : [this.#entryPrefix + id],
      })
      return next
    })
  }

  async removeDocument(id: string): Promise<boolean> {
    return await this.#locks.exclusive(this.#namingLock, async () => {
      const entry = await this.readEntry(id)
      const meta = await this.readMeta()
      if (entry === undefined || meta === undefined) return false
      await this.#store.write({
        set: [this.#nextMeta(meta)],
        delete: [this.#entryPrefix + id, ...this.#keysOf(entry)],
      })
      return true
    })
  }

  async removeAll(): Promise<void> {
    await this.#locks.exclusive(this.#namingLock, async () => {
      const meta = await this.readMeta()
      const entries = await this.readEntries()
      const index = (await Promise.all(this.#indexes.map((one) => one.keys()))).flat()
      const documents = entries.flatMap((entry) => [this.#entryPrefix + entry.id, ...this.#keysOf(entry)])
      const keys = [...documents, ...index, ...this.#manifestKeys]
      await this.#store.write({ set: meta === undefined ? [] : [this.#nextMeta(meta)], delete: keys })
    })
  }

  async drop(): Promise<void> {
    await this.#locks.exclusive(this.#namingLock, async () => {
      const keys = await Promise.all([this.#store.keys(this.#entryPrefix), this.#store.keys(this.#segmentPrefix)])
      await this.#store.write({ delete: [this.#metaKey, ...this.#manifestKeys, ...keys.flat()] })
    })
  }

  async sweep(): Promise<number> {
    const swept = await this.#locks.ifFree(this.#writersLock, async () => {
      const [keys, entries, index] = await Promise.all([
        this.#store.keys(this.#segmentPrefix),
        this.readEntries(),
        Promise.all(this.#indexes.map((one) => one.keys())),
      ])
      const named = new Set(entries.flatMap((entry) => this.#keysOf(entry)))
      for (const key of index.flat()) named.add(key)
      const isOldEnough = (key: string): boolean => this.#isSafeToSweep || this.#ageOf(key) > sweepAfterMs
      const orphans = keys.filter((key) => !named.has(key) && isOldEnough(key))
      if (orphans.length > 0) await this.#store.write({ delete: orphans })
      return orphans.length
    })
    return swept ?? 0
  }

  /** Whether the writers' lock speaks for all tabs. */
  get #isSafeToSweep(): boolean {
    return this.#store.kind === 'memory' || globalThis.navigator?.locks !== undefined
  }

  #ageOf(key: string): number {
    const writtenAt = Number.parseInt(key.slice(this.#segmentPrefix.length).split('-', 1)[0] ?? '', 36)
    return this.#wallTime() - (Number.isFinite(writtenAt) ? writtenAt : 0)
  }

  /** The naming write of documents, all in one: what they replace is what is stored at this moment. */
  async #nameDocuments(fresh: readonly DocumentEntry[]): Promise<PutResult[]> {
    return await this.#locks.exclusive(this.#namingLock, async () => {
      const stored = await this.readEntriesOf(fresh.map(({ id }) => id))
      const meta = await this.readMeta()
      if (meta === undefined) {
        await this.#store.write({ delete: fresh.flatMap((entry) => this.#keysOf(entry)) })
        throw new AlcoveError('not-found', `corpus '${this.#name}' was deleted while a document was added to it`)
      }
      const current = new Map(fresh.map(({ id }, index) => [id, stored[index]]))
      const named = new Map<string, DocumentEntry>()
      const unused: string[] = []
      const results = fresh.map((one): PutResult => {
        const previous = current.get(one.id)
        const isSame = previous?.contentHash === one.contentHash && previous.vectors?.embedder === one.vectors?.embedder
        if (isSame) {
          unused.push(...this.#keysOf(one))
          return { type: 'unchanged', entry: previous }
        }
        const entry = { ...one, order: previous?.order ?? one.order }
        if (previous !== undefined) unused.push(...this.#keysOf(previous))
        current.set(entry.id, entry)
        named.set(this.#entryPrefix + entry.id, entry)
        return { type: previous === undefined ? 'added' : 'updated', entry }
      })
      await this.#store.write({ set: named.size > 0 ? [...named, this.#nextMeta(meta)] : [], delete: unused })
      return results
    })
  }

  #nextMeta(meta: CorpusMeta): readonly [string, CorpusMeta] {
    return [this.#metaKey, { ...meta, version: layoutVersion, revision: meta.revision + 1 }]
  }

  /** The stored codes; which model made them is nobody's business where only their keys are wanted. */
  #codesOf(embedder: string): IndexStore<StoredCodes> {
    return createIndexStore({
      store: this.#store,
      form: codesForm,
      manifestKey: `codes/${this.#encoded}`,
      segmentPrefix: this.#segmentPrefix,
      stamp: () => embedder,
    })
  }

  get #indexes() {
    return [this.#wordStore, this.#codesOf('')] as const
  }

  get #manifestKeys(): string[] {
    return this.#indexes.map(({ manifestKey }) => manifestKey)
  }

  #open<Data>(index: IndexStore<Data>): StoredIndex<Data> {
    return createStoredIndex({
      store: this.#store,
      index,
      newSegment: () => this.#newSegment(),
      writing: (work) => this.#locks.shared(this.#writersLock, work),
      naming: (work) => this.#locks.exclusive(this.#namingLock, work),
      exists: async () => (await this.readMeta()) !== undefined,
    })
  }

  #newSegment(): string {
    return `${Math.round(this.#wallTime()).toString(36)}-${this.#createId()}`
  }

  #key(segment: string, part: 'text' | 'chunks' | 'vectors'): string {
    return `${this.#segmentPrefix}${segment}/${part}`
  }

  #keysOf({ segment, vectors }: DocumentEntry): string[] {
    const keys = [this.#key(segment, 'text'), this.#key(segment, 'chunks')]
    return vectors === undefined ? keys : [...keys, this.#key(vectors.segment, 'vectors')]
  }
}
