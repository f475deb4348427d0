import type { ModelFinishReason } from '../../protocol/model.js'
import type { Dialect, DialectParser, ParserEvent } from './dialect.js'
import { describeCalls } from './history.js'
import { TextWriter } from './text-writer.js'

const OPENING = ['<think>', '<thinking>']
const CLOSING = ['</think>', '</thinking>']

/**
 * Looks for reasoning and nothing else, as the parsers of the formats do. It is one of its own because a first answer without tools should not
 * wait for theirs.
 */
class ReasoningParser implements DialectParser {
  readonly #writer = new TextWriter()
  /** The end of the text while it could still become a tag. */
  #held = ''
  /** The tag that ends the reasoning; undefined outside. */
  #close: string | undefined

  push(text: string): ParserEvent[] {
    this.#held += text
    for (;;) {
      const tags = this.#close === undefined ? [...OPENING, ...CLOSING] : [this.#close]
      const { at, tag } = findTag(this.#held, tags)
      this.#add(this.#held.slice(0, at))
      this.#held = this.#held.slice(at + (tag?.length ?? 0))
      if (tag === undefined) return this.#writer.takeEvents()
      this.#close = OPENING.includes(tag) ? CLOSING[OPENING.indexOf(tag)] : undefined
      this.#writer.endStretch(this.#close === undefined)
    }
  }

  end(_reason: ModelFinishReason): ParserEvent[] {
    // What began like a tag is not shown; a lone bracket is no beginning of one.
    if (this.#close !== undefined) this.#writer.addReasoning(this.#held)
    else {
      if (this.#held === '<') this.#writer.addText(this.#held)
      this.#writer.end()
    }
    this.#held = ''
    return this.#writer.takeEvents()
  }

  #add(text: string): void {
    if (this.#close === undefined) this.#writer.addText(text)
    else this.#writer.addReasoning(text)
  }
}

/** The first tag in the text, or with none where one may begin at its end: everything before `at` is decided. */
function findTag(text: string, tags: readonly string[]): { readonly at: number; readonly tag: string | undefined } {
  for (let at = text.indexOf('<'); at !== -1; at = text.indexOf('<', at + 1)) {
    const tag = tags.find((one) => text.startsWith(one, at))
    if (tag !== undefined) return { at, tag }
    const rest = text.slice(at, at + 12)
    if (at + rest.length === text.length && tags.some((one) => one.startsWith(rest))) return { at, tag: undefined }
  }
  return { at: text.length, tag: undefined }
}

/** No tools: calls of earlier turns become readable text, and only reasoning is looked for in the answer. */
export const plainDialect: Dialect = {
  name: 'none',
  version: 1,
  format: ({ messages }) => describeCalls(messages),
  createParser: () => new ReasoningParser(),
}
