// The loops of the vector index (src/retrieval/vector), in AssemblyScript. `scripts/compile-kernels.mjs` makes
// src/retrieval/vector/kernel-binary.ts of it; src/retrieval/vector/plain-kernels.ts is the same in plain JavaScript.
// All pointers are byte addresses in the imported memory. A row is `stride` bytes of codes, a multiple of 32 and padded with zeros, and the
// row's scale, an f32.

/** Dot product of a row of int8 codes with a query of int16. The caller keeps `stride × 128 × |query|` below 2^31. */
function dot(codes: usize, query: usize, stride: i32): i32 {
  let even = i32x4.splat(0)
  let odd = i32x4.splat(0)
  const end = codes + <usize>stride
  while (codes < end) {
    even = i32x4.add(even, i32x4.dot_i16x8_s(v128.load_ext<i8>(codes), v128.load(query)))
    odd = i32x4.add(odd, i32x4.dot_i16x8_s(v128.load_ext<i8>(codes, 8), v128.load(query, 16)))
    even = i32x4.add(even, i32x4.dot_i16x8_s(v128.load_ext<i8>(codes, 16), v128.load(query, 32)))
    odd = i32x4.add(odd, i32x4.dot_i16x8_s(v128.load_ext<i8>(codes, 24), v128.load(query, 48)))
    codes += 32
    query += 64
  }
  const pairs = i32x4.add(even, odd)
  return (
    i32x4.extract_lane(pairs, 0) +
    i32x4.extract_lane(pairs, 1) +
    i32x4.extract_lane(pairs, 2) +
    i32x4.extract_lane(pairs, 3)
  )
}

/**
 * Scores `count` rows: dot × the row's scale × `unit`. Adds the scores and their squares to the two f64 at `sums`, and writes the rows that
 * reach `floor` to `found`, as pairs of i32 row and f32 score. Returns the number of pairs.
 */
export function scan(
  rows: usize,
  count: i32,
  stride: i32,
  query: usize,
  unit: f32,
  floor: f32,
  sums: usize,
  found: usize,
): i32 {
  const start = found
  let sum: f64 = 0
  let squares: f64 = 0
  for (let row = 0; row < count; row++) {
    const score = <f32>dot(rows, query, stride) * load<f32>(rows + <usize>stride) * unit
    sum += <f64>score
    squares += <f64>score * <f64>score
    if (score >= floor) {
      store<i32>(found, row)
      store<f32>(found, score, 4)
      found += 8
    }
    rows += <usize>stride + 4
  }
  store<f64>(sums, load<f64>(sums) + sum)
  store<f64>(sums, load<f64>(sums, 8) + squares, 8)
  return <i32>((found - start) >> 3)
}

/** The row with the highest dot × scale; of equal ones the first. -1 where there are no rows. */
export function nearest(rows: usize, count: i32, stride: i32, query: usize): i32 {
  let best = -1
  let highest: f32 = -Infinity
  for (let row = 0; row < count; row++) {
    const score = <f32>dot(rows, query, stride) * load<f32>(rows + <usize>stride)
    if (score > highest) {
      highest = score
      best = row
    }
    rows += <usize>stride + 4
  }
  return best
}

/**
 * Writes the int8 codes of `count` vectors of `stride` f32 each, padded with zeros, to `rows`: whole steps of the vector's largest number /
 * 127, halves to the even side. Where a row's scale goes it leaves that largest number.
 */
export function encode(source: usize, count: i32, stride: i32, rows: usize): void {
  for (let row = 0; row < count; row++) {
    let highest = f32x4.splat(0)
    for (let k = 0; k < stride; k += 4) {
      highest = f32x4.max(highest, f32x4.abs(v128.load(source + ((<usize>k) << 2))))
    }
    const largest = max(
      max(f32x4.extract_lane(highest, 0), f32x4.extract_lane(highest, 1)),
      max(f32x4.extract_lane(highest, 2), f32x4.extract_lane(highest, 3)),
    )
    const factor = f32x4.splat(<f32>127 / largest)
    for (let k = 0; k < stride; k += 8) {
      const low = f32x4.nearest(f32x4.mul(v128.load(source), factor))
      const high = f32x4.nearest(f32x4.mul(v128.load(source, 16), factor))
      const halves = i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(low), i32x4.trunc_sat_f32x4_s(high))
      v128.store64_lane(rows, i8x16.narrow_i16x8_s(halves, halves), 0)
      source += 32
      rows += 8
    }
    store<f32>(rows, largest)
    rows += 4
  }
}
