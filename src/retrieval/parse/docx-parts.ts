import { createNumberer, type NumberedParagraph, ownValue } from './docx-numbering.js'
import { createXmlReader, readRelationships, streamXml, xmlDecoder } from './xml.js'
import { resolvePart, type ZipPackage } from './zip-package.js'

/** What a comment is about is quoted up to here. */
const QUOTED_CHARACTERS = 200

/** Parts of a Word document that belong to its main one. */
export interface DocxParts {
  readonly main: string
  readonly comments: string | undefined
  readonly headers: readonly string[]
  readonly footers: readonly string[]
  readonly numbering: string
  readonly styles: string
}

export async function findParts(archive: ZipPackage): Promise<DocxParts> {
  const office = (await readRelationships(archive, '')).find(({ type }) => type === 'officeDocument')
  const main = office ? resolvePart('', office.target) : 'word/document.xml'
  const relationships = await readRelationships(archive, main)
  const ofType = (type: string): string[] =>
    relationships.filter((one) => one.type === type).map(({ target }) => resolvePart(main, target))
  return {
    main,
    comments: ofType('comments')[0],
    headers: ofType('header'),
    footers: ofType('footer'),
    numbering: ofType('numbering')[0] ?? '',
    styles: ofType('styles')[0] ?? '',
  }
}

/** The main part with the numbers of its headings written out, and the text that each comment is about. */
export interface PreparedMain {
  readonly part: Uint8Array
  readonly commented: ReadonlyMap<string, string>
}

interface OpenParagraph extends NumberedParagraph {
  isHead: boolean
}

/**
 * Writes the numbers that Word makes for headings into them as text, where a reader of the XML does not see them
 * otherwise, and notes what comments are about.
 */
export async function prepareMain(archive: ZipPackage, parts: DocxParts, part: Uint8Array): Promise<PreparedMain> {
  const numberer = await createNumberer(archive, parts)
  const source = xmlDecoder(part).decode(part)
  const insertions: { at: number; text: string }[] = []
  const commented = new Map<string, string>()
  const openComments = new Set<string>()
  const paragraphs: OpenParagraph[] = []
  let isText = false
  const reader = await createXmlReader({
    open(name, attributes) {
      isText = name === 't'
      const paragraph = paragraphs.at(-1)
      if (name === 'p') paragraphs.push({ style: undefined, listId: undefined, level: undefined, isHead: false })
      else if (name === 'pPr' && paragraph) paragraph.isHead = true
      else if (name === 'commentRangeStart') openComments.add(attributes['w:id'] ?? '')
      else if (name === 'commentRangeEnd') openComments.delete(attributes['w:id'] ?? '')
      else if (!paragraph?.isHead) return
      else if (name === 'pStyle') paragraph.style = ownValue(attributes)
      else if (name === 'numId') paragraph.listId = ownValue(attributes)
      else if (name === 'ilvl') paragraph.level = Number(ownValue(attributes))
    },
    text(text) {
      if (!isText) return
      for (const id of openComments) {
        const known = commented.get(id) ?? ''
        if (known.length < QUOTED_CHARACTERS) commented.set(id, (known + text).slice(0, QUOTED_CHARACTERS))
      }
    },
    close(name, end) {
      isText = false
      if (name === 'p') paragraphs.pop()
      const paragraph = paragraphs.at(-1)
      if (name !== 'pPr' || !paragraph?.isHead) return
      paragraph.isHead = false
      const number = numberer.next(paragraph)
      if (number !== undefined) insertions.push({ at: end, text: runOf(number, source.slice(end - 100, end)) })
    },
  })
  reader.write(source)
  reader.end()
  return { part: insertions.length > 0 ? insertAll(source, insertions) : part, commented }
}

/** A run of text; `before` ends with a tag whose prefix stands for Word's namespace. */
function runOf(text: string, before: string): string {
  const prefix = /<\/([\w.-]+:)?pPr\s*>$/.exec(before)?.[1] ?? ''
  const escaped = text.replace(/&/g, '&amp;').replace(/</g, '&lt;')
  return `<${prefix}r><${prefix}t xml:space="preserve">${escaped} </${prefix}t></${prefix}r>`
}

function insertAll(source: string, insertions: readonly { at: number; text: string }[]): Uint8Array {
  const pieces: string[] = []
  let from = 0
  for (const { at, text } of insertions) {
    pieces.push(source.slice(from, at), text)
    from = at
  }
  pieces.push(source.slice(from))
  const joined = pieces.join('').replace(/^(<\?xml[^>]*encoding=["'])[^"']+/, '$1UTF-8')
  return new TextEncoder().encode(joined)
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()

/** Comments as paragraphs: who says what about which words. */
export async function readComments(
  archive: ZipPackage,
  part: string | undefined,
  commented: ReadonlyMap<string, string>,
): Promise<string[]> {
  const comments: string[] = []
  if (!part) return comments
  let head = ''
  let text = ''
  let isText = false
  await streamXml(archive, part, {
    open(name, attributes) {
      isText = name === 't'
      if (name !== 'comment') return
      const author = oneLine(attributes['w:author'] ?? '')
      const about = oneLine(commented.get(attributes['w:id'] ?? '') ?? '')
      head = `Comment${author === '' ? '' : ` by ${author}`}${about === '' ? '' : ` on “${about}”`}`
      text = ''
    },
    text(piece) {
      if (isText) text += piece
    },
    close(name) {
      isText = false
      if (name === 'p') text += ' '
      if (name === 'comment' && oneLine(text) !== '') comments.push(`${head}: ${oneLine(text)}`)
    },
  })
  return comments
}

/** Distinct texts of page heads or feet; those with no word in them, such as a page number, are left out. */
export async function readFurniture(archive: ZipPackage, parts: readonly string[]): Promise<string[]> {
  const texts = new Set<string>()
  for (const part of parts) {
    let text = ''
    let isText = false
    await streamXml(archive, part, {
      open(name) {
        isText = name === 't'
        if (name === 'tab') text += ' '
      },
      text(piece) {
        if (isText) text += piece
      },
      close(name) {
        isText = false
        if (name === 'p') text += ' '
      },
    })
    const line = oneLine(text)
    if (/\p{L}{2}/u.test(line) && !/^(?:page|seite|página|pagina)?\s*\d*\s*(?:of|\/|von|de)?\s*\d*$/i.test(line))
      texts.add(line)
  }
  return [...texts]
}
