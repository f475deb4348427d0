import type { ErrorInfo, Finish, StreamPart, Usage } from '../../protocol/stream-part.js'
import { writeSource } from './source.js'
import type { UiChunk } from './ui-types.js'

export interface UiStreamOptions {
  /** What the message's metadata becomes at the end. @default none */
  readonly messageMetadata?: ((end: { readonly usage: Usage; readonly finish: Finish }) => unknown) | undefined
  /** What the page is told of an error. @default its message and what to do */
  readonly errorText?: ((error: ErrorInfo) => string) | undefined
}

/** Makes chunks of the parts of one run. */
export interface UiWriter {
  /** The chunks of a part. */
  write(part: StreamPart): Generator<UiChunk>
  /** Ends what is open, before the stream ends. */
  close(): Generator<UiChunk>
  /** Whether the run goes on only when somebody has answered. */
  readonly isWaiting: boolean
  /** A person's answer is known from now on. */
  answer(callId: string, isApproved: boolean): void
}

type Part<Type extends StreamPart['type']> = Extract<StreamPart, { readonly type: Type }>

const REASONS: Readonly<Partial<Record<Finish['reason'], Extract<UiChunk, { type: 'finish' }>['finishReason']>>> = {
  stop: 'stop',
  length: 'length',
  'content-filter': 'content-filter',
  'tool-calls': 'tool-calls',
  error: 'error',
}

export function createUiWriter(options: UiStreamOptions = {}): UiWriter {
  return new ChunkWriter(options)
}

class ChunkWriter implements UiWriter {
  readonly #options: UiStreamOptions
  /** The block of text or reasoning that was begun and not ended. */
  #block: { readonly type: 'text' | 'reasoning'; readonly id: string } | undefined
  #blocks = 0
  #draft = ''
  #usage: Usage | undefined
  /** Calls whose input the page has begun to see. */
  readonly #begun = new Set<string>()
  /** Calls without a result, and those of them that a person is asked about. */
  readonly #running = new Set<string>()
  readonly #asked = new Set<string>()
  readonly #denied = new Set<string>()

  constructor(options: UiStreamOptions) {
    this.#options = options
  }

  get isWaiting(): boolean {
    return this.#asked.size > 0 && this.#running.size === this.#asked.size
  }

  answer(callId: string, isApproved: boolean): void {
    this.#asked.delete(callId)
    if (!isApproved) this.#denied.add(callId)
  }

  *write(part: StreamPart): Generator<UiChunk> {
    switch (part.type) {
      case 'text-delta':
        if (part.role === 'draft') this.#draft += part.text
        else yield* this.#text('text', part.text)
        return
      case 'reasoning-delta':
        return yield* this.#text('reasoning', part.text)
      case 'step-start':
        yield { type: 'start-step' }
        return
      case 'step-end':
        yield* this.close()
        yield { type: 'finish-step' }
        return
      case 'tool-input-delta':
      case 'tool-call':
      case 'tool-progress':
      case 'tool-result':
      case 'approval-request':
        yield* this.#endBlock()
        return yield* this.#call(part)
      case 'citation':
        yield* this.#endBlock()
        yield uiSource(part)
        return
      default:
        return yield* this.#other(part)
    }
  }

  *close(): Generator<UiChunk> {
    yield* this.#endBlock()
    if (this.#draft !== '') yield { type: 'data-draft', data: { text: this.#draft } }
    this.#draft = ''
  }

  *#text(type: 'text' | 'reasoning', delta: string): Generator<UiChunk> {
    if (this.#block?.type !== type) {
      yield* this.#endBlock()
      this.#block = { type, id: `${type}-${this.#blocks++}` }
      yield { type: `${type}-start`, id: this.#block.id }
    }
    yield { type: `${type}-delta`, id: this.#block.id, delta }
  }

  *#endBlock(): Generator<UiChunk> {
    if (this.#block) yield { type: `${this.#block.type}-end`, id: this.#block.id }
    this.#block = undefined
  }

  *#call(
    part: Part<'tool-input-delta' | 'tool-call' | 'tool-progress' | 'tool-result' | 'approval-request'>,
  ): Generator<UiChunk> {
    const { callId: toolCallId, name: toolName } = part
    switch (part.type) {
      case 'tool-input-delta':
        if (!this.#begun.has(toolCallId)) yield { type: 'tool-input-start', toolCallId, toolName }
        this.#begun.add(toolCallId)
        yield { type: 'tool-input-delta', toolCallId, inputTextDelta: part.text }
        return
      case 'tool-call':
        this.#running.add(toolCallId)
        yield { type: 'tool-input-available', toolCallId, toolName, input: part.input }
        return
      case 'tool-progress':
        yield { type: 'tool-output-available', toolCallId, output: part.progress, preliminary: true }
        return
      case 'approval-request':
        this.#asked.add(toolCallId)
        yield { type: 'tool-approval-request', approvalId: toolCallId, toolCallId }
        return
      default:
        this.#running.delete(toolCallId)
        if (this.#denied.has(toolCallId)) yield { type: 'tool-output-denied', toolCallId }
        else if (part.isError) yield { type: 'tool-output-error', toolCallId, errorText: textOf(part.output) }
        else yield { type: 'tool-output-available', toolCallId, output: part.output }
    }
  }

  *#other(part: StreamPart): Generator<UiChunk> {
    if (part.type === 'status' || part.type === 'context-trimmed') {
      yield { type: `data-${part.type}`, data: part, transient: true }
    } else if (part.type === 'grounding' || part.type === 'handoff') yield { type: `data-${part.type}`, data: part }
    else if (part.type === 'usage') this.#usage = part.usage
    else if (part.type === 'error') {
      const { errorText = ({ message, hint }) => `${message} ${hint}` } = this.#options
      yield { type: 'error', errorText: errorText(part.error) }
    } else if (part.type === 'finish') yield* this.#finish(part.finish)
  }

  *#finish(finish: Finish): Generator<UiChunk> {
    yield* this.close()
    if (finish.reason === 'aborted') {
      yield { type: 'abort', ...(finish.error && { reason: finish.error.message }) }
      return
    }
    const metadata = this.#usage && this.#options.messageMetadata?.({ usage: this.#usage, finish })
    const finishReason = REASONS[finish.reason] ?? 'other'
    yield { type: 'finish', finishReason, ...(metadata !== undefined && { messageMetadata: metadata }) }
  }
}

function uiSource(citation: Part<'citation'>): UiChunk {
  const source = writeSource(citation)
  const { id: sourceId, title, providerMetadata } = source
  if (source.sourceType === 'url') return { type: 'source-url', sourceId, url: source.url, title, providerMetadata }
  return { type: 'source-document', sourceId, mediaType: source.mediaType, title, providerMetadata }
}

function textOf(output: unknown): string {
  return typeof output === 'string' ? output : (JSON.stringify(output) ?? '')
}
