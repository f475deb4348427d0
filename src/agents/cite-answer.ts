import type { Citation, Hit, Span } from '../protocol/corpus.js'
import { findQuote } from '../text/quote-check.js'
import { splitSentences, trimSpan } from '../text/sentences.js'
import { contentTerms, termSimilarity } from '../text/terms.js'
import type { Passage } from './passages.js'

/** Share of an answer sentence's words that a passage sentence must have when the answer names no passage. */
const MIN_OVERLAP = 0.5
const MIN_TERMS = 3

/**
 * Where the statements of an answer come from: by the passage numbers that it gives (`[2]`), or, when it gives none at all, by the words that its
 * sentences share with sentences of the passages. The quote is the passage's sentence that supports the statement best, checked to be there.
 *
 * @param offset where `answer` begins in the run's text
 */
export function citeAnswer(answer: string, passages: readonly Passage[], offset: number): Citation[] {
  const citations: Citation[] = []
  const byNumber = new Map(passages.map((passage) => [passage.number, passage]))
  const sentences = statements(answer)
  const hasMarkers = sentences.some(({ numbers }) => numbers.some((number) => byNumber.has(number)))
  for (const { span, text, numbers } of sentences) {
    const answerSpan: Span = [offset + span[0], offset + span[1]]
    if (!hasMarkers) {
      const best = bestOf(text, passages)
      if (best !== undefined) citations.push({ ...cite(best.passage, best.span, citations.length + 1), answerSpan })
      continue
    }
    for (const number of new Set(numbers)) {
      const passage = byNumber.get(number)
      if (passage === undefined) continue
      const supported = bestSentence(text, passage)
      citations.push({ ...cite(passage, supported.span, number), answerSpan })
    }
  }
  return citations
}

/** Citations that a model gave itself: checked against the passages, and moved to where the model's text begins. */
export function checkCitations(citations: readonly Citation[], hits: readonly Hit[], offset: number): Citation[] {
  return citations.map(({ index, source, span, quote, answerSpan }) => {
    const verified = hits.some(
      (hit) =>
        hit.source.id === source.id &&
        hit.span[0] <= span[0] &&
        span[1] <= hit.span[1] &&
        hit.text.slice(span[0] - hit.span[0], span[1] - hit.span[0]) === quote,
    )
    const moved: Span | undefined = answerSpan && [answerSpan[0] + offset, answerSpan[1] + offset]
    return { index, source, span, quote, verified, ...(moved && { answerSpan: moved }) }
  })
}

interface Statement {
  readonly span: Span
  /** Without its markers. */
  readonly text: string
  readonly numbers: readonly number[]
}

const MARKER = /\[(\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\]/g

/** Sentences with the markers that stand in them, or right after them. */
function statements(answer: string): Statement[] {
  const found: Statement[] = []
  for (const whole of splitSentences(answer)) {
    let span = trimSpan(answer, whole)
    let text = answer.slice(...span)
    // `It is so. [1] The next …`: a marker at the beginning belongs to the statement before.
    const leading = /^(?:\[\d{1,3}(?:\s*[,，、]\s*\d{1,3})*\][.。]?\s*)+/.exec(text)?.[0]
    const before = found.at(-1)
    if (leading !== undefined && before !== undefined && before.numbers.length === 0) {
      found[found.length - 1] = {
        ...before,
        span: [before.span[0], span[0] + leading.trimEnd().length],
        numbers: numbersIn(leading),
      }
      span = [span[0] + leading.length, span[1]]
      text = answer.slice(...span)
    }
    const plain = text.replaceAll(MARKER, ' ')
    if (/[\p{L}\p{N}]/u.test(plain)) found.push({ span, text: plain, numbers: numbersIn(text) })
  }
  return found
}

function numbersIn(text: string): number[] {
  return [...text.matchAll(MARKER)].flatMap(([, numbers = '']) => numbers.split(/[,，、]/).map(Number))
}

function bestOf(statement: string, passages: readonly Passage[]) {
  let best: { passage: Passage; span: Span; overlap: number } | undefined
  for (const passage of passages) {
    const { span, overlap, common } = bestSentence(statement, passage)
    if (common < MIN_TERMS || overlap < MIN_OVERLAP || overlap <= (best?.overlap ?? 0)) continue
    best = { passage, span, overlap }
  }
  return best
}

/** The passage's sentence that has most of the statement's words; it may take two neighbours to have them. */
function bestSentence(statement: string, { text }: Passage): { span: Span; overlap: number; common: number } {
  const exact = findQuote(statement, text)
  if (exact !== undefined) return { span: exact, overlap: 1, common: MIN_TERMS }
  const wanted = [...new Set(contentTerms(statement).map(({ term }) => term))]
  let best: { span: Span; overlap: number; common: number } = {
    span: trimSpan(text, [0, text.length]),
    overlap: 0,
    common: 0,
  }
  for (const whole of splitSentences(text)) {
    const span = trimSpan(text, whole)
    if (span[0] >= span[1]) continue
    const terms = contentTerms(text.slice(...span)).map(({ term }) => term)
    const common = wanted.filter((term) => terms.some((other) => termSimilarity(term, other) > 0)).length
    const overlap = wanted.length === 0 ? 0 : common / wanted.length
    if (overlap > best.overlap) best = { span, overlap, common }
  }
  return best
}

function cite(passage: Passage, span: Span, index: number): Citation {
  const quote = passage.text.slice(...span)
  const start = passage.span[0] + span[0]
  return {
    index,
    source: passage.source,
    span: [start, start + quote.length],
    quote,
    verified: quote !== '' && findQuote(quote, passage.text) !== undefined,
  }
}
