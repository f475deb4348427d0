import type { AddOptions, Corpus, FolderInput, SyncResult } from '../protocol/corpus.js'
import { listFolder } from './list-folder.js'

/** See `Corpus.sync`. */
export async function syncFolder(
  corpus: Pick<Corpus, 'add' | 'list' | 'remove'>,
  folder: FolderInput,
  options: AddOptions,
): Promise<SyncResult> {
  const { name, documents } = await listFolder(folder)
  const result = await corpus.add(documents, options)
  const present = new Set(documents.map(({ id }) => id))
  let removed = 0
  for (const { id } of await corpus.list()) {
    if (id.startsWith(`${name}/`) && !present.has(id) && (await corpus.remove(id))) removed++
  }
  return { ...result, removed }
}
