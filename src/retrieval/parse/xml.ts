import { AlcoveError } from '../../protocol/error.js'
import type { ZipPackage } from './zip-package.js'

export type XmlAttributes = Readonly<Record<string, string>>

/** What `streamXml` calls, in document order. Names come without their namespace's prefix, attributes with it. */
export interface XmlVisitor {
  open?(name: string, attributes: XmlAttributes): void
  /** Text between tags, in pieces of any length. */
  text?(text: string): void
  /** `end` is where its tag ends: an offset in UTF-16 code units of all that was written. */
  close?(name: string, end: number): void
}

/** No Office file or book nests deeper than some dozens. */
const DEEPEST = 500

/** Reads XML that comes in pieces of text. */
export interface XmlReader {
  write(text: string): void
  end(): void
}

const localName = (name: string): string => name.slice(name.indexOf(':') + 1)

/**
 * A streaming reader of XML that recovers from errors as browsers do with HTML. It knows no document types: entities
 * that one declares are never expanded, nor fetched. Throws `parse-failed` for elements nested beyond reason.
 */
export async function createXmlReader(visitor: XmlVisitor): Promise<XmlReader> {
  const { Parser } = await import('htmlparser2')
  let depth = 0
  const parser = new Parser(
    {
      onopentag(name, attributes) {
        if (++depth > DEEPEST) throw tooDeep()
        visitor.open?.(localName(name), attributes)
      },
      ontext: (text) => visitor.text?.(text),
      onclosetag(name) {
        depth--
        visitor.close?.(localName(name), parser.endIndex + 1)
      },
    },
    { xmlMode: true, decodeEntities: true },
  )
  return { write: (text) => parser.write(text), end: () => parser.end() }
}

function tooDeep(): AlcoveError {
  return new AlcoveError('parse-failed', `The document nests XML elements more than ${DEEPEST} deep`, {
    hint: 'The file may be damaged, or made to harm. Open it elsewhere and save it again.',
  })
}

/** A decoder by the part's byte order mark or zeros; OOXML and EPUB allow UTF-8 and UTF-16 only. */
export function xmlDecoder(start: Uint8Array): TextDecoder {
  const [first, second] = start
  if ((first === 0xff && second === 0xfe) || (first === 0x3c && second === 0)) return new TextDecoder('utf-16le')
  if ((first === 0xfe && second === 0xff) || (first === 0 && second === 0x3c)) return new TextDecoder('utf-16be')
  return new TextDecoder()
}

/** Reads a part of an archive as XML without ever holding it whole. Returns false when there is none of this name. */
export async function streamXml(archive: ZipPackage, name: string, visitor: XmlVisitor): Promise<boolean> {
  const reader = await createXmlReader(visitor)
  let decoder: TextDecoder | undefined
  const exists = await archive.stream(name, (piece) => {
    decoder ??= xmlDecoder(piece)
    reader.write(decoder.decode(piece, { stream: true }))
  })
  if (exists) reader.end()
  return exists
}

/** A relationship of an Office part (ECMA-376 part 2, 9.3) to another part of the file. */
export interface Relationship {
  readonly id: string
  /** Last step of its type's address, such as `slide`. */
  readonly type: string
  readonly target: string
}

/** The relationships of a part, but for those to outside the file. */
export async function readRelationships(archive: ZipPackage, part: string): Promise<Relationship[]> {
  const slash = part.lastIndexOf('/')
  const file = `${part.slice(0, slash + 1)}_rels/${part.slice(slash + 1)}.rels`
  const relationships: Relationship[] = []
  await streamXml(archive, file, {
    open(name, { Id = '', Type = '', Target = '', TargetMode }) {
      if (name !== 'Relationship' || TargetMode === 'External') return
      relationships.push({ id: Id, type: Type.slice(Type.lastIndexOf('/') + 1), target: Target })
    },
  })
  return relationships
}

/** The title in an Office file's properties. */
export async function readCoreTitle(archive: ZipPackage): Promise<string | undefined> {
  let title = ''
  let isTitle = false
  await streamXml(archive, 'docProps/core.xml', {
    open: (name) => {
      isTitle = name === 'title'
    },
    text: (text) => {
      if (isTitle) title = (title + text).slice(0, 1000)
    },
    close: () => {
      isTitle = false
    },
  })
  return title.replace(/\s+/g, ' ').trim() || undefined
}
