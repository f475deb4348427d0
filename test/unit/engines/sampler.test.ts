import { describe, expect, it } from 'vitest'
import { createSampler, type SamplerOptions } from '../../../src/engines/transformers/sampler.js'

const LOGITS = [1, 3, 2, 0, -1]
const logits = () => Float32Array.from(LOGITS)

function draws(options: SamplerOptions, count = 400): number[] {
  return Array.from({ length: count }, (_, index) => createSampler({ ...options, seed: index }, []).sample(logits()))
}
const kinds = (tokens: readonly number[]) => [...new Set(tokens)].sort((a, b) => a - b)

describe('createSampler', () => {
  it('takes the most likely token at temperature 0', () => {
    expect(createSampler({ temperature: 0, topK: 50 }, []).sample(logits())).toBe(1)
    expect(createSampler({}, []).sample(logits())).toBe(1)
  })

  it('repeats itself with a seed and differs with another', () => {
    const run = (seed: number) => {
      const sampler = createSampler({ temperature: 1, seed }, [])
      return Array.from({ length: 30 }, () => sampler.sample(logits()))
    }
    expect(run(7)).toEqual(run(7))
    expect(run(7)).not.toEqual(run(8))
    expect(run(0)).toEqual(run(0))
  })

  it('draws in proportion to the probabilities', () => {
    const tokens = draws({ temperature: 1 }, 4_000)
    const total = LOGITS.reduce((sum, value) => sum + Math.exp(value), 0)
    for (const [token, value] of LOGITS.entries()) {
      const share = tokens.filter((drawn) => drawn === token).length / tokens.length
      expect(Math.abs(share - Math.exp(value) / total)).toBeLessThan(0.03)
    }
  })

  it('keeps to the top k, to the nucleus, and to both', () => {
    expect(kinds(draws({ temperature: 1, topK: 2 }))).toEqual([1, 2])
    expect(kinds(draws({ temperature: 1, topK: 1 }))).toEqual([1])
    // Shares: 0.636, 0.234, 0.086, 0.032, 0.012.
    expect(kinds(draws({ temperature: 1, topP: 0.6 }))).toEqual([1])
    expect(kinds(draws({ temperature: 1, topP: 0.8 }))).toEqual([1, 2])
    expect(kinds(draws({ temperature: 1, topP: 0.9 }))).toEqual([0, 1, 2])
    expect(kinds(draws({ temperature: 1, topK: 3, topP: 0.7 }))).toEqual([1, 2])
  })

  it('is flatter when hotter', () => {
    const share = (temperature: number) => draws({ temperature }, 2_000).filter((token) => token === 1).length
    expect(share(0.5)).toBeGreaterThan(share(1))
    expect(share(1)).toBeGreaterThan(share(2))
  })

  it('penalises what was in the prompt or in the answer', () => {
    expect(createSampler({ repetitionPenalty: 2 }, [1]).sample(logits())).toBe(2)
    const frequency = createSampler({ frequencyPenalty: 0.6 }, [1])
    expect([0, 1, 2].map(() => frequency.sample(logits()))).toEqual([1, 1, 2])
    const presence = createSampler({ presencePenalty: 1.5 }, [1])
    expect([0, 1, 2].map(() => presence.sample(logits()))).toEqual([1, 2, 1])
  })
})
