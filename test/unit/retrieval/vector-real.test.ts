import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { createRandom, gaussian, sample } from '../../../bench/lib/random.js'
import {
  createVectorIndex,
  encodeVectors,
  type VectorIndex,
  type VectorIndexOptions,
} from '../../../src/retrieval/vector/vector-index.js'

const modelName = 'all-MiniLM-L6-v2'
const models = process.env.ALCOVE_MODELS_DIR ?? ''
const judged = join(process.env.ALCOVE_DATA_DIR ?? '', 'retrieval', 'xquad-en')
const isHere = existsSync(join(models, modelName, 'onnx')) && existsSync(judged)
const dimensions = 384
const topK = 10

const readTexts = (name: string): string[] =>
  readFileSync(join(judged, name), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { text: string }).text)

/** The vectors of texts, by the real model. */
async function embed(texts: readonly string[]): Promise<Float32Array> {
  const { env, pipeline } = await import('@huggingface/transformers')
  env.allowRemoteModels = false
  env.localModelPath = models
  const extract = await pipeline('feature-extraction', modelName, { device: 'cpu', dtype: 'q8' })
  const vectors = new Float32Array(texts.length * dimensions)
  for (let first = 0; first < texts.length; first += 8) {
    const batch = await extract([...texts.slice(first, first + 8)], { pooling: 'mean', normalize: true })
    vectors.set(batch.data as Float32Array, first * dimensions)
  }
  await extract.dispose()
  return vectors
}

const rowOf = (data: Float32Array, row: number) => data.subarray(row * dimensions, (row + 1) * dimensions)

function findExactly(data: Float32Array, query: Float32Array): Set<number> {
  const scores = Array.from({ length: data.length / dimensions }, (_, id) => {
    let dot = 0
    let squares = 0
    for (let k = 0, at = id * dimensions; k < dimensions; k++, at++) {
      const value = data[at] as number
      dot += value * (query[k] as number)
      squares += value * value
    }
    return { id, score: dot / Math.sqrt(squares) }
  })
  return new Set(
    scores
      .sort((a, b) => b.score - a.score)
      .slice(0, topK)
      .map(({ id }) => id),
  )
}

function recallOf(index: VectorIndex, data: Float32Array, questions: Float32Array): number {
  const count = questions.length / dimensions
  let found = 0
  for (let row = 0; row < count; row++) {
    const truth = findExactly(data, rowOf(questions, row))
    found += index.search(rowOf(questions, row), topK).rows.filter(({ id }) => truth.has(id)).length
  }
  return found / (count * topK)
}

/** More vectors like these: each several times, a little aside. */
function multiply(data: Float32Array, times: number): Float32Array {
  const random = createRandom(17)
  return Float32Array.from({ length: data.length * times }, (_, k) => {
    return (data[k % data.length] as number) + gaussian(random) * 0.02
  })
}

describe.skipIf(!isHere)('vectors of MiniLM (needs ALCOVE_MODELS_DIR and ALCOVE_DATA_DIR)', () => {
  let passages = new Float32Array()
  let questions = new Float32Array()

  beforeAll(async () => {
    const sentences = readTexts('docs.jsonl').flatMap((text) => text.split(/(?<=[.!?]) /))
    passages = Float32Array.from(await embed(sentences.slice(0, 800)))
    questions = Float32Array.from(await embed(sample(createRandom(2), readTexts('queries.jsonl'), 40)))
  }, 180_000)

  function createFilled(data: Float32Array, options: Partial<VectorIndexOptions>): VectorIndex {
    const index = createVectorIndex({ dimensions, defer: () => {}, random: createRandom(1), ...options })
    index.add(
      Uint32Array.from({ length: data.length / dimensions }, (_, id) => id),
      data,
    )
    return index
  }

  test.each([
    ['the vectors beside the codes', {}, 1],
    ['two bits beside the codes', { exactBytes: 0 }, 0.99],
  ])('are found by real questions, with %s', (_, options, least) => {
    expect(recallOf(createFilled(passages, options), passages, questions)).toBeGreaterThanOrEqual(least)
  })

  test('are found by their codes alone nearly as well', () => {
    const index = createVectorIndex({ dimensions })
    const ids = Uint32Array.from({ length: passages.length / dimensions }, (_, id) => id)
    index.addSegment({ ids, vectors: undefined, ...encodeVectors(passages, dimensions) })
    expect(recallOf(index, passages, questions)).toBeGreaterThanOrEqual(0.97)
  })

  test('are found whether or not the index decides for lists, which it does without these questions', () => {
    const many = multiply(passages, 12)
    const index = createFilled(many, { partitionFrom: 1000 })
    index.settle()
    expect(recallOf(index, many, questions)).toBeGreaterThanOrEqual(0.99)
  })
})
