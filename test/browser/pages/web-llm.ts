import type { ModelInspection, ModelSpec } from '../../../src/engines/engine.js'
import { createWebLlmChat, webLlmChat } from '../../../src/engines/web-llm/chat.js'
import { createImageReader } from '../../../src/engines/web-llm/images.js'
import { serveImages } from '../../../src/engines/web-llm/serve-images.js'
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
  const hub = createWebLlmChat({ fetch: network(WHOLE_ON_HUB) })
  return {
    unknown: await engine.inspect(specOf('webllm:Qwen2.5-0.5B-Instruct-q4f16-MLC', { allowRemote: true })),
    hubOnly: await engine.inspect(specOf(F32)),
    notServed: await webLlmChat.inspect(specOf(F32, { baseUrl: ORIGIN })),
    needsF16: await engine.inspect(specOf(F16, { allowRemote: true })),
    offline: await engine.inspect(specOf(F32, { allowRemote: true })),
    plain: await hub.inspect(specOf(F32, { allowRemote: true })).finally(forgetAll),
    unreachable: await engine.inspect(specOf('webllm:made-up', { allowRemote: true, baseUrl: 'http://localhost:1/' })),
    elsewhere: await engine.inspect(specOf(F32, { baseUrl: 'http://localhost:1/' })),
  }
}

/** Files of a made-up model by name: text, or a status. */
type Site = Readonly<Record<string, string | number>>

const CONFIG = JSON.stringify({ context_window_size: 1024, tokenizer_files: ['tokenizer.json'], conv_template: {} })
const WEIGHTS = JSON.stringify({ records: [{ dataPath: 'params_shard_0.bin', nbytes: 5, records: [] }] })
const WASM = '\0asm\u0001\0\0\0'

/** A network with these files at every address, but for those that begin with `except`. */
const network = (site: Site, asked: string[] = [], except?: string): typeof fetch =>
  (async (input, init) => {
    const url = String(input)
    asked.push(url)
    const isThere = except === undefined || !url.startsWith(except)
    const file = (isThere ? site[url.slice(url.lastIndexOf('/') + 1)] : undefined) ?? 404
    if (typeof file === 'number') return new Response('not here', { status: file })
    const headers = { 'content-length': String(file.length) }
    return new Response(init?.method === 'HEAD' ? null : file, { headers })
  }) as typeof fetch

async function forgetAll(): Promise<void> {
  for (const name of await caches.keys()) await caches.delete(name)
}

async function loadFrom(site: Site): Promise<string> {
  try {
    await createWebLlmChat({ fetch: network(site) })
      .create(specOf('webllm:made-up', { baseUrl: ORIGIN }))
      .load()
    return 'loaded'
  } catch (error) {
    const { code, message } = toAlcoveError(error, 'invalid-argument')
    return `${code}: ${message}`
  } finally {
    await forgetAll()
  }
}

const WHOLE: Site = {
  'mlc-chat-config.json': CONFIG,
  'tensor-cache.json': WEIGHTS,
  'lib.wasm': WASM,
  'tokenizer.json': '{}',
  'params_shard_0.bin': 'hello',
}

/** As a model of WebLLM's list has it, whose library has its own name. */
const WHOLE_ON_HUB: Site = { ...WHOLE, 'Qwen2-0.5B-Instruct-q4f32_1_cs1k-webgpu.wasm': WASM }

/** How each broken model fails, loaded on the page itself. */
export async function loadErrors(): Promise<Record<string, string>> {
  const broken: Readonly<Record<string, Site>> = {
    cutConfig: { 'mlc-chat-config.json': CONFIG.slice(0, 20) },
    htmlConfig: { 'mlc-chat-config.json': '<!doctype html>' },
    cutList: { 'tensor-cache.json': WEIGHTS.slice(0, 20) },
    strayList: { 'tensor-cache.json': JSON.stringify({ records: [{ dataPath: 'https://x.invalid/a', nbytes: 5 }] }) },
    noLibrary: { 'lib.wasm': 404 },
    htmlLibrary: { 'lib.wasm': '<!doctype html>' },
    brokenLibrary: { 'lib.wasm': `${WASM}broken` },
    foreignLibrary: {},
    noShard: { 'params_shard_0.bin': 404 },
    failingShard: { 'params_shard_0.bin': 500 },
    shortShard: { 'params_shard_0.bin': 'hell' },
  }
  const errors: Record<string, string> = {}
  for (const [name, site] of Object.entries(broken)) errors[name] = await loadFrom({ ...WHOLE, ...site })
  return errors
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'loaded',
    (error) => toAlcoveError(error, 'invalid-argument').message,
  )

/** A model of WebLLM's list, of which the page itself has nothing: how it loads twice, what was asked for, and what is left when it is deleted. */
export async function loadFromHub() {
  const asked: string[] = []
  const engine = createWebLlmChat({ fetch: network(WHOLE_ON_HUB, asked, location.origin) })
  const spec = specOf(F32, { allowRemote: true, baseUrl: ORIGIN })
  const before = Object.getOwnPropertyDescriptor(globalThis, 'caches')?.get
  const inspected = [await engine.inspect(spec)]
  const first = await codeOf(engine.create(spec).load())
  const askedFirst = asked.splice(0)
  const again = await codeOf(engine.create(spec).load())
  inspected.push(await engine.inspect(spec))
  const isRestored = Object.getOwnPropertyDescriptor(globalThis, 'caches')?.get === before
  const kept = await caches.keys()
  await engine.remove?.(spec)
  const left = (await (await caches.open('test-models')).keys()).length
  await forgetAll()
  return { first, askedFirst, again, askedAgain: asked, inspected, kept, isRestored, left }
}

/** A picture whose left half is red and whose right half is blue. */
async function draw(width: number, height: number, type = 'image/png'): Promise<Blob> {
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d')
  if (!context) throw new Error('no canvas')
  context.fillStyle = 'red'
  context.fillRect(0, 0, width / 2, height)
  context.fillStyle = 'blue'
  context.fillRect(width / 2, 0, width / 2, height)
  return canvas.convertToBlob({ type })
}

/** What WebLLM does with the address of a picture (0.2.86, `getImageDataFromURL`), at two places. */
async function readPixels(url: string): Promise<string[]> {
  const response = await fetch(url, { mode: 'cors' })
  const bitmap = await createImageBitmap(await response.blob())
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')
  if (!context) throw new Error('no canvas')
  context.drawImage(bitmap, 0, 0)
  const at = (x: number) => [...context.getImageData(x, bitmap.height >> 1, 1, 1).data.slice(0, 3)].join()
  return [`${bitmap.width} × ${bitmap.height}`, at(5), at(bitmap.width - 5)]
}

/** Pictures as WebLLM gets them, under the page's policy. */
export async function readImages() {
  const reader = createImageReader({ allowRemote: false })
  const large = await draw(3_000, 1_500)
  const kinds = ['image/png', 'image/jpeg', 'image/webp']
  const blobs = [large, ...(await Promise.all(kinds.map((type) => draw(300, 200, type))))]
  const own = URL.createObjectURL(large)
  const parts = [...blobs, own].map((data) => ({ type: 'image' as const, data, mediaType: 'image/png' }))
  const images = [...(await reader.prepare(parts)).values()]
  const end = serveImages(images)
  const seen = await Promise.all(images.map(({ url }) => readPixels(url)))
  const [first] = images
  end()
  const afterwards = await readPixels(first?.url ?? '').catch((error: unknown) => String(error))
  const cut = { ...(parts[0] as (typeof parts)[number]), data: large.slice(0, 200) }
  const broken = await codeOf(reader.prepare([cut]))
  return { seen, isSame: first?.url === images.at(-1)?.url, afterwards, broken }
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
