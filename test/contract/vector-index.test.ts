import { expect, test } from 'vitest'
import { createVectorIndex } from '../../src/retrieval/vector/vector-index.js'
import { vectorIndexContract } from '../../src/testing-contracts.js'

vectorIndexContract({ test, expect }, createVectorIndex)
