import type { Store } from '../../store/store.js'
import { codeOf } from './outcome.js'
import type { TestRunner } from './test-runner.js'

/** What every `Store` must do. `open` gives an empty store of its own to each test. */
export function storeContract({ test, expect }: TestRunner, open: () => Promise<Store>): void {
  const withStore = (work: (store: Store) => Promise<void>) => async () => {
    const store = await open()
    try {
      await work(store)
    } finally {
      await store.close()
    }
  }

  test(
    'gives back what was written, and undefined for what was not',
    withStore(async (store) => {
      await store.write({ set: [['a', { list: [1, 'two', null], when: new Date(5) }]] })
      expect(await store.get('a')).toEqual({ list: [1, 'two', null], when: new Date(5) })
      expect(await store.get('b')).toBeUndefined()
      const [before, value, after] = await store.getMany<{ when: Date }>(['b', 'a', 'b'])
      expect([before, after]).toEqual([undefined, undefined])
      expect(value?.when).toEqual(new Date(5))
      expect(await store.getMany([])).toEqual([])
    }),
  )

  test(
    'gives the entries of a prefix in order, also in pages',
    withStore(async (store) => {
      await store.write({ set: Object.entries({ 'm/b': 2, 'm/a': 1, 'm/c': 3, m: 0, 'n/a': 9 }) })
      expect(await store.entries('m/')).toEqual([
        ['m/a', 1],
        ['m/b', 2],
        ['m/c', 3],
      ])
      expect(await store.entries('m/', { limit: 2 })).toEqual([
        ['m/a', 1],
        ['m/b', 2],
      ])
      expect(await store.entries('m/', { after: 'm/b', limit: 2 })).toEqual([['m/c', 3]])
      expect(await store.entries('m/', { after: 'm/c' })).toEqual([])
      expect(await store.entries('m/', { after: 'z' })).toEqual([])
      expect(await store.entries('x/')).toEqual([])
      await store.write({ set: Object.entries({ 'b/2': 2, 'b/1': { n: 1 }, b: 'no', b0: 'no', 'b/é': 3 }) })
      const rows = await store.entries<{ n: number }>('b/')
      expect(rows.map(([key]) => key)).toEqual(['b/1', 'b/2', 'b/é'])
      expect((await store.entries('')).length).toBe(10)
      if (rows[0]) rows[0][1].n = 5
      expect(await store.get('b/1')).toEqual({ n: 1 })
    }),
  )

  test(
    'keeps binary data binary',
    withStore(async (store) => {
      const vector = new Float32Array([1.5, -2])
      await store.write({ set: [['v', { vector, bytes: new Uint8Array([0, 255]).buffer }]] })
      const value = await store.get<{ vector: Float32Array; bytes: ArrayBuffer }>('v')
      expect(value?.vector instanceof Float32Array).toBe(true)
      expect([...(value?.vector ?? [])]).toEqual([1.5, -2])
      expect([...new Uint8Array(value?.bytes ?? new ArrayBuffer(0))]).toEqual([0, 255])
    }),
  )

  test(
    'a value that was read or written is not the stored one',
    withStore(async (store) => {
      const written = { list: [1] }
      await store.write({ set: [['a', written]] })
      written.list.push(2)
      const read = await store.get<{ list: number[] }>('a')
      read?.list.push(3)
      const [again] = await store.getMany<{ list: number[] }>(['a'])
      again?.list.push(4)
      expect(await store.get('a')).toEqual({ list: [1] })
    }),
  )

  test(
    'writes and deletes at one go, and overwrites',
    withStore(async (store) => {
      await store.write({ set: Object.entries({ a: 1, b: 2 }) })
      await store.write({ set: Object.entries({ a: 10, c: 3 }), delete: ['b', 'never-there'] })
      expect(await store.getMany(['a', 'b', 'c'])).toEqual([10, undefined, 3])
      await store.write({ set: [['d', 4]], delete: ['d'] })
      expect(await store.get('d')).toBeUndefined()
      await store.write({})
      expect(await store.keys()).toEqual(['a', 'c'])
    }),
  )

  test(
    'a write that fails changes nothing',
    withStore(async (store) => {
      await store.write({ set: [['a', 'old']] })
      const unfit = { a: 'new', b: () => {}, c: 1 }
      expect(await codeOf(store.write({ set: Object.entries(unfit), delete: ['a'] }))).toBe('invalid-argument')
      expect(await store.getMany(['a', 'b', 'c'])).toEqual(['old', undefined, undefined])
      await store.write({ set: [['c', 2]] })
      expect(await store.get('c')).toBe(2)
    }),
  )

  test(
    'lists keys by prefix, sorted by code units',
    withStore(async (store) => {
      const keys = ['a:2', 'a:10', 'a', 'b:1', 'a:\uffffz', 'ä:1', '😀', 'a;']
      await store.write({ set: keys.map((key) => [key, 0] as const) })
      expect(await store.keys()).toEqual([...keys].sort())
      expect(await store.keys('a:')).toEqual(['a:10', 'a:2', 'a:\uffffz'])
      expect(await store.keys('a:\uffff')).toEqual(['a:\uffffz'])
      expect(await store.keys('nothing')).toEqual([])
    }),
  )

  test(
    'clear leaves nothing, and the store usable',
    withStore(async (store) => {
      await store.write({ set: [['a', 1]] })
      await store.clear()
      expect(await store.keys()).toEqual([])
      await store.write({ set: [['a', 2]] })
      expect(await store.get('a')).toBe(2)
    }),
  )

  test(
    'writes side by side all arrive',
    withStore(async (store) => {
      await Promise.all(Array.from({ length: 50 }, (_, index) => store.write({ set: [[`k${index}`, index]] })))
      expect(await store.keys('k')).toHaveLength(50)
    }),
  )

  test(
    'after close every call is refused',
    withStore(async (store) => {
      await store.close()
      await store.close()
      const calls = [
        store.get('a'),
        store.getMany(['a']),
        store.write({ set: [['a', 1]] }),
        store.keys(),
        store.clear(),
      ]
      for (const call of calls) expect(await codeOf(call)).toBe('closed')
    }),
  )
}
