import { AlcoveError, toAlcoveError } from '../../protocol/error.js'
import { throwIfAborted } from '../../runtime/abort.js'
import { detectKind } from './detect-kind.js'
import {
  checkText,
  type ParsedDocument,
  type ParseInput,
  type ParseOptions,
  parseLimits,
  tooLarge,
} from './document.js'

export type { Heading, Page, ParsedDocument, ParseInput, ParseOptions, ParseWarning } from './document.js'

/** Raised whenever a parser gives other text for the same bytes: documents are then parsed again. */
export const parserVersion = 2

const SCANNED_HINT =
  'Its pages may be pictures, as of a scan: run text recognition (OCR) on the file, then add it again.'

/**
 * Reads a file of any kind that a parser is there for; the kind is told by its content. Parsers are loaded when first
 * needed. Runs in a worker or in Node; needs no DOM and no eval.
 *
 * Throws `parse-failed` (broken), `document-encrypted`, `document-empty` (no text), `document-unsupported` (a kind that
 * is no text or has no parser), `too-large`, or what the signal says.
 */
export async function parseDocument(input: ParseInput, options: ParseOptions = {}): Promise<ParsedDocument> {
  throwIfAborted(options.signal)
  const size = input.data.length
  if (size === 0) throw new AlcoveError('document-empty', 'The file is empty', { hint: 'Check that it was saved.' })
  if (size > parseLimits.fileBytes) throw tooLarge('A file', size, parseLimits.fileBytes, 'bytes')
  try {
    const document = await parseKind(input, options)
    throwIfAborted(options.signal)
    checkText(document.text, document.mediaType === 'application/pdf' ? SCANNED_HINT : undefined)
    return document
  } catch (error) {
    throwIfAborted(options.signal)
    throw toAlcoveError(error, 'parse-failed', 'The document cannot be read')
  }
}

async function parseKind(input: ParseInput, options: ParseOptions): Promise<ParsedDocument> {
  const { entry, mediaType } = detectKind(input)
  return entry.parse(input, mediaType, options)
}
