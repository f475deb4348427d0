import { createHash } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { ModelSpec } from '../../../src/engines/engine.js'
import { PIECE_BYTES } from '../../../src/engines/weights/weight-download.js'
import { hashFile } from '../../../src/engines/weights/weight-draft.js'
import type { LockQueue } from '../../../src/engines/weights/weight-lock.js'
import { createWeightLoader, type WeightLoaderOptions } from '../../../src/engines/weights/weights.js'
import { type Clock, systemClock } from '../../../src/runtime/clock.js'
import { fakeCaches } from './fake-caches.js'
import { fakeDirectory } from './fake-directory.js'
import { type Manners, startWeightServer } from './weights-server.js'

/** Pauses take no time; a connection that says nothing is given up at once only where a test says so. */
const clock: Clock = { ...systemClock, sleep: async () => {} }
const BYTES = PIECE_BYTES * 2 + 1_000_000
const FILE = 'onnx/model.onnx'
const PATH = `/models/owner/name/${FILE}`

/** Bytes that repeat nowhere near a piece boundary. */
function weights(bytes = BYTES, seed = 1): Uint8Array {
  const made = new Uint8Array(bytes)
  let state = seed
  for (let index = 0; index < bytes; index++) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff
    made[index] = state >> 16
  }
  return made
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

type Server = Awaited<ReturnType<typeof startWeightServer>>
const servers: Server[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

async function start(manners: Partial<Manners>, path = PATH): Promise<Server> {
  const server = await startWeightServer({ [path]: manners })
  servers.push(server)
  return server
}

function setUp(server: Server, more: Partial<ModelSpec> = {}, options: WeightLoaderOptions = {}) {
  const directory = fakeDirectory()
  const notices: string[] = []
  const spec: ModelSpec = {
    id: 'transformers:owner/name',
    baseUrl: `${server.url}models/`,
    allowRemote: false,
    hubUrl: 'https://hub.invalid/',
    cacheName: 'test',
    ...more,
  }
  const create = (changed: Partial<ModelSpec> = {}) =>
    createWeightLoader(
      { ...spec, ...changed },
      {
        directory: directory.root,
        caches: null,
        clock,
        origin: new URL(server.url).origin,
        fetch: (...given) => fetch(...given),
        ...options,
      },
    )
  const open = async (loader = create(), signal?: AbortSignal) => {
    const response = await loader.open(FILE, { signal, onNotice: (message) => notices.push(message) })
    return {
      hash: sha256(new Uint8Array(await response.arrayBuffer())),
      stored: response.headers.get('x-alcove-stored'),
    }
  }
  return { directory, notices, create, open }
}

/** Begins a load and cuts it off when so many bytes are here, as the death of the worker does. */
async function loadUntil(loader: ReturnType<typeof createWeightLoader>, bytes: number): Promise<void> {
  const stop = new AbortController()
  const opened = loader.open(FILE, {
    signal: stop.signal,
    onProgress: (loaded) => loaded >= bytes && stop.abort(),
  })
  await expect(opened).rejects.toMatchObject({ code: 'aborted' })
}

describe('a download that was broken off', () => {
  it('goes on in another loader from the pieces that are kept', async () => {
    const body = weights()
    const server = await start({ body, etag: '"a"' })
    const { create, open, directory } = setUp(server)
    await loadUntil(create(), PIECE_BYTES + 100)
    expect(directory.data.bytes.byteLength, 'room for all of it').toBe(BYTES)
    expect(await create().storedBytes()).toBeGreaterThanOrEqual(PIECE_BYTES)
    expect(await create().head(FILE)).toMatchObject({ stored: false, bytes: BYTES, keptBytes: expect.any(Number) })
    expect(await open()).toEqual({ hash: sha256(body), stored: 'true' })
    const ranges = server.asked.filter(({ method }) => method === 'GET').map(({ range }) => range)
    expect(ranges[0]).toBeUndefined()
    expect(ranges[1]).toMatch(/^bytes=(4194304|8388608)-$/)
    expect(ranges).toHaveLength(2)
    expect(await open()).toEqual({ hash: sha256(body), stored: 'true' })
    expect(server.asked.filter(({ method }) => method === 'GET')).toHaveLength(2)
  })

  it('is taken up at the byte where the connection was cut, as often as that happens', async () => {
    const body = weights()
    const server = await start({ body, etag: '"a"', cuts: [1_000_000, 2_000_000, 500_000, 3_000_000] })
    const { open, notices } = setUp(server)
    expect((await open()).hash).toBe(sha256(body))
    expect(server.sent).toBeLessThan(BYTES * 1.05)
    expect(server.asked).toHaveLength(5)
    expect(notices.length, 'each break is said').toBe(4)
    expect(notices[0]).toContain('broke off')
  })

  it('begins again, and says so, where the server gives no parts of files', async () => {
    const body = weights()
    const server = await start({ body, etag: '"a"', ranges: 'none', cuts: [PIECE_BYTES + 10] })
    const { open, notices } = setUp(server)
    expect((await open()).hash).toBe(sha256(body))
    expect(notices.join()).toContain('begins again')
  })

  it('begins again when the file has changed on its server meanwhile', async () => {
    for (const change of [{ etag: '"b"' }, { etag: '"b"', bytes: BYTES - 500 }]) {
      const manners: Partial<Manners> = { body: weights(), etag: '"a"' }
      const server = await start(manners)
      const { create, open, notices } = setUp(server)
      await loadUntil(create(), PIECE_BYTES + 100)
      manners.body = weights(change.bytes ?? BYTES, 2)
      manners.etag = change.etag
      expect((await open()).hash).toBe(sha256(manners.body))
      expect(notices.join()).toContain('has changed')
    }
  })

  it('gives up on a file that changes with every answer', async () => {
    let version = 0
    const manners: Partial<Manners> = { body: weights(), cuts: Array(50).fill(PIECE_BYTES + 1) }
    manners.before = () => {
      manners.etag = `"${version++}"`
    }
    const { open } = setUp(await start(manners))
    await expect(open()).rejects.toMatchObject({ code: 'integrity-failed' })
    expect(version).toBeLessThan(12)
  })

  it('is not fooled by a log whose end a kill has cut', async () => {
    const body = weights()
    const server = await start({ body, etag: '"a"' })
    const { create, open, directory } = setUp(server)
    await loadUntil(create(), PIECE_BYTES * 2)
    const { log } = directory
    log.bytes = log.bytes.slice(0, log.bytes.byteLength - 20)
    expect((await open()).hash).toBe(sha256(body))
    expect((await open()).hash).toBe(sha256(body))
  })
})

describe('what is kept', () => {
  it('is fetched again in the part that a truncated file lacks', async () => {
    const body = weights()
    const server = await start({ body, etag: '"a"' })
    const { open, directory } = setUp(server)
    await open()
    directory.data.bytes = directory.data.bytes.slice(0, PIECE_BYTES + 5)
    expect((await open()).hash).toBe(sha256(body))
    expect(server.asked.at(-1)?.range).toBe(`bytes=${PIECE_BYTES}-`)
  })

  it('is mended piece by piece when its bytes have changed', async () => {
    const body = weights()
    const server = await start({ body, etag: '"a"' })
    const { open, create, directory } = setUp(server)
    await open()
    directory.data.bytes[PIECE_BYTES + 7] = 255 - (body[PIECE_BYTES + 7] as number)
    await create().repair()
    expect((await open()).hash).toBe(sha256(body))
    expect(server.asked.map(({ range }) => range)).toEqual([undefined, `bytes=${PIECE_BYTES}-${2 * PIECE_BYTES - 1}`])
    await create().repair()
    expect(await create().storedBytes(), 'unchanged and still wrong: all is forgotten').toBe(0)
    expect(directory.files.size).toBe(0)
  })

  it('is not begun for a large file without room, and a small one goes on in memory', async () => {
    for (const [bytes, code] of [
      [17_000_000, 'quota-exceeded'],
      [1_000_000, undefined],
    ] as const) {
      const body = weights(bytes)
      const server = await start({ body, etag: '"a"' })
      const { open, directory } = setUp(server)
      directory.limit(900_000)
      if (code === undefined) expect(await open()).toEqual({ hash: sha256(body), stored: 'false' })
      else await expect(open()).rejects.toMatchObject({ code, details: { bytes } })
    }
  })

  it('goes on in memory when the storage gets full in the middle', async () => {
    const body = weights()
    const manners: Partial<Manners> = { body, etag: '"a"', cuts: [PIECE_BYTES + 1_000] }
    const directory = fakeDirectory()
    manners.before = ({ headers }) => {
      if (headers.range) directory.limit(0)
    }
    const server = await start(manners)
    const refused: string[] = []
    const { open } = setUp(
      server,
      {},
      { directory: directory.root, onNotStored: (_file, { code }) => refused.push(code) },
    )
    expect(await open()).toEqual({ hash: sha256(body), stored: 'false' })
    expect(refused).toEqual(['quota-exceeded'])
    expect(server.sent).toBeLessThan(BYTES * 1.05)
  })

  it('goes to the Cache API where files are blocked, and is found there', async () => {
    const body = weights()
    const server = await start({ body, etag: '"a"' })
    const { caches } = fakeCaches()
    const blocked = () => Promise.reject(new DOMException('blocked', 'SecurityError'))
    const { open, create } = setUp(server, {}, { directory: blocked, caches })
    await loadUntil(create(), PIECE_BYTES + 100)
    expect(await open()).toEqual({ hash: sha256(body), stored: 'true' })
    expect(await open()).toEqual({ hash: sha256(body), stored: 'true' })
    expect(server.asked.map(({ range }) => range)).toEqual([undefined, expect.stringMatching(/^bytes=\d+-$/)])
    expect(await create().storedBytes()).toBe(BYTES)
  })
})

describe('hashes', () => {
  it('are checked over the whole file, also one that was put together in two loads', async () => {
    const body = weights()
    const server = await start({ body, etag: '"a"' })
    const files = { [FILE]: { bytes: BYTES, sha256: sha256(body) } }
    const { create, open } = setUp(server, { files })
    await loadUntil(create(), PIECE_BYTES + 100)
    expect((await open()).stored).toBe('true')
  })

  it('refuse a file of the right length, and keep nothing of it', async () => {
    const server = await start({ body: weights(), etag: '"a"' })
    const { open, directory } = setUp(server, { files: { [FILE]: { sha256: sha256(weights(BYTES, 2)) } } })
    await expect(open()).rejects.toMatchObject({ code: 'integrity-failed' })
    expect(directory.files.size).toBe(0)
  })

  it('of pieces let a broken one be fetched again by itself', async () => {
    const body = weights(250_000)
    const pieces = {
      bytes: 100_000,
      sha256: [0, 1, 2].map((index) => sha256(body.subarray(index * 100_000, (index + 1) * 100_000))),
    }
    const manners: Partial<Manners> = { body: Uint8Array.from(body), etag: '"a"' }
    ;(manners.body as Uint8Array)[150_000] = 1 + (body[150_000] as number)
    manners.before = ({ headers }) => {
      if (headers.range) manners.body = body
    }
    const server = await start(manners)
    const { open, notices } = setUp(server, { files: { [FILE]: { bytes: body.byteLength, pieces } } })
    expect((await open()).hash).toBe(sha256(body))
    expect(notices.join()).toContain('broken')
    expect(server.asked.map(({ range }) => range)).toEqual([undefined, 'bytes=100000-'])
  })

  it('of pieces that stay wrong end in an error', async () => {
    const body = weights(250_000)
    const pieces = { bytes: 100_000, sha256: ['0'.repeat(64), '1'.repeat(64), '2'.repeat(64)] }
    const server = await start({ body, etag: '"a"' })
    const { open } = setUp(server, { files: { [FILE]: { bytes: body.byteLength, pieces } } })
    await expect(open()).rejects.toMatchObject({ code: 'integrity-failed' })
    expect(server.asked.length).toBeLessThan(8)
  })

  it('are the same whichever way they are computed', async () => {
    for (const bytes of [0, 1_000, PIECE_BYTES, PIECE_BYTES + 1, BYTES]) {
      const body = weights(bytes)
      expect(await hashFile(new Blob([body as Uint8Array<ArrayBuffer>]))).toBe(sha256(body))
    }
  })
})

describe('a server that lies', () => {
  it('about the length is refused before the download', async () => {
    const server = await start({ body: weights(), etag: '"a"' })
    const { open } = setUp(server, { files: { [FILE]: { bytes: 7 } } })
    await expect(open()).rejects.toMatchObject({ code: 'integrity-failed', details: { expected: 7 } })
  })

  it('and gives less than it says is given up, with nothing given out', async () => {
    const server = await start({ body: weights(1_000), claims: 2_000 })
    const { open } = setUp(server)
    await expect(open()).rejects.toMatchObject({ code: 'integrity-failed' })
    expect(server.asked.length).toBeLessThan(10)
  })

  it('by serving a page is as one that has no such file', async () => {
    const page = new TextEncoder().encode('<!doctype html><title>home</title>')
    for (const contentType of ['text/html; charset=utf-8', 'application/octet-stream']) {
      const { open, directory } = setUp(await start({ body: page, contentType }))
      await expect(open()).rejects.toMatchObject({ code: 'model-not-found' })
      expect(directory.files.size).toBe(0)
    }
  })

  it('by saying nothing is left after a time', async () => {
    const silent: Clock = {
      ...clock,
      setTimer: (_ms, run) => {
        const timer = setTimeout(run, 50)
        return () => clearTimeout(timer)
      },
    }
    const hanging: typeof fetch = async () => {
      const source = new ReadableStream({ pull: () => new Promise(() => {}) })
      return new Response(source, { headers: { 'content-length': '1000' } })
    }
    const { open } = setUp(await start({}), {}, { clock: silent, fetch: hanging })
    await expect(open()).rejects.toMatchObject({ code: 'integrity-failed', message: expect.stringContaining('got 0') })
  })
})

describe('several sources', () => {
  const mirrorPath = `/owner/name/resolve/main/${FILE}`

  it('are asked in order, and the next goes on with the same pieces', async () => {
    const body = weights()
    const down: Partial<Manners> = { body, etag: '"same"', cuts: [PIECE_BYTES + 1_000] }
    down.before = ({ headers }) => {
      if (headers.range) down.status = 503
    }
    const first = await start(down)
    const mirror = await start({ body, etag: '"same"' }, mirrorPath)
    const { open } = setUp(first, { allowRemote: true, mirrors: [mirror.url] })
    expect((await open()).hash).toBe(sha256(body))
    expect(mirror.asked.map(({ range }) => range)).toEqual([`bytes=${PIECE_BYTES}-`])
  })

  it('that have another file begin anew, but for one whose hash is known', async () => {
    const body = weights()
    for (const files of [undefined, { [FILE]: { bytes: BYTES, sha256: sha256(body) } }]) {
      const down: Partial<Manners> = { body, etag: '"one"', cuts: [PIECE_BYTES + 1_000] }
      down.before = ({ headers }) => {
        if (headers.range) down.status = 503
      }
      const first = await start(down)
      const mirror = await start({ body, etag: '"other"' }, mirrorPath)
      const { open } = setUp(first, { allowRemote: true, mirrors: [mirror.url], files })
      expect((await open()).hash).toBe(sha256(body))
      expect(mirror.sent < BYTES).toBe(files !== undefined)
    }
  })
})

describe('two callers', () => {
  /** Web Locks of one origin. */
  function createLocks(): LockQueue {
    const tails = new Map<string, Promise<unknown>>()
    return {
      async request(name, { ifAvailable }, run) {
        const before = tails.get(name)
        if (before && ifAvailable) return run(null)
        const mine = (before ?? Promise.resolve()).then(() => run({}))
        const settled: Promise<unknown> = mine
          .catch(() => {})
          .then(() => tails.get(name) === settled && tails.delete(name))
        tails.set(name, settled)
        return mine
      },
    }
  }

  it('in two tabs fetch a file once, and the one that waits sees how it goes', async () => {
    const body = weights()
    const server = await start({ body, etag: '"a"' })
    const locks = createLocks()
    const own = { locks, clock: { ...systemClock, sleep: (ms: number) => systemClock.sleep(Math.min(ms, 5)) } }
    const { directory } = setUp(server)
    const tab = () => setUp(server, {}, { ...own, directory: directory.root })
    const [first, second] = await Promise.all([tab().open(), tab().open()])
    expect(first).toEqual({ hash: sha256(body), stored: 'true' })
    expect(second).toEqual(first)
    expect(server.asked).toHaveLength(1)
  })

  it('do without locks where a page may not take any, and the download fails as it would', async () => {
    const locks: LockQueue = { request: () => Promise.reject(new DOMException('opaque origin', 'SecurityError')) }
    const body = weights(1_000)
    const { open } = setUp(await start({ body }), {}, { locks })
    expect((await open()).hash).toBe(sha256(body))
    const missing = setUp(await start({}), {}, { locks: createLocks() })
    await expect(missing.open()).rejects.toMatchObject({ code: 'model-not-found' })
  })

  it('go on from one another when the first is killed', async () => {
    const body = weights()
    const server = await start({ body, etag: '"a"' })
    const { create, open, directory } = setUp(server, {}, { locks: createLocks() })
    await loadUntil(create(), PIECE_BYTES + 100)
    directory.kill()
    expect((await open()).hash).toBe(sha256(body))
    expect(server.asked).toHaveLength(2)
  })
})
