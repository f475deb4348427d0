import type { ParsedDocument, ParseOptions } from './document.js'
export async function parsePdf(_bytes: Uint8Array, _options: ParseOptions): Promise<ParsedDocument> {
  throw new Error('todo')
}
