// A static file server for the demo and the tests: byte ranges, HEAD, lengths and a strict Content-Security-Policy. Node only.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const MEDIA_TYPES = {
  '.alcove': 'application/vnd.alcove.corpus',
  '.css': 'text/css; charset=utf-8',
  '.docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
}

/** What a page of ours needs and nothing else: its own scripts, workers, WebAssembly, and model files from the hub. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self' blob: https://huggingface.co https://*.huggingface.co https://*.hf.co https://raw.githubusercontent.com",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * Finds the file for a url path in the mounts: `[prefix, folder]`, first match that exists wins.
 * A path cannot leave its folder: it is normalised before it is joined.
 * @param {string} path
 * @param {readonly (readonly [string, string])[]} mounts
 */
async function findFile(path, mounts) {
  for (const [prefix, folder] of mounts) {
    if (!path.startsWith(prefix)) continue
    const relative = normalize(path.slice(prefix.length))
      .split(sep)
      .filter((name) => name !== '..')
      .join(sep)
    let file = join(folder, relative)
    let info = await stat(file).catch(() => undefined)
    if (info?.isDirectory()) {
      file = join(file, 'index.html')
      info = await stat(file).catch(() => undefined)
    }
    if (info?.isFile()) return { file, info }
  }
  return undefined
}

/**
 * The bytes that a Range header asks for; undefined for the whole file, null when it cannot be satisfied.
 * @param {string | undefined} header
 * @param {number} size
 */
export function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const suffix = match[1] === ''
  const start = suffix ? Math.max(0, size - Number(match[2])) : Number(match[1])
  const end = suffix || match[2] === '' ? size - 1 : Math.min(size - 1, Number(match[2]))
  return start > end || start >= size ? null : { start, end }
}

/** Lets so many bytes a second through. @param {number} bytesPerSecond */
function throttle(bytesPerSecond) {
  /** @param {AsyncIterable<Buffer>} chunks */
  return async function* (chunks) {
    for await (const chunk of chunks) {
      await sleep((chunk.length / bytesPerSecond) * 1000)
      yield chunk
    }
  }
}

/**
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 * @param {{ mounts: readonly (readonly [string, string])[], headers: Record<string, string>, bytesPerSecond: number | undefined, ranges: boolean }} options
 */
async function answer(request, response, { mounts, headers, bytesPerSecond, ranges }) {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end()
  const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname)
  const found = await findFile(path, mounts)
  if (!found) return void response.writeHead(404, { 'content-type': 'text/plain' }).end('not found')
  const { file, info } = found
  const etag = `"${info.size.toString(36)}-${Math.trunc(info.mtimeMs).toString(36)}"`
  if (request.headers['if-none-match'] === etag) return void response.writeHead(304, { etag }).end()
  const range = ranges ? parseRange(request.headers.range, info.size) : undefined
  if (range === null) return void response.writeHead(416, { 'content-range': `bytes */${info.size}` }).end()
  const { start, end } = range ?? { start: 0, end: info.size - 1 }
  response.writeHead(range ? 206 : 200, {
    'content-type': MEDIA_TYPES[/** @type {keyof typeof MEDIA_TYPES} */ (extname(file))] ?? 'application/octet-stream',
    'content-length': info.size === 0 ? 0 : end - start + 1,
    'accept-ranges': ranges ? 'bytes' : 'none',
    'cache-control': 'no-cache',
    etag,
    ...(range ? { 'content-range': `bytes ${start}-${end}/${info.size}` } : {}),
  })
  if (request.method === 'HEAD' || info.size === 0) return void response.end()
  // A reader that goes away in the middle of a file is no error of ours.
  const bytes = createReadStream(file, { start, end })
  const sending =
    bytesPerSecond === undefined ? pipeline(bytes, response) : pipeline(bytes, throttle(bytesPerSecond), response)
  await sending.catch(() => {})
}

/**
 * Serves folders on this machine only. Resolves when it listens; `port: 0` takes a free one. `bytesPerSecond` plays a slow line; without
 * `ranges` every answer is a whole file.
 * @param {{ mounts: readonly (readonly [prefix: string, folder: string])[], port?: number, headers?: Record<string, string>, bytesPerSecond?: number, ranges?: boolean }} options
 */
export async function serve({ mounts, port = 0, headers = {}, bytesPerSecond, ranges = true }) {
  const server = createServer((request, response) => {
    answer(request, response, { mounts, headers, bytesPerSecond, ranges }).catch(() => {
      if (!response.headersSent) response.writeHead(400)
      response.end()
    })
  })
  await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(undefined))
  })
  const address = /** @type {import('node:net').AddressInfo} */ (server.address())
  return {
    url: `http://localhost:${address.port}/`,
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(resolve)
      }),
  }
}
