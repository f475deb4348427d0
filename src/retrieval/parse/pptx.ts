import { AlcoveError } from '../../protocol/error.js'
import type { Page, ParsedDocument, ParseOptions } from './document.js'
import { createSlideVisitor, type SlideContent } from './pptx-slide.js'
import { createTableWriter } from './table-text.js'
import { createTextBuilder, type TextBuilder } from './text-builder.js'
import { readCoreTitle, readRelationships, streamXml } from './xml.js'
import { openZipPackage, resolvePart, type ZipPackage } from './zip-package.js'

export const PPTX = 'application/vnd.openxmlformats-officedocument.presentationml.presentation'

/** Parts of the slides in the order in which they are shown. */
async function findSlides(archive: ZipPackage): Promise<string[]> {
  const main = (await readRelationships(archive, '')).find(({ type }) => type === 'officeDocument')
  const part = main ? resolvePart('', main.target) : 'ppt/presentation.xml'
  const relationships = await readRelationships(archive, part)
  const targets = new Map(relationships.map(({ id, target }) => [id, resolvePart(part, target)]))
  const slides: string[] = []
  const exists = await streamXml(archive, part, {
    open(name, attributes) {
      if (name !== 'sldId') return
      const id = Object.entries(attributes).find(([key]) => key.endsWith(':id'))?.[1] ?? ''
      const target = targets.get(id)
      if (target) slides.push(target)
    },
  })
  if (!exists) throw new AlcoveError('parse-failed', 'The PowerPoint presentation has no list of its slides')
  return slides
}

async function readContent(archive: ZipPackage, part: string): Promise<SlideContent> {
  const { visitor, content } = createSlideVisitor()
  await streamXml(archive, part, visitor)
  return content
}

function writeContent(builder: TextBuilder, { blocks }: SlideContent, group: string): void {
  for (const block of blocks) {
    if (block.kind === 'paragraph') builder.paragraph(block.text)
    else if (block.kind === 'item') {
      const indent = '  '.repeat(block.level)
      builder.line(`${indent}- ${block.text.replace(/\n/g, `\n${indent}  `)}`, `${group} list`)
    } else {
      const [header = [], ...rows] = block.rows
      const writer = createTableWriter(builder, rows.length > 0 ? header : [])
      for (const row of rows.length > 0 ? rows : block.rows) writer.row(row)
    }
  }
}

/** Diagrams (SmartArt) have their text in a part of their own, and so have the speaker's notes. */
async function writeSlide(archive: ZipPackage, part: string, number: number, builder: TextBuilder): Promise<void> {
  const slide = await readContent(archive, part)
  builder.heading(1, slide.title || `Slide ${number}`)
  writeContent(builder, slide, `slide ${number}`)
  for (const { type, target } of await readRelationships(archive, part)) {
    const other = resolvePart(part, target)
    if (type === 'diagramData') writeContent(builder, await readContent(archive, other), `diagram ${number}`)
    if (type !== 'notesSlide') continue
    const notes = await readContent(archive, other)
    const [first, ...rest] = notes.blocks
    if (!first) continue
    const isText = first.kind === 'paragraph'
    builder.paragraph(isText ? `Notes: ${first.text}` : 'Notes:')
    writeContent(builder, { ...notes, blocks: isText ? rest : notes.blocks }, `notes ${number}`)
  }
}

/**
 * Reads a presentation (PPTX, PPTM): each slide is a page with its title as heading, then its text, lists and tables,
 * the text of its diagrams and the speaker's notes. Pictures, charts, dates and slide numbers are left out.
 * Throws `parse-failed`, `document-encrypted`, `document-empty`, `too-large`, or what the signal says.
 */
export async function parsePptx(bytes: Uint8Array, options: ParseOptions = {}): Promise<ParsedDocument> {
  const archive = openZipPackage(bytes, options)
  const builder = createTextBuilder()
  const starts: number[] = []
  for (const [index, part] of (await findSlides(archive)).entries()) {
    starts.push(builder.length())
    await writeSlide(archive, part, index + 1, builder)
  }
  const { text, headings } = builder.finish()
  const pages = starts.map<Page>((start, index) => ({
    page: index + 1,
    span: [start, starts[index + 1] ?? text.length],
  }))
  const title = (await readCoreTitle(archive)) ?? headings[0]?.title
  return {
    mediaType: PPTX,
    ...(title === undefined || /^(?:powerpoint presentation|slide 1)$/i.test(title) ? {} : { title }),
    text,
    pages,
    headings,
  }
}
