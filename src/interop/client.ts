import type { Agent, AgentOptions } from '../agents/agent.js'
import type { EmbeddingModel, LoadOptions } from '../protocol/model.js'

/** What is needed of a client; the one that `createAlcove` gives has it. */
export interface InteropClient {
  agent(options?: Omit<AgentOptions, 'model'> & { readonly model?: string | undefined }): Agent
  embeddingModel(options?: LoadOptions): Promise<EmbeddingModel>
  readonly models: { list(): Promise<readonly ListedModel[]> }
}

/** What is needed of a row of `alcove.models.list()`. */
export interface ListedModel {
  readonly id: string
  readonly refused?: { readonly code: string; readonly reason: string }
}

/** Names that callers use for models, and the models that they stand for. */
export type ModelNames = Readonly<Record<string, string>>

/** The id of a model for a caller's name; undefined is the client's own choice, which the names `auto` and nothing stand for. */
export function readModelName(name: string | undefined, names: ModelNames = {}): string | undefined {
  const id = name !== undefined && Object.hasOwn(names, name) ? names[name] : name
  return id === undefined || id === '' || id === 'auto' ? undefined : id
}
