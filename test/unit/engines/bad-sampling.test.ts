import { describe, expect, test } from 'vitest'
import { createPromptApiChat } from '../../../src/engines/prompt-api/chat.js'
import { checkSampling } from '../../../src/engines/sampling.js'
import { transformersChat } from '../../../src/engines/transformers/chat.js'
import { createWebLlmChat } from '../../../src/engines/web-llm/chat.js'
import { createWllamaChat } from '../../../src/engines/wllama/chat.js'
import type { ChatModel, Sampling } from '../../../src/protocol/model.js'
import { iterate } from '../../../src/runtime/stream.js'
import { fakeLanguageModel } from './prompt-api/fake-language-model.js'

const SPEC = { allowRemote: false, hubUrl: 'https://hub/', cacheName: 'c' }
const refuse = async (): Promise<never> => {
  throw new Error('nothing may be loaded for a request that cannot be answered')
}

/** The engines that take a request as it is. The one for servers has its own test of the same. */
const ENGINES: readonly (readonly [string, () => Promise<ChatModel>])[] = [
  ['transformers', async () => transformersChat.create({ ...SPEC, id: 'transformers:a' })],
  ['wllama', async () => createWllamaChat().create({ ...SPEC, id: 'wllama:a/b.gguf' })],
  ['webllm', async () => createWebLlmChat({ importLibrary: refuse }).create({ ...SPEC, id: 'webllm:a' })],
  ['prompt-api', async () => createPromptApiChat({ languageModel: fakeLanguageModel() })],
]
const WRONG: readonly Sampling[] = [
  { temperature: 2.5 },
  { temperature: Number.NaN },
  { topP: 0 },
  { topK: 1.5 },
  { maxTokens: 0 },
  { repetitionPenalty: 0 },
  { logitBias: { word: 1 } },
  { stop: 'x' as never },
  { stop: ['x', null as never] },
  { reasoning: 'yes' as never },
]

describe.each(ENGINES)('%s refuses before it loads anything', (_name, create) => {
  test.each(WRONG)('%j', async (sampling) => {
    const model = await create()
    const answer = async () => {
      const request = { messages: [{ role: 'user' as const, content: 'x' }], sampling }
      for await (const _ of iterate(model.stream(request)));
    }
    await expect(answer()).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining(`sampling.${Object.keys(sampling)[0]}`),
    })
  })
})

test('values that fit pass', () => {
  expect(() => checkSampling({ temperature: 0, topP: 1, maxTokens: 1, seed: -1 })).not.toThrow()
})
