import type { CorpusOpenOptions } from './client.js'
import { composeEmbedder, type Embedder, type EmbedderOptions } from './compose-embedder.js'
import { openRetrievalWorker } from './package-workers.js'
import type { Corpus } from './protocol/corpus.js'
import { AlcoveError } from './protocol/error.js'
import { createAddRun } from './retrieval/add-run.js'
import type { RetrievalApi } from './retrieval/serve-corpus.js'
import { createWorkerCorpora, type WorkerCorpora } from './retrieval/worker-corpus.js'
import { openWorker, startWorker } from './rpc/open-worker.js'
import { createWorkerHost, type WorkerHost } from './rpc/worker-host.js'
import { abortable } from './runtime/abort.js'
import type { Settings } from './settings.js'

/** Documents and their embedding model, as the client uses them. */
export interface Documents {
  readonly host: WorkerHost<RetrievalApi>
  readonly corpora: WorkerCorpora
  readonly embedder: Embedder
  open(name: string, options?: CorpusOpenOptions): Promise<Corpus>
}

export interface DocumentsOptions extends Omit<EmbedderOptions, 'configured'> {
  readonly settings: Settings
}

export function composeDocuments({ settings, ...options }: DocumentsOptions): Documents {
  const { sources, onWarning } = options
  const { embedder: configured } = settings
  const host = createWorkerHost<RetrievalApi>({
    name: 'alcove-retrieval',
    open: () => openRetrievalWorker(settings.workerBaseUrl, { openWorker, startWorker }),
  })
  const corpora = createWorkerCorpora({
    host,
    storageName: settings.storageName,
    embedder: typeof configured === 'string' ? undefined : configured,
    onWarning(error) {
      onWarning(error)
      void embedder.leaveBrokenGpu(error)
    },
    async settleReranker(rerank, signal) {
      const { describeReranker } = await import('./engines/choice/rerankers.js')
      const { spec, title, licence } = describeReranker(rerank, sources)
      const inspection = await corpora.inspectEmbedder(spec, { signal })
      if (inspection.error) throw new AlcoveError(inspection.error.code, inspection.error.message, inspection.error)
      await abortable(embedder.askConsent(spec.id, inspection, { title, licence }), signal)
      return spec
    },
  })
  const embedder = composeEmbedder(corpora, { ...options, configured })

  return {
    host,
    corpora,
    embedder,
    async open(name, { vectors = 'wait', url: given, ...corpusOptions } = {}) {
      const url = given === undefined ? undefined : absoluteUrl(given)
      const corpus = await corpora.open(name, { ...corpusOptions, url, usesVectors: vectors !== 'none' })
      if (vectors === 'none') return corpus
      void embedder.warmUp()
      const settled = settleVectors(corpus, embedder.settle, vectors)
      // What is refused anyway waits for no model.
      return url === undefined ? settled : { ...settled, add: corpus.add, sync: corpus.sync, import: corpus.import }
    },
  }
}

function absoluteUrl(url: string): string {
  if (URL.canParse(url, location.href)) return new URL(url, location.href).href
  throw new AlcoveError('invalid-argument', `url: expected the address of a corpus file, got '${url}'`)
}

/** The corpus, whose adds and searches that could use vectors see to the embedding model first, and wait until it is settled or do not. */
function settleVectors(
  corpus: Corpus,
  settle: (signal?: AbortSignal) => Promise<void>,
  preferred: 'wait' | 'background',
): Corpus {
  const settled = async (vectors: 'wait' | 'background', signal?: AbortSignal): Promise<void> => {
    const settling = settle(vectors === 'wait' ? signal : undefined)
    if (vectors === 'wait') await settling
    else settling.catch(() => {})
  }
  return {
    ...corpus,
    add: (input, options = {}) => {
      const { vectors = preferred, powerSaving } = options
      return createAddRun(
        async (report, signal, pace) => {
          await settled(vectors, signal)
          const run = corpus.add(input, { signal, vectors, powerSaving })
          const follow = (): void => (pace.isPaused ? run.pause() : run.resume())
          follow()
          const forget = pace.onChange(follow)
          try {
            for await (const progress of run) report(progress)
            return await run
          } finally {
            forget()
          }
        },
        { signal: options.signal },
      )
    },
    async sync(folder, options = {}) {
      await settled(options.vectors ?? preferred, options.signal)
      return corpus.sync(folder, { vectors: preferred, ...options })
    },
    async search(query, search = {}) {
      if (search.mode !== 'keyword') await settled(preferred, search.signal)
      return corpus.search(query, search)
    },
    async import(file) {
      await settled(preferred)
      return corpus.import(file)
    },
  }
}
