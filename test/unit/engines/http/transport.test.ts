import { describe, expect, test } from 'vitest'
import { createCircuit } from '../../../../src/engines/http/circuit.js'
import { createHttpEngine } from '../../../../src/engines/http/http.js'
import { fakeClock } from '../../../../src/testing.js'
import { ask, ofType, openEngine, openModel, readParts, serve } from './open-model.js'
import { answerText, answerWith, type Behaviour, delta, event, json, openEvents, wait } from './protocol-server.js'

const failThen =
  (times: number, fail: Behaviour, then: Behaviour = answerText('ok')): Behaviour =>
  (request, response) =>
    (request.place < times ? fail : then)(request, response)

const status =
  (code: number, headers: Record<string, string> = {}): Behaviour =>
  (_, response) =>
    json(response, code, { error: { message: `no ${code}` } }, headers)

const hang: Behaviour = () => {}
const hangUp: Behaviour = (_, response) => void response.socket?.destroy()

describe('retries', () => {
  test.each([408, 409, 429, 500, 502, 503, 504])('%i is tried again, and said', async (code) => {
    const server = await serve(failThen(2, status(code)))
    const { text, parts } = await readParts(openModel(server))
    expect(text).toBe('ok')
    expect(server.seen).toHaveLength(3)
    const statuses = ofType(parts, 'status')
    expect(statuses.map((part) => part.status)).toEqual(['retrying', 'retrying'])
    expect(statuses[0]?.message).toContain(`answered ${code}`)
  })

  test.each([400, 401, 403, 404, 410, 422])('%i is not', async (code) => {
    const server = await serve(status(code))
    const { error } = await readParts(openModel(server))
    expect(error).toMatchObject({ code: 'http-status', retryable: false, details: { status: code } })
    expect(error?.message).toContain(`no ${code}`)
    expect(server.seen).toHaveLength(1)
  })

  test('a connection that is closed before the first byte is tried again, also after the headers', async () => {
    const server = await serve((request, response) => {
      if (request.place === 0) return hangUp(request, response)
      if (request.place > 1) return answerText('ok')(request, response)
      openEvents(response)
      setTimeout(() => response.socket?.destroy(), 5)
    })
    expect((await readParts(openModel(server))).text).toBe('ok')
    expect(server.seen).toHaveLength(3)
  })

  test('ends after so many tries with the last error', async () => {
    const server = await serve(status(503))
    const { error, parts } = await readParts(openModel(server, { retry: { baseDelayMs: 1, maxAttempts: 3 } }))
    expect(error).toMatchObject({ code: 'http-status', retryable: true, details: { status: 503 } })
    expect(server.seen).toHaveLength(3)
    expect(ofType(parts, 'status')).toHaveLength(2)
  })

  test('a server that is not there is a network error', async () => {
    const server = await serve(hang)
    await server.close()
    const { error } = await readParts(openModel(server, { retry: { baseDelayMs: 1, maxAttempts: 2 } }))
    expect(error).toMatchObject({ code: 'network', retryable: true, hint: expect.stringContaining('CORS') })
  })

  test.each([
    [{ 'retry-after': '3' }, 3_000],
    [{ 'retry-after': new Date(1_000_000 + 7_000).toUTCString() }, 7_000],
    [{ 'retry-after-ms': '1500', 'retry-after': '60' }, 1_500],
  ])('what the server asks to wait is waited: %j', async (headers, atLeastMs) => {
    const clock = fakeClock({ wallTime: 1_000_000 })
    const server = await serve(failThen(1, status(429, headers)))
    const reading = readParts(openModel(server, { clock, retry: { baseDelayMs: 100 } }))
    while (clock.timers === 0 || server.seen.length === 0) await wait(2)
    await wait(20)
    await clock.advance(atLeastMs - 1)
    await wait(20)
    expect(server.seen).toHaveLength(1)
    // Jitter comes on top: half of 100 ms with this random number.
    await clock.advance(52)
    expect((await reading).text).toBe('ok')
    expect(server.seen).toHaveLength(2)
  })

  test('a wait beyond the time allowed is not begun', async () => {
    const server = await serve(failThen(1, status(429, { 'retry-after': '3600' })))
    const { error } = await readParts(openModel(server))
    expect(error).toMatchObject({
      code: 'http-status',
      hint: expect.stringContaining('asks to wait 60 min'),
      details: { status: 429, retryAfterMs: 3_600_000 },
    })
  })

  test('a refusal of max_tokens is met with max_completion_tokens, and remembered', async () => {
    const server = await serve((request, response) => {
      if (request.body.max_tokens === undefined) return answerText('ok')(request, response)
      const message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
      json(response, 400, { error: { message, code: 'unsupported_parameter' } })
    })
    const model = openModel(server)
    const request = ask('?', { sampling: { maxTokens: 9 } })
    expect((await readParts(model, request)).text).toBe('ok')
    expect((await readParts(model, request)).text).toBe('ok')
    expect(server.seen.map(({ body }) => body.max_completion_tokens)).toEqual([undefined, 9, 9])
  })

  test('abort ends the wait between two tries', async () => {
    const server = await serve(status(503))
    const controller = new AbortController()
    const model = openModel(server, { retry: { baseDelayMs: 1_000_000, maxDelayMs: 1_000_000, maxTotalMs: 9_000_000 } })
    const onPart = () => controller.abort()
    const { error } = await readParts(model, ask(), { signal: controller.signal, onPart })
    expect(error?.code).toBe('aborted')
    expect(server.seen).toHaveLength(1)
  })
})

describe('after the first byte nothing is repeated', () => {
  test.each([
    [
      'closed in mid-stream',
      (response: Parameters<Behaviour>[1]) => setTimeout(() => response.socket?.destroy(), 10),
      'network',
    ],
    ['ended before the model did', (response: Parameters<Behaviour>[1]) => response.end(), 'network'],
    [
      'ended inside an event',
      (response: Parameters<Behaviour>[1]) => response.end('data: {"choices":[{"delta":{"content":"wo'),
      'network',
    ],
    [
      'broken',
      (response: Parameters<Behaviour>[1]) => response.end('data: {"choices": nonsense}\n\n'),
      'output-invalid',
    ],
    ['of another kind', (response: Parameters<Behaviour>[1]) => response.end(event({ answer: 42 })), 'output-invalid'],
    [
      'an error inside',
      (response: Parameters<Behaviour>[1]) => response.end(event({ error: { message: 'overloaded', code: 529 } })),
      'http-status',
    ],
    [
      'an error event',
      (response: Parameters<Behaviour>[1]) => response.end('event: error\ndata: {"message":"broke"}\n\n'),
      'http-status',
    ],
    [
      'a line without end',
      (response: Parameters<Behaviour>[1]) => response.write(`data: ${'x'.repeat(2_000_000)}`),
      'too-large',
    ],
  ])('a stream that is %s', async (_, end, code) => {
    const server = await serve((_request, response) => {
      openEvents(response)(event(delta({ content: 'Hello ' })))
      end(response)
    })
    const { text, error } = await readParts(openModel(server))
    expect(text).toBe('Hello ')
    expect(error).toMatchObject({ code })
    expect(error?.hint.length).toBeGreaterThan(10)
    expect(server.seen).toHaveLength(1)
  })

  test('an HTML page is no answer', async () => {
    const server = await serve(
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    )
    const { error } = await readParts(openModel(server))
    expect(error).toMatchObject({ code: 'output-invalid', hint: expect.stringContaining('/v1') })
  })

  test('an empty stream is no answer', async () => {
    const server = await serve(answerWith())
    expect((await readParts(openModel(server))).error?.code).toBe('output-invalid')
  })
})

describe('time-outs', () => {
  const limits = { retry: { maxAttempts: 1 } }
  test('until the headers', async () => {
    const { error } = await readParts(openModel(await serve(hang), { ...limits, timeouts: { connectMs: 30 } }))
    expect(error).toMatchObject({ code: 'timeout', details: { phase: 'connect', timeoutMs: 30 } })
  })

  test('until the first byte', async () => {
    const server = await serve((_, response) => void openEvents(response))
    const { error } = await readParts(openModel(server, { ...limits, timeouts: { firstByteMs: 30 } }))
    expect(error).toMatchObject({ code: 'timeout', details: { phase: 'first-byte' } })
  })

  test('between two pieces, which is not tried again', async () => {
    const server = await serve((_, response) => openEvents(response)(event(delta({ content: 'Hello' }))))
    const { error, text } = await readParts(openModel(server, { timeouts: { idleMs: 30 } }))
    expect(text).toBe('Hello')
    expect(error).toMatchObject({ code: 'timeout', details: { phase: 'idle' } })
    expect(server.seen).toHaveLength(1)
    await wait(20)
    expect(server.left).toBe(1)
  })

  test('a slow first try is tried again', async () => {
    const server = await serve(failThen(1, hang))
    expect((await readParts(openModel(server, { timeouts: { connectMs: 50 } }))).text).toBe('ok')
  })
})

describe('several servers', () => {
  test('the next one is asked at once when the first fails, and the first is left alone after that', async () => {
    const bad = await serve(status(500))
    const good = await serve(answerText('from the second'))
    const model = openModel([bad, good], { retry: { baseDelayMs: 1_000_000, maxDelayMs: 1_000_000 } })
    for (const _ of [1, 2, 3, 4]) expect((await readParts(model)).text).toBe('from the second')
    expect(bad.seen).toHaveLength(2)
    expect(good.seen).toHaveLength(4)
  })

  test('a server that is gone is passed over', async () => {
    const gone = await serve(hang)
    await gone.close()
    const model = openModel([gone, await serve(answerText('ok'))])
    expect((await readParts(model)).text).toBe('ok')
  })

  test('one that comes back is used again', async () => {
    const clock = fakeClock()
    const first = await serve(failThen(2, status(500), answerText('first')))
    const model = openModel([first, await serve(answerText('second'))], { clock })
    const texts: string[] = []
    for (const pauseMs of [0, 0, 4_000, 2_000, 0]) {
      await clock.advance(pauseMs)
      texts.push((await readParts(model)).text)
    }
    expect(texts).toEqual(['second', 'second', 'second', 'first', 'first'])
  })

  test('when none is well the error says so', async () => {
    const servers = [await serve(status(500)), await serve(status(502))]
    const { error } = await readParts(openModel(servers))
    expect(error?.code).toBe('http-status')
    expect(servers.map(({ seen }) => seen.length)).toEqual([2, 2])
  })

  test('a circuit lets one probe through, and doubles its pause when that fails', async () => {
    const clock = fakeClock()
    const circuit = createCircuit({ clock, failuresToOpen: 2, openMs: 1_000 })
    circuit.fail()
    expect(circuit.state).toBe('closed')
    circuit.fail()
    expect(circuit).toMatchObject({ state: 'open', blockedUntil: 1_000 })
    await clock.advance(1_000)
    expect(circuit).toMatchObject({ state: 'half-open', blockedUntil: 0 })
    circuit.enter()
    expect(circuit.blockedUntil).toBe(Number.POSITIVE_INFINITY)
    circuit.left()
    expect(circuit.blockedUntil).toBe(0)
    circuit.enter()
    circuit.fail()
    expect(circuit).toMatchObject({ state: 'open', blockedUntil: 3_000 })
    await clock.advance(2_000)
    circuit.enter()
    circuit.succeed()
    expect(circuit.state).toBe('closed')
  })
})

describe('connections', () => {
  test('are limited, the others wait and say their place', async () => {
    const server = await serve(async (_, response) => {
      const write = openEvents(response)
      write(event(delta({ content: 'a' })))
      await wait(20)
      write(event(delta({}, 'stop')))
      response.end()
    })
    const model = openModel(server, { connections: { perHost: 2, total: 8 } })
    const results = await Promise.all(Array.from({ length: 6 }, () => readParts(model)))
    expect(results.every(({ text }) => text === 'a')).toBe(true)
    expect(server.mostOpen).toBe(2)
    const places = results.map(({ parts }) => ofType(parts, 'status')[0]?.position)
    expect(places).toEqual([undefined, undefined, 1, 2, 3, 4])
  })

  test('are limited over all servers', async () => {
    const slow: Behaviour = async (request, response) => {
      await wait(20)
      await answerText('ok')(request, response)
    }
    const servers = [await serve(slow), await serve(slow)]
    const models = servers.map((each) => openModel(each))
    expect(models).toHaveLength(2)
    const engine = openEngine(servers, { connections: { perHost: 4, total: 1 } })
    await Promise.all([1, 2, 3].map(() => readParts(engine.chat('http:tiny'))))
    expect(Math.max(...servers.map(({ mostOpen }) => mostOpen))).toBe(1)
  })

  test('come free when a reader leaves, waits or runs into an error', async () => {
    const server = await serve(async (request, response) => {
      if (request.body.messages[0].content === 'ok') return answerText('ok')(request, response)
      openEvents(response)(event(delta({ content: 'on and on ' })))
    })
    const model = openModel(server, { connections: { perHost: 1 }, timeouts: { idleMs: 40 } })
    const reader = model.stream(ask('left')).getReader()
    await reader.read()
    const waiting = model.stream(ask('never sent')).getReader()
    await waiting.read()
    await waiting.cancel()
    await reader.cancel()
    expect((await readParts(model, ask('idle'))).error?.code).toBe('timeout')
    const controller = new AbortController()
    await readParts(model, ask('aborted'), { signal: controller.signal, onPart: () => controller.abort() })
    expect((await readParts(model, ask('ok'))).text).toBe('ok')
    expect(server.seen.map(({ body }) => body.messages[0].content)).toEqual(['left', 'idle', 'aborted', 'ok'])
  })
})

describe('closing', () => {
  test('ends what is in flight with closed, what waits too, and refuses what comes after', async () => {
    const server = await serve((_, response) => openEvents(response)(event(delta({ content: 'a' }))))
    const engine = openEngine(server, { connections: { total: 1 } })
    const model = engine.chat('http:tiny')
    const onPart = (part: { type: string }) => part.type === 'text-delta' && engine.close()
    const [running, waiting] = await Promise.all([readParts(model, ask(), { onPart }), readParts(model)])
    expect([running, waiting, await readParts(model)].map(({ error }) => error?.code)).toEqual([
      'closed',
      'closed',
      'closed',
    ])
    await expect(engine.embedding('http:tiny').embed(['a'])).rejects.toMatchObject({ code: 'closed' })
    expect(server.seen).toHaveLength(1)
  })
})

describe('secrets', () => {
  const KEY = 'sk-very-secret-0123456789'
  const HEADER = 'header-secret-987654'
  const options = { apiKey: KEY, headers: { 'x-api-key': HEADER }, retry: { maxAttempts: 1 } }
  const textsOf = (error: unknown): string => {
    const { message, hint, details, stack, cause } = error as Error & { hint: string; details: unknown }
    return [message, hint, JSON.stringify(details), stack, cause === undefined ? '' : textsOf(cause)].join('\n')
  }

  test('are sent, and are in no error whatever the server says', async () => {
    const server = await serve((_, response) =>
      json(response, 401, {
        error: { message: `Incorrect API key ${KEY} with ${HEADER}`, type: `t-${KEY}`, code: `c-${KEY}` },
      }),
    )
    const { error } = await readParts(openModel(server, options))
    expect(server.seen[0]?.headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'x-api-key': HEADER })
    expect(error).toMatchObject({ code: 'http-status', hint: 'Check http.apiKey.' })
    expect(textsOf(error)).toContain('[redacted]')
    expect(textsOf(error)).not.toMatch(new RegExp(`${KEY}|${HEADER}`))
  })

  test('are in no error of the platform either', async () => {
    const server = await serve(answerText('ok'))
    const broken = { apiKey: `${KEY}\n海` }
    const { error } = await readParts(openModel(server, broken))
    expect(error?.code).toBe('invalid-argument')
    expect(textsOf(error)).not.toContain(KEY)
    const leaky = async (_: unknown, init?: RequestInit) => {
      throw new Error(`failed with ${new Headers(init?.headers).get('authorization')}`)
    }
    const second = await readParts(openModel(server, { ...options, fetch: leaky as typeof fetch }))
    expect(second.error?.code).toBe('network')
    expect(textsOf(second.error)).not.toContain(KEY)
  })

  test('can come from a function, which is asked for each request', async () => {
    const server = await serve(answerText('ok'))
    let made = 0
    const model = openModel(server, { apiKey: async () => `key-number-${++made}` })
    await readParts(model)
    await readParts(model)
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer key-number-1',
      'Bearer key-number-2',
    ])
  })

  test('do not follow a redirect', async () => {
    const target = await serve(answerText('ok'))
    const server = await serve(
      (_, response) => void response.writeHead(307, { location: `${target.url}/chat/completions` }).end(),
    )
    const { error } = await readParts(openModel(server, options))
    expect(error).toMatchObject({ code: 'http-status', retryable: false, hint: expect.stringContaining('redirect') })
    expect(target.seen).toEqual([])
  })
})

describe('what the server says of the request', () => {
  test.each([
    [
      400,
      { error: { message: "This model's maximum context length is 8192 tokens", code: 'context_length_exceeded' } },
      'context-overflow',
    ],
    [
      400,
      { error: { message: 'too long', type: 'exceed_context_size_error', n_prompt_tokens: 9, n_ctx: 8 } },
      'context-overflow',
    ],
    [404, { error: { message: 'The model `tiny` does not exist', code: 'model_not_found' } }, 'model-not-found'],
    [404, { error: "model 'tiny' not found" }, 'model-not-found'],
    [404, '<html>nginx</html>', 'http-status'],
  ])('%i %j', async (code, body, expected) => {
    const server = await serve(
      (_, response) => void response.writeHead(code).end(typeof body === 'string' ? body : JSON.stringify(body)),
    )
    const { error } = await readParts(openModel(server))
    expect(error).toMatchObject({ code: expected, details: { status: code } })
    expect(error?.message).not.toContain('<')
  })
})

describe('configuration', () => {
  const scope = { allowRemote: false, pageUrl: 'https://page.example/app/' }
  test('other origins are refused when remote models are', () => {
    const open = (baseUrl: string | string[]) => () => createHttpEngine({ baseUrl }, scope)
    expect(open(['/v1', 'https://page.example/v1'])).not.toThrow()
    expect(open(['/v1', 'https://else.example/v1'])).toThrow(expect.objectContaining({ code: 'permission-denied' }))
    expect(open('https://page.example:8443/v1')).toThrow(expect.objectContaining({ code: 'permission-denied' }))
  })

  test.each([
    [undefined],
    [{ baseUrl: [] }],
    [{}],
    [{ baseUrl: '' }],
    [{ baseUrl: ['/v1', null] }],
    ['https://host/v1'],
    [{ baseUrl: 'ftp://host/v1' }],
    [{ baseUrl: 'https://name:password@host/v1' }],
    [{ baseUrl: '/v1', connections: { perHost: 0 } }],
    [{ baseUrl: '/v1', timeouts: { idleMs: Number.NaN } }],
    [{ baseUrl: '/v1', retry: { maxAttempts: -1 } }],
  ])('%j is refused', (options) => {
    let error: unknown
    try {
      createHttpEngine(options as never, scope)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code: 'invalid-argument' })
    expect(String(error)).not.toContain('password@')
  })

  test('ids may hold what servers use in names', () => {
    const engine = createHttpEngine({ baseUrl: '/v1' }, scope)
    for (const id of ['http:llama3.2:1b', 'http:openai/gpt-4o', 'http:@cf/meta/llama'])
      expect(engine.chat(id).id).toBe(id)
    expect(() => engine.chat('http:')).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  })

  test('load and inspect look whether a server is there', async () => {
    const well = await serve(answerText('ok'))
    const noList = await serve(answerText('ok'), status(404))
    const noKey = await serve(answerText('ok'), status(401))
    const gone = await serve(hang)
    await gone.close()
    const once = { retry: { maxAttempts: 1 } }
    await openModel(well, once).load()
    await openModel(noList, once).load()
    await expect(openModel(noKey, once).load()).rejects.toMatchObject({ code: 'http-status', details: { status: 401 } })
    await expect(openModel(gone, once).load()).rejects.toMatchObject({ code: 'network' })
    expect(await openEngine(well).inspect('http:tiny')).toEqual({ state: 'available', bytes: 0 })
    expect(await openEngine(gone).inspect('http:tiny')).toMatchObject({
      state: 'unavailable',
      error: { code: 'network' },
    })
    await expect(openModel(well).load({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
  })
})
