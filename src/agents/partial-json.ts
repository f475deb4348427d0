/** Deepest nesting that is read. */
const MAX_DEPTH = 200

/**
 * The value that the beginning of a JSON text stands for so far: open objects, lists and strings as far as they go. What is not decided yet
 * (a key without its value, a number or word at the very end) is left out, so the value only ever grows. Text before the first bracket is
 * skipped. Linear in the length of the text.
 *
 * @returns undefined while there is nothing to show
 */
export function readPartialJson(text: string): unknown {
  const start = text.search(/[{[]/)
  if (start < 0) return undefined
  const value = new PrefixReader(text, start).read()
  return value === NOTHING ? undefined : value
}

const NOTHING = Symbol('nothing')

class PrefixReader {
  readonly #text: string
  #at: number
  /** Whether the text ended, or is no JSON from here on: everything that is open is taken as it is. */
  #isOver = false

  constructor(text: string, at: number) {
    this.#text = text
    this.#at = at
  }

  read(depth = 0): unknown {
    this.#skip()
    const next = this.#text[this.#at]
    if (depth > MAX_DEPTH || next === undefined) return this.#stop()
    if (next === '{') return this.#object(depth)
    if (next === '[') return this.#list(depth)
    return next === '"' ? this.#string(true) : this.#word()
  }

  #object(depth: number): unknown {
    const fields: [string, unknown][] = []
    this.#at++
    while (!this.#ends('}')) {
      const key = this.#text[this.#at] === '"' ? this.#string(false) : this.#stop()
      this.#skip()
      if (typeof key !== 'string' || this.#text[this.#at] !== ':') {
        this.#stop()
        break
      }
      this.#at++
      const value = this.read(depth + 1)
      if (value !== NOTHING) fields.push([key, value])
    }
    return Object.fromEntries(fields)
  }

  #list(depth: number): unknown {
    const items: unknown[] = []
    this.#at++
    while (!this.#ends(']')) {
      const value = this.read(depth + 1)
      if (value !== NOTHING) items.push(value)
    }
    return items
  }

  /** Whether an object or list is over; skips to its next entry. */
  #ends(bracket: string): boolean {
    this.#skip()
    if (this.#text[this.#at] === ',') this.#at++
    this.#skip()
    const next = this.#text[this.#at]
    if (next === undefined) this.#stop()
    else if (next === bracket) this.#at++
    return this.#isOver || next === bracket
  }

  #string(isValue: boolean): unknown {
    const start = ++this.#at
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at]
      if (character === '"') return parse(`"${this.#text.slice(start, this.#at++)}"`) ?? this.#stop()
      const length = character !== '\\' ? 1 : this.#text[this.#at + 1] === 'u' ? 6 : 2
      // An escape that is not whole yet is left out.
      if (this.#at + length > this.#text.length) break
      this.#at += length
    }
    const shown = parse(`"${this.#text.slice(start, this.#at)}"`)
    this.#stop()
    // Half of a surrogate pair is no character.
    return isValue && typeof shown === 'string' ? shown.replace(/[\ud800-\udbff]$/, '') : NOTHING
  }

  /** A number, `true`, `false` or `null`; it counts when something follows it. */
  #word(): unknown {
    const match = /[-+.\w]+/y
    match.lastIndex = this.#at
    const word = match.exec(this.#text)?.[0] ?? ''
    this.#at += word.length
    const value = word === '' || this.#at >= this.#text.length ? undefined : parse(word)
    return value === undefined ? this.#stop() : value
  }

  #skip(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? '')) this.#at++
  }

  #stop(): typeof NOTHING {
    this.#isOver = true
    this.#at = this.#text.length
    return NOTHING
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
