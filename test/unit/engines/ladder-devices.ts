import type { DeviceProfile } from '../../../src/engines/choice/device.js'
import type { PlanInput } from '../../../src/engines/choice/plan.js'

const GB = 2 ** 30

/** A desktop with a discrete graphics card, in a browser that tells of 8 GB: what others differ from. */
export const DESKTOP: DeviceProfile = {
  webgpu: 'hardware',
  shaderF16: true,
  maxBufferBytes: 4 * GB,
  maxBindingBytes: 2 * GB,
  memoryBytes: 8 * GB,
  cores: 8,
  crossOriginIsolated: false,
  saveData: false,
  storageBytes: 100 * GB,
  mobile: false,
  language: 'en',
}
const PHONE: Partial<DeviceProfile> = { mobile: true, maxBufferBytes: GB, maxBindingBytes: GB / 4 }
const NO_GPU: Partial<DeviceProfile> = { webgpu: 'none', shaderF16: false, maxBufferBytes: 0, maxBindingBytes: 0 }
const SOFTWARE: Partial<DeviceProfile> = {
  webgpu: 'software',
  shaderF16: false,
  maxBufferBytes: GB,
  maxBindingBytes: GB,
}

/** One description and what is to come of it. */
export interface Case {
  readonly name: string
  readonly device?: Partial<DeviceProfile>
  readonly input?: Omit<PlanInput, 'device'>
  /** What the ladder is walked for. @default 'chat' */
  readonly task?: 'chat' | 'documents' | 'tools' | 'embedding'
  /** The first rung that is worth a try. */
  readonly first: string
  readonly contextTokens?: number
  /** Codes of some models that are not tried. */
  readonly refused?: Readonly<Record<string, string>>
}

export const ONNX_135M = 'transformers:SmolLM2-135M-Instruct'
export const GGUF_135M = 'wllama:SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf'
const GGUF_360M = 'wllama:HuggingFaceTB/SmolLM2-360M-Instruct-GGUF/smollm2-360m-instruct-q8_0.gguf'
const GGUF_1_5B = 'wllama:Qwen/Qwen2.5-1.5B-Instruct-GGUF/qwen2.5-1.5b-instruct-q4_k_m.gguf'
const GGUF_QWEN_0_5B = 'wllama:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf'
export const QWEN_8B = 'webllm:Qwen3-8B-q4f16_1-MLC'
const QWEN_4B = 'webllm:Qwen3-4B-q4f16_1-MLC'
const QWEN_4B_F32 = 'webllm:Qwen3-4B-q4f32_1-MLC'
const QWEN_1_7B = 'webllm:Qwen3-1.7B-q4f16_1-MLC'
const QWEN_1_5B = 'webllm:Qwen2.5-1.5B-Instruct-q4f16_1-MLC'
const QWEN_1_5B_F32 = 'webllm:Qwen2.5-1.5B-Instruct-q4f32_1-MLC'
const QWEN_0_6B = 'webllm:Qwen3-0.6B-q4f16_1-MLC'
const LLAMA_3B = 'webllm:Llama-3.2-3B-Instruct-q4f16_1-MLC'
const SMOL_360M = 'webllm:SmolLM2-360M-Instruct-q4f16_1-MLC'
const MINISTRAL = 'webllm:Ministral-3-3B-Instruct-2512-BF16-q4f16_1-MLC'
const LLAMA_8B = 'webllm:Llama-3.1-8B-Instruct-q4f16_1-MLC'
const LLAMA_1B = 'webllm:Llama-3.2-1B-Instruct-q4f16_1-MLC'
const GEMMA_1B = 'webllm:gemma3-1b-it-q4f16_1-MLC'
const QWEN_0_6B_ONNX = 'transformers:onnx-community/Qwen3-0.6B-ONNX'
const SMOL_360M_ONNX = 'transformers:HuggingFaceTB/SmolLM2-360M-Instruct'
const GGUF_SMOLLM3 = 'wllama:ggml-org/SmolLM3-3B-GGUF/SmolLM3-Q4_K_M.gguf'
const GGUF_R1 = 'wllama:unsloth/DeepSeek-R1-Distill-Qwen-1.5B-GGUF/DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf'
const GGUF_LLAMA_1B = 'wllama:bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf'
const LFM2_350M = 'wllama:LiquidAI/LFM2-350M-GGUF/LFM2-350M-Q4_K_M.gguf'
const GEMMA_EMBEDDING = 'transformers:onnx-community/embeddinggemma-300m-ONNX'
const MINILM = 'transformers:all-MiniLM-L6-v2'
const BGE_ZH = 'transformers:Xenova/bge-small-zh-v1.5'
const E5 = 'transformers:Xenova/multilingual-e5-small'
const BGE_M3 = 'transformers:Xenova/bge-m3'
const ARCTIC = 'webllm:snowflake-arctic-embed-s-q0f32-MLC-b4'

const UNASKED = { unaskedBytes: 200_000_000, canAsk: false }
const ASKED = { unaskedBytes: 200_000_000, canAsk: true }
const failed = (id: string, code: string, contextTokens?: number) => ({
  memory: { rates: {}, failures: { [id]: { code, reason: 'it did', contextTokens } } },
})
const measured = (id: string, rate: number) => ({ memory: { rates: { [id]: rate }, failures: {} } })

export const CASES: readonly Case[] = [
  // Graphics cards
  { name: 'a desktop that tells of 32 GB', device: { memoryBytes: 32 * GB }, first: QWEN_8B, contextTokens: 4096 },
  { name: 'a desktop that tells of 16 GB', device: { memoryBytes: 16 * GB }, first: QWEN_8B, contextTokens: 4096 },
  {
    name: 'a desktop whose browser tells of at most 8 GB',
    first: QWEN_4B,
    contextTokens: 4096,
    refused: { [QWEN_8B]: 'out-of-memory' },
  },
  {
    name: 'a laptop of 4 GB with f16',
    device: { memoryBytes: 4 * GB },
    first: LLAMA_3B,
    contextTokens: 4096,
    refused: { [QWEN_4B]: 'out-of-memory' },
  },
  {
    name: 'a laptop of 4 GB without f16: a shorter context makes room',
    device: { memoryBytes: 4 * GB, shaderF16: false },
    first: 'webllm:Llama-3.2-3B-Instruct-q4f32_1-MLC',
    contextTokens: 2048,
    refused: { [QWEN_4B]: 'webgpu-unavailable', [LLAMA_3B]: 'webgpu-unavailable' },
  },
  {
    name: 'integrated graphics without f16, 8 GB',
    device: { shaderF16: false, maxBufferBytes: 2 * GB, maxBindingBytes: GB },
    first: QWEN_4B_F32,
    refused: { [QWEN_4B]: 'webgpu-unavailable', [QWEN_8B]: 'webgpu-unavailable', [SMOL_360M]: 'webgpu-unavailable' },
  },
  {
    name: 'integrated graphics with small bindings: models that are no low-resource ones are out',
    device: { maxBufferBytes: GB / 2, maxBindingBytes: GB / 8 },
    first: QWEN_4B,
    refused: { [QWEN_8B]: 'webgpu-unavailable' },
  },
  {
    name: 'a card with the standard limits of WebGPU: 256 MB buffers, 128 MB seen',
    device: { maxBufferBytes: 2 ** 28, maxBindingBytes: 2 ** 27, memoryBytes: 16 * GB },
    first: QWEN_4B,
    refused: { 'webllm:Phi-4-mini-instruct-q4f16_1-MLC': 'webgpu-unavailable', [QWEN_8B]: 'webgpu-unavailable' },
  },
  {
    name: 'a card below those limits: WebLLM does not start',
    device: { maxBufferBytes: 2 ** 27, maxBindingBytes: 2 ** 26 },
    first: ONNX_135M,
    refused: { [QWEN_4B]: 'webgpu-unavailable', [SMOL_360M]: 'webgpu-unavailable' },
  },
  {
    name: 'a laptop of 2 GB',
    device: { memoryBytes: 2 * GB },
    first: 'webllm:Llama-3.2-1B-Instruct-q4f16_1-MLC',
    refused: { [QWEN_1_5B]: 'out-of-memory' },
  },
  {
    name: 'a laptop of 1 GB',
    device: { memoryBytes: GB },
    first: SMOL_360M,
    refused: { [QWEN_0_6B]: 'out-of-memory' },
  },
  {
    name: 'a laptop of half a GB',
    device: { memoryBytes: GB / 2 },
    first: SMOL_360M,
    contextTokens: 2048,
    refused: { [GGUF_135M]: 'out-of-memory', [ONNX_135M]: 'out-of-memory' },
  },
  {
    name: 'a laptop of half a GB without WebGPU',
    device: { ...NO_GPU, memoryBytes: GB / 2 },
    first: 'extractive',
    refused: { [GGUF_135M]: 'out-of-memory', [ONNX_135M]: 'out-of-memory' },
  },
  {
    name: 'Safari on a desktop: memory unknown',
    device: { memoryBytes: undefined },
    first: QWEN_4B,
    refused: { [QWEN_8B]: 'out-of-memory' },
  },
  // Phones
  {
    name: 'a phone of 8 GB',
    device: { ...PHONE, memoryBytes: 8 * GB },
    first: QWEN_4B,
    contextTokens: 4096,
    refused: { [QWEN_8B]: 'webgpu-unavailable' },
  },
  {
    name: 'a phone of 6 GB',
    device: { ...PHONE, memoryBytes: 6 * GB },
    first: LLAMA_3B,
    refused: { [QWEN_4B]: 'out-of-memory' },
  },
  {
    name: 'a phone of 4 GB: a model that thinks first is of no use with 1,024 tokens',
    device: { ...PHONE, memoryBytes: 4 * GB },
    first: QWEN_1_5B,
    contextTokens: 4096,
  },
  {
    name: 'a phone of 4 GB with a Chinese page',
    device: { ...PHONE, memoryBytes: 4 * GB, language: 'zh' },
    first: QWEN_1_5B,
  },
  {
    name: 'a phone of 2 GB',
    device: { ...PHONE, memoryBytes: 2 * GB },
    first: 'webllm:Llama-3.2-1B-Instruct-q4f16_1-MLC',
    contextTokens: 2048,
  },
  {
    name: 'a phone of 2 GB without f16',
    device: { ...PHONE, memoryBytes: 2 * GB, shaderF16: false },
    first: 'webllm:SmolLM2-360M-Instruct-q4f32_1-MLC',
  },
  {
    name: 'an iPhone: memory unknown',
    device: { ...PHONE, memoryBytes: undefined },
    first: QWEN_1_5B,
    contextTokens: 4096,
  },
  {
    name: 'a phone without WebGPU',
    device: { ...NO_GPU, mobile: true, memoryBytes: 4 * GB, cores: 8 },
    first: ONNX_135M,
  },
  {
    name: 'a phone of 2 GB without WebGPU',
    device: { ...NO_GPU, mobile: true, memoryBytes: 2 * GB },
    first: GGUF_135M,
    refused: { [ONNX_135M]: 'out-of-memory' },
  },
  // No graphics card
  {
    name: 'Firefox without WebGPU',
    device: { ...NO_GPU, memoryBytes: undefined },
    first: ONNX_135M,
    refused: { [QWEN_4B]: 'webgpu-unavailable', [GGUF_1_5B]: 'constraint-unmet' },
  },
  {
    name: 'a software adapter only',
    device: SOFTWARE,
    first: ONNX_135M,
    refused: { [QWEN_1_5B]: 'webgpu-unavailable', [QWEN_1_5B_F32]: 'webgpu-unavailable' },
  },
  {
    name: 'no WebGPU, isolated, 16 cores: threads help, not enough for 0.5 B',
    device: { ...NO_GPU, crossOriginIsolated: true, cores: 16 },
    first: LFM2_350M,
    refused: { [GGUF_QWEN_0_5B]: 'constraint-unmet' },
  },
  {
    name: 'the same with patience: two minutes to the first word',
    device: { ...NO_GPU, crossOriginIsolated: true, cores: 16 },
    input: { constraints: { maxFirstTokenMs: 120_000 } },
    first: GGUF_QWEN_0_5B,
    refused: { [GGUF_1_5B]: 'constraint-unmet' },
  },
  {
    name: 'no WebGPU, and this device was measured to be ten times as quick',
    device: NO_GPU,
    input: measured(GGUF_135M, 110),
    first: GGUF_1_5B,
  },
  {
    name: 'no WebGPU, and a page in Chinese: English models last',
    device: { ...NO_GPU, language: 'zh' },
    input: { constraints: { maxFirstTokenMs: 300_000 } },
    first: GGUF_QWEN_0_5B,
    refused: { [GGUF_1_5B]: 'constraint-unmet' },
  },
  { name: 'no WebGPU, a page in Chinese, no patience', device: { ...NO_GPU, language: 'zh' }, first: ONNX_135M },
  {
    name: 'no WebGPU, 1 GB',
    device: { ...NO_GPU, memoryBytes: GB },
    first: GGUF_135M,
    refused: { [ONNX_135M]: 'out-of-memory' },
  },
  {
    name: 'no WebGPU over documents: nothing that may be trusted is quick enough',
    device: NO_GPU,
    task: 'documents',
    first: 'extractive',
    refused: { [GGUF_1_5B]: 'constraint-unmet' },
  },
  // What the person wants
  {
    name: 'data is to be saved, nobody to ask',
    device: { saveData: true },
    input: { consent: { unaskedBytes: 0, canAsk: false } },
    first: 'extractive',
    refused: { [QWEN_4B]: 'download-refused', [QWEN_1_5B]: 'download-refused', [ONNX_135M]: 'download-refused' },
  },
  {
    name: 'data is to be saved, somebody to ask',
    device: { saveData: true },
    input: { consent: { unaskedBytes: 0, canAsk: true } },
    first: QWEN_4B,
  },
  {
    name: 'data is to be saved, and the small model is here',
    device: { ...NO_GPU, saveData: true },
    input: { consent: { unaskedBytes: 0, canAsk: false }, stored: new Set([ONNX_135M]) },
    first: ONNX_135M,
    refused: { [GGUF_360M]: 'download-refused' },
  },
  {
    name: 'nothing large unasked, no WebGPU',
    device: NO_GPU,
    input: { consent: UNASKED },
    first: ONNX_135M,
    refused: { [GGUF_360M]: 'download-refused', [GGUF_1_5B]: 'download-refused' },
  },
  {
    name: 'what is here already needs no consent',
    input: { consent: UNASKED, stored: new Set([LLAMA_3B]) },
    first: LLAMA_3B,
    refused: { [QWEN_4B]: 'download-refused' },
  },
  { name: 'a good card, somebody to ask', input: { consent: ASKED }, first: QWEN_4B },
  // Storage
  {
    name: 'no storage at all',
    device: { ...NO_GPU, storageBytes: 0 },
    first: 'extractive',
    refused: { [ONNX_135M]: 'quota-exceeded', [GGUF_135M]: 'quota-exceeded' },
  },
  {
    name: 'room for 1.5 GB',
    device: { storageBytes: 1_500_000_000 },
    first: QWEN_1_7B,
    refused: { [QWEN_4B]: 'quota-exceeded', [LLAMA_3B]: 'quota-exceeded' },
  },
  {
    name: 'room for 100 MB, no WebGPU',
    device: { ...NO_GPU, storageBytes: 100_000_000 },
    first: GGUF_135M,
    refused: { [ONNX_135M]: 'quota-exceeded' },
  },
  // Constraints of the page's author
  {
    name: 'at most 400 MB of download',
    input: { constraints: { maxDownloadBytes: 400_000_000 } },
    first: 'webllm:Llama-3.2-1B-Instruct-q4f16_1-MLC',
    refused: { [QWEN_4B]: 'constraint-unmet', [QWEN_1_5B]: 'constraint-unmet' },
  },
  {
    name: 'at most 1 GB of memory',
    input: { constraints: { maxMemoryBytes: 1_000_000_000 } },
    first: 'webllm:Llama-3.2-1B-Instruct-q4f16_1-MLC',
    contextTokens: 4096,
  },
  {
    name: 'a context of 8,000 tokens',
    input: { constraints: { minContextTokens: 8_000 } },
    first: ONNX_135M,
    contextTokens: 8192,
    refused: { [QWEN_4B]: 'constraint-unmet' },
  },
  {
    name: 'a context of 40,000 tokens: nobody has it',
    input: { constraints: { minContextTokens: 40_000 } },
    first: 'extractive',
    refused: { [ONNX_135M]: 'constraint-unmet' },
  },
  {
    name: 'no more context than 2,000 tokens',
    input: { constraints: { maxContextTokens: 2_000 } },
    first: QWEN_4B,
    contextTokens: 2_000,
  },
  {
    name: 'Chinese asked for',
    input: { constraints: { languages: ['zh'] } },
    device: { memoryBytes: 4 * GB },
    first: QWEN_1_7B,
    refused: { [LLAMA_3B]: 'constraint-unmet', [SMOL_360M]: 'constraint-unmet' },
  },
  {
    name: 'Chinese and German asked for',
    input: { constraints: { languages: ['zh', 'de'] } },
    first: QWEN_4B,
    refused: { 'webllm:DeepSeek-R1-Distill-Qwen-7B-q4f16_1-MLC': 'constraint-unmet' },
  },
  {
    name: 'a page in Chinese on a laptop of 4 GB: Llama 3B has to wait',
    device: { memoryBytes: 4 * GB, language: 'zh' },
    first: QWEN_1_7B,
  },
  { name: 'a page in German on a laptop of 4 GB', device: { memoryBytes: 4 * GB, language: 'de' }, first: QWEN_1_7B },
  // What this device has taught
  {
    name: 'the best model ran out of memory: the same with less context',
    input: failed(QWEN_4B, 'out-of-memory', 4096),
    first: QWEN_4B,
    contextTokens: 2048,
  },
  {
    name: 'it ran out with the least context too',
    input: failed(QWEN_4B, 'out-of-memory', 1024),
    first: 'webllm:Phi-4-mini-instruct-q4f16_1-MLC',
    refused: { [QWEN_4B]: 'out-of-memory' },
  },
  {
    name: 'it took the page with it twice',
    input: failed(QWEN_4B, 'worker-crashed'),
    first: 'webllm:Phi-4-mini-instruct-q4f16_1-MLC',
    refused: { [QWEN_4B]: 'worker-crashed' },
  },
  {
    name: 'the card was measured to be slow: large models are too slow by their size',
    input: measured(SMOL_360M, 36),
    first: 'webllm:Llama-3.2-1B-Instruct-q4f16_1-MLC',
    refused: { [QWEN_4B]: 'constraint-unmet', [QWEN_1_7B]: 'constraint-unmet', [QWEN_1_5B]: 'constraint-unmet' },
  },
  // What other builds and families are for
  {
    name: 'Chinese and German, and two larger models failed here: Ministral has both',
    device: { language: 'de' },
    input: {
      constraints: { languages: ['de', 'zh'] },
      memory: {
        rates: {},
        failures: {
          [QWEN_4B]: { code: 'device-lost', reason: 'it did' },
          'webllm:Qwen3-4B-q4f32_1-MLC': { code: 'device-lost', reason: 'it did' },
          'webllm:Phi-4-mini-instruct-q4f16_1-MLC': { code: 'device-lost', reason: 'it did' },
          'webllm:Phi-4-mini-instruct-q4f32_1-MLC': { code: 'device-lost', reason: 'it did' },
        },
      },
    },
    first: MINISTRAL,
    contextTokens: 4096,
    refused: { [LLAMA_3B]: 'constraint-unmet', [QWEN_4B]: 'device-lost', [LLAMA_8B]: 'constraint-unmet' },
  },
  {
    name: 'WebLLM cannot load its smallest Qwen 3 here: another engine on the same card can',
    device: { memoryBytes: 2 * GB, language: 'zh' },
    input: {
      memory: {
        rates: {},
        failures: {
          [QWEN_0_6B]: { code: 'model-load-failed', reason: 'LinkError' },
          'webllm:Qwen2.5-0.5B-Instruct-q4f16_1-MLC': { code: 'model-load-failed', reason: 'LinkError' },
        },
      },
    },
    first: QWEN_0_6B_ONNX,
    contextTokens: 4096,
    refused: { [QWEN_0_6B]: 'model-load-failed' },
  },
  {
    name: 'a card of half the full limits: ONNX Runtime binds a large vocabulary at once, a small one fits',
    device: { maxBufferBytes: GB / 2, maxBindingBytes: GB / 8, memoryBytes: 2 * GB },
    input: { constraints: { maxDownloadBytes: 280_000_000 } },
    first: LLAMA_1B,
    refused: { [QWEN_0_6B_ONNX]: 'webgpu-unavailable', [GEMMA_1B]: 'constraint-unmet' },
  },
  {
    name: 'a card without 16-bit numbers: no ONNX build of 16 bits',
    device: { shaderF16: false, memoryBytes: 2 * GB },
    input: failed('webllm:SmolLM2-360M-Instruct-q4f32_1-MLC', 'model-load-failed'),
    first: 'webllm:Llama-3.2-1B-Instruct-q4f32_1-MLC',
    refused: {
      [SMOL_360M_ONNX]: 'webgpu-unavailable',
      [GEMMA_1B]: 'webgpu-unavailable',
    },
  },
  {
    name: 'no WebGPU, French page, a very fast processor: six languages, and it thinks first',
    device: { ...NO_GPU, language: 'fr' },
    input: measured(GGUF_135M, 200),
    first: GGUF_SMOLLM3,
    contextTokens: 2048,
  },
  {
    name: 'no WebGPU, a fast processor, at most 900 MB of download',
    device: NO_GPU,
    input: { ...measured(GGUF_135M, 110), constraints: { maxDownloadBytes: 900_000_000 } },
    first: GGUF_LLAMA_1B,
    refused: { [GGUF_1_5B]: 'constraint-unmet', [GGUF_R1]: 'constraint-unmet', [GGUF_SMOLLM3]: 'constraint-unmet' },
  },
  {
    name: 'no WebGPU, isolated, 16 cores, a page in Japanese',
    device: { ...NO_GPU, crossOriginIsolated: true, cores: 16, language: 'ja' },
    first: LFM2_350M,
  },
  {
    name: 'a 32-bit build is a download of at least its 16-bit one',
    device: { shaderF16: false },
    input: { constraints: { maxDownloadBytes: 900_000_000 } },
    first: 'webllm:Qwen2.5-1.5B-Instruct-q4f32_1-MLC',
    refused: { 'webllm:Qwen3-1.7B-q4f32_1-MLC': 'constraint-unmet', [QWEN_4B_F32]: 'constraint-unmet' },
  },
  // Documents and embeddings
  { name: 'documents on a good card', task: 'documents', first: QWEN_4B },
  {
    name: 'documents on a laptop of 1 GB: drafts are never chosen',
    device: { memoryBytes: GB },
    task: 'documents',
    first: 'extractive',
  },
  { name: 'embeddings, English page', task: 'embedding', first: MINILM },
  { name: 'embeddings, Chinese page', device: { language: 'zh' }, task: 'embedding', first: BGE_ZH },
  { name: 'embeddings, French page', device: { language: 'fr' }, task: 'embedding', first: E5 },
  {
    name: 'embeddings for English and Chinese',
    input: { constraints: { languages: ['en', 'zh'] } },
    task: 'embedding',
    first: E5,
    refused: { [MINILM]: 'constraint-unmet', [BGE_ZH]: 'constraint-unmet' },
  },
  {
    name: 'embeddings, no WebGPU, nothing unasked',
    device: NO_GPU,
    input: { consent: UNASKED },
    task: 'embedding',
    first: MINILM,
    refused: { [BGE_M3]: 'download-refused', [ARCTIC]: 'webgpu-unavailable', [GEMMA_EMBEDDING]: 'download-refused' },
  },
  {
    name: 'embeddings, French page, E5 failed here',
    device: { language: 'fr' },
    input: failed(E5, 'model-load-failed'),
    task: 'embedding',
    first: GEMMA_EMBEDDING,
    refused: { [E5]: 'model-load-failed' },
  },
  {
    name: 'embeddings of texts of 4,000 tokens',
    input: { constraints: { minContextTokens: 4_000 } },
    task: 'embedding',
    first: BGE_M3,
    refused: { [MINILM]: 'constraint-unmet', [GEMMA_EMBEDDING]: 'constraint-unmet' },
  },
]
