/** Deepest nesting that is read; deeper text is taken as broken, so that hostile text cannot exhaust the stack. */
const MAX_DEPTH = 200

const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['True', true],
  ['TRUE', true],
  ['false', false],
  ['False', false],
  ['FALSE', false],
  ['null', null],
  ['None', null],
  ['undefined', null],
  ['NaN', null],
])

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', '\n': '' }

const CLOSING_QUOTES: Readonly<Record<string, string>> = { '"': '"', "'": "'", '“': '”', '‘': '’' }

class Broken extends Error {}

/**
 * Reads JSON as models write it. What is valid is read as it stands; else these are mended: code fences, trailing and missing commas,
 * single and typographic quotes, unquoted keys, unescaped quotes and raw newlines in strings, `True`/`False`/`None`, comments, missing and
 * extra closing brackets.
 *
 * Linear in the length of the text.
 *
 * @returns the value in an object (it may be null), or undefined when there is no reading it
 */
export function repairJson(text: string): { readonly value: unknown } | undefined {
  return readWith(withoutFence(text), (reader) => reader.read())
}

/** An object for what a model gave as a tool's input: itself, parsed where it is JSON in a string; undefined is `{}`. */
export function readArguments(value: unknown): unknown {
  if (value === undefined || value === '') return {}
  if (typeof value !== 'string') return value
  const read = repairJson(value)?.value
  return typeof read === 'object' && read !== null ? read : value
}

/**
 * Reads one value as models write it in code: JSON, or as in Python (`True`, `None`, single quotes, tuples), or text without quotes.
 *
 * @returns the value in an object, or undefined when there is no reading it
 */
export function readLooseValue(text: string): { readonly value: unknown } | undefined {
  const trimmed = text.trim()
  const long = /^(?:"{3}(.*)"{3}|'{3}(.*)'{3})$/s.exec(trimmed)
  if (long) return { value: long[1] ?? long[2] ?? '' }
  return readWith(trimmed, (reader) => reader.readAny())
}

function readWith(text: string, read: (reader: LooseReader) => unknown): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    // Not valid: mended below.
  }
  try {
    return { value: read(new LooseReader(text)) }
  } catch (error) {
    if (error instanceof Broken) return undefined
    throw error
  }
}

function withoutFence(text: string): string {
  const trimmed = text.trim()
  if (!trimmed.startsWith('```')) return trimmed.endsWith('```') ? trimmed.slice(0, -3).trimEnd() : trimmed
  const inner = trimmed.replace(/^```[a-zA-Z0-9_-]*[ \t]*\r?\n?/, '')
  const close = inner.lastIndexOf('```')
  return (close >= 0 && inner.slice(close + 3).trim() === '' ? inner.slice(0, close) : inner).trim()
}

/** A recursive descent reader that forgives. */
class LooseReader {
  readonly #text: string
  #at = 0
  /** How many round brackets are open: only there a closing one ends a word. */
  #tuples = 0

  constructor(text: string) {
    this.#text = text
  }

  read(): unknown {
    this.#skip()
    if (!'{["\''.includes(this.#peek() || ' ')) throw new Broken()
    const value = this.#value(0)
    this.#skipClosers()
    // `{"a": 1}, "b": 2}`: a bracket too many in the middle.
    if (this.#peek() === ',' && isRecord(value)) {
      this.#at++
      this.#skip()
      if (!'"\''.includes(this.#peek() || ' ')) throw new Broken()
      this.#entries(value, 0)
      this.#skipClosers()
    }
    if (this.#at < this.#text.length) throw new Broken()
    return value
  }

  readAny(): unknown {
    const value = this.#value(0)
    this.#skipClosers()
    if (this.#at < this.#text.length) throw new Broken()
    return value
  }

  #peek(): string {
    return this.#text[this.#at] ?? ''
  }

  /** White space and comments. */
  #skip(): void {
    for (;;) {
      while (/\s/.test(this.#peek())) this.#at++
      const two = this.#text.slice(this.#at, this.#at + 2)
      if (two !== '//' && two !== '/*') return
      const end = this.#text.indexOf(two === '//' ? '\n' : '*/', this.#at + 2)
      this.#at = end < 0 ? this.#text.length : end + (two === '//' ? 1 : 2)
    }
  }

  #skipClosers(): void {
    while (this.#at < this.#text.length && /[\s}\])`;]/.test(this.#peek())) this.#at++
  }

  #value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw new Broken()
    this.#skip()
    const first = this.#peek()
    if (first === '{') {
      this.#at++
      const target: Record<string, unknown> = {}
      this.#entries(target, depth)
      return target
    }
    if (first === '[' || first === '(') return this.#list(depth)
    if (first in CLOSING_QUOTES) return this.#string()
    return this.#word()
  }

  /** Entries up to and with the closing brace, into `target`. */
  #entries(target: Record<string, unknown>, depth: number): void {
    for (;;) {
      this.#skip()
      const next = this.#peek()
      if (next === '') return
      if (next === '}' || next === ']') {
        this.#at++
        return
      }
      if (next === ',') {
        this.#at++
        continue
      }
      const key = next in CLOSING_QUOTES ? this.#string() : this.#key()
      this.#skip()
      if (this.#peek() !== ':') throw new Broken()
      this.#at++
      this.#skip()
      const value = /[,}\]]/.test(this.#peek()) || this.#peek() === '' ? null : this.#value(depth + 1)
      // Assigning would set the prototype for the key `__proto__`.
      Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true })
    }
  }

  #list(depth: number): unknown[] {
    const isTuple = this.#peek() === '('
    this.#at++
    if (isTuple) this.#tuples++
    const items: unknown[] = []
    for (;;) {
      this.#skip()
      const next = this.#peek()
      if (next === ',') {
        this.#at++
      } else if (next === '' || '}])'.includes(next)) {
        if (next !== '' && next !== '}') this.#at++
        break
      } else {
        items.push(this.#value(depth + 1))
      }
    }
    if (isTuple) this.#tuples--
    return items
  }

  #key(): string {
    const match = /^[^\s:,{}[\]"']+/.exec(this.#text.slice(this.#at, this.#at + 200))
    if (match === null) throw new Broken()
    this.#at += match[0].length
    return match[0]
  }

  /** A number, a word such as `True`, or text without quotes. */
  #word(): unknown {
    const start = this.#at
    const ends = this.#tuples > 0 ? ',}]\n)' : ',}]\n'
    while (this.#at < this.#text.length && !ends.includes(this.#peek()) && !this.#text.startsWith('/*', this.#at)) {
      this.#at++
    }
    const word = this.#text.slice(start, this.#at).trim()
    if (word === '') throw new Broken()
    if (WORDS.has(word)) return WORDS.get(word)
    if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(word)) return Number(word)
    return word
  }

  #string(): string {
    const close = CLOSING_QUOTES[this.#peek()] ?? '"'
    const pieces: string[] = []
    let start = ++this.#at
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#peek()
      if (character === '\\') {
        pieces.push(this.#text.slice(start, this.#at), this.#escape())
        start = this.#at + 1
      } else if (character === close && endsString(this.#text, this.#at + 1, this.#tuples > 0)) {
        break
      }
    }
    pieces.push(this.#text.slice(start, this.#at))
    this.#at++
    return pieces.join('')
  }

  /** What an escape stands for; leaves the position at its last character. */
  #escape(): string {
    this.#at++
    const character = this.#peek()
    if (character === 'u') {
      const code = this.#text.slice(this.#at + 1, this.#at + 5)
      if (!/^[0-9a-fA-F]{4}$/.test(code)) return '\\u'
      this.#at += 4
      return String.fromCharCode(Number.parseInt(code, 16))
    }
    return ESCAPES[character] ?? character
  }
}

/** Whether a quotation mark before `at` can end a string: what follows is structure or nothing. */
function endsString(text: string, at: number, inTuple: boolean): boolean {
  let next = at
  let newLine = false
  for (; next < text.length && /\s/.test(text[next] ?? ''); next++) newLine ||= text[next] === '\n'
  if (inTuple && text[next] === ')') return true
  return next >= text.length || (newLine ? ',:}]`"' : ',:}]`').includes(text[next] ?? '')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
