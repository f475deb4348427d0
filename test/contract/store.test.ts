import 'fake-indexeddb/auto'
import { describe, expect, test } from 'vitest'
import { openIdbStore } from '../../src/store/idb-store.js'
import { createMemoryStore } from '../../src/store/store.js'
import { testStore } from './store.js'

let databases = 0

describe('memory store', () => {
  testStore({ test, expect }, async () => createMemoryStore())
})

describe('IndexedDB store', () => {
  testStore({ test, expect }, () => {
    databases += 1
    return openIdbStore(`contract-${databases}`)
  })
})
