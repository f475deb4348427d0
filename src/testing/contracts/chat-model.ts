import type { ChatModel, ModelPart, ModelRequest } from '../../protocol/model.js'
import { iterate } from '../../runtime/stream.js'
import { codeOf } from './outcome.js'
import type { TestRunner } from './test-runner.js'

export interface ChatModelContractOptions {
  /** Most tokens that an answer in these tests has. @default 24 */
  readonly maxTokens?: number | undefined
  /** Longest time that a cancelled model may need until it answers again, in milliseconds. @default 30_000 */
  readonly recoveryMs?: number | undefined
}

/** What every chat model must do. `create` gives a new model, or one that other tests have used. */
export function chatModelContract(
  { test, expect }: TestRunner,
  create: () => Promise<ChatModel>,
  { maxTokens = 24, recoveryMs = 30_000 }: ChatModelContractOptions = {},
): void {
  const request: ModelRequest = {
    messages: [{ role: 'user', content: 'Say a few words about the sea.' }],
    sampling: { maxTokens, temperature: 0 },
  }

  test('says what it is', async () => {
    const { id, contextTokens, capabilities } = await create()
    expect(typeof id).toBe('string')
    expect(id.length).toBeGreaterThan(0)
    expect(contextTokens).toBeGreaterThan(0)
    expect(['native', 'none']).toContain(capabilities.tools)
    expect(['gbnf', 'ebnf', 'json-schema', 'none']).toContain(capabilities.grammar)
    expect(['answer', 'draft']).toContain(capabilities.trust)
    expect(capabilities.inputs).toContain('text')
  })

  test('loads, also twice and at once', async () => {
    const model = await create()
    await Promise.all([model.load(), model.load()])
    await model.load()
  })

  test('answers with deltas, at most one usage, and the finish last', async () => {
    const parts = await read(await create(), request)
    expect(count(parts, 'model-finish')).toBe(1)
    expect(parts.at(-1)?.type).toBe('model-finish')
    expect(count(parts, 'model-usage')).toBeLessThanOrEqual(1)
    expect(textOf(parts).length).toBeGreaterThan(0)
    const texts = parts.filter(({ type }) => type === 'text-delta') as { text: string }[]
    expect(texts.every(({ text }) => typeof text === 'string')).toBe(true)
  })

  test('counts tokens of what it says it read', async () => {
    const model = await create()
    const parts = await read(model, request)
    const counted = await model.countTokens(request)
    expect(counted).toBeGreaterThanOrEqual(0)
    const usage = parts.find((part) => part.type === 'model-usage')
    if (usage?.type !== 'model-usage') return
    expect(usage.usage.completionTokens).toBeLessThanOrEqual(maxTokens + 1)
    expect(usage.usage.promptTokens).toBe(counted)
    const longer = { ...request, messages: [{ role: 'user' as const, content: `${'and so on '.repeat(50)}?` }] }
    expect(await model.countTokens(longer)).toBeGreaterThanOrEqual(counted)
  })

  test('does not change its request', async () => {
    const frozen = deepFreeze(structuredClone(request))
    await read(await create(), frozen)
    expect(frozen).toEqual(request)
  })

  test('stops when its reader leaves, and answers the next request', async () => {
    const model = await create()
    for await (const _ of iterate(model.stream(request))) break
    await answersWithin(model)
  })

  test('stops when its signal aborts, with an error of code aborted', async () => {
    const model = await create()
    const controller = new AbortController()
    const stream = model.stream(request, { signal: controller.signal })
    controller.abort()
    expect(await codeOf(drain(stream))).toBe('aborted')
    expect(await codeOf(drain(model.stream(request, { signal: AbortSignal.abort() })))).toBe('aborted')
    await answersWithin(model)
  })

  test('an abort in the middle settles before the next request is answered', async () => {
    const model = await create()
    const controller = new AbortController()
    const order: string[] = []
    const stream = model.stream(request, { signal: controller.signal })
    const stopped = codeOf(drain(stream, () => controller.abort())).then((code) => order.push(code))
    const next = read(model, request).then(() => order.push('answered'))
    await Promise.all([stopped, next])
    expect(order).toEqual(['aborted', 'answered'])
  })

  test('answers requests in the order they came, and forgets one that was aborted while it waited', async () => {
    const model = await create()
    const controller = new AbortController()
    const order: string[] = []
    const first = read(model, request).then(() => order.push('first'))
    const second = codeOf(drain(model.stream(request, { signal: controller.signal })))
    const third = read(model, request).then(() => order.push('third'))
    controller.abort()
    expect(await second).toBe('aborted')
    await Promise.all([first, third])
    expect(order).toEqual(['first', 'third'])
  })

  test('answers again after dispose', async () => {
    const model = await create()
    await model.load()
    await model.dispose()
    await model.dispose()
    expect(textOf(await read(model, request)).length).toBeGreaterThan(0)
  })

  async function answersWithin(model: ChatModel): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, recoveryMs, 'late')
    })
    const outcome = await Promise.race([read(model, request), late])
    clearTimeout(timer)
    expect(outcome === 'late' ? outcome : outcome.at(-1)?.type).toBe('model-finish')
  }
}

async function read(model: ChatModel, request: ModelRequest): Promise<ModelPart[]> {
  const parts: ModelPart[] = []
  for await (const part of iterate(model.stream(request))) parts.push(part)
  return parts
}

/** Reads to the end, and calls back at the first text. */
async function drain(stream: ReadableStream<ModelPart>, onText = () => {}): Promise<void> {
  for await (const part of iterate(stream)) if (part.type === 'text-delta') onText()
}

function textOf(parts: readonly ModelPart[]): string {
  return parts.map((part) => (part.type === 'text-delta' ? part.text : '')).join('')
}

function count(parts: readonly ModelPart[], type: ModelPart['type']): number {
  return parts.filter((part) => part.type === type).length
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner)
    Object.freeze(value)
  }
  return value
}
