import { webLlmChat } from '../../../src/engines/web-llm/chat.js'
import type { ChatModel, Sampling } from '../../../src/protocol/model.js'
import { iterate } from '../../../src/runtime/stream.js'

async function write(model: ChatModel, sampling: Sampling): Promise<string> {
  const messages = [{ role: 'user' as const, content: 'Once upon a time' }]
  let text = ''
  for await (const part of iterate(model.stream({ messages, sampling: { maxTokens: 6, ...sampling } }))) {
    if (part.type === 'text-delta') text += part.text
  }
  return text
}

/** What a real model writes under sampling options whose effect is certain. */
export async function sampleRealModel(baseUrl: string, id: string) {
  const model = webLlmChat.create({
    id: `webllm:${id}`,
    baseUrl,
    allowRemote: false,
    hubUrl: 'https://hub.invalid/',
    cacheName: 'test-models',
  })
  const greedy = await write(model, { temperature: 0 })
  const onlyBest = await write(model, { temperature: 1.5, seed: 1, topK: 1 })
  const pushed = await write(model, { temperature: 0, logitBias: { '300': 100 } })
  const again = await write(model, { temperature: 0 })
  await model.dispose()
  return { greedy, onlyBest, pushed, again }
}
