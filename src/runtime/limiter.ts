import { abortError, onAbort, throwIfAborted } from './abort.js'

export interface LimiterTaskOptions {
  /** Takes the task out of the queue. A task that runs must heed it by itself. */
  readonly signal?: AbortSignal | undefined
  /** Higher runs first; equal ones in the order they came. @default 0 */
  readonly priority?: number | undefined
}

/** Runs at most so many tasks at once; the others wait in line. */
export interface Limiter {
  /** Settles as the task does; rejects with the signal's error when that aborts while the task waits. */
  run<T>(task: () => Promise<T>, options?: LimiterTaskOptions): Promise<T>
  /** Number of tasks that run. */
  readonly active: number
  /** Number of tasks that wait. */
  readonly pending: number
}

interface Waiting {
  readonly priority: number
  start(): void
}

/** A limiter for `max` tasks at once. */
export function createLimiter(max: number): Limiter {
  const queue: Waiting[] = []
  let active = 0

  async function execute<T>(task: () => Promise<T>): Promise<T> {
    active += 1
    try {
      return await task()
    } finally {
      active -= 1
      queue.shift()?.start()
    }
  }

  function enqueue(entry: Waiting): void {
    let place = queue.length
    while (place > 0 && (queue[place - 1]?.priority ?? 0) < entry.priority) place -= 1
    queue.splice(place, 0, entry)
  }

  function wait<T>(task: () => Promise<T>, { signal, priority = 0 }: LimiterTaskOptions): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const entry: Waiting = {
        priority,
        start() {
          forget()
          execute(task).then(resolve, reject)
        },
      }
      const forget = onAbort(signal, (aborted) => {
        queue.splice(queue.indexOf(entry), 1)
        reject(abortError(aborted))
      })
      enqueue(entry)
    })
  }

  return {
    async run(task, options = {}) {
      throwIfAborted(options.signal)
      return await (active < max ? execute(task) : wait(task, options))
    },
    get active() {
      return active
    },
    get pending() {
      return queue.length
    },
  }
}
