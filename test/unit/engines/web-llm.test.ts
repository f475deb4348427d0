import type { ChatCompletionChunk, Completion, CompletionCreateParamsStreaming, ModelRecord } from '@mlc-ai/web-llm'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { createWebLlmChat } from '../../../src/engines/web-llm/chat.js'
import type { WebLlmLibrary } from '../../../src/engines/web-llm/load.js'
import { continuationBody, requestBody, streamChat, type WebLlmChat } from '../../../src/engines/web-llm/parts.js'
import { renderPrompt } from '../../../src/engines/web-llm/prompt.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import type { Message } from '../../../src/protocol/message.js'
import type { ModelPart, ModelRequest } from '../../../src/protocol/model.js'
import { iterate } from '../../../src/runtime/stream.js'
import { CHATML, MODEL_FILES, webLlmSite } from './web-llm-site.js'

const user = (content: string): Message => ({ role: 'user', content })
const tick = () => new Promise((resolve) => setTimeout(resolve, 1))
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error) => (error as AlcoveError).code,
  )
const spec = (id: string, rest: Partial<ModelSpec> = {}): ModelSpec => ({
  id,
  allowRemote: false,
  hubUrl: 'https://hub.test/',
  cacheName: 'models',
  ...rest,
})

const delta = (content: string) =>
  ({ choices: [{ index: 0, delta: { content }, finish_reason: null }] }) as unknown as ChatCompletionChunk
const finish = (finish_reason: string) =>
  ({ choices: [{ index: 0, delta: {}, finish_reason }] }) as unknown as ChatCompletionChunk
const usage = {
  choices: [],
  usage: {
    prompt_tokens: 4,
    completion_tokens: 3,
    total_tokens: 7,
    extra: { time_to_first_token_s: 0.5, time_per_output_token_s: 0.25 },
  },
} as unknown as ChatCompletionChunk

/** An engine as WebLLM behaves: an interrupt ends the answer with the next token, and it is free when its stream has ended. */
function fakeChat(texts: number, failure?: { at: number; error: unknown }) {
  const state = { running: 0, ended: 0, returned: 0, interrupts: 0 }
  let interrupted = false
  async function* chunks(): AsyncGenerator<ChatCompletionChunk> {
    state.running++
    interrupted = false
    try {
      for (let index = 0; index < texts && !interrupted; index++) {
        await tick()
        if (failure?.at === index) throw failure.error
        yield delta(`t${index} `)
      }
      yield finish(interrupted ? 'abort' : 'stop')
      yield usage
    } finally {
      state.running--
      state.ended++
    }
  }
  const engine: WebLlmChat = {
    chat: {
      completions: {
        create: async () => {
          const iterator = chunks()
          const plainReturn = iterator.return.bind(iterator)
          iterator.return = (value) => {
            state.returned++
            return plainReturn(value)
          }
          return iterator
        },
      },
    },
    interruptGenerate: async () => {
      state.interrupts++
      interrupted = true
    },
  }
  return { engine, state }
}

describe('a stream', () => {
  const body = requestBody({ messages: [user('a')] })

  test('becomes text, usage and a reason', async () => {
    const parts: ModelPart[] = []
    for await (const part of streamChat(fakeChat(2).engine, body, {
      signal: new AbortController().signal,
      promptTokens: 10,
    }))
      parts.push(part)
    expect(parts).toEqual([
      { type: 'text-delta', text: 't0 ' },
      { type: 'text-delta', text: 't1 ' },
      {
        type: 'model-usage',
        usage: { promptTokens: 10, completionTokens: 3, cachedTokens: 6, prefillMs: 500, decodeMs: 500 },
      },
      { type: 'model-finish', reason: 'stop' },
    ])
  })

  test('an abort interrupts and drains: the engine is free when the generator ends', async () => {
    const { engine, state } = fakeChat(1_000)
    const controller = new AbortController()
    const parts: ModelPart[] = []
    for await (const part of streamChat(engine, body, { signal: controller.signal })) {
      parts.push(part)
      if (parts.length === 3) controller.abort()
    }
    expect(parts).toHaveLength(3)
    expect(state).toMatchObject({ running: 0, ended: 1 })
    expect(state.interrupts).toBeGreaterThan(0)
  })

  test('leaving it early does the same', async () => {
    const { engine, state } = fakeChat(1_000)
    for await (const _ of streamChat(engine, body, { signal: new AbortController().signal })) break
    expect(state).toMatchObject({ running: 0, ended: 1, interrupts: 1 })
  })

  test('an abort before the first token does not start the engine, whose start would forget the interrupt', async () => {
    const { engine, state } = fakeChat(1_000)
    const controller = new AbortController()
    const create = engine.chat.completions.create
    engine.chat.completions.create = async (request) => {
      const chunks = await create(request)
      controller.abort()
      return chunks
    }
    for await (const _ of streamChat(engine, body, { signal: controller.signal })) expect.unreachable()
    expect(state).toMatchObject({ running: 0, ended: 0, returned: 1 })
  })

  test('an engine that does not stop is given up after a time', async () => {
    const { engine } = fakeChat(1)
    async function* endless(): AsyncGenerator<ChatCompletionChunk> {
      yield delta('a')
      await new Promise(() => {})
    }
    engine.chat.completions.create = async () => endless()
    let stuck = 0
    const limits = { onStuck: () => stuck++, drainMs: 20 }
    for await (const _ of streamChat(engine, body, { ...limits, signal: new AbortController().signal })) break
    expect(stuck).toBe(1)
    const controller = new AbortController()
    const parts = streamChat(engine, body, { ...limits, signal: controller.signal })
    await parts.next()
    const waiting = parts.next()
    controller.abort()
    expect((await waiting).done).toBe(true)
    expect(stuck).toBe(2)
  })

  test('goes on from the beginning of an answer by the completion call', async () => {
    const { engine } = fakeChat(0)
    const asked: CompletionCreateParamsStreaming[] = []
    const chunk = (text: string, finish_reason: 'stop' | null) =>
      ({ choices: [{ index: 0, text, finish_reason }] }) as unknown as Completion
    const completing = {
      ...engine,
      completions: {
        async create(request: CompletionCreateParamsStreaming) {
          asked.push(request)
          return (async function* () {
            yield chunk('rest', null)
            yield chunk('', 'stop')
            yield usage as unknown as Completion
          })()
        },
      },
    }
    const begun: ModelRequest = {
      messages: [user('a'), { role: 'assistant', content: 'The ' }],
      sampling: { temperature: 0, maxTokens: 5 },
    }
    const body = continuationBody(begun, 'PROMPT The ')
    const parts: ModelPart[] = []
    const options = { signal: new AbortController().signal, promptTokens: 9 }
    for await (const part of streamChat(completing, body, options)) parts.push(part)
    expect(asked).toEqual([
      {
        prompt: 'PROMPT The ',
        temperature: 0,
        max_tokens: 5,
        stream: true,
        stream_options: { include_usage: true },
      },
    ])
    expect(parts.map((part) => part.type)).toEqual(['text-delta', 'model-usage', 'model-finish'])
  })

  test('an error of the engine comes through', async () => {
    const error = new DOMException('A valid external Instance reference no longer exists', 'AbortError')
    const { engine, state } = fakeChat(5, { at: 2, error })
    const read = async () => {
      for await (const _ of streamChat(engine, body, { signal: new AbortController().signal }));
    }
    await expect(read()).rejects.toBe(error)
    expect(state.running).toBe(0)
  })
})

const record = (model_id: string, rest: Partial<ModelRecord> = {}): ModelRecord => ({
  model: `https://hub.test/mlc-ai/${model_id}`,
  model_id,
  model_lib: `https://libs.test/${model_id}.wasm`,
  overrides: { context_window_size: 4096 },
  ...rest,
})
const LIST = ['Llama-3.2-1B-Instruct-q4f32_1-MLC', 'Qwen2.5-0.5B-Instruct-q4f16_1-MLC', 'gemma-2b-it-q4f16_1-MLC'].map(
  (id) => record(id),
)
/** The package as far as it is used, with one engine that answers and can be lost. */
function fakeLibrary() {
  const log: string[] = []
  const engines: { lose(): void }[] = []
  const behaviour: { reload?: () => Promise<void>; error?: unknown } = {}
  class Engine {
    loadedModelIdToPipeline = new Map<string, unknown>()
    loadedModelIdToChatConfig = new Map<string, unknown>()
    lost = false
    chat: WebLlmChat['chat']
    constructor(readonly options: { initProgressCallback(report: object): void }) {
      engines.push({ lose: () => this.loadedModelIdToPipeline.clear() })
      const { engine } = fakeChat(2)
      this.chat = {
        completions: {
          create: async (request) => {
            if (behaviour.error) throw behaviour.error
            return engine.chat.completions.create(request)
          },
        },
      }
    }
    async reload(id: string, options?: { context_window_size?: number }) {
      log.push(`reload ${id} ${options?.context_window_size ?? '-'}`)
      this.options.initProgressCallback({ text: 'Start to fetch params', progress: 0 })
      await behaviour.reload?.()
      this.loadedModelIdToPipeline.set(id, { tokenizer: { encode: (text: string) => new Int32Array(text.length) } })
      this.loadedModelIdToChatConfig.set(id, {
        conv_template: CHATML,
        context_window_size: options?.context_window_size ?? 4096,
      })
    }
    async unload() {
      log.push('unload')
      this.loadedModelIdToPipeline.clear()
    }
    async interruptGenerate() {}
  }
  const library = {
    MLCEngine: Engine,
    prebuiltAppConfig: { model_list: LIST },
  } as unknown as WebLlmLibrary
  return { library, log, engines, behaviour }
}

describe('the engine', () => {
  const ID = `webllm:${LIST[0]?.model_id}`
  const request: ModelRequest = { messages: [user('a')] }
  beforeEach(() => {
    vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => ({ features: new Set(['subgroups']) }) } })
  })
  afterEach(() => {
    vi.unstubAllGlobals()
  })
  const create = (rest: Partial<ModelSpec> = {}) => {
    const fake = fakeLibrary()
    const { fetch, asked } = webLlmSite()
    const engine = createWebLlmChat({ importLibrary: async () => fake.library, fetch })
    return { ...fake, asked, engine, model: engine.create(spec(ID, { allowRemote: true, ...rest })) }
  }
  const run = async (stream: ReadableStream<ModelPart>) => {
    const parts: ModelPart[] = []
    for await (const part of iterate(stream)) parts.push(part)
    return parts
  }

  test('loads, answers, counts as the engine does, and frees', async () => {
    const { model, log } = create({ contextTokens: 1_000 })
    const all = await run(model.stream(request))
    const parts = all.slice(all.findLastIndex((part) => part.type === 'status'))
    expect(parts.map((part) => part.type)).toEqual([
      'status',
      'text-delta',
      'text-delta',
      'model-usage',
      'model-finish',
    ])
    expect(model.contextTokens).toBe(1_000)
    const counted = await model.countTokens(request)
    expect(counted).toBe(renderPrompt(CHATML, [{ role: 'user', content: 'a' }]).join('').length)
    expect(parts.find((part) => part.type === 'model-usage')?.usage.promptTokens).toBe(counted)
    await model.dispose()
    expect(log).toEqual([`reload ${LIST[0]?.model_id} 1000`, 'unload'])
  })

  test('after a lost device the next call makes a new engine and never reloads the old one', async () => {
    const { model, log, engines, behaviour } = create()
    await model.load()
    behaviour.error = Object.assign(new Error("Failed to execute 'mapAsync' on 'GPUBuffer'"), { name: 'AbortError' })
    expect(await codeOf(run(model.stream(request)))).toBe('device-lost')
    behaviour.error = undefined
    expect((await run(model.stream(request))).at(-1)).toEqual({ type: 'model-finish', reason: 'stop' })
    expect(engines).toHaveLength(2)
    engines[1]?.lose()
    await run(model.stream(request))
    expect(engines).toHaveLength(3)
    expect(log.filter((line) => line.startsWith('reload'))).toHaveLength(3)
  })

  test('an aborted load settles at once and the engine is thrown away behind it', async () => {
    const { model, log, behaviour } = create()
    let finish = () => {}
    const controller = new AbortController()
    behaviour.reload = () => {
      setTimeout(() => controller.abort(), 1)
      return new Promise((resolve) => {
        finish = resolve
      })
    }
    const load = model.load({ signal: controller.signal })
    expect(await codeOf(load)).toBe('aborted')
    await tick()
    expect(log.filter((line) => line === 'unload')).toHaveLength(1)
    finish()
    await tick()
    expect(log.filter((line) => line === 'unload')).toHaveLength(2)
  })

  test('inspect: devices and sizes', async () => {
    const { engine } = create()
    const sizes = Object.values(MODEL_FILES).map((file) => (file as string | Uint8Array).length)
    expect(await engine.inspect(spec(ID, { allowRemote: true }))).toEqual({
      state: 'downloadable',
      bytes: sizes.reduce((sum, size) => sum + size, 0),
      device: 'webgpu',
    })
    const plain = LIST[0] as ModelRecord
    LIST[0] = { ...plain, required_features: ['shader-f16'] }
    expect(await engine.inspect(spec(ID, { allowRemote: true }))).toMatchObject({
      state: 'unavailable',
      error: { code: 'webgpu-unavailable', details: { missing: ['shader-f16'] } },
    })
    LIST[0] = plain
    vi.stubGlobal('navigator', {})
    expect(await engine.inspect(spec(ID, { allowRemote: true }))).toMatchObject({
      error: { code: 'webgpu-unavailable' },
    })
    const controller = new AbortController()
    controller.abort(new AlcoveError('aborted', 'stop'))
    await expect(engine.inspect(spec(ID), { signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' })
  })
})
