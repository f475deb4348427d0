// What a client offers besides agents, as types: the public face of what `compose.ts` wires together.

import type { SessionsApi } from './agents/session/sessions.js'
import type { ModelConstraints } from './engines/choice/constraints.js'
import type { Availability, ModelListing } from './engines/choice/listing.js'
import type { LadderReport } from './engines/choice/report.js'
import type { Corpus, CorpusOptions } from './protocol/corpus.js'
import type { ChatModel, EmbeddingModel, LoadOptions, ModelRequest, ModelTask } from './protocol/model.js'

export interface CorpusOpenOptions extends CorpusOptions {
  /**
   * `wait`: adding and searching wait until the embedding model is there or was refused. `background`: they go on by keyword, and
   * vectors follow when the model is there. `none`: keywords alone, no embedding model is loaded or used for this corpus. Opening
   * loads a model that is on the device already; one that has to be fetched is asked for by the first add or search. @default 'wait'
   */
  readonly vectors?: 'wait' | 'background' | 'none' | undefined
  /**
   * Address of a file of `corpus.export()` or `npx alcove index`, which is searched where it is: header and index are read, and of the texts
   * those of the hits, by range requests. Nothing is embedded but queries, by the model that the file was made with, where that is the
   * client's. Such a corpus cannot be changed: `add`, `update`, `remove`, `clear` and `import` reject with `read-only`. From a server that
   * does not know ranges the whole file is read, behind a warning.
   */
  readonly url?: string | undefined
}

export interface ClientLoadOptions extends LoadOptions {
  /**
   * Instructions that the chat model reads now, where its engine can keep what it has read: a run that begins with the same text then
   * answers sooner.
   */
  readonly prime?: string | undefined
  /**
   * What the models have to be from now on, field by field instead of `createAlcove`'s. With a `task`, only its model is made ready.
   */
  readonly constraints?: ModelConstraints | undefined
}

/** The models that can be used here. */
export interface ModelsApi {
  /** All recommended and configured models: state, bytes, where they run, and why one is refused. */
  list(): Promise<ModelListing[]>
  /** Loads a model and takes it for a task from now on. The call counts as consent to its download. */
  use(task: ModelTask, id: string, options?: LoadOptions): Promise<void>
  /** Unloads a model and deletes its files from this device. */
  delete(id: string): Promise<void>
  /** Keeps a model's files: they are never evicted to make room, and do not count against `storage.budgetBytes`. */
  pin(id: string): Promise<void>
  unpin(id: string): Promise<void>
}

export type StorageKind = 'answers' | 'embeddings' | 'corpora' | 'sessions' | 'models'

/** What is kept on this device, in bytes. */
export interface StorageUsage extends Readonly<Record<StorageKind, number>> {
  readonly total: number
  /** What this origin may use; undefined where the browser does not say. */
  readonly quotaBytes: number | undefined
  /** Whether documents outlast the page. */
  readonly persistent: boolean
}

export interface StorageApi {
  usage(): Promise<StorageUsage>
  /** Deletes all of one kind, for good. */
  clear(kind: StorageKind): Promise<void>
}

export interface WorkerHealth {
  /** `idle`: it starts with the next call. */
  readonly state: 'idle' | 'starting' | 'ready' | 'closed'
  /** How often it was started anew after a death. */
  readonly restarts: number
}

/** What lives, and what went wrong without stopping anything. */
export interface Health {
  readonly workers: { readonly llm: WorkerHealth; readonly retrieval: WorkerHealth }
  readonly models: LadderReport['chosen']
  /** Problems that were worked around, oldest first, such as storage that cannot be used. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[]
}

/** What a client is made of. */
export interface Core {
  resolveModel(
    model: string | ChatModel | undefined,
    task: ModelTask,
    options: LoadOptions & {
      readonly cache?: boolean | undefined
      readonly constraints?: ModelConstraints | undefined
    },
  ): Promise<ChatModel>
  openCorpus(name: string, options?: CorpusOpenOptions): Promise<Corpus>
  embeddingModel(options?: LoadOptions): Promise<EmbeddingModel>
  readonly corpora: { list(): Promise<string[]>; delete(name: string): Promise<boolean> }
  readonly models: ModelsApi
  readonly storage: StorageApi
  sessions(): Promise<SessionsApi>
  load(options?: ClientLoadOptions): Promise<LadderReport>
  availability(task?: ModelTask): Promise<Availability>
  preload(requests: readonly ModelRequest[], options?: { readonly signal?: AbortSignal | undefined }): Promise<void>
  health(): Promise<Health>
  close(): Promise<void>
}
