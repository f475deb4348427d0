import { JsonCallScanner } from './json-call-scanner.js'
import { PythonCallScanner } from './python-call-scanner.js'
import { readPythonCalls } from './python-calls.js'
import { readJsonCalls } from './read-calls.js'
import { type CallTag, FENCE } from './tags.js'

const json = { kind: 'call', createScanner: () => new JsonCallScanner(), read: readJsonCalls } as const
const python = { kind: 'call', createScanner: () => new PythonCallScanner(), read: readPythonCalls } as const
const tentative = { isTentative: true, isBody: true } as const

/** A call as JSON after a tag. */
export function jsonAfter(text: string, ...close: readonly string[]): CallTag {
  return { ...json, text, close }
}

/** Calls as Python (or JSON) after a tag. */
export function pythonAfter(text: string, ...close: readonly string[]): CallTag {
  return { ...python, text, close }
}

/** A call in a block of code; a block that is none is text. */
export const fencedJson: readonly CallTag[] = [`${FENCE}json`, `${FENCE}tool_call`, FENCE].map((text) => ({
  ...json,
  text,
  close: [FENCE],
  isTentative: true,
  atLineStart: true,
}))

/**
 * An object or a list of objects that begins a line. Most engines leave special tokens out of the text, so this is what comes from a model that
 * wrote its tags.
 */
export const jsonLine: readonly CallTag[] = ['{', '['].map((text) => ({
  ...json,
  ...tentative,
  text,
  atLineStart: true,
}))

/** An object anywhere, and a list of objects that begins a line. */
export const jsonAnywhere: readonly CallTag[] = [
  ...jsonLine,
  { ...json, ...tentative, text: '{"', needsArguments: true },
]

/** A list of calls as Python, or of objects, that begins a line. */
export const pythonLine: CallTag = { ...python, ...tentative, text: '[', atLineStart: true }
