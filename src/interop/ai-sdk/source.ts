import type { Citation } from '../../protocol/corpus.js'
import type { JsonObject, SourceContent } from './types.js'

/** A citation as a source of the AI SDK: by its address where the document has one on the web. */
export function writeSource({ index, source, span, quote, verified, answerSpan }: Citation): SourceContent {
  const { id: documentId, title, url, page, headings } = source
  const facts: JsonObject = { index, quote, verified, span: [...span], documentId, headings: [...headings] }
  if (page !== undefined) facts.page = page
  if (answerSpan !== undefined) facts.answerSpan = [...answerSpan]
  const shared = { type: 'source' as const, id: `citation-${index}`, title, providerMetadata: { alcove: facts } }
  if (url !== undefined && /^https?:/i.test(url)) return { ...shared, sourceType: 'url', url }
  return { ...shared, sourceType: 'document', mediaType: 'text/plain' }
}
