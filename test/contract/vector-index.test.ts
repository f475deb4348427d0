import { describe, expect, test } from 'vitest'
import { createPlainKernels } from '../../src/retrieval/vector/kernels.js'
import { createVectorIndex } from '../../src/retrieval/vector/vector-index.js'
import { vectorIndexContract } from '../../src/testing-contracts.js'

describe('with the kernels that there are', () => {
  vectorIndexContract({ test, expect }, createVectorIndex)
})

describe('with plain kernels', () => {
  vectorIndexContract({ test, expect }, (options) => createVectorIndex({ ...options, kernels: createPlainKernels() }))
})
