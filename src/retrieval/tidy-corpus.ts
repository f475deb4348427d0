import { type AlcoveError, toAlcoveError } from '../protocol/error.js'
import type { CorpusIndex } from './corpus-index.js'
import { refineVectors } from './load-index.js'
import { createYielder } from './parse/yielding.js'
import type { CorpusStore } from './storage/corpus-store.js'

export interface TidyOptions {
  readonly store: CorpusStore
  readonly index: CorpusIndex
  /** Aborts when the corpus is closed. */
  readonly signal: AbortSignal
  readonly onWarning: (error: AlcoveError) => void
}

/**
 * What is done behind an answer: reads vectors that are known by their codes; and once, with the first answer, reads texts ahead and sweeps what
 * no entry names. None of these shows, so nobody need wait. A text that cannot be read then is read when it is wanted.
 */
export function createTidyUp({ store, index, signal, onWarning }: TidyOptions): () => void {
  let isTidy = false
  let isRefining = false

  /** Vectors that cannot be read leave their codes. */
  async function refine(pause: () => Promise<void>): Promise<void> {
    if (isRefining || !index.hasCoded) return
    isRefining = true
    try {
      await refineVectors(index.codedEntries, store, index, signal, pause)
    } catch {
      // The next search tries again.
    } finally {
      isRefining = false
    }
  }

  return () => {
    const yielder = createYielder()
    const refining = refine(() => yielder.pause())
    if (isTidy) return
    isTidy = true
    const work = async (): Promise<void> => {
      await refining
      await index.warmUp(signal, () => yielder.pause()).catch(() => {})
      if (!signal.aborted) await store.sweep()
    }
    work().catch((error: unknown) => {
      if (!signal.aborted) onWarning(toAlcoveError(error, 'store-blocked', 'leftovers were not swept'))
    })
  }
}
