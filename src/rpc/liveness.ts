/** What a worker and its host say to each other beside Comlink's messages, which have no `alcove` field. */
export type LifeMessage =
  /** The worker's script has run. `lock` is a Web Lock that it holds until it dies, where there are such. */
  { readonly alcove: 'ready'; readonly lock: string | undefined } | { readonly alcove: 'ping' | 'pong' }

/** Web Locks, where there are such (secure contexts). */
function webLocks(): LockManager | undefined {
  return globalThis.navigator?.locks
}

/**
 * Takes a Web Lock that this worker holds until it dies. Resolves to its name, or to undefined where there are no locks
 * or they are refused (an opaque origin).
 */
export function holdLife(): Promise<string | undefined> {
  const name = `alcove-worker-${Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('')}`
  return new Promise((resolve) => {
    const locks = webLocks()
    if (locks === undefined) return resolve(undefined)
    const forever = () => {
      resolve(name)
      return new Promise<never>(() => {})
    }
    locks.request(name, forever).catch(() => resolve(undefined))
  })
}

/** Calls `onDeath` when the worker that holds the lock has died, which gives no event. Returns a stop; undefined without locks. */
export function watchLock(name: string, onDeath: () => void): (() => void) | undefined {
  const locks = webLocks()
  if (locks === undefined) return undefined
  const controller = new AbortController()
  locks
    .request(name, { signal: controller.signal }, async () => {
      if (!controller.signal.aborted) onDeath()
    })
    .catch(() => {})
  return () => controller.abort()
}
