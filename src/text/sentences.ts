import type { Span } from '../protocol/corpus.js'

const segmenters = new Map<string, Intl.Segmenter>()

/** Words that end in a full stop without ending a sentence. Compared in lower case, without the last stop. */
const ABBREVIATIONS = new Set(
  (
    'mr mrs ms dr prof st mt ft lt gen col capt sgt rev hon jr sr no nos vol vols pp fig figs eq ch sec art vs etc cf al ' +
    'e.g i.e ca approx dept est inc ltd co corp bros u.s u.k u.n d.c a.m p.m b.c a.d ph.d jan feb mar apr jun jul aug sep ' +
    'sept oct nov dec'
  ).split(' '),
)

/** After these a sentence may well end, so the next word decides: a small letter or a digit goes on. */
const MAY_END = new Set('etc al inc ltd co corp bros u.s u.k u.n d.c a.m p.m b.c a.d ph.d jr sr'.split(' '))

/**
 * Splits a text into sentences.
 *
 * Uses `Intl.Segmenter` (UAX #29) where there is one, and mends what it gets wrong in documents: abbreviations, initials, and lines that
 * were broken in the middle of a sentence. Works for Chinese and Japanese too.
 *
 * @param locale BCP 47 tag for the segmenter. @default 'en'
 * @returns spans in UTF-16 code units, in order; together they cover the text, white space belongs to the sentence before it
 */
export function splitSentences(text: string, locale = 'en'): Span[] {
  const spans: [number, number][] = []
  let last: [number, number] | undefined
  for (const [start, end] of rawSentences(text, locale)) {
    if (last !== undefined && goesOn(text, last, start, end)) {
      last[1] = end
      continue
    }
    last = [start, end]
    spans.push(last)
  }
  return spans
}

/** A span without the white space at its ends. */
export function trimSpan(text: string, [start, end]: Span): Span {
  let from = start
  let to = end
  while (from < to && /\s/.test(text[from] ?? '')) from++
  while (to > from && /\s/.test(text[to - 1] ?? '')) to--
  return [from, to]
}

function* rawSentences(text: string, locale: string): Generator<Span> {
  if (typeof Intl !== 'undefined' && 'Segmenter' in Intl) {
    let segmenter = segmenters.get(locale)
    if (segmenter === undefined) {
      segmenter = new Intl.Segmenter(locale, { granularity: 'sentence' })
      segmenters.set(locale, segmenter)
    }
    for (const { index, segment } of segmenter.segment(text)) yield [index, index + segment.length]
    return
  }
  let start = 0
  for (const match of text.matchAll(/[.!?…]+["'”’)\]]*\s+|[。！？；]+[”’」』）]*\s*|\n+/gu)) {
    const end = match.index + match[0].length
    yield [start, end]
    start = end
  }
  if (start < text.length) yield [start, text.length]
}

/** Whether the segment at `start` goes on with the sentence before it. */
function goesOn(text: string, [lastStart, lastEnd]: Span, start: number, end: number): boolean {
  const before = text.slice(Math.max(lastStart, lastEnd - 40), lastEnd)
  const trimmed = before.trimEnd()
  const next = text.slice(start, Math.min(end, start + 40)).trimStart()
  if (trimmed === '') return lastEnd === start && lastStart === 0
  if (next === '') return true
  const gap = before.slice(trimmed.length)
  if (/\n\s*\n/.test(gap)) return false
  if (/[.]["'”’)\]]*$/.test(trimmed)) {
    if (gap.includes('\n') && !/^\p{Ll}/u.test(next)) return false
    const word = /(\S+)\.$/.exec(trimmed)?.[1]?.replace(/^[("'“‘[]+/, '')
    if (word === undefined) return false
    if (/^\p{Lu}$/u.test(word) && /^\p{Lu}/u.test(next)) return true
    if (!ABBREVIATIONS.has(word.toLowerCase())) return false
    return MAY_END.has(word.toLowerCase()) ? /^[\p{Ll}\d,;]/u.test(next) : !gap.includes('\n')
  }
  if (/[!?。！？…:：;；]["'”’」』）)\]]*$/.test(trimmed)) return false
  // A line that was broken in the middle of a sentence: it ends without a mark and goes on with a small letter.
  const isTable = before.includes(' | ') || next.includes(' | ') || next.includes('\t')
  return gap.includes('\n') && !isTable && /[\p{Ll},–-]$/u.test(trimmed) && /^\p{Ll}/u.test(next)
}
