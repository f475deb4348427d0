/** The parts of the Cache API that the weight store uses, in memory. `quota`: bytes after which `put` is refused. */
export function fakeCaches({ quota = Number.POSITIVE_INFINITY, blocked = false } = {}) {
  const caches = new Map<string, Map<string, { body: ArrayBuffer; headers: Headers }>>()
  const storage = {
    async open(name: string) {
      if (blocked) throw new DOMException('storage is blocked', 'SecurityError')
      const entries = caches.get(name) ?? new Map()
      caches.set(name, entries)
      return {
        async match(url: string) {
          const entry = entries.get(url)
          return entry && new Response(entry.body.slice(0), { headers: entry.headers })
        },
        async put(url: string, response: Response) {
          const body = await response.arrayBuffer()
          if (body.byteLength > quota) throw new DOMException('full', 'QuotaExceededError')
          entries.set(url, { body, headers: response.headers })
        },
        delete: async (url: string) => entries.delete(url),
        keys: async () => [...entries.keys()].map((url) => ({ url })),
      }
    },
  }
  return {
    caches: storage as unknown as CacheStorage,
    entries: (name: string) => [...(caches.get(name)?.keys() ?? [])],
  }
}
