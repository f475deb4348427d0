import { afterEach, describe, expect, test, vi } from 'vitest'
import { createAgent } from '../../../src/agents/agent.js'
import { scriptedModel } from '../../../src/engines/scripted.js'
import type { StreamPart } from '../../../src/protocol/stream-part.js'
import { connectMcp } from '../../../src/tools/mcp/connect.js'
import type { McpConnection, McpOptions } from '../../../src/tools/mcp/options.js'
import type { Tool } from '../../../src/tools/tool.js'
import { PNG, startSse, startStateless, startStreamable } from './mcp-official-server.js'

const open: { close(): Promise<void> }[] = []
const keep = <T extends { close(): Promise<void> }>(one: T): T => {
  open.unshift(one)
  return one
}
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const connect = async (options: McpOptions): Promise<McpConnection> => keep(await connectMcp(options))
const toolOf = ({ tools }: McpConnection, name: string): Tool => {
  const found = tools.find((one) => one.name === name)
  if (!found) throw new Error(`no tool ${name} among ${tools.map((one) => one.name)}`)
  return found
}
const call = (
  connection: McpConnection,
  name: string,
  input: unknown = {},
  more: Partial<Parameters<Tool['execute']>[1]> = {},
) =>
  toolOf(connection, name).execute(input, {
    callId: 'c1',
    signal: new AbortController().signal,
    report: () => {},
    ...more,
  })
const until = async (isTrue: () => boolean): Promise<void> => {
  for (let tries = 0; !isTrue(); tries++) {
    if (tries > 300) throw new Error('it did not come')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const kinds = [
  ['Streamable HTTP', () => startStreamable()],
  ['Streamable HTTP with JSON answers', () => startStreamable({ json: true })],
  ['HTTP with SSE', () => startSse()],
] as const

describe.each(kinds)('the official server over %s', (_, start) => {
  test('shakes hands, lists, calls', async () => {
    const server = keep(await start())
    const mcp = await connect({ url: server.url, name: 'official' })
    expect(mcp.servers).toMatchObject([
      {
        name: 'official',
        title: 'official',
        status: 'ready',
        version: '1.2.3',
        protocolVersion: '2025-11-25',
        problems: [],
      },
    ])
    expect(mcp.tools.map(({ name }) => name)).toContain('break-stream')
    expect(await call(mcp, 'add', { a: 2, b: 3 })).toBe('5')
    expect(await call(mcp, 'weather', { city: 'Oslo' })).toEqual({ city: 'Oslo', degrees: 7 })
  })

  test('gives pictures, sounds and files as media parts', async () => {
    const server = keep(await start())
    const output = (await call(await connect({ url: server.url }), 'draw')) as { type: string; data: Blob }[]
    expect(output[0]).toBe('a pixel')
    expect(output.slice(1)).toMatchObject([
      { type: 'image', mediaType: 'image/png' },
      { type: 'audio', mediaType: 'audio/wav' },
      { type: 'resource', uri: 'file:///a.txt', text: 'inside' },
      { type: 'file', mediaType: 'application/zip' },
      { type: 'resource', uri: 'file:///c.txt', name: 'c' },
    ])
    const image = output[1]?.data
    expect(Buffer.from((await image?.arrayBuffer()) ?? new ArrayBuffer(0)).toString('base64')).toBe(PNG)
  })

  test('its errors, annotations, resources and prompts', async () => {
    const server = keep(await start())
    const mcp = await connect({ url: server.url, name: 'official' })
    await expect(call(mcp, 'fail')).rejects.toMatchObject({ code: 'tool-failed', message: 'the kettle is empty' })
    expect(toolOf(mcp, 'erase').needsApproval({})).toBe(true)
    expect(toolOf(mcp, 'add').needsApproval({})).toBe(false)
    expect(await toolOf(mcp, 'add').checkInput({ a: 'two', b: 3 })).toMatchObject({ isValid: false })
    expect(await mcp.resources.list()).toMatchObject([
      { server: 'official', uri: 'file:///handbook.md', description: 'All of it' },
    ])
    expect(await mcp.resources.read('file:///handbook.md')).toMatchObject([{ type: 'resource', text: '# Handbook' }])
    expect(await mcp.prompts.list()).toMatchObject([{ name: 'greet', arguments: [{ name: 'name', isRequired: true }] }])
    expect(await mcp.prompts.get('greet', { name: 'Ada' })).toEqual({
      description: '',
      messages: [{ role: 'user', content: 'Say hello to Ada.' }],
    })
    await expect(mcp.resources.read('file:///nothing')).rejects.toMatchObject({ name: 'AlcoveError' })
  })

  test('an abort cancels the call on the server', async () => {
    const server = keep(await start())
    const mcp = await connect({ url: server.url })
    const controller = new AbortController()
    const waiting = call(mcp, 'wait', {}, { signal: controller.signal })
    waiting.catch(() => {})
    await until(() => server.requests.some(({ body }) => body.includes('"wait"')))
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' })
    await until(() => server.cancelled.length === 1)
  })
})

const streams = kinds.filter(([kind]) => !kind.includes('JSON'))

// JSON answers carry nothing beside the answer.
describe.each(streams)('the official server in the middle of a call over %s', (_, start) => {
  test('tells of progress, and of a change of its tools', async () => {
    const server = keep(await start())
    const onChange = vi.fn()
    const mcp = await connect({ url: server.url, onChange })
    const reports: unknown[] = []
    expect(await call(mcp, 'steps', {}, { report: (progress) => void reports.push(progress) })).toBe('done')
    expect(reports).toEqual([
      { progress: 1, total: 2, message: 'step 1' },
      { progress: 2, total: 2, message: 'step 2' },
    ])
    await call(mcp, 'grow')
    await until(() => mcp.tools.some(({ name }) => name === 'grown'))
    expect(onChange).toHaveBeenCalled()
    expect(await call(mcp, 'grown')).toBe('new')
  })

  test('may ask the person through the host, and is refused without it', async () => {
    const server = keep(await start())
    const asked: unknown[] = []
    const mcp = await connect({
      url: server.url,
      onElicit: ({ message }) => {
        asked.push(message)
        return { action: 'accept', content: { colour: 'blue' } }
      },
    })
    expect(await call(mcp, 'ask')).toBe('{"action":"accept","content":{"colour":"blue"}}')
    expect(asked).toEqual(['Which colour?'])
    const without = await connect({ url: server.url })
    await expect(call(without, 'ask')).rejects.toMatchObject({ code: 'tool-failed' })
  })
})

describe('sessions of Streamable HTTP', () => {
  test('headers are as the protocol wants them, and close ends the session', async () => {
    const server = keep(await startStreamable())
    const mcp = await connect({ url: server.url, headers: { authorization: 'Bearer x' } })
    const [first, second] = server.requests
    expect(first?.headers).toMatchObject({ accept: 'application/json, text/event-stream', authorization: 'Bearer x' })
    expect(first?.headers['mcp-session-id']).toBeUndefined()
    expect(second?.headers).toMatchObject({
      'mcp-protocol-version': '2025-11-25',
      'mcp-session-id': expect.any(String),
    })
    expect(server.sessions()).toBe(1)
    await mcp.close()
    expect(server.sessions()).toBe(0)
    await expect(call(mcp, 'add', { a: 1, b: 1 }).catch((error) => error)).resolves.toBeInstanceOf(Error)
  })

  test('a stream that breaks is taken up where it was', async () => {
    const server = keep(await startStreamable())
    const mcp = await connect({ url: server.url, backoff: { baseDelayMs: 5 } })
    expect(await call(mcp, 'break-stream')).toBe('after the break')
    expect(server.requests.some(({ method, headers }) => method === 'GET' && headers['last-event-id'])).toBe(true)
  })

  test('a session that the server forgot is begun again, and the call is made', async () => {
    const server = keep(await startStreamable())
    const mcp = await connect({ url: server.url })
    server.forget()
    expect(await call(mcp, 'add', { a: 20, b: 3 })).toBe('23')
    expect(server.made).toHaveLength(2)
  })
})

test('the old transport is connected again when its stream is lost', async () => {
  const server = keep(await startSse())
  const mcp = await connect({ url: server.url, transport: 'sse', backoff: { baseDelayMs: 5 } })
  await server.drop()
  await until(() => server.made.length === 2 && mcp.tools.length > 0)
  expect(await call(mcp, 'add', { a: 1, b: 2 })).toBe('3')
})

test('the official server of 2026-07-28 works without handshake and session, and tells of changes', async () => {
  const server = keep(await startStateless())
  const onChange = vi.fn()
  const mcp = await connect({ url: server.url, onChange })
  expect(mcp.servers).toMatchObject([{ status: 'ready', title: 'stateless', protocolVersion: '2026-07-28' }])
  expect(await call(mcp, 'add', { a: 4, b: 5 })).toBe('9')
  const calls = server.requests.filter(({ headers }) => headers['mcp-method'] === 'tools/call')
  expect(calls.map(({ headers }) => headers['mcp-name'])).toEqual(['add'])
  expect(JSON.parse(calls[0]?.body ?? '').params._meta).toMatchObject({
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  })
  // Closing the request is all that cancels it there.
  const late = call(mcp, 'add', { a: 1, b: 1 }, { signal: AbortSignal.timeout(0) })
  await late?.catch(() => {})
  expect(server.requests.filter(({ body }) => body.includes('notifications/cancelled'))).toEqual([])
  await until(() => server.requests.some(({ headers }) => headers['mcp-method'] === 'subscriptions/listen'))
  await new Promise((resolve) => setTimeout(resolve, 50))
  server.notify.toolsChanged()
  await until(() => onChange.mock.calls.length > 0)
})

test('an agent calls them, with progress, approval and an error that the model sees', async () => {
  const server = keep(await startStreamable())
  const mcp = await connect({ url: server.url })
  const model = scriptedModel([
    {
      toolCalls: [
        { name: 'steps', input: {} },
        { name: 'fail', input: {} },
        { name: 'erase', input: {} },
      ],
    },
    'All done.',
  ])
  const run = createAgent({ model, tools: mcp.tools }).stream('Do it.')
  const parts: StreamPart[] = []
  for await (const part of run) {
    parts.push(part)
    if (part.type === 'approval-request') run.approve(part.callId)
  }
  expect(parts.filter(({ type }) => type === 'tool-progress')).toHaveLength(2)
  expect(parts.filter(({ type }) => type === 'approval-request')).toMatchObject([{ name: 'erase' }])
  const results = parts.filter((part) => part.type === 'tool-result')
  expect(Object.fromEntries(results.map(({ name, output, isError }) => [name, [output, isError]]))).toEqual({
    steps: ['done', false],
    fail: ['Error: fail failed: the kettle is empty', true],
    erase: ['erased', false],
  })
})
