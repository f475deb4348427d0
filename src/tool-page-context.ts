// The entry `alcove/tools/page-context`: the tool with the reader of HTML.
import { createPageContextTool, type PageContextToolOptions } from './tools/builtin/page-context.js'
import type { Tool } from './tools/tool.js'

export type { PageContextToolOptions } from './tools/builtin/page-context.js'

/**
 * A tool that tells the model of the page that it runs in: title, address (without query and fragment), language, selected text and, when asked,
 * the main text without navigation and hidden parts. What the user typed into fields is not told.
 */
export function pageContextTool(options: PageContextToolOptions = {}): Tool {
  return createPageContextTool(options, async (html) => {
    const { parseHtml } = await import('./retrieval/parse/html.js')
    return await parseHtml(html)
  })
}
