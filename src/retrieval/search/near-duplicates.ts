/** Words in a shingle. */
const shingleLength = 4
/** Shingles, the smallest by hash, under which a text is looked for. */
const sketchSize = 8
/** Share of all shingles of two texts that they have in common from which on they are taken as the same. */
const minResemblance = 0.9
/** Shorter texts, in words, are the same only when their words are. */
const minWords = 24

/** Finds texts that were there before. */
export interface DuplicateFilter {
  /** Whether a text says what an earlier one said, in the same words; it is remembered when not. */
  isRepeated(text: string): boolean
}

interface Known {
  readonly shingles: ReadonlySet<number>
  readonly figures: string
}

/**
 * Texts are the same when they differ in case, white space and punctuation only, or when nine in ten of their shingles are the same
 * (resemblance; Broder 1997) and all their figures are: two invoices that differ in a number are not the same.
 */
export function createDuplicateFilter(): DuplicateFilter {
  const exact = new Set<string>()
  const bySketch = new Map<number, Known[]>()

  return {
    isRepeated(text) {
      const words = wordsOf(text)
      const plain = words.join(' ')
      if (plain === '' ? exact.has(text) : exact.has(plain)) return true
      exact.add(plain === '' ? text : plain)
      if (words.length < minWords) return false
      const known: Known = {
        shingles: shinglesOf(words),
        figures: words.filter((word) => /\p{N}/u.test(word)).join(' '),
      }
      const sketch = [...known.shingles].sort((a, b) => a - b).slice(0, sketchSize)
      const candidates = new Set(sketch.flatMap((hash) => bySketch.get(hash) ?? []))
      for (const other of candidates) {
        if (other.figures === known.figures && resemblance(other.shingles, known.shingles) >= minResemblance)
          return true
      }
      for (const hash of sketch) bySketch.set(hash, [...(bySketch.get(hash) ?? []), known])
      return false
    },
  }
}

/** Words in lower case; characters of scripts without spaces one by one. */
function wordsOf(text: string): string[] {
  const plain = text.normalize('NFKC').toLowerCase()
  return plain.match(/[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}]|[\p{L}\p{M}\p{N}]+(?:[.,]\p{N}+)*/gu) ?? []
}

function shinglesOf(words: readonly string[]): Set<number> {
  const shingles = new Set<number>()
  for (let at = 0; at + shingleLength <= words.length; at++) {
    // FNV-1a over the words.
    let hash = 2166136261
    for (let place = at; place < at + shingleLength; place++) {
      const word = words[place] as string
      for (let unit = 0; unit < word.length; unit++) hash = Math.imul(hash ^ word.charCodeAt(unit), 16777619)
      hash = Math.imul(hash ^ 32, 16777619)
    }
    shingles.add(hash >>> 0)
  }
  return shingles
}

/** Share of the shingles of either text that both have. */
function resemblance(first: ReadonlySet<number>, second: ReadonlySet<number>): number {
  let common = 0
  for (const shingle of first) if (second.has(shingle)) common++
  return common / (first.size + second.size - common)
}
