/** Locks by name, over all tabs of an origin where the browser has Web Locks, else over this thread. */
export interface Locks {
  /** Runs `work` while nobody else has the lock. */
  exclusive<T>(name: string, work: () => Promise<T>): Promise<T>
  /** Runs `work` together with others that share the lock. */
  shared<T>(name: string, work: () => Promise<T>): Promise<T>
  /** Runs `work` if nobody has the lock at this moment; undefined when somebody has. */
  ifFree<T>(name: string, work: () => Promise<T>): Promise<T | undefined>
}

/** @param manager @default `navigator.locks`; insecure contexts have none */
export function createLocks(manager: LockManager | undefined = globalThis.navigator?.locks): Locks {
  return manager === undefined ? createThreadLocks() : createWebLocks(manager)
}

/** Web Locks; locks of this thread where the browser refuses them, as it does when site data is blocked. */
function createWebLocks(manager: LockManager): Locks {
  const own = createThreadLocks()
  let isRefused = false

  async function request<T>(
    name: string,
    options: LockOptions,
    work: (lock: Lock | null) => Promise<T>,
    otherwise: () => Promise<T>,
  ): Promise<T> {
    if (isRefused) return await otherwise()
    let hasStarted = false
    try {
      return await manager.request(name, options, async (lock) => {
        hasStarted = true
        return await work(lock)
      })
    } catch (error) {
      if (hasStarted || (error as { name?: unknown }).name !== 'SecurityError') throw error
      isRefused = true
      return await otherwise()
    }
  }

  return {
    exclusive: (name, work) => request(name, {}, work, () => own.exclusive(name, work)),
    shared: (name, work) => request(name, { mode: 'shared' }, work, () => own.shared(name, work)),
    ifFree: (name, work) =>
      request(
        name,
        { ifAvailable: true },
        async (lock) => (lock === null ? undefined : await work()),
        () => own.ifFree(name, work),
      ),
  }
}

interface Holder {
  readonly isShared: boolean
  readonly start: () => void
}

/** First come, first served; neighbours in the queue that share run together. */
function createThreadLocks(): Locks {
  const queues = new Map<string, { active: Holder[]; waiting: Holder[] }>()

  function advance(name: string): void {
    const queue = queues.get(name)
    if (queue === undefined) return
    for (;;) {
      const next = queue.waiting[0]
      if (next === undefined) break
      const mayStart = queue.active.length === 0 || (next.isShared && queue.active.every((holder) => holder.isShared))
      if (!mayStart) break
      queue.waiting.shift()
      queue.active.push(next)
      next.start()
    }
    if (queue.active.length === 0) queues.delete(name)
  }

  async function run<T>(name: string, isShared: boolean, work: () => Promise<T>): Promise<T> {
    let holder: Holder | undefined
    const started = new Promise<void>((resolve) => {
      holder = { isShared, start: resolve }
      const queue = queues.get(name) ?? { active: [], waiting: [] }
      queues.set(name, queue)
      queue.waiting.push(holder)
      advance(name)
    })
    await started
    try {
      return await work()
    } finally {
      const queue = queues.get(name)
      if (queue !== undefined) queue.active = queue.active.filter((other) => other !== holder)
      advance(name)
    }
  }

  return {
    exclusive: (name, work) => run(name, false, work),
    shared: (name, work) => run(name, true, work),
    async ifFree(name, work) {
      return queues.has(name) ? undefined : await run(name, false, work)
    },
  }
}
