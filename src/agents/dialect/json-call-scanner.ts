import { type CallScanner, isSpace, QuoteFollower, type ScanVerdict } from './call-scanner.js'

/** Longest key or tool name that is looked at. */
const MAX_WORD = 200

/** Keys that hold a call's arguments, and those that hold its name. */
export const ARGUMENT_KEYS: readonly string[] = ['arguments', 'parameters', 'args', 'input', 'action_input']
export const NAME_KEYS: readonly string[] = ['name', 'function', 'tool', 'tool_name', 'action']
const KEYS: readonly string[] = [...ARGUMENT_KEYS, ...NAME_KEYS, 'id', 'type']
/** What may follow a complete object without ending the call: left-over brackets, a fence, and what comes before another object. */
const AFTER = '}]`;,:{'

/**
 * Follows calls written as JSON objects with a name and arguments, one or several, also in a list, also damaged.
 * In `bare` form the object is the arguments alone.
 */
export class JsonCallScanner implements CallScanner {
  text = ''
  name: string | undefined
  isCall: boolean | undefined
  isComplete = false

  readonly #string = new QuoteFollower(',:}]`')
  readonly #isBare: boolean
  #depth = 0
  #inList = false
  #listEnded = false
  #previous = ''
  /** The string or bare word at depth 1 that is being read, as far as a key or name can be long. */
  #word = ''
  #key = ''
  #arguments: 'before' | 'inside' | 'after' = 'before'
  #newArguments = ''

  constructor({ isBare = false }: { readonly isBare?: boolean } = {}) {
    this.#isBare = isBare
  }

  get inString(): boolean {
    return this.#string.isPlain
  }

  takeArguments(): string {
    const text = this.#newArguments
    this.#newArguments = ''
    return text
  }

  takeInside(run: string): void {
    if (this.#depth === 1 && this.#word.length < MAX_WORD) this.#word += run.slice(0, MAX_WORD)
    this.#append(run)
  }

  take(character: string): ScanVerdict {
    const { quote } = this.#string
    if (quote !== '') {
      if (this.#string.take(character)) {
        if (!this.#string.isClosing) this.#keepWord(character)
        this.#append(character)
        return 'call'
      }
      this.#endString()
    }
    if (!isSpace(character)) {
      const verdict = this.#outside(character)
      if (verdict !== 'call') return verdict
    }
    this.#append(character)
    return 'call'
  }

  atTag(): boolean {
    if (this.#string.isClosing) {
      this.#string.close()
      this.#endString()
    }
    return this.#string.quote === ''
  }

  separate(): boolean {
    return false
  }

  #append(text: string): void {
    this.text += text
    if (this.#arguments === 'inside') this.#newArguments += text
  }

  #endString(): void {
    this.#previous = '"'
    if (this.#depth === 0 && this.#isBare) this.isComplete = true
    if (this.#depth === 1 && NAME_KEYS.includes(this.#key)) {
      this.name ??= unescapeWord(this.#word)
      if (this.#arguments !== 'before') this.isCall ??= true
    }
    if (this.#depth === 1 && this.#key === '') this.#checkKey(this.#word, true)
  }

  #outside(character: string): ScanVerdict {
    if (this.isComplete && this.#depth === 0 && this.#previous !== ':') {
      if (character === '{') return this.#isBare ? 'text' : 'next-call'
      const opensKey = (character === '"' || character === "'") && this.#previous === ',' && !this.#listEnded
      if (!opensKey && !AFTER.includes(character)) return 'text'
    }
    // An object where a key should be: a brace was missing at the end of the call before.
    if (character === '{' && this.#depth === 1 && ',;'.includes(this.#previous) && !this.#isBare) return 'next-call'
    const mayQuote = this.#depth > 0 || this.isComplete || (this.#isBare && this.#previous === '')
    if (mayQuote && this.#opensString(character)) {
      this.#startValue(character)
      this.#string.open(character)
      this.#word = ''
    } else {
      this.#structure(character)
      this.#previous = character
    }
    return 'call'
  }

  #opensString(character: string): boolean {
    return character === '"' || (character === "'" && (this.#previous === '' || '{[,:'.includes(this.#previous)))
  }

  #structure(character: string): void {
    if (character === '{' || character === '[') this.#open(character)
    else if (character === '}' || character === ']') this.#close(character)
    else if (character === ':') {
      if (this.#depth !== 1) return
      this.#key = this.#word
      this.#checkKey(this.#key, true)
    } else if (character === ',') {
      this.#endValue()
      if (this.#depth === 1) this.#key = ''
    } else {
      this.#startValue(character)
      if (this.#previous === '{' || this.#previous === ',') this.#word = ''
      this.#keepWord(character)
      if (this.#depth === 0 && !this.isComplete) this.isCall ??= false
    }
  }

  #open(character: string): void {
    if (character === '[' && this.#depth === 0 && !this.#inList && !this.isComplete && !this.#isBare) {
      this.#inList = true
      return
    }
    if (character === '[' && this.#depth === 0) this.isCall ??= false
    this.#startValue(character)
    this.#depth++
    if (this.#isBare && this.#arguments === 'before') this.#arguments = 'inside'
  }

  #close(character: string): void {
    this.#endValue()
    if (this.#depth === 0 && character === ']') this.#listEnded = true
    this.#depth = Math.max(0, this.#depth - 1)
    if (this.#depth > 0) return
    this.isComplete = true
    if (!this.#isBare) return
    this.#newArguments += this.#arguments === 'inside' ? character : ''
    this.#arguments = 'after'
  }

  #keepWord(character: string): void {
    if (this.#depth !== 1 || this.#word.length >= MAX_WORD) return
    this.#word += character
    if (this.#key === '') this.#checkKey(this.#word, false)
  }

  /** A key that no call has, or that cannot become one any more: this is no call, unless that is known already. */
  #checkKey(word: string, isWhole: boolean): void {
    if (this.isCall !== undefined || this.isComplete || this.#isBare) return
    if (!KEYS.some((key) => (isWhole ? key === word : key.startsWith(word)))) this.isCall = false
  }

  #startValue(character: string): void {
    if (this.#depth !== 1 || this.#previous !== ':') return
    if (this.#key === 'name' && character !== '"' && character !== "'") this.isCall ??= false
    if (this.#arguments !== 'before' || !ARGUMENT_KEYS.includes(this.#key)) return
    this.#arguments = 'inside'
    if (this.name !== undefined) this.isCall ??= true
  }

  /** At the comma or bracket after a value: is it the arguments' one? */
  #endValue(): void {
    if (this.#depth === 1 && this.#arguments === 'inside' && !this.#isBare) this.#arguments = 'after'
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
