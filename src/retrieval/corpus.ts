import type { AddOptions, AddRun, Corpus, CorpusOptions, DocumentInput, SearchOptions } from '../protocol/corpus.js'
import { AlcoveError, toAlcoveError } from '../protocol/error.js'
import type { EmbeddingModel, Reranker } from '../protocol/model.js'
import { abortable } from '../runtime/abort.js'
import { type Clock, systemClock } from '../runtime/clock.js'
import { createLocks, type Locks } from '../runtime/locks.js'
import type { Store } from '../store/store.js'
import { createAddRun } from './add-run.js'
import { createTextEmbedder, type TextEmbedder, type VectorCache } from './embed.js'
import type { EmbeddingHelpers } from './embedding-lanes.js'
import type { Parse } from './ingest.js'
import { OpenCorpus } from './open-corpus.js'
import type { PaceControl } from './pace.js'
import type { Fetch } from './remote/range-file.js'
import type { RemoteCorpus } from './remote/remote-corpus.js'
import { createCorpusStore, listCorpusNames } from './storage/corpus-store.js'

export interface CorpusHostOptions {
  /** Where the corpora are kept, all in one. */
  readonly store: Store
  /** `parseDocument`, or a pool of workers. */
  readonly parse: Parse
  /** Makes the vectors. Without one everything is found by keyword. */
  readonly embedder?: EmbeddingModel | undefined
  /** See `TextEmbedderOptions.key`. */
  readonly embedderKey?: string | undefined
  /** Where vectors are kept by text, so that no text is embedded twice. @default none */
  readonly cache?: VectorCache | undefined
  /** Gives the model that a search names in `rerank`; `true` stands for the usual one. @default none: such a search goes on without */
  readonly openReranker?: ((rerank: true | string) => Promise<Reranker>) | undefined
  /** @default Web Locks where there are some */
  readonly locks?: Locks | undefined
  /** What went wrong without stopping the work: a leg of a search, vectors of a document. */
  readonly onWarning?: ((error: AlcoveError) => void) | undefined
  readonly clock?: Clock | undefined
  /** Reads corpus files from servers. @default the platform's */
  readonly fetch?: Fetch | undefined
}

/** `usesVectors: false`: searched by keyword alone, and nothing is embedded for it. */
export type CorpusOpening = CorpusOptions & {
  readonly usesVectors?: boolean | undefined
  /** Absolute address of a corpus file, which is searched where it is, and cannot be changed. */
  readonly url?: string | undefined
}

/** A corpus whose adds may be given a pace that somebody else controls. */
export interface PacedCorpus extends Corpus {
  add(
    input: DocumentInput | readonly DocumentInput[],
    options?: AddOptions & { readonly pace?: PaceControl | undefined },
  ): AddRun
}

/** All corpora of one store, in the thread that it is made in. */
export interface CorpusHost {
  /**
   * Opens a corpus, or makes it. Options that are not given are those it had.
   * @throws AlcoveError `invalid-argument` for a name or option that cannot be; `version-unsupported` for one of a later Alcove
   */
  open(name: string, options?: CorpusOpening): Promise<PacedCorpus>
  /** Names of all corpora, in order. */
  list(): Promise<string[]>
  /** Deletes a corpus with everything in it; true when there was one. What is being added to it fails. */
  delete(name: string): Promise<boolean>
  /** Bytes that all corpora take. */
  usage(): Promise<{ readonly corpora: number; readonly bytes: number }>
  /**
   * Takes another embedding model, or none. Documents that have no vectors of it are embedded in the background; until then they are found by
   * keyword.
   */
  setEmbedder(model: EmbeddingModel | undefined, key?: string, helpers?: EmbeddingHelpers): Promise<void>
  readonly embedder: EmbeddingModel | undefined
  /** Whether what is added outlasts the page. */
  readonly isPersistent: boolean
  /** Stops all work. Does not close the store. */
  close(): Promise<void>
}

export function createCorpusHost(options: CorpusHostOptions): CorpusHost {
  return new ThreadCorpusHost(options)
}

class ThreadCorpusHost implements CorpusHost {
  readonly #options: CorpusHostOptions
  readonly #clock: Clock
  readonly #locks: Locks
  readonly #corpora = new Map<string, Promise<OpenCorpus>>()
  /** Corpora that are files on a server, by name and address. */
  readonly #remote = new Map<string, Promise<{ corpus: RemoteCorpus; public: PacedCorpus }>>()
  #embedder: TextEmbedder | undefined
  #isClosed = false

  constructor(options: CorpusHostOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#locks = options.locks ?? createLocks()
    this.#embedder = this.#createEmbedder(options.embedder, options.embedderKey)
  }

  get embedder(): EmbeddingModel | undefined {
    return this.#embedder?.model
  }

  get isPersistent(): boolean {
    return this.#options.store.kind !== 'memory'
  }

  async open(name: string, options: CorpusOpening = {}): Promise<PacedCorpus> {
    this.#checkOpen()
    checkName(name)
    checkOptions(options)
    if (options.url !== undefined) return await this.#openRemote(name, options.url, options.usesVectors)
    const corpus = await this.#openOnce(name)
    await corpus.configure(options)
    return this.#present(name, corpus)
  }

  list(): Promise<string[]> {
    return listCorpusNames(this.#options.store)
  }

  async delete(name: string): Promise<boolean> {
    checkName(name)
    const known = (await this.list()).includes(name)
    const open = await this.#corpora.get(name)?.catch(() => undefined)
    this.#corpora.delete(name)
    open?.close(new AlcoveError('closed', `corpus '${name}' was deleted`))
    await this.#storeOf(name).drop()
    return known
  }

  async usage(): Promise<{ corpora: number; bytes: number }> {
    const names = await this.list()
    let bytes = 0
    for (const name of names) bytes += (await (await this.#openOnce(name)).stats()).bytes
    return { corpora: names.length, bytes }
  }

  async setEmbedder(model: EmbeddingModel | undefined, key?: string, helpers?: EmbeddingHelpers): Promise<void> {
    this.#checkOpen()
    const before = this.#embedder
    if (before?.model === model && (key === undefined || before?.key === key)) return
    this.#embedder = this.#createEmbedder(model, key, helpers)
    before?.close()
    for (const corpus of this.#corpora.values()) {
      await corpus.then((open) => open.useEmbedder(this.#embedder)).catch(() => {})
    }
    for (const remote of this.#remote.values()) {
      await remote.then(({ corpus }) => corpus.useEmbedder(this.#embedder)).catch(() => {})
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#embedder?.close()
    const corpora = [...this.#corpora.values()]
    this.#corpora.clear()
    this.#remote.clear()
    for (const corpus of corpora) {
      await corpus.then((open) => open.close(closedError())).catch(() => {})
    }
  }

  #checkOpen(): void {
    if (this.#isClosed) throw closedError()
  }

  #warn(error: AlcoveError): void {
    try {
      this.#options.onWarning?.(error)
    } catch {
      // Telling of a problem must not make another one.
    }
  }

  #createEmbedder(
    model: EmbeddingModel | undefined,
    key: string | undefined,
    helpers?: EmbeddingHelpers,
  ): TextEmbedder | undefined {
    if (model === undefined) return undefined
    return createTextEmbedder({ model, key, cache: this.#options.cache, helpers, clock: this.#clock })
  }

  /** What a search wants to rerank with; where it cannot be had, a warning. Wrong options are left to the check of the search. */
  async #rerankerFor({ rerank }: SearchOptions): Promise<Reranker | undefined> {
    if (rerank !== true && (typeof rerank !== 'string' || rerank === '')) return undefined
    try {
      if (this.#options.openReranker) return await this.#options.openReranker(rerank)
      throw new AlcoveError('model-not-found', 'there are no models to rerank with here', {
        hint: 'Search without `rerank`.',
      })
    } catch (error) {
      this.#warn(toAlcoveError(error, 'model-not-found', 'the search goes on without reranking'))
      return undefined
    }
  }

  #storeOf(name: string) {
    const { store } = this.#options
    return createCorpusStore({ store, name, locks: this.#locks, wallTime: () => this.#clock.wallTime() })
  }

  async #openRemote(name: string, url: string, usesVectors = true): Promise<PacedCorpus> {
    const key = JSON.stringify([name, url, usesVectors])
    const known = this.#remote.get(key)
    if (known !== undefined) return (await known).public
    const opening = this.#connect(name, url, usesVectors)
    this.#remote.set(key, opening)
    opening.catch(() => this.#remote.delete(key))
    return (await opening).public
  }

  /** Its parts are loaded with their first use: most pages have none. */
  async #connect(name: string, url: string, usesVectors: boolean) {
    const [{ RemoteCorpus }, { presentRemote }] = await Promise.all([
      import('./remote/remote-corpus.js'),
      import('./remote/present-remote.js'),
    ])
    const fetch = this.#options.fetch ?? ((...request) => globalThis.fetch(...request))
    const onWarning = (error: AlcoveError): void => this.#warn(error)
    const corpus = new RemoteCorpus({ name, url, fetch, usesVectors, embedder: this.#embedder, onWarning })
    await corpus.open()
    // Another model may have come meanwhile.
    corpus.useEmbedder(this.#embedder)
    return { corpus, public: presentRemote(name, corpus, (options) => this.#rerankerFor(options)) }
  }

  #openOnce(name: string): Promise<OpenCorpus> {
    const known = this.#corpora.get(name)
    if (known !== undefined) return known
    const opening = OpenCorpus.open({
      name,
      store: this.#storeOf(name),
      parse: this.#options.parse,
      embedder: this.#embedder,
      locks: this.#locks,
      onWarning: (error) => this.#warn(error),
    })
    this.#corpora.set(name, opening)
    opening.catch(() => this.#corpora.delete(name))
    return opening
  }

  /** The public face of a corpus: a deleted one that is used again is made anew, as its name still stands for it. */
  #present(name: string, corpus: OpenCorpus): PacedCorpus {
    const use = async (): Promise<OpenCorpus> => {
      this.#checkOpen()
      return corpus.isClosed ? await this.#openOnce(name) : corpus
    }
    const add: PacedCorpus['add'] = (input, options = {}): AddRun =>
      createAddRun(async (report, signal, pace) => {
        return await (await use()).add(input, report, { signal, pace, vectors: options.vectors })
      }, options)
    return {
      name,
      add,
      async sync(folder, options = {}) {
        const { syncFolder } = await import('./sync-folder.js')
        const open = await use()
        return await syncFolder({ add, list: () => open.list(), remove: (id) => open.remove(id) }, folder, options)
      },
      update: async (id, changes) => (await use()).update(id, changes),
      search: async (query, options = {}) => {
        const search = async () => (await use()).search(query, options, await this.#rerankerFor(options))
        return await abortable(search(), options.signal)
      },
      get: async (id) => (await use()).get(id),
      list: async () => (await use()).list(),
      remove: async (id) => (await use()).remove(id),
      stats: async () => (await use()).stats(),
      clear: async () => (await use()).clear(),
      export: async () => (await use()).export(),
      import: async (file) => (await use()).import(file),
    }
  }
}

function closedError(): AlcoveError {
  return new AlcoveError('closed', 'the corpora were closed')
}

function checkName(name: unknown): asserts name is string {
  if (typeof name === 'string' && name !== '' && name.length <= 200) return
  throw new AlcoveError('invalid-argument', `corpus name: expected a text of 1 to 200 characters, got ${String(name)}`)
}

function checkOptions({ chunkTokens, overlapTokens, chunking }: CorpusOptions): void {
  const check = (field: string, value: number | undefined, least: number, most: number): void => {
    if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return
    throw new AlcoveError(
      'invalid-argument',
      `${field}: expected a whole number from ${least} to ${most}, got ${value}`,
    )
  }
  check('chunkTokens', chunkTokens, 8, 100_000)
  check('overlapTokens', overlapTokens, 0, (chunkTokens ?? 256) - 1)
  if (chunking === undefined || chunking === 'structure' || chunking === 'semantic') return
  throw new AlcoveError('invalid-argument', `chunking: expected 'structure' or 'semantic', got '${String(chunking)}'`)
}
