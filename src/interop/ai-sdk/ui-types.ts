// The messages and the stream of `useChat`, as far as they are served.
import type { ProviderMetadata, SourceContent } from './types.js'

/** A part of a message as the page keeps it. Calls have `tool-<name>` or `dynamic-tool` as their type. */
export interface UiPart {
  readonly type: string
  readonly text?: string | undefined
  readonly mediaType?: string | undefined
  readonly url?: string | undefined
  readonly toolName?: string | undefined
  readonly toolCallId?: string | undefined
  readonly state?: string | undefined
  readonly input?: unknown
  readonly output?: unknown
  readonly errorText?: string | undefined
  readonly approval?:
    | { readonly id: string; readonly approved?: boolean | undefined; readonly reason?: string | undefined }
    | undefined
}

export interface UiMessage {
  readonly id: string
  readonly role: 'system' | 'user' | 'assistant'
  // The SDK's part types have no field in common but this one.
  readonly parts: readonly { readonly type: string }[]
}

type UiSource = SourceContent extends infer Source
  ? Source extends { sourceType: 'url' }
    ? { type: 'source-url'; sourceId: string; url: string; title: string; providerMetadata: ProviderMetadata }
    : {
        type: 'source-document'
        sourceId: string
        mediaType: string
        title: string
        providerMetadata: ProviderMetadata
      }
  : never

export type UiChunk =
  | { type: 'start' | 'start-step' | 'finish-step' }
  | { type: 'text-start' | 'text-end' | 'reasoning-start' | 'reasoning-end'; id: string }
  | { type: 'text-delta' | 'reasoning-delta'; id: string; delta: string }
  | { type: 'tool-input-start'; toolCallId: string; toolName: string }
  | { type: 'tool-input-delta'; toolCallId: string; inputTextDelta: string }
  | { type: 'tool-input-available'; toolCallId: string; toolName: string; input: unknown }
  | { type: 'tool-output-available'; toolCallId: string; output: unknown; preliminary?: boolean }
  | { type: 'tool-output-error'; toolCallId: string; errorText: string }
  | { type: 'tool-output-denied'; toolCallId: string }
  | { type: 'tool-approval-request'; approvalId: string; toolCallId: string }
  | UiSource
  | { type: `data-${string}`; data: unknown; transient?: boolean }
  | { type: 'error'; errorText: string }
  | { type: 'abort'; reason?: string }
  | {
      type: 'finish'
      finishReason: 'stop' | 'length' | 'content-filter' | 'tool-calls' | 'error' | 'other'
      messageMetadata?: unknown
    }
