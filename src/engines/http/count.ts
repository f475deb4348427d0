import type { MessagePart } from '../../protocol/message.js'
import type { ModelRequest } from '../../protocol/model.js'

/** Tokens that a template may put around one message. */
const TURN_TOKENS = 6
/** What a picture of usual size costs with the vision models in use, and a sound of half a minute. */
const IMAGE_TOKENS = 1_100
const AUDIO_TOKENS = 750

const encoder = new TextEncoder()

/** Tokens of a text: a third of its ASCII characters, half of its other UTF-8 bytes. Real tokenizers need about a fourth and a third. */
export function estimateTextTokens(text: string): number {
  const bytes = encoder.encode(text).length
  const ascii = text.replace(/[^\0-\x7f]/g, '').length
  return Math.ceil(ascii / 3 + (bytes - ascii) / 2)
}

/** Counts the tokens of requests to a model whose tokenizer is elsewhere. */
export interface RequestCounter {
  /**
   * Exact for a request that was just answered; for one that goes on from it, the server's count and an estimate of what is new; else an
   * estimate, which for usual text is a third too high.
   */
  count(request: ModelRequest): number
  /** The server's count of a request. */
  note(request: ModelRequest, promptTokens: number): void
}

interface Anchor {
  readonly messages: readonly string[]
  readonly tools: string
  readonly promptTokens: number
}

/** How many counts are remembered: agents of one client share a model. */
const MAX_ANCHORS = 8

export function createRequestCounter(): RequestCounter {
  const anchors: Anchor[] = []
  const begins = (messages: readonly string[], { messages: known }: Anchor) =>
    known.length <= messages.length && known.every((each, at) => each === messages[at])

  return {
    count(request) {
      const { messages, tools } = fingerprint(request)
      const known = anchors
        .filter((anchor) => anchor.tools === tools && begins(messages, anchor))
        .reduce<Anchor | undefined>(
          (best, each) => (best && best.messages.length >= each.messages.length ? best : each),
          undefined,
        )
      const rest = request.messages.slice(known?.messages.length ?? 0)
      const start = known ? known.promptTokens : TURN_TOKENS + estimateTextTokens(tools)
      return rest.reduce((sum, { content }) => sum + TURN_TOKENS + contentTokens(content), start)
    },
    note(request, promptTokens) {
      anchors.push({ ...fingerprint(request), promptTokens })
      if (anchors.length > MAX_ANCHORS) anchors.shift()
    },
  }
}

function fingerprint({ messages, tools = [] }: ModelRequest): Pick<Anchor, 'messages' | 'tools'> {
  return {
    messages: messages.map(({ role, content, name }) => JSON.stringify([role, content, name, mediaSizes(content)])),
    tools: tools.length === 0 ? '' : JSON.stringify(tools),
  }
}

/** A Blob is `{}` in JSON. */
const mediaSizes = (content: string | readonly MessagePart[]): readonly number[] =>
  typeof content === 'string'
    ? []
    : content.map((part) => ('data' in part && typeof part.data !== 'string' ? part.data.size : 0))

function contentTokens(content: string | readonly MessagePart[]): number {
  if (typeof content === 'string') return estimateTextTokens(content)
  return content.reduce((sum, part) => sum + partTokens(part), 0)
}

function partTokens(part: MessagePart): number {
  switch (part.type) {
    case 'text':
      return estimateTextTokens(part.text)
    case 'tool-call':
      return TURN_TOKENS + estimateTextTokens(part.name + JSON.stringify(part.input ?? {}))
    case 'tool-result':
      return estimateTextTokens(typeof part.output === 'string' ? part.output : (JSON.stringify(part.output) ?? ''))
    case 'image':
      return IMAGE_TOKENS
    case 'audio':
      return AUDIO_TOKENS
    default:
      return 0
  }
}
