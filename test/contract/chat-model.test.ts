import { describe, expect, test } from 'vitest'
import { extractiveModel } from '../../src/engines/extractive/extractive.js'
import { hashEmbedder } from '../../src/testing/hash-embedder.js'
import { scriptedModel } from '../../src/testing.js'
import { chatModelContract, embeddingModelContract } from '../../src/testing-contracts.js'

const runner = { test, expect }

describe('scripted model', () => {
  chatModelContract(runner, async () =>
    scriptedModel(
      Array.from({ length: 9 }, () => 'The sea is wide and blue.'),
      { chunkSize: 3 },
    ),
  )
})

describe('extractive model', () => {
  chatModelContract(runner, async () => extractiveModel())
})

describe('hash embedder', () => {
  embeddingModelContract(runner, async () => hashEmbedder({ dimensions: 64 }))
})
