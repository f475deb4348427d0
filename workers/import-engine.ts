// The engines are files of their own beside the worker scripts, fetched with their first use. Their addresses stand here literally,
// as the bundlers of our users find files by `new URL('./name', import.meta.url)`, and each engine is told where its WebAssembly is.

export async function importTransformers(): Promise<typeof import('./engine-transformers.js')> {
  const address = new URL('./engine-transformers.js', import.meta.url).href
  const engine: typeof import('./engine-transformers.js') = await import(
    /* @vite-ignore */ /* webpackIgnore: true */ address
  )
  engine.setRuntimeFiles({
    wasm: {
      mjs: new URL('./ort-wasm-simd-threaded.mjs', import.meta.url).href,
      wasm: new URL('./ort-wasm-simd-threaded.wasm', import.meta.url).href,
    },
    webgpu: {
      mjs: new URL('./ort-wasm-simd-threaded.asyncify.mjs', import.meta.url).href,
      wasm: new URL('./ort-wasm-simd-threaded.asyncify.wasm', import.meta.url).href,
    },
  })
  return engine
}

export async function importWllama(): Promise<ReturnType<typeof import('./engine-wllama.js')['createWllamaChat']>> {
  const address = new URL('./engine-wllama.js', import.meta.url).href
  const engine: typeof import('./engine-wllama.js') = await import(/* @vite-ignore */ /* webpackIgnore: true */ address)
  return engine.createWllamaChat({ wasmUrl: new URL('./wllama.wasm', import.meta.url).href })
}

export async function importWebLlm(): Promise<typeof import('./engine-web-llm.js')> {
  const address = new URL('./engine-web-llm.js', import.meta.url).href
  return await import(/* @vite-ignore */ /* webpackIgnore: true */ address)
}
