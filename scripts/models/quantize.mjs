// @ts-check

/**
 * One scale for each row of `rows` × `columns` numbers, symmetric in -127…127.
 * @param {Float32Array} values @param {number} rows @param {number} columns
 */
export function quantizeRows(values, rows, columns) {
  const codes = new Int8Array(values.length)
  const scales = new Float32Array(rows)
  for (let row = 0; row < rows; row += 1) {
    const line = values.subarray(row * columns, (row + 1) * columns)
    let largest = 0
    for (const value of line) largest = Math.max(largest, Math.abs(value))
    const scale = Math.fround(largest / 127) || 1
    scales[row] = scale
    for (let column = 0; column < columns; column += 1)
      codes[row * columns + column] = Math.round(/** @type {number} */ (line[column]) / scale)
  }
  return { codes, scales }
}

/** @param {Int8Array} values row-major `rows` × `columns` @param {number} rows @param {number} columns */
export function transpose(values, rows, columns) {
  const result = new Int8Array(values.length)
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1)
      result[column * rows + row] = /** @type {number} */ (values[row * columns + column])
  }
  return result
}
