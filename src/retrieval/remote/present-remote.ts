import type { SearchOptions } from '../../protocol/corpus.js'
import { AlcoveError } from '../../protocol/error.js'
import type { Reranker } from '../../protocol/model.js'
import { abortable } from '../../runtime/abort.js'
import { createAddRun } from '../add-run.js'
import type { PacedCorpus } from '../corpus.js'
import type { RemoteCorpus } from './remote-corpus.js'

/** The public face of a corpus that is read from a server: what would change it rejects with `read-only`. */
export function presentRemote(
  name: string,
  corpus: RemoteCorpus,
  openReranker: (options: SearchOptions) => Promise<Reranker | undefined>,
): PacedCorpus {
  const refuse = async (what: string): Promise<never> => {
    throw new AlcoveError('read-only', `${what}: corpus '${name}' is a file on a server, and cannot be changed here`, {
      hint: 'Make the file anew with `npx alcove index`, or import it into a corpus of this device: corpus.import(file).',
    })
  }
  return {
    name,
    add: () => createAddRun(() => refuse('add')),
    sync: () => refuse('sync'),
    update: () => refuse('update'),
    async search(query, options = {}) {
      const search = async () => corpus.search(query, options, await openReranker(options))
      return await abortable(search(), options.signal)
    },
    get: (id) => corpus.get(id),
    list: () => corpus.list(),
    remove: () => refuse('remove'),
    stats: () => corpus.stats(),
    clear: () => refuse('clear'),
    export: () => corpus.export(),
    import: () => refuse('import'),
  }
}
