import { createLocks } from '../../runtime/locks.js'

/** Locks of sessions: over all tabs where the browser has Web Locks, else over this page. They end with the tab that holds them. */
export interface SessionLocks {
  /** Runs `work` while nobody else has the lock. */
  exclusive<T>(name: string, work: () => Promise<T>): Promise<T>
  /** Waits for the lock, keeps it, and gives what lets it go. */
  hold(name: string): Promise<() => void>
  /** Whether somebody has the lock, on this tab or another. */
  isHeld(name: string): Promise<boolean>
}

/** @param manager @default `navigator.locks`; insecure contexts have none */
export function createSessionLocks(manager: LockManager | undefined = globalThis.navigator?.locks): SessionLocks {
  const locks = createLocks(manager)
  const held = new Map<string, number>()
  const count = (name: string, by: number) => held.set(name, (held.get(name) ?? 0) + by)

  async function exclusive<T>(name: string, work: () => Promise<T>): Promise<T> {
    return await locks.exclusive(name, async () => {
      count(name, 1)
      try {
        return await work()
      } finally {
        if (count(name, -1).get(name) === 0) held.delete(name)
      }
    })
  }

  return {
    exclusive,
    hold: (name) =>
      new Promise((resolve, reject) => {
        const whileHeld = () => new Promise<void>((release) => resolve(release))
        exclusive(name, whileHeld).catch(reject)
      }),
    async isHeld(name) {
      if (held.has(name)) return true
      // Shared, so that two who look at the same time do not take each other for a holder.
      const look = async (lock: Lock | null) => lock === null
      return (await manager?.request(name, { mode: 'shared', ifAvailable: true }, look).catch(() => false)) ?? false
    },
  }
}
