/** What the scanner says of a character. */
export type ScanVerdict =
  /** Part of the call. */
  | 'call'
  /** Outside of strings: a tag here would end the call. */
  | 'open'
  /** The first character of another object: the call before it is complete. */
  | 'next-call'
  /** Not JSON any more: the call before it is complete and this is text. */
  | 'text'

/** Longest key or tool name that is looked at. */
const MAX_WORD = 200
const ARGUMENT_KEYS = new Set(['arguments', 'parameters', 'args', 'input'])

/**
 * Follows JSON (also damaged JSON) character by character, to know whether a tag stands inside a string, where the object ends, and where the
 * name and the arguments are. A quotation mark closes a string only when structure follows it, so unescaped ones inside do not mislead.
 */
export class JsonCallScanner {
  /** The call's text so far. Reading it copies it: only its length is free. */
  text = ''
  /** The tool's name, once it was read. */
  name: string | undefined

  #depth = 0
  #complete = false
  #quote = ''
  #escaped = false
  #closing = false
  #previous = ''
  /** The string or bare word at depth 1 that is being read, as far as a key or name can be long. */
  #word = ''
  #key = ''
  #arguments: 'before' | 'inside' | 'after' = 'before'
  #newArguments = ''

  /** What was read of the arguments since the last time. */
  takeArguments(): string {
    const text = this.#newArguments
    this.#newArguments = ''
    return text
  }

  /** Takes one character, unless the verdict is that it belongs to something else. */
  take(character: string): ScanVerdict {
    if (this.#closing && !this.#decideClosing(character)) return this.#append(character, 'call')
    if (this.#quote !== '') {
      this.#inside(character)
      return this.#append(character, 'call')
    }
    const verdict = this.#outside(character)
    return verdict === 'next-call' || verdict === 'text' ? verdict : this.#append(character, verdict)
  }

  /** Whether a tag that begins here, outside of strings, would end the call. */
  atTag(): boolean {
    if (this.#closing) this.#closeString()
    return this.#quote === ''
  }

  #append(character: string, verdict: ScanVerdict): ScanVerdict {
    this.text += character
    if (this.#arguments === 'inside') this.#newArguments += character
    return verdict
  }

  /** After a quotation mark: false while that is open, or when the mark was part of the string. */
  #decideClosing(character: string): boolean {
    if (/\s/.test(character)) return false
    if (',:}]`<'.includes(character)) {
      this.#closeString()
      return true
    }
    this.#closing = false
    this.#inside(character)
    return false
  }

  #closeString(): void {
    this.#quote = ''
    this.#closing = false
    this.#previous = '"'
    if (this.#depth === 1 && this.#key === 'name') this.name ??= unescapeWord(this.#word)
  }

  #inside(character: string): void {
    if (this.#escaped) this.#escaped = false
    else if (character === '\\') this.#escaped = true
    else if (character === this.#quote) this.#closing = true
    if (!this.#closing) this.#keepWord(character)
  }

  #outside(character: string): ScanVerdict {
    if (/\s/.test(character)) return 'open'
    if (this.#complete && this.#depth === 0) {
      if (character === '{' && this.#previous !== ':') return 'next-call'
      if (!'}]`;,"\':{<'.includes(character) && this.#previous !== ':') return 'text'
    }
    if ((this.#depth > 0 || this.#complete) && this.#opensString(character)) {
      this.#startValue()
      this.#quote = character
      this.#word = ''
      return 'call'
    }
    this.#structure(character)
    this.#previous = character
    return 'open'
  }

  #opensString(character: string): boolean {
    return character === '"' || (character === "'" && '{[,:'.includes(this.#previous))
  }

  #structure(character: string): void {
    if (character === '{' || character === '[') {
      this.#startValue()
      this.#depth++
    } else if (character === '}' || character === ']') {
      this.#endValue()
      this.#depth = Math.max(0, this.#depth - 1)
      if (this.#depth === 0) this.#complete = true
    } else if (character === ':') {
      if (this.#depth === 1) this.#key = this.#word
    } else if (character === ',') {
      this.#endValue()
      if (this.#depth === 1) this.#key = ''
    } else {
      this.#startValue()
      if (/[{,]/.test(this.#previous)) this.#word = ''
      this.#keepWord(character)
    }
  }

  #keepWord(character: string): void {
    if (this.#depth === 1 && this.#word.length < MAX_WORD) this.#word += character
  }

  #startValue(): void {
    if (this.#arguments !== 'before' || this.#depth !== 1 || this.#previous !== ':') return
    if (ARGUMENT_KEYS.has(this.#key)) this.#arguments = 'inside'
  }

  /** At the comma or bracket after a value: is it the arguments' one? */
  #endValue(): void {
    if (this.#depth === 1 && this.#arguments === 'inside') this.#arguments = 'after'
  }
}

function unescapeWord(word: string): string {
  if (!word.includes('\\')) return word
  try {
    return String(JSON.parse(`"${word}"`))
  } catch {
    return word
  }
}
