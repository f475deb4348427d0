import { describe, expect, test } from 'vitest'
import { AlcoveError, type AlcoveErrorCode } from '../../../src/protocol/error.js'
import { createSteadyStore } from '../../../src/store/steady-store.js'
import { createMemoryStore } from '../../../src/store/store.js'
import { storeContract } from '../../../src/testing/contracts/store.js'

/** A store that fails when told to, below a steady one. */
function setUp() {
  const inner = createMemoryStore()
  const state: { fail?: AlcoveErrorCode | undefined } = {}
  const warnings: string[] = []
  const guard = async () => {
    if (state.fail) throw new AlcoveError(state.fail, 'told to')
  }
  const store = createSteadyStore(
    {
      ...inner,
      entries: async (prefix, page) => await guard().then(() => inner.entries(prefix, page)),
      getMany: async (keys) => await guard().then(() => inner.getMany(keys)),
      write: async (changes) => await guard().then(() => inner.write(changes)),
      clear: async () => await guard().then(() => inner.clear()),
    },
    { onWarning: ({ code }) => warnings.push(code) },
  )
  return { inner, store, state, warnings }
}

describe('a store that may fail', () => {
  for (const code of ['quota-exceeded', 'store-blocked'] as const) {
    test(`goes on in memory after ${code}, and writes it all when it can`, async () => {
      const { inner, store, state, warnings } = setUp()
      await store.write({ set: Object.entries({ 'a/1': 1, 'a/2': 2, 'b/1': 3 }) })
      state.fail = code
      await store.write({ set: [['a/3', 4]], delete: ['a/1'] })
      await store.write({ set: [['a/4', 5]], delete: ['never'] })
      expect(warnings).toEqual([code])
      // What is below can be read still when it is only full.
      if (code === 'quota-exceeded') state.fail = undefined
      const below = code === 'quota-exceeded' ? [['a/2', 2]] : []
      expect(await store.entries('a/')).toEqual([...below, ['a/3', 4], ['a/4', 5]])
      expect(await store.entries('a/', { after: 'a/3', limit: 1 })).toEqual([['a/4', 5]])
      expect(await store.getMany(['a/1', 'a/3'])).toEqual([undefined, 4])
      expect(await inner.keys()).toEqual(['a/1', 'a/2', 'b/1'])
      state.fail = undefined
      await store.write({ set: [['c', 6]], delete: ['a/4'] })
      expect(await inner.keys()).toEqual(['a/2', 'a/3', 'b/1', 'c'])
      expect(warnings).toEqual([code])
    })
  }

  test('other errors are those of the caller', async () => {
    const { store, warnings } = setUp()
    await expect(store.write({ set: [['a', () => {}]] })).rejects.toMatchObject({ code: 'invalid-argument' })
    expect(await store.get('a')).toBeUndefined()
    expect(warnings).toEqual([])
  })

  test('clearing forgets what was kept in memory', async () => {
    const { store, state } = setUp()
    state.fail = 'quota-exceeded'
    await store.write({ set: [['a', 1]] })
    await store.clear()
    expect(await store.entries('')).toEqual([])
  })
})

describe('it is a store', () => {
  storeContract({ test, expect } as never, async () => createSteadyStore(createMemoryStore(), { onWarning: () => {} }))
})
