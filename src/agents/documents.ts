import type { Citation, Hit } from '../protocol/corpus.js'
import type { Message, MessagePart } from '../protocol/message.js'
import type { ChatModel, Sampling } from '../protocol/model.js'
import { isChinese } from '../text/terms.js'
import { safeText } from './dialect/history.js'
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
  /** The conversation with the passages in the user turn that was the last one at first. @param count how many of the best passages */
  addTo(messages: readonly Message[], count?: number): readonly Message[]
  /** Tokens of passages that the prompt may have. */
  readonly budgetTokens: number
  /** Puts more into the prompt than was found, where there is room; what was found comes first when it gets narrow. */
  complete(rest: readonly Hit[]): void
  /** From now on only so many of the best passages are in the prompt. */
  keep(count: number): void
  /** From now on the prompt's passages have about so many tokens, chosen anew. */
  narrow(budgetTokens: number): void
  /** What stands before the question and stays there in later runs; undefined: nothing. */
  readonly retrieved: string | undefined
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
  readonly budgetTokens: number
  /** What the prompt may have besides the hits. */
  #rest: readonly Hit[] = []
  /** The message that the passages stand before: what the run adds may have user messages too. */
  #asked: Message | undefined
  /** A draft's passage around the best quotation, of so many tokens. */
  #window: ((budgetTokens: number) => Passage) | undefined

  constructor({ hits, model, question, passageTokens, sampling }: DocumentsOptions) {
    this.hits = hits
    this.isDraft = model.capabilities.trust === 'draft'
    const usual = this.isDraft ? DRAFT_PASSAGE_TOKENS : Math.min(2000, Math.floor(model.contextTokens / 2))
    this.budgetTokens = passageTokens ?? usual
    this.#question = question
    this.passages = choosePassages(hits, this.budgetTokens)
    const maxTokens = sampling?.maxTokens ?? DRAFT_ANSWER_TOKENS
    this.sampling = this.isDraft ? { ...sampling, maxTokens } : undefined
  }

  async quote() {
    const { answerFromPassages, windowAround } = await import('../engines/extractive/extractive.js')
    const answer = answerFromPassages(this.#question, this.hits)
    this.isAnswered = answer.citations.length === 0
    const [best] = answer.quotes
    if (best !== undefined) {
      this.#window = (budgetTokens) => windowAround(best, budgetTokens)
      this.passages = [this.#window(this.budgetTokens)]
    }
    return answer
  }

  get retrieved(): string | undefined {
    // A draft's passage was for one answer: a weak model is the better for each that it does not see.
    return this.isDraft || this.passages.length === 0 ? undefined : this.#text(this.passages)
  }

  addTo(messages: readonly Message[], count = Number.POSITIVE_INFINITY): readonly Message[] {
    this.#asked ??= messages.findLast(({ role }) => role === 'user')
    const message = this.#asked
    const at = message === undefined ? -1 : messages.indexOf(message)
    const shown = this.passages.filter(({ rank }) => rank < count)
    if (message === undefined || at < 0 || shown.length === 0) return messages
    return messages.with(at, { ...message, content: [{ type: 'text', text: this.#text(shown) }, ...partsOf(message)] })
  }

  complete(rest: readonly Hit[]): void {
    this.#rest = rest
    this.narrow(this.budgetTokens)
  }

  keep(count: number): void {
    this.passages = this.passages.filter(({ rank }) => rank < count)
  }

  narrow(budgetTokens: number): void {
    this.passages = this.#window
      ? [this.#window(budgetTokens)]
      : choosePassages([...this.hits, ...this.#rest], budgetTokens)
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
    const [{ findClaims }, { scoreSupport }] = await Promise.all([
      import('./grounding.js'),
      import('./sentence-support.js'),
    ])
    const evidence = [...this.passages.map((passage) => passage.text), ...resultTexts(record.messages)]
    const claims = findClaims(text, evidence, textStart)
    if (claims.length === 0 && this.hits.length === 0) return
    control.emit({ type: 'grounding', claims, sentences: scoreSupport(text, this.passages, textStart) })
  }

  #text(passages: readonly Passage[]): string {
    const language = isChinese(this.#question) ? 'zh' : 'en'
    return this.isDraft ? draftPrompt(passages, language) : formatPassages(passages, language)
  }
}

function partsOf({ content }: Message): readonly MessagePart[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content
}

/** The form that small models answer best from (measured): one short passage and the question. */
function draftPrompt(passages: readonly Passage[], language: 'en' | 'zh'): string {
  const text = safeText(passages.map((passage) => passage.text.replaceAll(/\s+/g, ' ').trim()).join(' '))
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
