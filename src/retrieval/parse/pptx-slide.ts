import type { XmlAttributes, XmlVisitor } from './xml.js'

/** A part of a slide, in the order of its file. */
export type SlideBlock =
  | { readonly kind: 'paragraph'; readonly text: string }
  | { readonly kind: 'item'; readonly text: string; readonly level: number }
  | { readonly kind: 'table'; readonly rows: string[][] }

/** What a slide, or the notes of one, says. */
export interface SlideContent {
  title: string
  readonly blocks: SlideBlock[]
}

/** Placeholders that every slide has from its master. */
const FURNITURE = new Set(['dt', 'ftr', 'hdr', 'sldNum', 'sldImg'])

/** A paragraph that is being read. */
interface OpenParagraph {
  text: string
  level: number
  bullet: 'inherited' | 'none' | 'own'
}

interface State {
  /** Type of the open shape's placeholder; `none` for a text box. */
  placeholder: string
  paragraph: OpenParagraph | undefined
  isText: boolean
  /** Depth of elements that say again what others said. */
  skipped: number
  table: string[][] | undefined
  cell: string[] | undefined
}

function openElement(state: State, name: string, attributes: XmlAttributes): void {
  const { paragraph } = state
  if (name === 'sp' || name === 'cxnSp') state.placeholder = 'none'
  else if (name === 'ph') state.placeholder = attributes.type ?? 'body'
  else if (name === 'tbl') state.table = []
  else if (name === 'tr') state.table?.push([])
  else if (name === 'tc') state.cell = []
  else if (name === 'p') state.paragraph = { text: '', level: 0, bullet: 'inherited' }
  else if (name === 'pPr' && paragraph) paragraph.level = Math.min(8, Math.max(0, Number(attributes.lvl ?? 0) || 0))
  else if (name === 'buNone' && paragraph) paragraph.bullet = 'none'
  else if ((name === 'buChar' || name === 'buAutoNum') && paragraph) paragraph.bullet = 'own'
  else if (name === 'br' && paragraph) paragraph.text += '\n'
  else if (name === 'tab' && paragraph) paragraph.text += ' '
  state.isText = name === 't'
}

function closeParagraph(state: State, content: SlideContent): void {
  const { paragraph, placeholder, cell } = state
  state.paragraph = undefined
  const text = paragraph?.text
    .replace(/\v/g, '\n')
    .replace(/[^\S\n]+/g, ' ')
    .trim()
  if (!paragraph || !text || FURNITURE.has(placeholder)) return
  if (cell) cell.push(text)
  else if (placeholder === 'title' || placeholder === 'ctrTitle') {
    content.title = `${content.title} ${text.replace(/\n/g, ' ')}`.trim()
  } else if (paragraph.bullet === 'own' || (paragraph.bullet === 'inherited' && paragraph.level > 0)) {
    content.blocks.push({ kind: 'item', text, level: paragraph.level })
  } else content.blocks.push({ kind: 'paragraph', text })
}

function closeElement(state: State, name: string, content: SlideContent): void {
  state.isText = false
  if (name === 'p') closeParagraph(state, content)
  else if (name === 'sp' || name === 'cxnSp') state.placeholder = 'none'
  else if (name === 'tc') {
    // Cells that another one spans are there without text, so that columns stay in line.
    state.table?.at(-1)?.push(state.cell?.join(' ') ?? '')
    state.cell = undefined
  } else if (name === 'tbl') {
    if (state.table && state.table.length > 0) content.blocks.push({ kind: 'table', rows: state.table })
    state.table = undefined
  }
}

/** A visitor of a slide's XML (ECMA-376 part 1, 19.3 and 21.1), and what it finds. */
export function createSlideVisitor(): { readonly visitor: XmlVisitor; readonly content: SlideContent } {
  const content: SlideContent = { title: '', blocks: [] }
  const state: State = {
    placeholder: 'none',
    paragraph: undefined,
    isText: false,
    skipped: 0,
    table: undefined,
    cell: undefined,
  }
  const visitor: XmlVisitor = {
    open(name, attributes) {
      // The form for older programs, beside the one for newer (ECMA-376 part 3, 10.2).
      if (state.skipped > 0 || name === 'Fallback') state.skipped++
      else openElement(state, name, attributes)
    },
    text(text) {
      if (state.skipped === 0 && state.isText && state.paragraph) state.paragraph.text += text
    },
    close(name) {
      if (state.skipped > 0) state.skipped--
      else closeElement(state, name, content)
    },
  }
  return { visitor, content }
}
