import { describe, expect, it } from 'vitest'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { findBuild } from '../../../src/engines/transformers/build.js'
import type { WeightLoader } from '../../../src/engines/weights/weights.js'

const spec: ModelSpec = { id: 'transformers:m', allowRemote: false, hubUrl: 'https://hub.example/', cacheName: 'c' }

/** A server with these files; a negative length is a file that is kept here. */
function loader(files: Record<string, number>): WeightLoader {
  return {
    open: async () => new Response(),
    async head(file, { keptOnly = false } = {}) {
      const bytes = files[file]
      return bytes === undefined || (keptOnly && bytes >= 0) ? undefined : { bytes: Math.abs(bytes), stored: bytes < 0 }
    },
    storedBytes: async () => 0,
    remove: async () => {},
    dropChanged: async () => false,
    repair: async () => {},
  }
}

const find = (
  files: Record<string, number>,
  more: Partial<Parameters<typeof findBuild>[0]> = {},
  config: Record<string, unknown> = {},
) => findBuild({ spec, kind: 'chat', loader: loader(files), config, device: 'wasm', shaderF16: false, ...more })

const ALL = Object.fromEntries(['', '_fp16', '_quantized', '_q4', '_q4f16'].map((end) => [`onnx/model${end}.onnx`, 9]))

describe('findBuild', () => {
  it('takes the best build for the device', async () => {
    expect((await find(ALL)).dtype).toBe('q4')
    expect((await find(ALL, { device: 'webgpu', shaderF16: true })).dtype).toBe('q4f16')
    expect((await find(ALL, { device: 'webgpu' })).dtype).toBe('q4')
    expect((await find(ALL, { kind: 'embedding' })).dtype).toBe('q8')
    expect((await find({ 'onnx/model.onnx': 1 })).dtype).toBe('fp32')
  })

  it('prefers what the model or the spec names, but no 16 bit build on wasm', async () => {
    expect((await find(ALL, {}, { 'transformers.js_config': { dtype: 'q8' } })).dtype).toBe('q8')
    expect((await find(ALL, {}, { 'transformers.js_config': { dtype: 'q4f16' } })).dtype).toBe('q4')
    expect((await find(ALL, { spec: { ...spec, dtype: 'fp16' } })).dtype).toBe('fp16')
  })

  it('takes a kept build before a better one that is not kept', async () => {
    expect(await find({ ...ALL, 'onnx/model.onnx': -9 })).toMatchObject({ dtype: 'fp32', stored: true })
    const both = { ...ALL, 'onnx/model.onnx': -9, 'onnx/model_q4.onnx': -9 }
    expect((await find(both)).dtype).toBe('q4')
  })

  it('counts data files beside the weights and what is kept', async () => {
    const config = { 'transformers.js_config': { use_external_data_format: { 'model_q4.onnx': 2 } } }
    const files = { 'onnx/model_q4.onnx': -1, 'onnx/model_q4.onnx_data': 10, 'onnx/model_q4.onnx_data_1': 100 }
    expect(await find(files, {}, config)).toMatchObject({ bytes: 111, missingBytes: 110, stored: false })
    expect(await find({ 'onnx/model_q4.onnx': -5 })).toMatchObject({ bytes: 5, missingBytes: 0, stored: true })
  })

  it('leaves out what an earlier load has fetched of a file', async () => {
    const { head, ...rest } = loader({ 'onnx/model_q4.onnx': 100 })
    const part: WeightLoader = {
      ...rest,
      async head(file, options) {
        const found = await head(file, options)
        return found && { ...found, keptBytes: 60 }
      },
    }
    expect(await find({}, { loader: part })).toMatchObject({ bytes: 100, missingBytes: 40, stored: false })
  })

  it('knows the parts of a model that also sees', async () => {
    const files = { 'onnx/decoder_model_merged_q4.onnx': 7 }
    expect((await find(files, {}, { text_config: {} })).files).toEqual(['onnx/decoder_model_merged_q4.onnx'])
  })

  it('takes no model that only reads for one that writes', async () => {
    const bert = { model_type: 'bert', architectures: ['BertModel'] }
    await expect(find(ALL, {}, bert)).rejects.toMatchObject({
      code: 'model-load-failed',
      message: expect.stringContaining("kind 'bert'"),
    })
    expect((await find(ALL, { kind: 'embedding' }, bert)).dtype).toBe('q8')
    for (const config of [
      { model_type: 'modernbert-decoder', architectures: ['ModernBertDecoderForCausalLM'] },
      { model_type: 'llama', architectures: ['LlamaForCausalLM'] },
      {},
    ]) {
      expect((await find(ALL, {}, config)).dtype).toBe('q4')
    }
  })

  it('says what it looked for', async () => {
    await expect(find({})).rejects.toMatchObject({ code: 'model-not-found' })
    await expect(find(ALL, { spec: { ...spec, dtype: 'q3' } })).rejects.toMatchObject({ code: 'invalid-argument' })
  })
})
