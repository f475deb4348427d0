import type { Citation, ErrorInfo, GroundingClaim, Message, StreamPart } from 'alcove'

/** A run of text by one voice: the answer itself, or the draft of a model that is not to be trusted alone. */
export interface Segment {
  readonly draft: boolean
  /** Where it begins in the run's text. */
  readonly start: number
  readonly text: string
}

/** A tool call as the conversation shows it. */
export interface ToolLine {
  readonly callId: string
  readonly name: string
  readonly input: unknown
  readonly output?: unknown
  readonly isError?: boolean
}

/** A question and what came of it: plain data, kept over a reload. */
export interface Turn {
  readonly id: string
  readonly question: string
  readonly segments: readonly Segment[]
  readonly reasoning: string
  readonly tools: readonly ToolLine[]
  readonly citations: readonly Citation[]
  readonly claims: readonly GroundingClaim[]
  /** Sentences about what the run did to fit or to recover. */
  readonly notes: readonly string[]
  readonly state: 'running' | 'done' | 'stopped' | 'failed'
  /** Whether the text ends because it may not be longer. */
  readonly isCut?: boolean
  readonly error?: ErrorInfo
  readonly modelId: string
  /** Whether the answer, apart from a draft, is the documents' own words. */
  readonly quoting: boolean
}

/** A turn that has just been asked of a model. */
export function createTurn(question: string, modelId: string, quoting: boolean): Turn {
  return {
    id: `turn-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`,
    question,
    modelId,
    quoting,
    segments: [],
    reasoning: '',
    tools: [],
    citations: [],
    claims: [],
    notes: [],
    state: 'running',
  }
}

/** The run's whole text: what the spans of citations and claims point into. */
export const textOf = (turn: Turn): string => turn.segments.map((segment) => segment.text).join('')

/** The text without a model's drafts. */
export const answerOf = (turn: Turn): string =>
  turn.segments
    .filter((segment) => !segment.draft)
    .map((segment) => segment.text)
    .join('')

function appendText(segments: readonly Segment[], text: string, draft: boolean): readonly Segment[] {
  const last = segments.at(-1)
  if (last?.draft === draft) return [...segments.slice(0, -1), { ...last, text: last.text + text }]
  return [...segments, { draft, start: last ? last.start + last.text.length : 0, text }]
}

function updateTool(turn: Turn, callId: string, change: Partial<ToolLine>): Turn {
  return { ...turn, tools: turn.tools.map((tool) => (tool.callId === callId ? { ...tool, ...change } : tool)) }
}

/** The turn after one more part of its run. */
export function applyPart(turn: Turn, part: StreamPart): Turn {
  switch (part.type) {
    case 'text-delta':
      if (part.inner) return turn
      return { ...turn, segments: appendText(turn.segments, part.text, part.role === 'draft') }
    case 'reasoning-delta':
      return { ...turn, reasoning: turn.reasoning + part.text }
    case 'tool-call':
      return { ...turn, tools: [...turn.tools, { callId: part.callId, name: part.name, input: part.input }] }
    case 'tool-result':
      return updateTool(turn, part.callId, { output: part.output, isError: part.isError })
    case 'citation': {
      const { type: _, ...citation } = part
      return { ...turn, citations: [...turn.citations, citation] }
    }
    case 'grounding':
      return { ...turn, claims: [...turn.claims, ...part.claims] }
    case 'context-trimmed':
      return { ...turn, notes: [...turn.notes, part.message] }
    case 'status':
      return part.status === 'recovered' || part.status === 'model-changed'
        ? { ...turn, notes: [...turn.notes, part.message] }
        : turn
    case 'usage':
      return part.usage.modelId === undefined ? turn : { ...turn, modelId: part.usage.modelId }
    case 'error':
      return part.agentPath ? turn : { ...turn, error: part.error }
    case 'finish': {
      const { reason, error } = part.finish
      const state = reason === 'aborted' ? 'stopped' : reason === 'error' ? 'failed' : 'done'
      return {
        ...turn,
        state,
        ...(reason === 'length' && { isCut: true }),
        ...(state === 'failed' && error && { error }),
      }
    }
    default:
      return turn
  }
}

/** A stored turn that was still running when the page went away can only count as stopped. */
export const settle = (turn: Turn): Turn => (turn.state === 'running' ? { ...turn, state: 'stopped' } : turn)

/** The conversation as an agent takes it: turns without an answer are left out, and the new question comes last. */
export function toMessages(turns: readonly Turn[], question: string): Message[] {
  const earlier = turns
    .filter((turn) => answerOf(turn).trim() !== '')
    .flatMap((turn): Message[] => [
      { role: 'user', content: turn.question },
      { role: 'assistant', content: answerOf(turn) },
    ])
  return [...earlier, { role: 'user', content: question }]
}

/** The whole conversation as Markdown, with numbered sources below each answer. */
export function toMarkdown(turns: readonly Turn[], title: string, draftLabel: string): string {
  const parts = turns.map((turn) => {
    const body = turn.segments.map((segment) =>
      segment.draft ? `> *${draftLabel}*\n>\n> ${segment.text.trim().replaceAll('\n', '\n> ')}` : segment.text.trim(),
    )
    const sources = turn.citations.map(
      ({ index, source, quote }) =>
        `${index}. ${source.title}${source.page === undefined ? '' : `, p. ${source.page}`}: “${quote.replace(/\s+/g, ' ').trim()}”`,
    )
    return [`## ${turn.question}`, ...body, sources.join('\n')].filter((text) => text !== '').join('\n\n')
  })
  return `${[`# ${title}`, ...parts].join('\n\n')}\n`
}
