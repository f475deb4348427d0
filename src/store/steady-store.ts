import { type AlcoveError, isAlcoveError } from '../protocol/error.js'
import type { EntriesPage, Store, StoreChanges } from './store.js'

export interface SteadyStoreOptions {
  /** Told once that what is written lasts no longer than the page. */
  readonly onWarning: (error: AlcoveError) => void
}

/**
 * A store that goes on in memory when the one below is full or blocked. What could not be written is kept here, is read from here, and is
 * written with the next change that succeeds. Other errors are the caller's.
 */
export function createSteadyStore(store: Store, { onWarning }: SteadyStoreOptions): Store {
  /** What is not in the store yet; undefined stands for a key that is to be deleted. */
  const kept = new Map<string, { readonly value: unknown } | undefined>()
  let hasWarned = false

  function warn(error: unknown): void {
    if (!isStorageError(error)) throw error
    if (hasWarned) return
    hasWarned = true
    onWarning(error)
  }

  async function read<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await work()
    } catch (error) {
      warn(error)
      return otherwise
    }
  }

  function keep({ set = [], delete: removed = [] }: StoreChanges): void {
    for (const [key, value] of set) kept.set(key, { value: structuredClone(value) })
    for (const key of removed) kept.set(key, undefined)
  }

  async function entries<T>(prefix: string, page: EntriesPage = {}): Promise<[string, T][]> {
    const { after, limit = Number.POSITIVE_INFINITY } = page
    const stored = await read(() => store.entries<T>(prefix, kept.size === 0 ? page : { after }), [])
    if (kept.size === 0) return stored
    const merged = new Map(stored)
    for (const [key, entry] of kept) {
      if (!key.startsWith(prefix) || (after !== undefined && key <= after)) continue
      if (entry === undefined) merged.delete(key)
      else merged.set(key, structuredClone(entry.value) as T)
    }
    return [...merged].sort(([first], [second]) => (first < second ? -1 : 1)).slice(0, limit)
  }

  async function getMany<T>(keys: readonly string[]): Promise<(T | undefined)[]> {
    const stored = await read(() => store.getMany<T>(keys), [])
    return keys.map((key, at) =>
      kept.has(key) ? (structuredClone(kept.get(key)?.value) as T | undefined) : stored[at],
    )
  }

  async function write(changes: StoreChanges): Promise<void> {
    const removed = new Set(changes.delete)
    const newer = new Set([...(changes.set ?? []).map(([key]) => key), ...removed])
    const older = [...kept].filter(([key]) => !newer.has(key))
    try {
      await store.write({
        set: [...older.flatMap(([key, entry]) => (entry ? [[key, entry.value] as const] : [])), ...(changes.set ?? [])],
        delete: [...older.flatMap(([key, entry]) => (entry ? [] : [key])), ...removed],
      })
    } catch (error) {
      warn(error)
      keep(changes)
      return
    }
    kept.clear()
  }

  return {
    get kind() {
      return store.kind
    },
    get: async (key) => (await getMany<never>([key]))[0],
    getMany,
    entries,
    write,
    keys: async (prefix = '') => (await entries(prefix)).map(([key]) => key),
    async clear() {
      kept.clear()
      await read(() => store.clear(), undefined)
    },
    close: () => store.close(),
  }
}

function isStorageError(error: unknown): error is AlcoveError {
  return isAlcoveError(error, 'quota-exceeded') || isAlcoveError(error, 'store-blocked')
}
