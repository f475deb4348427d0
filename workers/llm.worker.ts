// The chat models: one engine a scheme, each a file of its own beside this script that is fetched with its first use.
import type { ChatEngine } from '../src/engines/engine.js'
import { createLlmApi } from '../src/engines/serve-model.js'
import { serveWorker } from '../src/rpc/serve-worker.js'

const importEngine = async (file: string, name: string): Promise<ChatEngine> => {
  const address = new URL(/* @vite-ignore */ `./${file}.js`, import.meta.url).href
  const engines: Record<string, ChatEngine> = await import(/* @vite-ignore */ address)
  return engines[name] as ChatEngine
}

serveWorker(
  createLlmApi({
    webllm: () => importEngine('engine-web-llm', 'webLlmChat'),
    transformers: () => importEngine('engine-transformers', 'transformersChat'),
    wllama: () => importEngine('engine-wllama', 'wllamaChat'),
  }),
)
