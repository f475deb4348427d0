import { createStore, promisifyRequest, type UseStore } from 'idb-keyval'
import { AlcoveError, isAlcoveError } from '../protocol/error.js'
import { systemClock } from '../runtime/clock.js'
import {
  closedStoreError,
  createMemoryStore,
  type EntriesPage,
  type Store,
  type StoreChanges,
  uncloneableError,
} from './store.js'

/** Name of the one object store in each database. */
const OBJECT_STORE = 'entries'

/** What a connection that was closed, or a database that was deleted under it, gives when it is used. Nothing was written. */
const LOST_CONNECTION = new Set(['InvalidStateError', 'NotFoundError', 'AbortError', 'UnknownError'])

export interface OpenStoreOptions {
  /** Longest time for the database to open: another tab that deletes or upgrades it can hold it for ever. @default 3_000 */
  readonly openMs?: number | undefined
}

/**
 * A store in IndexedDB, through idb-keyval. It lets go of the database when another tab deletes it, and opens it again when
 * the connection was lost. Rejects with `store-blocked` when the database cannot be opened in time, or at all.
 */
export async function openIdbStore(databaseName: string, options: OpenStoreOptions = {}): Promise<Store> {
  const store = new IdbStore(databaseName, options.openMs ?? 3_000)
  try {
    await store.open()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

/** A store in IndexedDB, or in memory where that cannot be used; then `onFallback` is told why, once. */
export async function openStore(
  databaseName: string,
  options: OpenStoreOptions & { readonly onFallback?: ((error: AlcoveError) => void) | undefined } = {},
): Promise<Store> {
  try {
    return await openIdbStore(databaseName, options)
  } catch (error) {
    options.onFallback?.(storeError(error, databaseName))
    return createMemoryStore()
  }
}

class IdbStore implements Store {
  readonly kind = 'indexeddb'
  readonly #databaseName: string
  readonly #openMs: number
  #use: UseStore | undefined
  #database: IDBDatabase | undefined
  #isClosed = false

  constructor(databaseName: string, openMs: number) {
    this.#databaseName = databaseName
    this.#openMs = openMs
  }

  async open(): Promise<void> {
    await this.#run('readonly', async () => {})
  }

  async get<T>(key: string): Promise<T | undefined> {
    return await this.#run('readonly', (store) => promisifyRequest<T | undefined>(store.get(key)))
  }

  async getMany<T>(keys: readonly string[]): Promise<(T | undefined)[]> {
    if (keys.length === 0) return []
    return await this.#run('readonly', (store) =>
      Promise.all(keys.map((key) => promisifyRequest<T | undefined>(store.get(key)))),
    )
  }

  async write({ set = [], delete: removed = [] }: StoreChanges): Promise<void> {
    await this.#change((store) => {
      for (const [key, value] of set) store.put(value, key)
      for (const key of removed) store.delete(key)
    })
  }

  async keys(prefix = ''): Promise<string[]> {
    const keys = await this.#run('readonly', (store) =>
      promisifyRequest(store.getAllKeys(prefix === '' ? undefined : prefixRange(prefix))),
    )
    return (keys as string[]).filter((key) => key.startsWith(prefix))
  }

  async entries<T>(prefix: string, { after, limit }: EntriesPage = {}): Promise<[string, T][]> {
    const range = prefixRange(prefix, after)
    if (range === undefined) return []
    // Both in one transaction, so that they are of the same keys.
    const read = (store: IDBObjectStore) =>
      Promise.all([promisifyRequest(store.getAllKeys(range, limit)), promisifyRequest(store.getAll(range, limit))])
    const [keys, values] = await this.#run('readonly', read)
    const rows = (keys as string[]).map((key, at): [string, T] => [key, values[at] as T])
    return rows.filter(([key]) => key.startsWith(prefix))
  }

  async clear(): Promise<void> {
    await this.#change((store) => {
      store.clear()
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#disconnect()
  }

  /** Runs `change` in one transaction: what throws in it undoes all of it. */
  async #change(change: (store: IDBObjectStore) => void): Promise<void> {
    await this.#run('readwrite', async (store) => {
      const done = completed(store.transaction)
      try {
        change(store)
      } catch (error) {
        done.catch(() => {})
        store.transaction.abort()
        throw error
      }
      await done
    })
  }

  /** Runs one transaction; opens the database anew, once, when its connection turns out to be lost. */
  async #run<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closedStoreError()
    const use = this.#connect()
    try {
      return await this.#transact(use, mode, work)
    } catch (error) {
      if (!LOST_CONNECTION.has((error as DOMException | null)?.name ?? '')) throw storeError(error, this.#databaseName)
    }
    if (this.#use === use) this.#disconnect()
    try {
      return await this.#transact(this.#connect(), mode, work)
    } catch (error) {
      throw storeError(error, this.#databaseName)
    }
  }

  #connect(): UseStore {
    this.#use ??= createStore(this.#databaseName, OBJECT_STORE)
    return this.#use
  }

  #transact<T>(use: UseStore, mode: IDBTransactionMode, work: (store: IDBObjectStore) => Promise<T>): Promise<T> {
    if (this.#database !== undefined) return use(mode, work)
    return new Promise<T>((resolve, reject) => {
      let isLate = false
      const cancelTimer = systemClock.setTimer(this.#openMs, () => {
        isLate = true
        reject(blockedError(this.#databaseName, `It did not open within ${this.#openMs} ms`))
      })
      const begin = async (store: IDBObjectStore) => {
        cancelTimer()
        this.#adopt(store.transaction.db, use)
        if (isLate) return undefined as T
        return await work(store)
      }
      // `use` throws at once where the browser refuses IndexedDB; inside an async function that is a rejection too.
      const start = async () => use(mode, begin)
      start().then(resolve, reject).finally(cancelTimer)
    })
  }

  /** Lets go of the database when another tab wants to delete or upgrade it, which would wait for us for ever. */
  #adopt(database: IDBDatabase, use: UseStore): void {
    const release = () => {
      database.close()
      if (this.#use === use) this.#disconnect()
    }
    if (this.#database === database) return
    if (this.#isClosed || this.#use !== use) {
      release()
      return
    }
    this.#database = database
    database.addEventListener('versionchange', release)
    database.addEventListener('close', release)
  }

  #disconnect(): void {
    this.#database?.close()
    this.#database = undefined
    this.#use = undefined
  }
}

/** Every key that begins with `prefix` and comes after `after`, and few others; undefined when there can be none. */
function prefixRange(prefix: string, after?: string): IDBKeyRange | undefined {
  const last = prefix.charCodeAt(prefix.length - 1)
  const start = after !== undefined && after >= prefix ? after : prefix
  const isOpen = start === after
  if (prefix === '' || last === 0xffff) return IDBKeyRange.lowerBound(start, isOpen)
  const end = prefix.slice(0, -1) + String.fromCharCode(last + 1)
  return start < end ? IDBKeyRange.bound(start, end, isOpen, true) : undefined
}

/**
 * Resolves when the transaction is on its way to the disk, rejects when it has undone itself. Not idb-keyval's own: that
 * one rejects with null for a failed request, as `transaction.error` is set only after that request's event.
 */
function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error)
  })
}

function storeError(error: unknown, databaseName: string): AlcoveError {
  if (isAlcoveError(error)) return error
  const { name, message } = (error ?? {}) as { name?: unknown; message?: unknown }
  if (name === 'DataCloneError') return uncloneableError(error)
  if (name !== 'QuotaExceededError') return blockedError(databaseName, String(message ?? error), error)
  return new AlcoveError('quota-exceeded', `No room to store more in '${databaseName}'`, { cause: error })
}

function blockedError(databaseName: string, reason: string, cause?: unknown): AlcoveError {
  return new AlcoveError('store-blocked', `The database '${databaseName}' cannot be used: ${reason}`, { cause })
}
