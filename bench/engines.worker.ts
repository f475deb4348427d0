// The bare engine: wllama in a worker of its own, called as its manual shows, with nothing of ours around it.
import { Wllama } from '@wllama/wllama/esm/index.js'
import { expose } from 'comlink'

let wllama: Wllama | undefined

const api = {
  /** The same options as the library's, so that only what is around the engine differs. */
  async load(fileUrl: string, wasmUrl: string): Promise<void> {
    const silent = () => {}
    wllama = new Wllama({ default: wasmUrl }, { logger: { debug: silent, log: silent, warn: silent, error: silent } })
    wllama.setCompat(null)
    const blob = await (await fetch(fileUrl)).blob()
    await wllama.loadModel([blob], { n_gpu_layers: 0, n_ctx: 512, n_threads: 1, n_parallel: 1, n_batch: 64 })
  },
  async complete(
    prompt: string,
    maxTokens: number,
  ): Promise<{ text: string; tokens: number; firstMs: number; decodeMs: number }> {
    if (wllama === undefined) throw new Error('load comes first')
    const began = performance.now()
    const times: number[] = []
    let text = ''
    await wllama.createCompletion({
      prompt,
      max_tokens: maxTokens,
      temperature: 0,
      stream: true,
      onData: (chunk) => {
        const piece = chunk.choices[0]?.text
        if (!piece) return
        text += piece
        times.push(performance.now())
      },
    })
    const [first = began] = times
    return { text, tokens: times.length, firstMs: first - began, decodeMs: (times.at(-1) ?? first) - first }
  },
}

export type BareWllama = typeof api

expose(api)
