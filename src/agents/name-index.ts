import { stem } from '../text/terms.js'

/** The names of a text, as they can be looked up. */
export interface NameIndex {
  /** Whether a name is there. */
  hasName(name: string): boolean
  /** Whether some form of a word is there in small letters. */
  hasOrdinary(word: string): boolean
}

/** Words that may stand between those of a name: middle names. */
const maxBetween = 2

/**
 * A name is there when its words stand there in its order (up to two more between them: middle names and initials; `J. Smith` for `John Smith`),
 * or side by side in another order (`Lovelace, Ada`), or as the first letters of capitalised words (`US`). Words of two people do not
 * make a third one. Titles before a name, and ordinary words in it, may stand elsewhere.
 */
export function indexNames(source: string): NameIndex {
  const words = nameWords(source)
  const places = new Map<string, number[]>()
  for (const [at, word] of words.entries()) places.set(word, [...(places.get(word) ?? []), at])
  const ordinary = new Set((source.match(/(?<!\p{L})\p{Ll}[\p{L}’']*/gu) ?? []).map((word) => stem(word)))
  const acronyms = new Set<string>()
  for (const [run] of source.matchAll(/\p{Lu}[\p{L}\p{M}]+(?:(?: (?:of|the|and|for))* \p{Lu}[\p{L}\p{M}]+)+/gu)) {
    acronyms.add((run.match(/\p{Lu}(?=[\p{L}\p{M}]+)/gu) ?? []).join('').toLowerCase())
  }
  const isOrdinary = (word: string): boolean => ordinary.has(stem(word))
  const startsOf = (word: string): readonly number[] => {
    if ([...word].length > 1) return places.get(word) ?? []
    return words.flatMap((other, at) => (other.startsWith(word) ? [at] : []))
  }
  const standsInOrder = (name: readonly string[]): boolean =>
    startsOf(name[0] ?? '').some((start) => {
      let at = start
      return name.slice(1).every((word) => {
        const next = startsOf(word).find((place) => place > at && place <= at + 1 + maxBetween)
        at = next ?? at
        return next !== undefined
      })
    })
  const standsTurned = (name: readonly string[]): boolean => {
    const sorted = [...name].sort().join(' ')
    return name.some((word) =>
      (places.get(word) ?? []).some(
        (at) =>
          words
            .slice(at, at + name.length)
            .sort()
            .join(' ') === sorted,
      ),
    )
  }
  const stands = (name: readonly string[]): boolean => standsInOrder(name) || standsTurned(name)
  return {
    hasOrdinary: (word) => isOrdinary(word.toLowerCase()),
    hasName(text) {
      const name = nameWords(text)
      if (name.length === 0 || stands(name)) return true
      const letters = name.join('')
      if (/^[\p{Lu}.]+$/u.test(text) && letters.length > 1 && acronyms.has(letters)) return true
      // `President Obama`, where the text has the one in small letters and the other by name.
      const proper = name.filter((word) => !isOrdinary(word))
      return proper.length < name.length && name.every((word) => places.has(word)) && stands(proper)
    },
  }
}

/** Words in small letters, without accents and possessives; initials one by one. */
function nameWords(text: string): string[] {
  const plain = text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase()
  return (plain.match(/[\p{L}\p{N}]+(?:['’&][\p{L}\p{N}]+)*/gu) ?? []).map((word) => word.replace(/['’]s$/, ''))
}
