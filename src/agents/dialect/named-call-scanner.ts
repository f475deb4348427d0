import { type CallScanner, isSpace, type ScanVerdict } from './call-scanner.js'
import { JsonCallScanner } from './json-call-scanner.js'

/**
 * Follows a call that is a name, something between, and its arguments as JSON: `name\n<separator>{…}`, `name{…}`, `name>{…}`. Where it begins
 * with a bracket it is JSON with the name inside. The separator is a new line in `text`, whatever it was.
 */
export class NamedCallScanner implements CallScanner {
  readonly isCall = true
  #head = ''
  #state: 'name' | 'after-name' | 'arguments' = 'name'
  #json: JsonCallScanner | undefined

  get text(): string {
    return this.#json ? this.#head + this.#json.text : this.#head
  }

  get name(): string | undefined {
    if (this.#state === 'name') return undefined
    return this.#head === '' ? this.#json?.name : cleanName(this.#head)
  }

  get isComplete(): boolean {
    return this.#json?.isComplete ?? false
  }

  get inString(): boolean {
    return this.#json?.inString ?? false
  }

  take(character: string): ScanVerdict {
    if (this.#json) return this.#json.take(character)
    const isBracket = character === '{' || character === '['
    if (this.#state === 'name') {
      if (this.#head === '' && (isSpace(character) || character === ':' || character === '：')) return 'call'
      if (this.#head === '' && isBracket) return this.#startJson(character, false)
      if (character === '{') return this.#startJson(character, true)
      if (character === '>') this.separate()
      else this.#addToName(character)
      return 'call'
    }
    if (isSpace(character) || character === ':' || character === '：') return 'call'
    // With no separator only an object can be meant as the arguments.
    return character === '{' || this.#state === 'arguments' ? this.#startJson(character, true) : 'text'
  }

  takeInside(run: string): void {
    this.#json?.takeInside(run)
  }

  atTag(): boolean {
    return this.#json?.atTag() ?? true
  }

  separate(): boolean {
    if (this.#json || this.#state === 'arguments') return false
    this.#state = 'arguments'
    if (!this.#head.endsWith('\n')) this.#head += '\n'
    return true
  }

  takeArguments(): string {
    return this.#json?.takeArguments() ?? ''
  }

  #addToName(character: string): void {
    this.#head += character
    if (character === '\n') this.#state = 'after-name'
  }

  #startJson(character: string, isBare: boolean): ScanVerdict {
    if (isBare && !this.#head.endsWith('\n')) this.#head += '\n'
    this.#state = 'arguments'
    this.#json = new JsonCallScanner({ isBare })
    return this.#json.take(character)
  }
}

/** A name without the marks that models write around it. */
export function cleanName(text: string): string {
  return text.trim().replace(/^[`*"'[]+|[`*"'\]:.]+$/g, '')
}
