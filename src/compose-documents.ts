import type { CorpusOpenOptions } from './client.js'
import type { Consent } from './engines/choice/consent.js'
import type { Availability } from './engines/choice/listing.js'
import { createModelSpec, type ModelSources } from './engines/choice/model-spec.js'
import type { Refusal } from './engines/choice/report.js'
import type { ModelInspection } from './engines/engine.js'
import type { HttpEngine } from './engines/http/http.js'
import { openRetrievalWorker } from './package-workers.js'
import type { Corpus } from './protocol/corpus.js'
import { AlcoveError, toAlcoveError } from './protocol/error.js'
import type { EmbeddingModel, LoadOptions } from './protocol/model.js'
import type { StatusPart } from './protocol/stream-part.js'
import { createAddRun } from './retrieval/add-run.js'
import type { RetrievalApi } from './retrieval/serve-corpus.js'
import { createWorkerCorpora, type WorkerCorpora } from './retrieval/worker-corpus.js'
import { openWorker, startWorker } from './rpc/open-worker.js'
import { createWorkerHost, type WorkerHost } from './rpc/worker-host.js'
import { abortable } from './runtime/abort.js'
import { createSharedTask, type SharedTask } from './runtime/shared-task.js'
import type { Settings } from './settings.js'

/** Documents and their embedding model, as the client uses them. */
export interface Documents {
  readonly host: WorkerHost<RetrievalApi>
  readonly corpora: WorkerCorpora
  open(name: string, options?: CorpusOpenOptions): Promise<Corpus>
  /** Loads the embedding model that is configured; gives its id, or null when none could be had and none was named. */
  loadEmbedder(options?: LoadOptions): Promise<string | null>
  /** Takes the model of this id, whose download counts as agreed to. */
  useEmbedder(id: string, options?: LoadOptions): Promise<void>
  /** Lets go of a model that is about to be deleted. */
  dropEmbedder(id: string): Promise<void>
  inspect(id: string, signal?: AbortSignal): Promise<ModelInspection>
  /** Whether an embedding model could be used, found out without loading anything. */
  availability(): Promise<Availability>
  /** The model that is configured or in use. */
  readonly embedder: { readonly id: string; readonly loaded: boolean } | undefined
  readonly refused: readonly Refusal[]
}

export interface DocumentsOptions {
  readonly settings: Settings
  readonly sources: ModelSources
  readonly consent: () => Promise<Consent>
  /** Ids of `'auto'`, best first for this device, and why others are not tried. */
  readonly planEmbedders: (
    asks: boolean,
  ) => Promise<{ readonly ids: readonly string[]; readonly refused: readonly Refusal[] }>
  readonly remote: () => Promise<HttpEngine>
  readonly onWarning: (error: AlcoveError) => void
}

export function composeDocuments(options: DocumentsOptions): Documents {
  const { settings, sources, onWarning, remote } = options
  const { embedder: configured } = settings
  const host = createWorkerHost<RetrievalApi>({
    name: 'alcove-retrieval',
    open: () => openRetrievalWorker(settings.workerBaseUrl, { openWorker, startWorker }),
  })
  const object: EmbeddingModel | undefined = typeof configured === 'string' ? undefined : configured
  const corpora = createWorkerCorpora({ host, storageName: settings.storageName, embedder: object, onWarning })
  const refusals = new Map<string, Refusal>()
  let loadedId: string | undefined
  let isDeclined = false
  let remoteModel: EmbeddingModel | undefined
  let loading: SharedTask<string | null, StatusPart> | undefined

  const isNamed = configured !== 'auto'
  const named = typeof configured === 'string' ? configured : configured.id
  async function candidates(asks = true): Promise<readonly string[]> {
    if (isNamed) return [named]
    const { ids, refused } = await options.planEmbedders(asks)
    if (!asks) return ids
    for (const row of refused) refusals.set(row.model, row)
    return ids
  }

  async function askConsent(id: string, inspection: ModelInspection): Promise<void> {
    if (inspection.state !== 'downloadable') return
    const entry = (await import('./engines/choice/catalogue.js')).findEntry(id)
    const bytes = inspection.bytes ?? entry?.downloadBytes
    await (await options.consent()).check({ id, title: entry?.title ?? id, bytes, licence: entry?.licence })
  }

  async function loadOne(id: string, load: LoadOptions): Promise<void> {
    if (id.startsWith('http:')) {
      remoteModel = remoteModel?.id === id ? remoteModel : (await remote()).embedding(id)
      // Here first, where its error keeps its code.
      await remoteModel.load(load)
      await corpora.setEmbedder(remoteModel)
    } else if (!object || object.id !== id) {
      const spec = createModelSpec(id, sources)
      const inspection = await corpora.inspectEmbedder(spec, load)
      if (inspection.error) throw new AlcoveError(inspection.error.code, inspection.error.message, inspection.error)
      await abortable(askConsent(id, inspection), load.signal)
      await corpora.setEmbedder(spec)
    }
    await corpora.loadEmbedder(load)
    loadedId = id
    refusals.delete(id)
  }

  /** Tries the candidates in order. A named one that cannot be had is an error; of `'auto'` it is a refusal to report. */
  async function loadFirst(load: LoadOptions): Promise<string | null> {
    for (const id of await candidates()) {
      try {
        await loadOne(id, load)
        return id
      } catch (error) {
        const cause = toAlcoveError(error, 'model-load-failed')
        if (isNamed || cause.code === 'aborted' || cause.code === 'closed') throw cause
        refusals.set(id, { model: id, code: cause.code, reason: cause.message })
        // Where nothing can be fetched now, a larger model cannot either.
        if (cause.code === 'network') return null
      }
    }
    isDeclined = [...refusals.values()].some(({ code }) => code === 'download-refused')
    return null
  }

  async function loadEmbedder(load: LoadOptions = {}): Promise<string | null> {
    if (loadedId !== undefined) return loadedId
    // A download that was refused is not asked about again with every document; `models.use` asks anew.
    if (!isNamed && isDeclined) return null
    if (!loading) {
      const forget = () => {
        loading = undefined
      }
      loading = createSharedTask(async ({ signal, report }) => {
        try {
          return await loadFirst({ signal, onProgress: report })
        } finally {
          forget()
        }
      }, forget)
    }
    return loading.join(load)
  }

  /** The embedding model, or its absence, settled: what goes wrong with it is told and stops nothing. */
  async function settleEmbedder(signal?: AbortSignal): Promise<void> {
    await loadEmbedder({ signal }).catch((error: unknown) => {
      const cause = toAlcoveError(error, 'model-load-failed')
      if (cause.code === 'aborted' && signal?.aborted) throw cause
      onWarning(cause)
    })
  }

  async function availability(): Promise<Availability> {
    if (loadedId !== undefined) return 'available'
    if (loading) return 'downloading'
    for (const id of await candidates(false)) {
      if (object || id.startsWith('http:')) return 'available'
      const { state } = await corpora.inspectEmbedder(createModelSpec(id, sources))
      if (state !== 'unavailable') return state
    }
    return 'unavailable'
  }

  return {
    host,
    corpora,
    availability,
    loadEmbedder,
    get embedder() {
      const id = loadedId ?? (isNamed ? named : undefined)
      return id === undefined ? undefined : { id, loaded: id === loadedId }
    },
    get refused() {
      return [...refusals.values()]
    },
    async open(name, { vectors = 'wait', ...corpusOptions } = {}) {
      const corpus = await corpora.open(name, corpusOptions)
      const settled = settleEmbedder()
      settled.catch(() => {})
      return vectors === 'background' ? corpus : waitForVectors(corpus, settleEmbedder)
    },
    async useEmbedder(id, load = {}) {
      ;(await options.consent()).grant(id)
      await loadOne(id, load)
    },
    async dropEmbedder(id) {
      if (loadedId !== id) return
      loadedId = undefined
      await corpora.setEmbedder(undefined)
    },
    inspect: async (id, signal) => corpora.inspectEmbedder(createModelSpec(id, sources), { signal }),
  }
}

/** The corpus, whose adds and searches that could use vectors wait until the embedding model is settled. */
function waitForVectors(corpus: Corpus, settled: (signal?: AbortSignal) => Promise<void>): Corpus {
  return {
    ...corpus,
    add: (input, { signal } = {}) =>
      createAddRun(async (report, own) => {
        await settled(own)
        const run = corpus.add(input, { signal: own })
        for await (const progress of run) report(progress)
        return await run
      }, signal),
    async search(query, search = {}) {
      if (search.mode !== 'keyword') await settled(search.signal)
      return corpus.search(query, search)
    },
    async import(file) {
      await settled()
      return corpus.import(file)
    },
  }
}
