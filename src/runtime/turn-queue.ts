import { abortError, onAbort, throwIfAborted } from './abort.js'

export interface EnterOptions {
  /** Leaves the queue; the others move up. */
  readonly signal?: AbortSignal | undefined
  /** Told the place in the queue, from 1, at first and at each change. Not called when it is free. */
  readonly onPosition?: ((position: number) => void) | undefined
}

/** Lets one holder in at a time, in the order they came. */
export interface TurnQueue {
  /** Waits for its turn. The returned function ends the turn; call it once. */
  enter(options?: EnterOptions): Promise<() => void>
}

interface Waiting {
  readonly onPosition: ((position: number) => void) | undefined
  start(): void
}

/** A queue whose turns span more than one call, unlike a limiter's tasks. */
export function createTurnQueue(): TurnQueue {
  const waiting: Waiting[] = []
  let taken = false

  const tellPositions = () => {
    waiting.forEach(({ onPosition }, index) => {
      onPosition?.(index + 1)
    })
  }

  const takeTurn = (): (() => void) => {
    taken = true
    let ended = false
    return () => {
      if (ended) return
      ended = true
      taken = false
      waiting.shift()?.start()
      tellPositions()
    }
  }

  return {
    async enter({ signal, onPosition } = {}) {
      throwIfAborted(signal)
      if (!taken) return takeTurn()
      return new Promise((resolve, reject) => {
        const entry: Waiting = {
          onPosition,
          start() {
            forget()
            resolve(takeTurn())
          },
        }
        const forget = onAbort(signal, (aborted) => {
          waiting.splice(waiting.indexOf(entry), 1)
          reject(abortError(aborted))
          tellPositions()
        })
        waiting.push(entry)
        onPosition?.(waiting.length)
      })
    },
  }
}
