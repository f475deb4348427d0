import { afterEach, describe, expect, test, vi } from 'vitest'
import { fakeClock } from '../../../src/testing/fake-clock.js'
import { connectMcp } from '../../../src/tools/mcp/connect.js'
import type { McpConnection, McpOptions } from '../../../src/tools/mcp/options.js'
import { type RawBehaviour, startRaw } from './mcp-raw-server.js'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function start(behave: Partial<Record<string, RawBehaviour>> = {}) {
  const server = await startRaw(behave)
  open.push(server)
  return server
}
async function connect(options: McpOptions): Promise<McpConnection> {
  const mcp = await connectMcp(options)
  open.unshift(mcp)
  return mcp
}
const call = (mcp: McpConnection, more = {}) =>
  mcp.tools[0]?.execute({}, { callId: 'c', signal: new AbortController().signal, report: () => {}, ...more })

/** What comes of a call that the server answers so. */
async function callWith(behaviour: RawBehaviour, options: McpOptions = {}) {
  const server = await start({ 'tools/call': behaviour })
  const mcp = await connect({ url: server.url, name: 'raw', backoff: { baseDelayMs: 1, maxAttempts: 2 }, ...options })
  const outcome = await call(mcp)?.then(
    (value) => ({ value }),
    (error) => error,
  )
  return { server, mcp, outcome }
}

describe('an answer that is none', () => {
  test('says that it is longer than it is', async () => {
    const { outcome, mcp } = await callWith(({ response }) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '5000' })
      response.write('{"jsonrpc":"2.0",')
      setTimeout(() => response.destroy(), 20)
    })
    expect(outcome).toMatchObject({ code: 'network', hint: expect.stringContaining('may have been done') })
    expect(mcp.servers).toMatchObject([{ status: 'ready' }])
  })

  test('closes in mid-stream', async () => {
    const { outcome } = await callWith(({ stream, response }) => {
      stream()
      response.write('data: {"jsonrpc":"2.0","id":')
      setTimeout(() => response.destroy(), 20)
    })
    expect(outcome).toMatchObject({
      code: 'network',
      message: "MCP server 'raw' closed the connection before it answered",
    })
  })

  test('has the id of another request', async () => {
    const { outcome } = await callWith(({ response }) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.0","id":999,"result":{}}'),
    )
    expect(outcome).toMatchObject({ code: 'parse-failed', message: expect.stringContaining('belongs to no request') })
  })

  test('has the id of another request, in a stream that ends', async () => {
    const { outcome } = await callWith(({ stream, event, response }) => {
      stream()
      event({ jsonrpc: '2.0', id: 999, result: { content: [] } })
      response.end()
    })
    expect(outcome).toMatchObject({ code: 'network' })
  })

  test('is no JSON, as a body and as an event', async () => {
    const body = await callWith(({ response }) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end('<html>Hello'),
    )
    expect(body.outcome).toMatchObject({ code: 'parse-failed', message: expect.stringContaining('expected JSON') })
    const event = await callWith(({ stream, response }) => {
      stream()
      response.end('data: {nonsense\n\n')
    })
    expect(event.outcome).toMatchObject({ code: 'parse-failed' })
  })

  test('is a web page', async () => {
    const { outcome } = await callWith(({ response }) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Log in'),
    )
    expect(outcome).toMatchObject({ code: 'parse-failed', hint: expect.stringContaining('/mcp') })
  })

  test('never comes', async () => {
    const { outcome, server } = await callWith(() => {}, { timeoutMs: 40 })
    expect(outcome).toMatchObject({ code: 'timeout' })
    await vi.waitFor(() => expect(server.messages.at(-1)?.method).toBe('notifications/cancelled'))
  })

  test('never comes to the handshake either', async () => {
    const server = await start({ initialize: () => {} })
    await expect(connect({ url: server.url, connectTimeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' })
  })
})

describe('an answer that is too much', () => {
  test('of 10 MB', async () => {
    const { outcome } = await callWith(({ reply }) =>
      reply({ content: [{ type: 'text', text: 'x'.repeat(10_000_000) }] }),
    )
    expect(outcome).toMatchObject({ code: 'too-large', details: { maxBytes: 8_000_000 } })
  })

  test('as a line that never ends', async () => {
    let sent = 0
    const { outcome } = await callWith(
      ({ stream, response }) => {
        stream()
        response.write('data: ')
        const timer = setInterval(() => {
          sent += 100_000
          response.write('x'.repeat(100_000))
        }, 1)
        response.on('close', () => clearInterval(timer))
      },
      { maxMessageBytes: 500_000 },
    )
    expect(outcome).toMatchObject({ code: 'too-large', details: { maxBytes: 500_000 } })
    expect(sent).toBeLessThan(20_000_000)
  })

  test('as notifications without end', async () => {
    const { outcome } = await callWith(
      ({ stream, response }) => {
        stream()
        const one = `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { data: 'x'.repeat(500) } })}\n\n`
        const timer = setInterval(() => response.write(one.repeat(100)), 1)
        response.on('close', () => clearInterval(timer))
      },
      { maxMessageBytes: 20_000 },
    )
    expect(outcome).toMatchObject({ code: 'limit-reached' })
  })

  test('as a flood of changes: the tools are read once a second at most', async () => {
    const clock = fakeClock()
    const { outcome, server } = await callWith(
      ({ stream, event, response, message }) => {
        stream()
        for (let count = 0; count < 5_000; count++)
          event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })
        event({ jsonrpc: '2.0', id: message.id, result: { content: [] } })
        response.end()
      },
      { clock },
    )
    expect(outcome).toEqual({ value: '' })
    const reads = () => server.messages.filter(({ method }) => method === 'tools/list').length
    expect(reads()).toBe(1)
    await clock.advance(1_000)
    await vi.waitFor(() => expect(reads()).toBe(2))
    await clock.advance(5_000)
    expect(reads()).toBe(2)
  })

  test('as a flood of progress: a bounded number is passed on', async () => {
    const server = await start({
      'tools/call': ({ stream, event, response, message }) => {
        stream()
        for (let progress = 0; progress < 5_000; progress++) {
          event({
            jsonrpc: '2.0',
            method: 'notifications/progress',
            params: { progressToken: message.params._meta.progressToken, progress },
          })
        }
        event({ jsonrpc: '2.0', id: message.id, result: { content: [] } })
        response.end()
      },
    })
    const report = vi.fn()
    await call(await connect({ url: server.url, clock: fakeClock() }), { report })
    expect(report).toHaveBeenCalledTimes(200)
  })

  test('of pages of tools that never end', async () => {
    let pages = 0
    const server = await start({
      'tools/list': ({ reply }) =>
        reply({ tools: [{ name: `t${++pages}`, inputSchema: { type: 'object' } }], nextCursor: `c${pages}` }),
    })
    expect((await connect({ url: server.url })).tools).toHaveLength(100)
  })

  test('a text that is longer than allowed is cut, and says so', async () => {
    const { outcome } = await callWith(({ reply }) => reply({ content: [{ type: 'text', text: 'y'.repeat(1_000) }] }), {
      maxTextLength: 100,
    })
    expect(outcome.value).toMatch(/^y{100}\n\[cut: the server sent more than 100 characters\]$/)
  })
})

describe('a server that sends elsewhere', () => {
  test('by a redirect is not followed', async () => {
    const target = await start()
    const server = await start({
      initialize: ({ response }) => void response.writeHead(307, { location: target.url }).end(),
    })
    await expect(connect({ url: server.url })).rejects.toMatchObject({
      code: 'http-status',
      hint: expect.stringContaining(`the server says ${target.url}`),
    })
    expect(target.messages).toEqual([])
  })

  test('by an endpoint of another origin is not followed', async () => {
    const fetch = async () =>
      new Response('event: endpoint\ndata: https://thief.example/messages\n\n', {
        headers: { 'content-type': 'text/event-stream' },
      })
    const connecting = connect({
      url: 'https://old.example/sse',
      transport: 'sse',
      fetch,
      headers: { authorization: 'secret' },
    })
    await expect(connecting).rejects.toMatchObject({
      code: 'permission-denied',
      message: expect.stringContaining('another origin'),
    })
  })
})

describe('a server that asks for a sign-in', () => {
  const guarded: RawBehaviour = ({ request, response, reply }) => {
    if (request.headers.authorization === 'Bearer good') {
      return reply({
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'raw', version: '0' },
      })
    }
    const challenge = 'Bearer resource_metadata="https://auth.example/meta", scope="read"'
    response.writeHead(401, { 'www-authenticate': challenge }).end()
  }

  test('is told of, with where', async () => {
    const server = await start({ initialize: guarded })
    await expect(connect({ url: server.url, name: 'shop' })).rejects.toMatchObject({
      code: 'permission-denied',
      message: "MCP server 'shop' asks for a sign-in (status 401)",
      hint: expect.stringContaining('https://auth.example/meta'),
      details: { status: 401, scope: 'read', challenge: expect.stringContaining('Bearer') },
    })
  })

  test('lets in who gives what authorize got, asked once', async () => {
    const server = await start({ initialize: guarded })
    const authorize = vi.fn(async () => ({ authorization: 'Bearer good' }))
    const mcp = await connect({ url: server.url, authorize })
    expect(await call(mcp)).toBe('fine')
    expect(authorize).toHaveBeenCalledTimes(1)
    expect(authorize).toHaveBeenCalledWith(
      expect.objectContaining({ resourceMetadataUrl: 'https://auth.example/meta' }),
    )
    expect(server.requests.at(-1)?.headers.authorization).toBe('Bearer good')
  })

  test('that repeats a key in its words does not get it into an error', async () => {
    const server = await start({
      initialize: ({ request, response }) =>
        response.writeHead(500).end(`bad key ${request.headers.authorization?.slice(7)}`),
    })
    const error = await connect({ url: server.url, headers: { authorization: 'Bearer very-secret-key' } }).catch(
      (thrown) => thrown,
    )
    expect(error).toMatchObject({ code: 'http-status', message: expect.stringContaining('bad key [redacted]') })
    expect(JSON.stringify([error.message, error.hint, error.details])).not.toContain('very-secret')
  })

  test('or does not let the page’s origin in, is told of as both', async () => {
    const server = await start({ initialize: ({ response }) => response.writeHead(403).end() })
    await expect(connect({ url: server.url })).rejects.toMatchObject({
      code: 'permission-denied',
      hint: expect.stringContaining('origin'),
    })
  })

  test('does not ask for ever', async () => {
    const server = await start({ initialize: guarded })
    const authorize = vi.fn(() => ({ authorization: 'Bearer bad' }))
    await expect(connect({ url: server.url, authorize })).rejects.toMatchObject({ code: 'permission-denied' })
    expect(authorize).toHaveBeenCalledTimes(1)
  })
})

describe('several servers', () => {
  test('one that fails stops no other, and is connected when it is there', async () => {
    let isUp = false
    const late = await start({
      initialize: ({ response, reply }) =>
        isUp
          ? reply({ protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: {} })
          : void response.writeHead(503).end(),
      'tools/list': ({ reply }) => reply({ tools: [{ name: 'late', inputSchema: { type: 'object' } }] }),
    })
    const good = await start()
    const clock = fakeClock()
    const onChange = vi.fn()
    const mcp = await connect({
      servers: [
        { url: late.url, name: 'late' },
        { url: good.url, name: 'good' },
      ],
      clock,
      onChange,
    })
    expect(mcp.servers).toMatchObject([{ status: 'failed', error: { code: 'http-status' } }, { status: 'ready' }])
    expect(mcp.tools.map(({ name }) => name)).toEqual(['tool'])
    isUp = true
    await clock.advance(2_000)
    await vi.waitFor(() => expect(mcp.tools.map(({ name }) => name)).toEqual(['late', 'tool']))
    expect(onChange).toHaveBeenCalled()
  })

  test('a server of an unknown version is refused with what this client speaks', async () => {
    const server = await start({
      initialize: ({ reply }) => reply({ protocolVersion: '1999-01-01', capabilities: {} }),
    })
    await expect(connect({ url: server.url })).rejects.toMatchObject({
      code: 'version-unsupported',
      hint: expect.stringContaining('2025-11-25'),
    })
  })

  test('a server that is not there', async () => {
    const server = await startRaw({})
    await server.close()
    await expect(connect({ url: server.url })).rejects.toMatchObject({
      code: 'network',
      hint: expect.stringContaining('CORS'),
    })
  })

  test('a client that may not read the session’s id is told what to do', async () => {
    const server = await start({ 'tools/list': ({ response }) => void response.writeHead(400).end('no session') })
    await expect(connect({ url: server.url })).rejects.toMatchObject({
      hint: expect.stringContaining('Access-Control-Expose-Headers'),
    })
  })

  test.each([
    [{}],
    [{ url: 'ftp://x' }],
    [{ url: 'not a url' }],
    [{ url: 'http://x', port: new MessageChannel().port1 }],
  ])('options %# are refused', async (options) => {
    await expect(connect(options as McpOptions)).rejects.toMatchObject({ code: 'invalid-argument' })
  })
})

describe('a server without a handshake that asks back', () => {
  const refuse: RawBehaviour = ({ response, message }) =>
    response.writeHead(400, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        jsonrpc: '2.0',
        id: message.id,
        error: { code: -32022, message: 'no', data: { supported: ['2026-07-28'] } },
      }),
    )
  const behave = (calls: RawBehaviour): Partial<Record<string, RawBehaviour>> => ({
    initialize: refuse,
    'server/discover': ({ reply }) =>
      reply({ resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } }),
    'tools/call': calls,
  })
  const askColour: RawBehaviour = ({ message, reply }) => {
    const { inputResponses, requestState } = message.params
    if (inputResponses === undefined) {
      const inputRequests = { colour: { method: 'elicitation/create', params: { message: 'Which colour?' } } }
      return reply({ resultType: 'input_required', requestState: 'opaque', inputRequests })
    }
    reply({ content: [{ type: 'text', text: JSON.stringify([inputResponses, requestState]) }] })
  }

  test('gets the answer with the next try', async () => {
    const server = await start(behave(askColour))
    const onElicit = () => ({ action: 'accept', content: { colour: 'blue' } })
    const mcp = await connect({ url: server.url, onElicit })
    expect(JSON.parse((await call(mcp)) as string)).toEqual([{ colour: onElicit() }, 'opaque'])
    const [first] = server.messages.filter(({ method }) => method === 'tools/call')
    expect(first?.params._meta['io.modelcontextprotocol/clientCapabilities']).toEqual({ elicitation: {} })
  })

  test('is refused what the host does not give', async () => {
    const mcp = await connect({ url: (await start(behave(askColour))).url })
    await expect(call(mcp)).rejects.toMatchObject({
      code: 'permission-denied',
      hint: expect.stringContaining('onElicit'),
    })
  })

  test('is not answered for ever', async () => {
    const server = await start(behave(({ reply }) => reply({ resultType: 'input_required', requestState: 'again' })))
    await expect(call(await connect({ url: server.url }))).rejects.toMatchObject({ code: 'parse-failed' })
    expect(server.messages.filter(({ method }) => method === 'tools/call')).toHaveLength(5)
  })
})

test('a server may use the page’s model where the host lets it; headers may come from a function', async () => {
  const server = await start({
    'tools/call': ({ stream, event }) => {
      stream()
      event({ jsonrpc: '2.0', id: 'ask', method: 'sampling/createMessage', params: { messages: [] } })
    },
  })
  const answer = { role: 'assistant', content: { type: 'text', text: 'hello' }, model: 'm' }
  const mcp = await connect({
    url: server.url,
    onSample: () => answer,
    headers: async () => ({ 'x-key': 'k1' }),
    timeoutMs: 500,
  })
  const running = call(mcp)
  running?.catch(() => {})
  await vi.waitFor(() => expect(server.messages.at(-1)).toMatchObject({ id: 'ask', result: answer }))
  expect(server.requests.every(({ headers }) => headers['x-key'] === 'k1')).toBe(true)
  await mcp.close()
  await expect(running).rejects.toMatchObject({ code: 'closed' })
})
