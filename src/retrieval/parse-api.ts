import { serveRequest } from '../rpc/port-stream.js'
import { type ParsedDocument, type ParseInput, parseDocument } from './parse/parse.js'

/** What a parse worker offers: one document at a time, over a port that can cancel it. */
export interface ParseApi {
  parse(input: ParseInput, port: MessagePort): Promise<void>
}

/** The worker's side; `parse` is replaced by tests. */
export function createParseApi(
  parse: (input: ParseInput, options: { signal: AbortSignal }) => Promise<ParsedDocument> = parseDocument,
): ParseApi {
  return {
    parse: (input, port) => serveRequest(port, (signal) => parse(input, { signal })),
  }
}
