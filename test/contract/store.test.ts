import 'fake-indexeddb/auto'
import { describe, expect, test } from 'vitest'
import { openIdbStore } from '../../src/store/idb-store.js'
import { createMemoryStore } from '../../src/store/store.js'
import { storeContract } from '../../src/testing-contracts.js'

let databases = 0

describe('memory store', () => {
  storeContract({ test, expect }, async () => createMemoryStore())
})

describe('IndexedDB store', () => {
  storeContract({ test, expect }, () => {
    databases += 1
    return openIdbStore(`contract-${databases}`)
  })
})
