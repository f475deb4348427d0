// How much of an expected text a parser gives, and in what order.

/** Words of a text: letters and digits, in one form. */
export const wordsOf = (text: string): string[] =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu) ?? []

export interface Recall {
  /** Share of the expected words that are there. */
  readonly words: number
  /** Share of those that are in order: the longest common subsequence. */
  readonly order: number
}

/** Words compared at most: the time grows with their square. */
const MOST_WORDS = 12_000

/** Length of the longest common subsequence, in two rows of the usual table. */
function commonLength(a: readonly string[], b: readonly string[]): number {
  const ids = new Map<string, number>()
  const number = (word: string): number => {
    if (!ids.has(word)) ids.set(word, ids.size)
    return ids.get(word) ?? 0
  }
  const [left, right] = [Int32Array.from(a, number), Int32Array.from(b, number)]
  let above = new Int32Array(right.length + 1)
  let row = new Int32Array(right.length + 1)
  for (const word of left) {
    for (let index = 0; index < right.length; index++) {
      row[index + 1] =
        right[index] === word ? (above[index] ?? 0) + 1 : Math.max(above[index + 1] ?? 0, row[index] ?? 0)
    }
    ;[above, row] = [row, above]
  }
  return above[right.length] ?? 0
}

export function recallOf(expected: string, got: string): Recall {
  const wanted = wordsOf(expected)
  const given = wordsOf(got)
  const left = new Map<string, number>()
  for (const word of given) left.set(word, (left.get(word) ?? 0) + 1)
  let found = 0
  for (const word of wanted) {
    const count = left.get(word) ?? 0
    if (count > 0) found++
    left.set(word, count - 1)
  }
  const [some, others] = [wanted.slice(0, MOST_WORDS), given.slice(0, MOST_WORDS * 1.5)]
  const whole = wanted.length <= MOST_WORDS
  const common = commonLength(some, others)
  return { words: found / Math.max(1, wanted.length), order: common / Math.max(1, whole ? found : some.length) }
}
