// The kernels of wasm/vector-kernels.ts in plain JavaScript, step for step, so that the same floats come out.

/** Multiplications and additions of whole numbers below 2^31 are exact in a double, in whichever order. */
function dot(codes: Int8Array, at: number, query: Int16Array, from: number, stride: number): number {
  let even = 0
  let odd = 0
  for (let k = 0; k < stride; k += 2) {
    even += (codes[at + k] as number) * (query[from + k] as number)
    odd += (codes[at + k + 1] as number) * (query[from + k + 1] as number)
  }
  return even + odd
}

/** `VectorKernels.scan`. */
export function scanPlainly(
  buffer: ArrayBuffer,
  rows: number,
  count: number,
  stride: number,
  query: number,
  unit: number,
  floor: number,
  sums: number,
  found: number,
): number {
  const codes = new Int8Array(buffer)
  const halves = new Int16Array(buffer)
  const floats = new Float32Array(buffer, 0, Math.floor(buffer.byteLength / 4))
  const words = new Int32Array(buffer, 0, Math.floor(buffer.byteLength / 4))
  const totals = new Float64Array(buffer, sums, 2)
  const single = Math.fround(unit)
  const least = Math.fround(floor)
  let sum = 0
  let squares = 0
  let place = found / 4
  for (let row = 0, at = rows; row < count; row++, at += stride + 4) {
    const product = Math.fround(dot(codes, at, halves, query / 2, stride))
    const score = Math.fround(Math.fround(product * (floats[(at + stride) / 4] as number)) * single)
    sum += score
    squares += score * score
    if (score < least) continue
    words[place] = row
    floats[place + 1] = score
    place += 2
  }
  totals[0] = (totals[0] as number) + sum
  totals[1] = (totals[1] as number) + squares
  return (place - found / 4) / 2
}

/** `VectorKernels.nearest`. */
export function nearestPlainly(
  buffer: ArrayBuffer,
  rows: number,
  count: number,
  stride: number,
  query: number,
): number {
  const codes = new Int8Array(buffer)
  const halves = new Int16Array(buffer)
  const floats = new Float32Array(buffer, 0, Math.floor(buffer.byteLength / 4))
  let best = -1
  let highest = Number.NEGATIVE_INFINITY
  for (let row = 0, at = rows; row < count; row++, at += stride + 4) {
    const product = Math.fround(dot(codes, at, halves, query / 2, stride))
    const score = Math.fround(product * (floats[(at + stride) / 4] as number))
    if (score <= highest) continue
    highest = score
    best = row
  }
  return best
}

/** Adding and subtracting this rounds a small double to a whole number, halves to the even side. */
const rounding = 6_755_399_441_055_744

/** `VectorKernels.encode`. */
export function encodePlainly(buffer: ArrayBuffer, source: number, count: number, stride: number, rows: number): void {
  const codes = new Int8Array(buffer)
  const floats = new Float32Array(buffer, 0, Math.floor(buffer.byteLength / 4))
  for (let row = 0, from = source / 4, to = rows; row < count; row++, from += stride, to += stride + 4) {
    let largest = 0
    for (let k = from; k < from + stride; k++) {
      const value = Math.abs(floats[k] as number)
      if (value > largest) largest = value
    }
    const factor = Math.fround(127 / largest)
    for (let k = 0; k < stride; k++) {
      codes[to + k] = Math.fround((floats[from + k] as number) * factor) + rounding - rounding
    }
    floats[(to + stride) / 4] = largest
  }
}
