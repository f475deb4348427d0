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

const namesOf = (element: HtmlElement): string =>
  `${attributeOf(element, 'class') ?? ''} ${attributeOf(element, 'id') ?? ''}`

const isHidden = (element: HtmlElement): boolean =>
  attributeOf(element, 'hidden') !== undefined ||
  attributeOf(element, 'aria-hidden') === 'true' ||
  /(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)/i.test(attributeOf(element, 'style') ?? '')

/** Whether an element is no part of what the page says to its reader. */
export function isInvisible(element: HtmlElement): boolean {
  return INVISIBLE.has(element.tagName) || isHidden(element)
}

/** Whether an element is navigation, a site's head or foot, or another part around the content. */
function isChrome(element: HtmlElement, isInContent: boolean): boolean {
  const { tagName } = element
  if (tagName === 'nav' || tagName === 'dialog') return true
  if (!isInContent && (tagName === 'header' || tagName === 'footer' || tagName === 'aside')) return true
  const role = attributeOf(element, 'role')
  if (role !== undefined && CHROME_ROLES.has(role) && !(isInContent && role === 'complementary')) return true
  return CHROME_NAMES.test(namesOf(element))
}

/** Whether `header` and `footer` inside this element are content. */
export const isContent = (element: HtmlElement): boolean =>
  element.tagName === 'main' || element.tagName === 'article' || attributeOf(element, 'role') === 'main'

/** Number of visible characters in a node without what is left out. */
function contentLength(root: HtmlNode, isLeftOut: MainContent['isLeftOut']): number {
  let length = 0
  let contentDepth = 0
  walkTree(root, {
    enter(node) {
      const text = textOf(node)
      if (text !== undefined) length += text.replace(/\s+/g, '').length
      if (!isElement(node)) return true
      if (isLeftOut(node, contentDepth > 0)) return false
      if (isContent(node)) contentDepth++
      return true
    },
    leave(node) {
      if (isElement(node) && isContent(node)) contentDepth--
    },
  })
  return length
}

/** Names of parts that are often, but not always, menus. */
const MENU_NAMES =
  /(?:^|[\s_-])(?:menu|dropdown|portlet|sidebar|toc|pagination|pager|social|share|sharing|related|widget|tags?|languages?)(?:$|[\s_-])/i

/** Parts that are named like a menu and are hardly more than links. */
function findMenus(root: HtmlNode): ReadonlySet<HtmlNode> {
  const menus = new Set<HtmlNode>()
  const open: { text: number; links: number }[] = [{ text: 0, links: 0 }]
  let linkDepth = 0
  walkTree(root, {
    enter(node) {
      const text = textOf(node)
      const length = text === undefined ? 0 : text.replace(/\s+/g, '').length
      const frame = open.at(-1)
      if (frame) {
        frame.text += length
        if (linkDepth > 0) frame.links += length
      }
      if (!isElement(node)) return true
      if (isInvisible(node)) return false
      if (node.tagName === 'a') linkDepth++
      open.push({ text: 0, links: 0 })
      return true
    },
    leave(node) {
      if (!isElement(node)) return
      if (node.tagName === 'a') linkDepth--
      const own = open.pop()
      const parent = open.at(-1)
      if (!own || !parent) return
      parent.text += own.text
      parent.links += own.links
      if (own.text > 0 && own.links >= own.text * 0.8 && MENU_NAMES.test(namesOf(node))) menus.add(node)
    },
  })
  return menus
}

/** The part of a page that its reader came for. */
export interface MainContent {
  readonly root: HtmlNode
  /** Whether an element in it is left out; `isInContent` where an article or the main part is open around it. */
  isLeftOut(element: HtmlElement, isInContent: boolean): boolean
}

/**
 * Finds the main content: `<main>`, else a lone `<article>`, else the body without its chrome; each only when it has a
 * fair share of the page's text, so that a page built in an unusual way is read whole rather than not at all.
 */
export function findMainContent(document: HtmlNode): MainContent {
  const body = findElement(document, (element) => element.tagName === 'body') ?? document
  const menus = findMenus(body)
  const isLeftOut = (element: HtmlElement, isInContent: boolean): boolean =>
    isInvisible(element) || menus.has(element) || isChrome(element, isInContent)
  const whole = contentLength(body, isInvisible)
  const clean = contentLength(body, isLeftOut)
  if (clean < whole * 0.1 || clean < Math.min(whole, 40)) return { root: body, isLeftOut: isInvisible }
  const main = findElement(body, (element) => element.tagName === 'main' || attributeOf(element, 'role') === 'main')
  const candidate = main ?? loneArticle(body)
  const root = candidate && contentLength(candidate, isLeftOut) >= clean * 0.3 ? candidate : body
  return { root, isLeftOut }
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
