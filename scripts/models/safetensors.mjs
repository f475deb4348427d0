// @ts-check
import { open } from 'node:fs/promises'

/** Reads tensors one by one, so that a 90 MB file never is in memory as a whole. */
export class SafetensorsFile {
  #handle
  #tensors
  #dataStart

  /**
   * @param {import('node:fs/promises').FileHandle} handle
   * @param {Record<string, { dtype: string, shape: number[], data_offsets: [number, number] }>} tensors
   * @param {number} dataStart
   */
  constructor(handle, tensors, dataStart) {
    this.#handle = handle
    this.#tensors = tensors
    this.#dataStart = dataStart
  }

  /** @param {string} path */
  static async open(path) {
    const handle = await open(path)
    try {
      const length = Buffer.alloc(8)
      await handle.read(length, 0, 8, 0)
      const headerSize = Number(length.readBigUInt64LE())
      const { size } = await handle.stat()
      if (headerSize === 0 || headerSize + 8 > size) throw new Error(`${path} is not a safetensors file.`)
      const header = Buffer.alloc(headerSize)
      await handle.read(header, 0, headerSize, 8)
      return new SafetensorsFile(handle, JSON.parse(header.toString('utf8')), headerSize + 8)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** @param {string} name @param {number[]} shape what the caller relies on @returns {Promise<Float32Array>} */
  async readFloats(name, shape) {
    const tensor = this.#tensors[name]
    if (!tensor) throw new Error(`The weights have no tensor named ${name}.`)
    if (tensor.dtype !== 'F32' || tensor.shape.join() !== shape.join()) {
      throw new Error(`Tensor ${name} is ${tensor.dtype} [${tensor.shape}], expected F32 [${shape}].`)
    }
    const [start, end] = tensor.data_offsets
    const numbers = new Float32Array((end - start) / 4)
    const { bytesRead } = await this.#handle.read(
      new Uint8Array(numbers.buffer),
      0,
      end - start,
      this.#dataStart + start,
    )
    if (bytesRead !== end - start) throw new Error(`The weights end inside tensor ${name}.`)
    return numbers
  }

  close() {
    return this.#handle.close()
  }
}
