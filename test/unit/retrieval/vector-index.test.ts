import { expect, test } from 'vitest'
import { createVectorIndex, type DotKernel, scanDot } from '../../../src/retrieval/vector/vector-index.js'

test('another kernel takes the place of the loop', () => {
  const scanned: number[] = []
  const kernel: DotKernel = (data, count, dimensions, query, scores) => {
    scanned.push(count)
    scanDot(data, count, dimensions, query, scores)
  }
  const index = createVectorIndex({ dimensions: 3, kernel })
  index.add([1, 2], Float32Array.from([1, 0, 0, 0, 1, 0]))
  expect(index.search(Float32Array.from([0, 1, 0]), 1).rows.map(({ id }) => id)).toEqual([2])
  expect(scanned).toEqual([2])
})

test('memory is what the vectors take, and grows by half', () => {
  const index = createVectorIndex({ dimensions: 8 })
  const small = index.bytes
  index.add(
    Array.from({ length: 1000 }, (_, id) => id),
    new Float32Array(8000).fill(1),
  )
  expect(small).toBeLessThan(10_000)
  expect(index.bytes).toBeGreaterThanOrEqual(1000 * 8 * 4)
  expect(index.bytes).toBeLessThan(1000 * 8 * 4 * 2)
})
