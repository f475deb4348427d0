import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { createMcpHandler, McpServer as StatelessMcpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'

/** A pixel. */
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=='

export interface OfficialServer {
  readonly url: string
  /** Of the first origin: method and headers of each request. */
  readonly requests: { readonly method: string; readonly headers: IncomingMessage['headers']; readonly body: string }[]
  /** The servers that were made, one a session. */
  readonly made: McpServer[]
  /** Calls of `wait` that were cancelled. */
  readonly cancelled: string[]
  close(): Promise<void>
}

/** A server of the official SDK with one of everything. */
export function makeServer(cancelled: string[] = []): McpServer {
  const server = new McpServer({ name: 'official', version: '1.2.3' }, { instructions: 'Ask for the weather.' })
  server.registerTool(
    'add',
    {
      description: 'Adds two numbers.',
      inputSchema: { a: z.number(), b: z.number() },
      annotations: { readOnlyHint: true },
    },
    async ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }),
  )
  server.registerTool(
    'weather',
    {
      description: 'Weather.',
      inputSchema: { city: z.string() },
      outputSchema: { city: z.string(), degrees: z.number() },
    },
    async ({ city }) => {
      const structuredContent = { city, degrees: 7 }
      return { structuredContent, content: [{ type: 'text', text: JSON.stringify(structuredContent) }] }
    },
  )
  server.registerTool('draw', { description: 'Draws.' }, async () => ({
    content: [
      { type: 'text', text: 'a pixel' },
      { type: 'image', data: PNG, mimeType: 'image/png' },
      { type: 'audio', data: btoa('sound'), mimeType: 'audio/wav' },
      { type: 'resource', resource: { uri: 'file:///a.txt', mimeType: 'text/plain', text: 'inside' } },
      { type: 'resource', resource: { uri: 'file:///b.bin', mimeType: 'application/zip', blob: btoa('zip') } },
      { type: 'resource_link', uri: 'file:///c.txt', name: 'c' },
    ],
  }))
  server.registerTool('fail', { description: 'Fails.' }, async () => ({
    isError: true,
    content: [{ type: 'text', text: 'the kettle is empty' }],
  }))
  server.registerTool('erase', { description: 'Erases.', annotations: { destructiveHint: true } }, async () => ({
    content: [{ type: 'text', text: 'erased' }],
  }))
  server.registerTool('steps', { description: 'Takes steps.' }, async ({ _meta, sendNotification }) => {
    const progressToken = _meta?.progressToken
    for (const progress of [1, 2]) {
      if (progressToken !== undefined) {
        await sendNotification({
          method: 'notifications/progress',
          params: { progressToken, progress, total: 2, message: `step ${progress}` },
        })
      }
    }
    return { content: [{ type: 'text', text: 'done' }] }
  })
  server.registerTool('wait', { description: 'Waits for ever.' }, async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    cancelled.push('wait')
    return { content: [{ type: 'text', text: 'late' }] }
  })
  server.registerTool('ask', { description: 'Asks the person.' }, async () => {
    const answer = await server.server.elicitInput({
      message: 'Which colour?',
      requestedSchema: { type: 'object', properties: { colour: { type: 'string' } }, required: ['colour'] },
    })
    return { content: [{ type: 'text', text: JSON.stringify(answer) }] }
  })
  server.registerTool(
    'break-stream',
    { description: 'Closes its stream in the middle.' },
    async ({ closeSSEStream }) => {
      closeSSEStream?.()
      await new Promise((resolve) => setTimeout(resolve, 50))
      return { content: [{ type: 'text', text: 'after the break' }] }
    },
  )
  server.registerTool('grow', { description: 'Adds a tool.' }, async () => {
    server.registerTool('grown', { description: 'New.' }, async () => ({ content: [{ type: 'text', text: 'new' }] }))
    return { content: [{ type: 'text', text: 'grown' }] }
  })
  server.registerResource(
    'handbook',
    'file:///handbook.md',
    { description: 'All of it', mimeType: 'text/markdown' },
    async (uri) => ({
      contents: [{ uri: uri.href, mimeType: 'text/markdown', text: '# Handbook' }],
    }),
  )
  server.registerPrompt('greet', { description: 'Greets.', argsSchema: { name: z.string() } }, async ({ name }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Say hello to ${name}.` } }],
  }))
  return server
}

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers':
    'content-type, accept, authorization, mcp-session-id, mcp-protocol-version, last-event-id',
  'access-control-allow-methods': 'GET, POST, DELETE',
  'access-control-expose-headers': 'Mcp-Session-Id, WWW-Authenticate',
}

type Handle = (request: IncomingMessage, response: ServerResponse, body: unknown) => Promise<void>

async function listen(
  handle: Handle,
  parts: Pick<OfficialServer, 'made' | 'cancelled'>,
  path: string,
  headers: Record<string, string>,
): Promise<OfficialServer> {
  const requests: OfficialServer['requests'][number][] = []
  const http = createServer(async (request, response) => {
    for (const [name, value] of Object.entries({ ...CORS, ...headers })) response.setHeader(name, value)
    if (request.method === 'OPTIONS') return void response.writeHead(204).end()
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece)
    const body = Buffer.concat(pieces).toString()
    requests.push({ method: request.method ?? '', headers: request.headers, body })
    await handle(request, response, body === '' ? undefined : JSON.parse(body))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    ...parts,
    requests,
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}${path}`,
    async close() {
      await Promise.all(parts.made.map((server) => server.close().catch(() => {})))
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}

/** The SDK's Streamable HTTP server, with sessions and events that can be taken up again. */
export async function startStreamable(
  options: { readonly json?: boolean; readonly headers?: Record<string, string> } = {},
) {
  const made: McpServer[] = []
  const cancelled: string[] = []
  const transports = new Map<string, StreamableHTTPServerTransport>()
  const server = await listen(
    async (request, response, body) => {
      const known = transports.get(String(request.headers['mcp-session-id']))
      if (known) return await known.handleRequest(request, response, body)
      if (request.headers['mcp-session-id']) return void response.writeHead(404).end()
      const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        enableJsonResponse: options.json ?? false,
        retryInterval: 10,
        eventStore: createEventStore(),
        onsessioninitialized: (id) => void transports.set(id, transport),
        onsessionclosed: (id) => void transports.delete(id),
      })
      const one = makeServer(cancelled)
      made.push(one)
      await one.connect(transport as never)
      await transport.handleRequest(request, response, body)
    },
    { made, cancelled },
    '/mcp',
    options.headers ?? {},
  )
  return { ...server, sessions: () => transports.size, forget: () => transports.clear() }
}

/** Events of a session in the order in which they were sent. */
function createEventStore() {
  const events: { readonly id: string; readonly stream: string; readonly message: unknown }[] = []
  return {
    async storeEvent(stream: string, message: unknown) {
      const id = `${stream}_${events.length}`
      events.push({ id, stream, message })
      return id
    },
    async replayEventsAfter(lastId: string, { send }: { send: (id: string, message: never) => Promise<void> }) {
      const at = events.findIndex(({ id }) => id === lastId)
      const stream = events[at]?.stream ?? ''
      for (const event of events.slice(at + 1))
        if (event.stream === stream) await send(event.id, event.message as never)
      return stream
    },
  }
}

/** The SDK's server of the old transport, HTTP with SSE. */
export async function startSse() {
  const made: McpServer[] = []
  const cancelled: string[] = []
  const transports = new Map<string, SSEServerTransport>()
  const server = await listen(
    async (request, response, body) => {
      if (request.method === 'GET') {
        const transport = new SSEServerTransport('/messages', response)
        transports.set(transport.sessionId, transport)
        const one = makeServer(cancelled)
        made.push(one)
        return await one.connect(transport)
      }
      const id = new URL(request.url ?? '', 'http://x').searchParams.get('sessionId') ?? ''
      const transport = transports.get(id)
      // As such servers do: their address for the stream takes no POST.
      if (!transport) return void response.writeHead(404).end('Cannot POST')
      await transport.handlePostMessage(request, response, body)
    },
    { made, cancelled },
    '/sse',
    {},
  )
  return { ...server, drop: () => Promise.all([...transports.values()].map((transport) => transport.close())) }
}

/** The SDK's server of 2026-07-28, which has no handshake and no sessions. */
export async function startStateless() {
  const handler = createMcpHandler(
    () => {
      const server = new StatelessMcpServer({ name: 'stateless', version: '2.0.0' })
      server.registerTool(
        'add',
        { description: 'Adds.', inputSchema: z.object({ a: z.number(), b: z.number() }) },
        async ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }),
      )
      return server
    },
    { legacy: 'reject' },
  )
  const server = await listen(
    async (request, response, body) => {
      const headers = new Headers(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
      const init = {
        method: request.method ?? 'GET',
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }
      const answer = await handler.fetch(new Request(`http://127.0.0.1${request.url}`, init))
      response.writeHead(answer.status, Object.fromEntries(answer.headers))
      for await (const piece of answer.body ?? []) response.write(piece)
      response.end()
    },
    { made: [], cancelled: [] },
    '/mcp',
    { 'access-control-allow-headers': `${CORS['access-control-allow-headers']}, mcp-method, mcp-name` },
  )
  return { ...server, notify: handler.notify }
}
