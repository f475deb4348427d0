import { attributeOf, findElement, type HtmlElement, type HtmlNode, isElement, textOf, walkTree } from './html-tree.js'

/** Elements whose text a reader of the page does not see, or that are controls. */
const INVISIBLE = new Set(
  'script style noscript template head title svg iframe object embed canvas audio video select datalist button input textarea progress meter map annotation annotation-xml rp'.split(
    ' ',
  ),
)

/** Parts of a page around its content. `header` and `footer` of an article are content. */
const CHROME_ROLES = new Set(['navigation', 'banner', 'contentinfo', 'search', 'complementary', 'dialog', 'alert'])

/** Class names and ids of parts that are chrome by custom rather than by element. */
const CHROME_NAMES =
  /(?:^|[\s_-])(?:mw-editsection|mw-jump-link|noprint|navbox|catlinks|printfooter|sr-only|visually-hidden|visuallyhidden|skip-?link|skip-?nav|cookie-?(?:banner|consent|notice)|breadcrumbs?|hash-link)(?:$|[\s_-])/i

const isHidden = (element: HtmlElement): boolean =>
  attributeOf(element, 'hidden') !== undefined ||
  attributeOf(element, 'aria-hidden') === 'true' ||
  /(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)/i.test(attributeOf(element, 'style') ?? '')

/** Whether an element is no part of what the page says to its reader. */
export function isInvisible(element: HtmlElement): boolean {
  return INVISIBLE.has(element.tagName) || isHidden(element)
}

/** Whether an element is navigation, a site's head or foot, or another part around the content. */
export function isChrome(element: HtmlElement, isInContent: boolean): boolean {
  const { tagName } = element
  if (tagName === 'nav' || tagName === 'dialog') return true
  if (!isInContent && (tagName === 'header' || tagName === 'footer' || tagName === 'aside')) return true
  const role = attributeOf(element, 'role')
  if (role !== undefined && CHROME_ROLES.has(role) && !(isInContent && role === 'complementary')) return true
  return CHROME_NAMES.test(`${attributeOf(element, 'class') ?? ''} ${attributeOf(element, 'id') ?? ''}`)
}

const isContent = (element: HtmlElement): boolean =>
  element.tagName === 'main' || element.tagName === 'article' || attributeOf(element, 'role') === 'main'

/** Number of visible characters in a node, leaving out what is no content. */
function contentLength(root: HtmlNode, withChrome: boolean): number {
  let length = 0
  let contentDepth = 0
  walkTree(root, {
    enter(node) {
      const text = textOf(node)
      if (text !== undefined) length += text.replace(/\s+/g, '').length
      if (!isElement(node)) return true
      if (isInvisible(node) || (!withChrome && isChrome(node, contentDepth > 0))) return false
      if (isContent(node)) contentDepth++
      return true
    },
    leave(node) {
      if (isElement(node) && isContent(node)) contentDepth--
    },
  })
  return length
}

/** The part of a page that its reader came for. */
export interface MainContent {
  readonly root: HtmlNode
  /** Whether chrome inside it is left out. False where nothing would be left. */
  readonly dropChrome: boolean
}

/**
 * Finds the main content: `<main>`, else a lone `<article>`, else the body without its chrome; each only when it has a
 * fair share of the page's text, so that a page built in an unusual way is read whole rather than not at all.
 */
export function findMainContent(document: HtmlNode): MainContent {
  const body = findElement(document, (element) => element.tagName === 'body') ?? document
  const whole = contentLength(body, true)
  const clean = contentLength(body, false)
  if (clean < whole * 0.1 || clean < Math.min(whole, 40)) return { root: body, dropChrome: false }
  const main = findElement(body, (element) => element.tagName === 'main' || attributeOf(element, 'role') === 'main')
  const candidate = main ?? loneArticle(body)
  if (candidate && contentLength(candidate, false) >= clean * 0.3) return { root: candidate, dropChrome: true }
  return { root: body, dropChrome: true }
}

function loneArticle(body: HtmlNode): HtmlElement | undefined {
  const articles: HtmlElement[] = []
  walkTree(body, {
    enter(node) {
      if (!isElement(node) || node.tagName !== 'article') return true
      articles.push(node)
      return false
    },
  })
  return articles.length === 1 ? articles[0] : undefined
}

/** Whether the walk is inside of an article or the main part, where `header` and `footer` are content. */
export { isContent }
