import { describe, expect, test } from 'vitest'
import { createStorageManager } from '../../../src/store/storage-manager.js'

/** Kinds of so many bytes, on a device with so much room; what is evicted is free at once. */
function setUp(
  sizes: Record<string, number>,
  { quotaBytes = 1_000 as number | undefined, budgetBytes = 10_000, trueQuota = undefined as number | undefined } = {},
) {
  const evicted: string[] = []
  const kept = { ...sizes }
  const used = () => Object.values(kept).reduce((sum, bytes) => sum + bytes, 0)
  const manager = createStorageManager({
    budgetBytes,
    estimate: async () => ({ usageBytes: used(), quotaBytes, persisted: false }),
    hasRoomFor: async (bytes) => (trueQuota === undefined ? undefined : used() + bytes <= trueQuota),
    kinds: Object.keys(sizes).map((name) => ({
      name,
      bytes: async () => kept[name] ?? 0,
      async evict() {
        if (name === 'blocked') throw new Error('blocked')
        evicted.push(name)
        const freed = kept[name] ?? 0
        kept[name] = 0
        return freed
      },
    })),
  })
  return { manager, evicted, kept }
}

describe('a reservation', () => {
  test('evicts nothing where there is room, or where the browser does not say', async () => {
    for (const quotaBytes of [1_000, undefined]) {
      const { manager, evicted } = setUp({ answers: 100, models: 300 }, { quotaBytes })
      await manager.reserve(500)
      expect(evicted).toEqual([])
    }
  })

  test('evicts in order and no more than it needs', async () => {
    const { manager, evicted, kept } = setUp({ answers: 200, embeddings: 200, models: 500 })
    await manager.reserve(400)
    expect(evicted).toEqual(['answers', 'embeddings'])
    expect(kept).toMatchObject({ models: 500 })
  })

  test('is refused when all of it is not enough, and says how much there is', async () => {
    const { manager } = setUp({ answers: 200 })
    await expect(manager.reserve(2_000)).rejects.toMatchObject({
      code: 'quota-exceeded',
      message: expect.stringContaining('room for 2 KB on this device, but 1 KB too little'),
      details: { bytes: 2_000, missingBytes: 1_040 },
    })
  })

  test('trusts a trial more than what the browser says', async () => {
    const { manager, evicted } = setUp({ answers: 100, embeddings: 400, models: 300 }, { trueQuota: 1_000 })
    await manager.reserve(600)
    expect(evicted).toEqual(['answers', 'embeddings'])
    const full = setUp({ answers: 0 }, { quotaBytes: 1e9, trueQuota: 1_000 })
    await expect(full.manager.reserve(2_000)).rejects.toMatchObject({ code: 'quota-exceeded' })
  })

  test('passes over a kind that cannot be freed', async () => {
    const { manager, evicted } = setUp({ blocked: 400, models: 500 })
    await manager.reserve(400)
    expect(evicted).toEqual(['models'])
  })

  test('waits for the one before it', async () => {
    const { manager, evicted } = setUp({ answers: 600 })
    await Promise.all([manager.reserve(700), manager.reserve(700)])
    expect(evicted).toEqual(['answers'])
  })
})

test('what is over the budget goes, first things first', async () => {
  const { manager, evicted } = setUp({ answers: 200, embeddings: 300, models: 500 }, { budgetBytes: 600 })
  expect(await manager.trim()).toBe(500)
  expect(evicted).toEqual(['answers', 'embeddings'])
  expect(await manager.trim()).toBe(0)
})
