import type { Heading } from './document.js'
import { isContent, type MainContent } from './html-main.js'
import { attributeOf, type HtmlElement, type HtmlNode, isElement, textOf, walkTree } from './html-tree.js'
import { createTextBuilder, joinCells } from './text-builder.js'

const BLOCKS = new Set(
  'address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure footer form header hgroup hr html legend li main menu nav ol optgroup option p pre search section summary table tbody tfoot thead tr ul'.split(
    ' ',
  ),
)
const HEADING = /^h[1-6]$/

/** Tables that lay a page out: they hold other tables or headings, so their cells are read as blocks. */
function findLayoutTables(root: HtmlNode): ReadonlySet<HtmlNode> {
  const layout = new Set<HtmlNode>()
  const open: HtmlNode[] = []
  walkTree(root, {
    enter(node) {
      if (!isElement(node)) return true
      const parent = open.at(-1)
      if (parent && (node.tagName === 'table' || HEADING.test(node.tagName))) layout.add(parent)
      if (node.tagName === 'table') open.push(node)
      return true
    },
    leave(node) {
      if (isElement(node) && node.tagName === 'table') open.pop()
    },
  })
  return layout
}

interface OpenList {
  readonly ordered: boolean
  next: number
}

/** What is open around the place where the walk is. */
interface BlockState {
  inline: string[]
  lists: OpenList[]
  /** What the next line of the open list item begins with. */
  marker: string
  listGroup: string
  /** Cells of the open row of a data table. */
  cells: string[] | undefined
  tableGroup: string
  preDepth: number
  contentDepth: number
}

/** Collapses white space as a browser does when it shows text; lines that `<br>` ended stay lines. */
function collapse(text: string): string {
  return text
    .replace(/[ \t\f\u00a0]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .trim()
}

const withoutInvisible = (text: string): string => text.replace(/[\u00ad\u200b\ufeff]/g, '')

/** Reads the blocks of a tree in order: paragraphs, headings, lists, tables and code. */
export function readBlocks({ root, isLeftOut }: MainContent): { text: string; headings: Heading[] } {
  const builder = createTextBuilder()
  const layoutTables = findLayoutTables(root)
  let groups = 0
  const state: BlockState = {
    inline: [],
    lists: [],
    marker: '',
    listGroup: '',
    cells: undefined,
    tableGroup: '',
    preDepth: 0,
    contentDepth: 0,
  }

  const flush = (): void => {
    const raw = state.inline.join('')
    state.inline = []
    const text = state.preDepth > 0 ? raw.trimEnd() : collapse(raw)
    if (text.trim() === '') return
    if (state.cells) state.cells.push(`${state.cells.pop() ?? ''} ${text}`)
    else if (state.lists.length > 0) {
      const indent = ' '.repeat(state.marker === '' ? state.lists.length * 2 : (state.lists.length - 1) * 2)
      const lines = text.replace(/\n/g, `\n${' '.repeat(state.lists.length * 2)}`)
      builder.line(`${indent}${state.marker}${lines}`, state.listGroup)
      state.marker = ''
    } else builder.paragraph(text)
  }
  const enterElement = (element: HtmlElement): void => {
    const { tagName } = element
    if (tagName === 'br') state.inline.push('\n')
    if (BLOCKS.has(tagName) || HEADING.test(tagName)) flush()
    if (tagName === 'pre') state.preDepth++
    if (isContent(element)) state.contentDepth++
    if (tagName === 'ul' || tagName === 'ol' || tagName === 'menu' || tagName === 'dir') {
      if (state.lists.length === 0) state.listGroup = `list ${groups++}`
      const start = Number.parseInt(attributeOf(element, 'start') ?? '1', 10)
      state.lists.push({ ordered: tagName === 'ol', next: Number.isFinite(start) ? start : 1 })
    }
    if (tagName === 'li') {
      const list = state.lists.at(-1)
      state.marker = list?.ordered ? `${list.next++}. ` : '- '
    }
    if (tagName === 'table' && !state.cells && !layoutTables.has(element)) state.tableGroup = `table ${groups++}`
    if (tagName === 'tr' && state.tableGroup !== '') state.cells = []
    if (tagName === 'td' || tagName === 'th') {
      flush()
      state.cells?.push('')
    }
  }
  const leaveElement = (element: HtmlElement): void => {
    const { tagName } = element
    if (HEADING.test(tagName) && !state.cells) {
      builder.heading(Number(tagName[1]), collapse(state.inline.join('')))
      state.inline = []
    }
    if (BLOCKS.has(tagName) || tagName === 'td' || tagName === 'th' || HEADING.test(tagName)) flush()
    if (tagName === 'pre') state.preDepth--
    if (isContent(element)) state.contentDepth--
    if (tagName === 'ul' || tagName === 'ol' || tagName === 'menu' || tagName === 'dir') state.lists.pop()
    if (tagName === 'li') state.marker = ''
    if (tagName === 'tr' && state.cells) {
      builder.line(joinCells(state.cells), state.tableGroup)
      state.cells = undefined
    }
    if (tagName === 'table' && !layoutTables.has(element)) state.tableGroup = ''
  }
  walkTree(root, {
    enter(node) {
      const text = textOf(node)
      if (text !== undefined) {
        state.inline.push(withoutInvisible(state.preDepth > 0 ? text : text.replace(/[\s\u00a0]+/g, ' ')))
      }
      if (!isElement(node)) return true
      if (isLeftOut(node, state.contentDepth > 0)) return false
      enterElement(node)
      return true
    },
    leave(node) {
      if (isElement(node)) leaveElement(node)
    },
  })
  flush()
  return builder.finish()
}
