/** A `Worker` constructor, the browser's own or one that does more. */
export type WorkerConstructor = new (url: URL | string, options?: WorkerOptions) => Worker

/** Where each worker's script came from, for error messages. */
const workerUrls = new WeakMap<object, string>()

/** The script's URL of a worker that was opened here. */
export function workerUrl(worker: Worker): string | undefined {
  return workerUrls.get(worker)
}

/**
 * Starts a module worker, from a page or from inside a worker. A browser refuses a script of another origin, so such a one
 * is imported by a Blob of our own: dynamically, as a Content-Security-Policy with `worker-src blob:` blocks static imports.
 */
export function openWorker(url: URL | string, name: string): Worker {
  const target = new URL(url, globalThis.location?.href)
  const options = { type: 'module', name } as const
  return remember(isOwnOrigin(target) ? new Worker(target, options) : openThroughBlob(target, options), target)
}

/**
 * Starts a worker whose address stands literally in the caller's code, so that bundlers find it. Both callbacks say the same
 * `new Worker(new URL('./x.js', import.meta.url), { type: 'module' })`: `same` with the global constructor, which some bundlers insist on,
 * `cross` with the one that it is handed, for a script of another origin.
 */
export function startWorker(same: () => Worker, cross: (Worker: WorkerConstructor) => Worker): Worker {
  // A function, not an arrow: it is called with `new`, whose result is then the worker that it returns.
  function Substitute(url: URL | string, options?: WorkerOptions): Worker {
    const target = new URL(url, globalThis.location?.href)
    return remember(isOwnOrigin(target) ? same() : openThroughBlob(target, options), target)
  }
  return cross(Substitute as unknown as WorkerConstructor)
}

function remember(worker: Worker, url: URL): Worker {
  workerUrls.set(worker, url.href)
  return worker
}

function isOwnOrigin(url: URL): boolean {
  return url.origin === (globalThis.origin ?? globalThis.location?.origin) || ['blob:', 'data:'].includes(url.protocol)
}

function openThroughBlob(target: URL, options: WorkerOptions = {}): Worker {
  const source = BLOB_SCRIPT.replace('ADDRESS', () => JSON.stringify(target.href))
  const blobUrl = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }))
  const worker = new Worker(blobUrl, { ...options, type: 'module' })
  const revoke = () => {
    worker.removeEventListener('message', revoke)
    worker.removeEventListener('error', revoke)
    URL.revokeObjectURL(blobUrl)
  }
  worker.addEventListener('message', revoke)
  worker.addEventListener('error', revoke)
  return worker
}

/**
 * The Blob's whole script, as text: a bundler would rewrite an `import()` in code. Messages that come before the script has been
 * imported are kept and given to it then. A failed import is thrown outside the promise, or the page gets no event.
 */
const BLOB_SCRIPT = `
const early = []
const keep = (event) => {
  event.stopImmediatePropagation()
  early.push(event)
}
addEventListener('message', keep)
import(ADDRESS).then(
  () => {
    removeEventListener('message', keep)
    for (const { data, ports } of early) dispatchEvent(new MessageEvent('message', { data, ports: [...ports] }))
  },
  (error) => setTimeout(() => { throw error }),
)`
