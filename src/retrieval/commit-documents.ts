import { type AlcoveError, toAlcoveError } from '../protocol/error.js'
import { createBatcher } from '../runtime/batcher.js'
import type { DocumentEntry } from './storage/corpus-layout.js'
import type { CorpusStore, NewDocument, PutResult } from './storage/corpus-store.js'

/** Most documents that are written together. */
const committedAtOnce = 64

export interface CommitOptions {
  readonly store: Pick<CorpusStore, 'putDocuments'>
  /** Runs work when all changes before it are done. @throws what stops the corpus */
  readonly inLine: <T>(work: () => Promise<T>) => Promise<T>
  /** Shows what was stored to searches; unchanged documents are not told. */
  readonly show: (stored: readonly CommittedDocument[]) => Promise<void>
}

/** A document as it was stored just now. */
export interface CommittedDocument {
  readonly entry: PutResult['entry']
  readonly content: NewDocument['content']
}

/** Stores a document; gives what that did. */
export type CommitDocument = (document: NewDocument, signal: AbortSignal) => Promise<PutResult['type']>

/**
 * The way of documents into the store: those that come while others are written are written together, with the writes of one. Where that
 * fails, each succeeds or fails alone.
 */
export function createCommits({ store, inLine, show }: CommitOptions): CommitDocument {
  async function put(documents: readonly NewDocument[]): Promise<PutResult['type'][]> {
    const results = await store.putDocuments(documents)
    const stored = results.flatMap(({ type, entry }, index) => {
      const content = documents[index]?.content
      return type === 'unchanged' || content === undefined ? [] : [{ entry, content }]
    })
    if (stored.length > 0) await show(stored)
    return results.map(({ type }) => type)
  }

  async function putEach(documents: readonly NewDocument[]): Promise<(PutResult['type'] | AlcoveError)[]> {
    const outcomes: (PutResult['type'] | AlcoveError)[] = []
    for (const document of documents) {
      try {
        outcomes.push(...(await put([document])))
      } catch (error) {
        outcomes.push(toAlcoveError(error, 'internal'))
      }
    }
    return outcomes
  }

  const batcher = createBatcher<NewDocument, PutResult['type']>({
    run: (documents) =>
      inLine(async () => {
        if (documents.length === 1) return await put(documents)
        try {
          return await put(documents)
        } catch {
          return await putEach(documents)
        }
      }),
    maxBatchSize: committedAtOnce,
    maxWaitMs: 0,
  })
  return (document, signal) => batcher.submit(document, { signal })
}

/** Most entries in one read. */
const readAtOnce = 256

/** Reads single entries; those that are asked for while a read is under way share the next one, so that many documents cost few transactions. */
export function createEntryReader(
  store: Pick<CorpusStore, 'readEntriesOf'>,
): (id: string) => Promise<DocumentEntry | undefined> {
  const batcher = createBatcher<string, DocumentEntry | undefined>({
    run: (ids) => store.readEntriesOf(ids),
    maxBatchSize: readAtOnce,
    maxWaitMs: 0,
  })
  return (id) => batcher.submit(id)
}
