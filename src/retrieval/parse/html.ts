import { type ParsedDocument, parseLimits, tooLarge } from './document.js'
import { readBlocks } from './html-blocks.js'
import { findMainContent, isInvisible } from './html-main.js'
import { attributeOf, collectText, findElement, type HtmlNode } from './html-tree.js'

const clean = (text: string | undefined): string | undefined => text?.replace(/\s+/g, ' ').trim() || undefined

async function parseTree(html: string): Promise<HtmlNode> {
  if (html.length > parseLimits.htmlCharacters) {
    throw tooLarge('The HTML source of a document', html.length, parseLimits.htmlCharacters, 'characters')
  }
  const { parse } = await import('parse5')
  return parse(html, { scriptingEnabled: false })
}

/**
 * Reads the main content of a web page: without navigation, heads and feet of the site, scripts and hidden parts.
 * Lists get `- ` or numbers, rows of tables are `cell | cell`, code keeps its lines.
 */
export async function parseHtml(html: string): Promise<ParsedDocument> {
  const tree = await parseTree(html)
  const { text, headings } = readBlocks(findMainContent(tree))
  const title = pageTitle(tree) ?? headings.find((heading) => heading.level === 1)?.title
  const language = clean(attributeOfTag(tree, 'html', 'lang'))
  return {
    mediaType: 'text/html',
    ...(title === undefined ? {} : { title }),
    text,
    pages: [],
    headings,
    ...(language === undefined ? {} : { language }),
  }
}

/** Reads HTML that is all content, such as a converter writes. */
export async function parseContentHtml(html: string): Promise<Pick<ParsedDocument, 'text' | 'headings'>> {
  const tree = await parseTree(html)
  return readBlocks({ root: tree, isLeftOut: isInvisible })
}

function pageTitle(tree: HtmlNode): string | undefined {
  const title = findElement(tree, (element) => element.tagName === 'title' && element.namespaceURI.endsWith('xhtml'))
  return clean(title && collectText(title))
}

function attributeOfTag(tree: HtmlNode, tagName: string, name: string): string | undefined {
  const element = findElement(tree, (candidate) => candidate.tagName === tagName)
  return element && attributeOf(element, name)
}
