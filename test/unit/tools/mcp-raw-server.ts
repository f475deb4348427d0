import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A message as it came. */
export interface RawMessage {
  readonly id?: number
  readonly method: string
  // biome-ignore lint/suspicious/noExplicitAny: what a test looks into
  readonly params?: any
}

export interface RawCall {
  readonly message: RawMessage
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Answers with a result. */
  reply(result: unknown, headers?: Record<string, string>): void
  /** Begins an event stream. */
  stream(): void
  event(data: unknown): void
}

export type RawBehaviour = (call: RawCall) => unknown

/** The handshake and one tool named `tool`; what a test gives answers instead of these. */
export async function startRaw(behave: Partial<Record<string, RawBehaviour>>, headers: Record<string, string> = {}) {
  const messages: RawMessage[] = []
  const requests: { readonly method: string; readonly headers: IncomingMessage['headers'] }[] = []
  const http = createServer(async (request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    if (request.method === 'OPTIONS') return void response.writeHead(204).end()
    requests.push({ method: request.method ?? '', headers: request.headers })
    if (request.method !== 'POST') return void response.writeHead(405).end()
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece)
    const message: RawMessage = JSON.parse(Buffer.concat(pieces).toString())
    messages.push(message)
    const call: RawCall = {
      message,
      request,
      response,
      reply: (result, headers = {}) =>
        void response
          .writeHead(200, { 'content-type': 'application/json', ...headers })
          .end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result })),
      stream: () => void response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(),
      event: (data) => void response.write(`data: ${JSON.stringify(data)}\n\n`),
    }
    await (behave[message.method] ?? DEFAULTS[message.method] ?? accept)(call)
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    messages,
    requests,
    async close() {
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}

const accept: RawBehaviour = ({ response }) => void response.writeHead(202).end()

export const DEFAULTS: Readonly<Record<string, RawBehaviour>> = {
  initialize: ({ reply }) =>
    reply({
      protocolVersion: '2025-11-25',
      capabilities: { tools: { listChanged: true } },
      serverInfo: { name: 'raw', version: '0' },
    }),
  'tools/list': ({ reply }) =>
    reply({ tools: [{ name: 'tool', description: 'A tool.', inputSchema: { type: 'object' } }] }),
  'tools/call': ({ reply }) => reply({ content: [{ type: 'text', text: 'fine' }] }),
}
