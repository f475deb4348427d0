import { expect, origins, test } from './setup.js'

test.describe('storage as the browser gives it', () => {
  test('a database that is deleted under the store is made anew', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/store.js')).runDeleted())
    expect(result).toEqual({ before: [1, 2], after: null, written: 2 })
  })

  test('a person who clears the site data in the middle loses the data and nothing else', async ({ blank }) => {
    const session = await blank.context().newCDPSession(blank)
    const written = await blank.evaluate(async () => (await import('/pages/store.js')).writeHeld('a', { n: 1 }))
    expect(written).toEqual({ n: 1 })
    const { origin } = new URL(origins().home)
    await session.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' })
    expect(await blank.evaluate(async () => (await import('/pages/store.js')).readHeld('a'))).toBeNull()
    expect(await blank.evaluate(async () => (await import('/pages/store.js')).writeHeld('b', 2))).toBe(2)
  })

  test('a database that never opens gives a store in memory, with one warning', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/store.js')).runHung(300))
    expect(result).toMatchObject({ kind: 'memory', warnings: ['store-blocked'], value: 1 })
  })

  test('full storage: the write is refused, the rest stays, and the cache goes on in memory', async ({ blank }) => {
    const session = await blank.context().newCDPSession(blank)
    const { origin } = new URL(origins().home)
    // Before the first write: Chromium keeps the quota that it has seen.
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 8_000_000 })
    const result = await blank.evaluate(async () => (await import('/pages/store.js')).runFull())
    await session.send('Storage.overrideQuotaForOrigin', { origin })
    expect(result).toMatchObject({ code: 'quota-exceeded', first: 'kept', cached: 16, warnings: ['quota-exceeded'] })
    expect(result.fillers).toBeGreaterThan(0)
    expect(result.fillers).toBeLessThan(20)
  })

  test('a thousand kept answers are found, first in the database and then in memory', async ({ blank }) => {
    const result = await blank.evaluate(async () => (await import('/pages/store.js')).runCache(1000))
    expect(result.usage.entries).toBe(1001)
    expect(result.usage.bytes).toBeGreaterThan(1000 * 2000)
    expect(result.stats).toEqual({ memoryHits: 300, storeHits: 300, misses: 0, dropped: 0, evicted: 0 })
  })
})
