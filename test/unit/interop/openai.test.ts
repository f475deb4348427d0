import { describe, expect, test } from 'vitest'
import { createOpenAI } from '../../../src/interop/openai/create-openai.js'
import type { ChatCompletionChunk } from '../../../src/interop/openai/types.js'
import { AlcoveError, isAlcoveError } from '../../../src/protocol/error.js'
import { makeClient, weather } from './test-client.js'

const user = { role: 'user', content: 'How is Rome?' } as const
const tools = [{ type: 'function', function: weather }] as const
const fixed = { now: () => 1_700_000_000_000, createId: () => 'one' }

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('chat.completions.create', () => {
  test('gives a completion with usage and the id of the model that answered', async () => {
    const { client, model, asked } = makeClient([{ reasoning: 'sun', text: 'Sunny.' }])
    const openai = createOpenAI(client, { ...fixed, models: { 'gpt-4o-mini': 'auto' } })
    const completion = await openai.chat.completions.create({
      model: 'gpt-4o-mini',
      messages: [{ role: 'developer', content: 'Be short.' }, user],
      temperature: 0,
      max_completion_tokens: 20,
      stop: 'END',
      seed: 7,
    })
    expect(completion).toEqual({
      id: 'chatcmpl-one',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'scripted',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Sunny.', refusal: null, reasoning_content: 'sun' },
          finish_reason: 'stop',
          logprobs: null,
        },
      ],
      usage: {
        prompt_tokens: expect.any(Number),
        completion_tokens: 3,
        total_tokens: expect.any(Number),
        prompt_tokens_details: { cached_tokens: 0 },
      },
    })
    expect(asked).toEqual([undefined])
    expect(model.requests[0]?.messages).toEqual([
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'How is Rome?' },
    ])
    expect(model.requests[0]?.sampling).toEqual({ temperature: 0, maxTokens: 20, stop: ['END'], seed: 7 })
  })

  test('hands calls out as the model wrote them, once, and takes their results back', async () => {
    const { client, model } = makeClient([
      {
        toolCalls: [
          { name: 'weather', input: { town: 'Rome' } },
          { name: 'nothing', input: {} },
        ],
      },
      'It is sunny.',
    ])
    const openai = createOpenAI(client)
    const first = await openai.chat.completions.create({ model: 'auto', messages: [user], tools })
    const { message, finish_reason } = first.choices[0] ?? expect.fail()
    expect(finish_reason).toBe('tool_calls')
    expect(message.content).toBeNull()
    expect(message.tool_calls?.map((call) => call.function)).toEqual([
      { name: 'weather', arguments: '{"town":"Rome"}' },
      { name: 'nothing', arguments: '{}' },
    ])
    expect(model.requests, 'an input that does not fit is the caller’s to judge').toHaveLength(1)
    const results = (message.tool_calls ?? []).map(
      (call) => ({ role: 'tool', tool_call_id: call.id, content: `result of ${call.function.name}` }) as const,
    )
    const second = await openai.chat.completions.create({ model: 'auto', messages: [user, message, ...results], tools })
    expect(second.choices[0]?.message.content).toBe('It is sunny.')
    expect(model.requests[1]?.messages.at(-1)).toEqual({
      role: 'tool',
      content: [
        { type: 'tool-result', callId: 'call-1', name: 'weather', output: 'result of weather' },
        { type: 'tool-result', callId: 'call-2', name: 'nothing', output: 'result of nothing' },
      ],
    })
  })

  test('a choice of tools goes to the model, and without parallel calls one comes out', async () => {
    const calls = [{ name: 'weather' }, { name: 'weather' }]
    const { client, model } = makeClient([{ toolCalls: calls }])
    const completion = await createOpenAI(client).chat.completions.create({
      model: 'auto',
      messages: [user],
      tools,
      tool_choice: { type: 'function', function: { name: 'weather' } },
      parallel_tool_calls: false,
    })
    expect(model.requests[0]?.toolChoice).toEqual({ name: 'weather' })
    expect(completion.choices[0]?.message.tool_calls).toHaveLength(1)
  })

  test('streams chunks, calls whole, and usage last where it is wanted', async () => {
    const { client } = makeClient([{ text: 'I look.', toolCalls: [{ name: 'weather', input: { city: 'Rome' } }] }], {
      chunkSize: 3,
    })
    const stream = await createOpenAI(client, fixed).chat.completions.create({
      model: 'auto',
      messages: [user],
      tools,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = await collect(stream)
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta))
    expect(deltas[0]).toEqual({ role: 'assistant', content: '' })
    expect(deltas.map(({ content = '' }) => content).join('')).toBe('I look.')
    expect(deltas.flatMap(({ tool_calls = [] }) => tool_calls)).toEqual([
      { index: 0, id: 'call-1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
    ])
    const reasons = chunks.flatMap(({ choices }) => choices.map(({ finish_reason }) => finish_reason))
    expect(reasons.filter((reason) => reason !== null)).toEqual(['tool_calls'])
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) }, model: 'scripted' })
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true)
  })

  test('leaving a stream, its controller and the signal each stop the model', async () => {
    for (const how of ['leave', 'controller', 'signal'] as const) {
      const { client } = makeClient(['word '.repeat(1000)], { chunkSize: 5, delayMs: 1 })
      const own = new AbortController()
      const params = { model: 'auto', messages: [user], stream: true } as const
      const stream = await createOpenAI(client).chat.completions.create(params, { signal: own.signal })
      const seen: ChatCompletionChunk[] = []
      const read = async () => {
        for await (const chunk of stream) {
          seen.push(chunk)
          if (seen.length < 4) continue
          if (how === 'leave') break
          if (how === 'controller') stream.controller.abort()
          else own.abort()
        }
      }
      if (how === 'leave') await read()
      else await expect(read()).rejects.toMatchObject({ code: 'aborted', status: undefined })
      expect(seen.length).toBeLessThan(10)
    }
  })

  test('a whole answer is aborted by its signal', async () => {
    const { client } = makeClient(['never'], { delayMs: 60_000 })
    const own = new AbortController()
    const params = { model: 'auto', messages: [user] }
    const completion = createOpenAI(client).chat.completions.create(params, { signal: own.signal })
    own.abort()
    await expect(completion).rejects.toMatchObject({ code: 'aborted' })
  })

  const format = {
    type: 'json_schema',
    json_schema: {
      name: 'answer',
      schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  } as const

  test('an answer that has to fit a schema is mended, and comes as JSON only', async () => {
    const { client, model } = makeClient(['{"town": 1}', 'Here: ```json\n{"city": "Rome"}\n```'])
    const params = { model: 'auto', messages: [user], response_format: format }
    const completion = await createOpenAI(client).chat.completions.create(params)
    expect(completion.choices[0]?.message.content).toBe('{"city":"Rome"}')
    expect(model.requests).toHaveLength(2)
  })

  test('of a stream what stands around the JSON is left out', async () => {
    for (const text of ['{"city": "Ro}me"} I hope this helps.', 'Sure:\n```json\n{"city": "Ro}me"}\n```']) {
      const { client, model } = makeClient([text], { chunkSize: 4 })
      const params = { model: 'auto', messages: [user], response_format: format, stream: true } as const
      const chunks = await collect(await createOpenAI(client).chat.completions.create(params))
      const content = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
      expect(JSON.parse(content)).toEqual({ city: 'Ro}me' })
      expect(model.requests).toHaveLength(1)
    }
  })

  test('an answer that is no JSON after all comes as it is', async () => {
    const { client, model } = makeClient(['no', 'still no'])
    const params = { model: 'auto', messages: [user], response_format: { type: 'json_object' } } as const
    const completion = await createOpenAI(client).chat.completions.create(params)
    expect(completion.choices[0]?.message.content).toBe('still no')
    expect(model.requests[0]?.messages.at(-1)?.content).toContain('{"type":"object"}')
  })

  test('pictures come as bytes or by address', async () => {
    const { client, model } = makeClient(['A cat.'])
    const content = [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AQID' } },
      { type: 'image_url', image_url: { url: 'https://example.org/cat.jpg' } },
      { type: 'image_url', image_url: { url: 'data:image/svg+xml,%3Csvg/%3E' } },
    ]
    await createOpenAI(client).chat.completions.create({ model: 'auto', messages: [{ role: 'user', content }] })
    const parts = model.requests[0]?.messages[0]?.content
    expect(parts).toMatchObject([
      { type: 'text' },
      { type: 'image', mediaType: 'image/png' },
      { type: 'image', data: 'https://example.org/cat.jpg' },
      { type: 'image', mediaType: 'image/svg+xml', data: expect.any(Blob) },
    ])
    const [, picture] = parts as unknown as { data: Blob }[]
    expect([...new Uint8Array((await picture?.data.arrayBuffer()) ?? new ArrayBuffer(0))]).toEqual([1, 2, 3])
  })

  test.each([
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['audio', { audio: { voice: 'x', format: 'wav' } }],
    ['messages[0].content[0]', { messages: [{ role: 'user', content: [{ type: 'file', file: {} }] }] }],
    ['tools[0]', { tools: [{ type: 'custom' }] }],
    ['tool_choice', { tool_choice: 'sometimes' }],
    ['messages[0].role', { messages: [{ role: 'function', content: 'x' }] }],
    ['messages[0].tool_call_id', { messages: [{ role: 'tool', tool_call_id: 'lost', content: 'x' }] }],
    ['messages', { messages: undefined }],
  ])('%s that cannot be honoured is refused before a model is asked', async (param, more) => {
    const { client, model } = makeClient(['no'])
    const { create } = createOpenAI(client).chat.completions
    for (const stream of [false, true]) {
      const params = { model: 'auto', messages: [user], ...more, stream } as never
      const error = await create(params).catch((cause: unknown) => cause)
      expect(error).toMatchObject({ code: 'invalid-argument', status: 400, type: 'invalid_request_error', param })
      expect(isAlcoveError(error)).toBe(true)
    }
    expect(model.requests).toEqual([])
  })

  test('what the model fails with keeps its code and gets a status', async () => {
    const error = new AlcoveError('queue-full', 'Too much to do')
    const { client } = makeClient([{ error }, { text: 'Half', error }])
    const { create } = createOpenAI(client).chat.completions
    const expected = { code: 'queue-full', status: 429, message: 'Too much to do', retryable: true }
    await expect(create({ model: 'auto', messages: [user] })).rejects.toMatchObject(expected)
    const stream = await create({ model: 'auto', messages: [user], stream: true })
    await expect(collect(stream)).rejects.toMatchObject(expected)
  })
})

describe('embeddings.create', () => {
  test('gives numbers, or the same as base64', async () => {
    const openai = createOpenAI(makeClient([]).client)
    const { data, model, usage } = await openai.embeddings.create({ model: 'auto', input: ['one', 'two words'] })
    expect(data.map(({ index, embedding }) => [index, embedding.length])).toEqual([
      [0, 8],
      [1, 8],
    ])
    expect(model).toBe('hash')
    expect(usage).toEqual({ prompt_tokens: 3, total_tokens: 3 })
    const packed = await openai.embeddings.create({ model: 'hash', input: 'one', encoding_format: 'base64' })
    const bytes = Uint8Array.from(atob(packed.data[0]?.embedding ?? ''), (character) => character.charCodeAt(0))
    expect([...new Float32Array(bytes.buffer)]).toEqual(data[0]?.embedding)
  })

  test.each([
    ['input', 400, { input: [1, 2, 3] }],
    ['input', 400, { input: [] }],
    ['dimensions', 400, { dimensions: 3 }],
    [null, 404, { model: 'text-embedding-3-small' }],
  ])('%s with status %s is refused: %j', async (param, status, more) => {
    const { embeddings } = createOpenAI(makeClient([]).client)
    const error = await embeddings.create({ model: 'auto', input: 'x', ...more }).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ status, param })
  })
})

test('models.list gives what can be used, as a page and one by one', async () => {
  const { models } = createOpenAI(makeClient([]).client)
  const row = { id: 'scripted', object: 'model', created: 0, owned_by: 'device' }
  expect((await models.list()).data).toEqual([row])
  expect(await collect(models.list())).toEqual([row])
})

describe('fetch', () => {
  const post = (path: string, body: unknown) =>
    [`http://x/v1/${path}`, { method: 'POST', body: JSON.stringify(body) }] as const

  test('answers with JSON, or with events to the end', async () => {
    const { fetch } = createOpenAI(makeClient(['One.', 'Two.']).client)
    const whole = await fetch(...post('chat/completions', { model: 'auto', messages: [user] }))
    expect(await whole.json()).toMatchObject({ choices: [{ message: { content: 'One.' } }] })
    const events = await fetch(...post('chat/completions', { model: 'auto', messages: [user], stream: true }))
    expect(events.headers.get('content-type')).toBe('text/event-stream')
    expect(await events.text()).toMatch(/"content":"Two\."[\s\S]*\n\ndata: \[DONE\]\n\n$/)
    const list = await fetch('http://x/v1/models')
    expect(await list.json()).toMatchObject({ object: 'list', data: [{ id: 'scripted' }] })
  })

  test('errors come with a status, or in the stream, and are not worth a retry', async () => {
    const { fetch } = createOpenAI(
      makeClient([{ text: 'Half', error: new AlcoveError('out-of-memory', 'Full') }]).client,
    )
    const refused = await fetch(...post('chat/completions', { model: 'auto', messages: [user], n: 3 }))
    expect(refused.status).toBe(400)
    expect(refused.headers.get('x-should-retry')).toBe('false')
    expect(await refused.json()).toMatchObject({ error: { code: 'invalid-argument', param: 'n' } })
    const failed = await fetch(...post('chat/completions', { model: 'auto', messages: [user], stream: true }))
    expect(await failed.text()).toContain('"error":{"message":"Full"')
    expect((await fetch(...post('images/generations', {}))).status).toBe(404)
    expect((await fetch('http://x/v1/chat/completions', { method: 'POST', body: 'no json' })).status).toBe(400)
  })
})
