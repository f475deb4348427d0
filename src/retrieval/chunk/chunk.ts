import type { Span } from '../../protocol/corpus.js'
import { AlcoveError } from '../../protocol/error.js'
import { trimSpan } from '../../text/sentences.js'
import type { ParsedDocument } from '../parse/document.js'
import { createYielder, type Yielder } from '../parse/yielding.js'
import { findBlocks } from './chunk-blocks.js'
import { codePointStarts, graphemeStarts, wordStarts } from './chunk-boundaries.js'
import { type BlockPieces, blockAround, type Draft, endOf, findBlockPieces, packGroup, pieceAt } from './chunk-pack.js'
import { type CountTokens, createBatchCounter, cutPieces, type PieceLimits, type Pieces } from './chunk-pieces.js'
import { findSections, groupSections, type Section } from './chunk-sections.js'
import { type EmbedTexts, findTopicStarts } from './chunk-topics.js'
import { createContextHeader, headerLengthFor } from './context-header.js'

/** A passage of a document: what is embedded, found and cited. */
export interface Chunk {
  /** Its place among the document's chunks, from 0. */
  readonly index: number
  /** `document.text.slice(...span)` is its text. It begins and ends with a visible character. */
  readonly span: Span
  /** The page on which it begins, where the document has pages. */
  readonly page?: number
  /** Titles of the sections that hold it, outermost first. */
  readonly headings: readonly string[]
  /** Number of tokens of what is embedded: its text, with the header where there is one. */
  readonly tokens: number
}

export interface ChunkOptions {
  /** Longest chunk, overlap included. */
  readonly chunkTokens: number
  /** Most tokens that a chunk repeats from the end of the one before; at most half of `chunkTokens` is taken. */
  readonly overlapTokens: number
  /** The embedding model's tokenizer: the number of tokens of each text, without special tokens. */
  countTokens(texts: readonly string[]): Promise<number[]>
  /** The document's title: each chunk is measured with its context header. @default no header */
  readonly contextTitle?: string | undefined
  /** Vectors of sentences: chunks also end where their meaning parts. @default structure alone decides */
  readonly embedSentences?: EmbedTexts | undefined
  readonly signal?: AbortSignal | undefined
}

/** Most code units for a token of the limit: keeps blanks, rules and unknown words from making endless chunks. */
const CHARACTERS_PER_TOKEN = 16
/** How many chunks are counted in one go. */
const CHECKED_AT_ONCE = 512

/**
 * Splits a document into chunks: at headings, then paragraphs, sentences, words, and an endless word at graphemes.
 *
 * No chunk counts more than `chunkTokens`, overlap and header included (a single character may, where the limit is below its count); every visible
 * character is in one; no word that fits, and no surrogate pair, is cut; a chunk keeps to its section, but tiny sections
 * under one parent share one; code and tables that fit into a chunk stay whole. Linear in the length of the text; gives way to other work of its thread.
 * Throws `invalid-argument` for a limit below 1, and what the signal says.
 */
export async function chunkDocument(
  document: Pick<ParsedDocument, 'text' | 'headings' | 'pages'>,
  options: ChunkOptions,
): Promise<Chunk[]> {
  const { chunkTokens, overlapTokens, signal } = options
  if (!(chunkTokens >= 1) || !(overlapTokens >= 0)) {
    throw new AlcoveError(
      'invalid-argument',
      `Expected chunkTokens of at least 1 and overlapTokens of at least 0, got ${chunkTokens} and ${overlapTokens}`,
    )
  }
  const { text } = document
  const yielder = createYielder(signal)
  await yielder.pause()
  const count = createBatchCounter(options.countTokens, yielder)
  const sections = findSections(text.length, document.headings)
  const headerOf = createHeaders(options)
  const headers = [...new Set(sections.map(({ path }) => headerOf(path)))]
  const headerTokens = Math.max(0, ...(await countHeaders(headers, count)))
  const limits = {
    tokens: Math.max(1, chunkTokens - headerTokens),
    characters: Math.max(200, Math.ceil(chunkTokens * CHARACTERS_PER_TOKEN)),
  }
  const pieces = await cutPieces(
    text,
    sections.map(({ start }) => start),
    limits,
    count,
    yielder,
  )
  const { embedSentences } = options
  const structure: Structure = {
    text,
    pieces,
    sections,
    blocks: findBlockPieces(pieces, findBlocks(text)),
    topics: embedSentences ? await findTopicStarts(text, pieces, embedSentences, yielder) : new Set(),
  }
  const overlap = Math.min(overlapTokens, Math.floor(limits.tokens / 2))
  const drafts = await packGroups(structure, limits, overlap, yielder)
  const measure = { count, headerOf, limit: chunkTokens }
  const checked = await checkDrafts(text, drafts, pieces, measure, yielder)
  return finishChunks(text, checked, document.pages)
}

/** The header of a heading path; empty where none is wanted. */
type HeaderOf = (path: readonly string[]) => string

function createHeaders({ contextTitle, chunkTokens }: ChunkOptions): HeaderOf {
  if (contextTitle === undefined) return () => ''
  const length = headerLengthFor(chunkTokens)
  return (path) => createContextHeader(contextTitle, path, length)
}

async function countHeaders(headers: readonly string[], count: CountTokens): Promise<number[]> {
  const written = headers.filter((header) => header !== '')
  const counts: number[] = []
  for (let from = 0; from < written.length; from += CHECKED_AT_ONCE) {
    const some = await count(written.slice(from, from + CHECKED_AT_ONCE))
    counts.push(some.reduce((most, tokens) => Math.max(most, tokens), 0))
  }
  return counts
}

/** What decides where chunks end. */
interface Structure {
  readonly text: string
  readonly pieces: Pieces
  readonly sections: readonly Section[]
  readonly blocks: BlockPieces
  /** Pieces with which another topic begins. */
  readonly topics: ReadonlySet<number>
}

async function packGroups(
  { text, pieces, sections, blocks, topics }: Structure,
  limits: PieceLimits,
  overlapTokens: number,
  yielder: Yielder,
): Promise<Draft[]> {
  const firsts = [...sections.map(({ start }) => pieceAt(pieces, start)), pieces.starts.length]
  const sizes = sections.map((section, index) => {
    const [from = 0, to = 0] = [firsts[index], firsts[index + 1]]
    let tokens = 0
    for (let piece = from; piece < to; piece++) tokens += pieces.tokens[piece] ?? 0
    const end = sections[index + 1]?.start ?? text.length
    return { tokens, hasBody: hasBody(text.slice(section.start, end), section.path.at(-1)) }
  })
  const drafts: Draft[] = []
  for (const group of groupSections(sections, sizes, limits.tokens)) {
    const range = [firsts[group.from] ?? 0, firsts[group.to] ?? 0] as const
    for (const part of splitAtTopics(range, { pieces, blocks, topics }, limits.tokens)) {
      for (const draft of packGroup(text, pieces, part, group, limits, overlapTokens, blocks)) {
        drafts.push(draft)
        if (yielder.due()) await yielder.pause()
      }
    }
  }
  return drafts
}

/** Parts of a range of pieces that begin with a topic; one that would be tiny goes with the part before. */
function* splitAtTopics(
  [first, end]: Span,
  { pieces, blocks, topics }: Pick<Structure, 'pieces' | 'blocks' | 'topics'>,
  limitTokens: number,
): Generator<Span> {
  if (topics.size === 0) return yield [first, end]
  const rest = pieces.tokens.slice(first, end).reduce((sum, tokens) => sum + tokens, 0)
  let from = first
  let tokens = 0
  let before = 0
  for (let piece = first; piece < end; piece++) {
    const isTiny = Math.min(tokens, rest - before) < limitTokens / 4
    if (topics.has(piece) && piece > from && !isTiny && blockAround(blocks, piece) === undefined) {
      yield [from, piece]
      from = piece
      tokens = 0
    }
    tokens += pieces.tokens[piece] ?? 0
    before += pieces.tokens[piece] ?? 0
  }
  yield [from, end]
}

const letters = (text: string): string => text.replace(/[^\p{L}\p{N}]+/gu, '')

/** Whether a section has text besides its title, which may take several lines and have marks around it. */
function hasBody(section: string, title: string | undefined): boolean {
  let rest = section
  let missing = title === undefined ? 0 : Math.max(1, letters(title).length)
  while (missing > 0 && rest !== '') {
    const newline = rest.indexOf('\n')
    missing -= letters(rest.slice(0, newline < 0 ? 2000 : Math.min(newline, 2000))).length
    rest = newline < 0 ? '' : rest.slice(newline + 1)
  }
  return /[\p{L}\p{N}]/u.test(rest)
}

/** Counts the chunks as they are: tokens of parts do not quite add up. What is over loses its overlap, then is split. */
async function checkDrafts(
  text: string,
  drafts: readonly Draft[],
  pieces: Pieces,
  { count, headerOf, limit }: { readonly count: CountTokens; readonly headerOf: HeaderOf; readonly limit: number },
  yielder: Yielder,
): Promise<Draft[]> {
  const textOf = ({ start, to, group }: Draft): string =>
    headerOf(group.path) + text.slice(...trimSpan(text, [start, to]))
  const checked: Draft[] = []
  for (let from = 0; from < drafts.length; from += CHECKED_AT_ONCE) {
    let current = drafts.slice(from, from + CHECKED_AT_ONCE)
    for (let open = current; open.length > 0; open = current.filter((draft) => draft.tokens === undefined)) {
      const counts = await count(open.map(textOf))
      let next = 0
      current = current.flatMap((draft) => {
        if (draft.tokens !== undefined) return [draft]
        const tokens = counts[next++] ?? 0
        return tokens <= limit ? [{ ...draft, tokens }] : shrinkDraft(text, { ...draft, tokens }, pieces)
      })
      await yielder.pause()
    }
    checked.push(...current)
  }
  return checked
}

/** What to try instead of a draft that is over the limit; itself, as it is, when it is one character. */
function shrinkDraft(text: string, draft: Draft & { tokens: number }, pieces: Pieces): Draft[] {
  const { from, to, group, tokens } = draft
  if (draft.start < from) return [{ start: from, from, to, group }]
  const cut = cutMiddle(text, trimSpan(text, [from, to]), pieces)
  if (cut === undefined) return [{ ...draft, tokens }]
  return [
    { start: from, from, to: cut, group },
    { start: cut, from: cut, to, group },
  ]
}

/** The boundary of a piece, else word, grapheme or character, that is nearest to the middle of a span. */
function cutMiddle(text: string, [from, to]: Span, pieces: Pieces): number | undefined {
  const middle = (from + to) / 2
  const nearest = (offsets: readonly number[]): number | undefined =>
    offsets
      .filter((offset) => offset > from && offset < to)
      .reduce<number | undefined>(
        (best, offset) => (best === undefined || Math.abs(offset - middle) < Math.abs(best - middle) ? offset : best),
        undefined,
      )
  const piece = pieceAt(pieces, middle)
  return (
    nearest([endOf(text, pieces, piece - 1), endOf(text, pieces, piece)]) ??
    nearest(wordStarts(text, from, to)) ??
    nearest(graphemeStarts(text, from, to, Math.ceil((to - from) / 2))) ??
    nearest(codePointStarts(text, from, to))
  )
}

function finishChunks(text: string, drafts: readonly Draft[], pages: ParsedDocument['pages']): Chunk[] {
  const chunks: Chunk[] = []
  let page = 0
  for (const draft of drafts) {
    const [from] = trimSpan(text, [draft.from, draft.to])
    const span = trimSpan(text, [Math.min(draft.start, from), draft.to])
    if (from >= draft.to || span[0] >= span[1]) continue
    while (page > 0 && (pages[page]?.span[0] ?? 0) > span[0]) page--
    while (page + 1 < pages.length && (pages[page + 1]?.span[0] ?? 0) <= span[0]) page++
    const number = pages[page]?.page
    chunks.push({
      index: chunks.length,
      span,
      ...(number === undefined ? {} : { page: number }),
      headings: draft.group.path,
      tokens: draft.tokens ?? 0,
    })
  }
  return chunks
}
