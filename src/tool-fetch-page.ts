// The entry `alcove/tools/fetch-page`: the tool with the reader of HTML.
import { createFetchPageTool, type FetchPageToolOptions } from './tools/builtin/fetch-page.js'
import type { Tool } from './tools/tool.js'

export type { AllowedPage, FetchPageToolOptions } from './tools/builtin/fetch-page.js'

/**
 * A tool that fetches a page of an allowed address and gives its main text: `{ url, title, text, continuesFrom? }`. Without credentials and
 * referrer, bounded in size and time, and never to an address that `allow` does not name: a redirect is refused. A browser can read other
 * sites only where they let it (CORS), which most do not.
 *
 * @throws AlcoveError `invalid-argument` for an empty `allow`, or an entry that cannot be read
 */
export function fetchPageTool(options: FetchPageToolOptions): Tool {
  return createFetchPageTool(options, async (html) => {
    const { parseHtml } = await import('./retrieval/parse/html.js')
    return await parseHtml(html)
  })
}
