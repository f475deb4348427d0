/** What a scanner says of a character. */
export type ScanVerdict =
  /** Part of the call. */
  | 'call'
  /** The first character of another call: the one before it is complete. */
  | 'next-call'
  /** Not part of any call: the one before it is complete and this is text. */
  | 'text'

/** One call as it was read from its text. */
export interface ReadCall {
  /** Empty where none could be read. */
  readonly name: string
  /** What could not be read is the text itself: an input error for whoever checks it. */
  readonly input: unknown
}

/** Follows a call's text character by character, to know where it ends and whether a tag stands inside a string of it. */
export interface CallScanner {
  /** The call's text so far. Reading it copies it: only its length is free. */
  readonly text: string
  /** The tool's name, once it was read. */
  readonly name: string | undefined
  /** Whether this is a call at all; undefined while it may be one. Asked where no tag has said so. */
  readonly isCall: boolean | undefined
  /** Whether the text could end here. */
  readonly isComplete: boolean
  /** Whether a run of characters that are neither quotation marks, backslashes nor tags may be given to `takeInside`. */
  readonly inString: boolean
  /** Takes one character, unless the verdict is that it belongs to something else. */
  take(character: string): ScanVerdict
  takeInside(run: string): void
  /** Whether a tag that begins here stands outside of strings. */
  atTag(): boolean
  /** Takes the tag between a name and its arguments; false where none is expected. */
  separate(): boolean
  /** What was read of the arguments' JSON since the last time; always empty where they are not written in JSON. */
  takeArguments(): string
}

/**
 * Follows a string in quotation marks. A mark closes it only when structure follows, so unescaped ones inside do not mislead.
 */
export class QuoteFollower {
  /** The mark that opened the string; empty outside of strings. */
  quote = ''
  /** Whether what may be the closing mark was read, and nothing but white space after it. */
  isClosing = false
  #escaped = false
  readonly #followers: string

  /** @param followers characters that may come after a string */
  constructor(followers: string) {
    this.#followers = followers
  }

  get isPlain(): boolean {
    return this.quote !== '' && !this.isClosing && !this.#escaped
  }

  open(quote: string): void {
    this.quote = quote
  }

  close(): void {
    this.quote = ''
    this.isClosing = false
  }

  /** Takes a character while a string is open: whether it is part of the string. White space after a closing mark counts as part. */
  take(character: string): boolean {
    if (this.isClosing) {
      if (isSpace(character)) return true
      if (this.#followers.includes(character)) {
        this.close()
        return false
      }
      this.isClosing = false
    }
    if (this.#escaped) this.#escaped = false
    else if (character === '\\') this.#escaped = true
    else if (character === this.quote) this.isClosing = true
    return true
  }
}

/** Whether a character is white space of JSON or Python. */
export function isSpace(character: string): boolean {
  return character === ' ' || character === '\n' || character === '\t' || character === '\r' || character === '\u00a0'
}
