// Functions for browser tests of WebLLM with a real model, in the page's own thread.
import type { ModelSpec } from '../../../src/engines/engine.js'
import { webLlmChat } from '../../../src/engines/web-llm/chat.js'
import { webLlmEmbedding } from '../../../src/engines/web-llm/embedding.js'
import { toAlcoveError } from '../../../src/protocol/error.js'
import type { Message } from '../../../src/protocol/message.js'
import type { ChatModel, ModelPart, ModelRequest, Sampling } from '../../../src/protocol/model.js'

const ONCE = 'Once upon a time'
const user = (content: string): Message => ({ role: 'user', content })
const assistant = (content: string): Message => ({ role: 'assistant', content })
const ask = (content: string, sampling: Sampling = {}, rest: Partial<ModelRequest> = {}): ModelRequest => ({
  messages: [user(content)],
  sampling: { temperature: 0, maxTokens: 12, ...sampling },
  ...rest,
})

function create(id: string, rest: Partial<ModelSpec> = {}): ChatModel {
  return webLlmChat.create({
    id: `webllm:${id}`,
    baseUrl: new URL('/models/', location.href).href,
    allowRemote: false,
    hubUrl: 'https://hub.invalid/',
    cacheName: 'real-models',
    ...rest,
  })
}

interface ReadOptions {
  readonly signal?: AbortSignal
  /** Called with each delta; true leaves the stream. */
  onDelta?(count: number): boolean | undefined
}

async function read(model: ChatModel, request: ModelRequest, { signal, onDelta }: ReadOptions = {}) {
  const parts: ModelPart[] = []
  let deltas = 0
  let error: string | undefined
  try {
    const reader = model.stream(request, { signal }).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      parts.push(value)
      if (value.type === 'text-delta' && onDelta?.(++deltas)) await reader.cancel()
    }
  } catch (failure) {
    const { code, message } = toAlcoveError(failure, 'worker-crashed')
    error = `${code}: ${message}`
  }
  return {
    text: parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join(''),
    deltas: parts.filter((part) => part.type === 'text-delta').length,
    positions: parts.flatMap((part) => (part.type === 'status' && part.position !== undefined ? [part.position] : [])),
    usage: parts.find((part) => part.type === 'model-usage')?.usage,
    finish: parts.find((part) => part.type === 'model-finish')?.reason,
    error,
  }
}

/** Answers that end by themselves, that are stopped, and that leave the queue. */
export async function stopping(id: string) {
  const model = create(id)
  const started = performance.now()
  await model.load()
  const loadMs = performance.now() - started
  const whole = await read(model, ask(ONCE))
  const controller = new AbortController()
  let abortedAt = 0
  const aborted = await read(model, ask(ONCE, { maxTokens: 300 }), {
    signal: controller.signal,
    onDelta(count) {
      if (count !== 3) return false
      abortedAt = performance.now()
      controller.abort()
      return false
    },
  })
  const settledMs = performance.now() - abortedAt
  const afterAbort = await read(model, ask(ONCE))
  const left = await read(model, ask(ONCE, { maxTokens: 300 }), { onDelta: (count) => count === 3 })
  const afterLeft = await read(model, ask(ONCE))
  const leaving = new AbortController()
  const running = read(model, ask(ONCE), {
    onDelta(count) {
      if (count === 2) leaving.abort()
      return false
    },
  })
  const queued = read(model, ask('The end'), { signal: leaving.signal })
  const last = read(model, ask(ONCE))
  const crowd = { running: await running, queued: await queued, last: await last }
  await model.dispose()
  const again = await read(model, ask(ONCE))
  await model.dispose()
  return { loadMs, whole, aborted, settledMs, afterAbort, left, afterLeft, crowd, again }
}

/** A chat that grows, an answer that was begun, and what `countTokens` says of each against the engine's own figures. */
export async function turns(id: string) {
  const model = create(id)
  await model.load()
  const measure = async (messages: readonly Message[], sampling: Sampling = {}) => {
    const request = { ...ask('', sampling), messages }
    return { counted: await model.countTokens(request), ...(await read(model, request)) }
  }
  const whole = await measure([user(ONCE)], { maxTokens: 24 })
  // WebLLM keeps its state after an answer that ended by itself, not after one that was cut.
  const toEnd = { maxTokens: 60, stop: ['.'] }
  const firstTurn = await measure([user(ONCE)], toEnd)
  const secondTurn = await measure([user(ONCE), assistant(firstTurn.text), user('And then?')], toEnd)
  const thirdTurn = await measure([
    user(ONCE),
    assistant(firstTurn.text),
    user('And then?'),
    assistant(secondTurn.text),
    user('Why?'),
  ])
  const system = { role: 'system', content: 'A story of a dog. '.repeat(6) } as const
  const other = await measure([system, user('Rain')])
  const shared = await measure([system, user('Sun')])
  const words = whole.text.split(' ')
  const begun = words.slice(0, 5).join(' ')
  const goneOn = await measure([user(ONCE), assistant(begun)], { maxTokens: 12 })
  const special = await measure([system, user("It costs $$5, $& or $' more\n\n  and {user_message}, «é» 漢字 🙂")])
  const long = 'A little girl ran. '.repeat(30)
  const chunked = await measure([user(long)], { maxTokens: 4 })
  await model.dispose()
  return { whole, firstTurn, secondTurn, thirdTurn, other, shared, begun, goneOn, special, chunked }
}

/** Every way to choose tokens. `tokens`: numbers of pieces of text. */
export async function sampled(id: string, tokens: Readonly<Record<'lily' | 'one', number>>) {
  const model = create(id)
  await model.load()
  const get = (sampling: Sampling) => read(model, ask(ONCE, sampling))
  const warm = { temperature: 1, topP: 0.95, maxTokens: 8 }
  const result = {
    greedy: await get({}),
    stopped: await get({ stop: [' girl'], maxTokens: 20 }),
    forced: await get({ logitBias: { [tokens.lily]: 100 }, maxTokens: 3 }),
    banned: await get({ logitBias: { [tokens.one]: -100 }, maxTokens: 3 }),
    seven: await get({ ...warm, seed: 7 }),
    sevenAgain: await get({ ...warm, seed: 7 }),
    others: [await get({ ...warm, seed: 8 }), await get({ ...warm, seed: 9 }), await get({ ...warm, seed: 10 })],
    narrow: await get({ temperature: 1, topP: 0.000_1, seed: 3 }),
    repeated: await get({ maxTokens: 40 }),
    penalized: await get({ frequencyPenalty: 2, presencePenalty: 2, maxTokens: 40 }),
    repetition: await get({ repetitionPenalty: 2, maxTokens: 40 }),
    wrong: await get({ temperature: 3 }),
    after: await get({}),
  }
  await model.dispose()
  return result
}

/** Answers that are held to a form. */
export async function formed(id: string) {
  const model = create(id)
  await model.load()
  const get = (output: NonNullable<ModelRequest['output']>, sampling: Sampling = {}) =>
    read(model, ask(ONCE, { maxTokens: 160, ...sampling }, { output }))
  const schema = {
    type: 'object',
    properties: {
      name: { enum: ['Lily', 'Tom'] },
      happy: { type: 'boolean' },
      friends: { type: 'array', items: { enum: ['dog', 'cat'] }, minItems: 1, maxItems: 2 },
      note: { type: 'string', maxLength: 12 },
    },
    required: ['name', 'happy', 'friends', 'note'],
    additionalProperties: false,
  }
  const result = {
    schema: await get({ type: 'json-schema', schema }),
    penalized: await get({ type: 'json-schema', schema }, { frequencyPenalty: 1 }),
    warm: await get({ type: 'json-schema', schema }, { temperature: 1, seed: 5 }),
    ebnf: await get({ type: 'grammar', grammar: 'root ::= "yes" | "no"', syntax: 'ebnf' }),
    repeated: await get({ type: 'grammar', grammar: 'root ::= [a-c]{5} "."', syntax: 'ebnf' }),
    broken: await get({ type: 'grammar', grammar: 'root ::= "yes" | other', syntax: 'ebnf' }),
    free: await read(model, ask(ONCE)),
  }
  await model.dispose()
  return result
}

/** A shorter context than the model's own, filled to its end and beyond. */
export async function shortContext(id: string, contextTokens: number) {
  const model = create(id, { contextTokens })
  await model.load()
  const actual = model.contextTokens
  const filled = await read(model, ask(ONCE, { maxTokens: 10_000 }))
  const over = await read(model, ask('word '.repeat(contextTokens)))
  const after = await read(model, ask(ONCE))
  await model.dispose()
  return { contextTokens: actual, filled, over, after }
}

/** Loads that are aborted at each of their steps, and one that is not. */
export async function abortedLoads(id: string) {
  const codes: string[] = []
  for (const afterReports of [0, 1, 2, 4]) {
    const model = create(id)
    const controller = new AbortController()
    let reports = 0
    if (afterReports === 0) controller.abort()
    const loading = model.load({
      signal: controller.signal,
      onProgress() {
        if (++reports === afterReports) controller.abort()
      },
    })
    codes.push(
      await loading.then(
        () => `loaded after ${reports}`,
        (error) => toAlcoveError(error, 'worker-crashed').code,
      ),
    )
    await model.dispose()
  }
  const model = create(id)
  const both = await Promise.all([read(model, ask(ONCE)), read(model, ask(ONCE))])
  const first = model.dispose()
  const second = await read(model, ask(ONCE))
  await first
  await model.dispose()
  return { codes, both, second }
}

/** Vectors of texts one by one and all at once. */
export async function embedded(id: string, texts: readonly string[]) {
  const model = webLlmEmbedding.create({
    id: `webllm:${id}`,
    baseUrl: new URL('/models/', location.href).href,
    allowRemote: false,
    hubUrl: 'https://hub.invalid/',
    cacheName: 'real-models',
  })
  await model.load()
  const together = await model.embed(texts)
  const alone = []
  for (const text of texts) alone.push(...(await model.embed([text])))
  const counts = (await model.countTokens?.(texts)) ?? []
  const { dimensions } = model
  await model.dispose()
  return { together: together.map((each) => [...each]), alone: alone.map((each) => [...each]), counts, dimensions }
}
