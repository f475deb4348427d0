import { AlcoveError } from '../protocol/error.js'

/** What a `Store` writes at one go. A key that is in both is deleted. */
export interface StoreChanges {
  readonly set?: readonly (readonly [key: string, value: unknown])[] | undefined
  readonly delete?: readonly string[] | undefined
}

/** Which of many entries to read. */
export interface EntriesPage {
  /** Only keys after this one. */
  readonly after?: string | undefined
  /** At most so many, from 1. @default all */
  readonly limit?: number | undefined
}

/**
 * Keys and structured-cloneable values. A value that was read is the reader's own: changing it changes nothing stored.
 * Every method rejects with `store-blocked` when the storage cannot be used, `quota-exceeded` when it is full, and
 * `closed` after `close`.
 */
export interface Store {
  readonly kind: 'memory' | 'indexeddb'
  get<T>(key: string): Promise<T | undefined>
  /** One value for each key, in order. */
  getMany<T>(keys: readonly string[]): Promise<(T | undefined)[]>
  /** All of it or, when it rejects, none. A value that cannot be cloned rejects with `invalid-argument`. */
  write(changes: StoreChanges): Promise<void>
  /** The keys that begin with `prefix`, in ascending order of UTF-16 code units. */
  keys(prefix?: string): Promise<string[]>
  /** Keys that begin with `prefix`, with their values, in the order of `keys`. Many at one go are much faster than `getMany`. */
  entries<T>(prefix: string, page?: EntriesPage): Promise<[key: string, value: T][]>
  clear(): Promise<void>
  close(): Promise<void>
}

/** The error for a value that `structuredClone` refuses. */
export function uncloneableError(cause: unknown): AlcoveError {
  return new AlcoveError('invalid-argument', `Expected values that can be stored (structured-cloneable): ${cause}`, {
    cause,
    hint: 'Store plain data, binary data or Blobs; no functions, no class instances with private state.',
  })
}

/** The error of a store that was closed. */
export function closedStoreError(): AlcoveError {
  return new AlcoveError('closed', 'This store was closed')
}

/** A store that lasts as long as the page. */
export function createMemoryStore(): Store {
  const entries = new Map<string, unknown>()
  let closed = false

  function open(): Map<string, unknown> {
    if (closed) throw closedStoreError()
    return entries
  }

  return {
    kind: 'memory',
    async get<T>(key: string) {
      return structuredClone(open().get(key)) as T | undefined
    },
    async getMany<T>(keys: readonly string[]) {
      const from = open()
      return keys.map((key) => structuredClone(from.get(key)) as T | undefined)
    },
    async write(changes) {
      const to = open()
      const copies = (changes.set ?? []).map(([key, value]) => [key, copyOf(value)] as const)
      for (const [key, value] of copies) to.set(key, value)
      for (const key of changes.delete ?? []) to.delete(key)
    },
    async keys(prefix = '') {
      return [...open().keys()].filter((key) => key.startsWith(prefix)).sort()
    },
    async entries<T>(prefix: string, { after, limit = Number.POSITIVE_INFINITY }: EntriesPage = {}) {
      const from = open()
      const keys = [...from.keys()].filter((key) => key.startsWith(prefix) && (after === undefined || key > after))
      return keys
        .sort()
        .slice(0, limit)
        .map((key): [string, T] => [key, structuredClone(from.get(key)) as T])
    },
    async clear() {
      open().clear()
    },
    async close() {
      closed = true
      entries.clear()
    },
  }
}

function copyOf(value: unknown): unknown {
  try {
    return structuredClone(value)
  } catch (cause) {
    throw uncloneableError(cause)
  }
}
