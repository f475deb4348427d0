import type { ModelFinishReason } from '../../protocol/model.js'
import type { DialectParser, ParserEvent } from './dialect.js'
import { JsonCallScanner } from './json-call-scanner.js'

/** One call as it was read from its text. */
export interface ReadCall {
  readonly name: string
  readonly input: unknown
}

/** What a tag means to the parser. */
type TagKind = 'think' | 'call' | 'skip' | 'stray'

export interface TaggedFormat {
  /** Opening tags of calls with their closing tags. */
  readonly calls: Readonly<Record<string, string>>
  /** Opening tags of what is left out (such as results that the model invents) with their closing tags. */
  readonly skips: Readonly<Record<string, string>>
  /** The calls in the text between the tags; an unreadable one has its text as input. */
  readCalls(text: string): readonly ReadCall[]
}

const THINK = { '<think>': '</think>', '<thinking>': '</thinking>' }
/** How many calls with unbalanced quotation marks are looked into again: bounds the work on hostile text. */
const MAX_RESCANS = 16
const MAX_CANDIDATES = 8

/** A parser for formats whose calls are JSON between tags, with reasoning in `<think>`. */
export function createTaggedParser(format: TaggedFormat, options: { readonly createId: () => string }): DialectParser {
  return new TaggedParser(format, options.createId)
}

class TaggedParser implements DialectParser {
  readonly #format: TaggedFormat
  readonly #createId: () => string
  readonly #tags = new Map<string, { readonly kind: TagKind; readonly close: string }>()
  readonly #longest: number
  #events: ParserEvent[] = []
  /** Text that is not decided yet. */
  #pending = ''
  #mode: TagKind | 'text' = 'text'
  #close = ''
  /** White space at the start of a stretch of text: shown only when text follows. */
  #blank = ''
  #stretchHasText = false
  #afterThink = false
  #sawTag = false
  #call = new JsonCallScanner()
  #callId = ''
  /** Places of closing tags that stood inside a string of the call. */
  #candidates: number[] = []
  #rescans = 0

  constructor(format: TaggedFormat, createId: () => string) {
    this.#format = format
    this.#createId = createId
    const add = (pairs: Readonly<Record<string, string>>, kind: TagKind) => {
      for (const [open, close] of Object.entries(pairs)) {
        this.#tags.set(open, { kind, close })
        if (!this.#tags.has(close)) this.#tags.set(close, { kind: 'stray', close: '' })
      }
    }
    add(THINK, 'think')
    add(format.calls, 'call')
    add(format.skips, 'skip')
    this.#longest = Math.max(...[...this.#tags.keys()].map((tag) => tag.length))
  }

  push(text: string): ParserEvent[] {
    this.#pending += text
    this.#run()
    return this.#takeEvents()
  }

  end(reason: ModelFinishReason): ParserEvent[] {
    this.#run()
    while (this.#mode === 'call' && this.#rescan(this.#pending)) this.#run()
    if (this.#mode === 'call') this.#finishCall(reason === 'length')
    else if (this.#mode === 'think') this.#reasoning(this.#pending)
    else if (this.#mode === 'text') this.#endText()
    this.#pending = ''
    this.#mode = 'text'
    return this.#takeEvents()
  }

  #takeEvents(): ParserEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  /** Goes on until the pending text is used up or undecided. */
  #run(): void {
    for (;;) {
      const before = this.#pending.length
      const mode = this.#mode
      if (mode === 'text') this.#runText()
      else if (mode === 'call') this.#runCall()
      else this.#runUntilClose()
      if (this.#pending === '' || (this.#pending.length === before && this.#mode === mode)) return
    }
  }

  #runText(): void {
    const pending = this.#pending
    let at = pending.indexOf('<')
    for (; at >= 0; at = pending.indexOf('<', at + 1)) {
      const found = this.#tagAt(at)
      if (found === 'maybe') break
      if (found === undefined) continue
      this.#text(pending.slice(0, at))
      this.#pending = pending.slice(at + found.length)
      this.#enter(found)
      return
    }
    const decided = at < 0 ? pending.length : at
    this.#text(pending.slice(0, decided))
    this.#pending = pending.slice(decided)
  }

  /** The tag that stands at `at`, or whether the text may still become one. */
  #tagAt(at: number): string | 'maybe' | undefined {
    const rest = this.#pending.slice(at, at + this.#longest)
    let maybe = false
    for (const tag of this.#tags.keys()) {
      if (rest.startsWith(tag)) return tag
      if (rest.length < tag.length && tag.startsWith(rest)) maybe = true
    }
    return maybe ? 'maybe' : undefined
  }

  #enter(tag: string): void {
    const { kind, close } = this.#tags.get(tag) ?? { kind: 'stray' as const, close: '' }
    this.#blank = ''
    this.#stretchHasText = false
    this.#afterThink = kind === 'stray' && tag in THINK_CLOSES
    this.#sawTag = true
    if (kind === 'stray') return
    this.#mode = kind
    this.#close = close
    if (kind === 'call') this.#startCall()
  }

  #text(text: string): void {
    if (text === '') return
    let shown = text
    if (!this.#stretchHasText) {
      const trimmed = text.trimStart()
      this.#blank += text.slice(0, text.length - trimmed.length)
      if (trimmed === '') return
      shown = this.#afterThink ? trimmed : this.#blank + trimmed
      this.#blank = ''
      this.#stretchHasText = true
    }
    this.#events.push({ type: 'text-delta', text: shown })
  }

  /** A tail that began like a tag when the model stopped is not shown, but for a lone `<` where there are no calls. */
  #endText(): void {
    const hasCalls = Object.keys(this.#format.calls).length > 0
    if (this.#pending === '<' && !hasCalls) this.#text(this.#pending)
    if (this.#blank !== '' && !this.#sawTag) this.#events.push({ type: 'text-delta', text: this.#blank })
  }

  #reasoning(text: string): void {
    if (text !== '') this.#events.push({ type: 'reasoning-delta', text })
  }

  /** Inside reasoning, or inside something that is left out: only the closing tag counts. */
  #runUntilClose(): void {
    const pending = this.#pending
    const at = pending.indexOf(this.#close)
    const decided = at >= 0 ? at : pending.length - heldTail(pending, this.#close)
    if (this.#mode === 'think') this.#reasoning(pending.slice(0, decided))
    this.#pending = pending.slice(at >= 0 ? at + this.#close.length : decided)
    if (at >= 0) {
      this.#afterThink = this.#mode === 'think'
      this.#mode = 'text'
    }
  }

  #startCall(): void {
    this.#call = new JsonCallScanner()
    this.#callId = this.#createId()
    this.#candidates = []
  }

  #runCall(): void {
    const pending = this.#pending
    let at = 0
    for (; at < pending.length; at++) {
      const character = pending[at] ?? ''
      if (character === '<') {
        const outcome = this.#tagInCall(at)
        if (outcome === 'wait') break
        if (outcome !== undefined) {
          if (this.#rescan(pending.slice(at))) return
          this.#finishCall(false)
          this.#mode = 'text'
          this.#pending = pending.slice(at + outcome)
          return
        }
      }
      const verdict = this.#call.take(character)
      if (verdict === 'call' || verdict === 'open') continue
      this.#finishCall(false)
      if (verdict === 'next-call') {
        this.#startCall()
        this.#call.take(character)
        continue
      }
      this.#mode = 'text'
      break
    }
    this.#pending = pending.slice(at)
    if (this.#mode === 'call') this.#streamArguments()
  }

  /** At a `<` in a call: how much to skip when the call ends here, `wait` while that is open, undefined when it goes on. */
  #tagInCall(at: number): number | 'wait' | undefined {
    const rest = this.#pending.slice(at, at + this.#longest)
    const open = Object.keys(this.#format.calls).find((tag) => rest.startsWith(tag))
    const isClose = rest.startsWith(this.#close)
    if (isClose || open !== undefined) {
      if (this.#call.atTag()) return isClose ? this.#close.length : 0
      if (isClose) this.#candidates.push(this.#call.text.length)
      return undefined
    }
    const undecided = [this.#close, ...Object.keys(this.#format.calls)].some((tag) => tag.startsWith(rest))
    return undecided && rest.length < this.#longest ? 'wait' : undefined
  }

  /** Tells what is new of the arguments, once the tool's name is known. */
  #streamArguments(): void {
    const { name } = this.#call
    if (name === undefined) return
    const delta = this.#call.takeArguments()
    if (delta === '') return
    this.#events.push({ type: 'tool-input-delta', callId: this.#callId, name, text: delta })
  }

  #finishCall(wasCut: boolean): void {
    this.#streamArguments()
    const { text, name } = this.#call
    if (wasCut && text.trim() !== '') {
      this.#emitCalls([{ name: name ?? '', input: null }])
    } else if (text.trim() !== '' || !wasCut) {
      this.#emitCalls(this.#format.readCalls(text))
    }
    this.#call = new JsonCallScanner()
  }

  #emitCalls(calls: readonly ReadCall[]): void {
    for (const [index, { name, input }] of calls.entries()) {
      const callId = index === 0 ? this.#callId : this.#createId()
      this.#events.push({ type: 'tool-call', callId, name, input })
    }
  }

  /**
   * For a call that is not valid JSON and had closing tags inside of what looked like a string: quotation marks were unbalanced. Ends it at the
   * first of those tags that leaves something readable, else at the first one, and reads on from there.
   *
   * @param rest what follows the call's text
   */
  #rescan(rest: string): boolean {
    const candidates = this.#candidates.slice(0, MAX_CANDIDATES)
    if (candidates[0] === undefined || isValidJson(this.#call.text) || this.#rescans++ >= MAX_RESCANS) return false
    const text = this.#call.text + rest
    const readable = candidates.find((at) =>
      this.#format.readCalls(text.slice(0, at)).every(({ input }) => typeof input === 'object' && input !== null),
    )
    const end = readable ?? candidates[0]
    this.#emitCalls(this.#format.readCalls(text.slice(0, end)))
    this.#pending = text.slice(end + this.#close.length)
    this.#call = new JsonCallScanner()
    this.#mode = 'text'
    return true
  }
}

function isValidJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const THINK_CLOSES: Readonly<Record<string, true>> = { '</think>': true, '</thinking>': true }

/** Length of the longest tail of the text that is a beginning of the tag. */
function heldTail(text: string, tag: string): number {
  for (let length = Math.min(tag.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(tag.slice(0, length))) return length
  }
  return 0
}
