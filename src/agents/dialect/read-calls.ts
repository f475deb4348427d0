import { readArguments, repairJson } from '../../tools/json-repair.js'
import type { ReadCall } from './call-scanner.js'
import { ARGUMENT_KEYS, NAME_KEYS } from './json-call-scanner.js'
import { cleanName } from './named-call-scanner.js'

const OTHER_KEYS: ReadonlySet<string> = new Set([...ARGUMENT_KEYS, ...NAME_KEYS, 'id', 'type'])

/** Reads calls as JSON: one object with a name and arguments, or a list of them. What cannot be read has its text as input. */
export function readJsonCalls(text: string): ReadCall[] {
  const trimmed = text.trim().replace(/[\s,;]+$/, '')
  const item = trimmed.startsWith('{') ? trimmed.replace(/[\s\],;]+$/, '') : trimmed
  const read = repairJson(item)?.value ?? repairJson(item.replace(/^\[\s*/, ''))?.value
  if (Array.isArray(read) && read.length > 0 && read.every(isNamed)) return read.map((one) => readCall(one, trimmed))
  return [isRecord(read) ? readCall(read, item) : unreadable(trimmed)]
}

/** Reads a name on the first line and arguments as JSON after it (`NamedCallScanner`'s text); also JSON with the name inside. */
export function readNamedCalls(text: string): ReadCall[] {
  const trimmed = text.trim()
  if (trimmed === '') return []
  if (trimmed.startsWith('{') || trimmed.startsWith('[')) return readJsonCalls(trimmed)
  const end = trimmed.indexOf('\n')
  const name = cleanName(end < 0 ? trimmed : trimmed.slice(0, end))
  if (/^(none|n\/a|null|无|)$/i.test(name)) return []
  const body = end < 0 ? '' : trimmed.slice(end + 1).trim()
  return [{ name, input: readBody(body) }]
}

/** Arguments that stand alone: JSON, JSON in a string, or nothing; other text stays text. */
function readBody(body: string): unknown {
  if (body === '' || /^(none|null|n\/a)$/i.test(body)) return body === 'null' ? null : {}
  const read = repairJson(body)
  if (read === undefined) return body
  return typeof read.value === 'string' ? readArguments(read.value) : read.value
}

function readCall(value: Record<string, unknown>, text: string): ReadCall {
  const call = isRecord(value.function) ? value.function : value
  const key = ARGUMENT_KEYS.find((name) => name in call)
  const input = key === undefined ? {} : readArguments(call[key])
  const name = NAME_KEYS.map((one) => call[one]).find((one) => typeof one === 'string')
  if (typeof name === 'string') return { name, input: withStrayEntries(call, input, text) }
  // A brace was missing after the arguments: the name was read as one of them.
  if (isRecord(input) && typeof input.name === 'string' && !isValidJson(text)) {
    const { name: inner, ...rest } = input
    return { name: inner as string, input: rest }
  }
  return unreadable(text)
}

/** A brace too many inside the arguments leaves the rest of them beside the name. */
function withStrayEntries(call: Record<string, unknown>, input: unknown, text: string): unknown {
  const stray = Object.entries(call).filter(([key]) => !OTHER_KEYS.has(key))
  if (stray.length === 0 || !isRecord(input) || isValidJson(text)) return input
  return { ...input, ...Object.fromEntries(stray) }
}

export function unreadable(text: string): ReadCall {
  return { name: /["']?name["']?\s*:\s*["']([^"'\n]{1,100})["']/.exec(text)?.[1] ?? '', input: text }
}

/** Whether a call's text needed no mending. */
export function isValidJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function isNamed(value: unknown): value is Record<string, unknown> {
  return isRecord(value) && (isRecord(value.function) || NAME_KEYS.some((key) => typeof value[key] === 'string'))
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
