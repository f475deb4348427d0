import type { Clock } from '../../runtime/clock.js'

export interface CircuitOptions {
  readonly clock: Clock
  /** Failures in a row that open it. @default 2 */
  readonly failuresToOpen?: number | undefined
  /** How long it stays open the first time; each time after a failed probe twice as long. @default 5_000 */
  readonly openMs?: number | undefined
  /** @default 120_000 */
  readonly maxOpenMs?: number | undefined
}

/**
 * Whether one server is well, by what came of the requests to it. Closed: it is asked. Open: it failed several times in a row and is left
 * alone for a while. Half-open: the while is over, and one request at a time may find out how it is.
 */
export interface Circuit {
  readonly state: 'closed' | 'open' | 'half-open'
  /** When it may be asked again, on the clock; 0 when it may be asked now. */
  readonly blockedUntil: number
  /** Takes the place of the one probe that a half-open circuit allows. The result must be reported, or `left`. */
  enter(): void
  succeed(): void
  /** @param pauseMs for which the server asked to be left alone */
  fail(pauseMs?: number): void
  /** The request ended without telling anything of the server, as when its caller left. */
  left(): void
}

export function createCircuit(options: CircuitOptions): Circuit {
  const { clock, failuresToOpen = 2, openMs = 5_000, maxOpenMs = 120_000 } = options
  let failures = 0
  let openings = 0
  let openUntil = 0
  let probing = false

  const state = () => (openUntil === 0 ? 'closed' : clock.now() < openUntil ? 'open' : 'half-open')
  return {
    get state() {
      return state()
    },
    get blockedUntil() {
      if (state() === 'closed') return 0
      if (state() === 'open') return openUntil
      return probing ? Number.POSITIVE_INFINITY : 0
    },
    enter() {
      probing = openUntil !== 0
    },
    succeed() {
      failures = 0
      openings = 0
      openUntil = 0
      probing = false
    },
    fail(pauseMs = 0) {
      failures += 1
      probing = false
      if (failures < failuresToOpen && openUntil === 0 && pauseMs === 0) return
      const whileMs = failures < failuresToOpen ? 0 : Math.min(maxOpenMs, openMs * 2 ** openings++)
      openUntil = clock.now() + Math.max(Math.min(pauseMs, maxOpenMs), whileMs)
    },
    left() {
      probing = false
    },
  }
}
