import type { ModelFinishReason } from '../../protocol/model.js'
import type { ReadCall, ScanVerdict } from './call-scanner.js'
import type { DialectParser, ParserEvent, ParserOptions } from './dialect.js'
import { OpenCall } from './open-call.js'
import { createTagTable, FENCE, type SearchOptions, type Tag, type TagTable } from './tags.js'
import { TextWriter } from './text-writer.js'

/** How many calls with unbalanced quotation marks are looked into again: bounds the work on hostile text. */
const MAX_RESCANS = 16

/**
 * Makes the parsers of a format from the tags that stand in its text; reasoning in `<think>` is known to every format. A parser is linear in
 * the text: what is read again is so once, or `MAX_RESCANS` times in all.
 */
export function createParserFactory(tags: readonly Tag[]): (options: ParserOptions) => DialectParser {
  const table = createTagTable(tags)
  return (options) => new TaggedParser(table, options)
}

/** Where the parser is: in text, in a call, inside of a tag, or past the end of the turn. */
type Mode =
  | { readonly kind: 'text' }
  | { readonly kind: 'call' }
  | { readonly kind: 'rest' }
  | Extract<Tag, { kind: 'think' | 'skip' }>

class TaggedParser implements DialectParser {
  readonly #options: ParserOptions
  readonly #table: TagTable
  readonly #writer = new TextWriter()
  /** The text from the oldest character that is undecided, and how much of it is decided by now. */
  #pending = ''
  #at = 0
  #isLast = false
  #mode: Mode = { kind: 'text' }
  #atLineStart = true
  /** Up to here the pending text was looked at as a call and was none: no tentative call begins there. */
  #refusedTo = 0
  #call: OpenCall | undefined
  /** Where the call began in the pending text; -1 when that part is gone. */
  #callFrom = -1
  #calls = 0
  #rescans = 0

  constructor(table: TagTable, options: ParserOptions) {
    this.#options = options
    this.#table = table
  }

  push(text: string): ParserEvent[] {
    this.#replacePending(this.#pending.slice(this.#at) + text, this.#at)
    this.#run()
    return this.#writer.takeEvents()
  }

  end(reason: ModelFinishReason): ParserEvent[] {
    this.#isLast = reason !== 'length'
    this.#run()
    while (this.#call) {
      if (this.#rescan(this.#call) || this.#endCall(this.#call, reason)) this.#run()
      else break
    }
    const rest = this.#pending.slice(this.#at)
    if (this.#mode.kind === 'think') this.#writer.addReasoning(rest)
    if (this.#mode.kind === 'text') this.#endText(rest, reason)
    const { thought = '', hasText } = this.#writer
    if (reason !== 'length' && !hasText && this.#calls === 0) this.#writer.addText(thought.trimEnd())
    this.#replacePending('', 0)
    this.#leaveCall()
    return this.#writer.takeEvents()
  }

  /** New pending text, of whose beginning `gone` characters were decided and are left out. */
  #replacePending(text: string, gone: number): void {
    this.#pending = text
    this.#at = 0
    this.#refusedTo = Math.max(0, this.#refusedTo - gone)
    this.#callFrom = this.#callFrom < gone ? -1 : this.#callFrom - gone
  }

  /** Goes on until the pending text is used up or undecided. */
  #run(): void {
    for (;;) {
      const at = this.#at
      const mode = this.#mode
      const call = this.#call
      if (call) this.#runCall(call)
      else if (mode.kind === 'text') this.#runText()
      else if (mode.kind === 'rest') this.#at = this.#pending.length
      else if (mode.kind !== 'call') this.#runUntilClose(mode)
      if (this.#at === this.#pending.length) return
      if (this.#at === at && this.#mode === mode && this.#call === call) return
    }
  }

  #find(wants: SearchOptions['wants']): { text: string; tag: Tag | undefined } {
    const from = this.#at
    const search = { atLineStart: this.#atLineStart, isLast: this.#isLast, wants }
    const { at, tag, atLineStart } = this.#table.find(this.#pending, from, search)
    this.#at = at
    this.#atLineStart = atLineStart
    return { text: this.#pending.slice(from, at), tag }
  }

  #runText(): void {
    const refusedTo = this.#refusedTo
    const { text, tag } = this.#find((one, at) =>
      one.kind === 'call' ? !one.isTentative || at >= refusedTo : one.kind !== 'separator',
    )
    this.#writer.addText(text)
    if (tag) this.#enter(tag)
  }

  #enter(tag: Tag): void {
    if (tag.kind === 'call') {
      if (!tag.isTentative) this.#writer.endStretch(false)
      const opening = tag.isTentative && !tag.isBody ? tag.text : ''
      this.#callFrom = this.#at
      this.#openCall(new OpenCall(tag, this.#options, { opening, atLineStart: this.#atLineStart }))
      if (tag.isBody) return
    } else {
      this.#writer.endStretch('trims' in tag && tag.trims === true)
      if (tag.kind === 'skip') this.#mode = tag.endsTurn && this.#calls > 0 ? { kind: 'rest' } : tag
      if (tag.kind === 'think') {
        this.#mode = tag
        this.#writer.thought = tag.mayAnswer ? '' : undefined
      }
    }
    this.#at += tag.text.length
    this.#atLineStart = false
  }

  /** A tail that began like a tag is not shown; words are, when the model stopped by itself. */
  #endText(rest: string, reason: ModelFinishReason): void {
    const isWord = reason !== 'length' && /^[\p{L}`]/u.test(rest)
    if (isWord || (rest === '<' && !this.#table.hasCalls)) this.#writer.addText(rest)
    this.#writer.end()
  }

  /** Inside reasoning, or inside something that is left out: only a closing tag counts. One that begins something else is left to do so. */
  #runUntilClose({ kind, close }: Extract<Tag, { kind: 'think' | 'skip' }>): void {
    const { text, tag } = this.#find((one) => close.includes(one.text))
    if (kind === 'think') this.#writer.addReasoning(text)
    if (!tag) return
    this.#mode = { kind: 'text' }
    this.#writer.endStretch(kind === 'think')
    if (tag.kind === 'stray') this.#enter(tag)
  }

  #openCall(call: OpenCall): void {
    this.#mode = { kind: 'call' }
    this.#call = call
  }

  #leaveCall(): void {
    this.#mode = { kind: 'text' }
    this.#call = undefined
    this.#callFrom = -1
  }

  #runCall(call: OpenCall): void {
    const pending = this.#pending
    const { plain } = this.#table
    const { scanner } = call
    let verdict: ScanVerdict = 'call'
    while (this.#at < pending.length && verdict === 'call' && this.#call === call) {
      if (scanner.inString) {
        plain.lastIndex = this.#at
        const run = plain.exec(pending)?.[0]
        if (run !== undefined) {
          scanner.takeInside(run)
          this.#at += run.length
          this.#atLineStart &&= run.trim() === ''
          continue
        }
      }
      const tag = this.#tagInCall(call)
      if (tag === 'maybe') break
      if (tag !== undefined && this.#takeTag(call, tag)) continue
      const character = pending.charAt(this.#at)
      verdict = scanner.take(character)
      if (verdict !== 'call') break
      this.#at++
      if (character === '\n') this.#atLineStart = true
      else if (character !== ' ') this.#atLineStart = false
      if (call.isTentative && scanner.isCall === false) this.#refuse(call)
    }
    if (this.#call !== call) return
    if (verdict === 'call') this.#writer.events.push(...call.takeDelta())
    else if (this.#finishCall(call) && verdict === 'next-call') {
      this.#callFrom = this.#at
      this.#openCall(new OpenCall(call.tag, this.#options, { atLineStart: this.#atLineStart }))
    }
  }

  /** In a call, only what ends it or parts it counts. */
  #tagInCall(call: OpenCall): Tag | 'maybe' | undefined {
    if (!this.#table.mayBegin(this.#pending.charAt(this.#at))) return undefined
    const wants = (tag: Tag) => call.closes(tag.text) || (tag.kind === 'call' ? !tag.isTentative : tag.kind !== 'think')
    return this.#table.tagAt(this.#pending, this.#at, {
      atLineStart: this.#atLineStart,
      isLast: this.#isLast,
      wants,
    })
  }

  /** At a tag in a call: false when it is part of the call's text. */
  #takeTag(call: OpenCall, tag: Tag): boolean {
    const { length } = tag.text
    const isClose = call.closes(tag.text)
    if (tag.kind === 'separator' && !isClose) {
      if (!call.scanner.separate()) return false
      this.#at += length
      return true
    }
    if (!call.scanner.atTag()) {
      if (isClose) call.addCandidate(length)
      return false
    }
    // Any other closing tag is left out as text.
    if (!this.#rescan(call) && this.#finishCall(call) && isClose && tag.text === FENCE) this.#at += length
    return true
  }

  /** What looked like a call is text: it is read again, for tags that are certain only. */
  #refuse(call: OpenCall): void {
    const to = this.#at
    if (this.#callFrom >= 0) {
      this.#at = this.#callFrom
      this.#refusedTo = to
    } else {
      const text = call.opening + call.scanner.text
      this.#replacePending(text + this.#pending.slice(to), to)
      this.#refusedTo = text.length
    }
    this.#atLineStart = call.atLineStart
    this.#leaveCall()
  }

  /** Tells the calls in the text so far; false where there was none after all. */
  #finishCall(call: OpenCall): boolean {
    const calls = call.read()
    if (calls === undefined) {
      this.#refuse(call)
      return false
    }
    if (call.isTentative) this.#writer.endStretch(false)
    this.#tell(call, calls)
    this.#leaveCall()
    return true
  }

  #tell(call: OpenCall, calls: readonly ReadCall[]): void {
    this.#writer.events.push(...call.takeDelta(), ...call.tell(calls))
    this.#calls += calls.length
  }

  /** The model stopped in a call. True when there is more to read. */
  #endCall(call: OpenCall, reason: ModelFinishReason): boolean {
    const { scanner } = call
    const isEmpty = scanner.text.trim() === ''
    if (reason === 'length' && !scanner.isComplete) {
      if (call.isCertain && !isEmpty) this.#tell(call, [{ name: scanner.name ?? '', input: null }])
      return false
    }
    if (isEmpty) {
      if (call.isTentative) this.#refuse(call)
      return call.isTentative
    }
    // What only began like a call is neither told nor shown.
    if (!call.isCertain && !scanner.isComplete && !call.read()?.every(({ input }) => typeof input === 'object')) {
      return false
    }
    return !this.#finishCall(call)
  }

  /** Where quotation marks were unbalanced: ends the call at an earlier closing tag, and reads on from there. */
  #rescan(call: OpenCall): boolean {
    if (!call.mayHaveEnded() || this.#rescans++ >= MAX_RESCANS) return false
    const text = call.scanner.text + this.#pending.slice(this.#at)
    const { calls, end } = call.readToCandidate(text)
    this.#tell(call, calls)
    this.#leaveCall()
    this.#replacePending(text.slice(end), this.#at)
    return true
  }
}
