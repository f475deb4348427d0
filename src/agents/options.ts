import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Corpus, Metadata, SearchMode, SearchOptions } from '../protocol/corpus.js'
import type { Message } from '../protocol/message.js'
import type {
  ChatModel,
  LoadOptions,
  ModelRequest,
  ModelTask,
  OutputConstraint,
  Sampling,
  ToolChoice,
} from '../protocol/model.js'
import type { Usage } from '../protocol/stream-part.js'
import type { ToolSchema } from '../tools/schema.js'
import type { Tool } from '../tools/tool.js'
import type { ContextOptions } from './context/context-options.js'

/** Where a run ends before its answer is complete; what there is then is its result, with the finish reason `limit`. */
export interface RunLimits {
  /** Prompt and completion tokens of all steps together; looked at after each step. */
  readonly totalTokens?: number | undefined
  readonly wallTimeMs?: number | undefined
  /** Calls that are made; a further one gets an error, and the model is asked for its answer. */
  readonly toolCalls?: number | undefined
}

/** How documents are used. */
export interface RetrievalOptions {
  /** Passages that are searched for. @default 10 */
  readonly topK?: number | undefined
  /** @default 'hybrid' */
  readonly mode?: SearchMode | undefined
  /** Only documents whose metadata has these values. */
  readonly where?: Metadata | undefined
  /** What each leg of the search counts. @default 1 for each */
  readonly weights?: SearchOptions['weights']
  /** How much passages are chosen to differ from each other, from 0 to 1. @default 0 */
  readonly diversity?: number | undefined
  /** Whether, or with which cross-encoder, the passages are ordered anew. @default false */
  readonly rerank?: boolean | string | undefined
  /**
   * Lets the model write up to three more search queries first, from the conversation; the search takes all of them. Costs a model call before
   * the answer, so it is for models that are quick. Models that are not to be trusted alone are not asked. @default false
   */
  readonly rewrite?: boolean | undefined
  /** Most tokens of passages in the prompt. @default half of the context, at most 2000; 200 for a model of trust `draft` */
  readonly passageTokens?: number | undefined
}

/** What `stopWhen` can decide by, after a step that made calls. */
export interface StepState {
  /** Model calls so far. */
  readonly steps: number
  readonly text: string
  /** Messages that the run added so far. */
  readonly messages: readonly Message[]
  readonly usage: Usage
}

/** Gives a chat model for a task, for example the one that a client chose for this device. */
export type ModelResolver = (task: ModelTask, options: ResolveOptions) => Promise<ChatModel>

export interface ResolveOptions extends LoadOptions {
  /** What the run was asked to do about the answer cache. */
  readonly cache?: boolean | undefined
}

export interface AgentOptions {
  /** @default 'agent' */
  readonly name?: string | undefined
  /** What it is good at, for teams that choose among agents. @default the instructions */
  readonly description?: string | undefined
  /** The system prompt. */
  readonly instructions?: string | undefined
  readonly model: ChatModel | ModelResolver
  readonly tools?: readonly Tool[] | undefined
  /** Documents to answer from. */
  readonly corpus?: Corpus | undefined
  readonly retrieval?: RetrievalOptions | undefined
  /**
   * A corpus of its own for what is to be known beyond one conversation: the agent gets the tools `remember` and `recall` over it. What it holds
   * is listed, read and removed as in any corpus. @default none
   */
  readonly memory?: Corpus | undefined
  /** Model calls that may make tool calls; after them the model is asked once more, for its answer. @default 20 */
  readonly maxSteps?: number | undefined
  /** @default 5 */
  readonly maxParallelCalls?: number | undefined
  /** `required` and a name hold for the first step. @default 'auto' */
  readonly toolChoice?: ToolChoice | undefined
  /** `native`, or the name of a text format for tools. @default 'auto': native where the model has it, else the model's own format */
  readonly dialect?: string | undefined
  readonly sampling?: Sampling | undefined
  /** What of a conversation the model is given. */
  readonly context?: ContextOptions | undefined
  /** A form that the answer must have. */
  readonly output?: OutputConstraint | undefined
  readonly limits?: RunLimits | undefined
  /**
   * `background`: for work that nobody waits for. Its model calls go when nobody else wants the engine, but do not wait for ever. A run can be
   * given another one. @default 'interactive'
   */
  readonly priority?: ModelRequest['priority']
  /** Ends the run after a step that made calls, with the finish reason `tool-calls`. */
  readonly stopWhen?: ((state: StepState) => boolean) | undefined
}

/** What a run is asked: a question, a message, or a whole conversation. Never mutated. */
export type AgentInput = string | Message | readonly Message[]

/** A schema for an answer, or none. */
export type AnswerSchema = ToolSchema | undefined

/** The object that a run with such a schema gives: what the schema's library infers; `unknown` for a JSON Schema, undefined without a schema. */
export type AnswerObject<Schema extends AnswerSchema> = Schema extends StandardSchemaV1
  ? StandardSchemaV1.InferOutput<Schema>
  : Schema extends undefined
    ? undefined
    : unknown

/** An object that is still being written: everything may be missing. */
export type PartialObject<Value> = Value extends readonly (infer Item)[]
  ? PartialObject<Item>[]
  : Value extends object
    ? { [Key in keyof Value]?: PartialObject<Value[Key]> }
    : Value
