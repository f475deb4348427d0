// The bare engine: transformers.js in a worker of its own, called as its manual shows, with nothing of ours around it.
import { env, pipeline, type TextGenerationPipeline, TextStreamer } from '@huggingface/transformers'
import { expose } from 'comlink'

export interface BareModel {
  /** Address of the folder of models, with a trailing slash. */
  readonly modelsUrl: string
  /** Address of the folder with ONNX Runtime's files, with a trailing slash. */
  readonly runtimeUrl: string
  readonly folder: string
  readonly dtype: 'q4' | 'fp32'
}

export interface BareAnswer {
  readonly tokens: number
  /** From the first token to the last. */
  readonly decodeMs: number
  readonly text: string
}

let generator: TextGenerationPipeline | undefined

const api = {
  async load({ modelsUrl, runtimeUrl, folder, dtype }: BareModel): Promise<void> {
    env.allowLocalModels = true
    env.allowRemoteModels = false
    env.localModelPath = modelsUrl
    env.useBrowserCache = false
    const { wasm } = env.backends.onnx
    if (wasm) {
      wasm.numThreads = 1
      wasm.wasmPaths = {
        mjs: `${runtimeUrl}ort-wasm-simd-threaded.mjs`,
        wasm: `${runtimeUrl}ort-wasm-simd-threaded.wasm`,
      }
    }
    // The session option is ours too: without it this model decodes one token a second.
    const options = {
      dtype,
      device: 'wasm',
      session_options: { extra: { session: { disable_quant_qdq: '1' } } },
    } as const
    generator = (await pipeline('text-generation', folder, options)) as TextGenerationPipeline
  },
  async generate(prompt: string, maxTokens: number, isChat: boolean): Promise<BareAnswer> {
    if (generator === undefined) throw new Error('load comes first')
    const times: number[] = []
    let text = ''
    const streamer = new TextStreamer(generator.tokenizer, {
      skip_prompt: true,
      token_callback_function: () => {
        times.push(performance.now())
      },
      callback_function: (piece: string) => {
        text += piece
      },
    })
    const input = isChat ? [{ role: 'user', content: prompt }] : prompt
    await generator(input as string, { max_new_tokens: maxTokens, do_sample: false, streamer })
    const [first = 0] = times
    return { tokens: times.length, decodeMs: (times.at(-1) ?? first) - first, text }
  },
}

export type BareApi = typeof api

expose(api)
