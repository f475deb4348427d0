import type { Span } from '../protocol/corpus.js'

/** Characters that writers and converters exchange freely, and what they are compared as. */
const EQUAL: Readonly<Record<string, string>> = {
  '“': '"',
  '”': '"',
  '„': '"',
  '«': '"',
  '»': '"',
  '‘': "'",
  '’': "'",
  '‚': "'",
  '′': "'",
  '‐': '-',
  '‑': '-',
  '‒': '-',
  '–': '-',
  '—': '-',
  '−': '-',
  ﬀ: 'ff',
  ﬁ: 'fi',
  ﬂ: 'fl',
  ﬃ: 'ffi',
  ﬄ: 'ffl',
  ﬅ: 'st',
  ﬆ: 'st',
  '…': '...',
  '\u00ad': '',
  '\u200b': '',
  '\u200c': '',
  '\u200d': '',
  '\ufeff': '',
}

/** A text as it is compared, with the place in the original for each of its characters. */
interface Comparable {
  readonly text: string
  readonly starts: readonly number[]
  readonly ends: readonly number[]
}

/**
 * Looks for a quote in a text: first character for character, then with white space, quotation marks, dashes, ligatures and invisible
 * characters taken as equal.
 *
 * @returns the span in the original text, in UTF-16 code units, or undefined when it is not there (or the quote is blank)
 */
export function findQuote(quote: string, text: string): Span | undefined {
  const exact = quote.trim()
  const needle = comparable(exact)
  if (needle.text === '') return undefined
  const at = text.indexOf(exact)
  if (at >= 0) return [at, at + exact.length]
  const haystack = comparable(text)
  const found = haystack.text.indexOf(needle.text)
  if (found < 0) return undefined
  const start = haystack.starts[found]
  const end = haystack.ends[found + needle.text.length - 1]
  return start === undefined || end === undefined ? undefined : [start, end]
}

function comparable(text: string): Comparable {
  const characters: string[] = []
  const starts: number[] = []
  const ends: number[] = []
  let blank = true
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? ''
    if (/\s/.test(character)) {
      if (!blank) push(' ', at)
      blank = true
      continue
    }
    const equal = EQUAL[character] ?? character
    for (const one of equal) push(one, at)
    if (equal !== '') blank = false
  }
  if (characters.at(-1) === ' ') {
    characters.pop()
    starts.pop()
    ends.pop()
  }
  return { text: characters.join(''), starts, ends }

  function push(one: string, at: number): void {
    for (let unit = 0; unit < one.length; unit++) {
      characters.push(one[unit] ?? '')
      starts.push(at)
      ends.push(at + 1)
    }
  }
}
