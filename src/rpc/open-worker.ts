/** Where each worker's script came from, for error messages. */
const workerUrls = new WeakMap<object, string>()

/** The script's URL of a worker that `openWorker` opened. */
export function workerUrl(worker: Worker): string | undefined {
  return workerUrls.get(worker)
}

/**
 * Starts a module worker, from a page or from inside a worker. A browser refuses a script of another origin, so such a one
 * is imported by a Blob of our own: dynamically, as a Content-Security-Policy with `worker-src blob:` blocks static imports.
 */
export function openWorker(url: URL | string, name: string): Worker {
  const target = new URL(url, globalThis.location?.href)
  const isOwnOrigin = target.origin === (globalThis.origin ?? globalThis.location?.origin)
  const worker = isOwnOrigin ? new Worker(target, { type: 'module', name }) : openThroughBlob(target, name)
  workerUrls.set(worker, target.href)
  return worker
}

function openThroughBlob(target: URL, name: string): Worker {
  const source = `(${importScript.toString()})(${JSON.stringify(target.href)})`
  const blobUrl = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }))
  const worker = new Worker(blobUrl, { type: 'module', name })
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
 * The Blob's whole script: it must not refer to anything outside itself. Messages that come before the script has been
 * imported are kept and given to it then. A failed import is thrown outside the promise, or the page gets no event.
 */
function importScript(href: string): void {
  const early: MessageEvent[] = []
  const keep = (event: MessageEvent) => {
    event.stopImmediatePropagation()
    early.push(event)
  }
  addEventListener('message', keep)
  import(/* @vite-ignore */ href).then(
    () => {
      removeEventListener('message', keep)
      for (const { data, ports } of early) {
        dispatchEvent(new MessageEvent('message', { data, ports: [...ports] }))
      }
    },
    (error) => {
      setTimeout(() => {
        throw error
      })
    },
  )
}
