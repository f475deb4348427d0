import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { estimateTokens, flattenMessages } from '../../../src/engines/flat-messages.js'
import type { WeightLoader } from '../../../src/engines/weights/weights.js'
import { chooseContext, createWllamaChat } from '../../../src/engines/wllama/chat.js'
import { isFatal, loadError, requestError } from '../../../src/engines/wllama/errors.js'
import { readGgufFacts } from '../../../src/engines/wllama/gguf.js'
import {
  chatBody,
  checkRequest,
  completionBody,
  createChunkReader,
  type WllamaChunk,
  type WllamaOutcome,
} from '../../../src/engines/wllama/request.js'
import { createPromptCacheMeter } from '../../../src/engines/wllama/session.js'
import type { Message } from '../../../src/protocol/message.js'

const user = (content: string): Message => ({ role: 'user', content })
const spec = (id: string, rest: Partial<ModelSpec> = {}): ModelSpec => ({
  id,
  allowRemote: false,
  hubUrl: 'https://hub.test/',
  cacheName: 'models',
  ...rest,
})

describe('messages for a chat template', () => {
  test('one system message first, then turns that alternate', () => {
    const flat = flattenMessages([
      { role: 'system', content: 'A' },
      { role: 'system', content: 'B' },
      user('one'),
      { role: 'system', content: 'late' },
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'hm' },
          { type: 'text', text: 'two' },
        ],
      },
      { role: 'tool', content: [{ type: 'tool-result', callId: '1', name: 'f', output: { a: 1 } }] },
      user('three'),
    ])
    expect(flat).toEqual([
      { role: 'system', content: 'A\n\nB' },
      { role: 'user', content: 'one\n\nlate' },
      { role: 'assistant', content: 'two' },
      { role: 'user', content: '{"a":1}\n\nthree' },
    ])
  })

  test('refuses none and what is not text', () => {
    expect(() => flattenMessages([])).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
    const image = { type: 'image', data: 'data:,', mediaType: 'image/png' } as const
    expect(() => flattenMessages([{ role: 'user', content: [image] }])).toThrow(/text only/)
  })

  test('the estimate counts every byte that is not ASCII', () => {
    const of = (content: string) => estimateTokens({ messages: [user(content)] })
    expect(of('汉字') - of('')).toBe(6)
    expect(of('abcd') - of('')).toBe(2)
  })
})

describe('requests to llama.cpp', () => {
  test('all sampling options, stop texts and both kinds of constraint', () => {
    const sampling = {
      temperature: 0,
      topP: 0.9,
      topK: 40,
      maxTokens: 5,
      seed: 1,
      stop: ['x'],
      frequencyPenalty: 0.1,
      presencePenalty: 0.2,
      repetitionPenalty: 1.1,
    }
    expect(chatBody({ messages: [user('a')], sampling })).toMatchObject({
      messages: [{ role: 'user', content: 'a' }],
      temperature: 0,
      top_p: 0.9,
      top_k: 40,
      max_tokens: 5,
      seed: 1,
      stop: ['x'],
      frequency_penalty: 0.1,
      presence_penalty: 0.2,
      repeat_penalty: 1.1,
      stream_options: { include_usage: true },
    })
    const schema = { enum: ['a', 1] }
    expect(chatBody({ messages: [user('a')], output: { type: 'json-schema', schema } })).toHaveProperty(
      'grammar',
      'root ::= r1\nr1 ::= "\\"a\\"" | "1"',
    )
    const grammar = { type: 'grammar', grammar: 'root ::= "x"', syntax: 'gbnf' } as const
    expect(completionBody({ messages: [user('a'), user('b')], output: grammar })).toMatchObject({
      prompt: 'a\n\nb',
      grammar: 'root ::= "x"',
    })
    expect(chatBody({ messages: [user('a')] })).not.toHaveProperty('temperature')
  })

  test('half a surrogate pair becomes the mark for what cannot be read', () => {
    const request = { messages: [{ role: 'user' as const, content: 'a \ud83d' }] }
    expect(chatBody(request).messages).toEqual([{ role: 'user', content: 'a \ufffd' }])
    expect(completionBody(request).prompt).toBe('a \ufffd')
  })

  test('refuses a grammar of another kind', () => {
    const output = { type: 'grammar', grammar: 'root ::= "x"', syntax: 'ebnf' } as const
    expect(() => checkRequest({ messages: [user('a')], output })).toThrow(/GBNF/)
  })

  const chunk = (rest: object): WllamaChunk =>
    ({ id: '', object: 'chat.completion.chunk', created: 0, model: '', choices: [], ...rest }) as WllamaChunk
  const delta = (content: string | null, finish_reason: string | null = null) =>
    chunk({ choices: [{ index: 0, delta: { content }, finish_reason }] })

  test('chunks become parts, usage and a reason', () => {
    const outcome: WllamaOutcome = { usage: undefined, reason: 'stop' }
    const read = createChunkReader(outcome)
    const parts = [
      chunk({ prompt_progress: { total: 100, cache: 0, processed: 0, time_ms: 0 } }),
      chunk({ prompt_progress: { total: 100, cache: 0, processed: 64, time_ms: 1 } }),
      delta(null),
      delta('Hel'),
      delta('lo'),
      delta(null, 'length'),
      chunk({
        usage: {
          prompt_tokens: 9,
          completion_tokens: 2,
          total_tokens: 11,
          prompt_tokens_details: { cached_tokens: 4 },
        },
        timings: { prompt_ms: 5, predicted_ms: 7 },
      }),
    ].flatMap(read)
    expect(parts.map((part) => (part.type === 'text-delta' ? part.text : part.type))).toEqual(['status', 'Hel', 'lo'])
    expect(outcome).toEqual({
      usage: { promptTokens: 9, completionTokens: 2, cachedTokens: 4, prefillMs: 5, decodeMs: 7 },
      reason: 'length',
    })
  })

  test.each([
    [['1, 2,', ' 3'], ' 3'],
    [['1,', ' 2, 3'], ' 3'],
    [['four'], 'four'],
    [['1, 2, 3'], ' 3'],
  ])('the beginning that was given is not given again: %j', (texts, expected) => {
    const read = createChunkReader({ usage: undefined, reason: 'stop' }, '1, 2,')
    const got = texts.flatMap((text) => read(delta(text))).map((part) => (part.type === 'text-delta' ? part.text : ''))
    expect(got.join('')).toBe(expected)
  })
})

describe('what llama.cpp says, as codes', () => {
  test.each([
    ["tensor 'blk.1' data is not within the file bounds, model is corrupted or incomplete", 'integrity-failed'],
    ["gguf_init_from_reader: invalid magic characters: '<!do', expected 'GGUF'", 'model-load-failed'],
    ['llama_init_from_model: failed to initialize the context: std::bad_alloc', 'out-of-memory'],
    ['ggml_aligned_malloc: insufficient memory (attempted to allocate 4882.81 MB)', 'out-of-memory'],
    ["error loading model: unknown model architecture: 'x'", 'model-load-failed'],
  ])('load: %s', (line, code) => {
    expect(loadError('wllama:m', [line, 'srv load_model: failed to load model'], new Error('refused')).code).toBe(code)
  })

  test('requests', () => {
    const named = (name: string, message: string) => Object.assign(new Error(message), { name })
    const overflow = requestError(
      'm',
      [],
      new Error('request (559 tokens) exceeds the available context size (512 tokens), try'),
    )
    expect(overflow).toMatchObject({ code: 'context-overflow', details: { promptTokens: 559, contextTokens: 512 } })
    expect(requestError('m', [], new Error('Failed to initialize samplers: failed to parse grammar')).code).toBe(
      'invalid-argument',
    )
    const refused = named('RuntimeError', 'Invalid typed array length: 1163217991')
    expect(isFatal(refused)).toBe(false)
    expect(requestError('m', ['type must be string', 'Stack trace (exception):'], refused).message).toContain(
      'type must be string',
    )
    const dead = named('RuntimeError', '(ABORT) memory access out of bounds')
    expect(isFatal(dead)).toBe(true)
    expect(requestError('m', [], dead).code).toBe('worker-crashed')
    expect(requestError('m', ['failed to allocate buffer'], dead).code).toBe('out-of-memory')
    expect(requestError('m', [], named('AbortError', 'Operation aborted')).code).toBe('aborted')
  })
})

describe('GGUF headers', () => {
  const models = process.env.ALCOVE_MODELS_DIR ?? ''
  const stories = join(models, 'stories260K', 'stories260K.gguf')

  test.skipIf(!existsSync(stories))('of a real file (needs ALCOVE_MODELS_DIR)', async () => {
    const facts = await readGgufFacts(new Blob([readFileSync(stories)]))
    expect(facts).toEqual({ contextTokens: 512, cacheBytesPerToken: 5 * 4 * 16 * 2, controlToken: '</s>' })
  })

  test('of no GGUF, a cut one and an empty one: undefined', async () => {
    expect(await readGgufFacts(new Blob(['<!doctype html><html></html>']))).toBeUndefined()
    expect(await readGgufFacts(new Blob([new Uint8Array([71, 71, 85, 70, 3, 0, 0, 0, 1])]))).toBeUndefined()
    expect(await readGgufFacts(new Blob([]))).toBeUndefined()
  })

  test('the context is what was asked for, at most the model’s own', () => {
    const facts = { contextTokens: 8192, cacheBytesPerToken: 23_040, controlToken: undefined }
    expect(chooseContext(spec('wllama:a/b.gguf', { contextTokens: 1000 }), facts)).toBe(1000)
    expect(chooseContext(spec('wllama:a/b.gguf', { contextTokens: 10_000 }), facts)).toBe(8192)
    expect(chooseContext(spec('wllama:a/b.gguf'), facts)).toBe(4096)
    expect(chooseContext(spec('wllama:a/b.gguf'), { ...facts, cacheBytesPerToken: 500_000 })).toBe(2048)
    expect(chooseContext(spec('wllama:a/b.gguf'), { ...facts, contextTokens: 512 })).toBe(512)
  })
})

test('the prompt cache is full when prompts that share little add up', () => {
  const meter = createPromptCacheMeter(1, 250)
  const turn = (promptTokens: number, cachedTokens: number) =>
    meter.note({ promptTokens, completionTokens: 0, cachedTokens })
  turn(100, 0)
  turn(120, 100)
  turn(140, 120)
  expect(meter.full).toBe(false)
  turn(100, 3)
  turn(100, 3)
  expect(meter.full).toBe(false)
  turn(100, 3)
  expect(meter.full).toBe(true)
})

describe('inspect', () => {
  const loaderOf = (files: Record<string, { bytes?: number; stored: boolean }>): WeightLoader => ({
    open: () => Promise.reject(new Error('not in this test')),
    head: async (file) => files[file],
    storedBytes: async () => 0,
    remove: async () => {},
    dropChanged: async () => false,
    repair: async () => {},
  })
  const inspect = (id: string, files: Record<string, { bytes?: number; stored: boolean }>) =>
    createWllamaChat({ wasmUrl: 'http://x/', createLoader: () => loaderOf(files) }).inspect(spec(id))
  const hasMemory64 = (() => {
    try {
      new WebAssembly.Memory({ address: 'i64', initial: 1n } as unknown as WebAssembly.MemoryDescriptor)
      return true
    } catch {
      return false
    }
  })()

  test.skipIf(!hasMemory64)('all shards of a split model (needs 64-bit WebAssembly memory)', async () => {
    const id = 'wllama:a/b/m-00001-of-00002.gguf'
    const shards = ['m-00001-of-00002.gguf', 'm-00002-of-00002.gguf'] as const
    expect(
      await inspect(id, { [shards[0]]: { bytes: 5, stored: true }, [shards[1]]: { bytes: 7, stored: false } }),
    ).toEqual({
      state: 'downloadable',
      bytes: 7,
      device: 'wasm',
    })
    expect(await inspect(id, { [shards[0]]: { stored: true }, [shards[1]]: { stored: true } })).toMatchObject({
      state: 'available',
    })
    expect(await inspect(id, { [shards[0]]: { stored: true } })).toMatchObject({
      state: 'unavailable',
      error: { code: 'model-not-found', details: { file: shards[1] } },
    })
  })

  test.skipIf(hasMemory64)('is refused where WebAssembly has no 64-bit memory', async () => {
    expect(await inspect('wllama:a/b/m.gguf', { 'm.gguf': { stored: true } })).toMatchObject({
      state: 'unavailable',
      error: { code: 'model-load-failed' },
    })
  })
})
