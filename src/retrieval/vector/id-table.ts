/** Marks a place where nothing is. */
const empty = 0xffff_ffff

/** Of the places, at most this share is taken. */
const mostTaken = 0.75
const growth = 1.125

/**
 * Where each id is: a hash table of rows with open addressing, which asks for the id of a row where that is kept. Four bytes a place. It grows
 * in small steps, as a large index has little memory to spare.
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
    const before = this.#rows
    if (count <= before.length * mostTaken) return
    const capacity = Math.ceil(Math.max(count / mostTaken, before.length * growth))
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
    // Those behind it move up where that is on their way, so that no search stops at the hole (Knuth 6.4, algorithm R).
    for (let at = this.#after(hole); this.#rows[at] !== empty; at = this.#after(at)) {
      const home = this.#homeOf(this.#idOf(this.#rows[at] as number))
      if (this.#distance(home, at) < this.#distance(hole, at)) continue
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
    return Math.floor(((mixed ^ (mixed >>> 15)) >>> 0) * (this.#rows.length / 2 ** 32))
  }

  #after(place: number): number {
    return place + 1 === this.#rows.length ? 0 : place + 1
  }

  /** Steps from one place on to another. */
  #distance(from: number, to: number): number {
    return to >= from ? to - from : to - from + this.#rows.length
  }

  /** The place of an id, or the empty one where it would go. */
  #find(id: number): number {
    let at = this.#homeOf(id)
    for (;;) {
      const row = this.#rows[at] as number
      if (row === empty || this.#idOf(row) === id) return at
      at = this.#after(at)
    }
  }
}
