import { expect, test } from 'vitest'
import { createVectorIndex } from '../../src/retrieval/vector-index.js'
import { testVectorIndex } from './vector-index.js'

testVectorIndex({ test, expect, create: createVectorIndex })
