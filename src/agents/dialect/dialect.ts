import type { Message } from '../../protocol/message.js'
import type { ModelFinishReason, ModelPart, ToolChoice, ToolDescription } from '../../protocol/model.js'

/** What a dialect writes into the prompt. */
export interface DialectRequest {
  readonly messages: readonly Message[]
  readonly tools: readonly ToolDescription[]
  readonly toolChoice: ToolChoice
  /** Whether this is the last call, asked for an answer and no more calls. The prompt's beginning stays as it was. */
  readonly final: boolean
  /** Language of what is added. */
  readonly language: 'en' | 'zh'
}

/** What a parser tells: text, reasoning, the growing input of a call, and calls. */
export type ParserEvent = Extract<
  ModelPart,
  { type: 'text-delta' | 'reasoning-delta' | 'tool-input-delta' | 'tool-call' }
>

/**
 * Reads a model's text while it is written.
 *
 * Contract: whatever the places where the text is cut, the joined text, the joined reasoning and the calls are the same. No part of a tag
 * and no part of a call is ever told as text; text is held back only while it could still become a tag. Time is linear in the text.
 */
export interface DialectParser {
  push(text: string): ParserEvent[]
  /** What is left when the model has stopped, for `reason`: a call that was cut off by `length` is not mended. */
  end(reason: ModelFinishReason): ParserEvent[]
}

export interface ParserOptions {
  /** Makes the id of a call. */
  readonly createId: () => string
  /** Names of the tools there are: tells an object such as `{"name": "Ann"}` in an answer from a call where the format has no tag. @default any name */
  readonly toolNames?: readonly string[] | undefined
}

/** A text format for tools, calls and results, for models that have no native one. */
export interface Dialect {
  readonly name: string
  /** Texts at which the engine should stop, since what follows is not the model's to write. The parser copes without. */
  readonly stop?: readonly string[]
  /** Raised when the format changes: part of what an answer cache keys on. */
  readonly version: number
  /** Tools, calls and results as text: the messages given back have text (and media) only, and no message of role `tool`. */
  format(request: DialectRequest): Message[]
  createParser(options: ParserOptions): DialectParser
}
