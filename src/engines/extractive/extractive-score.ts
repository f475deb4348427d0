import type { Hit, Span } from '../../protocol/corpus.js'
import { splitSentences, trimSpan } from '../../text/sentences.js'
import { contentTerms, termSimilarity } from '../../text/terms.js'

/** A sentence of a passage, with how well it answers. */
export interface ScoredSentence {
  readonly hit: Hit
  /** Rank of its passage, from 0. */
  readonly rank: number
  /** Place among the sentences of its passage. */
  readonly place: number
  /** In `hit.text`, without white space at the ends. */
  readonly span: Span
  readonly text: string
  /** Share of the question's content (by weight) that the sentence has, from 0 to 1. */
  readonly coverage: number
  /** The first row of the table that this is a row of. */
  readonly header: Span | undefined
  /** The same, with the sentences and headings around it. */
  readonly support: number
  /** The same, with its whole passage. */
  readonly passageSupport: number
  readonly score: number
}

/** What kind of thing is asked for, as far as the question words tell. */
type AnswerKind = 'person' | 'time' | 'number' | 'place' | 'reason' | 'other'

const KIND_CUES: readonly (readonly [AnswerKind, RegExp])[] = [
  [
    'number',
    /\bhow (?:many|much|long|far|old|tall|big|large|high|deep|fast|often|heavy)\b|\bwhat (?:percent|percentage|number|amount|share|score)\b|多少|几|多[长大高久远]/iu,
  ],
  [
    'time',
    /\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|decade|time)\b|何时|什么时候|哪一?年|哪一?天|几[年月日]/iu,
  ],
  ['person', /\bwho(?:se|m)?\b|谁|何人|哪位/iu],
  [
    'place',
    /\bwhere\b|\b(?:what|which) (?:city|country|state|place|town|region|continent)\b|哪里|哪儿|何处|哪个(?:城市|国家|地方)/iu,
  ],
  ['reason', /\bwhy\b|为什么|为何|原因/iu],
]

const NUMBER =
  /\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand|million|billion|half|third|quarter|dozen|once|twice|no)\b|[一二三四五六七八九十百千万两]/iu
const TIME =
  /\b(?:1\d|20)\d\d\b|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday|wednesday|thursday|friday|saturday|sunday|century|centuries|decade|noon|midnight|spring|summer|autumn|winter)\b|\d+ ?(?:am|pm|a\.m\.|p\.m\.|bc|ad|bce|ce)\b|\d+s\b|[\d一二三四五六七八九十]+[年月日]|世纪/iu
const NAME = /(?<=\S\s+)\p{Lu}[\p{L}'’-]+|^\p{Lu}[\p{L}'’-]+ \p{Lu}/u
const REASON =
  /\b(?:because|due to|since|so that|in order|caused?|reason|result|therefore|thus|allow|to)\b|因为|由于|因此|所以|原因|为了/iu
const REFERS_BACK =
  /^(?:he|she|it|they|this|these|those|that|his|her|its|their|such|both|the (?:former|latter))\b|^(?:他|她|它|这|该|此|其)/iu

interface Weights {
  readonly kind: number
  readonly rank: number
  readonly around: number
  readonly heading: number
  readonly proximity: number
  readonly length: number
  /** For a heading, or the first row of a table. */
  readonly title: number
}

const WEIGHTS: Weights = {
  kind: 0.12,
  rank: 0.12,
  around: 0.15,
  heading: 0.1,
  proximity: 0.1,
  length: 0.04,
  title: 0.3,
}

interface Prepared {
  readonly hit: Hit
  readonly rank: number
  readonly place: number
  readonly span: Span
  readonly text: string
  readonly terms: readonly string[]
  /** What kind of line it is: a heading or the first row of a table is no answer by itself. */
  readonly kind: 'sentence' | 'heading' | 'header' | 'row'
  readonly header: Span | undefined
}

/** The kind of answer that a question asks for. */
export function answerKind(question: string): AnswerKind {
  return KIND_CUES.find(([, cue]) => cue.test(question))?.[0] ?? 'other'
}

/** Whether a sentence leans on the one before it. */
export function refersBack(sentence: string): boolean {
  return REFERS_BACK.test(sentence)
}

/** All sentences of the passages, best first. */
export function scoreSentences(question: string, hits: readonly Hit[]): ScoredSentence[] {
  const asked = [...new Set(contentTerms(question).map(({ term }) => term))]
  if (asked.length === 0) return []
  const sentences = hits.flatMap(prepare)
  const weights = termWeights(asked, sentences)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const found = sentences.map(({ terms, header, hit }) => {
    const all = header === undefined ? terms : [...terms, ...termsOf(hit.text.slice(...header))]
    return asked.map((term) => bestMatch(term, all))
  })
  const kind = answerKind(question)
  const askedText = question.toLowerCase()
  const passages = new Map(hits.map((hit) => [hit, matchesOf(hit, sentences, found, asked)]))
  const scored = sentences.map((sentence, index): ScoredSentence => {
    const own = found[index] ?? []
    const coverage = weighted(own, weights) / total
    const same = (at: number) => (sentences[at]?.hit === sentence.hit ? found[at] : undefined)
    const around = merge([same(index - 1), same(index + 1)], asked.length)
    const heading = headingMatches(sentence.hit, asked)
    const gain = (other: readonly number[]) =>
      weighted(
        other.map((value, at) => Math.max(0, value - (own[at] ?? 0))),
        weights,
      ) / total
    const score =
      coverage +
      WEIGHTS.around * gain(around) +
      WEIGHTS.heading * gain(heading) +
      (hasKind(kind, sentence.text, askedText) ? WEIGHTS.kind : 0) +
      WEIGHTS.rank / (sentence.rank + 1) +
      WEIGHTS.proximity * proximity(asked, sentence.terms) -
      (sentence.kind === 'heading' || sentence.kind === 'header' ? WEIGHTS.title : 0) -
      WEIGHTS.length * Math.max(0, Math.log2((sentence.terms.length + 1) / 24))
    const support = weighted(merge([own, around, heading], asked.length), weights) / total
    const { hit, rank, place, span, text, header } = sentence
    const passageSupport = weighted(passages.get(hit) ?? [], weights) / total
    return { hit, rank, place, span, text, header, coverage, support, passageSupport, score }
  })
  return scored.sort((first, second) => second.score - first.score)
}

/** What a passage, with its title and headings, has of the question's words. */
function matchesOf(
  hit: Hit,
  sentences: readonly Prepared[],
  found: readonly (readonly number[])[],
  asked: readonly string[],
): number[] {
  const own = found.filter((_, index) => sentences[index]?.hit === hit)
  return merge([...own, headingMatches(hit, asked)], asked.length)
}

function prepare(hit: Hit, rank: number): Prepared[] {
  const prepared: Prepared[] = []
  let header: Span | undefined
  for (const [place, whole] of splitSentences(hit.text).entries()) {
    const span = trimSpan(hit.text, whole)
    const text = hit.text.slice(...span)
    const isRow = / \| |^\||\t/.test(text)
    const isHeader = isRow && header === undefined
    if (!isRow) header = undefined
    else header ??= span
    if (!/[\p{L}\p{N}]/u.test(text)) continue
    const kind = isHeader
      ? 'header'
      : isRow
        ? 'row'
        : isHeading(text, hit.text.slice(span[1], whole[1]))
          ? 'heading'
          : 'sentence'
    prepared.push({ hit, rank, place, span, text, terms: termsOf(text), kind, header: isHeader ? undefined : header })
  }
  return prepared
}

function isHeading(text: string, after: string): boolean {
  if (!after.includes('\n') || text.length > 80 || /[.!?:;。！？：；,，)）\d]$/u.test(text)) return false
  return !/^[-*•–]/.test(text)
}

function termsOf(text: string): string[] {
  return contentTerms(text).map(({ term }) => term)
}

/** Inverse document frequency over the sentences; what no sentence has weighs as much as what one has. */
function termWeights(asked: readonly string[], sentences: readonly Prepared[]): number[] {
  return asked.map((term) => {
    const having = sentences.filter(({ terms }) => bestMatch(term, terms) > 0).length
    return Math.log(1 + (sentences.length + 1) / (Math.max(1, having) + 0.5))
  })
}

function bestMatch(term: string, terms: readonly string[]): number {
  let best = 0
  for (const other of terms) {
    best = Math.max(best, termSimilarity(term, other))
    if (best === 1) break
  }
  return best
}

function weighted(matches: readonly number[], weights: readonly number[]): number {
  return matches.reduce((sum, match, at) => sum + match * (weights[at] ?? 0), 0)
}

function merge(lists: readonly (readonly number[] | undefined)[], length: number): number[] {
  return Array.from({ length }, (_, at) => Math.max(0, ...lists.map((list) => list?.[at] ?? 0)))
}

function headingMatches({ source: { title, headings } }: Hit, asked: readonly string[]): number[] {
  const terms = termsOf([title.replaceAll('_', ' '), ...headings].join(' '))
  return asked.map((term) => bestMatch(term, terms))
}

/** Whether the sentence has something of the kind that is asked for and that the question has not. */
function hasKind(kind: AnswerKind, sentence: string, question: string): boolean {
  if (kind === 'other') return false
  const pattern = { number: NUMBER, time: TIME, person: NAME, place: NAME, reason: REASON }[kind]
  for (const [match] of sentence.matchAll(new RegExp(pattern.source, `g${pattern.flags}`))) {
    if (!question.includes(match.toLowerCase())) return true
  }
  return kind === 'person' || kind === 'place' ? /\p{Script=Han}/u.test(sentence) : false
}

/** Share of neighbouring pairs of the question's words that stand near each other in the sentence. */
function proximity(asked: readonly string[], terms: readonly string[]): number {
  if (asked.length < 2) return 0
  let near = 0
  for (let at = 0; at + 1 < asked.length; at++) {
    const first = terms.indexOf(asked[at] ?? '')
    const second = terms.indexOf(asked[at + 1] ?? '')
    if (first >= 0 && second >= 0 && Math.abs(first - second) <= 3) near++
  }
  return near / (asked.length - 1)
}
