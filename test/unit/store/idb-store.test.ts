import { IDBFactory } from 'fake-indexeddb'
import 'fake-indexeddb/auto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openIdbStore, openStore } from '../../../src/store/idb-store.js'

beforeEach(() => vi.stubGlobal('indexedDB', new IDBFactory()))
afterEach(() => vi.unstubAllGlobals())

function deleteDatabase(name: string): Promise<string> {
  return new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(name)
    request.onsuccess = () => resolve('deleted')
    request.onblocked = () => resolve('blocked')
  })
}

/** Opens the database beside the store, as another tab would. */
function openBeside(name: string, version?: number): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

describe('a database that goes away', () => {
  test('the store lets another tab delete it, and goes on with an empty one', async () => {
    const store = await openIdbStore('gone')
    await store.write({ set: [['a', 1]] })
    expect(await deleteDatabase('gone')).toBe('deleted')
    expect(await store.get('a')).toBeUndefined()
    await store.write({ set: [['b', 2]] })
    expect(await store.get('b')).toBe(2)
    await store.close()
  })

  test('a connection that was closed is opened again', async () => {
    const closing: IDBDatabase[] = []
    const transaction = IDBDatabase.prototype.transaction
    const spy = vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (
      this: IDBDatabase,
      ...args: Parameters<IDBDatabase['transaction']>
    ) {
      if (!closing.includes(this)) closing.push(this)
      return transaction.apply(this, args)
    })
    const store = await openIdbStore('closing')
    await store.write({ set: [['a', 1]] })
    closing[0]?.close()
    expect(await store.get('a')).toBe(1)
    expect(closing).toHaveLength(2)
    spy.mockRestore()
    await store.close()
  })

  test('a closed store holds nothing', async () => {
    const store = await openIdbStore('held')
    await store.close()
    expect(await deleteDatabase('held')).toBe('deleted')
  })
})

describe('errors', () => {
  test('no IndexedDB at all is store-blocked', async () => {
    vi.stubGlobal('indexedDB', undefined)
    await expect(openIdbStore('none')).rejects.toMatchObject({ code: 'store-blocked' })
  })

  test('a refused open is store-blocked, with its cause', async () => {
    vi.stubGlobal('indexedDB', {
      open() {
        throw new DOMException('not here', 'SecurityError')
      },
    })
    await expect(openIdbStore('refused')).rejects.toMatchObject({
      code: 'store-blocked',
      message: expect.stringContaining('not here'),
      cause: { name: 'SecurityError' },
    })
  })

  test('an open that never answers is store-blocked after openMs', async () => {
    vi.stubGlobal('indexedDB', { open: () => ({}) })
    await expect(openIdbStore('hangs', { openMs: 20 })).rejects.toMatchObject({
      code: 'store-blocked',
      message: expect.stringContaining('20 ms'),
    })
  })

  test('a write that was given up is not made when the database opens late', async () => {
    const factory = indexedDB
    const store = await openIdbStore('late', { openMs: 30 })
    // Lose the connection, then let the next open wait.
    const beside = await openBeside('late', 2)
    beside.close()
    const real = factory.open.bind(factory)
    let answer = () => {}
    vi.stubGlobal('indexedDB', {
      open(name: string) {
        const held: Partial<IDBOpenDBRequest> = {}
        answer = () => {
          const request = real(name)
          request.onsuccess = (event) => {
            Object.assign(held, { result: request.result })
            held.onsuccess?.call(held as IDBOpenDBRequest, event)
          }
        }
        return held
      },
    })
    await expect(store.write({ set: [['a', 1]] })).rejects.toMatchObject({ code: 'store-blocked' })
    answer()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(await store.get('a')).toBeUndefined()
    await store.write({ set: [['a', 2]] })
    expect(await store.get('a')).toBe(2)
    await store.close()
  })

  test('a full disk is quota-exceeded, whether the request or the whole transaction fails', async () => {
    const store = await openIdbStore('full')
    const full = new DOMException('full', 'QuotaExceededError')
    const put = vi.spyOn(IDBObjectStore.prototype, 'put')
    put.mockImplementationOnce(() => {
      throw full
    })
    await expect(store.write({ set: [['a', 1]] })).rejects.toMatchObject({ code: 'quota-exceeded' })
    put.mockImplementationOnce(function (this: IDBObjectStore) {
      Object.defineProperty(this.transaction, 'error', { value: full })
      this.transaction.abort()
      return {} as IDBRequest<IDBValidKey>
    })
    await expect(store.write({ set: [['a', 1]] })).rejects.toMatchObject({ code: 'quota-exceeded' })
    put.mockRestore()
    await store.write({ set: [['a', 2]] })
    expect(await store.get('a')).toBe(2)
    await store.close()
  })
})

describe('openStore', () => {
  test('is IndexedDB where there is one, and says nothing', async () => {
    const onFallback = vi.fn()
    const store = await openStore('fine', { onFallback })
    expect(store.kind).toBe('indexeddb')
    expect(onFallback).not.toHaveBeenCalled()
    await store.close()
  })

  test('is memory where IndexedDB hangs, with one warning', async () => {
    vi.stubGlobal('indexedDB', { open: () => ({}) })
    const onFallback = vi.fn()
    const store = await openStore('hangs', { openMs: 10, onFallback })
    await store.write({ set: [['a', 1]] })
    expect([store.kind, await store.get('a')]).toEqual(['memory', 1])
    expect(onFallback).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'store-blocked' }))
  })
})
