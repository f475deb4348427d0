/** The names that are most like one that does not exist, nearest first: at most three, none when nothing is near. */
export function nearestNames(name: string, names: readonly string[]): string[] {
  const wanted = plain(name)
  return names
    .map((known) => ({ known, distance: nameDistance(wanted, plain(known)) }))
    .filter(({ known, distance }) => distance <= Math.max(2, Math.floor(known.length / 3)))
    .sort((first, second) => first.distance - second.distance)
    .slice(0, 3)
    .map(({ known }) => known)
}

function plain(name: string): string {
  return name
    .slice(0, 128)
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '')
}

/** Edit distance, but 1 where one name contains the other. */
function nameDistance(first: string, second: string): number {
  const shorter = Math.min(first.length, second.length)
  if (shorter >= 3 && (first.includes(second) || second.includes(first))) return first === second ? 0 : 1
  return editDistance(first, second)
}

/** Levenshtein distance, two rows at a time (Wagner and Fischer, 1974). */
function editDistance(first: string, second: string): number {
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
