import { AlcoveError } from '../../protocol/error.js'
import { type Tool, tool } from '../tool.js'
import { type ReadHtml, sliceText } from './slice-text.js'

export interface PageContextToolOptions {
  /** @default 'page_context' */
  readonly name?: string | undefined
  /** The part of the page that is read. @default the page's body */
  readonly root?: (() => Element | null) | undefined
  /** Most characters of text that one call gives. @default 6_000 */
  readonly maxCharacters?: number | undefined
  /** Whether a person must agree to each call. @default false */
  readonly needsApproval?: boolean | undefined
}

/** Largest source that is read for its main text. */
const MAX_HTML = 4_000_000
const MAX_SELECTION = 4000

/** A tool that tells of the page that it runs in. See `pageContextTool` of `alcove/tools/page-context`. */
export function createPageContextTool(options: PageContextToolOptions, readHtml: ReadHtml): Tool {
  const { name = 'page_context', root = () => document.body, maxCharacters = 6000, needsApproval = false } = options
  return tool({
    name,
    description:
      'Tells what the user sees: title, address and selected text of this page, and its main text if asked. "this page" and "this" of the ' +
      'user mean it.',
    input: {
      type: 'object',
      properties: {
        text: { type: 'boolean', description: 'true: the main text of the page too' },
        from: { type: 'integer', minimum: 0, description: 'Where the text goes on, for a long page' },
      },
      additionalProperties: false,
    },
    needsApproval,
    async execute({ text, from }) {
      if (typeof document === 'undefined') throw new AlcoveError('tool-failed', 'There is no page here.')
      const selection = String(getSelection() ?? '').trim()
      const isLong = selection.length > MAX_SELECTION
      return {
        title: document.title.slice(0, 300),
        // Queries and fragments may hold secrets.
        url: location.origin === 'null' ? location.protocol : `${location.origin}${location.pathname}`,
        ...(document.documentElement.lang === '' ? {} : { language: document.documentElement.lang.slice(0, 35) }),
        ...(selection === '' ? {} : { selection: isLong ? `${selection.slice(0, MAX_SELECTION)}…` : selection }),
        ...(text === true || from !== undefined ? await readPage(root(), Number(from ?? 0)) : {}),
      }
    },
  })

  async function readPage(element: Element | null, from: number) {
    const html = element?.outerHTML ?? ''
    if (html.length > MAX_HTML) {
      throw new AlcoveError('too-large', `This page has ${html.length} characters of HTML, more than can be read.`)
    }
    const { text } = await readHtml(html)
    return sliceText(text, from, maxCharacters)
  }
}
