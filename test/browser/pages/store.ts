// Harness for storage as the browser gives it: faults of IndexedDB, and how fast the cache answers. Plain data comes back.

import type { AlcoveError } from '../../../src/protocol/error.js'
import { openIdbStore, openStore } from '../../../src/store/idb-store.js'
import { createTieredCache } from '../../../src/store/tiered-cache.js'

const codeOf = (error: unknown) => (error as AlcoveError).code

function ask<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

/** The database is deleted while the store is open, as another tab or the person may do. */
export async function runDeleted() {
  const store = await openIdbStore('deleted')
  await store.write({ set: [['a', new Uint8Array([1, 2])]] })
  const before = await store.get<Uint8Array>('a')
  await ask(indexedDB.deleteDatabase('deleted'))
  const after = await store.get('a')
  await store.write({ set: [['b', 2]] })
  const written = await store.get('b')
  await store.close()
  return { before: [...(before ?? [])], after: after ?? null, written }
}

/** Opens a store and keeps it, for a fault that the test causes between two calls. */
const held = openIdbStore('held')

export async function writeHeld(key: string, value: unknown) {
  const store = await held
  await store.write({ set: [[key, value]] })
  return await store.get(key)
}

export async function readHeld(key: string) {
  return (await (await held).get(key)) ?? null
}

/** Another tab holds the database and a deletion waits for it: an open never answers. */
export async function runHung(openMs: number) {
  const holder = await ask(indexedDB.open('hung'))
  const deletion = indexedDB.deleteDatabase('hung')
  await new Promise((resolve) => {
    deletion.onblocked = resolve
  })
  const warnings: string[] = []
  const began = performance.now()
  const store = await openStore('hung', { openMs, onFallback: (error) => warnings.push(error.code) })
  const ms = performance.now() - began
  await store.write({ set: [['a', 1]] })
  const value = await store.get('a')
  const deleted = new Promise((resolve) => {
    deletion.onsuccess = resolve
  })
  holder.close()
  await deleted
  return { kind: store.kind, warnings, ms, value }
}

/** Fills the storage to its quota, which the test sets before. */
export async function runFull() {
  const store = await openIdbStore('full')
  await store.write({ set: [['first', 'kept']] })
  const warnings: string[] = []
  let code = 'none'
  const chunk = () => crypto.getRandomValues(new Uint8Array(65_536))
  for (let index = 0; index < 200 && code === 'none'; index += 1) {
    const value = Array.from({ length: 16 }, chunk)
    await store.write({ set: [[`filler ${index}`, value]] }).catch((error: unknown) => {
      code = codeOf(error)
    })
  }
  const cache = createTieredCache<Uint8Array[]>({
    store,
    maxEntries: 100,
    budgetBytes: 1e9,
    ttlMs: 1e9,
    version: 1,
    onWarning: (error) => warnings.push(error.code),
  })
  await cache.set('large', Array.from({ length: 16 }, chunk))
  const cached = (await cache.get('large'))?.length
  await cache.close()
  const first = await store.get('first')
  const fillers = await store.keys('filler')
  await store.write({ delete: fillers })
  await store.close()
  return { code, fillers: fillers.length, first, cached, warnings }
}

function quantile(times: readonly number[], share: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] ?? 0
}

/** Hit times of a cache with so many answers of about 2 KB, in milliseconds. */
export async function runCache(entries: number) {
  const store = await openIdbStore('cache')
  const options = { store, maxEntries: entries + 1000, budgetBytes: 1e9, ttlMs: 1e9, version: 1 }
  const keyOf = (index: number) => `model ${index.toString(16).padStart(64, '0')}`
  const answerOf = (index: number) => ({ parts: [{ type: 'text-delta', text: `${index} ${'word '.repeat(400)}` }] })
  const filling = createTieredCache<ReturnType<typeof answerOf>>(options)
  for (let start = 0; start < entries; start += 500) {
    const batch = Array.from({ length: Math.min(500, entries - start) }, (_, offset) => start + offset)
    await filling.setMany(batch.map((index) => [keyOf(index), answerOf(index)] as const))
  }
  await filling.close()
  const cache = createTieredCache<ReturnType<typeof answerOf>>(options)
  const time = async (index: number) => {
    const began = performance.now()
    const answer = await cache.get(keyOf(index))
    const ms = performance.now() - began
    if (answer?.parts[0]?.text.startsWith(`${index} `) !== true) throw new Error(`wrong answer at ${index}`)
    return ms
  }
  const some = Array.from({ length: 300 }, (_, index) => Math.floor((index * entries) / 300))
  const stored: number[] = []
  for (const index of some) stored.push(await time(index))
  const memory: number[] = []
  for (const index of some) memory.push(await time(index))
  const began = performance.now()
  await cache.set('first set of this page', answerOf(0))
  const firstSetMs = performance.now() - began
  const usage = await cache.usage()
  await cache.close()
  await store.close()
  await ask(indexedDB.deleteDatabase('cache'))
  return {
    store: { p50: quantile(stored, 0.5), p95: quantile(stored, 0.95) },
    memory: { p50: quantile(memory, 0.5), p95: quantile(memory, 0.95) },
    firstSetMs,
    usage,
    stats: cache.stats(),
  }
}
