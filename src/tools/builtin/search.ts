import type { Corpus, Hit, Metadata } from '../../protocol/corpus.js'
import { type Tool, tool } from '../tool.js'

export interface SearchToolOptions {
  /** @default 'search_documents' */
  readonly name?: string | undefined
  /** What the documents are about, for the model. @default 'the documents of the user' */
  readonly about?: string | undefined
  /** Most passages of a call. @default 5 */
  readonly topK?: number | undefined
  /** Only documents whose metadata has these values. */
  readonly where?: Metadata | undefined
  /** Most characters of one passage. @default 1_200 */
  readonly maxCharacters?: number | undefined
}

/** A passage as the model is given it: enough to cite it. `document.text.slice(...span) === text` holds. */
export interface FoundPassage {
  /** Number within the result, from 1: to cite it by. */
  readonly number: number
  readonly text: string
  readonly title: string
  readonly page?: number
  readonly section?: string
  readonly url?: string
  readonly documentId: string
  readonly span: readonly [start: number, end: number]
}

/** Most characters of a query. */
const MAX_QUERY = 500

/** A tool that searches a corpus. Gives `{ passages }`, best first, each with where it stands; none is an answer too. */
export function searchTool(corpus: Pick<Corpus, 'search'>, options: SearchToolOptions = {}): Tool {
  const { name = 'search_documents', about = 'the documents of the user', topK = 5, where } = options
  const { maxCharacters = 1200 } = options
  return tool({
    name,
    description: `Searches ${about}. Returns the best passages with their title and page. Cite a passage by its number, like [1].`,
    input: {
      type: 'object',
      properties: {
        query: { type: 'string', minLength: 1, maxLength: MAX_QUERY, description: 'What to look for, in a few words' },
      },
      required: ['query'],
      additionalProperties: false,
    },
    async execute({ query }, { signal }) {
      const hits = await corpus.search(String(query), { topK, where, signal })
      return { passages: hits.map((hit, at) => describeHit(hit, at + 1, maxCharacters)) }
    },
  })
}

function describeHit({ text, source, span: [start, end] }: Hit, number: number, maxCharacters: number): FoundPassage {
  const { title, page, headings, url, id } = source
  const isCut = text.length > maxCharacters
  return {
    number,
    text: isCut ? text.slice(0, maxCharacters) : text,
    title,
    ...(page === undefined ? {} : { page }),
    ...(headings.length === 0 ? {} : { section: headings.join(' › ') }),
    ...(url === undefined ? {} : { url }),
    documentId: id,
    span: [start, isCut ? start + maxCharacters : end],
  }
}
