import { AlcoveError, isAlcoveError, toAlcoveError } from '../protocol/error.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import { createLimiter } from '../runtime/limiter.js'
import { createLru, type Lru } from '../runtime/lru.js'
import { approximateBytes } from './approximate-bytes.js'
import {
  type CacheIndex,
  createCacheIndex,
  type EntryMeta,
  entryKey,
  isStoredEntry,
  metaKey,
  type StoredEntry,
  storedKeys,
} from './cache-index.js'
import type { Store, StoreChanges } from './store.js'

/** Uses of entries are written together, so long after the first. */
const TOUCH_DELAY_MS = 2_000
/** How long the index trusts itself before it looks at what other tabs have stored. */
const REFRESH_MS = 300_000
/** How long nothing is written to a full store before it is tried again. */
const FULL_PAUSE_MS = 60_000

export interface TieredCacheOptions<V> {
  /** The lower tier. The cache uses keys that begin with `e:` and `m:` in it, and does not close it. */
  readonly store: Store | Promise<Store>
  /** Most entries in the store. */
  readonly maxEntries: number
  /** Most bytes in the store. */
  readonly budgetBytes: number
  /** Most bytes in memory. @default 16 MB, and no more than `budgetBytes` */
  readonly memoryBytes?: number | undefined
  /** Age at which an entry counts no more, in milliseconds. */
  readonly ttlMs: number
  /** Version of the form of the values: entries of another one are dropped. */
  readonly version: number
  /** Bytes of a value. @default estimated */
  readonly sizeOf?: ((value: V) => number) | undefined
  /** Whether a stored value has the right form. @default any has */
  readonly check?: ((value: V) => boolean) | undefined
  /** Told once, when the store fails and memory goes on alone. */
  readonly onWarning?: ((error: AlcoveError) => void) | undefined
  readonly clock?: Clock | undefined
}

export interface CacheStats {
  readonly memoryHits: number
  readonly storeHits: number
  readonly misses: number
  /** Stored entries that were broken or of another version when read. */
  readonly dropped: number
  /** Stored entries that gave way to others. */
  readonly evicted: number
}

export interface ClearOptions {
  /** Only keys that begin so. */
  readonly prefix?: string | undefined
  /** Only entries that were stored longer ago. */
  readonly olderThanMs?: number | undefined
}

/**
 * Values in memory over a store, in both the ones used longest ago giving way. Values are shared: do not change what `get`
 * gives. No method ever rejects because of the store: when that fails, memory goes on alone.
 */
export interface TieredCache<V> {
  get(key: string): Promise<V | undefined>
  /** One value for each key, in order. */
  getMany(keys: readonly string[]): Promise<(V | undefined)[]>
  /** Resolves when it is stored, or cannot be. `get` has it at once. */
  set(key: string, value: V): Promise<void>
  /** All of them in one transaction. */
  setMany(entries: readonly (readonly [key: string, value: V])[]): Promise<void>
  delete(key: string): Promise<void>
  /** Removes entries, all without options; returns how many. */
  clear(options?: ClearOptions): Promise<number>
  /** What the store holds, or memory where there is no store. */
  usage(): Promise<{ entries: number; bytes: number }>
  stats(): CacheStats
  /** Writes what is still to be written and stops the timers. */
  close(): Promise<void>
}

/** A cache over `options.store`. Several tabs may use the same store. */
export function createTieredCache<V>(options: TieredCacheOptions<V>): TieredCache<V> {
  return new StoreBackedCache(options)
}

interface MemoryEntry<V> {
  readonly value: V
  readonly meta: EntryMeta
}

class StoreBackedCache<V> implements TieredCache<V> {
  readonly #options: TieredCacheOptions<V>
  readonly #clock: Clock
  readonly #memory: Lru<MemoryEntry<V>>
  readonly #index: CacheIndex
  /** Changes of the index and the store run one after the other; reading does not wait for them. */
  readonly #changes = createLimiter(1)
  readonly #stats = { memoryHits: 0, storeHits: 0, misses: 0, dropped: 0, evicted: 0 }
  /** Uses that are not written yet. */
  readonly #touched = new Map<string, EntryMeta>()
  #cancelTouchTimer: (() => void) | undefined
  #refreshedAt = Number.NEGATIVE_INFINITY
  /** Grows with each change, so that a value read meanwhile is not taken for the newest. */
  #epoch = 0
  #storeFailed = false
  #fullUntil = Number.NEGATIVE_INFINITY
  #hasWarned = false

  constructor(options: TieredCacheOptions<V>) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    const { budgetBytes, maxEntries, memoryBytes = Math.min(budgetBytes, 16_000_000) } = options
    this.#memory = createLru({ maxBytes: memoryBytes, maxEntries })
    this.#index = createCacheIndex(budgetBytes, maxEntries)
    Promise.resolve(options.store).catch((error: unknown) => this.#fail(error))
  }

  async get(key: string): Promise<V | undefined> {
    const [value] = await this.getMany([key])
    return value
  }

  async getMany(keys: readonly string[]): Promise<(V | undefined)[]> {
    const found = keys.map((key) => this.#fromMemory(key))
    const missing = keys.filter((_key, index) => found[index] === undefined)
    if (missing.length === 0) return found
    const epoch = this.#epoch
    const entries = (await this.#use((store) => store.getMany<unknown>(missing.map(entryKey)))) ?? []
    const stored = new Map(missing.map((key, index) => [key, this.#accept(key, entries[index], epoch)]))
    return found.map((value, index) => value ?? stored.get(keys[index] ?? ''))
  }

  set(key: string, value: V): Promise<void> {
    return this.setMany([[key, value]])
  }

  async setMany(entries: readonly (readonly [key: string, value: V])[]): Promise<void> {
    const now = this.#clock.wallTime()
    const { sizeOf = approximateBytes, budgetBytes } = this.#options
    const sized = entries.map(([key, value]) => ({
      key,
      value,
      meta: { bytes: sizeOf(value), storedAt: now, usedAt: now },
    }))
    const fitting = sized.filter(({ meta }) => meta.bytes <= budgetBytes)
    if (fitting.length < entries.length) {
      await this.#remove(sized.filter(({ meta }) => meta.bytes > budgetBytes).map(({ key }) => key))
    }
    this.#epoch += 1
    for (const { key, value, meta } of fitting) this.#memory.set(key, { value, meta }, meta.bytes)
    await this.#changes.run(() => this.#store(fitting))
  }

  delete(key: string): Promise<void> {
    return this.#remove([key])
  }

  async clear({ prefix = '', olderThanMs }: ClearOptions = {}): Promise<number> {
    const before = olderThanMs === undefined ? Number.POSITIVE_INFINITY : this.#clock.wallTime() - olderThanMs
    const isMeant = (key: string, meta: EntryMeta) => key.startsWith(prefix) && meta.storedAt < before
    await this.#changes.run(() => this.#refresh())
    const stored = this.#index.list().filter(([key, meta]) => isMeant(key, meta))
    const held = this.#memory.keys().filter((key) => {
      const entry = this.#memory.peek(key)
      return entry !== undefined && isMeant(key, entry.meta)
    })
    const keys = new Set([...stored.map(([key]) => key), ...held])
    await this.#remove([...keys])
    return keys.size
  }

  async usage(): Promise<{ entries: number; bytes: number }> {
    await this.#changes.run(() => this.#refresh())
    const tier = this.#storeFailed ? this.#memory : this.#index
    return { entries: tier.size, bytes: tier.bytes }
  }

  stats(): CacheStats {
    return { ...this.#stats }
  }

  async close(): Promise<void> {
    await this.#writeTouched()
  }

  #isExpired(storedAt: number): boolean {
    return storedAt + this.#options.ttlMs <= this.#clock.wallTime()
  }

  #fromMemory(key: string): V | undefined {
    const entry = this.#memory.get(key)
    if (entry === undefined) return undefined
    if (this.#isExpired(entry.meta.storedAt)) {
      this.#memory.delete(key)
      return undefined
    }
    this.#stats.memoryHits += 1
    this.#touch(key, entry.meta)
    return entry.value
  }

  /** The value of a stored entry when it is whole and young enough; else the entry goes. */
  #accept(key: string, entry: unknown, epoch: number): V | undefined {
    const newer = epoch === this.#epoch ? undefined : this.#memory.peek(key)
    if (newer !== undefined) return this.#fromMemory(key)
    if (entry === undefined) {
      this.#stats.misses += 1
      return undefined
    }
    const isWhole = isStoredEntry(entry, key) && entry.version === this.#options.version && this.#isValid(entry.value)
    if (!isWhole || this.#isExpired(entry.storedAt)) {
      this.#stats.misses += 1
      if (!isWhole) this.#stats.dropped += 1
      if (epoch === this.#epoch) void this.#remove([key])
      return undefined
    }
    this.#stats.storeHits += 1
    const value = entry.value as V
    const meta: EntryMeta = { bytes: entry.bytes, storedAt: entry.storedAt, usedAt: entry.storedAt }
    if (epoch === this.#epoch) this.#memory.set(key, { value, meta }, meta.bytes)
    this.#touch(key, meta)
    return value
  }

  #isValid(value: unknown): boolean {
    try {
      return this.#options.check?.(value as V) ?? true
    } catch {
      return false
    }
  }

  /** Notes a use; it is written later, with others. */
  #touch(key: string, meta: EntryMeta): void {
    meta.usedAt = this.#clock.wallTime()
    this.#index.touch(key, meta)
    this.#touched.set(key, meta)
    this.#cancelTouchTimer ??= this.#clock.setTimer(TOUCH_DELAY_MS, () => void this.#writeTouched())
  }

  async #writeTouched(): Promise<void> {
    this.#cancelTouchTimer?.()
    this.#cancelTouchTimer = undefined
    await this.#changes.run(async () => {
      const set = Array.from(this.#touched, ([key, meta]) => [metaKey(key), { ...meta }] as const)
      this.#touched.clear()
      if (set.length > 0 && this.#clock.now() >= this.#fullUntil) await this.#write({ set })
    })
  }

  /** Stores entries and takes out what must give way. What cannot be stored leaves no older value behind. */
  async #store(entries: readonly (MemoryEntry<V> & { readonly key: string })[]): Promise<void> {
    const outdated = await this.#refreshWhenDue()
    const evicted = new Set(entries.flatMap(({ key, meta }) => this.#index.add(key, { ...meta })))
    this.#stats.evicted += evicted.size
    for (const key of evicted) this.#touched.delete(key)
    const set = entries
      .filter(({ key }) => !evicted.has(key))
      .flatMap(({ key, value, meta }): [string, unknown][] => {
        const { bytes, storedAt } = meta
        const entry: StoredEntry = { version: this.#options.version, key, value, bytes, storedAt }
        return [
          [entryKey(key), entry],
          [metaKey(key), meta],
        ]
      })
    let isWritten = false
    try {
      const isFull = this.#clock.now() < this.#fullUntil
      isWritten = !isFull && (await this.#write({ set, delete: [...outdated, ...storedKeys(evicted)] }))
    } finally {
      if (!isWritten) await this.#forget(entries.map(({ key }) => key))
    }
  }

  /** Within `#changes` only. */
  async #forget(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#index.remove(key)
    await this.#write({ delete: storedKeys(keys) })
  }

  async #remove(keys: readonly string[]): Promise<void> {
    this.#epoch += 1
    for (const key of keys) {
      this.#memory.delete(key)
      this.#touched.delete(key)
    }
    await this.#changes.run(() => this.#forget(keys))
  }

  /** Stored keys to delete, from a look at the store when the last is long ago. Within `#changes` only. */
  async #refreshWhenDue(): Promise<readonly string[]> {
    if (this.#clock.now() - this.#refreshedAt < REFRESH_MS) return []
    this.#refreshedAt = this.#clock.now()
    const isExpired = (meta: EntryMeta) => this.#isExpired(meta.storedAt)
    return (await this.#use((store) => this.#index.refresh(store, isExpired))) ?? []
  }

  async #refresh(): Promise<void> {
    this.#refreshedAt = Number.NEGATIVE_INFINITY
    const outdated = await this.#refreshWhenDue()
    if (outdated.length > 0) await this.#write({ delete: outdated })
  }

  /** True when it was written. */
  async #write(changes: StoreChanges): Promise<boolean> {
    const done = await this.#use(async (store) => {
      await store.write(changes)
      return true
    })
    return done ?? false
  }

  /** Uses the store; undefined when it has failed, now or earlier. */
  async #use<T>(work: (store: Store) => Promise<T>): Promise<T | undefined> {
    if (this.#storeFailed) return undefined
    try {
      return await work(await this.#options.store)
    } catch (error) {
      if (isAlcoveError(error, 'invalid-argument')) throw error
      this.#fail(error)
      return undefined
    }
  }

  /** A full store can still be read, and is tried again later; any other failure ends its use. */
  #fail(thrown: unknown): void {
    const error = toAlcoveError(thrown, 'store-blocked')
    if (error.code === 'quota-exceeded') this.#fullUntil = this.#clock.now() + FULL_PAUSE_MS
    else this.#storeFailed = true
    if (this.#hasWarned) return
    this.#hasWarned = true
    const message = `Storage failed; memory goes on alone: ${error.message}`
    this.#options.onWarning?.(new AlcoveError(error.code, message, { cause: error, hint: error.hint }))
  }
}
