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
  /** How many turns were over when it came. */
  readonly cameAt: number
  position: number
  /** How often an interactive one that came later went first. */
  passedOver: number
  start(): void
}

/** One that waits, as it will be when those before it have had their turns. */
type Place = Pick<Waiting, 'isBackground' | 'owner' | 'cameAt' | 'passedOver'> & { readonly entry: Waiting }

/** So often a background turn lets later ones go first; then it is its turn, or a busy page would never do it. */
const MAX_PASSED_OVER = 8

/** A queue whose turns span more than one call, unlike a limiter's tasks. */
export function createTurnQueue(): TurnQueue {
  /** In the order they came. */
  const waiting: Waiting[] = []
  /** Which turn was the last one of each owner. */
  const lastTurn = new Map<string, number>()
  let turns = 0
  let taken = false

  /** All that wait, in the order in which they will have their turn if nobody else comes. */
  const inOrder = (): Waiting[] => {
    const left: Place[] = waiting.map((entry) => ({ ...entry, entry }))
    const last = new Map(lastTurn)
    const order: Waiting[] = []
    for (let turn = turns + 1; left.length > 0; turn++) {
      const { entry } = takeNext(left, last)
      order.push(entry)
      if (entry.owner !== undefined) last.set(entry.owner, turn)
    }
    return order
  }

  const tellPositions = () => {
    inOrder().forEach((entry, index) => {
      if (entry.position === index + 1) return
      entry.position = index + 1
      entry.onPosition?.(index + 1)
    })
  }

  const startNext = () => {
    if (waiting.length > 0) takeNext(waiting, lastTurn).start()
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
          cameAt: turns - 1,
          position: 0,
          passedOver: 0,
          start() {
            forget()
            resolve(takeTurn(owner))
          },
        }
        const forget = onAbort(signal, (aborted) => {
          waiting.splice(waiting.indexOf(entry), 1)
          reject(abortError(aborted))
          tellPositions()
        })
        waiting.push(entry)
        tellPositions()
      })
    },
  }
}

/**
 * Takes out of a line whose turn it is: of those that are due, else of the interactive ones, the one whose owner had its last turn the longest
 * ago. An owner that had none counts from when it came, so that newcomers, however many, keep nobody waiting for ever.
 */
function takeNext<Entry extends Omit<Place, 'entry'>>(line: Entry[], lastTurn: ReadonlyMap<string, number>): Entry {
  const urgency = ({ isBackground, passedOver }: Entry) => (passedOver >= MAX_PASSED_OVER ? 0 : isBackground ? 2 : 1)
  const since = ({ owner, cameAt }: Entry) => (owner === undefined ? cameAt : (lastTurn.get(owner) ?? cameAt))
  const next = line.reduce((best, entry) =>
    (urgency(entry) - urgency(best) || since(entry) - since(best)) < 0 ? entry : best,
  )
  const place = line.indexOf(next)
  for (const entry of line.slice(0, place)) if (entry.isBackground) entry.passedOver++
  line.splice(place, 1)
  return next
}
