import { afterEach, describe, expect, test, vi } from 'vitest'
import { requestPersistence, storageEstimate } from '../../../src/store/quota.js'

afterEach(() => vi.unstubAllGlobals())

describe('storage of this origin', () => {
  test('is what the browser says', async () => {
    const storage = {
      estimate: async () => ({ usage: 5, quota: 100 }),
      persisted: async () => true,
      persist: async () => true,
    }
    vi.stubGlobal('navigator', { storage })
    expect(await storageEstimate()).toEqual({ usageBytes: 5, quotaBytes: 100, persisted: true })
    expect(await requestPersistence()).toBe(true)
  })

  test.each([
    ['has no storage manager', undefined],
    ['lacks the methods', { storage: {} }],
    [
      'refuses',
      {
        storage: {
          estimate: async () => {
            throw new TypeError('opaque origin')
          },
          persist: async () => {
            throw new TypeError('opaque origin')
          },
        },
      },
    ],
  ])('is unknown, not an error, where the browser %s', async (_name, navigator) => {
    vi.stubGlobal('navigator', navigator)
    expect(await storageEstimate()).toEqual({ usageBytes: 0, quotaBytes: undefined, persisted: false })
    expect(await requestPersistence()).toBe(false)
  })
})
