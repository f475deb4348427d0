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

/** The documents' part in a run. */
export function createDocuments(options: DocumentsOptions): Documents {
  return new RunDocuments(options)
}

class RunDocuments implements Documents {
  readonly hits: readonly Hit[]
  readonly isDraft: boolean
  readonly sampling: Sampling | undefined
  passages: readonly Passage[]
  isAnswered = false
  readonly #question: string
  readonly #budget: number

  constructor({ hits, model, question, passageTokens, sampling }: DocumentsOptions) {
    this.hits = hits
    this.isDraft = model.capabilities.trust === 'draft'
    const usual = this.isDraft ? DRAFT_PASSAGE_TOKENS : Math.min(2000, Math.floor(model.contextTokens / 2))
    this.#budget = passageTokens ?? usual
    this.#question = question
    this.passages = choosePassages(hits, this.#budget)
    const maxTokens = sampling?.maxTokens ?? DRAFT_ANSWER_TOKENS
    this.sampling = this.isDraft ? { ...sampling, maxTokens } : undefined
  }

  async quote() {
    const { answerFromPassages, windowAround } = await import('../engines/extractive.js')
    const answer = answerFromPassages(this.#question, this.hits)
    this.isAnswered = answer.citations.length === 0
    const [best] = answer.quotes
    if (best !== undefined) this.passages = [windowAround(best, this.#budget)]
    return answer
  }

  addTo(messages: readonly Message[], count = Number.POSITIVE_INFINITY): readonly Message[] {
    const at = messages.findLastIndex(({ role }) => role === 'user')
    const message = messages[at]
    const shown = this.passages.filter(({ rank }) => rank < count)
    if (message === undefined || shown.length === 0) return messages
    const language = isChinese(this.#question) ? 'zh' : 'en'
    const text = this.isDraft ? draftPrompt(shown, language) : formatPassages(shown, language)
    return messages.with(at, { ...message, content: [{ type: 'text', text }, ...partsOf(message)] })
  }

  keep(count: number): void {
    this.passages = this.passages.filter(({ rank }) => rank < count)
  }

  async finish({ control, record }: Job, { text, textStart, citations: own }: ModelTurn): Promise<void> {
    const isQuoting = own.length > 0
    if (isQuoting || !this.isDraft) {
      const { checkCitations, citeAnswer } = await import('./cite-answer.js')
      const citations = isQuoting
        ? checkCitations(own, this.hits, textStart)
        : citeAnswer(text, this.passages, textStart)
      record.citations.push(...citations)
      for (const citation of citations) control.emit({ type: 'citation', ...citation })
    }
    if (isQuoting || text === '') return
    const { findClaims } = await import('./grounding.js')
    const evidence = [...this.passages.map((passage) => passage.text), ...resultTexts(record.messages)]
    const claims = findClaims(text, evidence, textStart)
    if (claims.length > 0 || this.hits.length > 0) control.emit({ type: 'grounding', claims })
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
