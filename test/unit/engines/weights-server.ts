import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** How a server treats one file. Everything may change while it runs. */
export interface Manners {
  body: Uint8Array
  etag: string | undefined
  /** `none`: it answers everything with the whole file. */
  ranges: 'yes' | 'none'
  /** The connection is cut after so many bytes of each of the first answers. */
  cuts: number[]
  /** Length header that is not the file's. */
  claims: number | undefined
  contentType: string
  status: number
  /** Called before an answer. */
  before: (request: IncomingMessage) => void | Promise<void>
}

/** A server that misbehaves as it is told, on this machine only. */
export async function startWeightServer(files: Record<string, Partial<Manners>>) {
  const asked: { readonly path: string; readonly method: string; readonly range: string | undefined }[] = []
  let sent = 0

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://x').pathname
    const file = files[path]
    const { range } = request.headers
    asked.push({ path, method: request.method ?? '', range })
    if (!file?.body) return void response.writeHead(404).end('no')
    await file.before?.(request)
    if (file.status) return void response.writeHead(file.status).end('no')
    const part = file.ranges === 'none' ? null : /^bytes=(\d+)-(\d*)$/.exec(range ?? '')
    const from = part ? Number(part[1]) : 0
    const to = part?.[2] ? Number(part[2]) + 1 : file.body.byteLength
    if (from >= file.body.byteLength && from > 0) return void response.writeHead(416).end()
    const body = file.body.subarray(from, to)
    response.writeHead(part ? 206 : 200, {
      'content-type': file.contentType ?? 'application/octet-stream',
      'content-length': file.claims ?? body.byteLength,
      ...(file.etag && { etag: file.etag }),
      ...(part && { 'content-range': `bytes ${from}-${to - 1}/${file.body.byteLength}` }),
    })
    if (request.method === 'HEAD') return void response.end()
    const cut = file.cuts?.shift()
    const given = cut === undefined ? body : body.subarray(0, cut)
    sent += given.byteLength
    if (cut === undefined && file.claims === undefined) return void response.end(given)
    // What was written must arrive before the connection goes.
    response.write(given, () => setTimeout(() => response.destroy(), 100))
  }

  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    asked,
    /** Bytes of bodies that were given out. */
    get sent() {
      return sent
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
