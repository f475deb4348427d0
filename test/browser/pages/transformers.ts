// Functions for browser tests of the transformers.js engine. Each returns plain data.
import type { ModelSpec } from '../../../src/engines/engine.js'
import type { LlmApi } from '../../../src/engines/serve-model.js'
import { createWorkerModel, inspectModel } from '../../../src/engines/worker-model.js'
import { AlcoveError, isAlcoveError } from '../../../src/protocol/error.js'
import type { ChatModel, ModelPart, ModelRequest, Sampling } from '../../../src/protocol/model.js'
import type { StatusPart } from '../../../src/protocol/stream-part.js'
import { openWorker } from '../../../src/rpc/open-worker.js'
import { createWorkerHost, type WorkerHost } from '../../../src/rpc/worker-host.js'
import type { HarnessApi } from './transformers.worker.js'

/** Where the harness finds things: all on the test's own server. */
export interface Places {
  /** Folder of the models, such as `/models/`. */
  readonly models: string
  /** Folder of ONNX Runtime's files. */
  readonly runtime: string
  /** The built worker of the library instead of the harness's own; it knows the chat functions only. */
  readonly worker?: string
}

type Host = WorkerHost<HarnessApi & LlmApi>

const specOf = (id: string, places: Places, more: Partial<ModelSpec> = {}): ModelSpec => ({
  id,
  baseUrl: new URL(places.models, location.href).href,
  allowRemote: false,
  hubUrl: 'https://huggingface.co/',
  cacheName: 'transformers-test-models',
  ...more,
})

function openHost(places: Places): Host {
  const name = new URL(places.runtime, location.href).href
  return createWorkerHost<HarnessApi & LlmApi>({
    name: 'transformers-test',
    open: () =>
      places.worker === undefined
        ? new Worker(new URL('./transformers.worker.ts', import.meta.url), { type: 'module', name })
        : openWorker(places.worker, name),
  })
}

async function withHost<T>(places: Places, use: (host: Host) => Promise<T>): Promise<T> {
  const host = openHost(places)
  try {
    return await use(host)
  } finally {
    await host.close()
  }
}

const asModel = (host: Host, spec: ModelSpec, drainMs?: number): ChatModel =>
  createWorkerModel({ spec, host: host as unknown as WorkerHost<LlmApi>, drainMs })

const codeOf = (error: unknown) => (isAlcoveError(error) ? error.code : `not typed: ${String(error)}`)

interface Answer {
  readonly text: string
  readonly deltas: number
  readonly statuses: readonly StatusPart[]
  readonly usage: Extract<ModelPart, { type: 'model-usage' }>['usage'] | undefined
  readonly finish: string | undefined
  readonly types: readonly string[]
  readonly error: string | undefined
  readonly details: unknown
  readonly ms: number
}

async function readAnswer(model: ChatModel, request: ModelRequest, signal?: AbortSignal): Promise<Answer> {
  const began = performance.now()
  const parts: ModelPart[] = []
  let failure: unknown
  try {
    const reader = model.stream(request, { signal }).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      parts.push(value)
    }
  } catch (error) {
    failure = error
  }
  const deltas = parts.filter((part) => part.type === 'text-delta')
  return {
    text: deltas.map((part) => part.text).join(''),
    deltas: deltas.length,
    statuses: parts.filter((part) => part.type === 'status'),
    usage: parts.find((part) => part.type === 'model-usage')?.usage,
    finish: parts.find((part) => part.type === 'model-finish')?.reason,
    types: [...new Set(parts.map((part) => part.type))],
    error: failure === undefined ? undefined : codeOf(failure),
    details: isAlcoveError(failure) ? { ...failure.details, message: failure.message } : undefined,
    ms: performance.now() - began,
  }
}

const ask = (text: string, sampling?: Sampling): ModelRequest => ({
  messages: [{ role: 'user', content: text }],
  sampling,
})

/** One answer, with what the model says of itself and how much is kept afterwards. */
export async function chat(
  places: Places,
  options: { readonly id: string; readonly request: ModelRequest; readonly spec?: Partial<ModelSpec> },
) {
  return withHost(places, async (host) => {
    const spec = specOf(options.id, places, options.spec)
    const before = await inspectModel(host as unknown as WorkerHost<LlmApi>, spec)
    const model = asModel(host, spec)
    const answer = await readAnswer(model, options.request)
    const after = await inspectModel(host as unknown as WorkerHost<LlmApi>, spec)
    const promptTokens = answer.error ? undefined : await model.countTokens(options.request)
    const stored = places.worker === undefined ? await host.call((api) => api.storage(spec)) : undefined
    return { ...answer, before, after, promptTokens, stored, contextTokens: model.contextTokens }
  })
}

/** The same request several times, and pieces of other sampling. */
export async function answers(
  places: Places,
  options: { readonly id: string; readonly requests: readonly ModelRequest[]; readonly spec?: Partial<ModelSpec> },
) {
  return withHost(places, async (host) => {
    const model = asModel(host, specOf(options.id, places, options.spec))
    const found: Answer[] = []
    for (const request of options.requests) found.push(await readAnswer(model, request))
    return found
  })
}

/** A conversation whose next turn extends the one before, with the cache and, for comparison, in a new worker without. */
export async function conversation(places: Places, id: string, questions: readonly string[], maxTokens: number) {
  const spec = specOf(id, places)
  const messages: { role: 'user' | 'assistant'; content: string }[] = []
  const warm = await withHost(places, async (host) => {
    const model = asModel(host, spec)
    await model.load()
    const turns: Answer[] = []
    for (const content of questions) {
      messages.push({ role: 'user', content })
      const turn = await readAnswer(model, { messages: [...messages], sampling: { temperature: 0, maxTokens } })
      messages.push({ role: 'assistant', content: turn.text })
      turns.push(turn)
    }
    return turns
  })
  const cold = await withHost(places, async (host) => {
    const model = asModel(host, spec)
    await model.load()
    return readAnswer(model, { messages: messages.slice(0, -1), sampling: { temperature: 0, maxTokens } })
  })
  return { warm, cold }
}

/** Aborts at a stage; says how long the stream took to settle, and what the next request gives. */
export async function abortAt(
  places: Places,
  options: {
    readonly id: string
    readonly prompt: string
    readonly stage: 'loading' | 'prefill' | 'decoding' | 'queued'
    readonly drainMs?: number
    readonly spec?: Partial<ModelSpec>
  },
) {
  return withHost(places, async (host) => {
    const model = asModel(host, specOf(options.id, places, options.spec), options.drainMs)
    if (options.stage !== 'loading') await model.load()
    const controller = new AbortController()
    const running = options.stage === 'queued' ? readAnswer(model, ask('Once', { maxTokens: 24 })) : undefined
    const reader = model.stream(ask(options.prompt, { maxTokens: 400 }), { signal: controller.signal }).getReader()
    const isReached = (part: ModelPart | undefined) => {
      if (options.stage === 'decoding') return part?.type === 'text-delta'
      return part?.type === 'status' && part.status === options.stage
    }
    for (;;) {
      const { done, value } = await reader.read()
      if (done || isReached(value)) break
    }
    const began = performance.now()
    const settled = reader.read().then(
      () => reader.read(),
      (error: unknown) => codeOf(error),
    )
    controller.abort()
    const order: string[] = []
    void settled.catch(() => {}).then(() => order.push('aborted'))
    const following = readAnswer(model, ask('Once upon a time', { maxTokens: 4, temperature: 0 }))
    void following.then(() => order.push('next'))
    void running?.then(() => order.push('running'))
    const code = await settled.catch((error: unknown) => codeOf(error))
    const settledMs = performance.now() - began
    const next = await following
    const other = await running
    const nextMs = performance.now() - began
    return { code, order, settledMs, nextMs, restarts: host.restarts, next, other }
  })
}

/** A model whose files are broken, then a good one in the same worker. */
export async function brokenThenGood(places: Places, brokenId: string, goodId: string, more?: Partial<ModelSpec>) {
  return withHost(places, async (host) => {
    const broken = await readAnswer(asModel(host, specOf(brokenId, places, more)), ask('Once'))
    const again = await readAnswer(asModel(host, specOf(brokenId, places, more)), ask('Once'))
    const good = await readAnswer(asModel(host, specOf(goodId, places)), ask('Once upon a time', { maxTokens: 4 }))
    return { broken, again, good, restarts: host.restarts }
  })
}

/** The worker dies in the middle; what the caller sees, and whether the next call works. */
export async function workerDies(places: Places, id: string, when: 'before-text' | 'after-text') {
  return withHost(places, async (host) => {
    const model = asModel(host, specOf(id, places))
    await model.load()
    const reader = model.stream(ask('Once upon a time', { maxTokens: 60, temperature: 0 })).getReader()
    const types: string[] = []
    let text = ''
    let code: string | undefined
    let killed = false
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) break
        types.push(value.type === 'status' ? value.status : value.type)
        if (value.type === 'text-delta') text += value.text
        const isMoment = when === 'after-text' ? value.type === 'text-delta' : value.type === 'status'
        if (!isMoment || killed) continue
        killed = true
        host.kill(new AlcoveError('worker-crashed', 'killed by the test'))
      }
    } catch (error) {
      code = codeOf(error)
    }
    const next = await readAnswer(model, ask('Once upon a time', { maxTokens: 4, temperature: 0 }))
    return { code, text, types: [...new Set(types)], restarts: host.restarts, next }
  })
}

const cosine = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let dot = 0
  let lengthA = 0
  let lengthB = 0
  for (let at = 0; at < a.length; at++) {
    dot += (a[at] as number) * (b[at] as number)
    lengthA += (a[at] as number) ** 2
    lengthB += (b[at] as number) ** 2
  }
  return dot / Math.sqrt(lengthA * lengthB)
}

/** Compares vectors with the published ones of `reference.json`, alone and in one batch, and cuts a text that is too long. */
export async function embedReference(places: Places, id: string, spec: Partial<ModelSpec> = {}) {
  const folder = id.slice(id.indexOf(':') + 1)
  const reference = await (
    await fetch(new URL(`${folder}/reference.json`, new URL(places.models, location.href)))
  ).json()
  const items = reference.items as { text: string; ids: number[]; vector: number[] }[]
  return withHost(places, async (host) => {
    const own = specOf(id, places, spec)
    const texts = items.map((item) => item.text)
    const together = await host.call((api) => api.embed(own, texts))
    const alone = []
    for (const text of texts) alone.push(await host.call((api) => api.embed(own, [text])))
    const long = await host.call((api) => api.embed(own, [`${'many words '.repeat(400)}`, '']))
    const norm = (vector: Float32Array | undefined) => Math.hypot(...(vector ?? []))
    return {
      cosines: items.map((item, at) => cosine(together.vectors[at] as Float32Array, item.vector)),
      aloneCosines: alone.map(({ vectors }, at) =>
        cosine(vectors[0] as Float32Array, together.vectors[at] as Float32Array),
      ),
      counts: together.counts,
      expectedCounts: items.map((item) => item.ids.length - 2),
      dimensions: together.dimensions,
      maxTokens: together.maxTokens,
      norms: [...together.vectors, ...long.vectors].map(norm),
      loadMs: together.loadMs,
      ms: together.ms,
    }
  })
}

/** Tokens a second through the model and the worker's port, against the bare library in the same worker. */
export async function speed(places: Places, id: string, prompt: string, tokens: number) {
  const spec = specOf(id, places)
  return withHost(places, async (host) => {
    const model = asModel(host, spec)
    const rounds = []
    for (let round = 0; round < 3; round++) {
      await model.load()
      const first = await readAnswer(model, ask(prompt, { maxTokens: 2, temperature: 0 }))
      const { usage, ms } = await readAnswer(model, ask(prompt, { maxTokens: tokens, temperature: 0 }))
      await model.dispose()
      const count = usage?.completionTokens ?? 0
      const wallMs = ms - (usage?.prefillMs ?? 0)
      const ours = { prefillMs: first.usage?.prefillMs, count, tokensPerSecond: ((count - 1) * 1000) / wallMs }
      const bare = await host.call((api) => api.measureBare(spec, prompt, tokens))
      rounds.push({ ours, bare, ratio: ours.tokensPerSecond / bare.tokensPerSecond })
    }
    return rounds
  })
}

/** Vectors for a list of texts, and how long they took. */
export async function embedTimed(places: Places, id: string, texts: readonly string[]) {
  return withHost(places, async (host) => {
    const spec = specOf(id, places)
    await host.call((api) => api.embed(spec, ['warm']))
    const { ms, dimensions } = await host.call((api) => api.embed(spec, texts))
    return { ms, dimensions }
  })
}
