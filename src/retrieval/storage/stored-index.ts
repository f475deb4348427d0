import type { Store } from '../../store/store.js'
import type { IndexedDocument, IndexSegment, IndexStore } from './index-store.js'
import { readAhead } from './read-ahead.js'

/** An index of a corpus as it is stored, of words or of codes: read at opening, and replaced segment by segment. */
export interface StoredIndex<Data> {
  /** The stored segments, one by one; a broken or missing one is undefined. */
  read(): AsyncIterable<{ readonly name: string; readonly segment: IndexSegment<Data> | undefined }>
  /** What the stored segments have. One that cannot be read has no documents. */
  readListed(): Promise<{ readonly name: string; readonly documents: readonly IndexedDocument[] }[]>
  /** Stores a segment in place of those that are named. Undefined, and nothing changed, when the index was changed meanwhile. */
  replace(replaced: readonly string[], segment: IndexSegment<Data>): Promise<string | undefined>
}

export interface StoredIndexOptions<Data> {
  readonly store: Store
  readonly index: IndexStore<Data>
  readonly newSegment: () => string
  /** Runs work while nobody sweeps. */
  readonly writing: <T>(work: () => Promise<T>) => Promise<T>
  /** Runs work while nobody else names segments. */
  readonly naming: <T>(work: () => Promise<T>) => Promise<T>
  /** Whether the corpus is still there. */
  readonly exists: () => Promise<boolean>
}

export function createStoredIndex<Data>(options: StoredIndexOptions<Data>): StoredIndex<Data> {
  const { store, index, newSegment, writing, naming, exists } = options
  return {
    async *read() {
      const names = await index.names()
      for await (const [name, segment] of readAhead(names, (one) => index.read(one))) yield { name, segment }
    },
    async readListed() {
      const names = await index.names()
      const documents = await Promise.all(names.map((name) => index.readDocuments(name)))
      return names.map((name, at) => ({ name, documents: documents[at] ?? [] }))
    },
    async replace(replaced, segment) {
      const name = newSegment()
      return await writing(async () => {
        await store.write({ set: index.valuesOf(name, segment) })
        return await naming(async () => {
          const [isThere, names] = await Promise.all([exists(), index.names()])
          if (!isThere || replaced.some((old) => !names.includes(old))) {
            await store.write({ delete: index.keysOf(name) })
            return undefined
          }
          const { set, delete: gone } = await index.replace(replaced, name, segment)
          await store.write({ set: [set], delete: gone })
          return name
        })
      })
    },
  }
}
