import { createTopHeap, type ScoredId } from '../vector/top-heap.js'
import { type FieldStatistics, IndexStatistics } from './field-statistics.js'
import { createPhraseScorer, type WordPair } from './phrases.js'
import {
  type FieldPostings,
  fieldCount,
  findPassage,
  findTerm,
  type KeywordSegment,
  maxCount,
  maxPassage,
  openSegment,
  SegmentBuilder,
  type SegmentData,
} from './segment.js'
import { liveFrequency, spellingsOf } from './spellings.js'
import { createTokenize, lastWordOf, type Tokenize } from './tokenize.js'

/** A passage as it is searched. */
export interface IndexedPassage {
  /** Whole number from 0, higher than all before it in the life of an index. */
  readonly id: number
  readonly text: string
  readonly title: string
  /** Titles of the sections that hold it. */
  readonly headings: readonly string[]
}

/** What a keyword search found. */
export interface KeywordMatches {
  /** The best rows by BM25 and by phrases, best first, all above 0; equal ones by id. */
  readonly rows: readonly ScoredId[]
}

/** Keyword search over passages. */
export interface TextIndex {
  /** Number of passages. */
  readonly size: number
  /** Bytes of memory that words and postings take. */
  readonly bytes: number
  add(passages: readonly IndexedPassage[]): void
  /** Adds passages that `extract` gave; `ids` as those of passages, ascending, one for each. */
  addSegment(data: SegmentData, ids: Uint32Array): void
  /** The words of these passages as they can be stored, in this order. Those that are not there come as empty ones. */
  extract(ids: readonly number[]): SegmentData
  /** Removes passages; those that are not there are passed over. */
  remove(ids: readonly number[]): void
  /** The `limit` best among the ids that `allow` lets through. Any word of the query may match, rare words count most. */
  search(query: string, limit: number, allow?: (id: number) => boolean): KeywordMatches
}

/** How much a word in the text, the title, or a heading counts; 0.3 to 0.6 for the latter measured alike on the judged sets. */
const fieldWeights = [1, 0.4, 0.4] as const
/** BM25's usual parameters; the judged sets did not tell others apart from them. */
const k = 1.2
const b = 0.75
/** Words of a query that are looked for: the rarest ones. */
const maxQueryTerms = 64
/** Longest query that is read, in UTF-16 code units. */
const maxQueryLength = 200_000
/** Beyond `limit`, how many of the best by their words are looked at for phrases. */
const phraseCandidates = 50
/** Passages that are collected before they become a segment. */
const headPassages = 2048
/** A head of so many passages becomes a segment when it is searched. */
const searchedHeadPassages = 256
/** So many neighbours of one size become one. */
const mergeFactor = 8
/** Removed passages are cleared out of a segment when they are so many, and outnumber the others. */
const leastDead = 256

/** An index in memory: BM25 over immutable segments of typed arrays, in the manner of Lucene. */
export function createTextIndex(tokenize: Tokenize = createTokenize()): TextIndex {
  return new SegmentedTextIndex(tokenize)
}

class SegmentedTextIndex implements TextIndex {
  readonly #tokenize: Tokenize
  readonly #statistics = new IndexStatistics()
  /** Passages that are there, by number. */
  #isHere = new Uint8Array(1024)
  #size = 0
  #segments: KeywordSegment[] = []
  /** What was added last, not yet a segment; its passages; and the segment that a search made of it so far. */
  #head = new SegmentBuilder()
  #headPassages: number[] = []
  #headSegment: KeywordSegment | undefined
  #last = -1
  #scores = new Float32Array(1024)

  constructor(tokenize: Tokenize) {
    this.#tokenize = tokenize
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    let bytes = this.#head.size * 4
    for (const { sequence, lengths, offsets, passages, fields, terms } of this.#segments) {
      bytes += sequence.byteLength + lengths.byteLength + offsets.byteLength + passages.byteLength + terms.length * 2
      for (const { starts, entries } of fields) bytes += starts.byteLength + entries.byteLength
    }
    return bytes
  }

  add(passages: readonly IndexedPassage[]): void {
    for (const { id, text, title, headings } of passages) {
      this.#enter(id)
      this.#headPassages.push(id)
      for (const [field, value] of [text, title, headings.join('\n')].entries()) {
        const tokens = this.#tokenize(value)
        this.#head.addField(tokens)
        this.#statistics.add(field, id, tokens.length)
      }
    }
    this.#headSegment = undefined
    if (this.#headPassages.length >= headPassages) this.#seal()
  }

  addSegment(data: SegmentData, ids: Uint32Array): void {
    if (ids.length === 0) return
    this.#seal()
    for (const id of ids) this.#enter(id)
    for (const [local, id] of ids.entries()) {
      for (let field = 0; field < fieldCount; field++) {
        this.#statistics.add(field, id, data.lengths[local * fieldCount + field] as number)
      }
    }
    this.#segments.push(openSegment(data, ids))
  }

  extract(ids: readonly number[]): SegmentData {
    const builder = new SegmentBuilder()
    const segments = this.#prepare()
    const known = new Map(segments.map((one) => [one, new Int32Array(one.vocabulary.length).fill(-1)]))
    for (const id of ids) {
      const segment = this.#isHere[id] === 1 ? segmentOf(segments, id) : undefined
      if (segment === undefined) for (let field = 0; field < fieldCount; field++) builder.addField([])
      else builder.addPassage(segment, findPassage(segment, id), known.get(segment) as Int32Array)
    }
    return builder.build()
  }

  remove(ids: readonly number[]): void {
    const touched = new Set<KeywordSegment>()
    for (const id of ids) {
      if (this.#isHere[id] !== 1) continue
      const segment = segmentOf(this.#prepare(), id)
      if (segment === undefined) continue
      this.#isHere[id] = 0
      this.#size--
      this.#statistics.remove(id)
      segment.dead++
      touched.add(segment)
    }
    for (const segment of touched) {
      const { dead, passages } = segment
      const at = this.#segments.indexOf(segment)
      if (at >= 0 && dead >= leastDead && dead * 2 > passages.length) this.#merge(at, at + 1)
    }
  }

  search(query: string, limit: number, allow?: (id: number) => boolean): KeywordMatches {
    const read = query.slice(0, maxQueryLength)
    const tokens = this.#tokenize(read)
    if (tokens.length === 0 || this.#size === 0) return { rows: [] }
    const segments = this.#prepare()
    const terms = this.#chooseTerms(tokens)
    const typed = lastWordOf(read)
    const last = tokens.at(-1)
    if (this.#scores.length <= this.#last) this.#scores = new Float32Array(this.#isHere.length)
    const scores = this.#scores.fill(0, 0, this.#last + 1)
    const source = { segments, frequency: (token: string) => this.#frequency(token) }
    for (const token of terms) {
      for (const { tokens: spelled, weight } of spellingsOf(token, source, token === last ? typed : undefined)) {
        for (let field = 0; field < fieldCount; field++) this.#score(segments, field, spelled, weight, scores)
      }
    }
    const heap = createTopHeap(Math.min(limit + phraseCandidates, this.#last + 1))
    for (let id = 0; id <= this.#last; id++) {
      const score = scores[id] as number
      if (score > 0 && score >= heap.floor && (allow === undefined || allow(id))) heap.push(id, score)
    }
    return { rows: this.#addPhrases(segments, tokens, new Set(terms), heap.drain()).slice(0, limit) }
  }

  #enter(id: number): void {
    if (!(id > this.#last && id <= maxPassage)) {
      throw new RangeError(`expected a passage number above ${this.#last} and up to ${maxPassage}, got ${id}`)
    }
    if (id >= this.#isHere.length) {
      const grown = new Uint8Array(Math.max(id + 1, this.#isHere.length * 2))
      grown.set(this.#isHere)
      this.#isHere = grown
    }
    this.#isHere[id] = 1
    this.#last = id
    this.#size++
  }

  /** All segments, the one of the head included. */
  #prepare(): readonly KeywordSegment[] {
    if (this.#headPassages.length === 0) return this.#segments
    if (this.#headPassages.length >= searchedHeadPassages) {
      this.#seal()
      return this.#segments
    }
    return [...this.#segments, this.#openHead()]
  }

  #openHead(): KeywordSegment {
    if (this.#headSegment !== undefined) return this.#headSegment
    const segment = openSegment(this.#head.build(), Uint32Array.from(this.#headPassages))
    segment.dead = this.#headPassages.reduce((dead, id) => dead + (this.#isHere[id] === 1 ? 0 : 1), 0)
    this.#headSegment = segment
    return segment
  }

  /** Makes a segment of the head; then of neighbours of one size, one. */
  #seal(): void {
    if (this.#headPassages.length === 0) return
    this.#segments.push(this.#openHead())
    this.#head = new SegmentBuilder()
    this.#headPassages = []
    this.#headSegment = undefined
    for (;;) {
      const newest = this.#segments.at(-1)?.passages.length ?? 0
      const neighbours = this.#segments.slice(-mergeFactor)
      if (neighbours.length < mergeFactor || neighbours.some(({ passages }) => passages.length > newest * 2)) return
      this.#merge(this.#segments.length - mergeFactor, this.#segments.length)
    }
  }

  /** Puts one segment in place of those from `begin` to `end`, without the passages that were removed. */
  #merge(begin: number, end: number): void {
    const builder = new SegmentBuilder()
    const kept: number[] = []
    for (const segment of this.#segments.slice(begin, end)) {
      const idOf = new Int32Array(segment.vocabulary.length).fill(-1)
      for (const [local, id] of segment.passages.entries()) {
        if (this.#isHere[id] !== 1) continue
        kept.push(id)
        builder.addPassage(segment, local, idOf)
      }
    }
    const merged = kept.length === 0 ? [] : [openSegment(builder.build(), Uint32Array.from(kept))]
    this.#segments = [...this.#segments.slice(0, begin), ...merged, ...this.#segments.slice(end)]
  }

  /** The query's tokens, each once; of too many those that say the most. */
  #chooseTerms(tokens: readonly string[]): string[] {
    const unique = [...new Set(tokens)]
    if (unique.length <= maxQueryTerms) return unique
    return unique
      .map((token) => ({ token, frequency: this.#frequency(token) || Number.POSITIVE_INFINITY }))
      .sort((first, second) => first.frequency - second.frequency)
      .slice(0, maxQueryTerms)
      .map(({ token }) => token)
  }

  /** Passages that have a token, in the field where they are most. */
  #frequency(token: string): number {
    let most = 0
    for (let field = 0; field < fieldCount; field++) most = Math.max(most, this.#fieldFrequency(field, token))
    return most
  }

  #fieldFrequency(field: number, token: string): number {
    const { lengths } = this.#fieldOf(field)
    let sum = 0
    for (const segment of this.#prepare()) sum += liveFrequency(segment, field, token, lengths)
    return sum
  }

  #fieldOf(field: number): FieldStatistics {
    return this.#statistics.fields[field] as FieldStatistics
  }

  /** Lucene's inverse document frequency, which is never negative. */
  #inverseFrequency(field: number, frequency: number): number {
    return Math.log(1 + (this.#fieldOf(field).passages - frequency + 0.5) / (frequency + 0.5))
  }

  /**
   * Adds BM25 as in Robertson and Zaragoza 2009 to `scores` (index is the passage) for each passage that has one of `tokens` in a field.
   * They count as one term, as frequent as the most frequent of them: spellings of one query word.
   */
  #score(
    segments: readonly KeywordSegment[],
    field: number,
    tokens: readonly string[],
    weight: number,
    scores: Float32Array,
  ): void {
    const frequency = tokens.reduce((most, token) => Math.max(most, this.#fieldFrequency(field, token)), 0)
    if (frequency === 0) return
    const { lengths, passages, totalLength } = this.#fieldOf(field)
    const factor = weight * (fieldWeights[field] as number) * this.#inverseFrequency(field, frequency) * (k + 1)
    const bm25 = { factor, base: k * (1 - b), slope: (k * b * passages) / Math.max(totalLength, 1) }
    for (const segment of segments) {
      for (const token of tokens) {
        const term = findTerm(segment, token)
        if (term >= 0) scoreTerm(segment, field, term, lengths, bm25, scores)
      }
    }
  }

  /** Adds what neighbouring words of the query are worth where they are neighbours, and sorts anew. */
  #addPhrases(
    segments: readonly KeywordSegment[],
    tokens: readonly string[],
    terms: ReadonlySet<string>,
    rows: readonly ScoredId[],
  ): ScoredId[] {
    const pairs = new Map<string, WordPair>()
    for (let at = 1; at < tokens.length && pairs.size < maxQueryTerms; at++) {
      const [first, second] = [tokens[at - 1] as string, tokens[at] as string]
      if (first === second || !terms.has(first) || !terms.has(second)) continue
      const frequency = Math.max(this.#fieldFrequency(0, first), this.#fieldFrequency(0, second))
      pairs.set(`${first}\n${second}`, { first, second, weight: this.#inverseFrequency(0, frequency) })
    }
    if (pairs.size === 0) return [...rows]
    const phraseScore = createPhraseScorer([...pairs.values()], k)
    const scored = rows.map(({ id, score }) => {
      const segment = segmentOf(segments, id)
      return { id, score: segment === undefined ? score : score + phraseScore(segment, findPassage(segment, id)) }
    })
    return scored.sort((first, second) => second.score - first.score || first.id - second.id)
  }
}

/** The segment that has a passage's number; they are in the order of their passages. */
function segmentOf(segments: readonly KeywordSegment[], id: number): KeywordSegment | undefined {
  let low = 0
  let high = segments.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((segments[middle]?.passages.at(-1) ?? 0) < id) low = middle + 1
    else high = middle
  }
  const segment = segments[low]
  return segment !== undefined && findPassage(segment, id) >= 0 ? segment : undefined
}

function scoreTerm(
  segment: KeywordSegment,
  field: number,
  term: number,
  lengths: Uint32Array,
  { factor, base, slope }: { factor: number; base: number; slope: number },
  scores: Float32Array,
): void {
  const { starts, entries } = segment.fields[field] as FieldPostings
  const end = starts[term + 1] as number
  for (let at = starts[term] as number; at < end; at++) {
    const entry = entries[at] as number
    const passage = entry >>> 8
    const length = lengths[passage] as number
    if (length === 0) continue
    const count = entry & maxCount
    scores[passage] = (scores[passage] as number) + (factor * count) / (count + base + slope * length)
  }
}
