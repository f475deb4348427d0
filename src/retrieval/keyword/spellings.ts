import { editDistance } from '../../text/edit-distance.js'
import { findTerm, type KeywordSegment, lowerBound } from './segment.js'

/** What the search of spellings needs to know of an index. */
export interface TermSource {
  readonly segments: readonly KeywordSegment[]
  /** Passages that have a token, in the field where they are most. */
  frequency(token: string): number
}

/** Tokens that stand for one word of a query. They count as one term, as frequent as the most frequent of them. */
export interface Spellings {
  readonly tokens: readonly string[]
  /** What they count beside the word itself. */
  readonly weight: number
}

/** First character of the scripts that are written without spaces (Thai); those before it are written with. */
const spacelessFrom = '\u0e00'
/** Tokens that one word may stand for. */
const maxExpansions = 16
/** Tokens whose exact frequency is counted when the most frequent ones are wanted. */
const maxCounted = 64
/** Continuations of a word that is there itself, but may not be typed to its end. */
const continuationWeight = 0.3
/** The beginning of a word, as stemming leaves it. */
const beginningWeight = 0.6
const typoWeights = [1, 0.6, 0.35] as const
/** A word that so few passages have may be a slip of the one who wrote it, if another one is so many times as frequent. */
const rareFrequency = 2
const rareFactor = 20
const lettersOnly = /^\p{L}+$/u

/**
 * What a token of a query may match: itself; where it occurs nowhere, words that begin with it, else the word that it is a longer form
 * of, else words that are a slip or two away. Where words are not written apart, one that occurs nowhere matches those that contain it, else those
 * that it contains, as a dictionary does not always cut alike.
 * @param typed the query's last word as it was typed, when that may not be finished: its continuations count too, less
 */
export function spellingsOf(token: string, source: TermSource, typed?: string): Spellings[] {
  const frequency = source.frequency(token)
  const isSpaceless = token >= spacelessFrom
  const groups: Spellings[] = frequency > 0 ? [{ tokens: [token], weight: 1 }] : []
  if (isSpaceless) {
    if (frequency > 0) return groups
    const longer = frequent(source, containing(source, token))
    return longer.length > 0 ? groupOf(longer, 1) : groupOf(partsOf(token, source), beginningWeight)
  }
  if (typed !== undefined || (frequency === 0 && token.length > 2)) {
    const tokens = frequent(source, beginningWith(source, typed ?? token)).filter((other) => other !== token)
    groups.push(...groupOf(tokens, frequency > 0 ? continuationWeight : 1))
  }
  if (groups.length === 0) groups.push(...groupOf(longestBeginning(token, source), beginningWeight))
  if (frequency <= rareFrequency && groups.length === Number(frequency > 0)) {
    groups.push(...slipsOf(token, frequency, source))
  }
  return groups
}

const groupOf = (tokens: readonly string[], weight: number): Spellings[] =>
  tokens.length === 0 ? [] : [{ tokens, weight }]

/** Passages that have each token, by the lists' lengths: removed ones are counted too. */
type Counts = Map<string, number>

function count(counts: Counts, segment: KeywordSegment, term: number): void {
  const token = segment.vocabulary[term] as string
  let most = 0
  for (const { starts } of segment.fields)
    most = Math.max(most, (starts[term + 1] as number) - (starts[term] as number))
  counts.set(token, (counts.get(token) ?? 0) + most)
}

function beginningWith({ segments }: TermSource, beginning: string): Counts {
  const counts: Counts = new Map()
  for (const segment of segments) {
    const { vocabulary } = segment
    for (let term = lowerBound(vocabulary, beginning); vocabulary[term]?.startsWith(beginning); term++) {
      count(counts, segment, term)
    }
  }
  return counts
}

function containing({ segments }: TermSource, character: string): Counts {
  const counts: Counts = new Map()
  for (const segment of segments) {
    const { vocabulary } = segment
    for (let term = lowerBound(vocabulary, spacelessFrom); term < vocabulary.length; term++) {
      if (vocabulary[term]?.includes(character)) count(counts, segment, term)
    }
  }
  return counts
}

/** The most frequent ones that a passage still has. */
function frequent(source: TermSource, counts: Counts): string[] {
  const byCount = (a: readonly [string, number], b: readonly [string, number]): number =>
    b[1] - a[1] || (a[0] < b[0] ? -1 : 1)
  return [...counts]
    .sort(byCount)
    .slice(0, maxCounted)
    .map(([token]) => [token, source.frequency(token)] as const)
    .filter(([, frequency]) => frequency > 0)
    .sort(byCount)
    .slice(0, maxExpansions)
    .map(([token]) => token)
}

/** The longest tokens within a word that is not written apart from others, without overlap. */
function partsOf(token: string, source: TermSource): string[] {
  const characters = [...token].slice(0, 16)
  const parts = new Set<string>()
  for (let start = 0; start < characters.length; ) {
    let end = characters.length
    while (end > start && source.frequency(characters.slice(start, end).join('')) === 0) end--
    if (end > start) parts.add(characters.slice(start, end).join(''))
    start = Math.max(end, start + 1)
  }
  return [...parts]
}

/** The longest token that a word begins with, of four letters and half of the word at least. */
function longestBeginning(token: string, source: TermSource): string[] {
  if (!lettersOnly.test(token)) return []
  const least = Math.max(4, Math.ceil(token.length / 2))
  for (let length = token.length - 1; length >= least; length--) {
    const beginning = token.slice(0, length)
    if (source.frequency(beginning) > 0) return [beginning]
  }
  return []
}

/** The nearest tokens that are one slip away, from eight letters on two; none for what is not a word of letters. */
function slipsOf(token: string, frequency: number, source: TermSource): Spellings[] {
  if (token.length < 4 || token.length > 40 || !lettersOnly.test(token)) return []
  const most = token.length < 8 ? 1 : 2
  const found: Counts[] = [new Map(), new Map(), new Map()]
  const signature = signatureOf(token)
  for (const segment of source.segments) {
    const signatures = signaturesOf(segment)
    const { vocabulary } = segment
    const end = lowerBound(vocabulary, spacelessFrom)
    for (let term = 0; term < end; term++) {
      // A slip changes one letter into another, which changes two bits at most.
      if (bitCount((signatures[term] as number) ^ signature) > 2 * most) continue
      const other = vocabulary[term] as string
      if (Math.abs(other.length - token.length) > most) continue
      const slips = isSwapped(token, other) ? 1 : editDistance(token, other)
      if (slips > 0 && slips <= most) count(found[slips] as Counts, segment, term)
    }
  }
  for (let slips = 1; slips <= most; slips++) {
    const tokens = frequent(source, found[slips] as Counts).filter(
      (other) => frequency === 0 || source.frequency(other) >= frequency * rareFactor,
    )
    if (tokens.length > 0) return groupOf(tokens, typoWeights[slips] as number)
  }
  return []
}

/** Whether two neighbouring letters changed places. */
function isSwapped(first: string, second: string): boolean {
  if (first.length !== second.length) return false
  let at = 0
  while (at < first.length && first[at] === second[at]) at++
  return first[at] === second[at + 1] && first[at + 1] === second[at] && first.slice(at + 2) === second.slice(at + 2)
}

const signatures = new WeakMap<KeywordSegment, Uint32Array>()

/** Which letters each term has, as bits: tells most pairs of words apart without comparing them. */
function signaturesOf(segment: KeywordSegment): Uint32Array {
  const known = signatures.get(segment)
  if (known !== undefined) return known
  const made = Uint32Array.from(segment.vocabulary, signatureOf)
  signatures.set(segment, made)
  return made
}

function signatureOf(token: string): number {
  let bits = 0
  for (let at = 0; at < token.length; at++) bits |= 1 << (token.charCodeAt(at) & 31)
  return bits >>> 0
}

function bitCount(bits: number): number {
  let rest = bits - ((bits >>> 1) & 0x55555555)
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333)
  return (((rest + (rest >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24
}

/** Passages of one field of a segment that have a token and are there. */
export function liveFrequency(segment: KeywordSegment, field: number, token: string, lengths: Uint32Array): number {
  const term = findTerm(segment, token)
  const postings = segment.fields[field]
  if (term < 0 || postings === undefined) return 0
  const { starts, entries } = postings
  const [begin, end] = [starts[term] as number, starts[term + 1] as number]
  if (segment.dead === 0) return end - begin
  let live = 0
  for (let at = begin; at < end; at++) if (lengths[(entries[at] as number) >>> 8] !== 0) live++
  return live
}
