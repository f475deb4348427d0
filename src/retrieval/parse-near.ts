import type { Parse } from './ingest.js'
import { detectKind } from './parse/detect-kind.js'
import { parseDocument } from './parse/parse.js'

/** Longest text that is read here, in UTF-16 code units. */
const shortText = 8_192

/** Reads short plain texts in this thread, as the way to a parse worker costs more than reading them; all else by `parse`. */
export function parseNear(parse: Parse): Parse {
  return async (input, options) => {
    const { data } = input
    const isNear = typeof data === 'string' && data.length <= shortText && detectKind(input).entry.kind === 'text'
    return await (isNear ? parseDocument(input, options) : parse(input, options))
  }
}
