import { afterEach, describe, expect, test, vi } from 'vitest'
import { AlcoveError } from '../../../src/protocol/error.js'
import type { Clock } from '../../../src/runtime/clock.js'
import { createMemoryStore, type Store } from '../../../src/store/store.js'
import { createTieredCache, type TieredCache, type TieredCacheOptions } from '../../../src/store/tiered-cache.js'

const HOUR = 3_600_000

/** Time that passes when told to. */
function manualClock() {
  let time = 1_000_000
  const timers = new Map<() => void, number>()
  const clock: Clock = {
    now: () => time,
    wallTime: () => time,
    sleep: async () => {},
    setTimer(ms, run) {
      timers.set(run, time + ms)
      return () => timers.delete(run)
    },
  }
  return {
    clock,
    pass(ms: number) {
      time += ms
      for (const [run, at] of [...timers]) {
        if (at > time) continue
        timers.delete(run)
        run()
      }
    },
  }
}

/** A memory store that counts what is written, and fails when told to. */
function watchedStore() {
  const inner = createMemoryStore()
  const state = { fail: undefined as AlcoveError | undefined, failWrites: undefined as AlcoveError | undefined }
  const written: string[] = []
  const guard = async (error: AlcoveError | undefined) => {
    if (error !== undefined) throw error
  }
  const store: Store = {
    ...inner,
    get: async (key) => guard(state.fail).then(() => inner.get(key)),
    getMany: async (keys) => guard(state.fail).then(() => inner.getMany(keys)),
    keys: async (prefix) => guard(state.fail).then(() => inner.keys(prefix)),
    write: async (changes) => {
      await guard(state.fail)
      if ((changes.set?.length ?? 0) > 0) await guard(state.failWrites)
      written.push(...(changes.set ?? []).map(([key]) => key))
      await inner.write(changes)
    },
  }
  return { store, inner, state, written }
}

const caches: TieredCache<unknown>[] = []
afterEach(async () => {
  for (const cache of caches.splice(0)) await cache.close()
})

function open<V = string>(store: Store | Promise<Store>, options: Partial<TieredCacheOptions<V>> = {}): TieredCache<V> {
  const cache = createTieredCache<V>({
    store,
    maxEntries: 100,
    budgetBytes: 10_000,
    ttlMs: HOUR,
    version: 1,
    sizeOf: () => 100,
    ...options,
  })
  caches.push(cache as TieredCache<unknown>)
  return cache
}

describe('two tiers', () => {
  test('a value comes from memory, and for another cache on the same store from there, once', async () => {
    const store = createMemoryStore()
    const one = open(store)
    await one.set('k', 'v')
    expect([await one.get('k'), await one.get('none')]).toEqual(['v', undefined])
    expect(one.stats()).toMatchObject({ memoryHits: 1, storeHits: 0, misses: 1 })
    const other = open(store)
    expect([await other.get('k'), await other.get('k')]).toEqual(['v', 'v'])
    expect(other.stats()).toMatchObject({ memoryHits: 1, storeHits: 1, misses: 0 })
  })

  test('a value can be read before it is stored', async () => {
    let opened = (_store: Store) => {}
    const cache = open(
      new Promise<Store>((resolve) => {
        opened = resolve
      }),
    )
    const setting = cache.set('k', 'v')
    expect(await cache.get('k')).toBe('v')
    opened(createMemoryStore())
    await setting
    expect(await cache.usage()).toMatchObject({ entries: 1 })
  })

  test('getMany and setMany keep their order, over both tiers', async () => {
    const store = createMemoryStore()
    await open(store).setMany([
      ['a', '1'],
      ['b', '2'],
    ])
    const cache = open(store)
    await cache.set('c', '3')
    expect(await cache.getMany(['c', 'x', 'a', 'c', 'b'])).toEqual(['3', undefined, '1', '3', '2'])
  })

  test('delete and clear reach both tiers', async () => {
    const store = createMemoryStore()
    const cache = open(store)
    await cache.setMany([
      ['m1 a', '1'],
      ['m1 b', '2'],
      ['m2 a', '3'],
    ])
    await cache.delete('m1 a')
    expect([await cache.get('m1 a'), await open(store).get('m1 a')]).toEqual([undefined, undefined])
    expect(await cache.clear({ prefix: 'm1' })).toBe(1)
    expect(await open(store).getMany(['m1 b', 'm2 a'])).toEqual([undefined, '3'])
    expect(await cache.clear()).toBe(1)
    expect(await store.keys()).toEqual([])
    expect(await cache.get('m2 a')).toBeUndefined()
  })

  test('clear by age leaves the younger', async () => {
    const { clock, pass } = manualClock()
    const cache = open(createMemoryStore(), { clock })
    await cache.set('old', '1')
    pass(1000)
    await cache.set('young', '2')
    expect(await cache.clear({ olderThanMs: 500 })).toBe(1)
    expect(await cache.getMany(['old', 'young'])).toEqual([undefined, '2'])
  })

  test.each(['set', 'delete'] as const)(
    'a read that began before a %s does not bring the old value back',
    async (verb) => {
      const store = createMemoryStore()
      await open(store).set('k', 'old')
      let answer: (() => void) | undefined
      const slow: Store = {
        ...store,
        async getMany<T>(keys: readonly string[]) {
          const values = await store.getMany<T>(keys)
          if (answer === undefined) {
            await new Promise<void>((resolve) => {
              answer = resolve
            })
          }
          return values
        },
      }
      const cache = open(slow)
      const reading = cache.get('k')
      await new Promise((resolve) => setTimeout(resolve, 5))
      const changing = verb === 'set' ? cache.set('k', 'new') : cache.delete('k')
      answer?.()
      expect(await reading).toBe(verb === 'set' ? 'new' : 'old')
      await changing
      expect(await cache.get('k')).toBe(verb === 'set' ? 'new' : undefined)
    },
  )
})

describe('bounds', () => {
  test('entries used longest ago give way by number, across a restart, as uses are written', async () => {
    const { clock, pass } = manualClock()
    const store = createMemoryStore()
    const first = open(store, { clock, maxEntries: 3 })
    for (const key of ['a', 'b', 'c']) {
      await first.set(key, key)
      pass(10)
    }
    await first.get('a')
    await first.close()
    pass(10)
    const second = open(store, { clock, maxEntries: 3 })
    await second.set('d', 'd')
    expect(await open(store, { clock }).getMany(['a', 'b', 'c', 'd'])).toEqual(['a', undefined, 'c', 'd'])
    expect(second.stats().evicted).toBe(1)
    expect(await second.usage()).toEqual({ entries: 3, bytes: 300 })
  })

  test('by bytes', async () => {
    const store = createMemoryStore()
    const cache = open(store, { budgetBytes: 250 })
    await cache.setMany([
      ['a', 'a'],
      ['b', 'b'],
      ['c', 'c'],
    ])
    expect(await open(store).getMany(['a', 'b', 'c'])).toEqual([undefined, 'b', 'c'])
    expect(await store.keys()).toHaveLength(4)
  })

  test('a value over the whole budget is not kept, and takes the older one of its key with it', async () => {
    const store = createMemoryStore()
    const cache = open(store, { sizeOf: (value) => value.length, budgetBytes: 10 })
    await cache.set('k', 'small')
    await cache.set('k', 'far too large for it')
    expect([await cache.get('k'), await store.keys()]).toEqual([undefined, []])
  })

  test('memory has its own bound; what it lets go is still stored', async () => {
    const cache = open(createMemoryStore(), { memoryBytes: 100 })
    await cache.set('a', '1')
    await cache.set('b', '2')
    expect(await cache.getMany(['a', 'b'])).toEqual(['1', '2'])
    expect(cache.stats()).toMatchObject({ memoryHits: 1, storeHits: 1 })
  })

  test('what another tab has stored counts too', async () => {
    const { clock, pass } = manualClock()
    const store = createMemoryStore()
    const [one, other] = [open(store, { clock, maxEntries: 2 }), open(store, { clock, maxEntries: 2 })]
    await one.set('a', '1')
    pass(1)
    await other.set('b', '2')
    pass(1)
    expect(await one.usage()).toMatchObject({ entries: 2 })
    await one.set('c', '3')
    expect(await open(store, { clock }).getMany(['a', 'b', 'c'])).toEqual([undefined, '2', '3'])
  })

  test('an entry that is too old counts no more, in both tiers, and its place is freed', async () => {
    const { clock, pass } = manualClock()
    const store = createMemoryStore()
    const cache = open(store, { clock })
    await cache.set('k', 'v')
    pass(HOUR - 1)
    expect(await cache.get('k')).toBe('v')
    pass(1)
    expect([await cache.get('k'), await open(store, { clock }).get('k')]).toEqual([undefined, undefined])
    expect(await open(store, { clock }).usage()).toEqual({ entries: 0, bytes: 0 })
    expect(await store.keys()).toEqual([])
  })
})

describe('uses', () => {
  test('do not write the value again, and are written together', async () => {
    const { clock, pass } = manualClock()
    const { store, written } = watchedStore()
    const cache = open(store, { clock })
    await cache.setMany([
      ['a', '1'],
      ['b', '2'],
    ])
    written.splice(0)
    for (let index = 0; index < 50; index += 1) await cache.getMany(['a', 'b'])
    expect(written).toEqual([])
    pass(3000)
    await cache.close()
    expect(written).toEqual(['m:a', 'm:b'])
  })
})

describe('broken entries', () => {
  test.each([
    ['not an object', 'nonsense'],
    ['null', null],
    ['another key', { version: 1, key: 'other', bytes: 1, storedAt: 1_000_000, value: 'v' }],
    ['another version', { version: 0, key: 'k', bytes: 1, storedAt: 1_000_000, value: 'v' }],
    ['no time', { version: 1, key: 'k', bytes: 1, value: 'v' }],
    ['a value that fails the check', { version: 1, key: 'k', bytes: 1, storedAt: 1_000_000, value: 5 }],
    ['a value on which the check throws', { version: 1, key: 'k', bytes: 1, storedAt: 1_000_000, value: null }],
  ])('%s: dropped and counted, once', async (_name, entry) => {
    const { clock } = manualClock()
    const store = createMemoryStore()
    await store.write({ set: [['e:k', entry]] })
    const check = (value: string) => value.length > 0
    const cache = open(store, { clock, check: check as (value: string) => boolean })
    expect([await cache.get('k'), await cache.get('k')]).toEqual([undefined, undefined])
    await cache.close()
    expect(cache.stats()).toMatchObject({ dropped: 1, misses: 2, storeHits: 0 })
    expect(await store.keys()).toEqual([])
    await cache.set('k', 'new')
    expect(await open(store, { clock, check }).get('k')).toBe('new')
  })

  test('the index is made again from the entries, and leftovers go', async () => {
    const store = createMemoryStore()
    await open(store).setMany([
      ['a', '1'],
      ['b', '2'],
    ])
    await store.write({
      set: [
        ['m:b', 'broken'],
        ['m:orphan', { bytes: 5, storedAt: 1, usedAt: 1 }],
        ['e:broken', 7],
        ['another thing', 'stays'],
      ],
      delete: ['m:a'],
    })
    const cache = open(store)
    expect(await cache.usage()).toEqual({ entries: 2, bytes: 200 })
    expect(await store.keys()).toEqual(['another thing', 'e:a', 'e:b', 'm:b'])
    expect(await cache.getMany(['a', 'b'])).toEqual(['1', '2'])
  })
})

describe('a store that fails', () => {
  test('blocked from the start: memory goes on alone, with one warning', async () => {
    const onWarning = vi.fn()
    const cache = open(Promise.reject(new AlcoveError('store-blocked', 'no')), { onWarning })
    await cache.set('k', 'v')
    await cache.set('l', 'w')
    expect(await cache.getMany(['k', 'l', 'x'])).toEqual(['v', 'w', undefined])
    expect(await cache.usage()).toEqual({ entries: 2, bytes: 200 })
    expect(await cache.clear()).toBe(2)
    expect(onWarning).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'store-blocked' }))
  })

  test('blocked later: the same', async () => {
    const { store, state } = watchedStore()
    const onWarning = vi.fn()
    const cache = open(store, { onWarning })
    await cache.set('a', '1')
    state.fail = new AlcoveError('store-blocked', 'gone')
    await cache.set('b', '2')
    expect(await cache.getMany(['a', 'b', 'c'])).toEqual(['1', '2', undefined])
    await cache.delete('a')
    expect(await cache.get('a')).toBeUndefined()
    expect(onWarning).toHaveBeenCalledTimes(1)
  })

  test('full: reading goes on, an older value of the key does not stay, and writing is tried again later', async () => {
    const { clock, pass } = manualClock()
    const { store, state, inner } = watchedStore()
    const onWarning = vi.fn()
    const cache = open(store, { clock, onWarning })
    await cache.setMany([
      ['a', 'old'],
      ['b', '2'],
    ])
    state.failWrites = new AlcoveError('quota-exceeded', 'full')
    await cache.set('a', 'new')
    await cache.set('c', '3')
    expect(await cache.getMany(['a', 'b', 'c'])).toEqual(['new', '2', '3'])
    expect(await inner.keys('e:')).toEqual(['e:b'])
    expect(await open(inner, { clock }).get('b')).toBe('2')
    state.failWrites = undefined
    await cache.set('d', '4')
    expect(await inner.keys('e:')).toEqual(['e:b'])
    pass(60_000)
    await cache.set('e', '5')
    expect(await inner.keys('e:')).toEqual(['e:b', 'e:e'])
    expect(onWarning).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'quota-exceeded' }))
  })

  test("a value that cannot be stored is the caller's error, and the store goes on", async () => {
    const cache = open<unknown>(createMemoryStore())
    await expect(cache.set('f', () => {})).rejects.toMatchObject({ code: 'invalid-argument' })
    await cache.set('k', 'v')
    expect(await cache.usage()).toMatchObject({ entries: 1 })
  })
})
