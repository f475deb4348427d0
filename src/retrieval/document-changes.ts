import type { DocumentChanges } from '../protocol/corpus.js'
import { AlcoveError } from '../protocol/error.js'
import { checkMetadata } from './document-input.js'
import type { DocumentEntry } from './storage/corpus-layout.js'

/**
 * Checks what a caller wants to change of a document, and gives the change.
 * @throws AlcoveError `invalid-argument` that names the field
 */
export function checkChanges(id: unknown, changes: DocumentChanges): (entry: DocumentEntry) => DocumentEntry {
  if (typeof id !== 'string') fail('id', 'a text', id)
  if (typeof changes !== 'object' || changes === null) fail('changes', 'an object', changes)
  const { id: newId, title, url, metadata } = changes
  for (const [field, value] of Object.entries({ id: newId, title })) {
    if (value !== undefined && (typeof value !== 'string' || value === '')) fail(field, 'a text', value)
  }
  if (url !== undefined && url !== null && typeof url !== 'string') fail('url', 'a text or null', url)
  if (metadata !== undefined) checkMetadata(metadata, 'metadata')
  const facts = Object.entries(metadata ?? {}).filter(([, value]) => value !== undefined)
  return (entry) => {
    const { url: oldUrl, ...rest } = entry
    const nextUrl = url === undefined ? oldUrl : (url ?? undefined)
    return {
      ...rest,
      ...(newId !== undefined && { id: newId }),
      ...(title !== undefined && { title }),
      ...(nextUrl !== undefined && nextUrl !== '' && { url: nextUrl }),
      ...(metadata !== undefined && { metadata: Object.fromEntries(facts) }),
    }
  }
}

function fail(field: string, expected: string, got: unknown): never {
  throw new AlcoveError('invalid-argument', `${field}: expected ${expected}, got ${got === null ? 'null' : typeof got}`)
}
