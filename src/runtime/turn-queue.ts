import { abortError, onAbort, throwIfAborted } from './abort.js'

/** `interactive`: somebody waits for it. `background`: goes when nobody does. */
export type TurnPriority = 'interactive' | 'background'

export interface EnterOptions {
  /** Leaves the queue; the others move up. */
  readonly signal?: AbortSignal | undefined
  /** @default 'interactive' */
  readonly priority?: TurnPriority | undefined
  /** Who asks. Owners take turns, so that one that asks for many at once does not keep the others out. @default one of its own */
  readonly owner?: string | undefined
  /** Told the place in the queue, from 1, at first and at each change. Not called when it is free. */
  readonly onPosition?: ((position: number) => void) | undefined
}

/** Lets one holder in at a time: interactive ones first, owners in turn, and otherwise in the order they came. */
export interface TurnQueue {
  /** Waits for its turn. The returned function ends the turn; call it once. */
  enter(options?: EnterOptions): Promise<() => void>
}

interface Waiting {
  readonly isBackground: boolean
  readonly owner: string | undefined
  readonly onPosition: ((position: number) => void) | undefined
  position: number
  /** How often an interactive one that came later went first. */
  passedOver: number
  start(): void
}

/** So often a background turn lets later ones go first; then it is its turn, or a busy page would never do it. */
const MAX_PASSED_OVER = 8

/** A queue whose turns span more than one call, unlike a limiter's tasks. */
export function createTurnQueue(): TurnQueue {
  /** In the order they came. */
  const waiting: Waiting[] = []
  /** When each owner that still waits had its last turn. */
  const lastTurn = new Map<string, number>()
  let turns = 0
  let taken = false

  /** All that wait, in the order in which they will have their turn if nobody else comes. */
  const inOrder = (): Waiting[] => {
    const own = new Map<string, number>()
    const rank = (entry: Waiting): readonly number[] => {
      const before = entry.owner === undefined ? 0 : (own.get(entry.owner) ?? 0)
      if (entry.owner !== undefined) own.set(entry.owner, before + 1)
      const isDue = entry.passedOver >= MAX_PASSED_OVER
      const last = entry.owner === undefined ? 0 : (lastTurn.get(entry.owner) ?? 0)
      return [isDue ? 0 : entry.isBackground ? 2 : 1, before, last]
    }
    const ranked = waiting.map((entry, index) => ({ entry, rank: [...rank(entry), index] }))
    const compare = (a: readonly number[], b: readonly number[]) => {
      const at = a.findIndex((value, index) => value !== b[index])
      return at < 0 ? 0 : (a[at] as number) - (b[at] as number)
    }
    return ranked.sort((a, b) => compare(a.rank, b.rank)).map(({ entry }) => entry)
  }

  const tellPositions = () => {
    inOrder().forEach((entry, index) => {
      if (entry.position === index + 1) return
      entry.position = index + 1
      entry.onPosition?.(index + 1)
    })
  }

  const leave = (entry: Waiting) => {
    waiting.splice(waiting.indexOf(entry), 1)
    if (waiting.length === 0) lastTurn.clear()
  }

  const startNext = () => {
    const [next] = inOrder()
    if (next === undefined) return
    const place = waiting.indexOf(next)
    for (const entry of waiting.slice(0, place)) if (entry.isBackground) entry.passedOver++
    leave(next)
    next.start()
  }

  const takeTurn = (owner: string | undefined): (() => void) => {
    taken = true
    turns += 1
    if (owner !== undefined) lastTurn.set(owner, turns)
    let ended = false
    return () => {
      if (ended) return
      ended = true
      taken = false
      startNext()
      tellPositions()
    }
  }

  return {
    async enter({ signal, priority, owner, onPosition } = {}) {
      throwIfAborted(signal)
      if (!taken) {
        lastTurn.clear()
        return takeTurn(owner)
      }
      return new Promise((resolve, reject) => {
        const entry: Waiting = {
          isBackground: priority === 'background',
          owner,
          onPosition,
          position: 0,
          passedOver: 0,
          start() {
            forget()
            resolve(takeTurn(owner))
          },
        }
        const forget = onAbort(signal, (aborted) => {
          leave(entry)
          reject(abortError(aborted))
          tellPositions()
        })
        waiting.push(entry)
        tellPositions()
      })
    },
  }
}
