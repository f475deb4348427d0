import { readArguments, readLooseValue } from '../../tools/json-repair.js'
import { isSpace, QuoteFollower, type ReadCall } from './call-scanner.js'
import { isRecord, readJsonCalls, unreadable } from './read-calls.js'

const IDENTIFIER = /^[\p{L}_][\p{L}\p{N}_]*$/u

/** A call as Python: `f(a="x", b=[1, None])`. Arguments whose names Python would not take are in `**{…}`. */
export function writePythonCall({ name, input }: ReadCall): string {
  if (!isRecord(input)) return `${name}(${writePythonValue(input ?? null)})`
  const entries = Object.entries(input).filter(([, value]) => value !== undefined)
  const named = entries
    .filter(([key]) => IDENTIFIER.test(key))
    .map(([key, value]) => `${key}=${writePythonValue(value)}`)
  const other = entries.filter(([key]) => !IDENTIFIER.test(key))
  if (other.length > 0) named.push(`**${writePythonValue(Object.fromEntries(other))}`)
  return `${name}(${named.join(', ')})`
}

function writePythonValue(value: unknown): string {
  if (value === true) return 'True'
  if (value === false) return 'False'
  if (Array.isArray(value)) return `[${value.map(writePythonValue).join(', ')}]`
  if (isRecord(value)) {
    const plain = toPlain(value)
    if (!isRecord(plain)) return writePythonValue(plain)
    const entries = Object.entries(plain).filter(([, entry]) => entry !== undefined)
    return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}: ${writePythonValue(entry)}`).join(', ')}}`
  }
  const json = JSON.stringify(value)
  return json === undefined || json === 'null' ? 'None' : json
}

/** What JSON would make of an object with a `toJSON` of its own, such as a date. */
function toPlain(value: Record<string, unknown>): unknown {
  return typeof value.toJSON === 'function' ? JSON.parse(JSON.stringify(value) ?? 'null') : value
}

/** Reads one call as Python, or calls in JSON where the text begins so. What cannot be read has its text as input. */
export function readPythonCalls(text: string): ReadCall[] {
  const bare = text
    .trim()
    .replace(/^```\w*\s*/, '')
    .replace(/^\[\s*(?=[\p{L}_{])/u, '')
  if (bare.startsWith('{') || bare.startsWith('[')) return readJsonCalls(bare)
  const open = bare.indexOf('(')
  const head = open < 0 ? '' : bare.slice(0, open).trim()
  const name = /([\p{L}_][\p{L}\p{N}_.-]*)$/u.exec(head)?.[1]?.replace(/^default_api\./, '')
  if (name === undefined || !(head === name || /^(default_api\.|[\w\s:,.]+=\s*)/.test(head))) return [unreadable(bare)]
  const pieces = splitArguments(bare, open + 1)
  const [first] = pieces
  // `print(f(…))`, as in code.
  if (name === 'print' && pieces.length === 1 && first !== undefined && /^[\p{L}_][\p{L}\p{N}_.-]*\(/u.test(first)) {
    return readPythonCalls(first)
  }
  return [{ name, input: readPieces(pieces) ?? bare }]
}

/** The arguments between commas, from `start` to the closing bracket. */
function splitArguments(text: string, start: number): string[] {
  const string = new QuoteFollower(',)]}:=`')
  const pieces: string[] = []
  let from = start
  let depth = 1
  let at = start
  let canOpen = true
  for (; at < text.length && depth > 0; at++) {
    const character = text.charAt(at)
    if (string.quote !== '' && string.take(character)) continue
    if ((character === '"' || character === "'") && canOpen) string.open(character)
    else if ('([{'.includes(character)) depth++
    else if (')]}'.includes(character)) depth--
    else if (character === ',' && depth === 1) {
      pieces.push(text.slice(from, at))
      from = at + 1
    }
    if (!isSpace(character)) canOpen = '=([{,:*'.includes(character)
  }
  pieces.push(text.slice(from, depth > 0 ? at : at - 1))
  return pieces.map((piece) => piece.trim()).filter((piece) => piece !== '')
}

/** One object of all arguments; undefined where one has no name, unless it is all of them. */
function readPieces(pieces: readonly string[]): unknown {
  const input: Record<string, unknown> = {}
  for (const piece of pieces) {
    const match = /^["']?([^\s"'=(){}[\],*]+)["']?\s*=(?!=)/.exec(piece)
    if (match?.[1] !== undefined) {
      const value = readLooseValue(piece.slice(match[0].length))
      if (value === undefined) return undefined
      // Assigning would set the prototype for the key `__proto__`.
      Object.defineProperty(input, match[1], { ...value, enumerable: true, writable: true, configurable: true })
      continue
    }
    const all = readLooseValue(piece.replace(/^\*\*/, ''))?.value
    const read = typeof all === 'string' ? readArguments(all) : all
    if (!isRecord(read)) return pieces.length === 1 && typeof read === 'object' ? read : undefined
    for (const [key, value] of Object.entries(read)) {
      Object.defineProperty(input, key, { value, enumerable: true, writable: true, configurable: true })
    }
  }
  return input
}
