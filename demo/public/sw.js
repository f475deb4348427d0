// Keeps the page itself for the time without a network. Model files are not its business: the library has its own store for them.
// The build fills in the two lines below.
const VERSION = '__VERSION__'
const SHELL = ['__SHELL__']

const PREFIX = 'alcove-page-'
const CACHE = PREFIX + VERSION

// A new version waits until the last page of the old one is closed: until then the old one's files may still be asked for.
self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL)))
})

self.addEventListener('activate', (event) => {
  const tidy = async () => {
    for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name)
    await self.clients.claim()
  }
  event.waitUntil(tidy())
})

self.addEventListener('fetch', (event) => {
  const { request } = event
  const url = new URL(request.url)
  const scope = new URL(self.registration.scope)
  if (request.method !== 'GET' || request.headers.has('range') || url.origin !== scope.origin) return
  if (!url.pathname.startsWith(scope.pathname)) return
  const path = url.pathname.slice(scope.pathname.length)
  if (path.startsWith('models/')) return
  if (request.mode === 'navigate') event.respondWith(fromNetworkFirst(event))
  else if (path.startsWith('assets/') || SHELL.includes(`./${path}`)) event.respondWith(fromCacheFirst(event))
})

/** Keeps a copy without holding up the answer. */
function keep(event, key, response) {
  if (response.status !== 200 || response.type !== 'basic') return
  const copy = response.clone()
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.put(key, copy))
      .catch(() => {}),
  )
}

/** Files with a hash in their name never change. */
async function fromCacheFirst(event) {
  const kept = await caches.match(event.request, { cacheName: CACHE, ignoreSearch: true })
  if (kept) return kept
  const response = await fetch(event.request)
  keep(event, event.request, response)
  return response
}

/** The page itself: the newest one, or the one that is here when the network does not answer. */
async function fromNetworkFirst(event) {
  try {
    const response = await fetch(event.request)
    keep(event, './', response)
    return response
  } catch {
    return (await caches.match('./', { cacheName: CACHE })) ?? Response.error()
  }
}
