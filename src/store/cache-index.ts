import { createLru } from '../runtime/lru.js'
import type { Store } from './store.js'

/** What is known of an entry without reading its value. */
export interface EntryMeta {
  readonly bytes: number
  /** Milliseconds since the epoch, as `usedAt`. */
  readonly storedAt: number
  usedAt: number
}

/** An entry as it is stored: it says by itself what it is, so that the index can be made again from the entries. */
export interface StoredEntry {
  readonly version: number
  readonly key: string
  readonly bytes: number
  readonly storedAt: number
  readonly value: unknown
}

const ENTRY = 'e:'
const META = 'm:'

/** Where an entry's value is kept. */
export function entryKey(key: string): string {
  return ENTRY + key
}

/** Where an entry's last use is kept: apart, so that a use does not write the value again. */
export function metaKey(key: string): string {
  return META + key
}

/** Both of an entry's places. */
export function storedKeys(keys: Iterable<string>): string[] {
  return Array.from(keys).flatMap((key) => [entryKey(key), metaKey(key)])
}

/** Whether a stored value has the shape of an entry of that key. */
export function isStoredEntry(value: unknown, key: string): value is StoredEntry {
  const entry = value as Partial<StoredEntry> | null | undefined
  return (
    typeof entry === 'object' &&
    entry !== null &&
    entry.key === key &&
    typeof entry.version === 'number' &&
    Number.isFinite(entry.storedAt) &&
    Number.isFinite(entry.bytes)
  )
}

function isMeta(value: unknown): value is EntryMeta {
  const meta = value as Partial<EntryMeta> | null | undefined
  return Number.isFinite(meta?.bytes) && Number.isFinite(meta?.storedAt) && Number.isFinite(meta?.usedAt)
}

/** The entries of one store in the order of their last use, bounded by bytes and number. */
export interface CacheIndex {
  /** Takes in an entry. Returns the keys that must give way. */
  add(key: string, meta: EntryMeta): string[]
  remove(key: string): void
  /** Counts as a use of the entry, at `meta.usedAt`. */
  touch(key: string, meta: EntryMeta): void
  list(): (readonly [key: string, meta: EntryMeta])[]
  /**
   * Makes it say what the store says, which other tabs change too. Returns the stored keys that nothing belongs to, that
   * have expired or must give way: delete them.
   */
  refresh(store: Store, isExpired: (meta: EntryMeta) => boolean): Promise<string[]>
  readonly bytes: number
  readonly size: number
}

/** An empty index. */
export function createCacheIndex(maxBytes: number, maxEntries: number): CacheIndex {
  let evicted: string[] = []
  const entries = createLru<EntryMeta>({ maxBytes, maxEntries, onEvict: (key) => evicted.push(key) })

  function add(key: string, meta: EntryMeta): string[] {
    evicted = []
    entries.set(key, meta, meta.bytes)
    return evicted
  }

  async function refresh(store: Store, isExpired: (meta: EntryMeta) => boolean): Promise<string[]> {
    const [entryKeys, metaKeys] = await Promise.all([store.keys(ENTRY), store.keys(META)])
    const keys = entryKeys.map((key) => key.slice(ENTRY.length))
    const found = await readMetas(
      store,
      keys.filter((key) => entries.peek(key) === undefined),
    )
    const metas = keys.flatMap((key) => {
      const meta = entries.peek(key) ?? found.get(key)
      return meta === undefined || isExpired(meta) ? [] : [[key, meta] as const]
    })
    entries.clear()
    evicted = []
    metas.sort(([, a], [, b]) => a.usedAt - b.usedAt)
    for (const [key, meta] of metas) entries.set(key, meta, meta.bytes)
    const kept = new Set(storedKeys(entries.keys()))
    return [...entryKeys, ...metaKeys].filter((key) => !kept.has(key))
  }

  return {
    add,
    refresh,
    remove: (key) => void entries.delete(key),
    touch(key, { usedAt }) {
      const known = entries.get(key)
      if (known !== undefined) known.usedAt = usedAt
    },
    list: () =>
      entries.keys().flatMap((key) => {
        const meta = entries.peek(key)
        return meta === undefined ? [] : [[key, meta] as const]
      }),
    get bytes() {
      return entries.bytes
    },
    get size() {
      return entries.size
    },
  }
}

/** Metas of entries; where one is missing or broken, it is made from the entry. A broken entry has none. */
async function readMetas(store: Store, keys: readonly string[]): Promise<Map<string, EntryMeta>> {
  const metas = new Map<string, EntryMeta>()
  const unknown: string[] = []
  for (const some of slices(keys, 500)) {
    const values = await store.getMany<unknown>(some.map(metaKey))
    for (const [index, key] of some.entries()) {
      const value = values[index]
      if (isMeta(value)) metas.set(key, value)
      else unknown.push(key)
    }
  }
  for (const some of slices(unknown, 20)) {
    const values = await store.getMany<unknown>(some.map(entryKey))
    for (const [index, key] of some.entries()) {
      const entry = values[index]
      if (!isStoredEntry(entry, key)) continue
      metas.set(key, { bytes: entry.bytes, storedAt: entry.storedAt, usedAt: entry.storedAt })
    }
  }
  return metas
}

function* slices<T>(list: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < list.length; start += size) yield list.slice(start, start + size)
}
