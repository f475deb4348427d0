import type { Citation, Hit } from '../protocol/corpus.js'
import type { Message, MessagePart } from '../protocol/message.js'
import type { ChatModel, Sampling } from '../protocol/model.js'
import { isChinese } from '../text/terms.js'
import type { Job } from './loop.js'
import type { ModelTurn } from './model-turn.js'
import { choosePassages, formatPassages, type Passage } from './passages.js'

/** The retrieved passages of a run: what of them the model sees, and what becomes of its answer. */
export interface Documents {
  /** What retrieval gave, best first. */
  readonly hits: readonly Hit[]
  /** What the prompt has, numbered in prompt order. */
  readonly passages: readonly Passage[]
  /** Whether the model's text is a draft beside quoted passages. */
  readonly isDraft: boolean
  /** Whether the quotation is the whole answer: the documents have none, so a draft could only invent. */
  readonly isAnswered: boolean
  /** Sampling for a draft; undefined: the agent's own. */
  readonly sampling: Sampling | undefined
  /** The extractive answer. Afterwards the prompt is a draft's. */
  quote(): Promise<{ readonly text: string; readonly citations: readonly Citation[] }>
  /** The conversation with the passages in its last user turn. @param count how many of the best passages */
  addTo(messages: readonly Message[], count?: number): readonly Message[]
  /** From now on only so many of the best passages are in the prompt. */
  keep(count: number): void
  /** Citations and grounding of the answer, as parts. */
  finish(job: Job, turn: ModelTurn): Promise<void>
}

export interface DocumentsOptions {
  readonly hits: readonly Hit[]
  readonly model: ChatModel
  readonly question: string
  readonly passageTokens: number | undefined
  /** What the agent's sampling says. */
  readonly sampling: Sampling | undefined
}

/** Tokens of a draft's passage, and of its answer: what a 135M model can use (measured). */
const DRAFT_PASSAGE_TOKENS = 200
const DRAFT_ANSWER_TOKENS = 40

export function createDocuments({ hits, model, question, passageTokens, sampling }: DocumentsOptions): Documents {
  const isDraft = model.capabilities.trust === 'draft'
  const budget = passageTokens ?? (isDraft ? DRAFT_PASSAGE_TOKENS : Math.min(2000, Math.floor(model.contextTokens / 2)))
  const language = isChinese(question) ? 'zh' : 'en'
  let count = Number.POSITIVE_INFINITY
  let passages = choosePassages(hits, budget)
  let isAnswered = false

  async function finish(job: Job, turn: ModelTurn): Promise<void> {
    const { control, record } = job
    const { checkCitations, citeAnswer } = await import('./cite-answer.js')
    const isQuoting = turn.citations.length > 0
    if (isQuoting || !isDraft) {
      const citations = isQuoting
        ? checkCitations(turn.citations, hits, turn.textStart)
        : citeAnswer(turn.text, passages, turn.textStart)
      record.citations.push(...citations)
      for (const citation of citations) control.emit({ type: 'citation', ...citation })
    }
    if (isQuoting || turn.text === '') return
    const { findClaims } = await import('./grounding.js')
    const claims = findClaims(
      turn.text,
      [...passages.map(({ text }) => text), ...resultTexts(record.messages)],
      turn.textStart,
    )
    if (claims.length > 0 || hits.length > 0) control.emit({ type: 'grounding', claims })
  }

  return {
    hits,
    get passages() {
      return passages
    },
    isDraft,
    get isAnswered() {
      return isAnswered
    },
    sampling: isDraft ? { ...sampling, maxTokens: sampling?.maxTokens ?? DRAFT_ANSWER_TOKENS } : undefined,
    async quote() {
      const { answerFromPassages, windowAround } = await import('../engines/extractive.js')
      const answer = answerFromPassages(question, hits)
      isAnswered = answer.citations.length === 0
      const [best] = answer.quotes
      if (best !== undefined) passages = [windowAround(best, budget)]
      return answer
    },
    addTo(messages, most = count) {
      const at = messages.findLastIndex(({ role }) => role === 'user')
      const message = messages[at]
      const shown = passages.filter(({ rank }) => rank < most)
      if (message === undefined || shown.length === 0) return messages
      const text = isDraft ? draftPrompt(shown, language) : formatPassages(shown, language)
      return messages.with(at, { ...message, content: [{ type: 'text', text }, ...partsOf(message)] })
    },
    keep(kept) {
      count = kept
      passages = passages.filter(({ rank }) => rank < kept)
    },
    finish,
  }
}

function partsOf({ content }: Message): readonly MessagePart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content
}

/** The form that small models answer best from (measured): one short passage and the question. */
function draftPrompt(passages: readonly Passage[], language: 'en' | 'zh'): string {
  const text = passages.map((passage) => passage.text.replaceAll(/\s+/g, ' ').trim()).join(' ')
  return language === 'zh' ? `根据下文回答：${text}` : `Answer from the text: ${text}`
}

/** What tools gave in this run is evidence too. */
function resultTexts(messages: readonly Message[]): string[] {
  return messages.flatMap(({ content }) =>
    typeof content === 'string'
      ? []
      : content.flatMap((part) =>
          part.type === 'tool-result' && !part.isError
            ? [typeof part.output === 'string' ? part.output : (JSON.stringify(part.output) ?? '')]
            : [],
        ),
  )
}
