import { sha256Hex, toHex } from './hash.js'
import { sha256 } from './sha256.js'

/** Up to so many UTF-16 code units a text is hashed here: WebCrypto costs a turn of the event loop, which a busy worker gives late. */
const shortText = 2_048

/** SHA-256 of a text's UTF-8 bytes as 64 lower-case hexadecimal digits: `sha256Hex` for callers with many short texts. */
export async function hashText(text: string): Promise<string> {
  if (text.length > shortText) return await sha256Hex(text)
  return toHex(sha256(new TextEncoder().encode(text)))
}
