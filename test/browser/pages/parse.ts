// Parsing and chunking in real workers. Every function returns plain JSON.
import { chunkDocument } from '../../../src/retrieval/chunk/chunk.js'
import { createParsePool, type ParsePool } from '../../../src/retrieval/parse-pool.js'

/** What a parsed document is like, without all of its text. */
export interface ParseReport {
  readonly name: string
  readonly mediaType?: string
  readonly title?: string | undefined
  readonly characters?: number
  readonly pages?: number
  readonly headings?: number
  readonly start?: string
  readonly text?: string
  readonly language?: string | undefined
  readonly code?: string
  readonly message?: string
  readonly ms: number
}

const openReal = (): Worker =>
  new Worker(new URL('../../../workers/parse.worker.ts', import.meta.url), { type: 'module' })
const openOdd = (): Worker => new Worker(new URL('./parse.worker.ts', import.meta.url), { type: 'module' })

async function report(pool: ParsePool, url: string, withText: boolean): Promise<ParseReport> {
  const name = url.split('/').at(-1) ?? url
  const data = new Uint8Array(await (await fetch(url)).arrayBuffer())
  const start = performance.now()
  try {
    const { text, pages, headings, ...rest } = await pool.parse({ data, name })
    const ms = Math.round(performance.now() - start)
    return {
      name,
      ...rest,
      characters: text.length,
      pages: pages.length,
      headings: headings.length,
      start: text.slice(0, 80),
      ...(withText ? { text } : {}),
      ms,
    }
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    return { name, code, message, ms: Math.round(performance.now() - start) }
  }
}

/** Parses files of this origin on a pool of `size` workers. */
export async function parseUrls(urls: readonly string[], size = 2, withText = false): Promise<ParseReport[]> {
  const pool = createParsePool({ open: openReal, size })
  try {
    return await Promise.all(urls.map((url) => report(pool, url, withText)))
  } finally {
    await pool.close()
  }
}

/** Parses one file in a worker of a worker. */
export async function parseNested(url: string): Promise<Record<string, string | number>> {
  const data = new Uint8Array(await (await fetch(url)).arrayBuffer())
  const worker = new Worker(new URL('./parse-nested.worker.ts', import.meta.url), { type: 'module' })
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = (event) => resolve(event.data)
      worker.onerror = (event) => reject(new Error(event.message))
      worker.postMessage({ data, name: url.split('/').at(-1) })
    })
  } finally {
    worker.terminate()
  }
}

/** One document each that ends, blocks and never answers its worker, beside one that is fine; then all workers again. */
export async function survive(): Promise<Record<string, string | number>> {
  const pool = createParsePool({ open: openOdd, size: 4, timeoutMs: 5000 })
  const outcome = (data: string, signal?: AbortSignal): Promise<string> =>
    pool.parse({ data, name: 'a.txt' }, { signal }).then(
      ({ text, language }) => `${text}; ${language}`,
      (error) => error.code,
    )
  const controller = new AbortController()
  const abortStart = performance.now()
  const aborted = outcome('wait', controller.signal).then((code) => ({ code, ms: performance.now() - abortStart }))
  setTimeout(() => controller.abort(), 300)
  const [crash, hang, fine, abort] = await Promise.all([outcome('crash'), outcome('hang'), outcome('fine'), aborted])
  const again = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((text) => outcome(text)))
  const start = performance.now()
  const waiting = outcome('wait').then((code) => `${code} ${Math.round(performance.now() - start)} ms`)
  await pool.close()
  return {
    crash,
    hang,
    fine,
    abort: abort.code,
    abortMs: Math.round(abort.ms),
    again: again.join(' | '),
    closed: await waiting,
  }
}

/** Chunks a file with a cheap counter; `longestTaskMs` is how long the thread was ever blocked meanwhile. */
export async function chunkUrl(
  url: string,
): Promise<{ chunks: number; megabytesPerSecond: number; longestTaskMs: number }> {
  const text = await (await fetch(url)).text()
  let longestTaskMs = 0
  let last = performance.now()
  let running = true
  const tick = (): void => {
    longestTaskMs = Math.max(longestTaskMs, performance.now() - last)
    last = performance.now()
    if (running) setTimeout(tick)
  }
  setTimeout(tick)
  const start = performance.now()
  const chunks = await chunkDocument(
    { text, headings: [], pages: [] },
    {
      chunkTokens: 256,
      overlapTokens: 32,
      countTokens: async (texts) => texts.map((part) => Math.ceil(part.length / 4)),
    },
  )
  const seconds = (performance.now() - start) / 1000
  running = false
  return {
    chunks: chunks.length,
    megabytesPerSecond: new TextEncoder().encode(text).length / 1e6 / seconds,
    longestTaskMs: Math.round(longestTaskMs),
  }
}
