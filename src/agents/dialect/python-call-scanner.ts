import { type CallScanner, isSpace, QuoteFollower, type ScanVerdict } from './call-scanner.js'
import { JsonCallScanner } from './json-call-scanner.js'

/** Follows calls written as in Python, `[f(a="x"), g()]` or one a line; and calls in JSON where it begins with a brace. */
export class PythonCallScanner implements CallScanner {
  name: string | undefined
  isCall: boolean | undefined
  isComplete = false

  readonly #string = new QuoteFollower(',)]}:=`')
  #json: JsonCallScanner | undefined
  #text = ''
  #depth = 0
  #inList = false
  #listEnded = false
  #word = ''
  #argument = ''

  get text(): string {
    return this.#json ? this.#text + this.#json.text : this.#text
  }

  get inString(): boolean {
    return this.#json?.inString ?? this.#string.isPlain
  }

  take(character: string): ScanVerdict {
    if (this.#json) return this.#takeJson(character)
    const isInside = this.#string.quote !== '' && this.#string.take(character)
    if (!isInside && !isSpace(character)) {
      const verdict = this.#outside(character)
      if (verdict !== 'call' || this.#json) return verdict
    }
    this.#text += character
    return 'call'
  }

  takeInside(run: string): void {
    if (this.#json) this.#json.takeInside(run)
    else this.#text += run
  }

  atTag(): boolean {
    if (this.#json) return this.#json.atTag()
    if (this.#string.isClosing) this.#string.close()
    return this.#string.quote === ''
  }

  separate(): boolean {
    return false
  }

  takeArguments(): string {
    return this.#json?.takeArguments() ?? ''
  }

  #takeJson(character: string): ScanVerdict {
    const verdict = this.#json?.take(character) ?? 'call'
    this.name = this.#json?.name
    this.isCall = this.#json?.isCall
    this.isComplete = this.#json?.isComplete ?? false
    return verdict
  }

  #outside(character: string): ScanVerdict {
    if (this.#depth === 0) return this.isComplete ? this.#after(character) : this.#beforeArguments(character)
    if (character === '"' || character === "'") {
      this.#string.open(character)
      if (this.#depth === 1 && this.isCall === undefined) this.isCall = false
    } else if ('([{'.includes(character)) {
      this.#depth++
    } else if (')]}'.includes(character)) {
      this.#depth--
      if (this.#depth === 0) this.#complete()
    }
    if (this.#depth === 1 && this.isCall === undefined) this.#checkArgument(character)
    return 'call'
  }

  #complete(): void {
    this.isComplete = true
    this.isCall ??= this.#argument === ''
  }

  /** After a call: brackets and commas, then another call, or text. */
  #after(character: string): ScanVerdict {
    if (character === ']') this.#listEnded = true
    if (',;)]}`'.includes(character)) return 'call'
    return /[\p{L}_{]/u.test(character) && !(this.#inList && this.#listEnded) ? 'next-call' : 'text'
  }

  #beforeArguments(character: string): ScanVerdict {
    if (character === '{' && this.#word === '') {
      this.#json = new JsonCallScanner()
      return this.#takeJson(character)
    }
    if (character === '(' && this.#word !== '') {
      this.name = this.#word
      this.#depth = 1
    } else if (character === '[' && this.#word === '' && !this.#inList) {
      this.#inList = true
    } else if (/[\p{L}\p{N}_.-]/u.test(character)) {
      this.#word += character
    } else {
      this.isCall ??= false
    }
    return 'call'
  }

  /** Where no tag has said that this is a call, a first argument with a name does. */
  #checkArgument(character: string): void {
    if (character === '(' && this.#argument === '') return
    if (character === '=' && this.#argument !== '') this.isCall = true
    else if (/[\p{L}\p{N}_-]/u.test(character)) this.#argument += character
    else if (character === '*' && this.#argument === '') this.isCall = true
    else this.isCall = false
  }
}
