// The bare engine: transformers.js in a worker of its own, called as its manual shows, with nothing of ours around it.
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  env,
  type PreTrainedModel,
  type PreTrainedTokenizer,
  type Tensor,
  TextStreamer,
} from '@huggingface/transformers'
import { expose } from 'comlink'

export interface BareModel {
  /** Address of the folder of models, with a trailing slash. */
  readonly modelsUrl: string
  /** Address of the folder with ONNX Runtime's files, with a trailing slash. */
  readonly runtimeUrl: string
  readonly folder: string
  readonly dtype: 'q4' | 'fp32'
  /** @default 'wasm' */
  readonly device?: 'wasm' | 'webgpu'
}

export interface BareAnswer {
  readonly tokens: number
  /** From the call to the first token. */
  readonly firstMs: number
  /** From the first token to the last. */
  readonly decodeMs: number
  readonly text: string
}

let loaded: { readonly model: PreTrainedModel; readonly tokenizer: PreTrainedTokenizer } | undefined

const api = {
  async load({ modelsUrl, runtimeUrl, folder, dtype, device = 'wasm' }: BareModel): Promise<void> {
    env.allowLocalModels = true
    env.allowRemoteModels = false
    // A whole url would not do: the library takes a tokenizer for missing where the path to it is one.
    env.localModelPath = new URL(modelsUrl).pathname
    env.useBrowserCache = false
    // It would import its runtime from a Blob, which the page's policy refuses.
    env.useWasmCache = false
    const { wasm } = env.backends.onnx
    if (wasm) {
      wasm.numThreads = 1
      const build = device === 'webgpu' ? 'ort-wasm-simd-threaded.asyncify' : 'ort-wasm-simd-threaded'
      wasm.wasmPaths = { mjs: `${runtimeUrl}${build}.mjs`, wasm: `${runtimeUrl}${build}.wasm` }
    }
    // The session option is ours too: without it this model decodes one token a second.
    const session = { extra: { session: { disable_quant_qdq: '1' } } }
    loaded = {
      tokenizer: await AutoTokenizer.from_pretrained(folder),
      model: await AutoModelForCausalLM.from_pretrained(folder, {
        dtype,
        device,
        ...(device === 'wasm' && { session_options: session }),
      }),
    }
  },
  async generate(prompt: string, maxTokens: number, isChat: boolean): Promise<BareAnswer> {
    if (loaded === undefined) throw new Error('load comes first')
    const { model, tokenizer } = loaded
    const began = performance.now()
    const times: number[] = []
    let text = ''
    const streamer = new TextStreamer(tokenizer, {
      skip_prompt: true,
      token_callback_function: () => {
        times.push(performance.now())
      },
      callback_function: (piece: string) => {
        text += piece
      },
    })
    const messages = [{ role: 'user', content: prompt }]
    const chat = { add_generation_prompt: true, return_dict: true } as const
    const inputs = isChat ? tokenizer.apply_chat_template(messages, chat) : tokenizer(prompt)
    await model.generate({
      ...(inputs as Record<string, Tensor>),
      max_new_tokens: maxTokens,
      do_sample: false,
      streamer,
    })
    const [first = 0] = times
    return { tokens: times.length, firstMs: first - began, decodeMs: (times.at(-1) ?? first) - first, text }
  },
}

export type BareApi = typeof api

expose(api)
