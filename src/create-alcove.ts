/// <reference lib="esnext.disposable" preserve="true" />
import { type Agent, type AgentOptions, createAgent } from './agents/agent.js'
import type { SessionsApi } from './agents/session/sessions.js'
import type { ClientLoadOptions, Core, CorpusOpenOptions, Health, ModelsApi, StorageApi } from './client.js'
import type { LadderReport } from './engines/choice/ladder.js'
import type { Availability } from './engines/choice/model-registry.js'
import type { Corpus } from './protocol/corpus.js'
import { AlcoveError } from './protocol/error.js'
import type { ChatModel } from './protocol/model.js'
import { type AlcoveOptions, readSettings } from './settings.js'

/** Options of `alcove.agent`: as for `createAgent`, with the client's model where none is named. */
export interface ClientAgentOptions extends Omit<AgentOptions, 'model'> {
  /** A model id, or a model. @default the client's own */
  readonly model?: string | ChatModel | undefined
}

/** A client: agents, documents and models on this device, and what they keep here. */
export interface Alcove {
  /** An agent that uses the client's model, its answer cache and, when given, a corpus. */
  agent(options?: ClientAgentOptions): Agent
  /** Opens a corpus, or makes it. What was added before is there again. */
  corpus(name: string, options?: CorpusOpenOptions): Promise<Corpus>
  readonly corpora: { list(): Promise<string[]>; delete(name: string): Promise<boolean> }
  readonly models: ModelsApi
  /** Conversations that are kept on this device: give one to a run as `session`. */
  readonly sessions: SessionsApi
  readonly storage: StorageApi
  /** Makes the models ready now rather than at the first run, and says what was chosen and refused. */
  load(options?: ClientLoadOptions): Promise<LadderReport>
  /** Whether a question could be answered by the configured chat model, without loading anything. */
  availability(): Promise<Availability>
  /** What lives, and why not. Starts nothing. */
  health(): Promise<Health>
  /** Ends the workers and frees memory; what is stored stays. Runs in progress fail with `closed`. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Creates a client. Nothing is loaded or started until it is used, so this is cheap and works at import time.
 * @throws AlcoveError `invalid-argument` for an option that does not fit
 */
export function createAlcove(options: AlcoveOptions = {}): Alcove {
  const settings = readSettings(options)
  let core: Promise<Core> | undefined
  let closed = false

  const open = async (): Promise<Core> => {
    if (closed) throw new AlcoveError('closed', 'This client was closed; create a new one with createAlcove().')
    core ??= import('./compose.js').then((module) => module.compose(settings))
    return core
  }

  const sessions = async () => (await open()).sessions()

  async function close(): Promise<void> {
    closed = true
    await (await core?.catch(() => undefined))?.close()
  }

  return {
    agent: ({ model, ...rest } = {}) =>
      createAgent({
        ...rest,
        model: async (task, load) => {
          const { resolveModel } = await open()
          return resolveModel(model, task, load)
        },
      }),
    corpus: async (name, corpusOptions) => (await open()).openCorpus(name, corpusOptions),
    corpora: {
      list: async () => (await open()).corpora.list(),
      delete: async (name) => (await open()).corpora.delete(name),
    },
    models: {
      list: async () => (await open()).models.list(),
      use: async (task, id, load) => (await open()).models.use(task, id, load),
      delete: async (id) => (await open()).models.delete(id),
      pin: async (id) => (await open()).models.pin(id),
      unpin: async (id) => (await open()).models.unpin(id),
    },
    sessions: {
      create: async (session) => (await sessions()).create(session),
      list: async () => (await sessions()).list(),
      open: async (id) => (await sessions()).open(id),
      delete: async (id) => (await sessions()).delete(id),
      search: async (query, search) => (await sessions()).search(query, search),
      import: async (file, limits) => (await sessions()).import(file, limits),
      subscribe: async (listener) => (await sessions()).subscribe(listener),
    },
    storage: {
      usage: async () => (await open()).storage.usage(),
      clear: async (kind) => (await open()).storage.clear(kind),
    },
    load: async (load) => (await open()).load(load),
    availability: async () => (await open()).availability(),
    health: async () => (await open()).health(),
    close,
    [Symbol.asyncDispose]: close,
  }
}
