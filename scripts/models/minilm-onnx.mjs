// @ts-check
// all-MiniLM-L6-v2 (BERT, 6 layers of 384) from fp32 safetensors to an int8 ONNX file, in standard operators of opset 17
// (LayerNormalization came with 17; MatMulInteger and QuantizeLinear are 10). Weights have one scale a column, word
// embeddings one a row, and activations get one scale a token while running. The usual dynamic quantisation has one
// scale for the whole batch, and then the vector of a text depends on which texts it is embedded with.
import { writeFile } from 'node:fs/promises'
import { OnnxGraph } from './onnx-writer.mjs'
import { quantizeRows, transpose } from './quantize.mjs'
import { SafetensorsFile } from './safetensors.mjs'

export const miniLm = Object.freeze({
  layers: 6,
  width: 384,
  inner: 1536,
  heads: 12,
  vocabulary: 30522,
  positions: 512,
  epsilon: 1e-12,
})

const opset = 17

/**
 * The few channels that are up to 15 times larger than the others after every normalisation (measured on several
 * hundred English paragraphs; they are a property of these weights). Left in, they would set the scale of their token and
 * leave few codes to the other 376, so their share of a product is computed in float: cosine to fp32 0.999, else 0.997.
 */
const largeChannels = [63, 99, 127, 157, 223, 267, 319, 338]
/** Columns of ones beside the attention values; one would do, four keep the matrix kernel on its vector path. */
const onesWidth = 4

const floats = (/** @type {number[]} */ ...values) => Float32Array.from(values)
const integers = (/** @type {number[]} */ ...values) => BigInt64Array.from(values.map(BigInt))

class MiniLmBuilder {
  graph = new OnnxGraph()
  #weights
  #shape

  /** @param {SafetensorsFile} weights @param {typeof miniLm} shape */
  constructor(weights, shape) {
    this.#weights = weights
    this.#shape = shape
    const { graph } = this
    graph.addConstant('one', 'FLOAT', [], floats(1))
    graph.addConstant('half', 'FLOAT', [], floats(0.5))
    graph.addConstant('sqrt_2', 'FLOAT', [], floats(Math.SQRT2))
    graph.addConstant('code_limit', 'FLOAT', [], floats(127))
    graph.addConstant('smallest', 'FLOAT', [], floats(1e-9))
    graph.addConstant('code_zero', 'UINT8', [], Uint8Array.of(128))
    graph.addConstant('masked', 'FLOAT', [], floats(-10000))
    graph.addConstant('axes_1_2', 'INT64', [2], integers(1, 2))
    graph.addConstant('axes_0', 'INT64', [1], integers(0))
    graph.addConstant('zero', 'INT64', [], integers(0))
    graph.addConstant('step', 'INT64', [], integers(1))
    graph.addConstant('thirds', 'INT64', [3], integers(shape.width, shape.width, shape.width))
    graph.addConstant('to_heads', 'INT64', [4], integers(0, 0, shape.heads, shape.width / shape.heads))
    graph.addConstant('large', 'INT64', [largeChannels.length], integers(...largeChannels))
    graph.addConstant(
      'not_large',
      'FLOAT',
      [shape.width],
      new Float32Array(shape.width).map((_, channel) => (largeChannels.includes(channel) ? 0 : 1)),
    )
    graph.addConstant('ones_after', 'INT64', [8], integers(0, 0, 0, 0, 0, 0, 0, onesWidth))
    graph.addConstant('head_and_ones', 'INT64', [2], integers(shape.width / shape.heads, onesWidth))
    graph.addConstant('last_axis', 'INT64', [1], integers(3))
    graph.addConstant('first', 'INT64', [1], integers(0))
    graph.addConstant('second', 'INT64', [1], integers(1))
    graph.addConstant('from_heads', 'INT64', [3], integers(0, 0, shape.width))
  }

  /** @param {string} name @param {number[]} shape */
  async #addFloats(name, shape) {
    return this.graph.addConstant(name, 'FLOAT', shape, await this.#weights.readFloats(name, shape))
  }

  /** @param {string} input @param {string} name */
  async #normalize(input, name) {
    const { width, epsilon } = this.#shape
    const scale = await this.#addFloats(`${name}.weight`, [width])
    const bias = await this.#addFloats(`${name}.bias`, [width])
    return this.graph.addNode('LayerNormalization', [input, scale, bias], { axis: -1, epsilon: { float: epsilon } })
  }

  /** @param {(operator: string, ...inputs: string[]) => string} add */
  async addEmbeddings(add) {
    const { width, vocabulary, positions } = this.#shape
    const words = quantizeRows(
      await this.#weights.readFloats('embeddings.word_embeddings.weight', [vocabulary, width]),
      vocabulary,
      width,
    )
    this.graph.addConstant('word_codes', 'INT8', [vocabulary, width], words.codes)
    this.graph.addConstant('word_scales', 'FLOAT', [vocabulary, 1], words.scales)
    const position = await this.#addFloats('embeddings.position_embeddings.weight', [positions, width])
    const kind = await this.#addFloats('embeddings.token_type_embeddings.weight', [2, width])
    const length = add('Squeeze', this.graph.addNode('Shape', ['input_ids'], { start: 1, end: 2 }), 'axes_0')
    const places = add('Unsqueeze', add('Range', 'zero', length, 'step'), 'axes_0')
    const codes = this.graph.addNode('Cast', [add('Gather', 'word_codes', 'input_ids')], { to: 1 })
    const word = add('Mul', codes, add('Gather', 'word_scales', 'input_ids'))
    const sum = add('Add', add('Add', word, add('Gather', kind, 'token_type_ids')), add('Gather', position, places))
    return this.#normalize(sum, 'embeddings.LayerNorm')
  }

  /** What is added to attention scores: 0 for tokens, -10000 (exactly 0 after Exp) for padding. */
  addMask() {
    const { graph } = this
    const mask = graph.addNode('Cast', ['attention_mask'], { to: 1 })
    const bias = graph.addNode('Mul', [graph.addNode('Sub', ['one', mask]), 'masked'])
    return graph.addNode('Unsqueeze', [bias, 'axes_1_2'])
  }

  /**
   * Scales each token to -127…127 on its own. Returns the codes and what a code is worth, [batch, token, 1].
   * @param {string} input
   */
  #quantizeTokens(input) {
    const { graph } = this
    const largest = graph.addNode('ReduceMax', [graph.addNode('Abs', [input])], { axes: [-1], keepdims: 1 })
    const bounded = graph.addNode('Max', [largest, 'smallest'])
    const scaled = graph.addNode('Mul', [input, graph.addNode('Div', ['code_limit', bounded])])
    // QuantizeLinear with scale 1 is rounding, offset and cast in one pass over memory.
    const codes = graph.addNode('QuantizeLinear', [scaled, 'one', 'code_zero'])
    return { codes, worth: graph.addNode('Div', [bounded, 'code_limit']) }
  }

  /**
   * Weights and bias of dense layers with their outputs side by side, [total, inputs].
   * @param {string[]} names @param {number} inputs @param {number} outputs @param {number[]} factors
   */
  async #readDense(names, inputs, outputs, factors) {
    const matrix = new Float32Array(names.length * outputs * inputs)
    const bias = new Float32Array(names.length * outputs)
    for (const [index, name] of names.entries()) {
      const factor = factors[index] ?? 1
      matrix.set(
        (await this.#weights.readFloats(`${name}.weight`, [outputs, inputs])).map((value) => value * factor),
        index * outputs * inputs,
      )
      bias.set(
        (await this.#weights.readFloats(`${name}.bias`, [outputs])).map((value) => value * factor),
        index * outputs,
      )
    }
    return { matrix, bias }
  }

  /**
   * Takes the large channels out of `matrix` (their weights become 0) and multiplies them in float.
   * @param {string} input @param {string} label @param {Float32Array} matrix @param {number} inputs
   */
  #splitLarge(input, label, matrix, inputs) {
    const { graph } = this
    const total = matrix.length / inputs
    const weights = new Float32Array(largeChannels.length * total)
    for (const [index, channel] of largeChannels.entries()) {
      for (let row = 0; row < total; row += 1) {
        weights[index * total + row] = /** @type {number} */ (matrix[row * inputs + channel])
        matrix[row * inputs + channel] = 0
      }
    }
    graph.addConstant(`${label}.large`, 'FLOAT', [largeChannels.length, total], weights)
    const product = graph.addNode('MatMul', [graph.addNode('Gather', [input, 'large'], { axis: 2 }), `${label}.large`])
    return { product, rest: graph.addNode('Mul', [input, 'not_large']) }
  }

  /**
   * A dense layer; several names give one matrix with their outputs side by side.
   * @param {string} input
   * @param {{ names: string[], inputs: number, outputs: number, factors?: number[], normalized?: boolean }} layer
   *   `normalized`: the input comes from a normalisation and has large channels
   */
  async #addDense(input, { names, inputs, outputs, factors = [], normalized = false }) {
    const { graph } = this
    const label = /** @type {string} */ (names[0])
    const { matrix, bias } = await this.#readDense(names, inputs, outputs, factors)
    const total = bias.length
    const large = normalized ? this.#splitLarge(input, label, matrix, inputs) : undefined
    const { codes, scales } = quantizeRows(matrix, total, inputs)
    graph.addConstant(`${label}.codes`, 'INT8', [inputs, total], transpose(codes, total, inputs))
    graph.addConstant(`${label}.scales`, 'FLOAT', [total], scales)
    graph.addConstant(`${label}.bias`, 'FLOAT', [total], bias)
    const tokens = this.#quantizeTokens(large?.rest ?? input)
    const product = graph.addNode(
      'Cast',
      [graph.addNode('MatMulInteger', [tokens.codes, `${label}.codes`, 'code_zero'])],
      { to: 1 },
    )
    const scaled = graph.addNode('Mul', [graph.addNode('Mul', [product, tokens.worth]), `${label}.scales`])
    return graph.addNode('Add', [large ? graph.addNode('Add', [scaled, large.product]) : scaled, `${label}.bias`])
  }

  /**
   * softmax(scores) · value. Softmax itself adds up in an order that depends on how much padding the row has. A matrix
   * product adds one position after the other, and padding adds exact zeros: so the sum is taken as a product with ones.
   * @param {string} scores @param {string} value @param {string} prefix
   */
  #mixValues(scores, value, prefix) {
    const { graph } = this
    const top = graph.addNode('ReduceMax', [scores], { axes: [-1], keepdims: 1 })
    const powers = graph.addNode('Exp', [graph.addNode('Sub', [scores, top])])
    const product = graph.addNode('MatMul', [powers, graph.addNode('Pad', [value, 'ones_after', 'one'])])
    const [mixed, sums] = [`${prefix}.mixed`, `${prefix}.sums`]
    graph.addNode('Split', [product, 'head_and_ones'], { axis: 3 }, [mixed, sums])
    return graph.addNode('Div', [mixed, graph.addNode('Slice', [sums, 'first', 'second', 'last_axis'])])
  }

  /** @param {string} input @param {string} mask @param {string} prefix */
  async addAttention(input, mask, prefix) {
    const { graph } = this
    const { width, heads } = this.#shape
    const names = ['query', 'key', 'value'].map((part) => `${prefix}.attention.self.${part}`)
    // The attention scale 1/√(head width) is put into the query's weights: one operator less on each layer.
    const factors = [1 / Math.sqrt(width / heads), 1, 1]
    const joined = await this.#addDense(input, { names, inputs: width, outputs: width, factors, normalized: true })
    const parts = ['query', 'key', 'value'].map((part) => `${prefix}.${part}`)
    graph.addNode('Split', [joined, 'thirds'], { axis: 2 }, parts)
    const [query, key, value] = parts.map((part, index) =>
      graph.addNode('Transpose', [graph.addNode('Reshape', [part, 'to_heads'])], {
        perm: index === 1 ? [0, 2, 3, 1] : [0, 2, 1, 3],
      }),
    )
    const scores = graph.addNode('Add', [
      graph.addNode('MatMul', [/** @type {string} */ (query), /** @type {string} */ (key)]),
      mask,
    ])
    const mixed = this.#mixValues(scores, /** @type {string} */ (value), prefix)
    const merged = graph.addNode('Reshape', [graph.addNode('Transpose', [mixed], { perm: [0, 2, 1, 3] }), 'from_heads'])
    const output = await this.#addDense(merged, {
      names: [`${prefix}.attention.output.dense`],
      inputs: width,
      outputs: width,
    })
    return this.#normalize(graph.addNode('Add', [output, input]), `${prefix}.attention.output.LayerNorm`)
  }

  /** @param {string} input @param {string} prefix */
  async addFeedForward(input, prefix) {
    const { graph } = this
    const { width, inner } = this.#shape
    const wide = await this.#addDense(input, {
      names: [`${prefix}.intermediate.dense`],
      inputs: width,
      outputs: inner,
      normalized: true,
    })
    // Written as x·(1 + erf(x/√2))·½, the very pattern that ONNX Runtime replaces by one Gelu kernel.
    const erf = graph.addNode('Erf', [graph.addNode('Div', [wide, 'sqrt_2'])])
    const gelu = graph.addNode('Mul', [graph.addNode('Mul', [wide, graph.addNode('Add', [erf, 'one'])]), 'half'])
    const narrow = await this.#addDense(gelu, { names: [`${prefix}.output.dense`], inputs: inner, outputs: width })
    return this.#normalize(graph.addNode('Add', [narrow, input]), `${prefix}.output.LayerNorm`)
  }
}

/** @param {SafetensorsFile} weights @param {typeof miniLm} [shape] */
export async function buildMiniLm(weights, shape = miniLm) {
  const builder = new MiniLmBuilder(weights, shape)
  let state = await builder.addEmbeddings((operator, ...inputs) => builder.graph.addNode(operator, inputs))
  const mask = builder.addMask()
  for (let layer = 0; layer < shape.layers; layer += 1) {
    const attended = await builder.addAttention(state, mask, `encoder.layer.${layer}`)
    state = await builder.addFeedForward(attended, `encoder.layer.${layer}`)
  }
  builder.graph.addNode('Identity', [state], {}, ['last_hidden_state'])
  const dimensions = ['batch_size', 'sequence_length']
  return builder.graph.encode({
    name: 'all-MiniLM-L6-v2',
    opset,
    inputs: ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({
      name,
      type: /** @type {const} */ ('INT64'),
      shape: dimensions,
    })),
    outputs: [{ name: 'last_hidden_state', type: 'FLOAT', shape: [...dimensions, shape.width] }],
  })
}

/** @param {string} source the fp32 safetensors file @param {string} target the ONNX file */
export async function convertMiniLm(source, target) {
  const weights = await SafetensorsFile.open(source)
  try {
    await writeFile(target, await buildMiniLm(weights))
  } finally {
    await weights.close()
  }
}
