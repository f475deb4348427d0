import { afterAll, describe, expect, test } from 'vitest'
import { chatModelContract } from '../../../../src/testing-contracts.js'
import { ask, ofType, openModel, readParts, serve } from './open-model.js'
import {
  answerText,
  answerWith,
  delta,
  event,
  openEvents,
  startProtocolServer,
  usageChunk,
  wait,
} from './protocol-server.js'

describe('the contract, over a real server', () => {
  const server = startProtocolServer(async (_, response) => {
    const write = openEvents(response)
    for (const word of ['The ', 'sea ', 'is ', 'wide.']) {
      write(event(delta({ content: word })))
      await wait(5)
    }
    for (const last of [delta({}, 'stop'), usageChunk(14, 4), '[DONE]']) write(event(last))
    response.end()
  })
  afterAll(async () => (await server).close())
  chatModelContract({ test, expect }, async () => openModel(await server, { connections: { perHost: 1 } }))
})

describe('an answer', () => {
  test('is deltas, usage with cached tokens, and the finish', async () => {
    const server = await serve(answerText('The sea is wide.'))
    const { parts, text, error } = await readParts(openModel(server))
    expect(error).toBeUndefined()
    expect(text).toBe('The sea is wide.')
    expect(ofType(parts, 'text-delta')).toHaveLength(4)
    expect(ofType(parts, 'model-usage')).toMatchObject([
      { usage: { promptTokens: 7, completionTokens: 4, cachedTokens: 3 } },
    ])
    expect(parts.at(-1)).toEqual({ type: 'model-finish', reason: 'stop' })
  })

  test('has its reasoning apart, under both names that servers use', async () => {
    const server = await serve(
      answerWith(
        delta({ reasoning_content: 'Let me ' }),
        delta({ reasoning: 'think.' }),
        delta({ content: 'Yes.' }, 'length'),
      ),
    )
    const { parts, text } = await readParts(openModel(server))
    expect(ofType(parts, 'reasoning-delta').map((part) => part.text)).toEqual(['Let me ', 'think.'])
    expect(text).toBe('Yes.')
    expect(parts.at(-1)).toEqual({ type: 'model-finish', reason: 'length' })
  })

  test('is read from odd but legal streams: CRLF, comments, data of several lines, a mark, cuts inside a character', async () => {
    const text = JSON.stringify(delta({ content: 'é 海 🙂' }, 'stop'), null, 1)
    const raw = `\ufeff: hello\r\n\r\nevent: message\r\nid: 1\r\nretry: 5\r\n${text
      .split('\n')
      .map((line) => `data: ${line}\r\n`)
      .join('')}\r\n: keep-alive\r\r`
    const bytes = new TextEncoder().encode(raw)
    const server = await serve(async (_, response) => {
      const write = openEvents(response)
      for (const byte of bytes) {
        write(Uint8Array.of(byte))
        if (byte > 127) await wait(1)
      }
      // No empty line after the last event, and no mark of the end.
      write('data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}')
      response.end()
    })
    const result = await readParts(openModel(server))
    expect(result.error).toBeUndefined()
    expect(result.text).toBe('é 海 🙂')
    expect(ofType(result.parts, 'model-usage')).toHaveLength(1)
  })

  test('is taken whole from a server that does not stream', async () => {
    const server = await serve((_, response) => {
      const message = { role: 'assistant', content: 'All at once.', tool_calls: null }
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ ...usageChunk(5, 3), choices: [{ index: 0, message, finish_reason: 'stop' }] }))
    })
    const { text, parts } = await readParts(openModel(server))
    expect(text).toBe('All at once.')
    expect(ofType(parts, 'model-usage')).toMatchObject([{ usage: { promptTokens: 5 } }])
  })

  test('stops at the earliest of more stop texts than servers take', async () => {
    const server = await serve(answerText('one two three four five six'))
    const stop = ['zzz', 'yyy', 'xxx', 'www', 'four']
    const { text, parts } = await readParts(openModel(server), ask('Count', { sampling: { stop } }))
    expect(text).toBe('one two three ')
    expect(parts.at(-1)).toEqual({ type: 'model-finish', reason: 'stop' })
    expect(server.seen[0]?.body.stop).toEqual(stop.slice(0, 4))
  })
})

describe('tool calls', () => {
  const call = (fields: unknown) => delta({ tool_calls: [fields] })

  test('come in pieces, by index, and each is given as soon as it is whole', async () => {
    const server = await serve(
      answerWith(
        delta({ content: 'Looking. ' }),
        call({ index: 0, id: 'a', function: { name: 'weather', arguments: '{"city"' } }),
        call({ index: 0, function: { arguments: ':"Oslo"}' } }),
        call({ index: 1, id: 'b', function: { name: 'clock', arguments: '' } }),
        delta({}, 'tool_calls'),
      ),
    )
    const { parts } = await readParts(openModel(server))
    expect(parts.filter(({ type }) => type.startsWith('tool') || type === 'text-delta')).toEqual([
      { type: 'text-delta', text: 'Looking. ' },
      { type: 'tool-input-delta', callId: 'a', name: 'weather', text: '{"city"' },
      { type: 'tool-input-delta', callId: 'a', name: 'weather', text: ':"Oslo"}' },
      { type: 'tool-call', callId: 'a', name: 'weather', input: { city: 'Oslo' } },
      { type: 'tool-call', callId: 'b', name: 'clock', input: {} },
    ])
    expect(parts.at(-1)).toEqual({ type: 'model-finish', reason: 'tool-calls' })
  })

  test('are told apart without ids, without indices, and interleaved', async () => {
    const server = await serve(
      answerWith(
        call({ function: { name: 'first', arguments: '{"n":' } }),
        call({ function: { arguments: '1}' } }),
        call({ function: { name: 'second', arguments: { n: 2 } } }),
        call({ index: 5, function: { name: 'third', arguments: '{"n"' } }),
        call({ index: 6, function: { name: 'fourth', arguments: '{"n":4}' } }),
        call({ index: 5, function: { arguments: ':3}' } }),
        delta({}, 'stop'),
      ),
    )
    const { parts } = await readParts(openModel(server))
    const calls = ofType(parts, 'tool-call')
    const byName = Object.fromEntries(calls.map(({ name, input }) => [name, input]))
    expect(byName).toEqual({ first: { n: 1 }, second: { n: 2 }, third: { n: 3 }, fourth: { n: 4 } })
    expect(new Set(calls.map(({ callId }) => callId)).size).toBe(4)
    expect(parts.at(-1)).toEqual({ type: 'model-finish', reason: 'tool-calls' })
  })

  test('that are no JSON are given as text for the schema to refuse, but not when the answer was cut', async () => {
    const broken = call({ index: 0, id: 'a', function: { name: 'weather', arguments: '{"city":' } })
    const whole = await readParts(openModel(await serve(answerWith(broken, delta({}, 'tool_calls')))))
    expect(ofType(whole.parts, 'tool-call')).toMatchObject([{ input: '{"city":' }])
    const cut = await readParts(openModel(await serve(answerWith(broken, delta({}, 'length')))))
    expect(ofType(cut.parts, 'tool-call')).toEqual([])
    expect(cut.parts.at(-1)).toEqual({ type: 'model-finish', reason: 'length' })
  })

  test('without end are stopped', async () => {
    const many = Array.from({ length: 200 }, (_, index) =>
      call({ index, function: { name: 'again', arguments: '{}' } }),
    )
    const { error } = await readParts(openModel(await serve(answerWith(...many, delta({}, 'tool_calls')))))
    expect(error?.code).toBe('output-invalid')
  })
})

describe('what is sent', () => {
  test('every field of a request, in the protocol’s names', async () => {
    const server = await serve(answerText('ok'))
    const model = openModel(server, { defaults: { extraBody: { user: 'u1' } } })
    const sampling = {
      temperature: 0.5,
      topP: 0.9,
      topK: 20,
      maxTokens: 50,
      seed: 7,
      stop: ['END'],
      frequencyPenalty: 0.1,
      presencePenalty: 0.2,
      repetitionPenalty: 1.1,
      logitBias: { '15': -100 },
      reasoning: 'off',
    } as const
    const schema = {
      type: 'object',
      properties: { n: { type: 'number' } },
      required: ['n'],
      additionalProperties: false,
    }
    await readParts(model, {
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          name: 'ann',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image', data: new Blob([Uint8Array.of(1, 2, 3)]), mediaType: 'image/png' },
            { type: 'image', data: 'https://example.org/a.jpg', mediaType: 'image/jpeg' },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'hidden' },
            { type: 'tool-call', callId: 'a', name: 'look', input: { at: 1 } },
          ],
        },
        { role: 'tool', content: [{ type: 'tool-result', callId: 'a', name: 'look', output: { found: true } }] },
      ],
      tools: [{ name: 'look', description: 'Looks.', inputSchema: schema }],
      toolChoice: { name: 'look' },
      output: { type: 'json-schema', schema },
      sampling,
    })
    const { body, headers, path } = server.seen[0] ?? {}
    expect(path).toBe('/v1/chat/completions')
    expect(headers?.['content-type']).toBe('application/json')
    expect(body).toEqual({
      model: 'tiny',
      stream: true,
      stream_options: { include_usage: true },
      user: 'u1',
      temperature: 0.5,
      top_p: 0.9,
      top_k: 20,
      max_tokens: 50,
      seed: 7,
      stop: ['END'],
      frequency_penalty: 0.1,
      presence_penalty: 0.2,
      repetition_penalty: 1.1,
      logit_bias: { '15': -100 },
      chat_template_kwargs: { enable_thinking: false },
      tools: [{ type: 'function', function: { name: 'look', description: 'Looks.', parameters: schema } }],
      tool_choice: { type: 'function', function: { name: 'look' } },
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } },
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          name: 'ann',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AQID' } },
            { type: 'image_url', image_url: { url: 'https://example.org/a.jpg' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'look', arguments: '{"at":1}' } }],
        },
        { role: 'tool', tool_call_id: 'a', content: '{"found":true}' },
      ],
    })
  })

  test('a schema that is not closed goes as one that is not strict', async () => {
    const server = await serve(answerText('ok'))
    const schema = { type: 'object', properties: { n: { type: 'number' } } }
    await readParts(openModel(server), ask('?', { output: { type: 'json-schema', schema } }))
    expect(server.seen[0]?.body.response_format.json_schema).toMatchObject({ schema, strict: false })
  })

  test.each([
    [{ temperature: 3 }, /temperature: expected a number from 0 to 2, got 3/],
    [{ topP: 0 }, /topP/],
    [{ topK: 1.5 }, /topK/],
    [{ maxTokens: 0 }, /maxTokens/],
    [{ seed: 0.5 }, /seed/],
    [{ presencePenalty: Number.NaN }, /presencePenalty/],
    [{ logitBias: { '1': 101 } }, /logitBias/],
    [{ logitBias: { word: 1 } }, /logitBias/],
  ])('values out of range are refused before anything is sent: %j', async (sampling, message) => {
    const server = await serve(answerText('ok'))
    const { error } = await readParts(openModel(server), ask('?', { sampling }))
    expect(error).toMatchObject({ code: 'invalid-argument', message: expect.stringMatching(message) })
    expect(server.seen).toEqual([])
  })

  test('no messages, a grammar and a part that the model does not take are refused', async () => {
    const model = openModel(await serve(answerText('ok')))
    const codes = await Promise.all(
      [
        { messages: [] },
        ask('?', { output: { type: 'grammar', grammar: 'root ::= "a"', syntax: 'gbnf' as const } }),
        {
          messages: [
            { role: 'user' as const, content: [{ type: 'file' as const, data: new Blob(['x']), mediaType: 'a/b' }] },
          ],
        },
      ].map(async (request) => (await readParts(model, request)).error?.code),
    )
    expect(codes).toEqual(['invalid-argument', 'invalid-argument', 'invalid-argument'])
  })
})

describe('countTokens', () => {
  test('is exact for what was answered, leans on it for what goes on from it, and is an estimate else', async () => {
    const server = await serve(answerText('ok'))
    const model = openModel(server)
    const first = ask('Tell me something about the sea, please.')
    const before = await model.countTokens(first)
    expect(before).toBeGreaterThan(10)
    await readParts(model, first)
    expect(await model.countTokens(first)).toBe(7)
    const second = { messages: [...first.messages, { role: 'assistant' as const, content: 'ok' }] }
    expect(await model.countTokens(second)).toBeGreaterThan(7)
    expect(await model.countTokens(second)).toBeLessThan(before)
    expect(await model.countTokens({ messages: [{ role: 'user', content: '海'.repeat(100) }] })).toBeGreaterThan(100)
  })
})
