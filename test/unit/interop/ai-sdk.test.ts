import { describe, expect, test } from 'vitest'
import { createEmbeddingModel } from '../../../src/interop/ai-sdk/embedding-model.js'
import { createLanguageModel } from '../../../src/interop/ai-sdk/language-model.js'
import type { LanguageModelCallOptions, ModelStreamPart, PromptMessage } from '../../../src/interop/ai-sdk/types.js'
import type { Citation, Corpus, Hit } from '../../../src/protocol/corpus.js'
import { AlcoveError } from '../../../src/protocol/error.js'
import { makeClient, weather } from './test-client.js'

const user: PromptMessage = { role: 'user', content: [{ type: 'text', text: 'How is Rome?' }] }
const tools = [
  { type: 'function', name: 'weather', description: weather.description, inputSchema: weather.parameters },
] as const

async function stream(client: ReturnType<typeof makeClient>['client'], call: Partial<LanguageModelCallOptions> = {}) {
  const { stream: parts } = await createLanguageModel(client).doStream({ prompt: [user], ...call })
  const all: ModelStreamPart[] = []
  for await (const part of parts) all.push(part)
  return all
}

/** A corpus of one passage. */
function makeCorpus(source: Citation['source'], text: string): Corpus {
  const hit: Hit = { id: 'one', text, score: 1, ranks: { keyword: 1 }, source, span: [0, text.length] }
  const stored = { id: source.id, title: source.title, text, metadata: {} }
  return { name: 'c', search: async () => [hit], get: async () => stored } as unknown as Corpus
}

describe('a language model', () => {
  test('streams reasoning, text and calls in blocks, usage last', async () => {
    const { client } = makeClient(
      [{ reasoning: 'Hm', text: 'I look', toolCalls: [{ name: 'weather', input: { city: 'Rome' } }] }],
      { chunkSize: 5 },
    )
    expect(await stream(client, { tools })).toEqual([
      { type: 'stream-start', warnings: [] },
      { type: 'reasoning-start', id: 'reasoning-0' },
      { type: 'reasoning-delta', id: 'reasoning-0', delta: 'Hm' },
      { type: 'reasoning-end', id: 'reasoning-0' },
      { type: 'text-start', id: 'text-1' },
      { type: 'text-delta', id: 'text-1', delta: 'I loo' },
      { type: 'text-delta', id: 'text-1', delta: 'k' },
      { type: 'text-end', id: 'text-1' },
      { type: 'tool-input-start', id: 'call-1', toolName: 'weather' },
      ...['{"cit', 'y":"R', 'ome"}'].map((delta) => ({ type: 'tool-input-delta', id: 'call-1', delta })),
      { type: 'tool-input-end', id: 'call-1' },
      { type: 'tool-call', toolCallId: 'call-1', toolName: 'weather', input: '{"city":"Rome"}' },
      { type: 'response-metadata', modelId: 'scripted' },
      {
        type: 'finish',
        finishReason: { unified: 'tool-calls', raw: 'tool-calls' },
        usage: {
          inputTokens: { total: expect.any(Number), noCache: expect.any(Number), cacheRead: 0, cacheWrite: undefined },
          outputTokens: { total: expect.any(Number), text: undefined, reasoning: undefined },
        },
      },
    ])
  })

  test('reads calls of a model that writes them as text', async () => {
    const { client } = makeClient(
      ['Well. <tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'],
      {
        chunkSize: 3,
      },
    )
    const model = createLanguageModel(client, { dialect: 'hermes' })
    const { content, finishReason } = await model.doGenerate({ prompt: [user], tools })
    expect(content).toMatchObject([
      { type: 'text', text: expect.stringContaining('Well.') },
      { type: 'tool-call', toolName: 'weather', input: '{"city":"Rome"}' },
    ])
    expect(finishReason.unified).toBe('tool-calls')
  })

  test('hands the whole call over: prompt, sampling, tools and their choice', async () => {
    const { client, model, asked } = makeClient(['Fine.'])
    await createLanguageModel(client, { model: 'wllama:x/y.gguf' }).doGenerate({
      prompt: [
        { role: 'system', content: 'Be short.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look:' },
            { type: 'file', mediaType: 'image/png', data: { type: 'data', data: new Uint8Array([1, 2]) } },
            { type: 'file', mediaType: 'image/png', data: { type: 'url', url: new URL('https://example.org/a.png') } },
            { type: 'file', mediaType: 'text/plain', data: { type: 'text', text: 'Inline.' } },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'Hm' },
            { type: 'tool-call', toolCallId: 'a', toolName: 'weather', input: { city: 'Rome' } },
            { type: 'tool-call', toolCallId: 'b', toolName: 'weather', input: {} },
          ],
        },
        {
          role: 'tool',
          content: [
            { type: 'tool-result', toolCallId: 'a', toolName: 'weather', output: { type: 'json', value: { sky: 1 } } },
            { type: 'tool-result', toolCallId: 'b', toolName: 'weather', output: { type: 'execution-denied' } },
          ],
        },
      ],
      tools,
      toolChoice: { type: 'tool', toolName: 'weather' },
      maxOutputTokens: 9,
      stopSequences: ['END'],
      topK: 3,
      reasoning: 'none',
    })
    expect(asked).toEqual(['wllama:x/y.gguf'])
    const [request] = model.requests
    expect(request).toMatchObject({
      toolChoice: { name: 'weather' },
      tools: [{ name: 'weather', inputSchema: weather.parameters }],
      sampling: { maxTokens: 9, stop: ['END'], topK: 3, reasoning: 'off' },
    })
    const [system, question, calls, results] = request?.messages ?? []
    expect(system).toEqual({ role: 'system', content: 'Be short.' })
    expect(question?.content).toMatchObject([
      { type: 'text' },
      { type: 'image', data: expect.any(Blob) },
      { type: 'image', data: 'https://example.org/a.png' },
      { type: 'text', text: 'Inline.' },
    ])
    expect(calls?.content).toMatchObject([{ callId: 'a' }, { callId: 'b' }])
    expect(results?.content).toMatchObject([
      { callId: 'a', output: { sky: 1 } },
      { callId: 'b', isError: true },
    ])
  })

  test('warns of what has no meaning here', async () => {
    const { client } = makeClient(['Fine.'])
    const [first] = await stream(client, {
      tools: [...tools, { type: 'provider', name: 'search' }],
      headers: { 'x-own': '1', 'user-agent': 'ai/7' },
    })
    expect(first).toMatchObject({
      warnings: [
        { type: 'unsupported', feature: 'provider tool search' },
        { type: 'unsupported', feature: 'headers' },
      ],
    })
  })

  test.each([
    ['https://example.org/h', { sourceType: 'url', url: 'https://example.org/h' }],
    ['javascript:alert(1)', { sourceType: 'document', mediaType: 'text/plain' }],
    [undefined, { sourceType: 'document', mediaType: 'text/plain' }],
  ])('over documents gives citations as sources: %s', async (url, expected) => {
    const text = 'The boat was built by Ingrid Larsen in 1931.'
    const source = { id: 'h', title: 'Handbook', headings: [], page: 3, ...(url !== undefined && { url }) }
    const { client } = makeClient(['The boat was built by Ingrid Larsen in 1931 [1].'])
    const model = createLanguageModel(client, { corpus: makeCorpus(source, text) })
    const prompt: PromptMessage[] = [{ role: 'user', content: [{ type: 'text', text: 'Who built the boat?' }] }]
    const { content } = await model.doGenerate({ prompt })
    expect(content.filter(({ type }) => type === 'source')).toEqual([
      {
        type: 'source',
        id: 'citation-1',
        title: 'Handbook',
        ...expected,
        providerMetadata: { alcove: expect.objectContaining({ index: 1, verified: true, page: 3, documentId: 'h' }) },
      },
    ])
  })

  test('an error is told as a part of a stream, and thrown by a whole answer', async () => {
    const error = new AlcoveError('out-of-memory', 'Full')
    const { client } = makeClient([{ text: 'Half', error }, { error }])
    const parts = await stream(client)
    expect(parts.at(-1)).toMatchObject({ type: 'error', error: { code: 'out-of-memory', message: 'Full' } })
    expect(parts.some(({ type }) => type === 'finish')).toBe(false)
    await expect(createLanguageModel(client).doGenerate({ prompt: [user] })).rejects.toMatchObject({
      code: 'out-of-memory',
    })
  })

  test('leaving a stream stops the model', async () => {
    const { client } = makeClient(['word '.repeat(1000)], { chunkSize: 5, delayMs: 1 })
    const own = new AbortController()
    const call = { prompt: [user], abortSignal: own.signal }
    const { stream: parts } = await createLanguageModel(client).doStream(call)
    const reader = parts.getReader()
    for (let at = 0; at < 4; at++) await reader.read()
    own.abort()
    const rest: ModelStreamPart[] = []
    for (let next = await reader.read(); !next.done; next = await reader.read()) rest.push(next.value)
    expect(rest.at(-1)).toMatchObject({ type: 'error', error: { code: 'aborted' } })
    expect(rest.length).toBeLessThan(5)
  })

  test('an answer cut off at its length says so, in JSON too', async () => {
    const { client, model } = makeClient([{ text: '{"city": "Ro' }])
    const cut = {
      ...model,
      capabilities: model.capabilities,
      stream: (...given: Parameters<typeof model.stream>) =>
        model.stream(...given).pipeThrough(
          new TransformStream({
            transform: (part, controller) =>
              controller.enqueue(part.type === 'model-finish' ? { ...part, reason: 'length' } : part),
          }),
        ),
    }
    const { createAgent } = await import('../../../src/agents/agent.js')
    const parts = await stream(
      { ...client, agent: ({ model: _, ...rest } = {}) => createAgent({ ...rest, model: cut }) },
      { responseFormat: { type: 'json', schema: { type: 'object' } } },
    )
    expect(parts.at(-1)).toMatchObject({ type: 'finish', finishReason: { unified: 'length' } })
    expect(model.requests).toHaveLength(1)
  })
})

describe('an embedding model', () => {
  test('gives vectors and tokens, in the client’s dimensions only', async () => {
    const model = createEmbeddingModel(makeClient([]).client)
    const { embeddings, usage } = await model.doEmbed({ values: ['a', 'b c'] })
    expect(embeddings.map(({ length }) => length)).toEqual([8, 8])
    expect(usage).toEqual({ tokens: 3 })
    await expect(model.doEmbed({ values: ['a'], dimensions: 4 })).rejects.toMatchObject({ code: 'invalid-argument' })
  })

  test('embeds queries as queries, and refuses to be another model', async () => {
    const { client } = makeClient([])
    const purposes: unknown[] = []
    const own = await client.embeddingModel()
    const embedder = {
      ...own,
      embed: async (texts: readonly string[], options: { purpose?: unknown } = {}) => {
        purposes.push(options.purpose)
        return own.embed(texts)
      },
    }
    const model = createEmbeddingModel({ ...client, embeddingModel: async () => embedder })
    await model.doEmbed({ values: ['a'], providerOptions: { alcove: { purpose: 'query' } } })
    await model.doEmbed({ values: ['a'] })
    expect(purposes).toEqual(['query', 'document'])
    const other = createEmbeddingModel(client, { model: 'transformers:other' })
    await expect(other.doEmbed({ values: ['a'] })).rejects.toMatchObject({ code: 'model-not-found' })
  })
})
