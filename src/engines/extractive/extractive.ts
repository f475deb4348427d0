import type { Citation, Hit, Source, Span } from '../../protocol/corpus.js'
import type { ChatModel, ModelPart, ModelRequest } from '../../protocol/model.js'
import { throwIfAborted } from '../../runtime/abort.js'
import { streamOf } from '../../runtime/stream.js'
import { splitSentences } from '../../text/sentences.js'
import { isChinese } from '../../text/terms.js'
import { refersBack, type ScoredSentence, scoreSentences } from './extractive-score.js'

/** An answer that is made of quotations. */
export interface ExtractiveAnswer {
  readonly text: string
  /** One for each quotation; none when nothing in the passages answers. */
  readonly citations: readonly Citation[]
  readonly quotes: readonly Quote[]
}

/** A stretch of a passage. */
export interface Quote {
  readonly hit: Hit
  /** In `hit.text`. */
  readonly span: Span
}

/** Below this share of the question's content, found in the sentence with what is around it, nothing is said to answer. */
const MIN_SUPPORT = 0.3
const MIN_COVERAGE = 0.15
/**
 * The same for its whole passage: one that is about something near, but not about this, lacks the words that the question turns on.
 * Calibrated on the first half of XQuAD-en so that at most 2 % of the right quotes are lost there (docs/decisions/2026-11-22-fusion.md).
 */
const MIN_PASSAGE_SUPPORT = 0.4
/** Further sentences are quoted when they score nearly as well as the best. */
const NEARLY_AS_GOOD = 0.8
const MAX_QUOTES = 3
const SAYS = {
  en: {
    nothing: 'I found nothing in your documents that answers this.',
    noDocuments: 'I can only quote from documents, and none are attached to this conversation.',
  },
  zh: {
    nothing: '在您的文档中没有找到能回答这个问题的内容。',
    noDocuments: '我只能引用文档中的内容，而当前对话没有附加任何文档。',
  },
} as const

/**
 * Answers a question with the best sentences (up to three) of the passages, word for word. The sentences are scored by the question's words
 * that they have, weighted by rarity, by the kind of answer that is asked for, and by the rank of their passage.
 */
export function answerFromPassages(question: string, hits: readonly Hit[]): ExtractiveAnswer {
  const says = SAYS[isChinese(question) ? 'zh' : 'en']
  const quotes = selectQuotes(scoreSentences(question, hits))
  if (quotes.length === 0) return { text: says.nothing, citations: [], quotes }
  const separator = isChinese(quotes[0]?.hit.text ?? '') ? '' : ' '
  const citations: Citation[] = []
  let text = ''
  for (const [place, { hit, span }] of quotes.entries()) {
    const quote = hit.text.slice(...span)
    if (text !== '') text += / \| |^\||\t/.test(quote) ? '\n' : separator
    const answerSpan: Span = [text.length, text.length + quote.length]
    text += quote
    const start = hit.span[0] + span[0]
    const inDocument: Span = [start, start + quote.length]
    citations.push({ index: place + 1, source: hit.source, span: inDocument, quote, verified: true, answerSpan })
  }
  return { text, citations, quotes }
}

function selectQuotes(sentences: readonly ScoredSentence[]): Quote[] {
  const usable = sentences.filter(({ support, coverage }) => support >= MIN_SUPPORT && coverage >= MIN_COVERAGE)
  const best = usable[0]
  if (best === undefined || best.passageSupport < MIN_PASSAGE_SUPPORT) return []
  const chosen = usable
    .filter((one) => one.score >= best.score * NEARLY_AS_GOOD && one.passageSupport >= MIN_PASSAGE_SUPPORT)
    .slice(0, MAX_QUOTES)
  const quotes = chosen.flatMap((sentence) => [
    ...(sentence.header ? [{ hit: sentence.hit, span: sentence.header }] : []),
    withNeighbour(sentence, sentences),
  ])
  const kept: Quote[] = []
  for (const quote of quotes) {
    const overlaps = kept.findIndex(({ hit, span }) => isSamePlace(hit, span, quote))
    if (overlaps < 0) kept.push(quote)
  }
  return kept
}

/** Whether two quotes have text in common, also when they come from passages that overlap. */
function isSamePlace(hit: Hit, span: Span, other: Quote): boolean {
  if (hit.source.id !== other.hit.source.id) return false
  const start = hit.span[0] + span[0]
  const end = hit.span[0] + span[1]
  const otherStart = other.hit.span[0] + other.span[0]
  const otherEnd = other.hit.span[0] + other.span[1]
  return start < otherEnd && otherStart < end
}

/** A sentence that leans on the one before it is quoted with that. */
function withNeighbour({ hit, place, span, text }: ScoredSentence, all: readonly ScoredSentence[]): Quote {
  const before = refersBack(text) ? all.find((other) => other.hit === hit && other.place === place - 1) : undefined
  return { hit, span: [before?.span[0] ?? span[0], span[1]] }
}

/** A quote with the sentences around it, up to about so many tokens: what a small model can read. */
export function windowAround({ hit, span }: Quote, budgetTokens: number) {
  const sentences = splitSentences(hit.text)
  let first = sentences.findIndex(([, end]) => end > span[0])
  let last = sentences.findLastIndex(([start]) => start < span[1])
  const size = (from: number, to: number) => hit.text.slice(sentences[from]?.[0], sentences[to]?.[1]).length / 4
  for (let grew = true; grew; ) {
    grew = false
    if (last + 1 < sentences.length && size(first, last + 1) <= budgetTokens) {
      last++
      grew = true
    }
    if (first > 0 && size(first - 1, last) <= budgetTokens) {
      first--
      grew = true
    }
  }
  const start = sentences[first]?.[0] ?? span[0]
  const end = sentences[last]?.[1] ?? span[1]
  const source: Source = hit.source
  const inDocument: Span = [hit.span[0] + start, hit.span[0] + end]
  return { number: 1, rank: 0, source, span: inDocument, text: hit.text.slice(start, end) }
}

/**
 * A model without weights: it quotes the sentences of `request.passages` that answer the last user message, with citations. It runs on
 * every device, needs no download, and says so when the passages have no answer. The question is the last text part of that message.
 */
export function extractiveModel(): ChatModel {
  async function* answer(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPart> {
    throwIfAborted(signal)
    const question = questionOf(request)
    if (request.passages === undefined) {
      yield { type: 'text-delta', text: SAYS[isChinese(question) ? 'zh' : 'en'].noDocuments }
    } else {
      const { text, citations } = answerFromPassages(question, request.passages)
      let shown = 0
      for (const citation of citations) {
        const end = citation.answerSpan?.[1] ?? shown
        yield { type: 'text-delta', text: text.slice(shown, end) }
        yield { type: 'citation', ...citation }
        shown = end
      }
      if (shown < text.length) yield { type: 'text-delta', text: text.slice(shown) }
    }
    yield { type: 'model-usage', usage: { promptTokens: 0, completionTokens: 0 } }
    yield { type: 'model-finish', reason: 'stop' }
  }

  return {
    id: 'extractive',
    contextTokens: 1_000_000,
    capabilities: {
      tools: 'none',
      grammar: 'none',
      inputs: ['text'],
      prefixReuse: false,
      trust: 'answer',
      dialect: 'none',
    },
    load: async (options) => throwIfAborted(options?.signal),
    stream: (request, { signal } = {}) => streamOf((inner) => answer(request, inner), { signal }),
    countTokens: async () => 0,
    dispose: async () => {},
  }
}

function questionOf({ messages }: ModelRequest): string {
  const content = messages.findLast(({ role }) => role === 'user')?.content ?? ''
  if (typeof content === 'string') return content
  return content.findLast((part) => part.type === 'text')?.text ?? ''
}
