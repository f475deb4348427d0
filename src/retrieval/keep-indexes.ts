import type { AlcoveError } from '../protocol/error.js'
import type { Locks } from '../runtime/locks.js'
import type { CorpusIndex } from './corpus-index.js'
import type { DocumentEntry } from './storage/corpus-layout.js'
import type { CorpusStore } from './storage/corpus-store.js'
import { createIndexKeeper, type IndexKeeper } from './storage/index-keeper.js'

export interface KeepOptions {
  readonly name: string
  readonly store: CorpusStore
  readonly index: CorpusIndex
  readonly locks: Locks
  readonly signal: AbortSignal
  readonly onWarning: (error: AlcoveError) => void
}

/** Keeps the words of the index in the store. */
export function createWordKeeper(options: KeepOptions): IndexKeeper {
  const { index, store } = options
  return createIndexKeeper({
    ...lockOf(options, 'index'),
    stored: store.words,
    documents: () => index.entries.map(({ id, segment, title, chunks }) => ({ id, row: { segment, title, chunks } })),
    extract: (ids) => index.extractWords(ids),
  })
}

/**
 * Keeps the codes of the vectors of one model in the store.
 * @param isUsed whether the vectors in the index are still of that model
 */
export function createCodeKeeper(options: KeepOptions, embedder: string, isUsed: () => boolean): IndexKeeper {
  const { index, store } = options
  const isKept = ({ id, vectors }: DocumentEntry) => vectors?.embedder === embedder && index.hasVectors(id)
  const rowOf = ({ chunks, vectors }: DocumentEntry) => ({ segment: vectors?.segment ?? '', chunks })
  return createIndexKeeper({
    ...lockOf(options, 'codes'),
    stored: store.codes(embedder),
    documents: () => {
      if (!isUsed()) return undefined
      return index.entries.filter(isKept).map((entry) => ({ id: entry.id, row: rowOf(entry) }))
    },
    extract: (ids) => index.extractCodes(ids),
  })
}

function lockOf({ name, locks, signal, onWarning }: KeepOptions, what: 'index' | 'codes') {
  return { locks, signal, onWarning, lockName: `alcove-corpus-${what}/${encodeURIComponent(name)}` }
}
