import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as the server got it. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  // biome-ignore lint/suspicious/noExplicitAny: the body is whatever the client sent, which the tests look into
  readonly body: any
  /** Place among the requests of its path, from 0. */
  readonly place: number
}

export type Behaviour = (request: SeenRequest, response: ServerResponse) => void | Promise<void>

/** A real HTTP server that speaks OpenAI's protocol as well or as badly as a test tells it. */
export interface ProtocolServer {
  readonly url: string
  readonly seen: SeenRequest[]
  /** Requests whose connection the client closed before their answer was complete. */
  readonly left: number
  /** Most requests that were open at once. */
  readonly mostOpen: number
  close(): Promise<void>
}

/** @param behave answers `POST` requests; `GET /v1/models` is a list unless `models` is given */
export async function startProtocolServer(behave: Behaviour, models?: Behaviour): Promise<ProtocolServer> {
  const seen: SeenRequest[] = []
  const counts = { left: 0, open: 0, mostOpen: 0 }
  const server = createServer(async (incoming, response) => {
    // Any page may ask: the browser's preflight too.
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('access-control-expose-headers', 'retry-after, retry-after-ms')
    if (incoming.method === 'OPTIONS') {
      return void response.writeHead(204, { 'access-control-allow-headers': '*, authorization' }).end()
    }
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const path = new URL(incoming.url ?? '/', 'http://localhost').pathname
    const place = seen.filter((each) => each.path === path).length
    const request = {
      method: incoming.method ?? '',
      path,
      headers: incoming.headers,
      body: text && JSON.parse(text),
      place,
    }
    seen.push(request)
    counts.open += 1
    counts.mostOpen = Math.max(counts.mostOpen, counts.open)
    response.on('close', () => {
      counts.open -= 1
      if (!response.writableEnded) counts.left += 1
    })
    const isList = incoming.method === 'GET'
    await (isList ? (models ?? listModels) : behave)(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    seen,
    get left() {
      return counts.left
    },
    get mostOpen() {
      return counts.mostOpen
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

const listModels: Behaviour = (_, response) => json(response, 200, { object: 'list', data: [{ id: 'tiny' }] })

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** Begins an event stream; what it returns writes one piece as it stands. */
export function openEvents(response: ServerResponse): (raw: string | Uint8Array) => void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  response.flushHeaders()
  return (raw) => void response.write(raw)
}

export const event = (value: unknown): string =>
  `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`

export const delta = (fields: unknown, finish: string | null = null) => ({
  id: 'c1',
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta: fields, finish_reason: finish }],
})

export const usageChunk = (prompt: number, completion: number, cached?: number) => ({
  choices: [],
  usage: {
    prompt_tokens: prompt,
    completion_tokens: completion,
    ...(cached !== undefined && { prompt_tokens_details: { cached_tokens: cached } }),
  },
})

/** Answers with these chunks and `[DONE]`, at once. */
export function answerWith(...chunks: unknown[]): Behaviour {
  return (_, response) => {
    const write = openEvents(response)
    for (const chunk of chunks) write(event(chunk))
    write(event('[DONE]'))
    response.end()
  }
}

/** A whole answer of a few words, with usage. */
export const answerText = (text: string): Behaviour =>
  answerWith(
    delta({ role: 'assistant', content: '' }),
    ...text.split(/(?<= )/).map((word) => delta({ content: word })),
    delta({}, 'stop'),
    usageChunk(7, text.split(' ').length, 3),
  )

export const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
