import { splitSentences, trimSpan } from '../../text/sentences.js'

/** How strong the boundary before a piece of text is; a chunk had better end at a stronger one. */
export const boundary = { section: 0, paragraph: 1, sentence: 2, word: 3, grapheme: 4 } as const

export type Boundary = (typeof boundary)[keyof typeof boundary]

/** Scripts that write no spaces between words: Thai, Lao, Myanmar, Khmer, Han, Kana and their punctuation. */
const UNSPACED =
  /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\u{20000}-\u{323af}]/u
/** Longest text that is given to a segmenter at once. */
const SLAB = 16_384
/** How far back from a slab's end a good place to cut is looked for. */
const LOOK_BACK = 2_048

type Granularity = 'word' | 'grapheme'

const segmenters = new Map<Granularity, Intl.Segmenter>()

/** Offsets at which the segments of a text begin; code points where there is no `Intl.Segmenter`. */
function segmentStarts(text: string, granularity: Granularity): number[] {
  const starts: number[] = []
  if (typeof Intl === 'undefined' || !('Segmenter' in Intl)) {
    for (let index = 0; index < text.length; index += (text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1)
      starts.push(index)
    return starts
  }
  let segmenter = segmenters.get(granularity)
  if (!segmenter) {
    segmenter = new Intl.Segmenter('und', { granularity })
    segmenters.set(granularity, segmenter)
  }
  for (const { index } of segmenter.segment(text)) starts.push(index)
  return starts
}

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff
const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff

/** Whether a cut here would part the halves of a surrogate pair. */
function isInPair(text: string, offset: number): boolean {
  return isLowSurrogate(text.charCodeAt(offset)) && isHighSurrogate(text.charCodeAt(offset - 1))
}

/** The last offset of a pattern's match end within the text's tail; 0 for none. */
function lastMatchEnd(tail: string, pattern: RegExp): number {
  let end = 0
  for (const match of tail.matchAll(pattern)) end = match.index + match[0].length
  return end
}

/** A good place to cut a text that goes on, as near to its limit as may be: after a line, a sentence, a word, a grapheme. */
function cutNear(text: string, start: number, limit: number): number {
  const from = Math.max(start + 1, limit - LOOK_BACK)
  const tail = text.slice(from, limit)
  const good =
    lastMatchEnd(tail, /\n/g) ||
    lastMatchEnd(tail, /[.!?]["'”’)\]]*\s+|[。！？；]["'”’）」』]*/g) ||
    lastMatchEnd(tail, /\s+/g)
  if (good > 0 && from + good < limit) return from + good
  return cutWordNear(text, start, limit)
}

/** A place to cut where there is no white space: between two words of an unspaced script, or two graphemes. */
function cutWordNear(text: string, start: number, limit: number): number {
  const from = Math.max(start, limit - 256)
  // Context behind the limit, so that the segmenter sees the whole of what the limit is in.
  const around = text.slice(from, limit + 64)
  const within = (offsets: readonly number[]): number =>
    offsets.findLast((offset) => offset > 32 && from + offset <= limit) ?? 0
  const cut =
    (UNSPACED.test(around) ? within(segmentStarts(around, 'word')) : 0) || within(segmentStarts(around, 'grapheme'))
  if (cut > 0) return from + cut
  return isInPair(text, limit) ? limit - 1 : limit
}

/** Slabs of a long paragraph, so that no segmenter gets a text without end. */
function* slabs(text: string, start: number, end: number): Generator<readonly [number, number]> {
  let from = start
  while (end - from > SLAB) {
    const cut = cutNear(text, from, from + SLAB)
    yield [from, cut]
    from = cut
  }
  if (from < end) yield [from, end]
}

/** Offsets where sentences begin, from `start` on; the first is `start`. White space at the ends belongs to them. */
export function* sentenceStarts(text: string, start: number, end: number): Generator<number> {
  yield start
  // A short line is one sentence, or so short that it does not matter.
  if (end - start < 60) return
  const [first, last] = trimSpan(text, [start, end])
  for (const [from, to] of slabs(text, first, last)) {
    for (const [offset] of splitSentences(text.slice(from, to))) if (from + offset > first) yield from + offset
  }
}

/** Offsets where words begin: after white space, and in scripts without spaces where a segmenter says. */
export function wordStarts(text: string, start: number, end: number): number[] {
  const starts = [start]
  for (const [from, to] of slabs(text, start, end)) {
    if (from > start) starts.push(from)
    for (const match of text.slice(from, to).matchAll(/\S+\s*/g)) {
      const word = from + match.index
      if (word > from && word > (starts.at(-1) ?? 0)) starts.push(word)
      if (match[0].length < 2 || !UNSPACED.test(match[0])) continue
      for (const offset of segmentStarts(match[0].trimEnd(), 'word')) {
        if (offset > 0 && isWordBoundary(match[0], offset)) starts.push(word + offset)
      }
    }
  }
  return starts
}

/** Within an unspaced run, a cut is good at a segmenter's boundary, but not before closing punctuation or in a Latin word. */
function isWordBoundary(run: string, offset: number): boolean {
  if (!UNSPACED.test(run.slice(offset - 1, offset)) && !UNSPACED.test(run.slice(offset, offset + 1))) return false
  return !/^[\p{Pe}\p{Pf}\p{Po}\p{M}]/u.test(run.slice(offset, offset + 2))
}

/** Characters that stand for themselves: between two of them there is always a boundary of graphemes (UAX #29). */
const SIMPLE = /^[\x20-\x7e\u3041-\u3096\u30a1-\u30fa\u3400-\u9fff\uac00-\ud7a3]{2}$/

/** Offsets where pieces of an endless word begin, at graphemes, each piece of at most `length` code units if it can be. */
export function graphemeStarts(text: string, start: number, end: number, length: number): number[] {
  const starts = [start]
  for (let last = start; end - last > length; ) {
    const cut = cutGraphemeNear(text, last, last + Math.max(1, length), end)
    if (cut === undefined) break
    starts.push(cut)
    last = cut
  }
  return starts
}

/** The last boundary of graphemes up to a limit, else the first one after it; undefined for none. */
function cutGraphemeNear(text: string, start: number, limit: number, end: number): number | undefined {
  // The segmenter takes microseconds for each grapheme, so what is plain is not asked for.
  for (let cut = limit; cut > start && cut > limit - 8; cut--) {
    if (SIMPLE.test(text.slice(cut - 1, cut + 1))) return cut
  }
  const graphemes = segmentStarts(text.slice(start, Math.min(end, limit + 64)), 'grapheme')
  const before = graphemes.findLast((offset) => offset > 0 && start + offset <= limit)
  if (before !== undefined) return start + before
  const after = graphemes.find((offset) => start + offset > limit)
  if (after !== undefined) return start + after
  // One grapheme without end, such as a thousand accents on a letter.
  return limit + 64 < end ? limit + (isInPair(text, limit) ? 1 : 0) : undefined
}

/** Offsets of the code points of a text: the last resort, for a grapheme over the limit. */
export function codePointStarts(text: string, start: number, end: number): number[] {
  const starts: number[] = []
  for (let offset = start; offset < end; offset++) if (!isInPair(text, offset) || offset === start) starts.push(offset)
  return starts
}

/** The start of the last words of a span that are at most `length` code units together; `end` when not even one fits. */
export function tailStart(text: string, start: number, end: number, length: number): number {
  const from = Math.max(start, end - length)
  if (from === start) return start
  const starts = wordStarts(text, Math.max(start, from - 64), end)
  return starts.find((offset) => offset >= from) ?? end
}
