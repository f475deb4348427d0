import type { Page } from '@playwright/test'
import type { CaseOutcome } from '../contract/collect-cases.js'
import { expect, models, test } from './setup.js'

/** Asserts each case by its name. `least` is how many there must be: a suite that lost its cases passes nothing. */
function expectAll(outcomes: readonly CaseOutcome[], least: number): void {
  expect(outcomes.length).toBeGreaterThanOrEqual(least)
  for (const { name, error } of outcomes) expect.soft(error, name).toBeUndefined()
}

const runChatModel = (page: Page, id: string, maxTokens: number) =>
  page.evaluate(async ([model, limit]) => (await import('/pages/contracts.js')).runChatModel(model, limit), [
    id,
    maxTokens,
  ] as const)

test.describe('contracts in the browser', () => {
  test('chat model: transformers.js with a story model', async ({ blank }) => {
    test.skip(!models.story, 'needs stories260K as ONNX in the models folder')
    expectAll(await runChatModel(blank, models.story as string, 24), 10)
  })

  test('chat model: transformers.js with SmolLM2', async ({ blank }) => {
    test.skip(!models.onnxChat, 'needs SmolLM2-135M-Instruct as ONNX in the models folder')
    expectAll(await runChatModel(blank, models.onnxChat as string, 8), 10)
  })

  test('chat model: wllama', async ({ blank }) => {
    test.skip(!models.gguf, 'needs a GGUF model in the models folder')
    expectAll(await runChatModel(blank, models.gguf as string, 24), 10)
  })

  for (const id of [models.story, models.gguf]) {
    test(`chat model: ${id ?? 'none'}, in the thread of its engine`, async ({ blank }) => {
      test.skip(!id, 'needs stories260K in the models folder')
      const outcomes = await blank.evaluate(
        async (model) => (await import('/pages/contracts.js')).runBareChatModel(model, 24),
        id as string,
      )
      expectAll(outcomes, 10)
    })
  }

  test('chat model: the extractive answerer', async ({ blank }) => {
    expectAll(await blank.evaluate(async () => (await import('/pages/contracts.js')).runExtractive()), 10)
  })

  test('embedding model: transformers.js with MiniLM', async ({ blank }) => {
    test.skip(!models.embedding, 'needs all-MiniLM-L6-v2 in the models folder')
    const outcomes = await blank.evaluate(
      async (id) => (await import('/pages/contracts.js')).runEmbeddingModel(id),
      models.embedding as string,
    )
    expectAll(outcomes, 6)
  })

  test('store: IndexedDB', async ({ blank }) => {
    expectAll(await blank.evaluate(async () => (await import('/pages/contracts.js')).runStore()), 9)
  })

  for (const kind of ['simd', 'plain'] as const) {
    test(`vector index, ${kind} kernels`, async ({ blank }) => {
      expectAll(
        await blank.evaluate(async (name) => (await import('/pages/contracts.js')).runVectorIndex(name), kind),
        15,
      )
    })
  }

  test('corpus: through the retrieval worker', async ({ blank }) => {
    expectAll(await blank.evaluate(async () => (await import('/pages/contracts.js')).runCorpus()), 22)
  })
})
