import type { Citation } from './corpus.js'

/** Who speaks. `tool` carries the results of calls. */
export type Role = 'system' | 'user' | 'assistant' | 'tool'

export interface TextPart {
  readonly type: 'text'
  readonly text: string
}

/** What a reasoning model wrote before its answer. */
export interface ReasoningPart {
  readonly type: 'reasoning'
  readonly text: string
}

/** An image, sound or file: its bytes, or a url to fetch them from. */
export interface MediaPart {
  readonly type: 'image' | 'audio' | 'file'
  readonly data: Blob | string
  /** IANA media type, such as `image/png`. */
  readonly mediaType: string
}

/** A call that the model made. `callId` is unique within the conversation. */
export interface ToolCallPart {
  readonly type: 'tool-call'
  readonly callId: string
  readonly name: string
  readonly input: unknown
}

/** What came of a call: the value itself, or with `isError` a short text that the model can act on. */
export interface ToolResultPart {
  readonly type: 'tool-result'
  readonly callId: string
  readonly name: string
  readonly output: unknown
  readonly isError?: boolean
}

/** Where a statement of the answer comes from. */
export interface CitationPart extends Citation {
  readonly type: 'citation'
}

export type MessagePart = TextPart | ReasoningPart | MediaPart | ToolCallPart | ToolResultPart | CitationPart

/** One turn of a conversation. Never mutated by Alcove. */
export interface Message {
  readonly role: Role
  readonly content: string | readonly MessagePart[]
  /** Who speaks, where several do. */
  readonly name?: string
  readonly id?: string
}
