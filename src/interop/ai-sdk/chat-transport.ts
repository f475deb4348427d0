import type { Agent, RunOptions } from '../../agents/agent.js'
import type { AgentRun } from '../../agents/run.js'
import type { StreamPart } from '../../protocol/stream-part.js'
import { onAbort } from '../../runtime/abort.js'
import { iterate, streamOf } from '../../runtime/stream.js'
import { readUiMessages, toolNameOf } from './ui-messages.js'
import { createUiWriter, type UiStreamOptions, type UiWriter } from './ui-stream.js'
import type { UiChunk, UiMessage, UiPart } from './ui-types.js'

export interface ChatTransportOptions extends UiStreamOptions {
  /** Options of the run that answers, such as its limits. */
  readonly runOptions?: ((chatId: string) => Omit<RunOptions, 'signal' | 'schema'>) | undefined
}

/** What `useChat` hands over. */
export interface SendMessagesOptions {
  readonly chatId: string
  readonly messages: readonly UiMessage[]
  readonly abortSignal?: AbortSignal | undefined
}

/** A `ChatTransport` of the AI SDK. */
export interface AgentChatTransport {
  sendMessages(options: SendMessagesOptions): Promise<ReadableStream<UiChunk>>
  /** There is no server that went on without the page: always null. */
  reconnectToStream(): Promise<null>
  /** Ends runs that wait for a person. */
  close(): void
}

/** A run with its reader, and what the page was told of it. */
interface OpenRun {
  readonly run: AgentRun
  readonly parts: AsyncIterator<StreamPart>
  readonly writer: UiWriter
}

/**
 * Lets `useChat` talk with an agent of this page. Tools run here; a call that needs approval ends the answer with an approval request, and
 * the run goes on when the chat sends the person's answer.
 */
export function createChatTransport(
  agent: Pick<Agent, 'stream'>,
  options: ChatTransportOptions = {},
): AgentChatTransport {
  /** Runs that wait for a person, by chat. */
  const waiting = new Map<string, OpenRun>()

  function open(chatId: string, messages: readonly UiMessage[]): OpenRun {
    const run = agent.stream(readUiMessages(messages), options.runOptions?.(chatId) ?? {})
    return { run, parts: iterate<StreamPart>(run), writer: createUiWriter(options) }
  }

  /** The run that waits, once the messages have the answers; one that they have left behind is ended. */
  function resume(chatId: string, messages: readonly UiMessage[]): OpenRun | undefined {
    const known = waiting.get(chatId)
    waiting.delete(chatId)
    const answers = readAnswers(messages)
    if (known === undefined || answers.length === 0) {
      known?.run.abort('The conversation went on without an answer.')
      return undefined
    }
    for (const { callId, isApproved, why } of answers) {
      known.writer.answer(callId, isApproved)
      if (isApproved) known.run.approve(callId)
      else known.run.deny(callId, why)
    }
    return known
  }

  async function* write(chatId: string, { run, parts, writer }: OpenRun): AsyncGenerator<UiChunk> {
    let isHandedOver = false
    try {
      yield { type: 'start' }
      for (;;) {
        if (writer.isWaiting) {
          yield* writer.close()
          isHandedOver = true
          waiting.set(chatId, { run, parts, writer })
          return
        }
        const { done, value } = await parts.next()
        if (done) return
        yield* writer.write(value)
      }
    } finally {
      if (!isHandedOver) run.abort('The page left the answer.')
    }
  }

  return {
    async sendMessages({ chatId, messages, abortSignal }) {
      const opened = resume(chatId, messages) ?? open(chatId, messages)
      // The run ends as aborted and says so: an error would be shown to the person as one.
      const forget = onAbort(abortSignal, () => opened.run.abort('Stopped by the user.'))
      return streamOf(async function* () {
        try {
          yield* write(chatId, opened)
        } finally {
          forget()
        }
      })
    },
    reconnectToStream: async () => null,
    close() {
      for (const { run } of waiting.values()) run.abort('The chat was closed.')
      waiting.clear()
    },
  }
}

/** What a person said to the calls of the last answer. */
function readAnswers(messages: readonly UiMessage[]) {
  const last = messages.at(-1)
  if (last?.role !== 'assistant') return []
  return (last.parts as readonly UiPart[]).flatMap((part) => {
    const { toolCallId, approval } = part
    if (toolNameOf(part) === undefined || part.state !== 'approval-responded' || toolCallId === undefined) return []
    return [{ callId: toolCallId, isApproved: approval?.approved === true, why: approval?.reason }]
  })
}
