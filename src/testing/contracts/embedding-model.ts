import type { EmbeddingModel } from '../../protocol/model.js'
import { codeOf, NO_ERROR } from './outcome.js'
import type { TestRunner } from './test-runner.js'

/** What every embedding model must do. `create` gives a new model, or one that other tests have used. */
export function embeddingModelContract({ test, expect }: TestRunner, create: () => Promise<EmbeddingModel>): void {
  const texts = Object.freeze([
    'The ship sails on the sea.',
    'A ship at sea.',
    'Invoices are due in thirty days.',
    'é 海 🙂',
    '',
  ])

  test('gives one vector of length 1 for each text, in order', async () => {
    const model = await create()
    await model.load()
    const vectors = await model.embed(texts)
    expect(vectors.length).toBe(texts.length)
    for (const vector of vectors) {
      expect(vector.length).toBe(model.dimensions)
      expect(Math.abs(Math.hypot(...vector) - 1)).toBeLessThanOrEqual(0.001)
    }
    expect(await model.embed([])).toEqual([])
  })

  test('gives a text the same vector alone and in company', async () => {
    const model = await create()
    const together = await model.embed(texts)
    const [alone] = await model.embed([texts[1] ?? ''])
    expect(cosine(alone, together[1])).toBeGreaterThan(0.999)
  })

  test('puts texts that are alike nearer than others', async () => {
    const [first, second, other] = await (await create()).embed(texts)
    expect(cosine(first, second)).toBeGreaterThan(cosine(first, other))
  })

  test('cuts a text that is too long', async () => {
    const model = await create()
    const [vector] = await model.embed(['a long text '.repeat(model.maxTokens)])
    expect(vector?.length).toBe(model.dimensions)
  })

  test('heeds its signal', async () => {
    const model = await create()
    expect(await codeOf(model.embed(texts, { signal: AbortSignal.abort() }))).toBe('aborted')
    const controller = new AbortController()
    const embedding = model.embed(texts, { signal: controller.signal })
    controller.abort()
    // A model that needs no time may have done it already.
    expect(['aborted', NO_ERROR]).toContain(await codeOf(embedding))
    expect((await model.embed([texts[0] ?? ''])).length).toBe(1)
  })

  test('embeds again after dispose', async () => {
    const model = await create()
    const [before] = await model.embed([texts[0] ?? ''])
    await model.dispose()
    const [after] = await model.embed([texts[0] ?? ''])
    expect(cosine(before, after)).toBeGreaterThan(0.999)
  })
}

function cosine(first: Float32Array | undefined, second: Float32Array | undefined): number {
  let sum = 0
  for (const [at, value] of first?.entries() ?? []) sum += value * (second?.[at] ?? 0)
  return sum
}
