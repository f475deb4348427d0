export interface LruOptions<V> {
  readonly maxBytes: number
  readonly maxEntries: number
  /** Told of each entry that had to give way; not of what was deleted, replaced or cleared. */
  readonly onEvict?: ((key: string, value: V) => void) | undefined
}

/** A map that is bounded by bytes and entries; what was used longest ago gives way. */
export interface Lru<V> {
  /** The value, which then counts as just used. */
  get(key: string): V | undefined
  /** The value, without counting as a use. */
  peek(key: string): V | undefined
  /** A value of more than `maxBytes` is not kept; an older one of that key goes all the same. */
  set(key: string, value: V, bytes: number): void
  /** True when it was there. */
  delete(key: string): boolean
  clear(): void
  /** All keys, the one used longest ago first. */
  keys(): string[]
  readonly bytes: number
  readonly size: number
}

/** An empty LRU map. */
export function createLru<V>({ maxBytes, maxEntries, onEvict }: LruOptions<V>): Lru<V> {
  /** In order of use: a `Map` iterates in order of insertion, and a use inserts anew. */
  const entries = new Map<string, { readonly value: V; readonly bytes: number }>()
  let total = 0

  function remove(key: string): V | undefined {
    const entry = entries.get(key)
    if (entry === undefined) return undefined
    entries.delete(key)
    total -= entry.bytes
    return entry.value
  }

  function evict(): void {
    for (const [key, { value }] of entries) {
      if (total <= maxBytes && entries.size <= maxEntries) return
      remove(key)
      onEvict?.(key, value)
    }
  }

  return {
    get(key) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry.value
    },
    peek: (key) => entries.get(key)?.value,
    set(key, value, bytes) {
      remove(key)
      if (bytes > maxBytes) return
      entries.set(key, { value, bytes })
      total += bytes
      evict()
    },
    delete(key) {
      const had = entries.has(key)
      remove(key)
      return had
    },
    clear() {
      entries.clear()
      total = 0
    },
    keys: () => [...entries.keys()],
    get bytes() {
      return total
    },
    get size() {
      return entries.size
    },
  }
}
