import { createServer, type IncomingMessage, type OutgoingHttpHeaders, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** The test's own server seen over a connection that is slow, and that can be taken away. */
export interface SlowServer {
  readonly url: string
  /** Bytes a second of each answer under `/models/`. */
  bytesPerSecond: number
  /** While true, connections are cut and new ones refused. */
  isDown: boolean
  /** What was asked for under `/models/`. */
  readonly asked: { readonly path: string; readonly range: string | undefined; readonly method: string }[]
  /** Bytes of files that were given out under `/models/`. */
  sent: number
  /** Files that are served beside those of the test's own server, by path. */
  readonly files: Map<string, ServedFile>
  close(): Promise<void>
}

/** What is served under a path: bytes, a status, or a page in HTML. */
export type ServedFile = Buffer | number | 'html'

const STEP_BYTES = 65_536

function answerFrom(file: ServedFile, request: IncomingMessage): Answer {
  if (typeof file === 'number') return { statusCode: file, headers: {}, body: [] }
  if (file === 'html')
    return { statusCode: 200, headers: { 'content-type': 'text/html' }, body: [Buffer.from('<!doctype html>')] }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const from = Number(range?.[1] ?? 0)
  const part = file.subarray(from, range?.[2] ? Number(range[2]) + 1 : file.byteLength)
  const headers = {
    'content-type': 'application/octet-stream',
    'content-length': String(part.byteLength),
    ...(range && { 'content-range': `bytes ${from}-${from + part.byteLength - 1}/${file.byteLength}` }),
  }
  return { statusCode: range ? 206 : 200, headers, body: request.method === 'HEAD' ? [] : [part] }
}

interface Answer {
  readonly statusCode: number
  readonly headers: OutgoingHttpHeaders
  readonly body: Iterable<Buffer> | AsyncIterable<Buffer>
}

async function askHome(path: URL, method: string, headers: OutgoingHttpHeaders): Promise<Answer> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request(path, { method, headers }, resolve).on('error', reject).end()
  })
  // Leaving the loop over its body early destroys it.
  return { statusCode: answer.statusCode ?? 502, headers: answer.headers, body: answer as AsyncIterable<Buffer> }
}

export async function startSlowServer(home: string): Promise<SlowServer> {
  const open = new Set<ServerResponse>()
  let isDown = false

  async function forward(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    if (isDown) return void response.destroy()
    const path = new URL(incoming.url ?? '/', home)
    const isModel = path.pathname.startsWith('/models/')
    const { host: _, ...headers } = incoming.headers
    if (isModel) slow.asked.push({ path: path.pathname, range: headers.range, method: incoming.method ?? '' })
    const file = slow.files.get(path.pathname)
    const answer =
      file === undefined ? await askHome(path, incoming.method ?? 'GET', headers) : answerFrom(file, incoming)
    response.writeHead(answer.statusCode, answer.headers)
    open.add(response)
    const closed = new Promise<void>((resolve) => {
      response.on('close', () => {
        open.delete(response)
        resolve()
      })
    })
    for await (const chunk of answer.body) {
      for (let at = 0; at < chunk.byteLength; at += STEP_BYTES) {
        const part = chunk.subarray(at, at + STEP_BYTES)
        if (response.destroyed) return
        if (isModel) {
          slow.sent += part.byteLength
          await pause((part.byteLength / slow.bytesPerSecond) * 1_000)
        }
        if (!response.write(part))
          await Promise.race([new Promise((resolve) => response.once('drain', resolve)), closed])
      }
    }
    response.end()
  }

  const server = createServer((incoming, response) => void forward(incoming, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const slow: SlowServer = {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    bytesPerSecond: 100_000_000,
    asked: [],
    sent: 0,
    files: new Map(),
    get isDown() {
      return isDown
    },
    set isDown(value) {
      isDown = value
      if (value) for (const response of open) response.destroy()
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
  return slow
}
