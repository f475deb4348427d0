import { afterAll, describe, expect, test } from 'vitest'
import { hashEmbedder } from '../../../../src/testing.js'
import { embeddingModelContract } from '../../../../src/testing-contracts.js'
import { openEngine, serve } from './open-model.js'
import { type Behaviour, json, startProtocolServer, wait } from './protocol-server.js'

const base64 = (vector: Float32Array) =>
  Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')

/** Vectors of the hash embedder, twice as long as they should be, in the form that was asked for and in no order. */
const embed: Behaviour = async ({ body }, response) => {
  const vectors = await hashEmbedder({ dimensions: 32 }).embed(body.input)
  const data = vectors.map((vector, index) => {
    const long = vector.map((each) => each * 2)
    return { index, object: 'embedding', embedding: body.encoding_format === 'base64' ? base64(long) : [...long] }
  })
  json(response, 200, { data: data.reverse(), model: body.model })
}

describe('the contract, over a real server', () => {
  const server = startProtocolServer(embed)
  afterAll(async () => (await server).close())
  embeddingModelContract({ test, expect }, async () => openEngine(await server).embedding('http:tiny'))
})

describe('embedding', () => {
  test('numbers are asked for where base64 is refused', async () => {
    const server = await serve((request, response) =>
      request.body.encoding_format === 'base64'
        ? json(response, 400, { error: { message: 'unknown field encoding_format' } })
        : embed(request, response),
    )
    const model = openEngine(server).embedding('http:tiny')
    const [vector] = await model.embed(['one'])
    await model.embed(['two'])
    expect(vector).toHaveLength(32)
    expect(server.seen.map(({ body }) => body.encoding_format)).toEqual(['base64', 'float', 'float'])
  })

  test('goes in batches, several at once', async () => {
    const server = await serve(async (request, response) => {
      await wait(10)
      await embed(request, response)
    })
    const model = openEngine(server, { connections: { perHost: 2 } }).embedding('http:tiny')
    const texts = Array.from({ length: 200 }, (_, at) => `text number ${at}`)
    const vectors = await model.embed(texts)
    expect(vectors).toHaveLength(200)
    expect(server.seen.map(({ body }) => body.input.length)).toEqual([64, 64, 64, 8])
    expect(server.mostOpen).toBe(2)
    const [alone] = await model.embed(['text number 150'])
    expect(alone?.every((each, at) => Math.abs(each - (vectors[150]?.[at] ?? 9)) < 1e-6)).toBe(true)
  })

  test('writes prefixes and asks for the dimensions that were set', async () => {
    const server = await serve(embed)
    const defaults = { queryPrefix: 'query: ', documentPrefix: 'passage: ', dimensions: 32 }
    const model = openEngine(server, { defaults }).embedding('http:tiny')
    await model.embed(['a'], { purpose: 'query' })
    await model.embed(['a'])
    expect(server.seen.map(({ body }) => [body.input[0], body.dimensions])).toEqual([
      ['query: a', 32],
      ['passage: a', 32],
    ])
  })

  test('knows its dimensions after load, and refuses vectors of another length', async () => {
    const server = await serve(embed)
    const model = openEngine(server).embedding('http:tiny')
    expect(model.dimensions).toBe(0)
    await model.load()
    expect(model.dimensions).toBe(32)
    const other = openEngine(server, { defaults: { dimensions: 48 } }).embedding('http:tiny')
    await expect(other.load()).rejects.toMatchObject({ code: 'dimension-mismatch', details: { expected: 48, got: 32 } })
  })

  test.each([
    [
      'too few',
      (count: number) => ({ data: Array.from({ length: count - 1 }, (_, index) => ({ index, embedding: [1] })) }),
    ],
    [
      'one index twice',
      (count: number) => ({ data: Array.from({ length: count }, () => ({ index: 0, embedding: [1] })) }),
    ],
    [
      'no numbers',
      (count: number) => ({ data: Array.from({ length: count }, (_, index) => ({ index, embedding: ['x'] })) }),
    ],
    [
      'zeros',
      (count: number) => ({ data: Array.from({ length: count }, (_, index) => ({ index, embedding: [0, 0] })) }),
    ],
    [
      'broken base64',
      (count: number) => ({ data: Array.from({ length: count }, (_, index) => ({ index, embedding: '***' })) }),
    ],
    ['something else', () => ({ vectors: [] })],
  ])('%s is one typed error', async (_, answer) => {
    const server = await serve((request, response) => json(response, 200, answer(request.body.input.length)))
    await expect(openEngine(server).embedding('http:tiny').embed(['a', 'b'])).rejects.toMatchObject({
      code: 'output-invalid',
    })
  })

  test('one failed batch ends the others', async () => {
    const server = await serve(({ body }, response) => {
      if (body.input.includes('text 70')) json(response, 400, { error: 'no' })
    })
    const model = openEngine(server).embedding('http:tiny')
    await expect(model.embed(Array.from({ length: 100 }, (_, at) => `text ${at}`))).rejects.toMatchObject({
      code: 'http-status',
    })
    await wait(20)
    expect(server.left).toBe(1)
  })
})
