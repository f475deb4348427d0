/** Turns tokens into text as they come. */
export interface Detokenizer {
  /** The text that is certain after this token: never half a character. */
  push(token: number): string
  /** What is still open at the end, without an unfinished character. */
  flush(): string
}

export interface DetokenizerOptions {
  /** Text of a list of tokens, special tokens left out. */
  decode(tokens: readonly number[]): string
  /** The last tokens of the prompt: some tokenizers write a word's space only where something stands before it. */
  readonly context?: readonly number[] | undefined
}

/** What a decoder writes for bytes that are no character (yet). */
const REPLACEMENT = '\uFFFD'
const MAX_CONTEXT_TOKENS = 5
/** A character has at most four bytes, so at most four tokens: what is open for longer will not become one. */
const MAX_OPEN_TOKENS = 8

/**
 * A detokenizer that decodes only the last few tokens each time: the text of a window with the new tokens, less the text
 * of the same window without them (the method of text-generation-inference).
 */
export function createDetokenizer({ decode, context = [] }: DetokenizerOptions): Detokenizer {
  const tokens = context.slice(-MAX_CONTEXT_TOKENS)
  let windowStart = 0
  let shownEnd = tokens.length
  const textOf = (end: number) => (end > windowStart ? decode(tokens.slice(windowStart, end)) : '')

  const advance = (isLast: boolean): string => {
    const before = textOf(shownEnd)
    const after = textOf(tokens.length)
    const isOpen = after.endsWith(REPLACEMENT)
    if (isOpen && !isLast && tokens.length - shownEnd < MAX_OPEN_TOKENS) return ''
    const text = after.slice(before.length)
    windowStart = shownEnd
    shownEnd = tokens.length
    return isOpen ? text.replace(/\uFFFD+$/, '') : text
  }

  return {
    push(token) {
      tokens.push(token)
      return advance(false)
    },
    flush: () => (shownEnd < tokens.length ? advance(true) : ''),
  }
}
