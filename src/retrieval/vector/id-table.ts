/** Marks a place where nothing is. */
const empty = 0xffff_ffff

/**
 * Where each id is: a hash table of rows with open addressing, which asks for the id of a row where that is kept. Four bytes a place; at
 * most three places of five are taken.
 */
export class IdTable {
  /** The id of a row. */
  readonly #idOf: (row: number) => number
  #rows = new Uint32Array(64).fill(empty)
  #size = 0

  constructor(idOf: (row: number) => number) {
    this.#idOf = idOf
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#rows.byteLength
  }

  /** The row of an id; -1 when there is none. */
  get(id: number): number {
    const row = this.#rows[this.#find(id)] as number
    return row === empty ? -1 : row
  }

  /** Makes room for this many ids. */
  reserve(count: number): void {
    let capacity = this.#rows.length
    while (count > capacity * 0.6) capacity *= 2
    if (capacity === this.#rows.length) return
    const before = this.#rows
    this.#rows = new Uint32Array(capacity).fill(empty)
    for (const row of before) if (row !== empty) this.#rows[this.#find(this.#idOf(row))] = row
  }

  /** Sets the row of an id. The row's id must be readable from then on. */
  set(id: number, row: number): void {
    const place = this.#find(id)
    if (this.#rows[place] !== empty) {
      this.#rows[place] = row
      return
    }
    this.#rows[place] = row
    this.#size++
    this.reserve(this.#size)
  }

  /** Forgets an id, whose row must still be readable. */
  delete(id: number): void {
    let hole = this.#find(id)
    if (this.#rows[hole] === empty) return
    this.#size--
    const mask = this.#rows.length - 1
    // Those behind it move up where that is on their way, so that no search stops at the hole (Knuth 6.4, algorithm R).
    for (let at = (hole + 1) & mask; this.#rows[at] !== empty; at = (at + 1) & mask) {
      const home = this.#homeOf(this.#idOf(this.#rows[at] as number))
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      this.#rows[hole] = this.#rows[at] as number
      hole = at
    }
    this.#rows[hole] = empty
  }

  clear(): void {
    this.#rows = new Uint32Array(64).fill(empty)
    this.#size = 0
  }

  #homeOf(id: number): number {
    const mixed = Math.imul(id ^ (id >>> 16), 0x9e3779b1)
    return (mixed ^ (mixed >>> 15)) & (this.#rows.length - 1)
  }

  /** The place of an id, or the empty one where it would go. */
  #find(id: number): number {
    const mask = this.#rows.length - 1
    let at = this.#homeOf(id)
    for (;;) {
      const row = this.#rows[at] as number
      if (row === empty || this.#idOf(row) === id) return at
      at = (at + 1) & mask
    }
  }
}
