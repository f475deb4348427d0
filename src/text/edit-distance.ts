/** Letters to change, add or leave out to make one text of the other (Levenshtein), row by row as in Wagner and Fischer, 1974. */
export function editDistance(first: string, second: string): number {
  let row = Array.from({ length: second.length + 1 }, (_, at) => at)
  for (let at = 1; at <= first.length; at++) {
    const next = [at]
    for (let other = 1; other <= second.length; other++) {
      const substitute = (row[other - 1] ?? 0) + (first[at - 1] === second[other - 1] ? 0 : 1)
      next.push(Math.min(substitute, (row[other] ?? 0) + 1, (next[other - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[second.length] ?? 0
}
