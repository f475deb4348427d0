import { fieldCount } from './segment.js'

/** Numbers that BM25 needs of one field, of the passages that are there. A length of 0 is a passage without that field, or none. */
export interface FieldStatistics {
  /** Tokens by passage number. */
  lengths: Uint32Array
  totalLength: number
  passages: number
}

/** What is counted over all segments. */
export class IndexStatistics {
  readonly fields: readonly FieldStatistics[] = Array.from({ length: fieldCount }, () => ({
    lengths: new Uint32Array(1024),
    totalLength: 0,
    passages: 0,
  }))

  add(field: number, passage: number, length: number): void {
    const statistics = this.fields[field] as FieldStatistics
    if (passage >= statistics.lengths.length) {
      const grown = new Uint32Array(Math.max(passage + 1, statistics.lengths.length * 2))
      grown.set(statistics.lengths)
      statistics.lengths = grown
    }
    if (length === 0) return
    statistics.lengths[passage] = length
    statistics.totalLength += length
    statistics.passages++
  }

  remove(passage: number): void {
    for (const statistics of this.fields) {
      const length = statistics.lengths[passage] ?? 0
      if (length === 0) continue
      statistics.lengths[passage] = 0
      statistics.totalLength -= length
      statistics.passages--
    }
  }
}
