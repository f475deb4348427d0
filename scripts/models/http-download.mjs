// @ts-check
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { ChecksumError, checkFile, isComplete, sizeOf } from './checked-file.mjs'

/** @typedef {import('./checked-file.mjs').Expected} Expected */
/** @typedef {{ signal?: AbortSignal | undefined, connectMs?: number, stallMs?: number, onProgress?: (received: number, total?: number) => void }} DownloadOptions */

/** The host did not answer at all, so asking it for other files is of no use. */
export class UnreachableError extends Error {
  /** @override */
  name = 'UnreachableError'
}

/** An answer that trying again would not change. */
class RefusedError extends Error {
  /** @override */
  name = 'RefusedError'
}

const attemptsWithoutProgress = 3
const largestRedirectCount = 5

/** @param {unknown} error */
export function describeError(error) {
  const { message, cause } = /** @type {{ message?: string, cause?: { code?: string, message?: string } }} */ (
    error ?? {}
  )
  return cause?.code ?? cause?.message ?? message ?? String(error)
}

/**
 * A fetch that gives up when no answer starts within `ms`; the body may then take its time.
 * @param {string} url @param {RequestInit} init @param {number} ms @param {AbortSignal | undefined} signal
 */
async function fetchWithin(url, init, ms, signal) {
  const controller = new AbortController()
  const stop = () => controller.abort(signal?.reason)
  signal?.throwIfAborted()
  signal?.addEventListener('abort', stop, { once: true })
  const timer = setTimeout(() => controller.abort(new Error(`no answer within ${ms / 1000} s`)), ms)
  try {
    const response = await fetch(url, { ...init, signal: controller.signal })
    return { response, controller, release: () => signal?.removeEventListener('abort', stop) }
  } catch (error) {
    signal?.removeEventListener('abort', stop)
    signal?.throwIfAborted()
    throw new UnreachableError(`${new URL(url).host} cannot be reached (${describeError(error)})`)
  } finally {
    clearTimeout(timer)
  }
}

/** @param {Response} response */
function readExpected(response) {
  const { headers } = response
  const tag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '').replace(/^W\//, '').replaceAll('"', '')
  const size = headers.get('x-linked-size') ?? (response.ok ? headers.get('content-length') : null)
  /** @type {Expected} */
  const expected = {}
  if (size !== null && /^\d+$/.test(size)) expected.bytes = Number(size)
  if (/^[0-9a-f]{64}$/.test(tag)) expected.sha256 = tag
  if (/^[0-9a-f]{40}$/.test(tag)) expected.gitBlob = tag
  return expected
}

/**
 * What the hub itself says about a file: for large files the SHA-256, for small ones the git hash.
 * These headers are on the hub's own answer, so a redirect to another host is not followed.
 * @param {string} url @param {DownloadOptions} [options] @returns {Promise<Expected>}
 */
export async function inspectRemote(url, { signal, connectMs = 5000 } = {}) {
  let current = url
  for (let hop = 0; hop <= largestRedirectCount; hop += 1) {
    const { response, release } = await fetchWithin(
      current,
      { method: 'HEAD', redirect: 'manual', headers: { 'accept-encoding': 'identity' } },
      connectMs,
      signal,
    )
    release()
    if (response.status >= 400)
      throw new RefusedError(`${url} answered ${response.status} ${response.statusText}`.trim())
    const location = response.headers.get('location')
    const next = location && response.status >= 300 ? new URL(location, current) : undefined
    if (!next || next.host !== new URL(url).host) return readExpected(response)
    current = next.href
  }
  throw new RefusedError(`${url} redirects without end`)
}

/** @param {Response} response @param {string} part @param {number} start @param {AbortController} controller @param {Required<Pick<DownloadOptions, 'stallMs' | 'onProgress'>> & { total: number | undefined }} options */
async function writeBody(response, part, start, controller, { stallMs, onProgress, total }) {
  const sink = createWriteStream(part, { flags: start > 0 ? 'a' : 'w' })
  const stalled = () => controller.abort(new Error(`nothing arrived for ${stallMs / 1000} s`))
  let timer = setTimeout(stalled, stallMs)
  let received = start
  try {
    for await (const chunk of /** @type {AsyncIterable<Uint8Array>} */ (/** @type {unknown} */ (response.body ?? []))) {
      clearTimeout(timer)
      timer = setTimeout(stalled, stallMs)
      received += chunk.byteLength
      if (!sink.write(chunk)) await once(sink, 'drain')
      onProgress(received, total)
    }
  } finally {
    clearTimeout(timer)
    // What has arrived stays in the part file, whatever ended the transfer.
    sink.end()
    await once(sink, 'close')
  }
}

/**
 * One request, going on where the part file ends.
 * @param {string} url @param {string} part @param {Expected} expected @param {DownloadOptions} options
 */
async function requestRest(
  url,
  part,
  expected,
  { signal, connectMs = 15_000, stallMs = 30_000, onProgress = () => {} },
) {
  let start = (await sizeOf(part)) ?? 0
  if (expected.bytes !== undefined && start === expected.bytes) return
  if (expected.bytes !== undefined && start > expected.bytes) {
    await rm(part)
    start = 0
  }
  const headers = { 'accept-encoding': 'identity', ...(start > 0 ? { range: `bytes=${start}-` } : {}) }
  const { response, controller, release } = await fetchWithin(url, { headers }, connectMs, signal)
  try {
    if (response.status === 416) await rm(part, { force: true })
    if (response.status >= 400 && response.status < 500 && ![408, 416, 429].includes(response.status))
      throw new RefusedError(`${url} answered ${response.status} ${response.statusText}`.trim())
    if (!response.ok) throw new Error(`${url} answered ${response.status}`)
    const continues = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${start}-`)
    await writeBody(response, part, continues ? start : 0, controller, { stallMs, onProgress, total: expected.bytes })
  } finally {
    release()
    controller.abort()
  }
}

/** @param {string} url @param {string} part @param {Expected} expected @param {DownloadOptions} options */
async function fillPart(url, part, expected, options) {
  for (let failures = 0; ; ) {
    const before = (await sizeOf(part)) ?? 0
    let problem
    try {
      await requestRest(url, part, expected, options)
      const now = (await sizeOf(part)) ?? 0
      if (expected.bytes === undefined || now >= expected.bytes) return
      problem = new Error(`${url} stopped after ${now} of ${expected.bytes} bytes`)
    } catch (error) {
      options.signal?.throwIfAborted()
      if (error instanceof RefusedError) throw error
      problem = error
    }
    failures = ((await sizeOf(part)) ?? 0) > before ? 1 : failures + 1
    if (failures >= attemptsWithoutProgress) throw problem
    await wait(300 * failures, undefined, options.signal ? { signal: options.signal } : {})
  }
}

/**
 * Downloads to `target` by way of `target.part`, which a later call goes on with. The target exists afterwards
 * only if it is what was expected.
 * @param {string} url @param {string} target @param {Expected} expected @param {DownloadOptions} [options]
 */
export async function downloadFile(url, target, expected, options = {}) {
  if (!expected.sha256 && !expected.gitBlob)
    throw new ChecksumError(`${url} comes without a checksum, so it cannot be trusted.`)
  if (await isComplete(target, expected)) return
  await mkdir(dirname(target), { recursive: true })
  const part = `${target}.part`
  const resumed = ((await sizeOf(part)) ?? 0) > 0
  await fillPart(url, part, expected, options)
  try {
    await checkFile(part, expected, url)
  } catch (error) {
    await rm(part, { force: true })
    // An old part file may have been of another version: then the whole is fetched once.
    if (resumed && error instanceof ChecksumError) return downloadFile(url, target, expected, options)
    throw error
  }
  await rename(part, target)
}
