import { decodeText, normalizeLineEnds } from './decode-text.js'
import { type ParseInput, parseLimits, tooLarge } from './document.js'

/** The encoding that an HTML or XML file declares for itself, in its first 1,024 bytes (WHATWG HTML, 13.2.3.2). */
function declaredEncoding(bytes: Uint8Array): string | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 1024))
  const found = /<meta[^>]+charset\s*=\s*["']?\s*([\w-]+)/i.exec(start)
  return (found ?? /<\?xml[^>]+encoding\s*=\s*["']([\w-]+)/i.exec(start))?.[1]
}

/** Text of an input, and how its bytes were read; a given string is kept as it is, but for lone surrogates. */
export interface SourceText {
  readonly text: string
  readonly encoding?: string
}

/** Reads the text of an input of a kind that is text. Throws `too-large` or `document-unsupported`. */
export function readSourceText(input: ParseInput, limit: number = parseLimits.textCharacters): SourceText {
  const { data } = input
  if (typeof data === 'string') {
    if (data.length > limit) throw tooLarge('The text of a document', data.length, limit, 'characters')
    // Half of a pair cannot be stored as UTF-8. U+FFFD is as long, so offsets stay.
    return { text: data.isWellFormed?.() === false ? data.toWellFormed() : data }
  }
  // Four bytes are the most that an encoding spends on one or two code units: beyond that no text can fit.
  if (data.length > limit * 4) throw tooLarge('The text of a document', Math.ceil(data.length / 4), limit, 'characters')
  const charset = /charset\s*=\s*"?([\w-]+)/i.exec(input.mediaType ?? '')?.[1]
  const { text, encoding } = decodeText(data, charset ?? declaredEncoding(data))
  if (text.length > limit) throw tooLarge('The text of a document', text.length, limit, 'characters')
  return { text: normalizeLineEnds(text), encoding }
}
