/** BM25's two parameters. */
export interface Bm25Parameters {
  /** How soon further occurrences stop counting. */
  readonly k: number
  /** How much long passages are marked down, from 0 to 1. */
  readonly b: number
}

const maxCount = 255
const initialCapacity = 4

/** Where a token stands: `document << 8 | occurrences`, documents ascending. `live` leaves out the removed ones. */
interface PostingList {
  entries: Uint32Array
  size: number
  live: number
}

/**
 * Postings of one field with BM25 scores. Documents are numbers from 1 to 2^24 that are never used twice; they may come in any order, and
 * ascending is fast. Removing only marks a document dead (its statistics go at once, so scores are those of an index without it); the
 * dead are cleared out when they outnumber the living.
 */
export class Postings {
  #lists = new Map<string, PostingList>()
  #lengths = new Uint32Array(1024)
  #totalLength = 0
  #documents = 0
  #dead = 0

  /** Living documents. */
  get size(): number {
    return this.#documents
  }

  /** Number of living documents that have a token. */
  documentFrequency(token: string): number {
    return this.#lists.get(token)?.live ?? 0
  }

  /** Tokens of living documents that match, at most `limit`, the most frequent first. Looks at every token. */
  tokensWhere(matches: (token: string) => boolean, limit: number): string[] {
    const found: string[] = []
    for (const [token, list] of this.#lists) {
      if (list.live > 0 && matches(token)) found.push(token)
    }
    return found.sort((a, b) => this.documentFrequency(b) - this.documentFrequency(a)).slice(0, limit)
  }

  add(document: number, tokens: readonly string[]): void {
    if (document >= this.#lengths.length) this.#growLengths(document)
    // A length of 0 means dead, so a passage without any token of this field is not kept.
    if (tokens.length === 0) return
    this.#lengths[document] = tokens.length
    this.#totalLength += tokens.length
    this.#documents++
    for (const token of tokens) this.#append(token, document)
  }

  remove(document: number, tokens: readonly string[]): void {
    if ((this.#lengths[document] ?? 0) === 0) return
    this.#totalLength -= this.#lengths[document] ?? 0
    this.#lengths[document] = 0
    this.#documents--
    this.#dead++
    for (const token of new Set(tokens)) {
      const list = this.#lists.get(token)
      if (list !== undefined) list.live--
    }
    if (this.#dead > 1024 && this.#dead > this.#documents) this.#compact()
  }

  /**
   * Adds `weight` × BM25 to `scores` (index is the document) for each living document that has one of `tokens`. They count as one term,
   * as frequent as the most frequent of them: spellings of one query word. BM25 as in Robertson and Zaragoza 2009, with Lucene's
   * inverse document frequency, which is never negative.
   */
  score(tokens: readonly string[], weight: number, parameters: Bm25Parameters, scores: Float32Array): void {
    const lists = tokens.map((token) => this.#lists.get(token)).filter((list) => list !== undefined && list.live > 0)
    if (lists.length === 0) return
    const frequency = lists.reduce((most, list) => Math.max(most, list?.live ?? 0), 0)
    const inverseFrequency = Math.log(1 + (this.#documents - frequency + 0.5) / (frequency + 0.5))
    const { k, b } = parameters
    const base = k * (1 - b)
    const slope = (k * b * this.#documents) / Math.max(this.#totalLength, 1)
    const factor = weight * inverseFrequency * (k + 1)
    const lengths = this.#lengths
    for (const list of lists) {
      if (list === undefined) continue
      const { entries, size } = list
      for (let index = 0; index < size; index++) {
        const entry = entries[index] as number
        const document = entry >>> 8
        const length = lengths[document] as number
        if (length === 0) continue
        const count = entry & maxCount
        scores[document] = (scores[document] as number) + (factor * count) / (count + base + slope * length)
      }
    }
  }

  #append(token: string, document: number): void {
    let list = this.#lists.get(token)
    if (list === undefined) {
      list = { entries: new Uint32Array(initialCapacity), size: 0, live: 0 }
      this.#lists.set(token, list)
    }
    const last = list.size === 0 ? 0 : (list.entries[list.size - 1] as number)
    if (list.size > 0 && last >>> 8 === document) {
      if ((last & maxCount) < maxCount) list.entries[list.size - 1] = last + 1
      return
    }
    if (list.size === list.entries.length) {
      const grown = new Uint32Array(list.size * 2)
      grown.set(list.entries)
      list.entries = grown
    }
    list.entries[list.size++] = ((document << 8) | 1) >>> 0
    list.live++
  }

  #growLengths(document: number): void {
    const grown = new Uint32Array(Math.max(document + 1, this.#lengths.length * 2))
    grown.set(this.#lengths)
    this.#lengths = grown
  }

  #compact(): void {
    for (const [token, list] of this.#lists) {
      let kept = 0
      for (let index = 0; index < list.size; index++) {
        const entry = list.entries[index] as number
        if (this.#lengths[entry >>> 8] !== 0) list.entries[kept++] = entry
      }
      list.size = kept
      if (kept === 0) this.#lists.delete(token)
    }
    this.#dead = 0
  }
}
