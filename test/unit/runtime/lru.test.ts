import { describe, expect, test } from 'vitest'
import { createLru } from '../../../src/runtime/lru.js'

describe('an LRU map', () => {
  test('what was used longest ago gives way; peek and delete are no uses', () => {
    const evicted: string[] = []
    const lru = createLru<number>({ maxBytes: 100, maxEntries: 3, onEvict: (key) => evicted.push(key) })
    lru.set('a', 1, 1)
    lru.set('b', 2, 1)
    lru.set('c', 3, 1)
    expect([lru.get('a'), lru.peek('b'), lru.get('none')]).toEqual([1, 2, undefined])
    lru.set('d', 4, 1)
    expect([lru.keys(), evicted]).toEqual([['c', 'a', 'd'], ['b']])
    expect([lru.delete('c'), lru.delete('c')]).toEqual([true, false])
    expect(evicted).toEqual(['b'])
  })

  test('is bounded by bytes; one large value pushes out several', () => {
    const evicted: [string, number][] = []
    const lru = createLru<number>({ maxBytes: 10, maxEntries: 100, onEvict: (...entry) => evicted.push(entry) })
    for (const key of ['a', 'b', 'c']) lru.set(key, 0, 3)
    lru.set('large', 1, 7)
    expect([lru.keys(), lru.bytes, lru.size]).toEqual([['c', 'large'], 10, 2])
    expect(evicted).toEqual([
      ['a', 0],
      ['b', 0],
    ])
  })

  test('replacing counts the new bytes only, and makes it the newest', () => {
    const lru = createLru<number>({ maxBytes: 10, maxEntries: 10 })
    lru.set('a', 1, 5)
    lru.set('b', 2, 1)
    lru.set('a', 3, 2)
    expect([lru.bytes, lru.keys(), lru.get('a')]).toEqual([3, ['b', 'a'], 3])
  })

  test('a value over maxBytes is not kept, nor is the older one of its key', () => {
    const lru = createLru<number>({ maxBytes: 10, maxEntries: 10 })
    lru.set('a', 1, 5)
    lru.set('other', 1, 5)
    lru.set('a', 2, 11)
    expect([lru.get('a'), lru.keys(), lru.bytes]).toEqual([undefined, ['other'], 5])
  })

  test('clear empties it', () => {
    const lru = createLru<number>({ maxBytes: 10, maxEntries: 10 })
    lru.set('a', 1, 5)
    lru.clear()
    expect([lru.bytes, lru.size, lru.get('a')]).toEqual([0, 0, undefined])
  })
})
