import type { ModelInspection, ModelSpec } from '../../../src/engines/engine.js'
import { createWebLlmChat, webLlmChat } from '../../../src/engines/web-llm/chat.js'
import { toAlcoveError } from '../../../src/protocol/error.js'
import type { ChatModel, ModelPart, ModelRequest } from '../../../src/protocol/model.js'
import { iterate } from '../../../src/runtime/stream.js'

const ORIGIN = `${location.origin}/no-such-models/`
const F16 = 'webllm:SmolLM2-360M-Instruct-q4f16_1-MLC'
const F32 = 'webllm:Qwen2.5-0.5B-Instruct-q4f32_1-MLC'

const specOf = (id: string, rest: Partial<ModelSpec> = {}): ModelSpec => ({
  id,
  allowRemote: false,
  hubUrl: 'https://hub.invalid/',
  cacheName: 'test-models',
  ...rest,
})

const offline: typeof fetch = async () => {
  throw new TypeError('Failed to fetch')
}

/** What `inspect` says of names, devices and places. No request leaves the origin. */
export async function lookups(): Promise<Record<string, ModelInspection>> {
  const engine = createWebLlmChat({ fetch: offline })
  return {
    unknown: await engine.inspect(specOf('webllm:Qwen2.5-0.5B-Instruct-q4f16-MLC', { allowRemote: true })),
    hubOnly: await engine.inspect(specOf(F32)),
    notServed: await webLlmChat.inspect(specOf(F32, { baseUrl: ORIGIN })),
    needsF16: await engine.inspect(specOf(F16, { allowRemote: true })),
    plain: await engine.inspect(specOf(F32, { allowRemote: true })),
    unreachable: await engine.inspect(specOf(F32, { baseUrl: 'http://localhost:1/' })),
  }
}

/** Files of a made-up self-hosted model: text, or a status. */
type Site = Readonly<Record<string, string | number>>

const CONFIG = JSON.stringify({ context_window_size: 1024, tokenizer_files: ['tokenizer.json'], conv_template: {} })
const WASM = '\0asm\u0001\0\0\0'

async function loadFrom(site: Site, check: 'checked' | 'raw' = 'checked'): Promise<string> {
  const real = globalThis.fetch
  const fake = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const name =
      String(input instanceof Request ? input.url : input)
        .split('/')
        .at(-1) ?? ''
    const file = site[name] ?? 404
    if (check === 'raw' && name === 'lib.wasm' && init?.headers) return new Response(WASM)
    return typeof file === 'number' ? new Response('not here', { status: file }) : new Response(file)
  }
  globalThis.fetch = fake as typeof fetch
  const folder = `${ORIGIN}made-up/resolve/main/`
  const kept = await caches.open('webllm/config')
  const config = site['mlc-chat-config.json']
  if (typeof config === 'string') await kept.put(`${folder}mlc-chat-config.json`, new Response(config))
  try {
    await webLlmChat.create(specOf('webllm:made-up', { baseUrl: ORIGIN })).load()
    return 'loaded'
  } catch (error) {
    const { code, message } = toAlcoveError(error, 'invalid-argument')
    return `${code}: ${message}`
  } finally {
    globalThis.fetch = real
    for (const name of await caches.keys()) await caches.delete(name)
  }
}

/** How each broken model fails; `raw…` are WebLLM's own errors with our checks out of the way. */
export async function loadErrors(): Promise<Record<string, string>> {
  return {
    cutConfig: await loadFrom({ 'mlc-chat-config.json': CONFIG.slice(0, 20) }),
    htmlConfig: await loadFrom({ 'mlc-chat-config.json': '<!doctype html>' }),
    noLibrary: await loadFrom({ 'mlc-chat-config.json': CONFIG }),
    htmlLibrary: await loadFrom({ 'mlc-chat-config.json': CONFIG, 'lib.wasm': '<!doctype html>' }),
    rawNoLibrary: await loadFrom({ 'mlc-chat-config.json': CONFIG }, 'raw'),
    rawHtmlLibrary: await loadFrom({ 'mlc-chat-config.json': CONFIG, 'lib.wasm': '<!doctype html>' }, 'raw'),
    rawForeignLibrary: await loadFrom({ 'mlc-chat-config.json': CONFIG, 'lib.wasm': WASM }, 'raw'),
  }
}

/** Aborting a load settles at once, whatever WebLLM is doing. */
export async function abortLoad() {
  const engine = createWebLlmChat({ fetch: () => new Promise(() => {}) })
  const model = engine.create(specOf(F32, { allowRemote: true }))
  const controller = new AbortController()
  const load = model.load({ signal: controller.signal })
  const started = performance.now()
  setTimeout(() => controller.abort(), 50)
  const code = await load.then(
    () => 'loaded',
    (error) => toAlcoveError(error, 'invalid-argument').code,
  )
  return { code, ms: performance.now() - started }
}

async function collect(model: ChatModel, request: ModelRequest, abortAfterTexts = Number.POSITIVE_INFINITY) {
  const controller = new AbortController()
  const parts: ModelPart[] = []
  let error: string | null = null
  let texts = 0
  let abortedAt = 0
  try {
    for await (const part of iterate(model.stream(request, { signal: controller.signal }))) {
      parts.push(part)
      if (part.type === 'text-delta' && ++texts === abortAfterTexts) {
        abortedAt = performance.now()
        controller.abort()
      }
    }
  } catch (thrown) {
    error = toAlcoveError(thrown, 'invalid-argument').code
  }
  return {
    text: parts.flatMap((part) => (part.type === 'text-delta' ? [part.text] : [])).join(''),
    usage: parts.flatMap((part) => (part.type === 'model-usage' ? [part.usage] : []))[0] ?? null,
    last: parts.at(-1)?.type ?? null,
    settledMs: abortedAt ? performance.now() - abortedAt : null,
    error,
  }
}

/** A real self-hosted model: load, stream, abort in the middle, a second turn, constraints, refusals and a second load. */
export async function runRealModel(baseUrl: string, id: string) {
  const spec = specOf(`webllm:${id}`, { baseUrl })
  const before = await webLlmChat.inspect(spec)
  const model = webLlmChat.create(spec)
  const statuses: string[] = []
  const started = performance.now()
  await model.load({ onProgress: ({ message }) => statuses.push(message) })
  const loadMs = performance.now() - started
  const sampling = { temperature: 0, maxTokens: 12 }
  const user = (content: string) => ({ role: 'user' as const, content })
  const request = { messages: [user('Once upon a time')], sampling }
  const counted = await model.countTokens(request)
  const first = await collect(model, request)
  const second = {
    messages: [user('Once upon a time'), { role: 'assistant' as const, content: first.text }, user('And then?')],
    sampling,
  }
  const countedSecond = await model.countTokens(second)
  const secondTurn = await collect(model, second)
  const aborted = await collect(model, { ...request, sampling: { ...sampling, maxTokens: 200 } }, 3)
  const afterAbort = await collect(model, request)
  const grammar = await collect(model, {
    ...request,
    output: { type: 'grammar', grammar: 'root ::= "yes" | "no"', syntax: 'ebnf' },
  })
  const dollars = await model.countTokens({ messages: [user("It costs $$5, $& or $' more")] })
  const overflow = await collect(model, { messages: [user('word '.repeat(model.contextTokens * 2))], sampling })
  const afterOverflow = await collect(model, request)
  const after = await webLlmChat.inspect(spec)
  await model.dispose()
  const again = await collect(model, request)
  await model.dispose()
  const { contextTokens } = model
  return {
    before,
    after,
    statuses,
    loadMs,
    contextTokens,
    counted,
    countedSecond,
    first,
    secondTurn,
    aborted,
    afterAbort,
    grammar,
    dollars,
    overflow,
    afterOverflow,
    again,
  }
}
