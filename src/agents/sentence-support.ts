import type { Span } from '../protocol/corpus.js'
import type { SentenceSupport } from '../protocol/stream-part.js'
import { findQuote } from '../text/quote-check.js'
import { splitSentences, trimSpan } from '../text/sentences.js'
import { contentTerms, termSimilarity } from '../text/terms.js'
import type { Passage } from './passages.js'

interface Candidate {
  readonly passage: Passage
  readonly span: Span
  readonly terms: readonly string[]
}

/**
 * How well the passages support each sentence of an answer: the share of its content words that one sentence of a passage, with the one after
 * it, has too, each word weighted by how rare it is in the passages; 1 for a sentence that stands there. Sentences that say nothing (no
 * content words) are left out. It measures what was said in the same words, not what follows from them.
 *
 * @param offset where `answer` begins in the run's text
 */
export function scoreSupport(answer: string, passages: readonly Passage[], offset: number): SentenceSupport[] {
  const candidates = passages.flatMap(candidatesOf)
  const frequency = new Map<string, number>()
  for (const { terms } of candidates) {
    for (const term of new Set(terms)) frequency.set(term, (frequency.get(term) ?? 0) + 1)
  }
  const weightOf = (term: string): number => Math.log(1 + (candidates.length + 1) / ((frequency.get(term) ?? 0) + 0.5))
  return splitSentences(answer).flatMap((whole) => {
    const [start, end] = trimSpan(answer, whole)
    const text = answer.slice(start, end).replaceAll(/\[\d{1,3}(?:\s*[,，、]\s*\d{1,3})*\]/g, ' ')
    const wanted = [...new Set(contentTerms(text).map(({ term }) => term))]
    if (wanted.length === 0) return []
    const best = quoted(text, passages) ?? nearest(wanted, candidates, weightOf)
    return [{ answerSpan: [offset + start, offset + end] as const, ...best }]
  })
}

function quoted(text: string, passages: readonly Passage[]): Omit<SentenceSupport, 'answerSpan'> | undefined {
  for (const { text: whole, source, span } of passages) {
    const found = findQuote(text, whole)
    if (found) return { support: 1, sourceId: source.id, span: [span[0] + found[0], span[0] + found[1]] }
  }
  return undefined
}

function nearest(
  wanted: readonly string[],
  candidates: readonly Candidate[],
  weightOf: (term: string) => number,
): Omit<SentenceSupport, 'answerSpan'> {
  const weights = wanted.map(weightOf)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  let best: Omit<SentenceSupport, 'answerSpan'> = { support: 0 }
  for (const { passage, span, terms } of candidates) {
    const found = wanted.map((term) => Math.max(0, ...terms.map((other) => termSimilarity(term, other))))
    const support = found.reduce((sum, value, at) => sum + value * (weights[at] ?? 0), 0) / total
    if (support <= best.support) continue
    const start = passage.span[0]
    best = { support, sourceId: passage.source.id, span: [start + span[0], start + span[1]] }
  }
  return best
}

/** Each sentence with the one after it: a statement may draw on two. */
function candidatesOf(passage: Passage): Candidate[] {
  const spans = splitSentences(passage.text)
    .map((whole) => trimSpan(passage.text, whole))
    .filter(([start, end]) => start < end)
  return spans.map(([start, end], at) => {
    const last = spans[at + 1]?.[1] ?? end
    const terms = contentTerms(passage.text.slice(start, last)).map(({ term }) => term)
    return { passage, span: [start, last], terms }
  })
}
