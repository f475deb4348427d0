const isNumber = (cell: string): boolean => /^[\s(]*[-+]?[\p{Sc}]?[\d.,'\s]*\d[\s)%\p{Sc}]*$/u.test(cell)

/** Whether a first row names columns: all of it words, none twice. */
export function looksLikeHeader(cells: readonly string[]): boolean {
  const names = cells.map((cell) => cell.trim()).filter((cell) => cell !== '')
  return (
    names.length >= Math.max(1, cells.length * 0.5) &&
    names.every((name) => name.length <= 120 && !isNumber(name)) &&
    new Set(names).size === names.length
  )
}
