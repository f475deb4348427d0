import { AlcoveError, isAlcoveError } from '../../protocol/error.js'
import type { Message } from '../../protocol/message.js'
import { checkMessages } from '../read-input.js'
import type { MessageRow } from './session-rows.js'

const FORMAT = 'alcove-session'
const VERSION = 1
const MAX_FILE_BYTES = 200_000_000
/** How deep values may be nested. */
const MAX_DEPTH = 200
/** Bytes at a time: a multiple of 3, so that the pieces of Base64 fit together. */
const PIECE_BYTES = 0x6000

/** A session as a file has it. */
export interface SessionFile {
  /** Missing: its first line. */
  readonly title: string | undefined
  readonly createdAt: number
  readonly head: string | null
  /** Each after the one that it follows. */
  readonly rows: readonly MessageRow[]
}

/**
 * A session as JSON. Blobs become objects `{ "$blob": <Base64>, "mediaType" }`, other keys that begin with `$` get another `$` before it.
 * @throws AlcoveError `invalid-argument` for what JSON cannot say
 */
export async function writeSessionFile({ title, createdAt, head, rows }: SessionFile): Promise<Blob> {
  const messages: unknown[] = []
  for (const row of rows) messages.push(await encode(row, 0))
  const file = { format: FORMAT, version: VERSION, ...(title !== undefined && { title }), createdAt, head, messages }
  return new Blob([JSON.stringify(file)], { type: 'application/json' })
}

/**
 * Reads what `writeSessionFile` wrote, and checks all of it.
 * @throws AlcoveError `parse-failed`, `version-unsupported`, `too-large`; `invalid-argument` for what is no file
 */
export async function readSessionFile(file: Blob, maxBytes = MAX_FILE_BYTES): Promise<SessionFile> {
  if (!(file instanceof Blob)) {
    throw new AlcoveError(
      'invalid-argument',
      `import: expected a Blob or File, got ${file === null ? 'null' : typeof file}`,
    )
  }
  if (file.size > maxBytes) {
    throw new AlcoveError(
      'too-large',
      `import: expected a session file of at most ${maxBytes} bytes, got ${file.size}`,
      {
        hint: 'Raise maxBytes if the file is really a session, or export it without its largest attachments.',
        details: { maxBytes, bytes: file.size },
      },
    )
  }
  try {
    return await check(JSON.parse(await file.text()))
  } catch (error) {
    if (isAlcoveError(error, 'parse-failed') || isAlcoveError(error, 'version-unsupported')) throw error
    throw notWhole(error instanceof Error ? error.message : String(error), error)
  }
}

async function check(given: unknown): Promise<SessionFile> {
  if (!isRecord(given) || given.format !== FORMAT) throw notWhole('it is of another kind')
  const { version, title, createdAt, head = null, messages } = given
  if (typeof version !== 'number' || !(version >= 1)) throw notWhole('it has no version')
  if (version > VERSION) {
    throw new AlcoveError('version-unsupported', `import: expected a session of version ${VERSION}, got ${version}`, {
      hint: 'A newer Alcove wrote this file. Load this page anew, or import it where it was exported.',
      details: { expected: VERSION, version },
    })
  }
  if (!Array.isArray(messages)) throw notWhole('it has no messages')
  const ids = new Set<string>()
  const rows: MessageRow[] = []
  for (const [at, message] of messages.entries()) {
    const row = checkRow(decode(message, 0), ids)
    if (!row) throw notWhole(`message ${at} is damaged`)
    ids.add(row.id)
    rows.push(row)
  }
  if (head !== null && !ids.has(head as string)) throw notWhole('its last message is missing')
  return {
    title: typeof title === 'string' ? title : undefined,
    createdAt: Number.isFinite(createdAt) ? (createdAt as number) : 0,
    head: head as string | null,
    rows,
  }
}

function checkRow(row: unknown, known: ReadonlySet<string>): MessageRow | undefined {
  if (!isRecord(row)) return undefined
  const { id, parent = null, at, message } = row
  if (typeof id !== 'string' || known.has(id) || !Number.isFinite(at)) return undefined
  if (parent !== null && !known.has(parent as string)) return undefined
  checkMessages([message as Message], 'import')
  return { id, parent: parent as string | null, at: at as number, message: message as Message }
}

function notWhole(why: string, cause?: unknown): AlcoveError {
  return new AlcoveError('parse-failed', `this is no whole Alcove session file: ${why}`, {
    cause,
    hint: 'Export the session again, and import the file that comes of it.',
  })
}

async function encode(value: unknown, depth: number): Promise<unknown> {
  if (depth > MAX_DEPTH) throw new AlcoveError('too-large', `export: a value is nested deeper than ${MAX_DEPTH}`)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Blob) return { $blob: await toBase64(value), mediaType: value.type }
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    return await encode(new Blob([value as BlobPart]), depth)
  }
  if (Array.isArray(value)) {
    const list: unknown[] = []
    for (const item of value) list.push(await encode(item, depth + 1))
    return list
  }
  const entries: [string, unknown][] = []
  for (const [key, field] of Object.entries(value)) {
    entries.push([key.startsWith('$') ? `$${key}` : key, await encode(field, depth + 1)])
  }
  return Object.fromEntries(entries)
}

function decode(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH + 1) throw notWhole('a value is nested too deep')
  if (Array.isArray(value)) return value.map((item) => decode(item, depth + 1))
  if (!isRecord(value)) return value
  if (typeof value.$blob === 'string') {
    return new Blob([fromBase64(value.$blob)], { type: String(value.mediaType ?? '') })
  }
  const entries = Object.entries(value).map(([key, field]) => {
    const plain = key.startsWith('$$') ? key.slice(1) : key
    return [plain, decode(field, depth + 1)] as const
  })
  // An own property, whatever its name.
  return Object.fromEntries(entries)
}

async function toBase64(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await blob.arrayBuffer())
  let text = ''
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    text += btoa(String.fromCharCode(...bytes.subarray(at, at + PIECE_BYTES)))
  }
  return text
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at)
  return bytes
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Blob)
}
