import type { ChatEngine, ModelInspection, ModelSpec } from '../../../src/engines/engine.js'
import { createWllamaChat } from '../../../src/engines/wllama/chat.js'
import { toAlcoveError } from '../../../src/protocol/error.js'
import type { ChatModel, ModelPart, ModelRequest, ModelUsage } from '../../../src/protocol/model.js'
import { iterate } from '../../../src/runtime/stream.js'

/** Where the page finds what it tests. */
export interface WllamaSetup {
  /** Model id, such as `wllama:stories260K/stories260K.gguf`. */
  readonly id: string
  /** Absolute address of the model folders, with a trailing slash. */
  readonly baseUrl: string
  readonly wasmUrl: string
  /** Name of the Cache API cache. */
  readonly cacheName: string
  readonly contextTokens?: number
}

interface Answer {
  readonly text: string
  readonly usage: ModelUsage | null
  readonly reason: string | null
  readonly statuses: string[]
  /** Of the load, where it said so. */
  readonly threads: number | null
  readonly error: string | null
  readonly ms: number
}

const engineOf = ({ wasmUrl }: WllamaSetup): ChatEngine => createWllamaChat({ wasmUrl })
const specOf = ({ id, baseUrl, cacheName, contextTokens }: WllamaSetup): ModelSpec => ({
  id,
  baseUrl,
  cacheName,
  contextTokens,
  allowRemote: false,
  hubUrl: 'https://hub.invalid/',
})
const ask = (content: string, rest: Partial<ModelRequest> = {}): ModelRequest => ({
  messages: [{ role: 'user', content }],
  ...rest,
})
const greedy = { temperature: 0, maxTokens: 12 }

async function collect(model: ChatModel, request: ModelRequest, signal?: AbortSignal): Promise<Answer> {
  const started = performance.now()
  const parts: ModelPart[] = []
  let error: string | null = null
  try {
    for await (const part of iterate(model.stream(request, { signal }))) parts.push(part)
  } catch (thrown) {
    const { code, message } = toAlcoveError(thrown, 'invalid-argument')
    error = `${code}: ${message}`
  }
  const last = parts.at(-1)
  return {
    text: parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join(''),
    usage: parts.flatMap((part) => (part.type === 'model-usage' ? [part.usage] : []))[0] ?? null,
    reason: last?.type === 'model-finish' ? last.reason : null,
    statuses: parts.flatMap((part) => (part.type === 'status' ? [part.status] : [])),
    threads: threadsOf(parts),
    error,
    ms: performance.now() - started,
  }
}

function threadsOf(parts: readonly ModelPart[]): number | null {
  const said = parts.map((part) =>
    part.type === 'status' ? /with (one|\d+) thread/.exec(part.message)?.[1] : undefined,
  )
  const count = said.find((word) => word !== undefined)
  return count === undefined ? null : count === 'one' ? 1 : Number(count)
}

/** One answer of a new model, on a device that says that it has so many cores. */
export async function once(setup: WllamaSetup, cores?: number) {
  if (cores) Object.defineProperty(navigator, 'hardwareConcurrency', { configurable: true, get: () => cores })
  const model = engineOf(setup).create(specOf(setup))
  const answer = await collect(model, ask('Once upon a time', { sampling: greedy }))
  await model.dispose()
  return answer
}

/** An answer, the same one from its middle on, and one with all weight on one token. */
export async function goOn(setup: WllamaSetup) {
  const model = engineOf(setup).create(specOf(setup))
  const whole = await collect(model, ask('Once upon a time', { sampling: { temperature: 0, maxTokens: 24 } }))
  const middle = whole.text.indexOf(' ', whole.text.length / 2)
  const messages = [
    { role: 'user' as const, content: 'Once upon a time' },
    { role: 'assistant' as const, content: whole.text.slice(0, middle) },
  ]
  const rest = await collect(model, { messages, sampling: { temperature: 0, maxTokens: 24 } })
  const begun = { ...rest, text: rest.text.slice(0, whole.text.length - middle) }
  const logitBias = { 300: 100 }
  const biased = await collect(model, ask('Once', { sampling: { temperature: 0, maxTokens: 5, logitBias } }))
  await model.dispose()
  return { whole, begun, biased }
}

/** Loads, answers twice, constrains, stops at a text, counts, and frees. */
export async function answer(setup: WllamaSetup) {
  const model = engineOf(setup).create(specOf(setup))
  const estimated = await model.countTokens(ask('Once upon a time'))
  const loads: { status: string; loadedBytes?: number | undefined; totalBytes?: number | undefined }[] = []
  const started = performance.now()
  await model.load({
    onProgress: ({ status, loadedBytes, totalBytes }) => loads.push({ status, loadedBytes, totalBytes }),
  })
  const loadMs = performance.now() - started
  const counted = await model.countTokens(ask('Once upon a time'))
  const first = await collect(model, ask('Once upon a time', { sampling: greedy }))
  const again = await collect(model, ask('Once upon a time', { sampling: greedy }))
  const grammar = await collect(
    model,
    ask('Yes or no?', {
      sampling: greedy,
      output: { type: 'grammar', grammar: 'root ::= "yes" | "no"', syntax: 'gbnf' },
    }),
  )
  const schema = {
    type: 'object',
    properties: { a: { enum: ['x', 'y'] } },
    required: ['a'],
    additionalProperties: false,
  }
  const json = await collect(
    model,
    ask('Give JSON', { sampling: { temperature: 0, maxTokens: 60 }, output: { type: 'json-schema', schema } }),
  )
  const cut = first.text.trim().split(' ').at(1) ?? ' '
  const stopped = await collect(model, ask('Once upon a time', { sampling: { ...greedy, stop: [cut] } }))
  const seeded = { temperature: 1, seed: 7, topK: 40, topP: 0.9, maxTokens: 10, repetitionPenalty: 1.1 }
  const sampled = [
    await collect(model, ask('Once upon a time', { sampling: seeded })),
    await collect(model, ask('Once upon a time', { sampling: seeded })),
  ].map(({ text }) => text)
  const contextTokens = model.contextTokens
  await model.dispose()
  const afterDispose = await collect(model, ask('Once upon a time', { sampling: greedy }))
  await model.dispose()
  return {
    estimated,
    counted,
    loadMs,
    loads,
    contextTokens,
    first,
    again,
    grammar,
    json,
    cut,
    stopped,
    sampled,
    afterDispose,
  }
}

/** Aborts in the queue, in the middle of an answer and by leaving the stream; each time the model is usable afterwards. */
export async function cancel(setup: WllamaSetup) {
  const model = engineOf(setup).create(specOf(setup))
  await model.load()
  const long = ask('Once upon a time', { sampling: { temperature: 0, maxTokens: 400 } })
  const controller = new AbortController()
  const running = iterate(model.stream(long, { signal: controller.signal }))
  let read = 0
  let abortMs = -1
  let code = ''
  try {
    for await (const part of running) {
      if (part.type === 'text-delta' && ++read === 5) {
        const queued = new AbortController()
        const waiting = collect(model, ask('Queued', { sampling: greedy }), queued.signal)
        queued.abort()
        code = (await waiting).error ?? 'no error'
        abortMs = performance.now()
        controller.abort()
      }
    }
  } catch (error) {
    abortMs = performance.now() - abortMs
    code += ` then ${toAlcoveError(error, 'invalid-argument').code}`
  }
  const afterAbort = await collect(model, ask('Once upon a time', { sampling: greedy }))
  for await (const part of iterate(model.stream(long))) if (part.type === 'text-delta') break
  const afterLeave = await collect(model, ask('Once upon a time', { sampling: greedy }))
  await model.dispose()
  return { read, abortMs, codes: code, afterAbort, afterLeave }
}

/** What is refused, and how: a prompt over the context, wrong requests, and use after each. */
export async function refusals(setup: WllamaSetup) {
  const model = engineOf(setup).create(specOf(setup))
  await model.load()
  const errors = {
    overflow: (await collect(model, ask('word '.repeat(model.contextTokens * 2)))).error,
    noMessages: (await collect(model, { messages: [] })).error,
    ebnf: (await collect(model, ask('x', { output: { type: 'grammar', grammar: 'root ::= "x"', syntax: 'ebnf' } })))
      .error,
    badGrammar: (
      await collect(model, ask('x', { output: { type: 'grammar', grammar: 'root ::= ((', syntax: 'gbnf' } }))
    ).error,
    picture: (
      await collect(model, {
        messages: [{ role: 'user', content: [{ type: 'image', data: 'data:,x', mediaType: 'image/png' }] }],
      })
    ).error,
  }
  const after = await collect(model, ask('Once upon a time', { sampling: greedy }))
  await model.dispose()
  return { errors, after }
}

/** Loads files that are no good model: each path is below `baseUrl`. */
export async function badFiles(setup: WllamaSetup, ids: readonly string[]) {
  const results: Record<string, string> = {}
  for (const id of ids) {
    const model = engineOf(setup).create({ ...specOf(setup), id })
    results[id] = await model.load().then(
      () => 'loaded',
      (error) => `${toAlcoveError(error, 'invalid-argument').code}: ${error.message}`,
    )
    await model.dispose()
  }
  return results
}

/** A context longer than the model's own is cut to it. */
export async function longContext(setup: WllamaSetup, contextTokens: number) {
  const engine = engineOf(setup)
  const model = engine.create({ ...specOf(setup), contextTokens })
  return model.load().then(
    () => `loaded with ${model.contextTokens}`,
    (error) => `${toAlcoveError(error, 'invalid-argument').code}`,
  )
}

/** A wasm that is not there. */
export async function missingWasm(setup: WllamaSetup) {
  const model = engineOf({ ...setup, wasmUrl: `${setup.wasmUrl}.none` }).create(specOf(setup))
  return model.load().then(
    () => 'loaded',
    (error) => `${toAlcoveError(error, 'invalid-argument').code}: ${error.message}`,
  )
}

/** Aborting a load settles at once, and the next load works. */
export async function abortLoad(setup: WllamaSetup) {
  const model = engineOf(setup).create(specOf(setup))
  const controller = new AbortController()
  const load = model.load({
    signal: controller.signal,
    onProgress: ({ message }) => message.startsWith('Starting') && setTimeout(() => controller.abort(), 5),
  })
  const first = await load.then(
    () => 'loaded',
    (error) => toAlcoveError(error, 'invalid-argument').code,
  )
  const second = await collect(model, ask('Once upon a time', { sampling: greedy }))
  await model.dispose()
  return { first, second }
}

/** What `inspect` says before and after the file is kept, and of a file that is not there. */
export async function inspect(setup: WllamaSetup) {
  const engine = engineOf(setup)
  const spec = specOf(setup)
  const before: ModelInspection = await engine.inspect(spec)
  const model = engine.create(spec)
  await model.load()
  await model.dispose()
  const after = await engine.inspect(spec)
  const none = await engine.inspect({ ...spec, id: 'wllama:nobody/none.gguf' })
  return { before, after, none }
}

/** Speed and memory of a chat: turns of one conversation, and an abort while a long prompt is read. */
export async function measure(setup: WllamaSetup) {
  const model = engineOf(setup).create(specOf(setup))
  const started = performance.now()
  await model.load()
  const loadMs = performance.now() - started
  const system = { role: 'system' as const, content: 'Answer in one short sentence.' }
  const question = { role: 'user' as const, content: 'What is the capital of France?' }
  const request = { messages: [system, question], sampling: { temperature: 0, maxTokens: 24 } }
  const counted = await model.countTokens(request)
  const turn1 = await collect(model, request)
  const turn2Request = {
    messages: [
      system,
      question,
      { role: 'assistant' as const, content: turn1.text },
      { role: 'user' as const, content: 'And of Italy?' },
    ],
    sampling: { temperature: 0, maxTokens: 24 },
  }
  const counted2 = await model.countTokens(turn2Request)
  const turn2 = await collect(model, turn2Request)
  const long = ask('river stone music planet garden winter engine silver forest harbor '.repeat(40))
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 1_500)
  const aborted = await collect(model, long, controller.signal)
  const drainStarted = performance.now()
  const after = await collect(model, { ...request, sampling: { temperature: 0, maxTokens: 4 } })
  const drainedAndAnsweredMs = performance.now() - drainStarted
  await model.dispose()
  return { loadMs, counted, counted2, turn1, turn2, aborted, after, drainedAndAnsweredMs }
}
