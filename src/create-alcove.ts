/// <reference lib="esnext.disposable" preserve="true" />
import { type Agent, type AgentOptions, agentOf, createAgent, type Execute } from './agents/agent.js'
import type { ModelResolver } from './agents/options.js'
import type { SessionsApi } from './agents/session/sessions.js'
import type { GroupChatCreator, GroupChatCreatorOptions } from './agents/team/group-chat-creator.js'
import type { TeamKinds } from './agents/team/load-team.js'
import type { ClientLoadOptions, Core, CorpusOpenOptions, Health, ModelsApi, StorageApi } from './client.js'
import type { LadderReport } from './engines/choice/ladder.js'
import type { Availability } from './engines/choice/model-registry.js'
import type { Corpus } from './protocol/corpus.js'
import { AlcoveError } from './protocol/error.js'
import type { ChatModel, EmbeddingModel, LoadOptions } from './protocol/model.js'
import { type AlcoveOptions, readSettings } from './settings.js'

/** Options of `alcove.agent`: as for `createAgent`, with the client's model where none is named. */
export interface ClientAgentOptions extends Omit<AgentOptions, 'model'> {
  /** A model id, or a model. @default the client's own */
  readonly model?: string | ChatModel | undefined
}

/** Options of a team: as for its `create…` function of `alcove/agents`, with the client's model where none is named. */
export type ClientTeamOptions<Options> = Omit<Options, 'model'> & {
  /** A model id, or a model. @default the client's own */
  readonly model?: string | ChatModel | undefined
}

/** Agents together. Each is an agent itself; what it is made of is loaded with its first run, which also says what is wrong with its options. */
export interface Teams {
  /** A model picks the agent that answers. */
  router(options: ClientTeamOptions<TeamKinds['router']>): Agent
  /** Agents and people who talk with each other. */
  groupChat(options: ClientTeamOptions<TeamKinds['group-chat']>): Agent
  /** A model proposes a group chat's members. */
  groupChatCreator(options?: ClientTeamOptions<GroupChatCreatorOptions>): GroupChatCreator
  /** Answers from documents: searched, or read part by part. */
  documentQa(options: ClientTeamOptions<TeamKinds['document-qa']>): Agent
  /** Agents that hand the conversation over to each other. */
  handoff(options: TeamKinds['handoff']): Agent
  /** An agent that gives tasks to others. */
  supervisor(options: ClientTeamOptions<TeamKinds['supervisor']>): Agent
  /** An agent that writes thoughts, actions and observations. */
  reactAgent(options: ClientTeamOptions<TeamKinds['react']>): Agent
  /** An agent that writes code and runs it with a tool. */
  codeAgent(options: ClientTeamOptions<TeamKinds['code']>): Agent
  /** Outlines, expands and continues texts. */
  writer(options?: ClientTeamOptions<TeamKinds['writer']>): Agent
  /** A played person who talks with an agent. */
  dialogue(options: ClientTeamOptions<TeamKinds['dialogue']>): Agent
}

/** A client: agents, documents and models on this device, and what they keep here. */
export interface Alcove extends Teams {
  /** An agent that uses the client's model, its answer cache and, when given, a corpus. */
  agent(options?: ClientAgentOptions): Agent
  /** Opens a corpus, or makes it. What was added before is there again. */
  corpus(name: string, options?: CorpusOpenOptions): Promise<Corpus>
  /**
   * The embedding model in use, loaded: for vectors of one's own. It belongs to the client, which disposes of it.
   * @throws AlcoveError `model-not-found` where none can be had, `download-refused` where the named one may not be fetched
   */
  embeddingModel(options?: LoadOptions): Promise<EmbeddingModel>
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

  const modelOf =
    (model: string | ChatModel | undefined): ModelResolver =>
    async (task, load) =>
      (await open()).resolveModel(model, task, load)

  const agent: Alcove['agent'] = ({ model, ...rest } = {}) => createAgent({ ...rest, model: modelOf(model) })

  type Named = ClientTeamOptions<{ readonly name?: string | undefined; readonly description?: string | undefined }>
  const team =
    <Kind extends keyof TeamKinds>(kind: Kind) =>
    (options?: Named): Agent => {
      let loading: Promise<Execute> | undefined
      const load = async () => {
        const { loadTeam } = await import('./agents/team/load-team.js')
        return await loadTeam(kind, { ...options, model: modelOf(options?.model) } as unknown as TeamKinds[Kind])
      }
      const name = options?.name ?? kind
      return agentOf({ name, description: options?.description }, async (job) => {
        loading ??= load()
        return (await loading)(job)
      })
    }

  return {
    agent,
    router: team('router'),
    groupChat: team('group-chat'),
    groupChatCreator: (options = {}) => ({
      async propose(...given) {
        const { createGroupChatCreator } = await import('./agents/team/group-chat-creator.js')
        return await createGroupChatCreator({ ...options, model: modelOf(options.model) }).propose(...given)
      },
      create: ({ members, background }, chat) =>
        team('group-chat')({
          model: options.model,
          background,
          ...chat,
          agents: members.map((one) => agent({ ...one, model: options.model, tools: options.tools })),
        } as Named),
    }),
    documentQa: team('document-qa'),
    handoff: team('handoff'),
    supervisor: team('supervisor'),
    reactAgent: team('react'),
    codeAgent: team('code'),
    writer: team('writer'),
    dialogue: team('dialogue'),
    corpus: async (name, corpusOptions) => (await open()).openCorpus(name, corpusOptions),
    embeddingModel: async (load) => (await open()).embeddingModel(load),
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
