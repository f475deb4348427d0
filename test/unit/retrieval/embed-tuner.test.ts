import { describe, expect, test } from 'vitest'
import { createBatchTuner } from '../../../src/retrieval/batch-tuner.js'

/** Runs batches of the planned cost on a model whose time is a function of the cost; gives the last planned cost. */
function settleOn(msOf: (cost: number) => number, batches = 300, targetMs = 200) {
  const tuner = createBatchTuner({ targetMs })
  const planned: number[] = []
  for (let n = 0; n < batches; n++) {
    planned.push(tuner.cost)
    tuner.record(tuner.cost, msOf(tuner.cost))
  }
  const usual = planned.slice(-50).sort((a, b) => a - b)[25] ?? 0
  return { usual, planned }
}

describe('the batch size', () => {
  test('grows while each call costs much by itself', () => {
    expect(settleOn((cost) => 20 + cost * 0.002).usual).toBeGreaterThanOrEqual(4096)
  })

  test('does not grow where a token costs the same in any batch', () => {
    expect(settleOn((cost) => cost * 0.1).usual).toBeLessThanOrEqual(512)
  })

  test('gets smaller where large batches are slower for each token', () => {
    expect(settleOn((cost) => cost * 0.05 + (cost / 100) ** 3).usual).toBeLessThanOrEqual(128)
  })

  test('never plans more than the target once the speed is known', () => {
    const { planned } = settleOn((cost) => 50 + cost * 0.4)
    for (const cost of planned.slice(10)) expect(cost * 0.4).toBeLessThanOrEqual(200)
  })

  test('follows a machine that gets slower', () => {
    const tuner = createBatchTuner({ targetMs: 200 })
    for (let n = 0; n < 50; n++) tuner.record(tuner.cost, 5 + tuner.cost * 0.05)
    const before = tuner.cost
    for (let n = 0; n < 50; n++) tuner.record(tuner.cost, tuner.cost * 2)
    expect(before).toBeGreaterThan(100)
    expect(tuner.cost).toBeLessThanOrEqual(101)
  })

  test('nonsense measures change nothing', () => {
    const tuner = createBatchTuner({ targetMs: 200 })
    for (const [cost, ms] of [
      [0, 10],
      [Number.NaN, 10],
      [10, Number.NaN],
      [10, -1],
    ] as const)
      tuner.record(cost, ms)
    expect(tuner.cost).toBe(createBatchTuner({ targetMs: 200 }).cost)
  })
})
