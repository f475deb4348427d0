import { afterEach, describe, expect, test } from 'vitest'
import type { AlcoveError } from '../../../src/protocol/error.js'
import { type CorpusHost, type CorpusHostOptions, createCorpusHost } from '../../../src/retrieval/corpus.js'
import { parseDocument } from '../../../src/retrieval/parse/parse.js'
import { createMemoryStore } from '../../../src/store/store.js'
import { fakeEmbedder } from './fake-embedder.js'

const hosts: CorpusHost[] = []
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close()
})

function openHost(options: Partial<CorpusHostOptions> = {}) {
  const warnings: AlcoveError[] = []
  const onWarning = (error: AlcoveError) => void warnings.push(error)
  const host = createCorpusHost({ store: createMemoryStore(), parse: parseDocument, onWarning, ...options })
  hosts.push(host)
  return { host, warnings }
}

const filler = 'Lorem ipsum dolor sit amet, consectetur adipiscing elit. '.repeat(200)
const documents = (count: number, word = 'subject') =>
  Array.from({ length: count }, (_, n) => ({
    id: `doc${n}`,
    title: `Title${n}`,
    url: `https://example.org/${n}`,
    metadata: { n },
    text: `This one speaks of ${word}${n} here.\n\n${filler}${n}`,
  }))

/** A file of so many documents of 12 KB each. */
async function makeFile(count = 60, options: Partial<CorpusHostOptions> = {}, word?: string): Promise<Uint8Array> {
  const { host } = openHost({ embedder: fakeEmbedder(), ...options })
  const corpus = await host.open('source', { chunkTokens: 64, overlapTokens: 0 })
  await corpus.add(documents(count, word))
  return new Uint8Array(await (await corpus.export()).arrayBuffer())
}

const url = 'https://example.org/index.alcove'

/** A server of one file, which may be replaced. */
function serveFile(bytes: Uint8Array, { hasRanges = true, hasValidators = true } = {}) {
  const server = { bytes, version: 1, requests: [] as string[], sent: 0, status: 0 }
  const fetch = async (_url: string, init: RequestInit): Promise<Response> => {
    const range = new Headers(init.headers).get('range') ?? ''
    server.requests.push(range)
    if (server.status > 0) return new Response('no', { status: server.status })
    const headers: Record<string, string> = hasValidators ? { etag: `"${server.version}"` } : {}
    const [, from = '0', to = '0'] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? []
    const { length } = server.bytes
    if (!hasRanges) {
      server.sent += length
      return new Response(server.bytes.slice(), { headers })
    }
    if (Number(from) >= length || Number(from) > Number(to)) return new Response('', { status: 416 })
    const part = server.bytes.slice(Number(from), Number(to) + 1)
    server.sent += part.length
    if (hasValidators) headers['content-range'] = `bytes ${from}-${Number(from) + part.length - 1}/${length}`
    return new Response(part, { status: 206, headers })
  }
  return { server, fetch }
}

describe('a corpus file on a server', () => {
  test('is searched by ranges, and finds what the corpus finds that it was made of', async () => {
    const bytes = await makeFile()
    const { server, fetch } = serveFile(bytes)
    const embedder = fakeEmbedder()
    const { host, warnings } = openHost({ fetch, embedder })
    const corpus = await host.open('docs', { url })
    const local = openHost({ embedder: fakeEmbedder() }).host
    const copy = await local.open('copy')
    await copy.import(new Blob([bytes as Uint8Array<ArrayBuffer>]))
    for (const mode of ['keyword', 'vector', 'hybrid'] as const) {
      for (const query of ['subject17 ', 'it speaks of subject5', 'title9']) {
        const first = async (one: typeof corpus) =>
          (await one.search(query, { mode, topK: 1 })).map(({ id, text, span, source }) => ({ id, text, span, source }))
        expect(await first(corpus), `${mode} ${query}`).toEqual(await first(copy))
      }
    }
    expect(
      (await corpus.search('speaks', { where: { n: 3 }, topK: 50 })).every((hit) => hit.source.id === 'doc3'),
    ).toBe(true)
    expect(await corpus.get('doc7')).toEqual(await copy.get('doc7'))
    expect(await corpus.get('nobody')).toBeUndefined()
    expect((await corpus.list()).map(({ id }) => id)).toEqual((await copy.list()).map(({ id }) => id))
    expect(await corpus.stats()).toMatchObject({ documents: 60, dimensions: 128, embedder: 'fake:words' })
    expect(warnings).toEqual([])
    // Queries alone were embedded, and most of the file was never asked for.
    expect(embedder.calls.every(({ purpose }) => purpose === 'query')).toBe(true)
    expect(server.sent).toBeLessThan(bytes.length * 0.75)
    expect(server.requests[0]).toBe('bytes=0-262143')
    expect(Buffer.compare(new Uint8Array(await (await corpus.export()).arrayBuffer()), bytes)).toBe(0)
  })

  test('without vectors, and longer than what is read first, is searched by keyword', async () => {
    const bytes = await makeFile(120, { embedder: undefined })
    const { server, fetch } = serveFile(bytes)
    const corpus = await openHost({ fetch, embedder: fakeEmbedder() }).host.open('docs', { url })
    for (const n of [3, 77, 119]) {
      expect((await corpus.search(`subject${n} `, { topK: 1 }))[0]?.source.id).toBe(`doc${n}`)
    }
    expect(server.requests.length).toBeGreaterThan(3)
  })

  test('cannot be changed', async () => {
    const { fetch } = serveFile(await makeFile(2))
    const corpus = await openHost({ fetch }).host.open('docs', { url })
    const readOnly = { code: 'read-only' }
    await expect(corpus.add({ text: 'more' })).rejects.toMatchObject(readOnly)
    await expect(corpus.update('doc0', { title: 'x' })).rejects.toMatchObject(readOnly)
    await expect(corpus.remove('doc0')).rejects.toMatchObject(readOnly)
    await expect(corpus.clear()).rejects.toMatchObject(readOnly)
    await expect(corpus.import(new Blob([]))).rejects.toMatchObject(readOnly)
    expect(await corpus.list()).toHaveLength(2)
  })

  test('from a server without ranges is read whole, behind a warning', async () => {
    const bytes = await makeFile()
    const { server, fetch } = serveFile(bytes, { hasRanges: false })
    const { host, warnings } = openHost({ fetch, embedder: fakeEmbedder() })
    const corpus = await host.open('docs', { url })
    expect((await corpus.search('subject17 ', { topK: 1 }))[0]?.source.id).toBe('doc17')
    expect(server.requests).toHaveLength(1)
    expect(warnings.map(({ code }) => code)).toEqual(['http-status'])
    expect(warnings[0]?.hint).toContain(bytes.length.toLocaleString('en'))
  })

  test('without ETag and length in the answers is searched all the same', async () => {
    const { fetch } = serveFile(await makeFile(), { hasValidators: false })
    const corpus = await openHost({ fetch, embedder: fakeEmbedder() }).host.open('docs', { url })
    for (const n of [0, 31, 59]) {
      expect((await corpus.search(`subject${n} `, { topK: 1 }))[0]?.source.id).toBe(`doc${n}`)
    }
  })

  test('of another embedding model is searched by keyword, with one warning', async () => {
    const { fetch } = serveFile(await makeFile())
    const { host, warnings } = openHost({ fetch, embedder: fakeEmbedder({ id: 'fake:other' }) })
    const corpus = await host.open('docs', { url })
    for (const n of [1, 2]) expect((await corpus.search(`subject${n} `))[0]?.source.id).toBe(`doc${n}`)
    expect(warnings.map(({ code }) => code)).toEqual(['model-not-found'])
    expect(await corpus.stats()).toMatchObject({ embedder: null, dimensions: 0 })
    await expect(corpus.search('subject1', { mode: 'vector' })).rejects.toMatchObject({ code: 'model-not-found' })
    await host.setEmbedder(fakeEmbedder())
    expect(await corpus.search('speaks of subject9 here', { mode: 'vector' })).toHaveLength(10)
    expect(await corpus.stats()).toMatchObject({ embedder: 'fake:words', dimensions: 128 })
    const none = await host.open('docs', { url, usesVectors: false })
    await expect(none.search('subject1', { mode: 'vector' })).rejects.toMatchObject({ code: 'model-not-found' })
  })

  test('that is replaced on the server is opened anew', async () => {
    const { server, fetch } = serveFile(await makeFile())
    const corpus = await openHost({ fetch }).host.open('docs', { url })
    expect((await corpus.search('subject17 ', { topK: 1 }))[0]?.source.id).toBe('doc17')
    server.bytes = await makeFile(70, {}, 'matter')
    server.version++
    // A text that was not read yet shows the change; then all is of the new file.
    expect((await corpus.get('doc44'))?.text).toContain('matter44')
    expect((await corpus.search('matter33 ', { topK: 1 }))[0]?.source.id).toBe('doc33')
    expect(await corpus.list()).toHaveLength(70)
  })

  test('that changes with every request gives one typed error', async () => {
    const { server, fetch } = serveFile(await makeFile())
    const restless: typeof fetch = async (...request) => {
      server.version++
      return await fetch(...request)
    }
    await expect(
      openHost({ fetch: restless })
        .host.open('docs', { url })
        .then((c) => c.search('subject1')),
    ).rejects.toMatchObject({
      code: 'integrity-failed',
    })
  })

  test('that is no corpus file, cut short, newer, or not there is refused with a typed error', async () => {
    const bytes = await makeFile()
    const newer = bytes.slice()
    new DataView(newer.buffer).setUint32(4, 99, true)
    const cases: [string, Uint8Array, string][] = [
      ['html', new TextEncoder().encode('<!doctype html><title>Not found</title>'), 'parse-failed'],
      ['empty', new Uint8Array(), 'parse-failed'],
      ['short header', bytes.slice(0, 100), 'parse-failed'],
      ['cut', bytes.slice(0, bytes.length - 1), 'parse-failed'],
      ['newer', newer, 'version-unsupported'],
    ]
    for (const [what, content, code] of cases) {
      for (const hasRanges of [true, false]) {
        const { fetch } = serveFile(content, { hasRanges })
        await expect(openHost({ fetch }).host.open('docs', { url }), what).rejects.toMatchObject({ code })
      }
    }
    const { server, fetch } = serveFile(bytes)
    const { host } = openHost({ fetch })
    server.status = 404
    await expect(host.open('docs', { url })).rejects.toMatchObject({ code: 'http-status', details: { status: 404 } })
    server.status = 0
    expect((await (await host.open('docs', { url })).search('subject3 '))[0]?.source.id).toBe('doc3')
    const offline = openHost({ fetch: () => Promise.reject(new TypeError('Failed to fetch')) })
    await expect(offline.host.open('docs', { url })).rejects.toMatchObject({ code: 'network' })
  })

  test('whose bytes are damaged anywhere gives hits or a typed error, and never hangs', async () => {
    const bytes = await makeFile(6)
    for (let round = 0; round < 60; round++) {
      const damagedBytes = bytes.slice()
      const at = 16 + Math.floor((round / 60) * (bytes.length - 16))
      damagedBytes.fill(round % 2 === 0 ? 255 : 0, at, at + 8)
      const { fetch } = serveFile(damagedBytes)
      const { host } = openHost({ fetch, embedder: fakeEmbedder() })
      try {
        const corpus = await host.open('docs', { url })
        const hits = await corpus.search('speaks of subject3', { topK: 3 })
        for (const hit of hits) expect(typeof hit.text).toBe('string')
      } catch (error) {
        expect(['parse-failed', 'integrity-failed', 'version-unsupported']).toContain((error as AlcoveError).code)
      }
    }
  })

  test('keeps apart from a stored corpus of the same name', async () => {
    const { fetch } = serveFile(await makeFile(3))
    const { host } = openHost({ fetch })
    const remote = await host.open('docs', { url })
    const stored = await host.open('docs')
    await stored.add({ id: 'mine', text: 'A kingfisher by the water.' })
    expect(await remote.list()).toHaveLength(3)
    expect((await stored.list()).map(({ id }) => id)).toEqual(['mine'])
    expect(await host.list()).toEqual(['docs'])
  })
})
