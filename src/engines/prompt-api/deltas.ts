/** Turns what a browser streams into deltas. */
export interface DeltaReader {
  push(chunk: string): string
  /** What was held back. */
  end(): string
}

/** So long a beginning is not repeated by chance. */
const TELLING_LENGTH = 4

/**
 * The Prompt API streams deltas today; the browsers that had it first repeated the whole text with each chunk. Told apart by the second chunk: if
 * that begins with the first and is longer, it is held back until the third says whether it goes on so.
 */
export function createDeltaReader(): DeltaReader {
  let mode: 'unknown' | 'delta' | 'whole' = 'unknown'
  let first = ''
  let second: string | undefined
  let shown = 0

  function decide(isWhole: boolean): string {
    mode = isWhole ? 'whole' : 'delta'
    const held = second ?? ''
    second = undefined
    const text = isWhole ? held.slice(first.length) : held
    shown = first.length + text.length
    return text
  }

  function pushKnown(chunk: string): string {
    if (mode === 'delta') return chunk
    const text = chunk.slice(shown)
    shown = Math.max(shown, chunk.length)
    return text
  }

  return {
    push(chunk) {
      if (chunk === '') return ''
      if (mode !== 'unknown') return pushKnown(chunk)
      if (first === '') {
        first = chunk
        return chunk
      }
      if (second === undefined) {
        second = chunk
        const mayBeWhole = chunk.length > first.length && chunk.startsWith(first)
        return mayBeWhole ? '' : decide(false)
      }
      const held = decide(chunk.startsWith(second))
      return held + pushKnown(chunk)
    },
    end: () => (second === undefined ? '' : decide(first.length >= TELLING_LENGTH)),
  }
}
