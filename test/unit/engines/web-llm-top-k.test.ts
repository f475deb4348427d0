import type { LogitProcessor, MLCEngine } from '@mlc-ai/web-llm'
import { describe, expect, test } from 'vitest'
import { keepLargest, limitToTopK } from '../../../src/engines/web-llm/top-k.js'

describe('the most likely tokens', () => {
  const logits = () => Float32Array.of(1, 5, -2, 5, 3)
  const none = Number.NEGATIVE_INFINITY

  test.each([
    [1, [none, 5, none, 5, none]],
    [2, [none, 5, none, 5, none]],
    [3, [none, 5, none, 5, 3]],
    [5, [1, 5, -2, 5, 3]],
    [9, [1, 5, -2, 5, 3]],
  ])('%d of them stay', (count, left) => {
    expect([...keepLargest(logits(), count)]).toEqual(left)
  })

  test('are chosen from by WebLLM’s processor of logits, for one request', () => {
    const pipeline: { logitProcessor: LogitProcessor | undefined } = { logitProcessor: undefined }
    const engine = { loadedModelIdToPipeline: new Map([['m', pipeline]]) } as unknown as MLCEngine
    limitToTopK(engine, 'm', undefined)()
    expect(pipeline.logitProcessor).toBeUndefined()
    const end = limitToTopK(engine, 'm', 3)
    expect([...(pipeline.logitProcessor?.processLogits(logits()) ?? [])]).toEqual([none, 5, none, 5, 3])
    end()
    expect(pipeline.logitProcessor).toBeUndefined()
  })
})
