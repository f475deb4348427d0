import { describe, expect, it } from 'vitest'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { createWeightLoader, type WeightLoaderOptions } from '../../../src/engines/weights/weights.js'
import type { Clock } from '../../../src/runtime/clock.js'
import { fakeCaches } from './fake-caches.js'

const spec: ModelSpec = {
  id: 'transformers:owner/name',
  baseUrl: 'https://page.example/models/',
  allowRemote: true,
  hubUrl: 'https://hub.example/',
  cacheName: 'test-models',
}
const BASE = 'https://page.example/models/owner/name/'
const HUB = 'https://hub.example/owner/name/resolve/main/'
const clock: Clock = { now: () => 0, wallTime: () => 0, sleep: async () => {}, setTimer: () => () => {} }

type Answer = (request: {
  headers: Headers
  method: string
  signal: AbortSignal
  redirect: string
}) => Response | Promise<Response>

/** A network of these addresses; everything else is 404. */
function network(pages: Record<string, Answer | string>) {
  const asked: string[] = []
  const fetch = async (input: RequestInfo | URL, init: RequestInit = {}) => {
    const url = String(input)
    const method = init.method ?? 'GET'
    asked.push(method === 'GET' ? url : `${method} ${url}`)
    const page = pages[url]
    if (page === undefined) return new Response('no', { status: 404 })
    if (typeof page === 'string') return new Response(page, { headers: { 'content-length': String(page.length) } })
    return page({
      headers: new Headers(init.headers),
      method,
      signal: init.signal as AbortSignal,
      redirect: init.redirect ?? 'follow',
    })
  }
  return { fetch: fetch as typeof globalThis.fetch, asked }
}

function loader(
  pages: Record<string, Answer | string>,
  more: Partial<ModelSpec> = {},
  options: WeightLoaderOptions = {},
) {
  const { fetch, asked } = network(pages)
  const { caches, entries } = fakeCaches()
  const made = createWeightLoader(
    { ...spec, ...more },
    { fetch, caches, clock, origin: 'https://page.example', ...options },
  )
  return { loader: made, asked, entries: () => keys(entries), fetch, caches }
}

/** The files that are kept, without their pieces. */
const keys = (entries: (name: string) => string[]) => entries('test-models').filter((key) => !key.includes('?'))

/** A body that breaks off after some text. */
const broken = (text: string, total: number) =>
  new Response(
    new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(text))
      },
      pull(controller) {
        controller.error(new TypeError('network error'))
      },
    }),
    { headers: { 'content-length': String(total) } },
  )

describe('where a file comes from', () => {
  it('takes the self-hosted one first, keeps it, and then asks nobody', async () => {
    const { loader: weights, asked, entries } = loader({ [`${BASE}a.json`]: '{"x":1}', [`${HUB}a.json`]: '{"x":2}' })
    const first = await weights.open('a.json')
    expect(await first.text()).toBe('{"x":1}')
    expect(first.headers.get('content-length')).toBe('7')
    expect(first.headers.get('x-alcove-stored')).toBe('true')
    expect(await (await weights.open('a.json')).text()).toBe('{"x":1}')
    expect(asked).toEqual([`${BASE}a.json`])
    expect(entries()).toEqual([`${HUB}a.json`])
  })

  it('goes on to the hub for 404 and for an index page in place of the file', async () => {
    const page = () => new Response('<!doctype html><p>home', { headers: { 'content-type': 'text/html' } })
    const disguised = '<!DOCTYPE html><p>home'
    for (const base of [undefined, page, disguised]) {
      const { loader: weights } = loader({ ...(base && { [`${BASE}w.onnx`]: base }), [`${HUB}w.onnx`]: 'weights' })
      expect(await (await weights.open('w.onnx')).text()).toBe('weights')
    }
  })

  it('keeps to one source: where the page has the model, a missing file is missing', async () => {
    const { loader: weights, asked } = loader({ [`${BASE}config.json`]: '{}', [`${HUB}extra.json`]: '{}' })
    await weights.open('config.json')
    await expect(weights.open('extra.json')).rejects.toMatchObject({ code: 'model-not-found' })
    expect(asked).not.toContain(`${HUB}extra.json`)
  })

  it('uses the repo of the hub where that has another name, and the revision', async () => {
    const { loader: weights } = loader(
      { 'https://hub.example/other/repo/resolve/v2/a.json': '{}' },
      { hubRepo: 'other/repo', revision: 'v2' },
    )
    expect(await (await weights.open('a.json')).text()).toBe('{}')
  })

  it('never asks another origin when that is not allowed', async () => {
    const hub = { [`${HUB}a.json`]: '{}' }
    const own = loader(hub, { allowRemote: false })
    await expect(own.loader.open('a.json')).rejects.toMatchObject({ code: 'model-not-found' })
    expect(own.asked).toEqual([`${BASE}a.json`])
    const elsewhere = loader(hub, { allowRemote: false, baseUrl: 'https://cdn.example/' })
    await expect(elsewhere.loader.open('a.json')).rejects.toMatchObject({ code: 'download-refused' })
    expect(elsewhere.asked).toEqual([])
  })

  it('refuses a redirect when only the own origin is allowed', async () => {
    const modes: string[] = []
    const redirect: Answer = ({ redirect }) => {
      modes.push(redirect)
      return Object.defineProperty(new Response(null), 'type', { value: 'opaqueredirect' })
    }
    const { loader: weights } = loader({ [`${BASE}a.json`]: redirect }, { allowRemote: false })
    await expect(weights.open('a.json')).rejects.toMatchObject({ code: 'download-refused' })
    expect(modes).toEqual(['manual'])
  })

  it('refuses a path that leaves the folder', async () => {
    const { loader: weights, asked } = loader({})
    for (const file of ['../x', 'a/../../x', '/x', 'https://evil.example/x']) {
      await expect(weights.open(file)).rejects.toMatchObject({ code: 'invalid-argument' })
    }
    expect(asked).toEqual([])
  })
})

describe('errors', () => {
  it('says what was not found where', async () => {
    const { loader: weights } = loader({})
    const error = await weights.open('w.onnx').catch((found: unknown) => found)
    expect(error).toMatchObject({
      code: 'model-not-found',
      message: `expected the model file 'w.onnx', but it is not at ${BASE}w.onnx (status 404) and ${HUB}w.onnx (status 404)`,
      hint: expect.stringContaining('that the file is served there'),
      details: { tried: [`${BASE}w.onnx`, `${HUB}w.onnx`] },
    })
    const { loader: closed } = loader({ [`${HUB}w.onnx`]: () => new Response(null, { status: 403 }) })
    await expect(closed.open('w.onnx')).rejects.toMatchObject({
      message: expect.stringContaining(`${HUB}w.onnx (status 403)`),
      hint: expect.stringContaining('who may read'),
    })
  })

  it('tells a server error and an unreachable server from a missing file', async () => {
    const failing = loader({ [`${BASE}w`]: () => new Response('', { status: 503 }) })
    await expect(failing.loader.open('w')).rejects.toMatchObject({ code: 'http-status', retryable: true })
    const unreachable: Answer = () => {
      throw new TypeError('Failed to fetch')
    }
    const offline = loader({ [`${BASE}w`]: unreachable, [`${HUB}w`]: unreachable })
    await expect(offline.loader.open('w')).rejects.toMatchObject({ code: 'network' })
    const hubHasIt = loader({ [`${BASE}w`]: unreachable, [`${HUB}w`]: 'weights' })
    expect(await (await hubHasIt.loader.open('w')).text()).toBe('weights')
  })

  it('keeps nothing of a file of the wrong length or hash', async () => {
    for (const facts of [{ bytes: 99 }, { sha256: '0'.repeat(64) }]) {
      const { loader: weights, entries } = loader({ [`${BASE}w`]: 'word' }, { files: { w: facts } })
      await expect(weights.open('w')).rejects.toMatchObject({ code: 'integrity-failed' })
      expect(entries()).toEqual([])
    }
    const { loader: weights } = loader({ [`${BASE}w`]: 'abcd' }, { files: { w: { bytes: 4 } } })
    expect(await (await weights.open('w')).text()).toBe('abcd')
  })

  it('accepts the right hash', async () => {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('word'))
    const sha256 = Buffer.from(digest).toString('hex')
    const { loader: weights } = loader({ [`${BASE}w`]: 'word' }, { files: { w: { bytes: 4, sha256 } } })
    expect(await (await weights.open('w')).text()).toBe('word')
  })
})

describe('broken transfers', () => {
  it('takes up a transfer where it broke off', async () => {
    const ranges: (string | null)[] = []
    const page: Answer = ({ headers }) => {
      const range = headers.get('range')
      ranges.push(range)
      if (range === null) return broken('abc', 6)
      return new Response('def', { status: 206, headers: { 'content-range': 'bytes 3-5/6', 'content-length': '3' } })
    }
    const { loader: weights, entries } = loader({ [`${BASE}w`]: page })
    expect(await (await weights.open('w')).text()).toBe('abcdef')
    expect(ranges).toEqual([null, 'bytes=3-'])
    expect(entries()).toHaveLength(1)
  })

  it('begins again with a server that knows no ranges', async () => {
    let count = 0
    const page: Answer = () =>
      count++ === 0 ? broken('abc', 6) : new Response('abcdef', { headers: { 'content-length': '6' } })
    const { loader: weights } = loader({ [`${BASE}w`]: page })
    expect(await (await weights.open('w')).text()).toBe('abcdef')
  })

  it('gives up on a file that stays short, and keeps nothing', async () => {
    const short: Answer = () => new Response('abc', { headers: { 'content-length': '6' } })
    const { loader: weights, entries, asked } = loader({ [`${BASE}w`]: short }, { allowRemote: false })
    await expect(weights.open('w')).rejects.toMatchObject({
      code: 'integrity-failed',
      details: { bytes: 3, expectedBytes: 6 },
    })
    expect(entries()).toEqual([])
    expect(asked.length).toBeLessThan(8)
  })

  it('does not compare lengths of a compressed answer', async () => {
    const page: Answer = () =>
      new Response('longer than that', { headers: { 'content-length': '5', 'content-encoding': 'gzip' } })
    const { loader: weights } = loader({ [`${BASE}w`]: page })
    expect(await (await weights.open('w')).text()).toBe('longer than that')
  })
})

describe('storage', () => {
  it('works without a Cache API, with a blocked one and with a full one', async () => {
    const stores = [
      [null, 'store-blocked'],
      [fakeCaches({ blocked: true }).caches, 'store-blocked'],
      [fakeCaches({ quota: 2 }).caches, 'quota-exceeded'],
    ] as const
    for (const [caches, code] of stores) {
      const refused: string[] = []
      const { loader: weights, asked } = loader(
        { [`${BASE}w`]: 'weights' },
        {},
        { caches, onNotStored: (_file, error) => refused.push(error.code) },
      )
      const response = await weights.open('w')
      expect(response.headers.get('x-alcove-stored')).toBe('false')
      expect(await response.text()).toBe('weights')
      expect(await (await weights.open('w')).text()).toBe('weights')
      expect(asked).toHaveLength(2)
      expect(refused).toEqual([code, code])
    }
  })

  it('fetches a kept file again when its length is not the expected one any more', async () => {
    const { fetch, asked } = network({ [`${BASE}w`]: 'weights' })
    const { caches } = fakeCaches()
    const options = { fetch, caches, clock, origin: 'https://page.example' }
    await createWeightLoader(spec, options).open('w')
    const other = createWeightLoader({ ...spec, files: { w: { bytes: 6 } } }, options)
    await expect(other.open('w')).rejects.toMatchObject({ code: 'integrity-failed' })
    expect(asked.filter((url) => url === `${BASE}w`)).toHaveLength(2)
  })

  it('remembers for a week that the hub has no such optional file', async () => {
    const { fetch, asked } = network({})
    const { caches } = fakeCaches()
    let now = 0
    const options = { fetch, caches, clock: { ...clock, wallTime: () => now } }
    const open = (file: string) => createWeightLoader({ ...spec, baseUrl: undefined }, options).open(file)
    for (const file of ['generation_config.json', 'generation_config.json', 'config.json', 'config.json']) {
      await expect(open(file)).rejects.toMatchObject({ code: 'model-not-found' })
    }
    expect(asked).toEqual(['generation_config.json', 'config.json', 'config.json'].map((file) => HUB + file))
    now = 8 * 86_400_000
    await expect(open('generation_config.json')).rejects.toMatchObject({ code: 'model-not-found' })
    expect(asked).toHaveLength(4)
  })

  it('counts and removes the files of its own model only', async () => {
    const { fetch } = network({ [`${BASE}w`]: 'weights', 'https://page.example/models/owner/other/w': 'x' })
    const { caches, entries } = fakeCaches()
    const options = { fetch, caches, clock }
    const mine = createWeightLoader(spec, options)
    const other = createWeightLoader({ ...spec, id: 'transformers:owner/other' }, options)
    await mine.open('w')
    await other.open('w')
    expect(await mine.storedBytes()).toBe(7)
    await mine.remove()
    expect(await mine.storedBytes()).toBe(0)
    expect(keys(entries)).toHaveLength(1)
  })
})

describe('head', () => {
  it('tells length and whether it is kept, and undefined for what is nowhere', async () => {
    const { loader: weights, asked } = loader({ [`${HUB}w`]: 'weights' })
    expect(await weights.head('w')).toEqual({ bytes: 7, stored: false })
    expect(asked).toEqual([`HEAD ${BASE}w`, `HEAD ${HUB}w`])
    await weights.open('w')
    expect(await weights.head('w')).toEqual({ bytes: 7, stored: true })
    expect(await weights.head('none')).toBeUndefined()
  })

  it('asks for one byte where HEAD is refused', async () => {
    const page: Answer = ({ method, headers }) => {
      if (method === 'HEAD') return new Response(null, { status: 405 })
      expect(headers.get('range')).toBe('bytes=0-0')
      return new Response('w', { status: 206, headers: { 'content-range': 'bytes 0-0/7', 'content-length': '1' } })
    }
    const { loader: weights } = loader({ [`${BASE}w`]: page })
    expect(await weights.head('w')).toEqual({ bytes: 7, stored: false })
  })
})

describe('sharing and cancelling', () => {
  /** A file that comes when it is let go. */
  function slowFile() {
    const signals: AbortSignal[] = []
    let finish: () => void = () => {}
    const page: Answer = ({ signal }) => {
      signals.push(signal)
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('abc'))
          finish = () => {
            controller.enqueue(new TextEncoder().encode('def'))
            controller.close()
          }
          signal.addEventListener('abort', () => controller.error(signal.reason))
        },
      })
      return new Response(body, { headers: { 'content-length': '6' } })
    }
    return { page, signals, finish: () => finish() }
  }
  const turn = () => new Promise((resolve) => setTimeout(resolve, 5))

  it('shares one download between callers and loaders, and one of them may leave', async () => {
    const file = slowFile()
    const { fetch, asked } = network({ [`${BASE}w`]: file.page })
    const { caches } = fakeCaches()
    const one = createWeightLoader(spec, { fetch, caches, clock })
    const two = createWeightLoader(spec, { fetch, caches, clock })
    const controller = new AbortController()
    const progress: (number | undefined)[][] = []
    const leaving = one.open('w', { signal: controller.signal })
    const staying = two.open('w', { onProgress: (loaded, total) => progress.push([loaded, total]) })
    await turn()
    controller.abort()
    await expect(leaving).rejects.toMatchObject({ code: 'aborted' })
    file.finish()
    expect(await (await staying).text()).toBe('abcdef')
    expect(asked).toHaveLength(1)
    expect(progress.at(-1)).toEqual([6, 6])
    expect(progress[0]).toEqual([3, 6])
    expect(file.signals[0]?.aborted).toBe(false)
  })

  it('stops the download when the last caller leaves; the next call starts anew', async () => {
    const file = slowFile()
    const { loader: weights, entries, asked } = loader({ [`${BASE}w`]: file.page })
    const controller = new AbortController()
    const opened = weights.open('w', { signal: controller.signal })
    await turn()
    controller.abort()
    await expect(opened).rejects.toMatchObject({ code: 'aborted' })
    expect(file.signals[0]?.aborted).toBe(true)
    const again = weights.open('w')
    await turn()
    file.finish()
    expect(await (await again).text()).toBe('abcdef')
    expect(asked).toHaveLength(2)
    expect(entries()).toHaveLength(1)
  })

  it('does not start for a signal that has aborted', async () => {
    const { loader: weights, asked } = loader({ [`${BASE}w`]: 'weights' })
    await expect(weights.open('w', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
    expect(asked).toEqual([])
  })
})
