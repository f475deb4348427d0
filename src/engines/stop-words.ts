/** Cuts a stream of text at the earliest of some texts. */
export interface StopCutter {
  /** What of the text may be shown now: a tail that could still become a stop text is held back. */
  push(text: string): { readonly text: string; readonly stopped: boolean }
  /** What was held back, when the stream has ended by itself. */
  flush(): string
}

/** Length of the longest end of `text` that begins one of `stops`. */
function pendingLength(text: string, stops: readonly string[]): number {
  let longest = 0
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length
    }
  }
  return longest
}

/** Place of the earliest stop text, or -1. */
function earliestStop(text: string, stops: readonly string[]): number {
  let earliest = -1
  for (const stop of stops) {
    const at = text.indexOf(stop)
    if (at >= 0 && (earliest < 0 || at < earliest)) earliest = at
  }
  return earliest
}

/** A cutter for these stop texts; empty ones are ignored. The stop text itself is never shown. */
export function createStopCutter(stops: readonly string[] = []): StopCutter {
  const active = stops.filter((stop) => stop !== '')
  let held = ''
  let stopped = false
  return {
    push(text) {
      if (stopped) return { text: '', stopped }
      held += text
      const at = earliestStop(held, active)
      if (at >= 0) {
        stopped = true
        const shown = held.slice(0, at)
        held = ''
        return { text: shown, stopped }
      }
      const keep = pendingLength(held, active)
      const shown = held.slice(0, held.length - keep)
      held = held.slice(held.length - keep)
      return { text: shown, stopped }
    },
    flush() {
      const rest = held
      held = ''
      return rest
    },
  }
}
