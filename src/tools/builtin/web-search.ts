import { AlcoveError } from '../../protocol/error.js'
import { type Tool, tool } from '../tool.js'

/** One result of a web search. */
export interface WebSearchResult {
  readonly title: string
  /** Address, http or https; others are left out. */
  readonly url: string
  /** What the page says, shortly. */
  readonly text?: string | undefined
}

export interface WebSearchToolOptions {
  /** Asks the search service of the host's choice. */
  readonly search: (
    query: string,
    options: { readonly maxResults: number; readonly signal: AbortSignal },
  ) => Promise<readonly WebSearchResult[]> | readonly WebSearchResult[]
  /** @default 'web_search' */
  readonly name?: string | undefined
  /** Most results that the model is given. @default 5 */
  readonly maxResults?: number | undefined
  /** Most characters of a result's text. @default 400 */
  readonly maxCharacters?: number | undefined
  /** Whether a person must agree to each query: it leaves the device. @default true */
  readonly needsApproval?: boolean | undefined
}

/** Most characters of a query, a title and an address. */
const MAX_QUERY = 300
const MAX_TITLE = 200
const MAX_URL = 1000

/**
 * A tool that searches the web with a function of the host. Gives `{ results }`, bounded, whatever the function gives.
 *
 * @throws AlcoveError `invalid-argument` without `search`
 */
export function webSearchTool(options: WebSearchToolOptions): Tool {
  const { search, name = 'web_search', maxResults = 5, maxCharacters = 400, needsApproval = true } = options
  if (typeof search !== 'function') {
    throw new AlcoveError('invalid-argument', `webSearchTool: expected a function search, got ${typeof search}`)
  }
  return tool({
    name,
    description:
      'Searches the web. Returns titles, addresses and short texts. Use it for what may have changed or is not known here.',
    input: {
      type: 'object',
      properties: { query: { type: 'string', minLength: 1, maxLength: MAX_QUERY, description: 'A few words' } },
      required: ['query'],
      additionalProperties: false,
    },
    needsApproval,
    async execute({ query }, { signal }) {
      const found: unknown = await search(String(query), { maxResults, signal })
      if (!Array.isArray(found)) throw new AlcoveError('tool-failed', 'The search gave no list of results.')
      const results = found.slice(0, maxResults * 4).flatMap((entry) => readResult(entry, maxCharacters))
      return { results: results.slice(0, maxResults) }
    },
  })
}

function readResult(entry: unknown, maxCharacters: number): WebSearchResult[] {
  const { title, url, text } = (entry ?? {}) as Record<string, unknown>
  if (typeof url !== 'string' || url.length > MAX_URL || !/^https?:\/\//i.test(url) || !URL.canParse(url)) return []
  const shown = typeof text === 'string' ? text.slice(0, maxCharacters) : undefined
  const name = typeof title === 'string' && title !== '' ? title.slice(0, MAX_TITLE) : url
  return [{ title: name, url, ...(shown === undefined ? {} : { text: shown }) }]
}
