import type { DeviceProfile } from '../../../src/engines/choice/device.js'
import type { PlanInput } from '../../../src/engines/choice/plan.js'

export const GB = 2 ** 30

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
export const PHONE: Partial<DeviceProfile> = { mobile: true, maxBufferBytes: GB, maxBindingBytes: GB / 4 }
export const NO_GPU: Partial<DeviceProfile> = {
  webgpu: 'none',
  shaderF16: false,
  maxBufferBytes: 0,
  maxBindingBytes: 0,
}
export const SOFTWARE: Partial<DeviceProfile> = {
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

export const UNASKED = { unaskedBytes: 200_000_000, canAsk: false }
export const ASKED = { unaskedBytes: 200_000_000, canAsk: true }
export const failed = (id: string, code: string, contextTokens?: number) => ({
  memory: { rates: {}, failures: { [id]: { code, reason: 'it did', contextTokens } } },
})
export const measured = (id: string, rate: number) => ({ memory: { rates: { [id]: rate }, failures: {} } })

// Ids of the catalogue that the tables speak of.
export const ONNX_135M = 'transformers:SmolLM2-135M-Instruct'
export const GGUF_135M = 'wllama:SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf'
export const GGUF_360M = 'wllama:HuggingFaceTB/SmolLM2-360M-Instruct-GGUF/smollm2-360m-instruct-q8_0.gguf'
export const GGUF_1_5B = 'wllama:Qwen/Qwen2.5-1.5B-Instruct-GGUF/qwen2.5-1.5b-instruct-q4_k_m.gguf'
export const GGUF_QWEN_0_5B = 'wllama:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf'
export const QWEN_8B = 'webllm:Qwen3-8B-q4f16_1-MLC'
export const QWEN_4B = 'webllm:Qwen3-4B-q4f16_1-MLC'
export const QWEN_4B_F32 = 'webllm:Qwen3-4B-q4f32_1-MLC'
export const QWEN_1_7B = 'webllm:Qwen3-1.7B-q4f16_1-MLC'
export const QWEN_1_5B = 'webllm:Qwen2.5-1.5B-Instruct-q4f16_1-MLC'
export const QWEN_1_5B_F32 = 'webllm:Qwen2.5-1.5B-Instruct-q4f32_1-MLC'
export const QWEN_0_6B = 'webllm:Qwen3-0.6B-q4f16_1-MLC'
export const LLAMA_3B = 'webllm:Llama-3.2-3B-Instruct-q4f16_1-MLC'
export const SMOL_360M = 'webllm:SmolLM2-360M-Instruct-q4f16_1-MLC'
export const MINISTRAL = 'webllm:Ministral-3-3B-Instruct-2512-BF16-q4f16_1-MLC'
export const LLAMA_8B = 'webllm:Llama-3.1-8B-Instruct-q4f16_1-MLC'
export const LLAMA_1B = 'webllm:Llama-3.2-1B-Instruct-q4f16_1-MLC'
export const GEMMA_1B = 'webllm:gemma3-1b-it-q4f16_1-MLC'
export const QWEN_0_6B_ONNX = 'transformers:onnx-community/Qwen3-0.6B-ONNX'
export const SMOL_360M_ONNX = 'transformers:HuggingFaceTB/SmolLM2-360M-Instruct'
export const GGUF_SMOLLM3 = 'wllama:ggml-org/SmolLM3-3B-GGUF/SmolLM3-Q4_K_M.gguf'
export const GGUF_R1 = 'wllama:unsloth/DeepSeek-R1-Distill-Qwen-1.5B-GGUF/DeepSeek-R1-Distill-Qwen-1.5B-Q4_K_M.gguf'
export const GGUF_LLAMA_1B = 'wllama:bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf'
export const LFM2_350M = 'wllama:LiquidAI/LFM2-350M-GGUF/LFM2-350M-Q4_K_M.gguf'
export const GEMMA_EMBEDDING = 'transformers:onnx-community/embeddinggemma-300m-ONNX'
export const MINILM = 'transformers:all-MiniLM-L6-v2'
export const BGE_ZH = 'transformers:Xenova/bge-small-zh-v1.5'
export const E5 = 'transformers:Xenova/multilingual-e5-small'
export const BGE_M3 = 'transformers:Xenova/bge-m3'
export const ARCTIC = 'webllm:snowflake-arctic-embed-s-q0f32-MLC-b4'
