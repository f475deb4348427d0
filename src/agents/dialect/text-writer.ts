import type { ParserEvent } from './dialect.js'

/** Tells text and reasoning between tags, without the white space that only parts them. */
export class TextWriter {
  events: ParserEvent[] = []
  /** Whether any text was told. */
  hasText = false
  /** The reasoning since this was last set, while it is kept. */
  thought: string | undefined
  /** White space at the start of a stretch of text: shown only when text follows. */
  #blank = ''
  #stretchHasText = false
  #trims = false
  #sawTag = false

  takeEvents(): ParserEvent[] {
    const { events } = this
    this.events = []
    return events
  }

  /** A tag ends a stretch of text or reasoning: white space alone is not shown, nor with `trims` that at the start of the next one. */
  endStretch(trims: boolean): void {
    this.#blank = ''
    this.#stretchHasText = false
    this.#trims = trims
    this.#sawTag = true
  }

  addText(text: string): void {
    const shown = this.#withoutBlank(text)
    if (shown === '') return
    this.hasText = true
    this.events.push({ type: 'text-delta', text: shown })
  }

  addReasoning(text: string): void {
    const shown = this.#trims ? this.#withoutBlank(text) : text
    if (shown === '') return
    if (this.thought !== undefined) this.thought += shown
    this.events.push({ type: 'reasoning-delta', text: shown })
  }

  /** At the end of the turn: white space is told where there was nothing else. */
  end(): void {
    if (this.#blank !== '' && !this.#sawTag) this.events.push({ type: 'text-delta', text: this.#blank })
  }

  #withoutBlank(text: string): string {
    if (this.#stretchHasText) return text
    const trimmed = text.trimStart()
    this.#blank += text.slice(0, text.length - trimmed.length)
    if (trimmed === '') return ''
    const shown = this.#trims ? trimmed : this.#blank + trimmed
    this.#blank = ''
    this.#stretchHasText = true
    return shown
  }
}
