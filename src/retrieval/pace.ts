/** How fast a piece of work may go, which can change while it goes on. */
export interface Pace {
  readonly isPaused: boolean
  /** Saves power: small batches with rests between. */
  readonly isGentle: boolean
  /** Told after each change, until the returned function is called. */
  onChange(listener: () => void): () => void
}

/** A pace that somebody controls. */
export interface PaceControl extends Pace {
  set(change: { readonly isPaused?: boolean | undefined; readonly isGentle?: boolean | undefined }): void
}

/** A pace, at first at full speed unless told otherwise. */
export function createPace(isGentle = false, isPaused = false): PaceControl {
  const listeners = new Set<() => void>()
  const state = { isGentle, isPaused }
  return {
    get isPaused() {
      return state.isPaused
    },
    get isGentle() {
      return state.isGentle
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    set(change) {
      state.isPaused = change.isPaused ?? state.isPaused
      state.isGentle = change.isGentle ?? state.isGentle
      for (const listener of [...listeners]) listener()
    },
  }
}
