import { expect, models, test } from './setup.js'

interface GraphWriter {
  addConstant(name: string, type: string, shape: number[], data: BigInt64Array): string
  addNode(operator: string, inputs: string[], attributes?: Record<string, number>, outputs?: string[]): string
  encode(about: { name: string; opset: number; inputs: object[]; outputs: object[] }): Uint8Array[]
}

/**
 * A real cross-encoder without weights: it reads query and passage together, and its one logit is the number of pairs of equal tokens, one of
 * the query and one of the passage (the closing [SEP] of both among them).
 */
async function writeCrossEncoder(): Promise<Buffer> {
  // @ts-expect-error a script of plain JavaScript without declarations
  const { OnnxGraph } = await import('../../scripts/models/onnx-writer.mjs')
  const graph: GraphWriter = new OnnxGraph()
  const axis = (name: string, ...values: number[]) =>
    graph.addConstant(name, 'INT64', [values.length], BigInt64Array.from(values, BigInt))
  const asFloat = (name: string) => graph.addNode('Cast', [name], { to: 1 })
  const mask = asFloat('attention_mask')
  const inPassage = graph.addNode('Mul', [asFloat('token_type_ids'), mask])
  const inQuery = graph.addNode('Sub', [mask, inPassage])
  const [rows, columns] = [axis('rows', 2), axis('columns', 1)]
  const equal = asFloat(
    graph.addNode('Equal', [
      graph.addNode('Unsqueeze', ['input_ids', rows]),
      graph.addNode('Unsqueeze', ['input_ids', columns]),
    ]),
  )
  const ofQuery = graph.addNode('Mul', [equal, graph.addNode('Unsqueeze', [inQuery, rows])])
  const pairs = graph.addNode('Mul', [ofQuery, graph.addNode('Unsqueeze', [inPassage, columns])])
  const bySecond = graph.addNode('ReduceSum', [pairs, axis('second', 2)], { keepdims: 0 })
  graph.addNode('ReduceSum', [bySecond, axis('first', 1)], { keepdims: 1 }, ['logits'])
  const input = (name: string) => ({ name, type: 'INT64', shape: ['batch', 'length'] })
  const parts = graph.encode({
    name: 'pairs',
    opset: 17,
    inputs: ['input_ids', 'attention_mask', 'token_type_ids'].map(input),
    outputs: [{ name: 'logits', type: 'FLOAT', shape: ['batch', 1] }],
  })
  return Buffer.concat(parts)
}

const config = {
  architectures: ['BertForSequenceClassification'],
  model_type: 'bert',
  max_position_embeddings: 512,
  vocab_size: 30522,
  id2label: { 0: 'LABEL_0' },
  label2id: { LABEL_0: 0 },
}

test('a search is reranked by a cross-encoder in the worker, and goes on without one that cannot be had', async ({
  blank,
}) => {
  test.skip(!models.embedding, 'needs the tokenizer of the small embedding model')
  const weights = await writeCrossEncoder()
  await blank.route('**/models/pair-counter/**', (route) => {
    const url = route.request().url()
    if (url.endsWith('.onnx')) {
      return url.endsWith('/model_quantized.onnx')
        ? route.fulfill({ body: weights, headers: { 'content-length': String(weights.byteLength) } })
        : route.fulfill({ status: 404 })
    }
    if (url.endsWith('/config.json')) return route.fulfill({ json: config })
    return route.continue({ url: url.replace('pair-counter', 'all-MiniLM-L6-v2') })
  })
  const result = await blank.evaluate(async () => {
    const { createAlcove } = await import('/dist/index.js')
    const storage = { name: 'rerank' }
    const alcove = createAlcove({
      model: 'extractive',
      embedder: 'transformers:all-MiniLM-L6-v2',
      modelBaseUrl: '/models/',
      allowRemoteModels: false,
      storage,
    })
    const corpus = await alcove.corpus('rivers')
    await corpus.add([
      { id: 'once', text: 'The river.' },
      { id: 'twice', text: 'From the north a river joins another river in the wide plain below the old town.' },
      {
        id: 'thrice',
        text: 'Whoever follows the river to where the second river meets the third river sees boats, mills and herons.',
      },
    ])
    const rows = async (rerank: boolean | string) =>
      (await corpus.search('river', { mode: 'keyword', rerank })).map(({ source, score }) => [source.id, score])
    const found = {
      plain: await rows(false),
      reranked: await rows('transformers:pair-counter'),
      again: await rows('transformers:pair-counter'),
      missing: await rows('transformers:not-there'),
      unsuitable: await rows('transformers:all-MiniLM-L6-v2'),
    }
    await alcove.close()
    return found
  })
  expect(result.plain.map(([id]) => id)).not.toEqual(['thrice', 'twice', 'once'])
  expect(result.reranked).toEqual([
    ['thrice', 4],
    ['twice', 3],
    ['once', 2],
  ])
  expect(result.again).toEqual(result.reranked)
  expect(result.missing).toEqual(result.plain)
  expect(result.unsuitable).toEqual(result.plain)
})
