import type { Span } from '../../protocol/corpus.js'
import { boundary, tailStart } from './chunk-boundaries.js'
import type { PieceLimits, Pieces } from './chunk-pieces.js'
import type { SectionGroup } from './chunk-sections.js'

/** A chunk in the making. `from` to `to` is what is new in it; from `start` on it repeats the one before. */
export interface Draft {
  readonly start: number
  readonly from: number
  readonly to: number
  readonly group: SectionGroup
  readonly tokens?: number
}

/** The first piece at or after an offset. */
export function pieceAt(pieces: Pieces, offset: number): number {
  let low = 0
  let high = pieces.starts.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((pieces.starts[middle] ?? 0) < offset) low = middle + 1
    else high = middle
  }
  return low
}

/** Where a piece begins; the end of the text for the one after the last. */
export const endOf = (text: string, pieces: Pieces, piece: number): number => pieces.starts[piece] ?? text.length

/** The pieces of each block, first and the one after the last, in order. */
export type BlockPieces = readonly Span[]

/** The pieces that blocks of text reach into. */
export function findBlockPieces(pieces: Pieces, blocks: readonly Span[]): BlockPieces {
  return blocks.map(([start, end]) => {
    const first = pieceAt(pieces, start)
    return [pieces.starts[first] === start ? first : Math.max(0, first - 1), pieceAt(pieces, end)] as const
  })
}

/** The block that a cut before this piece would part. */
export function blockAround(blocks: BlockPieces, piece: number): Span | undefined {
  let low = 0
  let high = blocks.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((blocks[middle]?.[1] ?? 0) <= piece) low = middle + 1
    else high = middle
  }
  const block = blocks[low]
  return block !== undefined && block[0] < piece && piece < block[1] ? block : undefined
}

/** Fills chunks one after the other with the pieces of a range. A block that fits into one chunk is not parted. */
export function* packGroup(
  text: string,
  pieces: Pieces,
  [first, end]: Span,
  group: SectionGroup,
  limits: PieceLimits,
  overlapTokens: number,
  blocks: BlockPieces,
): Generator<Draft> {
  let from = first
  let previous = first
  while (from < end) {
    const overlap = from === first ? undefined : findOverlap(text, pieces, previous, from, overlapTokens)
    let start = overlap?.start ?? endOf(text, pieces, from)
    let to = fillChunk(text, pieces, from, end, start, overlap?.tokens ?? 0, limits)
    // What begins with a block that only the overlap keeps from fitting has none.
    const parted = blockAround(blocks, to)
    if (to === from || (overlap !== undefined && parted?.[0] === from)) {
      start = endOf(text, pieces, from)
      to = Math.max(from + 1, fillChunk(text, pieces, from, end, start, 0, limits))
    }
    if (to < end) to = endOutside(blocks, from, to) ?? betterEnd(pieces, from, to, blocks)
    yield { start, from: endOf(text, pieces, from), to: endOf(text, pieces, to), group }
    previous = from
    from = to
  }
}

/** The piece up to which a chunk can be filled that begins at `start` with so many tokens of overlap. */
function fillChunk(
  text: string,
  pieces: Pieces,
  from: number,
  end: number,
  start: number,
  overlapTokens: number,
  limits: PieceLimits,
): number {
  let tokens = overlapTokens
  let to = from
  while (to < end) {
    tokens += pieces.tokens[to] ?? 0
    if (tokens > limits.tokens || endOf(text, pieces, to + 1) - start > limits.characters) break
    to++
  }
  return to
}

/** The start of the block that an end would part, when the chunk has something before it; a block that fits comes whole with the next one. */
function endOutside(blocks: BlockPieces, from: number, to: number): number | undefined {
  const block = blockAround(blocks, to)
  return block !== undefined && block[0] > from ? block[0] : undefined
}

/** The last strong boundary in the further half of a chunk; its full end when there is none. */
function betterEnd(pieces: Pieces, from: number, to: number, blocks: BlockPieces): number {
  let total = 0
  for (let piece = from; piece < to; piece++) total += pieces.tokens[piece] ?? 0
  let best = to
  let bestBoundary = pieces.boundaries[to] ?? boundary.grapheme
  let tokens = total
  for (let piece = to - 1; piece > from && bestBoundary > boundary.paragraph; piece--) {
    tokens -= pieces.tokens[piece] ?? 0
    const kind = pieces.boundaries[piece] ?? boundary.grapheme
    if (tokens < total * (kind <= boundary.paragraph ? 0.5 : 0.7)) break
    if (kind < bestBoundary && blockAround(blocks, piece) === undefined) {
      best = piece
      bestBoundary = kind
    }
  }
  return best
}

/** What a chunk repeats of the one before: its last sentences, or the last words of a sentence that is longer. */
function findOverlap(
  text: string,
  pieces: Pieces,
  previous: number,
  from: number,
  overlapTokens: number,
): { start: number; tokens: number } | undefined {
  let tokens = 0
  let piece = from
  while (piece - 1 > previous && tokens + (pieces.tokens[piece - 1] ?? 0) <= overlapTokens) {
    piece--
    tokens += pieces.tokens[piece] ?? 0
  }
  if (piece < from) return { start: endOf(text, pieces, piece), tokens }
  const last = from - 1
  const lastTokens = pieces.tokens[last] ?? 0
  if (overlapTokens < 1 || lastTokens === 0 || (pieces.boundaries[from] ?? 0) > boundary.sentence) return undefined
  const [start, end] = [endOf(text, pieces, last), endOf(text, pieces, from)]
  const length = Math.floor(((end - start) * overlapTokens) / Math.max(lastTokens, overlapTokens))
  const tail = tailStart(text, start, end, length)
  return tail > start && tail < end ? { start: tail, tokens: overlapTokens } : undefined
}
