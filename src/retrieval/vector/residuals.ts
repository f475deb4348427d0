/** Rows that are kept together. */
const groupRows = 1024
/** Quarters of a step of the code, by the two bits of a residual. */
const quarters = Float64Array.of(-0.375, -0.125, 0.125, 0.375)
/** Bits of a row that is known by its codes alone: errors of an eighth of a step, in turn up and down. */
const neutralBits = 0b10_01_10_01

/** Stands at the beginning of a vector that is not known. */
const unknown = Number.NaN

/** What is known of neighbouring rows beside their codes: the vectors of length 1, or two bits for each number. */
type Group =
  | { readonly kind: 'exact'; readonly data: Float32Array }
  | { readonly kind: 'quarters'; readonly data: Uint8Array }

/** Codes of rows: what the residuals are the rest of. */
export interface RowCodes {
  readonly codes: Int8Array
  /** Where the codes of a row begin. */
  addressOf(row: number): number
  scaleOf(row: number): number
}

/**
 * What int8 codes leave out of each vector, for scoring the best rows again. The vectors themselves while they fit the budget; beyond it, those
 * of the oldest rows give way to the quarter of a code's step that each number is in, which makes the error of the codes four times smaller
 * for two bits a number.
 */
export class Residuals {
  readonly #rows: RowCodes
  readonly #dimensions: number
  /** Bytes that may be taken at this moment. */
  readonly #budgetBytes: () => number
  /** Bytes of a row of quarters. */
  readonly #quarterBytes: number
  readonly #groups: (Group | undefined)[] = []
  #bytes = 0
  /** Groups before this one are reduced to quarters, or not there. */
  #nextToReduce = 0

  constructor(rows: RowCodes, dimensions: number, budgetBytes: () => number) {
    this.#rows = rows
    this.#dimensions = dimensions
    this.#budgetBytes = budgetBytes
    this.#quarterBytes = Math.ceil(dimensions / 4)
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Keeps the vector of a row whose codes are there: the numbers from `at` on, of this length. */
  write(row: number, vectors: Float32Array, at: number, length: number): void {
    const { kind, data } = this.#provide(row)
    const factor = 1 / length
    if (kind === 'exact') {
      const start = (row % groupRows) * this.#dimensions
      for (let k = 0; k < this.#dimensions; k++) data[start + k] = (vectors[at + k] as number) * factor
    } else {
      this.#reduceRow(row, vectors, at, factor, data)
    }
  }

  /** For a row of which nothing but its codes is known. */
  clear(row: number): void {
    const group = this.#groups[Math.floor(row / groupRows)]
    if (group?.kind === 'exact') group.data[(row % groupRows) * this.#dimensions] = unknown
    if (group?.kind === 'quarters') this.#clearQuarters(row, group.data)
  }

  /** Keeps for a row what is known of another, whose codes it already has. */
  copy(from: number, to: number): void {
    const source = this.#groups[Math.floor(from / groupRows)]
    const exactStart = (from % groupRows) * this.#dimensions
    if (source === undefined || (source.kind === 'exact' && Number.isNaN(source.data[exactStart]))) {
      this.clear(to)
    } else if (source.kind === 'exact') {
      this.write(to, source.data, exactStart, 1)
    } else {
      this.#copyQuarters(source.data, (from % groupRows) * this.#quarterBytes, to)
    }
  }

  /** Dot product of a query with the vector of a row. */
  dot(row: number, query: Float32Array): number {
    const group = this.#groups[Math.floor(row / groupRows)]
    let sum = 0
    if (group?.kind === 'exact') {
      const start = (row % groupRows) * this.#dimensions
      for (let k = 0; k < this.#dimensions; k++) sum += (query[k] as number) * (group.data[start + k] as number)
      if (!Number.isNaN(sum)) return sum
      sum = 0
    }
    const { codes } = this.#rows
    const address = this.#rows.addressOf(row)
    const start = (row % groupRows) * this.#quarterBytes
    for (let k = 0; k < this.#dimensions; k++) {
      const rest = group?.kind === 'quarters' ? readQuarter(group.data, start, k) : 0
      sum += (query[k] as number) * ((codes[address + k] as number) + rest)
    }
    return sum * this.#rows.scaleOf(row)
  }

  /** The group of a row, made when there is none. */
  #provide(row: number): Group {
    const index = Math.floor(row / groupRows)
    const known = this.#groups[index]
    if (known !== undefined) return known
    const exactBytes = groupRows * this.#dimensions * 4
    const isOver = (): boolean => this.#bytes + exactBytes > this.#budgetBytes()
    while (isOver() && this.#nextToReduce < this.#groups.length) this.#reduceNext()
    const data = isOver() ? undefined : createVectors(groupRows, this.#dimensions)
    const group: Group = data
      ? { kind: 'exact', data }
      : { kind: 'quarters', data: new Uint8Array(groupRows * this.#quarterBytes).fill(neutralBits) }
    this.#groups[index] = group
    this.#bytes += group.data.byteLength
    return group
  }

  #reduceNext(): void {
    const index = this.#nextToReduce++
    const group = this.#groups[index]
    if (group?.kind !== 'exact') return
    const data = new Uint8Array(groupRows * this.#quarterBytes)
    for (let row = 0; row < groupRows; row++) {
      this.#reduceRow(index * groupRows + row, group.data, row * this.#dimensions, 1, data)
    }
    this.#groups[index] = { kind: 'quarters', data }
    this.#bytes += data.byteLength - group.data.byteLength
  }

  /** Sets a row of quarters to what `vectors`, from `at` on and times `factor`, has beside the row's codes. */
  #reduceRow(row: number, vectors: Float32Array, at: number, factor: number, data: Uint8Array): void {
    if (Number.isNaN(vectors[at])) {
      this.#clearQuarters(row, data)
      return
    }
    const { codes } = this.#rows
    const address = this.#rows.addressOf(row)
    const steps = factor / this.#rows.scaleOf(row)
    const start = (row % groupRows) * this.#quarterBytes
    for (let byte = 0; byte < this.#quarterBytes; byte++) {
      let bits = 0
      const most = Math.min(4, this.#dimensions - byte * 4)
      for (let pair = 0; pair < most; pair++) {
        const k = byte * 4 + pair
        const rest = (vectors[at + k] as number) * steps - (codes[address + k] as number)
        bits |= (rest < 0 ? (rest < -0.25 ? 0 : 1) : rest < 0.25 ? 2 : 3) << (pair * 2)
      }
      data[start + byte] = bits
    }
  }

  #clearQuarters(row: number, data: Uint8Array): void {
    const start = (row % groupRows) * this.#quarterBytes
    data.fill(neutralBits, start, start + this.#quarterBytes)
  }

  #copyQuarters(source: Uint8Array, start: number, to: number): void {
    const { kind, data } = this.#provide(to)
    if (kind === 'quarters') {
      data.set(source.subarray(start, start + this.#quarterBytes), (to % groupRows) * this.#quarterBytes)
      return
    }
    const { codes } = this.#rows
    const address = this.#rows.addressOf(to)
    const scale = this.#rows.scaleOf(to)
    const end = (to % groupRows) * this.#dimensions
    for (let k = 0; k < this.#dimensions; k++) {
      data[end + k] = ((codes[address + k] as number) + readQuarter(source, start, k)) * scale
    }
  }
}

function readQuarter(data: Uint8Array, start: number, k: number): number {
  return quarters[((data[start + (k >> 2)] as number) >> ((k & 3) * 2)) & 3] as number
}

/** Room for vectors none of which is known; undefined where the memory is not there. */
function createVectors(rows: number, dimensions: number): Float32Array | undefined {
  try {
    const data = new Float32Array(rows * dimensions)
    for (let at = 0; at < data.length; at += dimensions) data[at] = unknown
    return data
  } catch {
    return undefined
  }
}
