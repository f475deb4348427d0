import { AlcoveError } from '../../protocol/error.js'
import { decodeText } from './decode-text.js'
import { type Heading, type ParsedDocument, type ParseOptions, parseLimits, tooLarge } from './document.js'
import { parseContentHtml } from './html.js'
import { streamXml } from './xml.js'
import { openZipPackage, resolvePart, type ZipPackage } from './zip-package.js'

export const EPUB = 'application/epub+zip'

/** What the package document says of a book (EPUB 3.3, 5). */
interface Book {
  title: string
  language: string
  /** Parts of the content in the order of reading. */
  readonly chapters: string[]
  /** The list of contents: of EPUB 3, else of EPUB 2. */
  contents: string | undefined
}

interface ManifestItem {
  readonly part: string
  readonly mediaType: string
  readonly isContents: boolean
}

async function findPackageDocument(archive: ZipPackage): Promise<string> {
  let path: string | undefined
  await streamXml(archive, 'META-INF/container.xml', {
    open(name, attributes) {
      if (name === 'rootfile') path ??= attributes['full-path']
    },
  })
  const part = path ?? archive.names.find((name) => name.toLowerCase().endsWith('.opf'))
  if (!part) throw new AlcoveError('parse-failed', 'The EPUB book has no list of its contents')
  return resolvePart('', part)
}

async function readBook(archive: ZipPackage): Promise<Book> {
  const part = await findPackageDocument(archive)
  const book: Book = { title: '', language: '', chapters: [], contents: undefined }
  const items = new Map<string, ManifestItem>()
  const spine: string[] = []
  let field = ''
  const exists = await streamXml(archive, part, {
    open(name, attributes) {
      field = (name === 'title' && book.title === '') || (name === 'language' && book.language === '') ? name : ''
      if (name === 'item') {
        items.set(attributes.id ?? '', {
          part: resolvePart(part, attributes.href ?? ''),
          mediaType: attributes['media-type'] ?? '',
          isContents: /(?:^|\s)nav(?:\s|$)/.test(attributes.properties ?? ''),
        })
      }
      if (name === 'itemref') spine.push(attributes.idref ?? '')
    },
    text(text) {
      if (field === 'title') book.title = (book.title + text).slice(0, 1000)
      if (field === 'language') book.language = (book.language + text).slice(0, 40)
    },
    close() {
      field = ''
    },
  })
  if (!exists) throw new AlcoveError('parse-failed', 'The EPUB book has no list of its contents')
  const all = [...items.values()]
  const contents = all.find(({ isContents }) => isContents)
  book.contents = (contents ?? all.find(({ mediaType }) => mediaType === 'application/x-dtbncx+xml'))?.part
  for (const id of spine) {
    const item = items.get(id)
    if (item && item !== contents && /html|xml/.test(item.mediaType)) book.chapters.push(item.part)
  }
  return book
}

/** Titles of chapters by their part, from the list of contents. */
async function readContents(archive: ZipPackage, part: string | undefined): Promise<ReadonlyMap<string, string>> {
  const titles = new Map<string, string>()
  if (!part) return titles
  let label = ''
  let link: string | undefined
  const add = (target: string | undefined): void => {
    const chapter = target === undefined ? '' : resolvePart(part, target)
    const title = label.replace(/\s+/g, ' ').trim()
    if (chapter !== '' && title !== '' && !titles.has(chapter)) titles.set(chapter, title)
    label = ''
  }
  await streamXml(archive, part, {
    open(name, attributes) {
      // An anchor of EPUB 3 is around its label; a `content` of EPUB 2 follows it.
      if (name === 'a') {
        link = attributes.href
        label = ''
      } else if (name === 'navLabel') label = ''
      else if (name === 'content') add(attributes.src)
    },
    text(text) {
      if (label.length < 500) label += text
    },
    close(name) {
      if (name === 'a') add(link)
    },
  })
  return titles
}

/** Algorithms that only hide fonts; any other means that the book is protected. */
const FONT_ALGORITHM = /^http:\/\/(?:www\.idpf\.org\/2008\/embedding|ns\.adobe\.com\/pdf\/enc#RC)/

async function checkProtection(archive: ZipPackage): Promise<void> {
  let isProtected = false
  await streamXml(archive, 'META-INF/encryption.xml', {
    open(name, attributes) {
      if (name === 'EncryptionMethod' && !FONT_ALGORITHM.test(attributes.Algorithm ?? '')) isProtected = true
    },
  })
  if (!isProtected) return
  throw new AlcoveError('document-encrypted', 'The EPUB book is protected against copying', {
    hint: 'Only the program of its shop can open it. Add a copy without protection.',
  })
}

/** Elements that HTML knows without an end tag. */
const VOID = /^(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)$/i

/** XHTML as HTML: `<a id="x"/>` is an empty element in the one, and a start tag in the other. */
const toHtml = (xhtml: string): string =>
  xhtml.replace(/<([a-z][\w:-]*)((?:\s[^<>]*)?)\/>/gi, (whole, name: string, attributes: string) =>
    VOID.test(name) ? whole : `<${name}${attributes}></${name}>`,
  )

/**
 * Reads a book (EPUB 2 and 3): its chapters in the order of reading, each with its own headings or else the title that
 * the list of contents gives it. Pictures, and the list of contents itself, are left out.
 * Throws `parse-failed`, `document-encrypted`, `document-empty`, `too-large`, or what the signal says.
 */
export async function parseEpub(bytes: Uint8Array, options: ParseOptions = {}): Promise<ParsedDocument> {
  const archive = openZipPackage(bytes, options)
  await checkProtection(archive)
  const book = await readBook(archive)
  const titles = await readContents(archive, book.contents)
  const pieces: string[] = []
  const headings: Heading[] = []
  let length = 0
  const append = (text: string, own: readonly Heading[]): void => {
    if (text === '') return
    const separator = length === 0 ? '' : '\n\n'
    for (const heading of own) headings.push({ ...heading, start: length + separator.length + heading.start })
    pieces.push(separator, text)
    length += separator.length + text.length
    if (length > parseLimits.textCharacters) {
      throw tooLarge('The text of a document', length, parseLimits.textCharacters, 'characters')
    }
  }
  for (const part of new Set(book.chapters)) {
    const source = await archive.read(part)
    if (!source || source.length === 0) continue
    const chapter = await parseContentHtml(toHtml(decodeText(source).text))
    const title = titles.get(part)
    if (title !== undefined && chapter.headings.length === 0 && chapter.text !== '') {
      append(title, [{ level: 1, title, start: 0 }])
    }
    append(chapter.text, chapter.headings)
  }
  const title = book.title.replace(/\s+/g, ' ').trim()
  const language = book.language.trim()
  return {
    mediaType: EPUB,
    ...(title === '' ? {} : { title }),
    text: pieces.join(''),
    pages: [],
    headings,
    ...(/^[a-z]{2,3}(?:-[\w-]+)?$/i.test(language) ? { language } : {}),
  }
}
