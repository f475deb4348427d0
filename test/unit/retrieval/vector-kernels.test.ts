import { afterEach, describe, expect, test, vi } from 'vitest'
import { createRandom, gaussian } from '../../../bench/lib/random.js'
// @ts-expect-error a script of plain JavaScript without declarations
import { compileKernels } from '../../../scripts/compile-kernels.mjs'
import { kernelBinary } from '../../../src/retrieval/vector/kernel-binary.js'
import { createPlainKernels, createSimdKernels, type VectorKernels } from '../../../src/retrieval/vector/kernels.js'

const sumsAt = 2048
const foundAt = 4096
const rowsAt = 16_384

/** Memory with a query at 0 and rows of codes and scales, the same for the same seed. */
function fill(kernels: VectorKernels, seed: number, count: number, stride: number): void {
  kernels.reserve(rowsAt + count * (stride + 4))
  const random = createRandom(seed)
  const codes = new Int8Array(kernels.buffer)
  const floats = new Float32Array(kernels.buffer, 0, Math.floor(kernels.buffer.byteLength / 4))
  const query = new Int16Array(kernels.buffer, 0, stride)
  for (let k = 0; k < stride; k++) query[k] = Math.floor(random() * 60_000) - 30_000
  for (let row = 0, at = rowsAt; row < count; row++, at += stride + 4) {
    for (let k = 0; k < stride; k++) codes[at + k] = Math.floor(random() * 256) - 128
    floats[(at + stride) / 4] = random() / 127
  }
}

const bytesOf = (kernels: VectorKernels, from: number, length: number): number[] => [
  ...new Uint8Array(kernels.buffer, from, length),
]

function bothKernels(): [VectorKernels, VectorKernels] {
  const simd = createSimdKernels()
  if (simd === undefined) throw new Error('this runtime has no WebAssembly SIMD')
  return [simd, createPlainKernels()]
}

describe('SIMD and plain kernels', () => {
  test.each([
    [1, 32, 1],
    [2, 64, 50],
    [3, 384, 300],
    [4, 768, 40],
  ])('score alike, bit for bit (seed %i, %i codes, %i rows)', (seed, stride, count) => {
    const [simd, plain] = bothKernels()
    for (const kernels of [simd, plain]) fill(kernels, seed, count, stride)
    for (const floor of [Number.NEGATIVE_INFINITY, 0, 1e30]) {
      const scan = (kernels: VectorKernels) => kernels.scan(rowsAt, count, stride, 0, 1e-5, floor, sumsAt, foundAt)
      const hits = scan(simd)
      expect(scan(plain)).toBe(hits)
      if (floor < 0) expect(hits).toBe(count)
      if (floor > 1) expect(hits).toBe(0)
      expect(bytesOf(simd, foundAt, hits * 8)).toEqual(bytesOf(plain, foundAt, hits * 8))
      expect(bytesOf(simd, sumsAt, 16)).toEqual(bytesOf(plain, sumsAt, 16))
    }
    const nearest = simd.nearest(rowsAt, count, stride, 0)
    expect(plain.nearest(rowsAt, count, stride, 0)).toBe(nearest)
    expect(nearest).toBeGreaterThanOrEqual(0)
    expect([simd, plain].map((kernels) => kernels.nearest(rowsAt, 0, stride, 0))).toEqual([-1, -1])
  })

  test('score what multiplying one by one scores', () => {
    const [simd] = bothKernels()
    fill(simd, 9, 20, 96)
    simd.scan(rowsAt, 20, 96, 0, 1, Number.NEGATIVE_INFINITY, sumsAt, foundAt)
    const codes = new Int8Array(simd.buffer)
    const query = new Int16Array(simd.buffer, 0, 96)
    for (let row = 0; row < 20; row++) {
      const at = rowsAt + row * 100
      const dot = query.reduce((sum, value, k) => sum + value * (codes[at + k] as number), 0)
      const [scale = 0] = new Float32Array(simd.buffer, at + 96, 1)
      const [score = 0] = new Float32Array(simd.buffer, foundAt + row * 8 + 4, 1)
      expect(Math.abs(score - dot * scale)).toBeLessThan(Math.abs(dot * scale) * 1e-6 + 1e-9)
    }
  })

  test('encode alike, bit for bit, halves and tiny and huge numbers included', () => {
    const [simd, plain] = bothKernels()
    const random = createRandom(5)
    const vectors = Float32Array.from({ length: 64 * 30 }, () => gaussian(random))
    vectors.set([127, 0.5, 1.5, 2.5, -0.5, -1.5, -126.5, 126.5])
    vectors.fill(1e-29, 64, 128)
    vectors.fill(3e38, 128, 192)
    for (const kernels of [simd, plain]) {
      kernels.reserve(40_000)
      new Float32Array(kernels.buffer, rowsAt, vectors.length).set(vectors)
      kernels.encode(rowsAt, 30, 64, 0)
    }
    expect(bytesOf(simd, 0, 30 * 68)).toEqual(bytesOf(plain, 0, 30 * 68))
    expect([...new Int8Array(simd.buffer, 0, 8)]).toEqual([127, 0, 2, 2, 0, -2, -126, 126])
    expect(Math.max(...new Int8Array(simd.buffer, 68, 64), ...new Int8Array(simd.buffer, 136, 64))).toBe(127)
  })

  test('memory keeps what is in it when it grows', () => {
    for (const kernels of bothKernels()) {
      new Uint8Array(kernels.buffer)[7] = 42
      kernels.reserve(1_000_000)
      expect(kernels.buffer.byteLength).toBeGreaterThanOrEqual(1_000_000)
      expect([...new Uint8Array(kernels.buffer, 6, 3)]).toEqual([0, 42, 0])
      expect(() => kernels.reserve(1e13)).toThrow(expect.objectContaining({ code: 'out-of-memory' }))
    }
  })
})

describe('where WebAssembly does not serve', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
    vi.resetModules()
  })

  const refuse = () => {
    throw new Error('refused by the content security policy')
  }
  test.each([
    ['is not there', undefined],
    ['has no SIMD', { ...WebAssembly, validate: () => false }],
    ['is forbidden', { ...WebAssembly, validate: () => true, Module: refuse }],
  ])('plain kernels take its place when it %s', async (_, replacement) => {
    vi.resetModules()
    vi.stubGlobal('WebAssembly', replacement)
    const { createKernels } = await import('../../../src/retrieval/vector/kernels.js')
    const { createVectorIndex } = await import('../../../src/retrieval/vector/vector-index.js')
    expect(createKernels().kind).toBe('plain')
    const index = createVectorIndex({ dimensions: 2 })
    index.add([1, 2], Float32Array.from([1, 0, 0, 1]))
    expect(index.search(Float32Array.from([0, 1]), 1).rows).toEqual([{ id: 2, score: 1 }])
  })
})

test('the WebAssembly in the project is what the compiler makes of its source, and small', async () => {
  const binary = await compileKernels()
  expect(kernelBinary).toBe(Buffer.from(binary).toString('base64'))
  expect(binary.length).toBeLessThan(2048)
})
