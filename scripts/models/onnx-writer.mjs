// @ts-check
// Writes ONNX files (protobuf) without a library. Field numbers are those of onnx.proto3 and never change.

/** @typedef {Uint8Array[]} Parts Bytes in pieces, so that weights are never copied into one large buffer. */
/** @typedef {'FLOAT' | 'UINT8' | 'INT8' | 'INT64'} ElementType */
/** @typedef {{ name: string, type: ElementType, shape: (number | string)[] }} ValueInfo */

/** TensorProto.DataType */
export const elementTypes = Object.freeze({ FLOAT: 1, UINT8: 2, INT8: 3, INT64: 7 })

/** AttributeProto.AttributeType */
const attributeTypes = { FLOAT: 1, INT: 2, INTS: 7 }

const wireTypes = { varint: 0, bytes: 2, fixed32: 5 }

/** @param {number | bigint} value @returns {Uint8Array} */
export function encodeVarint(value) {
  // protobuf writes negative numbers as 64 bit two's complement: always ten bytes.
  let rest = BigInt.asUintN(64, BigInt(value))
  const bytes = []
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}

/** @param {number} field @param {number | bigint} value @returns {Parts} */
function encodeInteger(field, value) {
  return [encodeVarint((field << 3) | wireTypes.varint), encodeVarint(value)]
}

/** @param {number} field @param {number} value @returns {Parts} */
function encodeFloat(field, value) {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setFloat32(0, value, true)
  return [encodeVarint((field << 3) | wireTypes.fixed32), bytes]
}

/** @param {number} field @param {Parts} parts @returns {Parts} */
function encodeMessage(field, parts) {
  return [encodeVarint((field << 3) | wireTypes.bytes), encodeVarint(countBytes(parts)), ...parts]
}

/** @param {number} field @param {string} text @returns {Parts} */
function encodeText(field, text) {
  return encodeMessage(field, [new TextEncoder().encode(text)])
}

/** @param {Parts} parts */
export function countBytes(parts) {
  return parts.reduce((total, part) => total + part.byteLength, 0)
}

/** @param {string} name @param {number | number[] | { float: number }} value @returns {Parts} */
function encodeAttribute(name, value) {
  const label = encodeText(1, name)
  if (Array.isArray(value)) {
    return [...label, ...value.flatMap((item) => encodeInteger(8, item)), ...encodeInteger(20, attributeTypes.INTS)]
  }
  if (typeof value === 'object')
    return [...label, ...encodeFloat(2, value.float), ...encodeInteger(20, attributeTypes.FLOAT)]
  return [...label, ...encodeInteger(3, value), ...encodeInteger(20, attributeTypes.INT)]
}

/** @param {ValueInfo} info @returns {Parts} */
function encodeValueInfo({ name, type, shape }) {
  const dimensions = shape.flatMap((size) =>
    encodeMessage(1, typeof size === 'number' ? encodeInteger(1, size) : encodeText(2, size)),
  )
  const tensorType = [...encodeInteger(1, elementTypes[type]), ...encodeMessage(2, dimensions)]
  return [...encodeText(1, name), ...encodeMessage(2, encodeMessage(1, tensorType))]
}

/**
 * Collects the nodes and constants of one graph. Each `add` returns the name of what it made,
 * so a graph is written as nested calls.
 */
export class OnnxGraph {
  /** @type {Parts} */ #nodes = []
  /** @type {Parts} */ #constants = []
  /** @type {Set<string>} */ #names = new Set()
  #count = 0

  /**
   * @param {string} name
   * @param {ElementType} type
   * @param {number[]} shape
   * @param {Float32Array | Uint8Array | Int8Array | BigInt64Array} data little-endian, as every platform of Node is
   */
  addConstant(name, type, shape, data) {
    if (this.#names.has(name)) return name
    const expected = shape.reduce((product, size) => product * size, 1)
    if (data.length !== expected)
      throw new Error(`Constant ${name} has ${data.length} numbers, but its shape [${shape}] needs ${expected}.`)
    this.#names.add(name)
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    const tensor = [
      ...shape.flatMap((size) => encodeInteger(1, size)),
      ...encodeInteger(2, elementTypes[type]),
      ...encodeText(8, name),
      ...encodeMessage(9, [raw]),
    ]
    this.#constants.push(...encodeMessage(5, tensor))
    return name
  }

  /**
   * @param {string} operator a standard operator (default domain)
   * @param {string[]} inputs
   * @param {Record<string, number | number[] | { float: number }>} [attributes] a plain number is an integer
   * @param {string[]} [outputs] names; one is made when left out
   */
  addNode(operator, inputs, attributes = {}, outputs) {
    this.#count += 1
    const name = `${operator}_${this.#count}`
    const results = outputs ?? [name]
    const node = [
      ...inputs.flatMap((input) => encodeText(1, input)),
      ...results.flatMap((output) => encodeText(2, output)),
      ...encodeText(3, name),
      ...encodeText(4, operator),
      ...Object.entries(attributes).flatMap(([key, value]) => encodeMessage(5, encodeAttribute(key, value))),
    ]
    this.#nodes.push(...encodeMessage(1, node))
    return /** @type {string} */ (results[0])
  }

  /**
   * @param {{ name: string, opset: number, inputs: ValueInfo[], outputs: ValueInfo[] }} about
   * @returns {Parts} the whole ModelProto
   */
  encode({ name, opset, inputs, outputs }) {
    const graph = [
      ...this.#nodes,
      ...encodeText(2, name),
      ...this.#constants,
      ...inputs.flatMap((info) => encodeMessage(11, encodeValueInfo(info))),
      ...outputs.flatMap((info) => encodeMessage(12, encodeValueInfo(info))),
    ]
    // IR version 8 is what opset 17 came with; readers refuse versions newer than themselves.
    return [
      ...encodeInteger(1, 8),
      ...encodeText(2, 'alcove'),
      ...encodeMessage(7, graph),
      ...encodeMessage(8, encodeInteger(2, opset)),
    ]
  }
}
