import { createBatcher } from '../runtime/batcher.js'
import type { DocumentEntry } from './storage/corpus-layout.js'
import type { CorpusStore } from './storage/corpus-store.js'

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
