import {
  type FileStore,
  type KeptFile,
  keepError,
  type LogEntry,
  pieceCount,
  pieceLength,
  readLog,
} from './file-store.js'

const PIECE = 'alcove-piece'
const pieceUrl = (url: string, index: number) => `${url}?${PIECE}=${index}`

/**
 * Files in one cache of the Cache API: an entry for each piece, and one with the log. Slower than files, and each read copies, but
 * it works on pages too and where files are blocked.
 */
export function createCacheStore(cacheName: string, storage: CacheStorage | undefined, now: () => number): FileStore {
  const open = async () => {
    if (!storage) throw new Error('the Cache API is missing (it needs https or localhost)')
    return storage.open(cacheName)
  }
  const attempt = async <T>(use: (cache: Cache) => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await use(await open())
    } catch {
      return otherwise
    }
  }
  const readEntries = async (cache: Cache, url: string): Promise<LogEntry[]> => {
    const kept = await cache.match(url)
    const entries: unknown = kept ? await kept.json().catch(() => undefined) : undefined
    return Array.isArray(entries) ? entries : []
  }
  const writeEntries = (cache: Cache, url: string, entries: readonly LogEntry[]) => {
    const text = JSON.stringify(entries)
    return cache.put(url, new Response(text, { headers: { 'content-length': String(text.length) } }))
  }

  async function find(cache: Cache, url: string): Promise<KeptFile | undefined> {
    const entries = await readEntries(cache, url)
    if (entries.length === 0) return undefined
    const lengths = new Map<number, number>()
    for (const entry of entries) {
      if (!('piece' in entry)) continue
      const kept = await cache.match(pieceUrl(url, entry.piece))
      if (kept) lengths.set(entry.piece, Number(kept.headers.get('content-length')))
    }
    return readLog(entries, (head, index, bytes) => lengths.get(index) === pieceLength(head, index, bytes))
  }

  const piece = (cache: Cache, url: string, index: number) =>
    cache.match(pieceUrl(url, index)).then((kept) => kept?.blob())

  const append = (url: string, entry: LogEntry) =>
    attempt(async (cache) => {
      await writeEntries(cache, url, [...(await readEntries(cache, url)), entry])
      return true
    }, false)

  return {
    kind: 'cache-api',
    find: (url) => attempt((cache) => find(cache, url), undefined),
    blob: ({ head, completeBytes = 0 }) =>
      attempt(async (cache) => {
        const indexes = Array.from({ length: pieceCount(head, completeBytes) }, (_, index) => index)
        const parts = await Promise.all(indexes.map((index) => piece(cache, head.key, index)))
        const whole = new Blob(parts.filter((part) => part !== undefined))
        return whole.size === completeBytes ? whole : undefined
      }, undefined),
    piece: ({ head }, index) => attempt((cache) => piece(cache, head.key, index), undefined),
    list: (prefix) =>
      attempt(async (cache) => {
        const urls = (await cache.keys()).map((request) => request.url)
        const heads = urls.filter((url) => url.startsWith(prefix) && !url.includes(`?${PIECE}=`))
        const files = await Promise.all(heads.map((url) => find(cache, url)))
        return files.filter((file) => file !== undefined)
      }, []),
    async write(url) {
      const cache = await open().catch((error: unknown) => {
        throw keepError(error)
      })
      let entries = await readEntries(cache, url).catch(() => [])
      const append = async (entry: LogEntry) => {
        entries = [...entries, entry]
        await writeEntries(cache, url, entries)
      }
      return {
        async begin(head) {
          await deletePieces(cache, url)
          entries = []
          await append({ head, at: now() })
        },
        async put(index, bytes, sha256) {
          const body = new Response(bytes as Uint8Array<ArrayBuffer>, {
            headers: { 'content-length': String(bytes.byteLength), 'content-type': 'application/octet-stream' },
          })
          await cache.put(pieceUrl(url, index), body)
          await append({ piece: index, sha256 })
        },
        finish: (bytes) => append({ complete: bytes }),
        close: async () => {},
      }
    },
    note: (url, event) =>
      append(url, 'usedAt' in event ? event : { head: event.head, at: now(), absentSince: event.absentSince }),
    async drop(url, pieces) {
      if (pieces) return void (await append(url, { lost: pieces }))
      await attempt(async (cache) => {
        await deletePieces(cache, url)
        await cache.delete(url)
      }, undefined)
    },
  }
}

async function deletePieces(cache: Cache, url: string): Promise<void> {
  for (const { url: known } of await cache.keys()) {
    if (known.startsWith(`${url}?${PIECE}=`)) await cache.delete(known)
  }
}
