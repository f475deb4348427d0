import type { ChatCompletionChunk } from '@mlc-ai/web-llm'
import { describe, expect, test } from 'vitest'
import { translateWebLlmError } from '../../../src/engines/web-llm/errors.js'
import { createTools } from '../../../src/engines/web-llm/load.js'
import { requestBody, type StreamChatOptions, streamChat, type WebLlmChat } from '../../../src/engines/web-llm/parts.js'
import { droppedSpace } from '../../../src/engines/web-llm/prompt.js'
import type { ModelPart } from '../../../src/protocol/model.js'

const usage = {
  prompt_tokens: 4,
  completion_tokens: 3,
  total_tokens: 7,
  extra: { time_to_first_token_s: 0.5, time_per_output_token_s: 0.25 },
}

/** What an engine that gives these texts makes of a request. */
async function read(texts: readonly string[], options: Partial<StreamChatOptions> = {}) {
  let interrupts = 0
  async function* chunks() {
    for (const content of texts) {
      if (interrupts > 0) break
      yield { choices: [{ index: 0, delta: { content }, finish_reason: null }] }
    }
    yield { choices: [{ index: 0, delta: {}, finish_reason: interrupts > 0 ? 'abort' : 'stop' }] }
    yield { choices: [], usage }
  }
  const engine: WebLlmChat = {
    chat: { completions: { create: async () => chunks() as unknown as AsyncIterable<ChatCompletionChunk> } },
    async interruptGenerate() {
      interrupts++
    },
  }
  const parts: ModelPart[] = []
  const body = requestBody({ messages: [{ role: 'user', content: 'a' }] })
  const all = { signal: new AbortController().signal, ...options }
  for await (const part of streamChat(engine, body, all)) parts.push(part)
  return {
    text: parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join(''),
    usage: parts.find((part) => part.type === 'model-usage')?.usage,
    last: parts.at(-1),
    interrupts,
  }
}

describe('stop texts', () => {
  const stopped = { type: 'model-finish', reason: 'stop' }

  test('show nothing of what began one, which WebLLM gives before it knows', async () => {
    const { text, last, interrupts } = await read(['One', ' g', 'ir'], { stop: [' girl'], finalText: () => 'One' })
    expect({ text, last, interrupts }).toEqual({ text: 'One', last: stopped, interrupts: 0 })
  })

  test('that were begun and did not come are shown', async () => {
    const known = await read(['One', ' g', 'ir'], { stop: [' girl'], finalText: () => 'One gir' })
    expect(known.text).toBe('One gir')
    expect((await read(['One', ' g', 'ir'], { stop: [' girl'] })).text).toBe('One gir')
  })

  test('that come as a whole end the answer', async () => {
    const { text, last, interrupts } = await read(['One', ' girl r', 'an'], { stop: [' girl'] })
    expect({ text, last, interrupts }).toEqual({ text: 'One', last: stopped, interrupts: 1 })
  })
})

test('a prefix that WebLLM reads and does not count is not the cache', async () => {
  const cached = async (promptTokens: number) => (await read(['a'], { promptTokens, prefixTokens: 2 })).usage
  expect(await cached(6)).toMatchObject({ promptTokens: 6, cachedTokens: 0 })
  expect(await cached(9)).toMatchObject({ promptTokens: 9, cachedTokens: 5 })
})

test('what goes on from a begun answer keeps the space that the decoder drops from its front', async () => {
  const pieces = [' a', ' little', ' girl', ',']
  const tokenizer = {
    encode: (text: string) => Int32Array.from(text.endsWith(',') ? [0, 3] : [0]),
    // As SentencePiece decodes: without the space that begins the first word.
    decode: (ids: Int32Array) =>
      [...ids]
        .map((id) => pieces[id])
        .join('')
        .replace(/^ /, ''),
  }
  expect(droppedSpace(tokenizer, 'One day,', [1], 'little')).toBe(' ')
  expect(droppedSpace(tokenizer, 'One day,', [3], ',')).toBe('')
  expect(droppedSpace(tokenizer, 'One day,', [], 'little')).toBe('')
  expect(droppedSpace({ encode: tokenizer.encode }, 'One day,', [1], 'little')).toBe('')
  const { text } = await read(['little', ' girl'], { missingBefore: () => ' ' })
  expect(text).toBe(' little girl')
})

test('a token that the form refuses is an answer gone wrong, not a broken engine', () => {
  const error = new Error('Grammar matcher rejected the newly sampled token.')
  expect(translateWebLlmError(error, 'webllm:x', 'run')).toMatchObject({ code: 'output-invalid' })
})

test('a self-hosted model is of the type that it is asked for as: its files do not say', async () => {
  const site = (async () => new Response('{"context_window_size":512}')) as unknown as typeof fetch
  const typeOf = async (kind: 'chat' | 'embedding') => {
    const spec = {
      id: 'webllm:m',
      baseUrl: 'https://m.test/',
      allowRemote: true,
      hubUrl: 'https://hub.test/',
      cacheName: 'models',
    }
    return (await createTools(kind, { fetch: site }).resolve(spec)).record.model_type
  }
  expect([await typeOf('chat'), await typeOf('embedding')]).toEqual([undefined, 1])
})
