import type { ParsedDocument, ParseOptions } from './document.js'
import { parseJson } from './json.js'
import { findMarkdownHeadings } from './markdown.js'

interface Cell {
  readonly cell_type?: unknown
  readonly source?: unknown
}

const sourceOf = ({ source }: Cell): string =>
  (Array.isArray(source) ? source.filter((line) => typeof line === 'string').join('') : String(source ?? '')).trim()

/** A fence that the code does not close. */
function fenced(code: string, language: string): string {
  const longest = Math.max(2, ...(code.match(/`{3,}/g) ?? []).map((ticks) => ticks.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}${language}\n${code}\n${fence}`
}

/**
 * Reads a Jupyter notebook (nbformat 4) as Markdown: its text cells, and its code cells in fences. Results are left out:
 * most are pictures or data. A notebook without cells is read as JSON.
 */
export async function parseNotebook(text: string, options: ParseOptions = {}): Promise<ParsedDocument> {
  const notebook = readNotebook(text)
  if (!notebook) return parseJson(text, 'application/json', options)
  const parts = notebook.cells.flatMap((cell) => {
    const source = sourceOf(cell)
    if (source === '') return []
    return [cell.cell_type === 'code' ? fenced(source, notebook.language) : source]
  })
  const joined = parts.join('\n\n')
  const content = joined.isWellFormed?.() === false ? joined.toWellFormed() : joined
  const headings = findMarkdownHeadings(content)
  const title = notebook.title ?? headings.find(({ level }) => level === 1)?.title
  return {
    mediaType: 'application/x-ipynb+json',
    ...(title === undefined ? {} : { title }),
    text: content,
    pages: [],
    headings,
  }
}

function readNotebook(
  text: string,
): { cells: readonly Cell[]; language: string; title: string | undefined } | undefined {
  try {
    const { cells, metadata } = JSON.parse(text)
    if (!Array.isArray(cells) || cells.length === 0) return undefined
    const language = metadata?.language_info?.name ?? metadata?.kernelspec?.language
    return {
      cells: cells.filter((cell) => typeof cell === 'object' && cell !== null),
      language: typeof language === 'string' && /^[\w+#-]{1,30}$/.test(language) ? language : '',
      title: typeof metadata?.title === 'string' ? metadata.title : undefined,
    }
  } catch {
    return undefined
  }
}
