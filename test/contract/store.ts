import type { expect as Expect, test as Test } from 'vitest'
import type { Store } from '../../src/store/store.js'

/** What every `Store` must do. `open` gives an empty store of its own to each test. */
export function testStore({ test, expect }: { test: typeof Test; expect: typeof Expect }, open: () => Promise<Store>) {
  test('gives back what was written, and undefined for what was not', async () => {
    const store = await open()
    await store.write({ set: [['a', { list: [1, 'two', null], when: new Date(5) }]] })
    expect(await store.get('a')).toEqual({ list: [1, 'two', null], when: new Date(5) })
    expect(await store.get('b')).toBeUndefined()
    expect(await store.getMany(['b', 'a', 'b'])).toEqual([
      undefined,
      expect.objectContaining({ when: new Date(5) }),
      undefined,
    ])
    expect(await store.getMany([])).toEqual([])
    await store.close()
  })

  test('keeps binary data binary', async () => {
    const store = await open()
    await store.write({ set: [['v', { vector: new Float32Array([1.5, -2]), bytes: new Uint8Array([0, 255]).buffer }]] })
    const value = await store.get<{ vector: Float32Array; bytes: ArrayBuffer }>('v')
    expect(value?.vector).toBeInstanceOf(Float32Array)
    expect([...(value?.vector ?? [])]).toEqual([1.5, -2])
    expect([...new Uint8Array(value?.bytes ?? new ArrayBuffer(0))]).toEqual([0, 255])
    await store.close()
  })

  test('a value that was read or written is not the stored one', async () => {
    const store = await open()
    const written = { list: [1] }
    await store.write({ set: [['a', written]] })
    written.list.push(2)
    const read = await store.get<{ list: number[] }>('a')
    read?.list.push(3)
    const [again] = await store.getMany<{ list: number[] }>(['a'])
    again?.list.push(4)
    expect(await store.get('a')).toEqual({ list: [1] })
    await store.close()
  })

  test('writes and deletes at one go, and overwrites', async () => {
    const store = await open()
    await store.write({
      set: [
        ['a', 1],
        ['b', 2],
      ],
    })
    await store.write({
      set: [
        ['a', 10],
        ['c', 3],
      ],
      delete: ['b', 'never-there'],
    })
    expect(await store.getMany(['a', 'b', 'c'])).toEqual([10, undefined, 3])
    await store.write({ set: [['d', 4]], delete: ['d'] })
    expect(await store.get('d')).toBeUndefined()
    await store.write({})
    await store.close()
  })

  test('a write that fails changes nothing', async () => {
    const store = await open()
    await store.write({ set: [['a', 'old']] })
    const write = store.write({
      set: [
        ['a', 'new'],
        ['b', () => {}],
        ['c', 1],
      ],
      delete: ['a'],
    })
    await expect(write).rejects.toMatchObject({ code: 'invalid-argument' })
    expect(await store.getMany(['a', 'b', 'c'])).toEqual(['old', undefined, undefined])
    await store.write({ set: [['c', 2]] })
    expect(await store.get('c')).toBe(2)
    await store.close()
  })

  test('lists keys by prefix, sorted by code units', async () => {
    const store = await open()
    const keys = ['a:2', 'a:10', 'a', 'b:1', 'a:\uffffz', 'ä:1', '😀', 'a;']
    await store.write({ set: keys.map((key) => [key, 0] as const) })
    expect(await store.keys()).toEqual([...keys].sort())
    expect(await store.keys('a:')).toEqual(['a:10', 'a:2', 'a:\uffffz'])
    expect(await store.keys('a:\uffff')).toEqual(['a:\uffffz'])
    expect(await store.keys('nothing')).toEqual([])
    await store.close()
  })

  test('clear leaves nothing, and the store usable', async () => {
    const store = await open()
    await store.write({ set: [['a', 1]] })
    await store.clear()
    expect(await store.keys()).toEqual([])
    await store.write({ set: [['a', 2]] })
    expect(await store.get('a')).toBe(2)
    await store.close()
  })

  test('writes side by side all arrive', async () => {
    const store = await open()
    await Promise.all(Array.from({ length: 50 }, (_, index) => store.write({ set: [[`k${index}`, index]] })))
    expect(await store.keys('k')).toHaveLength(50)
    await store.close()
  })

  test('after close every call is refused', async () => {
    const store = await open()
    await store.close()
    await store.close()
    await expect(store.get('a')).rejects.toMatchObject({ code: 'closed' })
    await expect(store.getMany(['a'])).rejects.toMatchObject({ code: 'closed' })
    await expect(store.write({ set: [['a', 1]] })).rejects.toMatchObject({ code: 'closed' })
    await expect(store.keys()).rejects.toMatchObject({ code: 'closed' })
    await expect(store.clear()).rejects.toMatchObject({ code: 'closed' })
  })
}
