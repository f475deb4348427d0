/// <reference lib="esnext.disposable" preserve="true" />
import { type Agent, type AgentInput, type AgentOptions, createAgent } from './agents/agent.js'
import type { ClientLoadOptions, Core, CorpusOpenOptions, Health, ModelsApi, StorageApi } from './client.js'
import type { ModelConstraints } from './engines/choice/constraints.js'
import type { Availability } from './engines/choice/listing.js'
import type { LadderReport } from './engines/choice/report.js'
import type { Corpus } from './protocol/corpus.js'
import { AlcoveError } from './protocol/error.js'
import type { ChatModel, ModelRequest, ModelTask } from './protocol/model.js'
import { type AlcoveOptions, readSettings } from './settings.js'

/** Options of `alcove.agent`: as for `createAgent`, with the client's model where none is named. */
export interface ClientAgentOptions extends Omit<AgentOptions, 'model'> {
  /** A model id, or a model. @default the client's own */
  readonly model?: string | ChatModel | undefined
  /** What the model has to be where one may be chosen, field by field instead of the client's. */
  readonly constraints?: ModelConstraints | undefined
}

/** An agent of a client, which can be made ready beforehand. */
export interface ClientAgent extends Agent {
  /**
   * Warms up. Without questions: the model is loaded and reads the agent's instructions and tools, where its engine keeps what it has read.
   * With questions: they are answered, and the answers kept, so that whoever asks the same is answered at once.
   * @throws AlcoveError `invalid-argument` for questions to an agent with tools, which would be run; what a run fails with
   */
  preload(questions?: readonly AgentInput[], options?: PreloadOptions): Promise<void>
}

export interface PreloadOptions {
  readonly signal?: AbortSignal | undefined
}

/** A client: agents, documents and models on this device, and what they keep here. */
export interface Alcove {
  /** An agent that uses the client's model, its answer cache and, when given, a corpus. */
  agent(options?: ClientAgentOptions): ClientAgent
  /** Opens a corpus, or makes it. What was added before is there again. */
  corpus(name: string, options?: CorpusOpenOptions): Promise<Corpus>
  readonly corpora: { list(): Promise<string[]>; delete(name: string): Promise<boolean> }
  readonly models: ModelsApi
  readonly storage: StorageApi
  /** Makes the models ready now rather than at the first run, and says what was chosen and refused. */
  load(options?: ClientLoadOptions): Promise<LadderReport>
  /** Whether a question could be answered by the model for a task, without loading anything. @param task @default 'chat' */
  availability(task?: ModelTask): Promise<Availability>
  /** Has requests answered by the client's model, one after the other, and keeps the answers: the answer cache then has them. */
  preload(requests: readonly ModelRequest[], options?: PreloadOptions): Promise<void>
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

  async function close(): Promise<void> {
    closed = true
    await (await core?.catch(() => undefined))?.close()
  }

  return {
    agent: ({ model, constraints, ...rest } = {}) => {
      const options: AgentOptions = {
        ...rest,
        model: async (task, load) => (await open()).resolveModel(model, task, { ...load, constraints }),
      }
      const agent = createAgent(options)
      return {
        ...agent,
        preload: async (questions, preload) =>
          (await import('./preload-agent.js')).preloadAgent(createAgent, agent, options, questions, preload),
      }
    },
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
    storage: {
      usage: async () => (await open()).storage.usage(),
      clear: async (kind) => (await open()).storage.clear(kind),
    },
    load: async (load) => (await open()).load(load),
    availability: async (task) => (await open()).availability(task),
    preload: async (requests, preload) => (await open()).preload(requests, preload),
    health: async () => (await open()).health(),
    close,
    [Symbol.asyncDispose]: close,
  }
}
