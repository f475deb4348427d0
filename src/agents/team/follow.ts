import type { Citation, Span } from '../../protocol/corpus.js'
import { AlcoveError } from '../../protocol/error.js'
import type { Message, MessagePart } from '../../protocol/message.js'
import type { Finish, StreamPart, Usage } from '../../protocol/stream-part.js'
import type { AgentRun, ApprovalAnswer } from '../run.js'
import type { RunState } from '../run-state.js'

/** The run that a member works in. */
export interface Outer {
  /** The outer agent's own name. */
  readonly name: string
  emit(part: StreamPart): void
  ready(): Promise<void>
  askApproval(callId: string): Promise<ApprovalAnswer>
  /** The id that a member's call has in the outer run: the same, or a new one where that is taken. */
  callId(id: string): string
}

export interface FollowOptions {
  readonly name: string
  /** Whether the member's text is part of the outer run's answer. */
  readonly isAnswer: boolean
  /** Where the member's text begins in the outer run's. @default 0 */
  readonly textStart?: number | undefined
  /** Told of each part, as the outer run has it. */
  readonly onPart?: ((part: StreamPart) => void) | undefined
}

/** What came of a member's run. Plain data. */
export interface MemberResult {
  readonly text: string
  readonly messages: readonly Message[]
  readonly citations: readonly Citation[]
  readonly usage: Usage | undefined
  readonly finish: Finish
  /** With a schema: the checked object. */
  readonly object?: unknown
  /** When it has paused. */
  readonly state?: RunState | undefined
}

/**
 * Gives a member's parts to the outer run, at the pace of its reader, until the member's run is over. All parts but `finish` are told, the
 * member's `usage` as its last one; requests for approval are answered through the outer run.
 *
 * @throws AlcoveError what the member failed with
 */
export async function followRun(run: AgentRun<unknown>, outer: Outer, options: FollowOptions): Promise<MemberResult> {
  const { name, isAnswer, textStart = 0, onPart } = options
  const ownPath = [outer.name, name]
  const ids = createRenaming(outer)
  const citations: Citation[] = []
  let text = ''
  let usage: Usage | undefined
  let finish: Finish | undefined
  for await (const part of run) {
    if (part.type === 'finish') {
      finish = part.finish
      break
    }
    if (part.type === 'text-delta' && part.role !== 'draft' && !part.inner) text += part.text
    if (part.type === 'usage' && part.agentPath === undefined) usage = part.usage
    if (part.type === 'citation') citations.push(citationOf(part, textStart))
    const agentPath = part.agentPath ? [outer.name, ...part.agentPath] : ownPath
    const told = { ...placed(part, ids, isAnswer, textStart), agentPath } as StreamPart
    if (part.type === 'approval-request' && !part.ask) answerWhenTold(run, part.callId, ids, outer)
    outer.emit(told)
    onPart?.(told)
    await outer.ready()
  }
  if (finish === undefined) throw new AlcoveError('internal', `The run of '${name}' ended without a finish`)
  if (finish.error) throw memberError(finish.error)
  const messages = (await run.messages).map((message) => renamed(message, ids))
  const object = finish.reason === 'paused' ? undefined : await run.object.catch(() => undefined)
  return { text, messages, citations, usage, finish, object, state: run.state }
}

function memberError({ code, message, hint, retryable, details }: NonNullable<Finish['error']>): AlcoveError {
  return new AlcoveError(code, message, { hint, retryable, details })
}

/** Ids of calls: two members may have made the same. */
function createRenaming(outer: Outer): (id: string) => string {
  const known = new Map<string, string>()
  return (id) => {
    const given = known.get(id) ?? outer.callId(id)
    known.set(id, given)
    return given
  }
}

function answerWhenTold(run: AgentRun<unknown>, id: string, ids: (id: string) => string, outer: Outer): void {
  outer.askApproval(ids(id)).then(
    ({ isApproved, why }) => (isApproved ? run.approve(id) : run.deny(id, why)),
    () => {},
  )
}

function placed(part: StreamPart, ids: (id: string) => string, isAnswer: boolean, textStart: number): StreamPart {
  if ('callId' in part) return { ...part, callId: ids(part.callId) }
  if (part.type === 'text-delta') return isAnswer || part.inner ? part : { ...part, inner: true }
  if (part.type === 'citation') return { ...part, ...citationOf(part, textStart) }
  if (part.type !== 'grounding' || textStart === 0) return part
  const shifted = <T extends { readonly answerSpan: Span }>(one: T): T => ({
    ...one,
    answerSpan: shift(one.answerSpan, textStart),
  })
  return {
    ...part,
    claims: part.claims.map(shifted),
    ...(part.sentences && { sentences: part.sentences.map(shifted) }),
  }
}

function citationOf({ index, source, span, quote, verified, answerSpan }: Citation, textStart: number): Citation {
  return { index, source, span, quote, verified, ...(answerSpan && { answerSpan: shift(answerSpan, textStart) }) }
}

function shift([start, end]: Span, by: number): Span {
  return [start + by, end + by]
}

function renamed(message: Message, ids: (id: string) => string): Message {
  const { content } = message
  if (typeof content === 'string' || !content.some((part) => 'callId' in part)) return message
  return {
    ...message,
    content: content.map((part): MessagePart => ('callId' in part ? { ...part, callId: ids(part.callId) } : part)),
  }
}
