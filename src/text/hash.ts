import { AlcoveError } from '../protocol/error.js'

/**
 * JSON text that is the same for equal values: keys in order of UTF-16 code units, fields that are undefined left out
 * (null within lists, as in JSON). Throws `invalid-argument` for what plain JSON cannot say: cycles, numbers that are not
 * finite, functions, bigints, Blobs, typed arrays, and instances of classes.
 */
export function canonicalJson(value: unknown): string {
  return write(value, '$', new Set()) ?? 'null'
}

function write(value: unknown, path: string, parents: Set<object>): string | undefined {
  if (value === undefined) return undefined
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value)
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value)
  if (typeof value !== 'object') throw notJson(String(value), path)
  if (parents.has(value)) throw notJson('a cycle', path)
  parents.add(value)
  const text = Array.isArray(value) ? writeList(value, path, parents) : writeObject(value, path, parents)
  parents.delete(value)
  return text
}

function writeList(list: readonly unknown[], path: string, parents: Set<object>): string {
  return `[${list.map((item, index) => write(item, `${path}[${index}]`, parents) ?? 'null').join(',')}]`
}

function writeObject(value: object, path: string, parents: Set<object>): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw notJson(`an instance of ${value.constructor?.name ?? 'a class'}`, path)
  }
  const fields = Object.keys(value)
    .sort()
    .map((key) => {
      const text = write((value as Record<string, unknown>)[key], `${path}.${key}`, parents)
      return text === undefined ? undefined : `${JSON.stringify(key)}:${text}`
    })
  return `{${fields.filter((field) => field !== undefined).join(',')}}`
}

function notJson(found: string, path: string): AlcoveError {
  return new AlcoveError('invalid-argument', `Expected plain JSON data, got ${found} at ${path}`, { details: { path } })
}

/** SHA-256 of a text's UTF-8 bytes, or of bytes, as 64 lower-case hexadecimal digits. */
export async function sha256Hex(data: string | Uint8Array): Promise<string> {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data
  const digest = await digestSha256(bytes)
  return toHex(digest)
}

/** Bytes as lower-case hexadecimal digits, two each. */
export function toHex(bytes: Uint8Array): string {
  let digits = ''
  for (const byte of bytes) digits += byte < 16 ? `0${byte.toString(16)}` : byte.toString(16)
  return digits
}

/** WebCrypto, which only secure contexts have; else a plain one. */
async function digestSha256(bytes: Uint8Array): Promise<Uint8Array> {
  const subtle = globalThis.crypto?.subtle
  if (subtle !== undefined) return new Uint8Array(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>))
  const { sha256 } = await import('./sha256.js')
  return sha256(bytes)
}
