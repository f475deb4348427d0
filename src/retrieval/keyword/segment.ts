/** The parts of a passage that are searched, in the order in which a segment keeps them. */
export const fieldNames = ['text', 'title', 'headings'] as const
export const fieldCount = fieldNames.length

/**
 * Passages as a segment keeps and stores them: every word of every passage, as numbers of a sorted vocabulary. Postings are derived of it
 * when it is read, which costs no more than to read them would.
 */
export interface SegmentData {
  /** The vocabulary: each token once, ascending by UTF-16 code units, with line feeds between (no token has one). */
  readonly terms: string
  /** Tokens of text, title and headings of each passage, three numbers each. */
  readonly lengths: Uint32Array
  /** Numbers of the tokens in the vocabulary: passage by passage, text, title, headings. */
  readonly sequence: Uint16Array | Uint32Array
}

/** Postings of one field: those of term `t` are `entries[starts[t]]` to `entries[starts[t + 1]]`, each `passage << 8 | occurrences`. */
export interface FieldPostings {
  readonly starts: Uint32Array
  readonly entries: Uint32Array
}

export const maxCount = 255
/** Passage numbers have 24 bits in a posting. */
export const maxPassage = 2 ** 24 - 1

/** Passages that do not change, with postings of each field. A passage that was removed stays until the segment is merged. */
export interface KeywordSegment extends SegmentData {
  readonly vocabulary: readonly string[]
  /** Number of each passage, ascending. */
  readonly passages: Uint32Array
  /** Where the tokens of each field of each passage begin in `sequence`; the last one is its end. */
  readonly offsets: Uint32Array
  readonly fields: readonly FieldPostings[]
  /** How many of its passages were removed. */
  dead: number
}

/** Whether a value that was stored is a segment of so many passages. */
export function isSegmentData(value: unknown, passages: number): value is SegmentData {
  const { terms, lengths, sequence } = (value ?? {}) as Partial<SegmentData>
  if (typeof terms !== 'string' || !(lengths instanceof Uint32Array)) return false
  if (!(sequence instanceof Uint16Array || sequence instanceof Uint32Array)) return false
  if (lengths.length !== passages * fieldCount) return false
  let total = 0
  for (const length of lengths) total += length
  if (total !== sequence.length) return false
  const vocabulary = splitTerms(terms)
  for (let term = 1; term < vocabulary.length; term++) {
    if ((vocabulary[term - 1] as string) >= (vocabulary[term] as string)) return false
  }
  const size = vocabulary.length
  for (let at = 0; at < total; at++) if ((sequence[at] as number) >= size) return false
  return true
}

/** @param passages numbers of the passages, ascending, one for each that the data has */
export function openSegment(data: SegmentData, passages: Uint32Array): KeywordSegment {
  const { terms, lengths, sequence } = data
  const vocabulary = splitTerms(terms)
  const offsets = new Uint32Array(lengths.length + 1)
  for (let index = 0; index < lengths.length; index++) {
    offsets[index + 1] = (offsets[index] as number) + (lengths[index] as number)
  }
  const fields = fieldNames.map((_, field) => derivePostings(field, vocabulary.length, passages, offsets, sequence))
  return { terms, lengths, sequence, vocabulary, passages, offsets, fields, dead: 0 }
}

/** Counts first, so that every list has its place in one array, then fills in. */
function derivePostings(
  field: number,
  termCount: number,
  passages: Uint32Array,
  offsets: Uint32Array,
  sequence: Uint16Array | Uint32Array,
): FieldPostings {
  const starts = new Uint32Array(termCount + 1)
  const seen = new Int32Array(termCount).fill(-1)
  for (let local = 0; local < passages.length; local++) {
    const end = offsets[local * fieldCount + field + 1] as number
    for (let at = offsets[local * fieldCount + field] as number; at < end; at++) {
      const term = sequence[at] as number
      if (seen[term] === local) continue
      seen[term] = local
      starts[term + 1] = (starts[term + 1] as number) + 1
    }
  }
  for (let term = 0; term < termCount; term++) {
    starts[term + 1] = (starts[term + 1] as number) + (starts[term] as number)
  }
  const next = starts.slice(0, termCount)
  const entries = new Uint32Array(starts[termCount] as number)
  seen.fill(-1)
  for (let local = 0; local < passages.length; local++) {
    const first = ((passages[local] as number) << 8) >>> 0
    const end = offsets[local * fieldCount + field + 1] as number
    for (let at = offsets[local * fieldCount + field] as number; at < end; at++) {
      const term = sequence[at] as number
      if (seen[term] !== local) {
        seen[term] = local
        entries[next[term] as number] = first + 1
        next[term] = (next[term] as number) + 1
        continue
      }
      const place = (next[term] as number) - 1
      if (((entries[place] as number) & maxCount) < maxCount) entries[place] = (entries[place] as number) + 1
    }
  }
  return { starts, entries }
}

/** Number of a token in the vocabulary, or -1. */
export function findTerm({ vocabulary }: KeywordSegment, token: string): number {
  const at = lowerBound(vocabulary, token)
  return vocabulary[at] === token ? at : -1
}

/** Index of the first term that is not before `token`. */
export function lowerBound(vocabulary: readonly string[], token: string): number {
  let low = 0
  let high = vocabulary.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((vocabulary[middle] as string) < token) low = middle + 1
    else high = middle
  }
  return low
}

/** Place of a passage within its segment, or -1. */
export function findPassage({ passages }: KeywordSegment, passage: number): number {
  let low = 0
  let high = passages.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((passages[middle] as number) < passage) low = middle + 1
    else high = middle
  }
  return passages[low] === passage ? low : -1
}

/** Takes passages in, and makes a segment's data of them. */
export class SegmentBuilder {
  readonly #ids = new Map<string, number>()
  readonly #terms: string[] = []
  #sequence = new Uint32Array(4096)
  #size = 0
  readonly #lengths: number[] = []

  /** Tokens of all passages together. */
  get size(): number {
    return this.#size
  }

  /** The tokens of the next field; three make a passage. */
  addField(tokens: readonly string[]): void {
    this.#reserve(tokens.length)
    for (const token of tokens) this.#sequence[this.#size++] = this.#idOf(token)
    this.#lengths.push(tokens.length)
  }

  /** A passage of a segment, all fields of it. */
  addPassage(from: KeywordSegment, local: number, idOf: Int32Array): void {
    const begin = from.offsets[local * fieldCount] as number
    const end = from.offsets[(local + 1) * fieldCount] as number
    this.#reserve(end - begin)
    for (let at = begin; at < end; at++) {
      const term = from.sequence[at] as number
      if ((idOf[term] as number) < 0) idOf[term] = this.#idOf(from.vocabulary[term] as string)
      this.#sequence[this.#size++] = idOf[term] as number
    }
    for (let field = 0; field < fieldCount; field++)
      this.#lengths.push(from.lengths[local * fieldCount + field] as number)
  }

  build(): SegmentData {
    const order = this.#terms.map((_, id) => id)
    const terms = this.#terms
    order.sort((a, b) => ((terms[a] as string) < (terms[b] as string) ? -1 : 1))
    const rankOf = new Uint32Array(order.length)
    for (const [rank, id] of order.entries()) rankOf[id] = rank
    const sequence = order.length <= 2 ** 16 ? new Uint16Array(this.#size) : new Uint32Array(this.#size)
    for (let at = 0; at < this.#size; at++) sequence[at] = rankOf[this.#sequence[at] as number] as number
    return { terms: order.map((id) => terms[id]).join('\n'), lengths: Uint32Array.from(this.#lengths), sequence }
  }

  #idOf(token: string): number {
    const known = this.#ids.get(token)
    if (known !== undefined) return known
    const id = this.#terms.push(token) - 1
    this.#ids.set(token, id)
    return id
  }

  #reserve(tokens: number): void {
    if (this.#size + tokens <= this.#sequence.length) return
    const grown = new Uint32Array(Math.max(this.#size + tokens, this.#sequence.length * 2))
    grown.set(this.#sequence.subarray(0, this.#size))
    this.#sequence = grown
  }
}

function splitTerms(terms: string): string[] {
  return terms === '' ? [] : terms.split('\n')
}
