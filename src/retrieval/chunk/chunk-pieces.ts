import type { Yielder } from '../parse/yielding.js'
import {
  type Boundary,
  boundary,
  codePointStarts,
  graphemeStarts,
  sentenceStarts,
  wordStarts,
} from './chunk-boundaries.js'

/** Number of tokens of each text, in order. */
export type CountTokens = (texts: readonly string[]) => Promise<number[]>

/**
 * The smallest parts that chunks are made of: a sentence, or a word of a sentence over the limit. They follow each
 * other without a gap; piece `i` ends where piece `i + 1` starts, and the last at the end of the text.
 */
export interface Pieces {
  readonly starts: number[]
  readonly tokens: number[]
  readonly boundaries: Boundary[]
}

export interface PieceLimits {
  readonly tokens: number
  readonly characters: number
}

/** How many texts, and code units of text, one call of the counter gets. */
const BATCH_TEXTS = 1024
const BATCH_CHARACTERS = 262_144
/** Texts up to this length are words and short lines that come again; their counts are kept. */
const CACHED_LENGTH = 32
const CACHED_ENTRIES = 50_000

/** A counter that asks once for each distinct short text, in batches. */
export function createBatchCounter(countTokens: CountTokens, yielder: Yielder): CountTokens {
  const known = new Map<string, number>([['', 0]])
  const ask = async (texts: readonly string[]): Promise<number[]> => {
    const counts: number[] = []
    for (let from = 0; from < texts.length; ) {
      let to = from
      for (let size = 0; to < texts.length && to - from < BATCH_TEXTS && size < BATCH_CHARACTERS; to++) {
        size += texts[to]?.length ?? 0
      }
      counts.push(...(await countTokens(texts.slice(from, to))))
      await yielder.pause()
      from = to
    }
    return counts
  }
  return async (texts) => {
    const wanted: string[] = []
    const places: (number | string)[] = texts.map((text) => {
      if (text.length > CACHED_LENGTH) return wanted.push(text) - 1
      if (!known.has(text)) {
        known.set(text, -1)
        wanted.push(text)
      }
      return text
    })
    const counts = await ask(wanted)
    for (const [index, text] of wanted.entries()) {
      if (text.length <= CACHED_LENGTH) known.set(text, counts[index] ?? 0)
    }
    const result = places.map((place) => (typeof place === 'number' ? counts[place] : known.get(place)) ?? 0)
    if (known.size > CACHED_ENTRIES) {
      known.clear()
      known.set('', 0)
    }
    return result
  }
}

interface OpenPiece {
  readonly start: number
  readonly end: number
  readonly boundary: Boundary
}

/** The next finer pieces of one that is over the limit; itself when it cannot be split. */
function splitPiece(text: string, piece: OpenPiece, limits: PieceLimits): OpenPiece[] {
  const { start, end } = piece
  const splits: readonly (readonly [Boundary, () => number[]])[] = [
    [boundary.word, () => wordStarts(text, start, end)],
    [
      boundary.grapheme,
      () => graphemeStarts(text, start, end, Math.min(limits.characters, Math.ceil((end - start) / 2), 48)),
    ],
    [boundary.grapheme, () => codePointStarts(text, start, end)],
  ]
  for (const [kind, findStarts] of splits) {
    if (kind < piece.boundary) continue
    const starts = findStarts()
    if (starts.length < 2) continue
    return starts.map((from, index) => ({
      start: from,
      end: starts[index + 1] ?? end,
      boundary: index === 0 ? piece.boundary : kind,
    }))
  }
  return [piece]
}

/** Paragraphs of a span: they end with a blank line, or where the span ends. */
function* paragraphSpans(text: string, start: number, end: number): Generator<readonly [number, number]> {
  const blank = /\n[^\S\n]*(?:\n\s*)/g
  let from = start
  while (from < end) {
    blank.lastIndex = from
    const match = blank.exec(text)
    const to = match && match.index + match[0].length < end ? match.index + match[0].length : end
    // White space before the next line is its indentation, and belongs to it.
    const lineStart = to < end ? text.lastIndexOf('\n', to - 1) + 1 : to
    const cut = lineStart > from ? lineStart : to
    yield [from, cut]
    from = cut
  }
}

/** Cuts sections to pieces and counts them. `sectionStarts` are ascending and begin with 0. */
export async function cutPieces(
  text: string,
  sectionStarts: readonly number[],
  limits: PieceLimits,
  count: CountTokens,
  yielder: Yielder,
): Promise<Pieces> {
  const pieces: Pieces = { starts: [], tokens: [], boundaries: [] }
  let waiting: OpenPiece[] = []
  let waitingCharacters = 0
  const flush = async (): Promise<void> => {
    await addPieces(text, waiting, limits, count, pieces)
    waiting = []
    waitingCharacters = 0
  }
  for (const [index, sectionStart] of sectionStarts.entries()) {
    const sectionEnd = sectionStarts[index + 1] ?? text.length
    for (const [from, to] of paragraphSpans(text, sectionStart, sectionEnd)) {
      let last: OpenPiece | undefined
      const kind = from === sectionStart ? boundary.section : boundary.paragraph
      for (const start of sentenceStarts(text, from, to)) {
        if (last) waiting.push({ ...last, end: start })
        last = { start, end: to, boundary: last ? boundary.sentence : kind }
        if (yielder.due()) await yielder.pause()
      }
      if (last) waiting.push(last)
      waitingCharacters += to - from
      if (waitingCharacters >= BATCH_CHARACTERS) await flush()
    }
  }
  await flush()
  return pieces
}

/** Counts pieces, splits those over the limit until they fit or cannot be split, and appends all in order. */
async function addPieces(
  text: string,
  open: readonly OpenPiece[],
  limits: PieceLimits,
  count: CountTokens,
  pieces: Pieces,
): Promise<void> {
  const counts = await count(open.map(({ start, end }) => text.slice(start, end).trim()))
  for (const [index, piece] of open.entries()) {
    const tokens = counts[index] ?? 0
    const isOver = tokens > limits.tokens || piece.end - piece.start > limits.characters
    const parts = isOver ? splitPiece(text, piece, limits) : [piece]
    if (parts.length > 1) {
      await addPieces(text, parts, limits, count, pieces)
      continue
    }
    pieces.starts.push(piece.start)
    pieces.tokens.push(tokens)
    pieces.boundaries.push(piece.boundary)
  }
}
