import { editDistance } from '../text/edit-distance.js'

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
