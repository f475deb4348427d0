import type { CallScanner, ReadCall } from './call-scanner.js'
import type { ParserEvent, ParserOptions } from './dialect.js'
import { isValidJson } from './read-calls.js'
import type { CallTag } from './tags.js'

/** Where a closing tag stood inside of what looked like a string: in the call's text, and its length. */
interface Candidate {
  readonly at: number
  readonly length: number
}

/** How many such places are tried as the call's end: bounds the work on hostile text. */
const MAX_CANDIDATES = 8

/** A call that is being read: its text, and what was told of it. */
export class OpenCall {
  readonly tag: CallTag
  readonly scanner: CallScanner
  /** The text before the scanner's that is told again when this is no call. */
  readonly opening: string
  /** Whether it began a line. */
  readonly atLineStart: boolean
  readonly #options: ParserOptions
  readonly #id: string
  readonly #candidates: Candidate[] = []
  #hasStreamed = false

  constructor(tag: CallTag, options: ParserOptions, { opening = '', atLineStart = false } = {}) {
    this.tag = tag
    this.scanner = tag.createScanner()
    this.opening = opening
    this.atLineStart = atLineStart
    this.#options = options
    this.#id = options.createId()
  }

  get isTentative(): boolean {
    return this.tag.isTentative === true
  }

  /** Whether it is known to be a call. */
  get isCertain(): boolean {
    return !this.isTentative || this.scanner.isCall === true
  }

  closes(tag: string): boolean {
    return this.tag.close?.includes(tag) === true
  }

  /** The calls in the text so far; undefined where there is none after all. */
  read(): readonly ReadCall[] | undefined {
    const calls = this.tag.read(this.scanner.text)
    if (this.isCertain) return calls
    return this.tag.needsArguments || !calls.every((call) => this.#isKnown(call)) ? undefined : calls
  }

  /** A closing tag inside of a string. */
  addCandidate(length: number): void {
    if (this.#candidates.length < MAX_CANDIDATES) this.#candidates.push({ at: this.scanner.text.length, length })
  }

  /** Whether it cannot be read as it stands and had closing tags inside of strings: quotation marks may be unbalanced. */
  mayHaveEnded(): boolean {
    if (this.#candidates.length === 0) return false
    const { text, isComplete } = this.scanner
    return !isValidJson(text) && !(isComplete && this.#isReadable(text))
  }

  /**
   * The calls up to the first closing tag that leaves something readable, else up to the first one.
   *
   * @param text the call's text with what follows it
   */
  readToCandidate(text: string): { readonly calls: readonly ReadCall[]; readonly end: number } {
    const isReadable = ({ at }: Candidate) => this.#isReadable(text.slice(0, at))
    const { at, length } = this.#candidates.find(isReadable) ?? this.#candidates[0] ?? { at: text.length, length: 0 }
    return { calls: this.tag.read(text.slice(0, at)), end: at + length }
  }

  /** What is new of the arguments, once the tool's name is known and that this is a call. */
  takeDelta(): ParserEvent[] {
    const { name } = this.scanner
    if (name === undefined || !this.isCertain) return []
    const text = this.scanner.takeArguments()
    if (text === '') return []
    this.#hasStreamed = true
    return [{ type: 'tool-input-delta', callId: this.#id, name, text }]
  }

  /** The parts that tell these calls. An input that was not streamed comes in one piece. */
  tell(calls: readonly ReadCall[]): ParserEvent[] {
    return calls.flatMap(({ name, input }, index): ParserEvent[] => {
      const callId = index === 0 ? this.#id : this.#options.createId()
      const call = { type: 'tool-call' as const, callId, name, input }
      if ((index === 0 && this.#hasStreamed) || typeof input !== 'object' || input === null) return [call]
      return [{ type: 'tool-input-delta', callId, name, text: JSON.stringify(input) }, call]
    })
  }

  #isReadable(text: string): boolean {
    return this.tag.read(text).every(({ input }) => typeof input === 'object' && input !== null)
  }

  #isKnown({ name }: ReadCall): boolean {
    return this.#options.toolNames?.includes(name) ?? name !== ''
  }
}
